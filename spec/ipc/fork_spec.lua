local forked = require 'spec.support.forked'
local lfs = require 'lfs'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local run, program, answer = forked.run, forked.program, forked.answer

local function identity(args, options, check)
  local child = cp.fork(t.fixture 'identify.lua', args, options)
  answer(child, check)
  return child
end

describe('fork', function()
  it('starts a Lua program with a channel', function()
    local child = cp.fork(t.fixture 'echo.lua')
    assert.is_true(child.connected)
    assert.is_table(child.channel)
    assert.equal(t.lua_exe, child.spawnfile)
    assert.is_nil(child.stdin)
    assert.is_nil(child.stdout)
    assert.equal(4, child.stdio.n)
    assert.is_nil(child.stdio[4])
    assert.is_true(child:send { hello = { 'world', 1, true } })
    child:on('message', function(message)
      assert.same({ hello = { 'world', 1, true } }, message)
      child:disconnect()
    end)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
    end)
  end)

  it('tells the end in the order of Node', function()
    local names = { 'spawn', 'message', 'disconnect', 'exit', 'close', 'error' }
    local events = t.record(run "process:send('a'); process:send('b')", names)
    cp.run()
    local order = { 'spawn', 'message', 'message', 'disconnect', 'exit', 'close' }
    assert.same(order, events)
  end)

  it('has ended with the channel when `disconnect` is told', function()
    local child = run "process:send('a')"
    t.once(child, 'disconnect', function()
      assert.is_false(child.connected)
      assert.is_nil(child.channel)
    end)
  end)

  it('ends with a program that does nothing', function()
    run ''
  end)

  it('gives the arguments as for a script run by hand', function()
    identity({ 'a', '', '$b c' }, nil, function(seen)
      local script = t.fixture 'identify.lua'
      assert.same({ 'a', '', '$b c' }, seen.arguments)
      assert.same({ 'a', '', '$b c' }, seen.arg)
      assert.equal(script, seen.script)
      assert.same({ t.lua_exe }, seen.before)
      assert.same({ t.lua_exe, script, 'a', '', '$b c' }, seen.argv)
      assert.equal(t.lua_exe, seen.argv0)
      assert.equal(t.lua_exe, seen.execPath)
      assert.same(cp.null, next(seen.execArgv) or cp.null)
      assert.equal(t.pid(), seen.ppid)
    end)
  end)

  it('gives numbers and booleans as arguments', function()
    identity({ 1, true }, {}, function(seen)
      assert.same({ '1', 'true' }, seen.arguments)
    end)
  end)

  it('takes the options in the place of the arguments', function()
    identity({ cwd = '/' }, nil, function(seen)
      assert.equal('/', seen.cwd)
    end)
  end)

  it('takes options behind no arguments', function()
    identity(nil, { cwd = '/' }, function(seen)
      assert.equal('/', seen.cwd)
    end)
  end)

  it('changes no table that it is given', function()
    local args, stdio = { 'a' }, { 'ignore', 'inherit', 'inherit', 'ipc' }
    local argv, env = {}, { PATH = os.getenv 'PATH' }
    local options = { stdio = stdio, execArgv = argv, env = env }
    identity(args, options, function() end)
    assert.same({ 'a' }, args)
    assert.same({ 'ignore', 'inherit', 'inherit', 'ipc' }, stdio)
    assert.same({}, argv)
    assert.same({ PATH = os.getenv 'PATH' }, env)
    assert.same({ stdio = stdio, execArgv = argv, env = env }, options)
  end)

  it('needs no shell', function()
    local options = { shell = true }
    identity({ '$foo' }, options, function(seen)
      assert.same({ '$foo' }, seen.arguments)
    end)
  end)

  it('has its own channel, whatever the environment says of another', function()
    local env = { NODE_CHANNEL_FD = 99, NODE_CHANNEL_SERIALIZATION_MODE = 'other' }
    answer(forked.fork('process:send(1)', { env = env }), function(message)
      assert.equal(1, message)
    end)
  end)

  it('looks for the module in the folder of the child', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/m.lua', 'process:send(arg[0])')
    answer(cp.fork('m.lua', { cwd = folder }), function(name)
      assert.equal('m.lua', name)
    end)
  end)

  it('runs a script that begins with #!', function()
    local file = t.write_file(t.tmpdir() .. '/s', '#!/bin/false\nprocess:send(1)')
    answer(cp.fork(file), function(message)
      assert.equal(1, message)
    end)
  end)

  it('can be told to end by disconnect() at once', function()
    local child = cp.fork(t.fixture 'echo.lua', { silent = true })
    child:disconnect()
    assert.is_false(child.connected)
    t.once(child, 'disconnect')
    t.once(child, 'close', function(code)
      assert.equal(0, code)
    end)
  end)

  it('knows a missing module by the exit code 1', function()
    local child = cp.fork(t.fixture 'no_such.lua', { silent = true })
    local err = t.collect(child.stderr)
    t.once(child, 'close', function(code)
      assert.equal(1, code)
      assert.truthy(err():find('no_such.lua', 1, true), err())
    end)
  end)

  it('tells a missing interpreter by `error`', function()
    local child = cp.fork('x.lua', { execPath = '/no/such/lua' })
    t.once(child, 'error', function(err)
      assert.equal('ENOENT', err.code)
      assert.equal('/no/such/lua', err.path)
    end)
    t.once(child, 'close')
    assert.is_nil(child.pid)
    assert.is_false(child.connected)
  end)

  it('exchanges messages with many at once', function()
    for i = 1, 20 do
      local child = cp.fork(t.fixture 'echo.lua')
      child:send(i)
      t.once(child, 'message', function(message)
        assert.equal(i, message)
        child:disconnect()
      end)
    end
  end)
end)

describe('the arguments of fork', function()
  it('must begin with the path of the module', function()
    for _, value in ipairs { 0, true, {}, print } do
      local err = t.raises('ERR_INVALID_ARG_TYPE', cp.fork, value)
      assert.equal('TypeError', err.name)
      assert.truthy(err.message:find('"modulePath"', 1, true), err.message)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.fork)
    t.raises('ERR_INVALID_ARG_VALUE', cp.fork, '')
  end)

  it('go on with a table', function()
    for _, value in ipairs { 0, true, print, 'a' } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.fork, 'x.lua', value)
      t.raises('ERR_INVALID_ARG_TYPE', cp.fork, 'x.lua', {}, value)
    end
  end)

  it('have no NUL', function()
    t.raises('ERR_INVALID_ARG_VALUE', cp.fork, 'x\0.lua')
    t.raises('ERR_INVALID_ARG_VALUE', cp.fork, 'x.lua', { 'a\0' })
    t.raises('ERR_INVALID_ARG_VALUE', cp.fork, 'x.lua', { execPath = 'a\0' })
    t.raises('ERR_INVALID_ARG_VALUE', cp.fork, 'x.lua', { execArgv = { 'a\0' } })
  end)

  it('are checked', function()
    t.raises('ERR_INVALID_ARG_TYPE', cp.fork, 'x.lua', { execPath = 1 })
    t.raises('ERR_INVALID_ARG_TYPE', cp.fork, 'x.lua', { execArgv = 'a' })
    t.raises('ERR_INVALID_ARG_TYPE', cp.fork, 'x.lua', { timeout = 'soon' })
    t.raises('ERR_INVALID_ARG_TYPE', cp.fork, 'x.lua', { signal = {} })
    t.raises('ERR_UNKNOWN_SIGNAL', cp.fork, 'x.lua', { killSignal = 'SIGNO' })
  end)

  it('know two ways to speak', function()
    for _, value in ipairs { 42, 'foo', math.huge, cp.null } do
      local err =
        t.raises('ERR_INVALID_ARG_VALUE', cp.fork, 'x', { serialization = value })
      assert.truthy(err.message:find("'options.serialization' must be one of", 1, true))
    end
  end)

  it('count only where they stand in the table itself', function()
    local options = setmetatable(
      { stdio = 'inherit' },
      { __index = { cwd = '/no/such' } }
    )
    identity({}, options, function(seen)
      assert.equal(t.root, seen.cwd)
    end)
  end)
end)

describe('execPath', function()
  it('is the interpreter', function()
    local link = t.tmpdir() .. '/lua-of-ours'
    assert(lfs.link(t.lua_exe, link, true))
    identity({}, { execPath = link }, function(seen)
      assert.equal(link, seen.before[1])
      assert.equal(link, seen.argv0)
    end)
  end)

  it('of another name gets exactly the command line of Node', function()
    local file = t.tmpdir() .. '/interpreter'
    t.write_file(file, '#!/bin/sh\nprintf "%s|" "$@"', '+x')
    local options = { execPath = file, execArgv = { '-x', '--y=1' }, silent = true }
    local child = cp.fork('module.lua', { 'a', 'b c' }, options)
    local out = t.collect(child.stdout)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('-x|--y=1|module.lua|a|b c|', out())
    end)
  end)

  it('is by default the one of process', function()
    local before = cp.process.execPath
    cp.process.execPath = '/no/such/host'
    local child = cp.fork 'x.lua'
    cp.process.execPath = before
    assert.equal('/no/such/host', child.spawnfile)
    t.once(child, 'error')
  end)
end)

describe('argv0', function()
  it('is what the child is called', function()
    local child = cp.fork('/no/module.lua', { 'a' }, { argv0 = 'worker', silent = true })
    assert.equal(cp.process.execPath, child.spawnfile)
    assert.equal('worker', child.spawnargs[1])
    local err = t.collect(child.stderr)
    t.once(child, 'close', function(code)
      assert.equal(1, code)
      assert.truthy(err():find('^worker: '), err())
    end)
  end)
end)

describe('execArgv', function()
  it('stands in front of the module', function()
    identity({ 'a' }, { execArgv = { '-e', 'x = 1' } }, function(seen)
      assert.same({ 'x = 1', '-e', t.lua_exe }, seen.before)
      assert.same({ '-e', 'x = 1' }, seen.execArgv)
      assert.same({ 'a' }, seen.arguments)
      assert.equal(t.fixture 'identify.lua', seen.script)
    end)
  end)

  it('is by default that of the parent', function()
    local code = [[
      local cp = require 'child_process'
      assert(cp.process.execArgv[2] == 'x = 1')
      local path = ...
      local child = cp.fork(path)
      child:on('message', function(x) print('inherited', x) end)
      child:on('exit', function()
        cp.fork(path, { execArgv = {} }):on('message', function(x) print('given', x) end)
      end)
      cp.run()]]
    local child = t.write_file(t.tmpdir() .. '/c.lua', 'process:send(x or "none")')
    local exe, args = t.lua(code, child)
    table.insert(args, 1, '-e')
    table.insert(args, 2, 'x = 1')
    local parent = cp.spawn(exe, args)
    local out, err = t.collect(parent.stdout), t.collect(parent.stderr)
    t.once(parent, 'close', function()
      assert.equal('', err())
      assert.equal('inherited\t1\ngiven\tnone\n', out())
    end)
  end)
end)

describe('the streams of fork', function()
  local SPEAK =
    [[io.write 'out'; io.stderr:write 'err'; process:send(io.read(1) or 'end')]]

  it('are pipes with silent', function()
    local child = run(SPEAK, { silent = true })
    local out, err = t.collect(child.stdout), t.collect(child.stderr)
    child.stdin:finish 'x'
    t.once(child, 'message', function(message)
      assert.equal('x', message)
    end)
    t.once(child, 'close', function()
      assert.equal('out', out())
      assert.equal('err', err())
    end)
  end)

  it('are those of the parent without', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.fork(..., { arg[2] })
      assert(not child.stdout)
      child:on('message', function(message) io.stderr:write(message) end)
      cp.run()]]
    local child = program(code, function(out, err, exit_code)
      assert.equal('out', out)
      assert.equal('errx', err)
      assert.equal(0, exit_code)
    end, nil, t.fixture 'program.lua', SPEAK)
    child.stdin:finish 'x'
  end)

  for _, stdio in ipairs { 'pipe', 'overlapped', 'inherit', 'ignore' } do
    it(("may be '%s', and the channel is the fourth"):format(stdio), function()
      local child = run('process:send(1)', { stdio = stdio })
      t.once(child, 'message')
      assert.equal(4, child.stdio.n)
      assert.equal(stdio == 'pipe' or stdio == 'overlapped', child.stdout ~= nil)
    end)
  end

  it('win against silent', function()
    local child = run('process:send(1)', { stdio = 'ignore', silent = true })
    t.once(child, 'message')
    assert.is_nil(child.stdout)
  end)

  it('may be no other string', function()
    for _, stdio in ipairs { '33', 'ipc', '' } do
      local err = t.raises('ERR_INVALID_ARG_VALUE', cp.fork, 'x.lua', { stdio = stdio })
      assert.equal('TypeError', err.name)
    end
  end)

  it('must have a channel', function()
    local stdio = { 'pipe', 'pipe', 'pipe' }
    t.raises('ERR_CHILD_PROCESS_IPC_REQUIRED', cp.fork, 'x.lua', { stdio = stdio })
    t.raises('ERR_CHILD_PROCESS_IPC_REQUIRED', cp.fork, 'x.lua', { stdio = {} })
  end)

  it('must have one only', function()
    local stdio = { 'ipc', 'pipe', 'pipe', 'ipc' }
    t.raises('ERR_IPC_ONE_PIPE', cp.fork, 'x.lua', { stdio = stdio })
  end)

  for fd = 0, 6 do
    it(('may have the channel at %d'):format(fd), function()
      local stdio = { 'ignore', 'ignore', 'inherit', n = math.max(fd + 1, 3) }
      stdio[fd + 1] = 'ipc'
      -- touching the standard streams must not disturb it
      local code =
        'local _ = process.stdin, process.stdout; io.write "x"; process:send(1)'
      local child = run(code, { stdio = stdio })
      t.once(child, 'message', function(message)
        assert.equal(1, message)
      end)
      assert.equal(math.max(3, fd + 1), child.stdio.n)
    end)
  end

  it('may have pipes behind the channel', function()
    local stdio = { 'ignore', 'ignore', 'inherit', 'ipc', 'pipe' }
    local code = [[
      local stdio = { 'ignore', 'inherit', 'inherit', 'ignore', 4 }
      require('child_process').spawn('sh', { '-c', 'cat <&4 >&4' }, { stdio = stdio })]]
    local child = run(code, { stdio = stdio })
    local echo = t.collect(child.stdio[5])
    child.stdio[5]:finish 'there and back'
    t.once(child, 'close', function()
      assert.equal('there and back', echo())
    end)
  end)

  it('go with customFds, and the channel behind them', function()
    local child = run('io.write "x"; process:send(1)', { customFds = { -1, -1, 2 } })
    local out = t.collect(child.stdout)
    t.once(child, 'message')
    t.once(child, 'close', function()
      assert.equal('x', out())
    end)
  end)
end)

describe('uid and gid of fork', function()
  local is_root = t.status_field('self', 'Uid'):match '%d+' == '0'
  local OTHERS = { uid = 54321, gid = 54322 }

  it('are those of the child, and the channel works', function()
    if not t.others_can_read() then
      pending 'only root may change them, and others must get at the project'
    end
    local code = [[
      local status = io.open '/proc/self/status':read 'a'
      process:on('message', function(message)
        local uid = status:match 'Uid:%s*([^\n]*)'
        local gid = status:match 'Gid:%s*([^\n]*)'
        process:send { message, uid, gid, (status:match 'Groups:%s-([^\n]*)') }
        process:disconnect()
      end)]]
    local child = run(code, OTHERS)
    child:send 'hello'
    t.once(child, 'message', function(list)
      local message, uid, gid, groups = table.unpack(list)
      assert.equal('hello', message)
      assert.equal('54321\t54321\t54321\t54321', uid)
      assert.equal('54322\t54322\t54322\t54322', gid)
      assert.equal('', (groups:gsub('%s', '')))
    end)
  end)

  it('cannot be taken by just anybody', function()
    if is_root and not t.others_can_read() then
      pending 'others cannot get at the project'
    end
    local code = [[
      local child = require('child_process').fork('x.lua', {}, { uid = 0 })
      child:on('error', function(err)
        process:send { err.code, err.stage, child.pid == nil }
      end)]]
    answer(forked.fork(code, is_root and OTHERS or nil), function(list)
      assert.same({ 'EPERM', 'setuid', true }, list)
    end)
  end)
end)

describe('a limit of fork', function()
  it('is a time', function()
    local child = cp.fork(t.fixture 'echo.lua', { timeout = 5 })
    t.once(child, 'exit', function(code, signal)
      assert.same({ nil, 'SIGTERM' }, { code, signal })
    end)
  end)

  it('ends with the signal that was asked for', function()
    local options = { timeout = 5, killSignal = 'SIGKILL' }
    t.once(cp.fork(t.fixture 'echo.lua', options), 'exit', function(code, signal)
      assert.same({ nil, 'SIGKILL' }, { code, signal })
    end)
  end)

  it('is an AbortSignal', function()
    local ac = cp.AbortController()
    local options = { signal = ac.signal, killSignal = 'SIGKILL' }
    local child = cp.fork(t.fixture 'echo.lua', options)
    child:once('spawn', function()
      ac:abort 'boom'
    end)
    t.once(child, 'error', function(err)
      assert.equal('AbortError', err.name)
      assert.equal('boom', err.cause)
    end)
    t.once(child, 'exit', function(code, signal)
      assert.same({ nil, 'SIGKILL' }, { code, signal })
    end)
  end)

  it('that is reached after the end is no error', function()
    local ac = cp.AbortController()
    local child = run('', { signal = ac.signal })
    t.once(child, 'exit', function()
      ac:abort()
    end)
    child:on('error', t.never 'error')
  end)

  it('that has been reached starts nothing', function()
    local child = cp.fork(t.fixture 'echo.lua', { signal = cp.AbortSignal.abort() })
    assert.is_nil(child.pid)
    t.once(child, 'error', function(err)
      assert.equal('ABORT_ERR', err.code)
    end)
    t.once(child, 'close', function(code, signal)
      assert.same({ nil, nil }, { code, signal })
    end)
  end)
end)
