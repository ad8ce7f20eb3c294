local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local run, messages, program, answer =
  forked.run, forked.messages, forked.program, forked.answer

describe('a forked program', function()
  local REQUIRE = [[
    local cp = require 'child_process'
    assert(cp.process == process)
    process:send(require('child_process.core').version)]]

  it('finds the module whatever the environment says', function()
    local nonsense = '/no/such/?.lua'
    local env = { LUA_PATH = nonsense, LUA_PATH_5_4 = nonsense, LUA_CPATH = '/?.so' }
    env.LUA_CPATH_5_4, env.PATH = '/no/such/?.so', os.getenv 'PATH'
    answer(forked.fork(REQUIRE, { env = env }), function(version)
      assert.equal(require('child_process.core').version, version)
    end)
  end)

  it('finds the module with an empty environment', function()
    answer(forked.fork(REQUIRE, { env = {} }), function(version)
      assert.equal(require('child_process.core').version, version)
    end)
  end)

  it(
    'finds the module when the parent has other paths by now, in another folder',
    function()
      local code = [[
      local relative = function(list) return (list:gsub('[^;]+', function(entry)
        local here = entry:sub(1, #arg[2] + 1) == arg[2] .. '/'
        return here and entry:sub(#arg[2] + 2) or entry
      end)) end
      package.path, package.cpath = relative(package.path), relative(package.cpath)
      local cp = require 'child_process'
      package.path, package.cpath = 'nonsense', ''
      cp.process:chdir '/'
      local child = cp.fork(arg[1], { "process:send(#require 'child_process'._VERSION)" })
      child:on('message', function(message) print(message) end)
      cp.run()]]
      program(code, function(out, err)
        assert.equal('', err)
        assert.equal(#cp._VERSION, math.tointeger(tonumber(out)))
      end, { cwd = t.root }, t.fixture 'program.lua', t.root)
    end
  )

  it('starts without the code that starts others', function()
    local code = [[
      local list = {}
      for name in pairs(package.loaded) do
        list[#list + 1] = name:match '^child_process%.(.*)'
      end
      process:send(list)]]
    answer(forked.fork(code), function(list)
      assert.is_true(#list > 0)
      for _, name in ipairs(list) do
        local heavy = { child = 1, stdio = 1, exec = 1, options = 1, stream = 1 }
        assert.is_nil(heavy[name], name)
      end
    end)
  end)

  it('has the global `process`, which require does not set', function()
    assert.is_nil(rawget(_G, 'process'))
    run "assert(process == require('child_process').process)"
  end)

  it('does not tell its own children of the channel', function()
    local code = [[
      local cp = require 'child_process'
      assert(not os.getenv 'NODE_CHANNEL_FD' and not process.env.NODE_CHANNEL_FD)
      assert(not os.getenv 'NODE_CHANNEL_SERIALIZATION_MODE')
      local list = "env | grep '^NODE_CHANNEL'; ls -l /proc/self/fd"
      local popen = io.popen(list):read 'a'
      cp.exec(list, function(err, out)
        process:send { out, popen, tostring(err) }
      end)]]
    answer(forked.fork(code), function(list)
      for i = 1, 2 do
        assert.is_nil(list[i]:find 'NODE_CHANNEL')
        assert.is_nil(list[i]:find '[3-9] %-> socket', list[i])
      end
      assert.equal('nil', list[3])
    end)
  end)

  it('does not get in the way of what it starts itself', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.spawn('cat')
      child:on('exit', function(code) process:send { code } end)
      child.stdin:finish()
      process:once('message', function() end)]]
    local child = run(code)
    t.once(child, 'message', function(message)
      assert.same({ 0 }, message)
      child:send 'go'
    end)
  end)

  it('can fork itself', function()
    answer(cp.fork(t.fixture 'nested_fork.lua', { 3 }), function(message)
      assert.equal('bottom123', message)
    end)
  end)

  -- writes to a standard output that nobody reads any more
  local INTO_NOTHING = [[
    process:once('message', function()
      for _ = 1, 3 do
        io.write(('x'):rep(100000))
        io.flush()
      end
      assert(select(2, io.write(('x'):rep(100000))), 'no error')
      process:send 'alive'
      process:disconnect()
    end)]]

  it('outlives a broken pipe', function()
    local child = run(INTO_NOTHING, { silent = true })
    child.stdout:destroy()
    child:send 'go'
    t.once(child, 'message', function(message)
      assert.equal('alive', message)
    end)
  end)

  it('that spawn gave the channel to outlives a broken pipe of its streams', function()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local process = cp.process
      process.stdout:on('error', function(err)
        process:send(err.code)
        process:disconnect()
      end)
      process:once('message', function()
        process.stdout:write(('x'):rep(100000))
      end)
      cp.run()]]
    local child = cp.spawn(exe, args, { stdio = { 'ignore', 'pipe', 'inherit', 'ipc' } })
    child.stdout:destroy()
    child:send 'go'
    answer(child, function(code)
      assert.equal('EPIPE', code)
    end)
  end)

  it('has a quiet SIGPIPE that its own children do not have', function()
    local show = 'grep SigIgn: /proc/self/status'
    local code = [[
      local cp = require 'child_process'
      local popen = io.popen(...):read 'a'
      cp.exec(..., function(_, out) process:send { popen, out } end)]]
    answer(forked.fork(code, nil, show), function(list)
      for _, line in ipairs(list) do
        local ignored = tonumber(line:match '%x+\n$', 16)
        assert.equal(0, ignored >> (13 - 1) & 1, line)
      end
    end)
  end)

  it('runs on its own when detached, and the parent ends', function()
    local code = [[
      local cp = require 'child_process'
      local program = "require('child_process').setInterval(print, 1000)"
      local child = cp.fork(arg[1], { program },
        { detached = true, stdio = 'ignore' })
      print(child.pid)
      child:unref()
      child.channel:unref()
      cp.run()]]
    program(code, function(out, err)
      assert.equal('', err)
      local pid = tonumber(out)
      assert.is_true(t.pid_alive(pid))
      cp.process:kill(pid, 'SIGKILL')
    end, nil, t.fixture 'program.lua')
  end)

  it('keeps its parent alive by the channel alone', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.fork(arg[1], { "process:once('message', function() end)" })
      child:unref()
      cp.setTimeout(function() child:send 'go' end, 20):unref()
      child:on('disconnect', function() print 'disconnect' end)
      cp.run()]]
    program(code, function(out, err)
      assert.equal('disconnect\n', out)
      assert.equal('', err)
    end, nil, t.fixture 'program.lua')
  end)
end)

describe('the end of a forked program', function()
  local BYTES = 219263

  -- Each sends before it ends, and ends in its own way.
  local ENDS = {
    { 'falls off its end', '', 0 },
    { 'returns', 'do return 7 end', 0 },
    { 'calls os.exit', 'os.exit(3)', 3 },
    { 'calls os.exit with true', 'os.exit(true)', 0 },
    { 'calls os.exit with false', 'os.exit(false, true)', 1 },
    { 'calls process:exit', 'process:exit(4)', 4 },
    { 'sets process.exitCode', 'process.exitCode = 5', 5 },
    { 'sets process.exitCode and exits', 'process.exitCode = 5; process:exit()', 5 },
    { 'raises', "error('on purpose')", 1 },
    { 'exits in a callback', 'cp.setTimeout(function() process:exit(6) end, 1)', 6 },
    { 'raises in a callback', 'cp.setTimeout(error, 1, "on purpose")', 1 },
    { 'exits in a coroutine', 'coroutine.wrap(function() os.exit(8) end)()', 8 },
    { 'exits with more than a byte', 'process:exit(256 + 9)', 9 },
    { 'disconnects', 'process:disconnect()', 0 },
    { 'stops its loop', 'cp.setInterval(cp.stop, 1)', 0 },
    { 'disconnects and exits', 'process:disconnect() process:exit(2)', 2 },
  }
  for _, row in ipairs(ENDS) do
    it('loses nothing when it ' .. row[1], function()
      local code = [[
        local cp = require 'child_process'
        process:send(1)
        process:send(('x'):rep(%d))
        process:send(3)
        %s]]
      local child = forked.fork(code:format(BYTES, row[2]), { silent = true })
      local err = t.collect(child.stderr)
      messages(child, function(list, exit_code, signal)
        assert.equal(3, list.n)
        assert.equal(BYTES, #list[2])
        assert.equal(3, list[3])
        assert.same({ row[3], nil }, { exit_code, signal })
        local raised = row[2]:find 'on purpose' ~= nil
        assert.equal(raised, err():find 'on purpose' ~= nil, err())
        if not raised then
          assert.equal('', err())
        end
      end)
    end)
  end

  it('by cp.stop() comes though there is more to wait for', function()
    local code = [[
      local cp = require 'child_process'
      process:on('message', function() end)
      process:on('beforeExit', function() print 'beforeExit' end)
      process:on('exit', function(code) print('exit', code) end)
      cp.stop() -- nothing to leave yet
      cp.setTimeout(function()
        process.exitCode = 3
        cp.stop()
        print 'the callback goes on'
      end, 1)
      cp.setInterval(function() end, 1 << 30)]]
    local child = forked.fork(code, { silent = true })
    local out, err = t.collect(child.stdout), t.collect(child.stderr)
    t.once(child, 'close', function(exit_code)
      assert.equal('', err())
      assert.equal('the callback goes on\nexit\t3\n', out())
      assert.equal(3, exit_code)
    end)
  end)

  it('does not come by cp.stop() in a run() of its own', function()
    local code = [[
      local cp = require 'child_process'
      cp.setTimeout(cp.stop, 1)
      process:once('message', function() print 'message' end)
      cp.run()
      print 'stopped'
      process:send 'ready']]
    local child = forked.fork(code, { silent = true })
    local out = t.collect(child.stdout)
    t.once(child, 'message', function()
      child:send 'go'
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal('stopped\nmessage\n', out())
      assert.equal(0, exit_code)
    end)
  end)

  it('loses nothing of 16 MiB', function()
    local ends = { '', 'os.exit(0)', 'process:exit()', 'process:disconnect()' }
    for _, finish in ipairs(ends) do
      local child = run("process:send(('y'):rep(1 << 24)) " .. finish)
      t.once(child, 'message', function(message)
        assert.equal(1 << 24, #message)
      end)
    end
  end)

  it('writes a traceback on stderr after an error', function()
    local code = [[
      local function culprit() error('on purpose') end
      local function caller() culprit() end
      caller()]]
    local child = forked.fork(code, { silent = true })
    local err = t.collect(child.stderr)
    t.once(child, 'close', function(exit_code)
      assert.equal(1, exit_code)
      assert.truthy(err():find 'program:1: on purpose\nstack traceback:\n', err())
      assert.truthy(err():find "'culprit'", err())
    end)
  end)

  it('writes a traceback after an error in a callback, and of an error value', function()
    local code = [[
      local cp = require 'child_process'
      process:on('message', function(message)
        local function culprit() error(message) end
        if message == 1 then cp.spawn(5) end
        culprit()
      end)]]
    for _, message in ipairs { 'on purpose', 1 } do
      local child = forked.fork(code, { silent = true })
      child:send(message)
      local err = t.collect(child.stderr)
      t.once(child, 'close', function(exit_code)
        assert.equal(1, exit_code)
        local wanted = message == 1 and 'ERR_INVALID_ARG_TYPE' or "'culprit'"
        assert.truthy(err():find(wanted, 1, true), err())
        assert.truthy(err():find('stack traceback:', 1, true), err())
      end)
    end
  end)

  it('is told to the parent when it is a signal', function()
    local child = cp.fork(t.fixture 'echo.lua')
    child:once('spawn', function()
      child:kill 'SIGKILL'
    end)
    local events = t.record(child, { 'disconnect', 'exit', 'close', 'error' })
    t.once(child, 'close', function(code, signal)
      assert.same({ nil, 'SIGKILL' }, { code, signal })
      assert.same({ 'disconnect', 'exit', 'close' }, events)
    end)
  end)
end)
