local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function sh(script, options)
  return cp.spawnSync('sh', { '-c', script }, options)
end

describe('the result of spawnSync', function()
  it('has the output, the exit code and the pid', function()
    local r = sh 'echo out; echo err >&2; echo $$ >&2; exit 7'
    assert.equal('out\n', r.stdout)
    assert.equal(('err\n%d\n'):format(r.pid), r.stderr)
    assert.same({ nil, r.stdout, r.stderr, n = 3 }, r.output)
    assert.equal(7, r.status)
    assert.is_nil(r.signal)
    assert.is_nil(r.error)
  end)

  it('has the signal that ended the program', function()
    local r = sh 'kill -KILL $$'
    assert.is_nil(r.status)
    assert.equal('SIGKILL', r.signal)
    assert.is_nil(r.error)
  end)

  it('has empty strings where nothing was written', function()
    local r = cp.spawnSync 'true'
    assert.same({ nil, '', '', n = 3 }, r.output)
    assert.equal(0, r.status)
  end)

  it('has every byte, and decodes only when asked to', function()
    local bytes = '\0\255\195\169\n'
    local r = cp.spawnSync('cat', { input = bytes })
    assert.equal(bytes, r.stdout)
    r = cp.spawnSync('cat', { input = bytes, encoding = 'buffer' })
    assert.equal(bytes, r.stdout)
    r = cp.spawnSync('cat', { input = bytes, encoding = 'utf8' })
    assert.equal('\0\239\191\189é\n', r.stdout)
    r = sh('cat; echo er >&2', { input = bytes, encoding = 'hex' })
    assert.equal('00ffc3a90a', r.stdout)
    assert.equal('65720a', r.stderr)
  end)

  it('has large output whole, from several pipes at once', function()
    local script = 'head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait'
    local r = sh(script, { maxBuffer = math.huge })
    assert.equal(('\0'):rep(3000000), r.stdout)
    assert.equal(('\0'):rep(2000000), r.stderr)
  end)

  it('has what was written before a program closed its output and went on', function()
    local r = sh 'echo early; exec >&- 2>&-; exec sleep 0.05'
    assert.equal('early\n', r.stdout)
    assert.equal(0, r.status)
  end)
end)

describe('the program that spawnSync starts', function()
  it('is our own child', function()
    assert.equal(tostring(t.pid()), sh('printf %s $PPID').stdout)
  end)

  it('gets cwd, env and argv0', function()
    assert.equal('/\n', cp.spawnSync('pwd', { cwd = '/' }).stdout)
    assert.equal('A=1\n', cp.spawnSync('/usr/bin/env', { env = { A = 1 } }).stdout)
    local r = cp.spawnSync('sh', { '-c', 'echo $0' }, { argv0 = 'zz' })
    assert.equal('zz\n', r.stdout)
  end)

  it('takes options behind no arguments, and in their place', function()
    for _, result in ipairs {
      cp.spawnSync('pwd', nil, { cwd = '/dev' }),
      cp.spawnSync('pwd', {}, { cwd = '/dev' }),
      cp.spawnSync('pwd', { cwd = '/dev' }),
      cp.spawnSync('pwd', { cwd = '/dev' }, { cwd = '/' }),
    } do
      assert.equal('/dev\n', result.stdout)
      assert.equal('', result.stderr)
      assert.is_nil(result.error)
    end
    assert.equal(0, cp.spawnSync('true').status)
    assert.equal('a\n', cp.execFileSync('echo', { 'a' }, nil))
    assert.equal('/dev\n', cp.execFileSync('pwd', { cwd = '/dev' }))
    assert.equal('/dev\n', cp.execSync('pwd', { cwd = '/dev' }))
  end)

  it('runs in a shell if asked to', function()
    local r = cp.spawnSync('echo', { 'a', '|', 'tr', 'a', 'b' }, { shell = true })
    assert.equal('b\n', r.stdout)
    r = cp.spawnSync('lcp_nope', { shell = true })
    assert.equal(127, r.status)
    assert.is_nil(r.error)
    local shell = t.write_file(t.tmpdir() .. '/shell', '#!/bin/sh\necho "$@"\n', '+x')
    assert.equal('-c a b\n', cp.spawnSync('a', { 'b' }, { shell = shell }).stdout)
  end)

  it('leads a session if detached', function()
    local r = sh('cat /proc/$$/stat', { detached = true })
    local group, session = r.stdout:match '%) %S %d+ (%d+) (%d+)'
    assert.equal(tostring(r.pid), group)
    assert.equal(tostring(r.pid), session)
  end)

  it('runs as another user, if we may', function()
    local r = sh('id -u; id -g', { uid = 1, gid = 1 })
    if r.error then
      assert.equal('EPERM', r.error.code)
      assert.equal('setgid', r.error.stage)
    else
      assert.equal('1\n1\n', r.stdout)
    end
  end)

  it('has an empty signal mask and default dispositions', function()
    local r = cp.spawnSync('cat', { '/proc/self/status' })
    assert.matches('SigBlk:%s*0+\n', r.stdout)
    assert.matches('SigCgt:%s*0+\n', r.stdout)
  end)

  it('has no descriptor but those it was given', function()
    if t.backend() == 'uv' then
      pending 'uv_spawn passes on what others left open'
    end
    local r = cp.spawnSync('ls', { '/proc/self/fd' })
    assert.equal('0\n1\n2\n3\n', r.stdout) -- 3 is the directory
  end)
end)

describe('a start that fails in spawnSync', function()
  local function expect_failure(expected, command, args, options)
    local r = cp.spawnSync(command, args, options)
    assert.equal(0, r.pid)
    for _, name in ipairs { 'output', 'stdout', 'stderr', 'status', 'signal' } do
      assert.is_nil(r[name])
    end
    local err = r.error
    assert.equal(expected.code, err.code)
    assert.equal(expected.stage, err.stage)
    assert.equal(expected.path or command, err.path)
    assert.equal('spawnSync ' .. command, err.syscall)
    local message = ('spawnSync %s %s'):format(command, expected.code)
    assert.equal(message, err.message:sub(1, #message))
    assert.same(args, err.spawnargs)
    assert.is_true(err.errno < 0)
    return err
  end

  it('is a missing command', function()
    local err = expect_failure({ code = 'ENOENT', stage = 'exec' }, 'lcp_nope', { 'a' })
    assert.equal(-2, err.errno)
    assert.equal('spawnSync lcp_nope ENOENT', err.message)
    assert.equal('Error: spawnSync lcp_nope ENOENT', tostring(err))
  end)

  it('is a missing cwd, and the directory is blamed', function()
    local expected = { code = 'ENOENT', stage = 'chdir', path = '/nowhere' }
    expect_failure(expected, 'pwd', {}, { cwd = '/nowhere' })
  end)

  it('is a directory, and a file without the x bit', function()
    expect_failure({ code = 'EACCES', stage = 'exec' }, '/etc', {})
    local file = t.write_file(t.tmpdir() .. '/plain', '#!/bin/sh\n')
    expect_failure({ code = 'EACCES', stage = 'exec' }, file, {})
  end)

  it('is a descriptor that is not open', function()
    local expected = { code = 'EBADF', stage = 'stdio' }
    expect_failure(expected, 'true', {}, { stdio = { 'pipe', 'pipe', 'pipe', 999 } })
  end)

  it('leaves nothing, with input and extra pipes', function()
    local options = { input = ('x'):rep(1e6), stdio = { 'pipe', 'pipe', 1, 'pipe' } }
    expect_failure({ code = 'ENOENT', stage = 'exec' }, 'lcp_nope', {}, options)
  end)
end)

describe('input of spawnSync', function()
  it('is written whole, and then comes the end', function()
    for _, size in ipairs { 0, 1, 4096, 65536, 65537, 300000, 3000000 } do
      local input = ('0123456789abcdef'):rep(size // 16 + 1):sub(1, size)
      local r = cp.spawnSync('cat', { input = input, maxBuffer = math.huge })
      assert.is_true(input == r.stdout, size)
      assert.is_nil(r.error)
    end
  end)

  it('may be missing: the program is at the end at once', function()
    assert.equal(0, cp.spawnSync('cat').status)
  end)

  it('that is not read is no error if the program succeeds', function()
    local r = cp.spawnSync('true', { input = ('x'):rep(1e6) })
    assert.equal(0, r.status)
    assert.is_nil(r.error)
  end)

  it('that is not read is EPIPE if it fails', function()
    local r = sh('exec <&-; echo why; exit 3', { input = ('x'):rep(1e6) })
    assert.equal(3, r.status)
    assert.equal('why\n', r.stdout)
    assert.equal('EPIPE', r.error.code)
    assert.equal('spawnSync sh EPIPE', r.error.message)
    assert.equal(-32, r.error.errno)
  end)

  it('is not waited for when the program has ended and another keeps its pipe', function()
    local script = 'sleep 30 <&0 >/dev/null 2>&1 & echo $!'
    local r = sh(script, { input = ('x'):rep(1e6), stdio = { 'pipe', 'pipe', 'pipe' } })
    assert.equal(0, r.status)
    assert.is_true(t.pid_alive(tonumber(r.stdout)))
    cp.process:kill(tonumber(r.stdout), 'SIGKILL')
  end)

  it('is dropped where stdin is no pipe', function()
    local r = cp.spawnSync('cat', { input = 'text', stdio = { 'ignore' } })
    assert.equal('', r.stdout)
    assert.is_nil(r.error)
  end)

  it('must be a string', function()
    t.raises('ERR_INVALID_ARG_TYPE', cp.spawnSync, 'cat', { input = 1234 })
  end)
end)

describe('spawnSync', function()
  it('works in a callback of the loop', function()
    cp.setTimeout(
      t.expect(function()
        assert.equal('in\n', sh('echo in').stdout)
      end),
      0
    )
  end)

  it('works in a coroutine', function()
    local seen
    cp.async(function()
      seen = sh('echo co').stdout
    end)
    cp.run()
    assert.equal('co\n', seen)
  end)

  it('works while asynchronous children run, and disturbs none', function()
    local child = cp.spawn('cat')
    local out = t.collect(child.stdout)
    t.once(child, 'exit', function(code)
      assert.equal(0, code)
    end)
    child.stdin:write 'before '
    child:once('spawn', function()
      assert.equal(3, sh('exit 3').status)
      child.stdin:finish 'after'
    end)
    cp.run()
    assert.equal('before after', out())
  end)

  it('runs no callback meanwhile', function()
    local called = false
    cp.setTimeout(function()
      called = true
    end, 1)
    sh 'sleep 0.05'
    assert.is_false(called)
  end)

  it('works in several states of one process', function()
    local _, args = t.lua 'one_state_of_many.lua'
    local r = cp.spawnSync(t.built 'state_host', { '5', table.unpack(args) })
    assert.equal('', r.stderr)
    assert.equal('children 0, descriptors +0\n', r.stdout)
  end)

  it('needs no loop', function()
    local program = [[
      local cp = require 'child_process'
      io.write(cp.spawnSync('echo', { 'x' }).stdout)
      for name in require('lfs').dir '/proc/self/fd' do
        local path = '/proc/self/fd/' .. name
        local target = require('lfs').symlinkattributes(path, 'target') or ''
        assert(not target:find 'eventpoll', target)
      end
    ]]
    local r = cp.spawnSync(t.lua(program))
    assert.equal('', r.stderr)
    assert.equal('x\n', r.stdout)
  end)

  it('leaves the arguments of the caller alone', function()
    local args, options = { '-c', 'exit' }, { stdio = { 'pipe', nil, 'inherit' } }
    cp.spawnSync('sh', args, options)
    assert.same({ '-c', 'exit' }, args)
    assert.same({ stdio = { 'pipe', nil, 'inherit' } }, options)
  end)
end)
