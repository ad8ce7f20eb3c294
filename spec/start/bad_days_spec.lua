local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local EVENTS = { 'spawn', 'error', 'exit', 'close' }

-- A start that must fail: one error with these fields, then close, and nothing is left.
local function expect_failure(expected, command, args, options)
  local child = cp.spawn(command, args, options)
  local seen, arguments = t.record(child, EVENTS)
  assert.same({}, seen)
  assert.is_nil(child.pid)
  cp.run()
  assert.same({ 'error', 'close' }, seen)
  local err = arguments[1][1]
  assert.equal(expected.code, err.code)
  assert.equal(expected.stage, err.stage)
  assert.equal(expected.path or command, err.path)
  assert.equal('spawn ' .. command, err.syscall)
  local message = ('spawn %s %s'):format(command, expected.code)
  assert.equal(message, err.message:sub(1, #message)) -- more may follow
  assert.equal('Error: ' .. err.message, tostring(err))
  assert.is_true(err.errno < 0)
  assert.same(args, err.spawnargs)
  assert.same({ err.errno, nil, n = 2 }, arguments[2])
  assert.equal(err.errno, child.exitCode)
  assert.is_nil(child.signalCode)
  assert.same({}, t.children())
  return child, err
end

local function expect_success()
  t.once(cp.spawn 'true', 'close', function(code)
    assert.equal(0, code)
  end)
  cp.run()
end

describe('a start that fails', function()
  it('is a missing command', function()
    local child = expect_failure(
      { code = 'ENOENT', stage = 'exec' },
      'lcp_nope',
      { 'a', 'b' }
    )
    assert.equal(-2, child.exitCode)
    assert.is_false(child:kill())
    expect_success()
  end)

  it('is a missing command, whatever the folder of the child has', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/lcp_nope', '#!/bin/sh\n', '+x')
    local expected = { code = 'ENOENT', stage = 'exec' }
    local _, err = expect_failure(expected, 'lcp_nope', {}, { cwd = folder })
    assert.equal('spawn lcp_nope ENOENT', err.message)
  end)

  it('is a missing path', function()
    expect_failure({ code = 'ENOENT', stage = 'exec' }, '/nowhere/nope', {})
    expect_success()
  end)

  it('is a missing cwd, and the directory is blamed', function()
    local expected = { code = 'ENOENT', stage = 'chdir', path = '/nowhere/at all' }
    expect_failure(expected, 'pwd', {}, { cwd = '/nowhere/at all' })
    expect_success()
  end)

  it('is a cwd that is no directory', function()
    local expected = { code = 'ENOTDIR', stage = 'chdir', path = '/etc/passwd' }
    expect_failure(expected, 'pwd', {}, { cwd = '/etc/passwd' })
    expect_success()
  end)

  it('is a cwd with a name that is too long', function()
    local name = '/' .. ('x'):rep(300)
    local expected = { code = 'ENAMETOOLONG', stage = 'chdir', path = name }
    expect_failure(expected, 'pwd', {}, { cwd = name })
    expect_success()
  end)

  it('is a file without the x bit', function()
    local file = t.write_file(t.tmpdir() .. '/plain', '#!/bin/sh\n')
    expect_failure({ code = 'EACCES', stage = 'exec' }, file, { 'x' })
    expect_success()
  end)

  it('is a directory', function()
    expect_failure({ code = 'EACCES', stage = 'exec' }, '/etc', {})
    expect_success()
  end)

  it('is a path through a file', function()
    expect_failure({ code = 'ENOTDIR', stage = 'exec' }, '/etc/passwd/x', {})
    expect_success()
  end)

  local function not_under_valgrind()
    if t.watched_by() == 'valgrind' then
      pending 'valgrind ends a process whose execve fails late'
    end
  end

  it('is a script whose interpreter is missing', function()
    not_under_valgrind()
    local text = '#!/nowhere/interpreter\n'
    local file = t.write_file(t.tmpdir() .. '/script', text, '+x')
    local expected = { code = 'ENOENT', stage = 'exec', path = '/nowhere/interpreter' }
    expect_failure(expected, file, {})
    expect_success()
  end)

  it('is an argument list that is too long', function()
    not_under_valgrind()
    expect_failure({ code = 'E2BIG', stage = 'exec' }, 'true', { ('x'):rep(200000) })
    local many = {}
    for i = 1, 40000 do
      many[i] = ('y'):rep(100)
    end
    expect_failure({ code = 'E2BIG', stage = 'exec' }, 'true', many)
    expect_success()
  end)

  it('is not a script without #!, which the shell runs', function()
    local file = t.write_file(t.tmpdir() .. '/script', 'echo "run by sh: $1"\n', '+x')
    local child = cp.spawn(file, { 'an arg' })
    local out = t.collect(child.stdout)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('run by sh: an arg\n', out())
    end)
  end)

  it('is not a script without #! in PATH, whose arguments stay as they are', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/script', 'printf "<%s>" "$0" "$@"\n', '+x')
    local args = { '-c', '', "it's", 'a b', '$HOME' }
    local result =
      cp.spawnSync('script', args, { env = { PATH = '/nowhere:' .. folder } })
    local expected = ("<%s/script><-c><><it's><a b><$HOME>"):format(folder)
    assert.equal(expected, result.stdout)
  end)

  it('has streams, which end and close before it does', function()
    local child = cp.spawn 'lcp_nope'
    child:on('error', function() end)
    local seen = t.record(child, { 'error', 'close' })
    t.record(child.stdout, { 'end' }, seen, 'stdout ')
    t.record(child.stderr, { 'end' }, seen, 'stderr ')
    child.stdout:on('data', t.never 'data')
    child.stderr:resume()
    child.stdin:on('error', function() end)
    child.stdin:write('to nobody', t.expect())
    cp.run()
    assert.equal('error', seen[1])
    assert.equal('close', seen[#seen])
    assert.equal(4, #seen)
    assert.is_true(child.stdin.destroyed)
  end)

  it('takes what is written to it without a further error', function()
    local child = cp.spawn 'lcp_nope'
    t.once(child, 'error', function(err)
      assert.equal('ENOENT', err.code)
    end)
    child.stdin:write(('x'):rep(100000))
    child.stdin:finish 'the end'
  end)

  it('raises its error where nobody listens, and closes all the same', function()
    local child = cp.spawn 'lcp_nope'
    t.once(child, 'close', function(code)
      assert.equal(-2, code)
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal('ENOENT', err.code)
    assert.is_false(cp.run())
  end)

  it('leaves nothing after a hundred of its kind', function()
    for _ = 1, 100 do
      local child = cp.spawn(
        'lcp_nope',
        {},
        { stdio = { 'pipe', 'pipe', 'pipe', 'pipe' } }
      )
      t.once(child, 'error', function() end)
      t.once(child, 'close')
    end
  end)
end)

local function run_shell(format, ...)
  assert(os.execute(format:format(...)))
end

local is_root = io.popen('id -u'):read 'n' == 0

-- Command and arguments that run as a user whom nobody else is, where root has us run:
-- limits count by user, and do not bind root.
local function as_another(command, args)
  if not is_root then
    return command, args
  end
  local id = '54321'
  local words = { '--reuid', id, '--regid', id, '--clear-groups', command }
  return 'setpriv', table.move(args, 1, #args, #words + 1, words)
end

-- A Lua program for `as_another`, with a copy of the module that any user can read.
local function readable_by_all(program, ...)
  local exe, args = t.lua(program, ...)
  if not is_root then
    return exe, args
  end
  local folder = t.tmpdir()
  run_shell(
    "mkdir '%s/child_process' && cp '%s' '%s/child_process'",
    folder,
    t.core_path,
    folder
  )
  run_shell("cp -r '%s/lua' '%s/spec/fixtures' '%s'", t.root, t.root, folder)
  run_shell("cp '%s' '%s/interpreter' && chmod -R a+rX '%s'", exe, folder, folder)
  args[1] = folder .. '/fixtures/with_module.lua'
  args[2] = folder .. '/interpreter'
  args[3] = folder .. '/lua/?.lua;' .. folder .. '/lua/?/init.lua;' .. args[3]
  args[4] = folder .. '/?.so;' .. args[4]
  args[5] = args[5]:gsub('^.*/spec/fixtures/', folder .. '/fixtures/')
  return args[2], args
end

local function expect_done(child)
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(code, signal)
    assert.equal('', t.without_gcov(err()))
    assert.truthy(out():find('done\n', 1, true), out())
    assert.equal(0, code)
    assert.is_nil(signal)
  end)
end

describe('a system that refuses', function()
  it('an unreadable cwd is blamed on the directory', function()
    local folder = t.tmpdir()
    local forbidden = folder .. '/forbidden'
    assert(
      os.execute(("mkdir -m 700 '%s' && chmod u-rwx '%s'"):format(forbidden, forbidden))
    )
    local code = [[
      local cp = require 'child_process'
      local child = cp.spawn('pwd', {}, { cwd = arg[1] })
      child:on('error', function(e)
        print(e.code, e.stage, e.path == arg[1])
      end)
      child:on('close', function(code) print(code, 'done') end)
      cp.run()]]
    local child = cp.spawn(as_another(readable_by_all(code, forbidden)))
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      local expected = 'EACCES\tchdir\ttrue\n-13\tdone\n'
      assert.equal(expected, out())
    end)
  end)

  it('another uid or gid is an error of that step', function()
    local code = [[
      local cp = require 'child_process'
      local own = { uid = io.popen('id -u'):read 'n', gid = io.popen('id -g'):read 'n' }
      for _, key in ipairs { 'uid', 'gid' } do
        local child = cp.spawn('true', {}, { [key] = own[key] + 1 })
        child:on('error', function(e) print(e.code, e.stage) end)
        cp.run()
      end
      print 'done']]
    local child = cp.spawn(as_another(readable_by_all(code)))
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      assert.equal('EPERM\tsetuid\nEPERM\tsetgid\ndone\n', out())
    end)
  end)

  it('runs out of descriptors, at each possible point', function()
    local exe, args = t.lua 'out_of_descriptors.lua'
    local limit = { '--nofile=64:64', exe, table.unpack(args) }
    expect_done(cp.spawn('prlimit', limit))
  end)

  it('opens no loop when out of descriptors', function()
    local exe, args = t.lua 'no_loop_yet.lua'
    local limit = { '--nofile=64:64', exe, table.unpack(args) }
    expect_done(cp.spawn('prlimit', limit))
  end)

  it('runs out of processes, and has some again', function()
    local exe, args = readable_by_all 'out_of_processes.lua'
    local limit = { '--nproc=1:', exe, table.unpack(args) }
    local child = cp.spawn(as_another('prlimit', limit))
    expect_done(child)
    t.on_line(child.stdout, function(line)
      if line == 'refused' then
        local more = { '--nproc=1000:', '--pid', tostring(child.pid) }
        t.once(cp.spawn(as_another('prlimit', more)), 'close', function(code)
          assert.equal(0, code)
          child.stdin:finish 'go on\n'
        end)
      end
    end)
  end)
end)

describe('a difficult child', function()
  it('closes its stdin early while we write 16 MiB', function()
    local script = 'exec <&-; echo closed; read line <&3; exit 7'
    local stdio = { 'pipe', 'pipe', 'inherit', 'pipe' }
    local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
    child.stdout:resume()
    child.stdio[4]:resume()
    t.once(child.stdin, 'error', function(err)
      assert.equal('EPIPE', err.code)
      assert.equal('write', err.syscall)
    end)
    child.stdin:write(
      ('x'):rep(16 * 1024 * 1024),
      t.expect(function(err)
        assert.equal('EPIPE', err.code)
        child.stdio[4]:finish 'go\n'
      end)
    )
    t.once(child, 'close', function(code)
      assert.equal(7, code)
    end)
  end)

  it('reads only a little; without a listener that is no error', function()
    local child = cp.spawn('head', { '-c', '10' })
    local out = t.collect(child.stdout)
    child.stdin:finish(('0123456789'):rep(400000))
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('0123456789', out())
    end)
  end)

  it('never reads', function()
    local child = cp.spawn('sleep', { '1000' })
    local text = ('x'):rep(16 * 1024 * 1024)
    local called
    local flowing = child.stdin:write(
      text,
      t.expect(function(err)
        called = true
        assert.is_truthy(err)
      end)
    )
    assert.is_false(flowing)
    cp.setTimeout(function()
      assert.is_nil(called)
      assert.is_true(child.stdin.writableNeedDrain)
      child:kill()
    end, 10)
    t.once(child, 'close', function(_, signal)
      assert.equal('SIGTERM', signal)
    end)
  end)

  it('writes a little that nobody reads', function()
    local child = cp.spawn('sh', { '-c', 'echo out; echo err >&2; exit 3' })
    t.once(child, 'close', function(code)
      assert.equal(3, code)
    end)
  end)

  it('writes a little to a stream that is paused', function()
    local child = cp.spawn('sh', { '-c', 'echo out; exit 3' })
    child.stdout:on('data', function() end)
    child.stdout:pause()
    t.once(child, 'close', function(code)
      assert.equal(3, code)
    end)
  end)

  it('writes more than fits and nobody reads: it waits, and can be killed', function()
    local child = cp.spawn('head', { '-c', '1000000', '/dev/zero' })
    cp.setTimeout(function()
      assert.is_nil(child.exitCode)
      assert.is_true(t.pid_alive(child.pid))
      child:kill()
    end, 10)
    t.once(child, 'close', function(_, signal)
      assert.equal('SIGTERM', signal)
    end)
  end)
end)

describe('many children', function()
  it('64 at once', function()
    local open = 64
    for i = 1, 64 do
      local child = cp.spawn 'cat'
      local text = ('child %d '):format(i):rep(2000)
      local out = t.collect(child.stdout)
      child.stdin:finish(text)
      t.once(child, 'close', function(code)
        assert.equal(0, code)
        assert.is_true(text == out())
        open = open - 1
      end)
    end
    cp.run()
    assert.equal(0, open)
  end)

  it('1 000 one after another: nothing grows', function()
    local child = cp.spawn(t.lua('one_after_another.lua', '1000'))
    local out, err = t.collect(child.stdout), t.collect(child.stderr)
    t.once(child, 'close', function()
      assert.equal('', err())
      local fds, in_lua, resident = out():match '^(%S+)%s+(%S+)%s+(%S+)'
      assert.equal('0', fds)
      assert.is_true(tonumber(in_lua) < 10, in_lua .. ' KiB more in Lua')
      -- those who watch the memory keep what is freed, and look for leaks themselves
      if not t.watched_by() then
        assert.is_true(tonumber(resident) < 3000, resident .. ' KiB more in memory')
      end
    end)
  end, { timeout = 4 * t.TEST_TIMEOUT })
end)
