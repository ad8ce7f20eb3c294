--- cp.execFile: a program without a shell.  What it shares with cp.exec is in exec_spec.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local MIB = 1024 * 1024

local function works(file, args, options, check)
  local callback = t.expect(function(err, ...)
    assert.is_nil(err)
    return check and check(...)
  end)
  return cp.execFile(file, args, options, callback)
end

local function fails(file, args, options, check)
  local callback = t.expect(function(err, ...)
    assert.is_table(err)
    check(err, ...)
  end)
  return cp.execFile(file, args, options, callback)
end

describe('cp.execFile', function()
  it('runs a program with its arguments as they are', function()
    works('printf', { '%s|', 'a b', '$HOME', '*', '' }, {}, function(stdout, stderr)
      assert.equal('a b|$HOME|*||', stdout)
      assert.equal('', stderr)
    end)
  end)

  it('needs no callback', function()
    local child = cp.execFile('sh', { '-c', 'exit 3' })
    t.once(child, 'close', function(code)
      assert.equal(3, code)
    end)
  end)

  it('keeps its own copy of the arguments', function()
    local args = { 'one' }
    works('echo', args, {}, function(stdout)
      assert.equal('one\n', stdout)
    end)
    args[1] = 'two'
    assert.same({ 'two' }, args)
  end)

  it('takes many arguments', function()
    local args = {}
    for i = 1, 10000 do
      args[i] = i
    end
    works('echo', args, {}, function(stdout)
      assert.equal(table.concat(args, ' ') .. '\n', stdout)
    end)
  end)
end)

describe('the forms of cp.execFile', function()
  local args, options = { 'text' }, { cwd = '/dev' }

  -- a function that calls back with what `pwd` or `echo` printed
  local function prints(expected)
    return t.expect(function(err, stdout)
      assert.is_nil(err)
      assert.equal(expected, stdout)
    end)
  end

  it('without a callback', function()
    cp.execFile 'true'
    cp.execFile('true', args)
    cp.execFile('true', options)
    cp.execFile('true', args, options)
    cp.execFile('true', nil, options)
    cp.execFile('true', nil, nil, nil)
    cp.execFile('true', args, nil, nil)
  end)

  it('file, callback', function()
    cp.execFile('echo', prints '\n')
    cp.execFile('echo', prints '\n', 'whatever', 5)
  end)

  it('file, arguments, callback', function()
    cp.execFile('echo', args, prints 'text\n')
    cp.execFile('echo', {}, prints '\n')
    cp.execFile('echo', nil, prints '\n')
  end)

  it('file, options, callback', function()
    cp.execFile('pwd', options, prints '/dev\n')
    cp.execFile('pwd', options, nil, prints '/dev\n')
  end)

  it('file, arguments, options, callback', function()
    cp.execFile('echo', args, options, prints 'text\n')
    cp.execFile('echo', args, nil, prints 'text\n')
    cp.execFile('pwd', nil, options, prints '/dev\n')
    cp.execFile('pwd', {}, options, prints '/dev\n')
    cp.execFile('echo', nil, nil, prints '\n')
  end)
end)

describe('the error of cp.execFile', function()
  it('names the program and its arguments', function()
    fails('sh', { '-c', 'echo err >&2; exit 4' }, {}, function(err, stdout, stderr)
      assert.equal(4, err.code)
      assert.equal('sh -c echo err >&2; exit 4', err.cmd)
      assert.equal('Command failed: ' .. err.cmd .. '\nerr\n', err.message)
      assert.equal('', stdout)
      assert.equal('err\n', stderr)
    end)
  end)

  it('is ENOENT for a missing program', function()
    local child = fails('does-not-exist', { 'a', 'b' }, {}, function(err, stdout, stderr)
      assert.equal('ENOENT', err.code)
      assert.equal(-2, err.errno)
      assert.equal('spawn does-not-exist', err.syscall)
      assert.equal('does-not-exist', err.path)
      assert.same({ 'a', 'b' }, err.spawnargs)
      assert.equal('does-not-exist a b', err.cmd)
      assert.equal('', stdout)
      assert.equal('', stderr)
    end)
    assert.is_nil(child.pid)
  end)

  it('does not come inside the call', function()
    local called = false
    cp.execFile('does-not-exist', function()
      called = true
    end)
    assert.is_false(called)
  end)
end)

describe('an option of cp.execFile', function()
  it('shell joins the arguments to the command', function()
    local child = works('echo', { 'a', '$((1 + 1))' }, { shell = true }, function(stdout)
      assert.equal('a 2\n', stdout)
    end)
    assert.same({ '/bin/sh', '-c', 'echo a $((1 + 1))' }, child.spawnargs)
  end)

  it('detached gives the program a session of its own', function()
    local script = 'echo $$; cut -d" " -f6 /proc/$$/stat'
    works('sh', { '-c', script }, { detached = true }, function(stdout)
      local pid, session = stdout:match '^(%d+)\n(%d+)\n$'
      assert.truthy(pid)
      assert.equal(pid, session)
    end)
  end)

  it('shell shows in the error as what the shell was told', function()
    fails('exit', { '7' }, { shell = true }, function(err)
      assert.equal(7, err.code)
      assert.equal('exit 7', err.cmd)
    end)
  end)

  it('input is what the program reads', function()
    works('cat', {}, { input = ('x'):rep(MIB) }, function(stdout)
      assert.equal(('x'):rep(MIB), stdout)
    end)
    works('cat', {}, { input = '' }, function(stdout)
      assert.equal('', stdout)
    end)
  end)

  it('maxBuffer cuts stdout and stderr, and ends the program', function()
    for name, command in pairs { stdout = 'echo hello', stderr = 'echo hello >&2' } do
      fails('sh', { '-c', command }, { maxBuffer = 2 }, function(err)
        assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', err.code)
        assert.equal(name .. ' maxBuffer length exceeded', err.message)
        assert.equal('he', err[name])
      end)
    end
  end)

  it('maxBuffer is a mebibyte by default, and may be without end', function()
    local args = { '-c', MIB + 1, '/dev/zero' }
    fails('head', args, {}, function(err, stdout)
      assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', err.code)
      assert.equal(MIB, #stdout)
    end)
    works('head', args, { maxBuffer = math.huge }, function(stdout)
      assert.equal(MIB + 1, #stdout)
    end)
  end)

  it('timeout ends the program', function()
    fails('cat', {}, { timeout = 1 }, function(err)
      assert.is_true(err.killed)
      assert.equal('SIGTERM', err.signal)
      assert.equal('cat', err.cmd)
    end)
  end)

  it('signal ends the program', function()
    local controller = cp.AbortController()
    fails('cat', {}, { signal = controller.signal }, function(err)
      assert.equal('ABORT_ERR', err.code)
      assert.equal('cat', err.cmd)
    end)
    controller:abort()
  end)

  it('signal starts nothing when it is aborted already', function()
    local options = { signal = cp.AbortSignal.abort() }
    local child = fails('cat', {}, options, function(err)
      assert.equal('ABORT_ERR', err.code)
    end)
    assert.is_nil(child.pid)
  end)

  it('uid and gid may be our own', function()
    local uid = math.tointeger(t.status_field(t.pid(), 'Uid'):match '%d+')
    local gid = math.tointeger(t.status_field(t.pid(), 'Gid'):match '%d+')
    works('id', { '-u' }, { uid = uid, gid = gid }, function(stdout)
      assert.equal(uid .. '\n', stdout)
    end)
  end)
end)
