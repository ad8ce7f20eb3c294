--- cp.exec: a shell command, its output under limits, one callback.
local lfs = require 'lfs'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local MIB = 1024 * 1024

-- Runs a command that must succeed; `check(stdout, stderr)`.  Returns the child.
local function works(command, options, check)
  local callback = t.expect(function(err, ...)
    assert.is_nil(err)
    return check and check(...)
  end)
  return cp.exec(command, options, callback)
end

-- Runs a command that must fail; `check(err, stdout, stderr)`.  Returns the child.
local function fails(command, options, check)
  local callback = t.expect(function(err, ...)
    assert.is_not_nil(err)
    check(err, ...)
  end)
  return cp.exec(command, options, callback)
end

-- Runs a command that must exceed its maxBuffer; `check(stdout, stderr, err)`.
local function overflows(name, command, options, check)
  return fails(command, options, function(err, stdout, stderr)
    assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', err.code)
    assert.equal('RangeError', err.name)
    assert.equal(name .. ' maxBuffer length exceeded', err.message)
    assert.is_nil(err.killed)
    assert.is_nil(err.signal)
    check(stdout, stderr, err)
  end)
end

describe('cp.exec', function()
  it('calls back with what the command printed', function()
    works('echo out; echo err >&2', {}, function(stdout, stderr)
      assert.equal('out\n', stdout)
      assert.equal('err\n', stderr)
    end)
  end)

  it('works as the quotes and variables of a shell say', function()
    local folder = t.tmpdir() .. '/with a space'
    assert(lfs.mkdir(folder))
    local path = t.write_file(folder .. '/test.sh', '#!/bin/sh\nprintf "%s|" "$@"', '+x')
    works(
      ('"%s" a1 \'a 2\' $X \\$X "$X"'):format(path),
      { env = { X = 'x y' } },
      function(out)
        assert.equal('a1|a 2|x|y|$X|x y|', out)
      end
    )
  end)

  it('returns the child, whose streams may be used as well', function()
    local child = works('echo out', {}, function(stdout)
      assert.equal('out\n', stdout)
    end)
    local out = t.collect(child.stdout)
    assert.equal('integer', math.type(child.pid))
    assert.equal('/bin/sh', child.spawnfile)
    assert.same({ '/bin/sh', '-c', 'echo out' }, child.spawnargs)
    t.once(child, 'close', function()
      assert.equal('out\n', out())
    end)
  end)

  it('needs no callback', function()
    local child = cp.exec 'command_that_does_not_exist'
    local err = t.collect(child.stderr)
    t.once(child, 'close', function(code)
      assert.equal(127, code)
      assert.truthy(err():find 'not found')
    end)
  end)

  it('takes its callback in the place of the options', function()
    cp.exec('true', nil, t.expect())
    cp.exec('true', {}, t.expect())
  end)

  it('calls back when the output has ended, which may be after exit', function()
    local exited = false
    -- stdin ends with the shell
    local command = 'exec 3<&0; (read line <&3; echo late) & exit 0'
    local child = works(command, {}, function(stdout)
      assert.is_true(exited)
      assert.equal('late\n', stdout)
    end)
    child:once('exit', function()
      exited = true
    end)
  end)

  it('lets what the callback raises leave cp.run()', function()
    cp.exec('true', function()
      error({ 'mine' }, 0)
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.same({ 'mine' }, err)
  end)

  it('passes on a mebibyte less one byte, and a newline', function()
    local command = ("head -c %d /dev/zero | tr '\\0' x; echo"):format(MIB - 1)
    works(command, {}, function(stdout)
      assert.equal(('x'):rep(MIB - 1) .. '\n', stdout)
    end)
  end)

  it('calls back when a file that the command writes is complete', function()
    local path = t.tmpdir() .. '/out'
    works(("head -c %d /dev/zero > '%s'"):format(MIB, path), {}, function()
      assert.equal(MIB, #t.slurp(path))
    end)
  end)

  it('lets a program end quietly whose reader has gone', function()
    works('yes | head -2', {}, function(stdout, stderr)
      assert.equal('y\ny\n', stdout)
      assert.equal('', stderr)
    end)
  end)
end)

describe('an option of cp.exec', function()
  it('cwd is where the command runs', function()
    works('pwd', { cwd = '/dev' }, function(stdout)
      assert.equal('/dev\n', stdout)
    end)
  end)

  it('env replaces the environment', function()
    works('/usr/bin/env', { env = { HELLO = 'WORLD' } }, function(stdout)
      assert.truthy(('\n' .. stdout):find('\nHELLO=WORLD\n', 1, true))
      assert.is_nil(('\n' .. stdout):find('\nHOME=', 1, true))
    end)
  end)

  it('shell names another shell', function()
    local child = works('echo $0', { shell = '/bin/bash' }, function(stdout)
      assert.equal('/bin/bash\n', stdout)
    end)
    assert.equal('/bin/bash', child.spawnfile)
  end)

  it('shell cannot be switched off', function()
    assert.equal('/bin/sh', works('echo a | cat', { shell = false }).spawnfile)
  end)

  it('input is what the command reads', function()
    works('tr a-z A-Z', { input = 'some\0text' }, function(stdout)
      assert.equal('SOME\0TEXT', stdout)
    end)
  end)

  it('input may be more than the command reads', function()
    works('true', { input = ('x'):rep(MIB) })
  end)

  it('customFds leaves a stream to us', function()
    local child = works(
      'echo out',
      { customFds = { -1, -1, 2 } },
      function(stdout, stderr)
        assert.equal('out\n', stdout)
        assert.equal('', stderr)
      end
    )
    assert.is_nil(child.stderr)
  end)

  it('is only read', function()
    local options = { timeout = 10000, maxBuffer = 10, encoding = 'utf8' }
    works('true', options)
    assert.same({ timeout = 10000, maxBuffer = 10, encoding = 'utf8' }, options)
  end)
end)

describe('the error of cp.exec', function()
  it('tells exit code, command and output', function()
    local command = 'echo out; echo err >&2; exit 23'
    fails(command, {}, function(err, stdout, stderr)
      assert.equal(23, err.code)
      assert.is_nil(err.signal)
      assert.is_false(err.killed)
      assert.equal(command, err.cmd)
      assert.equal('out\n', stdout)
      assert.equal('err\n', stderr)
      assert.equal(stdout, err.stdout)
      assert.equal(stderr, err.stderr)
      assert.equal('Command failed: ' .. command .. '\nerr\n', err.message)
      assert.equal('Error: ' .. err.message, tostring(err))
    end)
  end)

  it('is exit code 127 for an unknown command', function()
    local child = fails('does-not-exist', {}, function(err)
      assert.equal(127, err.code)
      assert.equal('does-not-exist', err.cmd)
    end)
    assert.equal('integer', math.type(child.pid))
  end)

  it('tells the signal that ended the shell', function()
    fails('kill -9 $$', {}, function(err)
      assert.is_nil(err.code)
      assert.equal('SIGKILL', err.signal)
      assert.is_false(err.killed)
    end)
  end)

  it('tells that it was our signal', function()
    local child = fails('exec cat', {}, function(err)
      assert.is_true(err.killed)
      assert.equal('SIGTERM', err.signal)
    end)
    child:kill()
  end)

  it('is the failure to start, with the command', function()
    fails('echo x', { cwd = '/does/not/exist' }, function(err, stdout, stderr)
      assert.equal('ENOENT', err.code)
      assert.equal('chdir', err.stage)
      assert.equal('echo x', err.cmd)
      assert.equal('', stdout)
      assert.equal('', stderr)
    end)
  end)

  it('is the very value of an error event', function()
    local mine = setmetatable({}, { __newindex = t.never() })
    local child = fails('exec cat', {}, function(err, stdout, stderr)
      assert.equal(mine, err)
      assert.equal('', stdout)
      assert.equal('', stderr)
    end)
    child:emit('error', mine)
    child:kill()
  end)

  it('may be a string, if somebody emits one', function()
    local child = fails('exec cat', {}, function(err)
      assert.equal('mine', err)
    end)
    child:emit('error', 'mine')
    child:kill()
  end)
end)

describe('timeout of cp.exec', function()
  it('ends the command and hands over what it printed', function()
    local command = 'echo started; exec cat'
    fails(command, { timeout = 500 }, function(err, stdout, stderr)
      assert.is_true(err.killed)
      assert.is_nil(err.code)
      assert.equal('SIGTERM', err.signal)
      assert.equal(command, err.cmd)
      assert.equal('started\n', stdout)
      assert.equal('', stderr)
    end)
  end)

  it('sends killSignal', function()
    fails('exec cat', { timeout = 1, killSignal = 'SIGKILL' }, function(err)
      assert.equal('SIGKILL', err.signal)
    end)
  end)

  it('does not wait for a descendant that holds the pipes', function()
    local command = 'sleep 1000 & echo $!; wait'
    fails(command, { timeout = 500 }, function(err, stdout)
      os.execute('kill ' .. stdout)
      assert.is_true(err.killed)
    end)
  end)

  it('does not hold the loop when the command ends in time', function()
    works('echo out', { timeout = 2 ^ 30 }, function(stdout)
      assert.equal('out\n', stdout)
    end)
  end)

  it('is none when it is 0', function()
    works('echo out', { timeout = 0 })
  end)

  it('is no error when the command ends well in spite of it', function()
    local command = "trap 'kill $!; exit 0' TERM; sleep 1000 & echo ready; wait"
    works(command, { timeout = 500 }, function(stdout)
      assert.equal('ready\n', stdout)
    end)
  end)
end)

describe('maxBuffer of cp.exec', function()
  it('cuts and keeps stdout, and ends the command', function()
    local command = 'echo hello world; exec cat'
    overflows('stdout', command, { maxBuffer = 5 }, function(stdout, _, err)
      assert.equal('hello', stdout)
      assert.equal('hello', err.stdout)
      assert.equal(command, err.cmd)
    end)
  end)

  it('bounds stderr on its own', function()
    local command = 'echo hello; echo erroneous >&2'
    overflows('stderr', command, { maxBuffer = 6 }, function(stdout, stderr)
      assert.equal('hello\n', stdout)
      assert.equal('errone', stderr)
    end)
  end)

  it('allows as much as it says', function()
    works('printf hello', { maxBuffer = 5 }, function(stdout)
      assert.equal('hello', stdout)
    end)
    works('true', { maxBuffer = 0 })
    overflows('stdout', 'echo x', { maxBuffer = 0 }, function(stdout)
      assert.equal('', stdout)
    end)
  end)

  it('is a mebibyte by default', function()
    overflows('stdout', 'head -c 1048577 /dev/zero', {}, function(stdout)
      assert.equal(MIB, #stdout)
    end)
    works('head -c 1048576 /dev/zero', {}, function(stdout)
      assert.equal(MIB, #stdout)
    end)
  end)

  it('stops a command that prints without end', function()
    overflows('stdout', 'yes', {}, function(stdout)
      assert.equal(('y\n'):rep(MIB // 2), stdout)
    end)
  end)

  it('counts bytes of the command in every encoding, and cuts no character', function()
    local expected = {
      utf8 = 'éé',
      latin1 = 'Ã©Ã©Ã',
      ascii = 'C)C)C',
      hex = 'c3a9c3a9c3',
      base64 = 'w6nD',
      base64url = 'w6nD',
      utf16le = utf8.char(0xA9C3, 0xA9C3),
    }
    for encoding, text in pairs(expected) do
      local options = { maxBuffer = 5, encoding = encoding }
      overflows('stdout', 'printf éééé', options, function(stdout)
        assert.equal(text, stdout, encoding)
      end)
    end
  end)

  it('sends killSignal', function()
    local options = { maxBuffer = 1, killSignal = 'SIGKILL' }
    local child = cp.exec('echo hello; exec cat', options, t.expect())
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGKILL', signal)
    end)
  end)

  it('gives way to what kill raises', function()
    local child, prototype = nil, cp.ChildProcess.prototype
    child = fails('echo hello; exec cat', { maxBuffer = 0 }, function(err, stdout, stderr)
      assert.equal('mine', err)
      assert.equal('', stdout)
      assert.equal('', stderr)
      assert.is_true(child.killed)
    end)
    child.kill = function(self, signal)
      prototype.kill(self, signal)
      error('mine', 0)
    end
  end)
end)

describe('encoding of cp.exec', function()
  local bytes = '\xC3\xA9\xFF\0'
  local command = [[printf '\303\251\377\000']]

  local function gives(encoding, text)
    works(command, { encoding = encoding }, function(stdout)
      assert.equal(text, stdout)
    end)
  end

  it('leaves the bytes alone if it is missing, buffer or unknown', function()
    gives(nil, bytes)
    gives('buffer', bytes)
    gives('no-such-encoding', bytes)
  end)

  it('decodes to text', function()
    gives('utf8', 'é\u{FFFD}\0')
    gives('UTF-8', 'é\u{FFFD}\0')
    gives('latin1', 'Ã©ÿ\0')
    gives('hex', 'c3a9ff00')
    gives('base64', 'w6n/AA==')
  end)

  it('may also be set on the streams', function()
    local child = works('echo foo; echo bar >&2', {}, function(stdout, stderr)
      assert.equal('foo\n', stdout)
      assert.equal('bar\n', stderr)
    end)
    child.stdout:setEncoding 'utf-8'
    child.stderr:setEncoding 'utf-8'
  end)

  it('holds for the data of the streams', function()
    local child = works('echo foo', { encoding = 'hex' })
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      assert.equal('666f6f0a', out())
    end)
  end)
end)

describe('signal of cp.exec', function()
  it('ends the command, with an AbortError inside abort()', function()
    local controller, called = cp.AbortController(), false
    local options = { signal = controller.signal }
    local child = fails('echo ready; exec cat', options, function(err, stdout)
      called = true
      assert.equal('AbortError', err.name)
      assert.equal('ABORT_ERR', err.code)
      assert.equal('boom', err.cause)
      assert.equal('echo ready; exec cat', err.cmd)
      assert.equal('ready\n', stdout)
    end)
    child.stdout:once('data', function()
      controller:abort 'boom'
      assert.is_true(called)
    end)
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGTERM', signal)
    end)
  end)

  it('has an AbortError as its reason by default', function()
    local controller = cp.AbortController()
    fails('exec cat', { signal = controller.signal }, function(err)
      assert.equal('AbortError', err.cause.name)
    end)
    controller:abort()
  end)

  it('starts nothing when it is aborted already', function()
    local path = t.tmpdir() .. '/touched'
    local options = { signal = cp.AbortSignal.abort 'early' }
    local child = fails(("touch '%s'"):format(path), options, function(err)
      assert.equal('AbortError', err.name)
      assert.equal('early', err.cause)
      assert.is_nil(t.slurp(path))
    end)
    assert.is_nil(child.pid)
  end)
end)

describe('cp.exec with a child that lacks its streams', function()
  local prototype = cp.ChildProcess.prototype
  local spawn = prototype.spawn

  before_each(function()
    prototype.spawn = function(self, ...)
      spawn(self, ...)
      self.stdout:resume()
      self.stderr:resume()
      self.stdout, self.stderr = nil, nil
    end
  end)

  after_each(function()
    prototype.spawn = spawn
  end)

  it('calls back with empty output', function()
    works('echo out', {}, function(stdout, stderr)
      assert.equal('', stdout)
      assert.equal('', stderr)
    end)
  end)

  it('hands over an error event', function()
    local mine = {}
    local child = fails('exec cat', {}, function(err, stdout, stderr)
      assert.equal(mine, err)
      assert.equal('', stdout)
      assert.equal('', stderr)
    end)
    child:emit('error', mine)
    child:kill()
  end)

  it('keeps its time limit', function()
    fails('exec cat', { timeout = 1 }, function(err, stdout, stderr)
      assert.is_true(err.killed)
      assert.equal('', stdout)
      assert.equal('', stderr)
    end)
  end)
end)
