-- cp.debug and CP_DEBUG: what they tell, and that they change nothing.
local t = require 'spec.helper'
local cp = t.cp
local wrapped = t.wrap(it)

local HERE = 'debug_spec%.lua:%d+$'

-- An `it` that is given the events.
local function it(title, body)
  wrapped(title, function()
    local seen = {}
    cp.debug(function(event)
      seen[#seen + 1] = event
    end)
    body(seen)
  end)
end

local function named(seen, name)
  local list = {}
  for _, event in ipairs(seen) do
    if event.event == name then
      list[#list + 1] = event
    end
  end
  return list
end

local function names(seen)
  local list = {}
  for i, event in ipairs(seen) do
    list[i] = event.event
  end
  return table.concat(list, ' ')
end

-- Runs the loop to its end, then looks no more.
local function finish()
  cp.run()
  cp.debug(nil)
end

describe('cp.debug with a function', function()
  after_each(function()
    cp.debug(nil)
  end)

  it('tells the start and the end of a child', function(seen)
    local child = cp.spawn('sh', { '-c', 'exit 3' }, { cwd = '/' })
    finish()
    assert.equal('spawn exit', names(seen))
    local spawn, exit = seen[1], seen[2]
    assert.equal(child.pid, spawn.pid)
    assert.equal('sh', spawn.file)
    assert.same({ 'sh', '-c', 'exit 3' }, spawn.args)
    assert.equal('/', spawn.cwd)
    assert.matches(HERE, spawn.at)
    assert.equal(t.pid(), spawn.process)
    assert.is_true(exit.time >= spawn.time)
    assert.equal(child.pid, exit.pid)
    assert.same({ 'sh', '-c', 'exit 3' }, exit.args)
    assert.equal('/', exit.cwd)
    assert.equal(3, exit.code)
    assert.is_nil(exit.signal)
    assert.equal('exit', exit.reason)
    assert.is_true(exit.duration > 0)
  end)

  it('names the directory that a child has inherited', function(seen)
    local before = cp.process:cwd()
    cp.spawn('true')
    cp.process:chdir '/'
    finish()
    cp.process:chdir(before)
    assert.equal(before, seen[1].cwd)
    assert.equal(before, seen[2].cwd)
  end)

  it('tells a signal that we sent, and the end by it', function(seen)
    local child = cp.spawn('cat')
    child:kill 'SIGINT'
    finish()
    assert.equal('spawn kill exit', names(seen))
    assert.equal(child.pid, seen[2].pid)
    assert.equal('SIGINT', seen[2].signal)
    assert.is_true(seen[2].delivered)
    assert.is_nil(seen[2].reason)
    assert.equal('SIGINT', seen[3].signal)
    assert.equal('signal', seen[3].reason)
  end)

  it('tells a signal that came too late', function(seen)
    local child = cp.spawn('true')
    cp.run()
    assert.is_false(child:kill())
    finish()
    local kill = named(seen, 'kill')[1]
    assert.is_false(kill.delivered)
    assert.equal('ESRCH', kill.code)
  end)

  it('tells a signal for a child that was never started', function(seen)
    local child = cp.spawn '/no/such/program'
    child:on('error', t.expect())
    assert.is_false(child:kill())
    finish()
    local kill = named(seen, 'kill')[1]
    assert.is_nil(kill.pid)
    assert.is_false(kill.delivered)
  end)

  it('tells a signal that process:kill sent', function(seen)
    cp.process:kill(cp.process.pid, 0)
    finish()
    assert.equal(cp.process.pid, seen[1].pid)
    assert.equal('0', seen[1].signal)
  end)

  it('tells a time-out as the reason', function(seen)
    cp.exec('exec cat', { timeout = 1, killSignal = 'SIGKILL' }, t.expect())
    finish()
    assert.equal('spawn kill exit', names(seen))
    assert.equal('timeout', seen[2].reason)
    assert.equal('SIGKILL', seen[2].signal)
    assert.equal('timeout', seen[3].reason)
    assert.equal('SIGKILL', seen[3].signal)
  end)

  it('tells too much output as the reason', function(seen)
    cp.exec('exec cat /dev/zero', { maxBuffer = 10 }, t.expect())
    finish()
    assert.equal('maxBuffer', named(seen, 'exit')[1].reason)
    local code = 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER'
    assert.equal(code, named(seen, 'exit')[1].error.code)
  end)

  it('tells an abort as the reason', function(seen)
    local controller = cp.AbortController()
    cp.execFile('cat', { signal = controller.signal }, t.expect())
    controller:abort()
    finish()
    assert.equal('spawn kill exit', names(seen))
    assert.equal('abort', seen[2].reason)
    assert.equal('abort', seen[3].reason)
  end)

  it('tells a start that failed, and at which stage', function(seen)
    cp.spawn('/no/such/program', { 'x' }):on('error', t.expect())
    cp.spawn('true', { cwd = '/no/such/place' }):on('error', t.expect())
    finish()
    assert.equal('exit exit', names(seen))
    local missing, nowhere = seen[1], seen[2]
    assert.is_nil(missing.pid)
    assert.equal('spawn', missing.reason)
    assert.equal('ENOENT', missing.error.code)
    assert.equal('exec', missing.error.stage)
    assert.same({ '/no/such/program', 'x' }, missing.args)
    assert.matches(HERE, missing.at)
    assert.equal('chdir', nowhere.error.stage)
    assert.equal('/no/such/place', nowhere.cwd)
  end)

  it('tells a start that was aborted before', function(seen)
    local child = cp.spawn('true', { signal = cp.AbortSignal.abort() })
    child:on('error', t.expect())
    finish()
    assert.equal('exit', names(seen))
    assert.equal('abort', seen[1].reason)
  end)

  it('tells a call that waits before it starts, and its end', function(seen)
    local result = cp.spawnSync('sh', { '-c', 'exit 3' }, { cwd = '/' })
    finish()
    assert.equal('spawn exit', names(seen))
    local spawn, exit = seen[1], seen[2]
    assert.is_true(spawn.sync)
    assert.is_nil(spawn.pid)
    assert.same({ 'sh', '-c', 'exit 3' }, spawn.args)
    assert.equal('/', spawn.cwd)
    assert.matches(HERE, spawn.at)
    assert.is_true(exit.sync)
    assert.equal(result.pid, exit.pid)
    assert.equal(3, exit.code)
    assert.equal('exit', exit.reason)
    assert.is_true(exit.duration > 0)
  end)

  it('tells why a call that waits came to nothing', function(seen)
    cp.spawnSync('cat', { stdio = { 'pipe', 'ignore' } })
    cp.spawnSync('sleep', { '60' }, { timeout = 1, killSignal = 'SIGKILL' })
    cp.spawnSync('cat', { '/dev/zero' }, { maxBuffer = 10 })
    cp.spawnSync '/no/such/program'
    assert.is_false((pcall(cp.execSync, 'kill -KILL $$')))
    finish()
    local reasons = {}
    for i, event in ipairs(named(seen, 'exit')) do
      reasons[i] = event.reason
    end
    assert.equal('exit timeout maxBuffer spawn signal', table.concat(reasons, ' '))
    local failed = named(seen, 'exit')[4]
    assert.is_nil(failed.pid)
    assert.equal('exec', failed.error.stage)
  end)

  it('tells what goes over a channel', function(seen)
    local child = cp.fork(t.fixture 'echo.lua', { execArgv = {} })
    child:send { text = 'hello' }
    child:on('message', function()
      child:disconnect()
    end)
    finish()
    assert.equal('spawn connect send receive disconnect exit', names(seen))
    assert.equal('json', seen[2].serialization)
    assert.equal(child.pid, seen[2].pid)
    assert.equal(#'{"text":"hello"}', seen[3].size)
    assert.equal(0, seen[3].pending)
    assert.is_true(seen[4].size > 0)
    assert.equal('local', seen[5].reason)
  end)

  it('tells the size of messages in either serialization', function(seen)
    local options = { serialization = 'advanced' }
    local child = cp.fork(t.fixture 'echo.lua', options)
    child:send 'hello'
    child:on('message', function()
      child:disconnect()
    end)
    finish()
    assert.equal('advanced', named(seen, 'connect')[1].serialization)
    assert.equal(named(seen, 'send')[1].size, named(seen, 'receive')[1].size)
  end)

  it('tells that the other side has closed a channel', function(seen)
    local child = cp.spawn(
      'true',
      {},
      { stdio = { 'ignore', 'ignore', 'ignore', 'ipc' } }
    )
    child:on('disconnect', t.expect())
    finish()
    assert.equal('peer', named(seen, 'disconnect')[1].reason)
  end)

  it('tells a message that is lost', function(seen)
    local child = cp.spawn 'true'
    child:send('hello', t.expect())
    finish()
    assert.equal('ERR_IPC_CHANNEL_CLOSED', named(seen, 'send')[1].error.code)
  end)

  it('tells what becomes of handles', function(seen)
    local child = cp.fork(t.fixture 'echo.lua')
    local file <close> = assert(io.open '/dev/null')
    child:send('one', file)
    child:send('two', file)
    local answers = 0
    child:on('message', function(_, copy)
      copy:close()
      answers = answers + 1
      if answers == 2 then
        child:disconnect()
      end
    end)
    finish()
    local states = { received = 0 }
    for _, event in ipairs(named(seen, 'handle')) do
      assert.equal('lua.File', event.type)
      if event.state == 'received' then
        states.received = states.received + 1
      else
        states[#states + 1] = event.state
      end
    end
    assert.equal('sent waiting acknowledged sent acknowledged', table.concat(states, ' '))
    assert.equal(2, states.received)
  end)

  it('tells that a peer has refused a handle', function(seen)
    local script = [[
      read -r line <&3
      echo '{"cmd":"NODE_HANDLE_NACK"}' >&3
      read -r line <&3]]
    local stdio = { 'ignore', 'ignore', 'inherit', 'ipc' }
    local peer = cp.spawn('sh', { '-c', script }, { stdio = stdio })
    local file <close> = assert(io.open '/dev/null')
    peer:send('take it', file)
    peer:on('disconnect', function() end)
    finish()
    local states = {}
    for i, event in ipairs(named(seen, 'handle')) do
      states[i] = event.state
    end
    assert.equal('sent refused', table.concat(states, ' ', 1, 2))
  end)

  it('does not tell what the function does itself', function()
    local calls = 0
    cp.debug(function(event)
      calls = calls + 1
      if event.event == 'spawn' then
        cp.spawn('true')
      end
    end)
    cp.spawn('true')
    finish()
    assert.equal(3, calls) -- one start, two ends
  end)

  it('lets an error of the function leave cp.run, and breaks nothing', function()
    cp.debug(function(event)
      error('thrown at ' .. event.event, 0)
    end)
    local child = cp.spawn('true')
    t.once(child, 'close', function(code)
      assert.equal(0, code)
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal('thrown at spawn', err)
    ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal('thrown at exit', err)
    finish()
  end)

  it('gives back what there was before', function()
    local function first() end
    cp.debug(first)
    assert.equal(first, cp.debug(true))
    assert.is_true(cp.debug(false))
    assert.is_nil(cp.debug(nil))
  end)

  it('is over with nil and with false', function(seen)
    cp.debug(false)
    cp.spawn('true')
    finish()
    assert.same({}, seen)
  end)

  it('tells the end of a child that was started before', function(seen)
    local look = cp.debug(nil)
    local child = cp.spawn('true')
    cp.debug(look)
    finish()
    assert.equal('exit', names(seen))
    assert.equal(child.pid, seen[1].pid)
    assert.equal('true', seen[1].file)
    assert.is_number(seen[1].duration)
    assert.is_nil(seen[1].at)
  end)

  it('takes functions and booleans only', function()
    local err = t.raises('ERR_INVALID_ARG_TYPE', cp.debug, 'loud')
    assert.matches(
      '"target" argument must be one of type function or boolean',
      err.message
    )
    finish()
  end)
end)

describe('a line of CP_DEBUG', function()
  local debugging = require 'child_process.debug'

  local function line(event)
    event.process, event.time = 1, 0.25
    return debugging.line(event):match '^%[child_process 1%] 0%.[23] ms (.*)\n$'
  end

  wrapped('says how a child ended', function()
    local event = { event = 'exit', pid = 7, file = 'cat', args = { 'cat' } }
    assert.equal('exit 7: nobody knows how: cat', line(event))
    event.signal, event.reason = 'SIGTERM', 'signal'
    assert.equal('exit 7: signal SIGTERM: cat', line(event))
    event.reason, event.duration = 'abort', 12.34
    assert.equal('exit 7: signal SIGTERM (abort) after 12.3 ms: cat', line(event))
  end)

  wrapped('quotes what could be misread, and cuts what is long', function()
    local args = { 'echo', 'a b', '', 'x\ny', ('z'):rep(300) }
    local event = { event = 'spawn', pid = 7, file = 'echo', args = args }
    local z = "'" .. ('z'):rep(128) .. "...'"
    assert.equal("spawn 7: echo 'a b' '' 'x\\ny' " .. z, line(event))
    for i = 2, 100 do
      args[i] = tostring(i)
    end
    assert.matches(' 23 24 … 76 more$', line(event))
  end)

  wrapped('says how much waits in front of a message', function()
    local event = { event = 'send', pid = 7, size = 10, pending = 11 }
    assert.equal('channel 7: sent 10 bytes', line(event))
    event.pending = 1011
    assert.equal('channel 7: sent 10 bytes behind 1001 that wait', line(event))
    event.error = { code = 'ERR_IPC_CHANNEL_CLOSED' }
    assert.equal('channel 7: message lost: ERR_IPC_CHANNEL_CLOSED', line(event))
  end)

  wrapped('says what became of a handle', function()
    local event = { event = 'handle', pid = 7, type = 'net.Socket', state = 'refused' }
    assert.equal('channel 7: handle net.Socket refused', line(event))
  end)

  wrapped('says why a channel was closed', function()
    local event = { event = 'disconnect', pid = 7, reason = 'error', error = 'text' }
    assert.equal('channel 7: closed after text', line(event))
  end)
end)

describe('CP_DEBUG', function()
  local function stderr_of(source, value)
    local file, args = t.lua(source)
    local result = cp.execFile('env', { 'CP_DEBUG=' .. value, file, table.unpack(args) })
      :wait()
    assert.equal(0, result.code, result.stderr)
    return result.stderr, result.stdout
  end

  wrapped('writes one line an event to standard error', function()
    local err, out = stderr_of(
      [[local cp = require 'child_process'
        cp.spawn('sh', { '-c', 'exit 3\n' }, { stdio = 'ignore' })
        cp.run()
        cp.execFileSync 'true'
        cp.spawnSync '/no/such/program'
        cp.spawn('/no/such/program'):on('error', print):kill(9)
        cp.spawn('true', { signal = cp.AbortSignal.abort() }):on('error', print)]],
      '1'
    )
    assert.equal('', out)
    local spawn, exit, rest = err:match '^([^\n]*)\n([^\n]*)\n(.*)$'
    assert.matches('^%[child_process %d+%] [%d.]+ ms spawn %d+: ', spawn)
    assert.matches(": sh %-c 'exit 3\\n', cwd /.*, at .*:2$", spawn)
    assert.matches('^%[child_process %d+%] [%d.]+ ms exit %d+: code 3 after ', exit)
    local sync = ''
    for line in rest:gmatch '[^\n]+' do
      sync = sync .. line:gsub('^%[child_process %d+%] [%d.]+ ms ', '') .. '\n'
    end
    local shown = '^spawn %(sync%): true, cwd /[^\n]+, at [^\n]+:4\n'
      .. 'exit %d+ %(sync%): code 0 after [%d.]+ ms: true\n'
      .. 'spawn %(sync%): /no/such/program, cwd [^\n]+\n'
      .. 'spawn failed %(sync%): /no/such/program, cwd [^\n]+: '
      .. 'ENOENT at stage exec %(/no/such/program%), at [^\n]+\n'
      .. 'spawn failed: /no/such/program, cwd [^\n]+\n'
      .. 'kill what was not started: SIGKILL: not delivered, ESRCH\n'
      .. 'spawn failed: true, cwd [^\n]+: ABORT_ERR, at [^\n]+\n$'
    assert.matches(shown, sync)
  end)

  wrapped('is off when it is empty or 0', function()
    local source = "local cp = require 'child_process'; cp.spawn('true'); cp.run()"
    assert.equal('', stderr_of(source, ''))
    assert.equal('', stderr_of(source, '0'))
  end)

  wrapped('reaches forked children, whose lines have their pid', function()
    local err = stderr_of(
      ([[local cp = require 'child_process'
        local child = cp.fork(%q)
        child:send 'hello'
        child:on('message', function() child:disconnect() end)
        cp.run()]]):format(t.fixture 'echo.lua'),
      '1'
    )
    local own, pid = err:match '%[child_process (%d+)%] [%d.]+ ms spawn (%d+): '
    assert.not_equal(own, pid)
    for _, text in ipairs { 'open, json', 'received 7 bytes', 'closed by the other' } do
      local line = '%[child_process '
        .. pid
        .. '%] [%d.]+ ms channel '
        .. own
        .. ': '
        .. text
      assert.matches(line, err)
    end
  end)

  wrapped('waits for a standard error that does not take it at once', function()
    local file, args = t.lua [[
      local cp = require 'child_process'
      for _ = 1, 400 do
        cp.spawn('/no/such/program', { ('x'):rep(120), 'y' }):on('error', print)
      end
      cp.run()]]
    local env = { 'CP_DEBUG=1', file, table.unpack(args) }
    local result = cp.execFile('env', env):wait()
    local _, count = result.stderr:gsub('spawn failed: /no/such/program [^\n]*\n', '')
    assert.equal(400, count)
    assert.is_true(#result.stderr > 65536)
  end)

  wrapped('costs a handle nothing when nobody looks', function()
    local trace = require 'child_process.trace'
    assert.is_false(trace.on)
    local timer = cp.setTimeout(print, 1000)
    assert.is_nil(trace.origins[timer])
    timer:close()
  end)
end)
