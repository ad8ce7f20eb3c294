--- cp.scope: children that do not outlive a block.
local core = require 'child_process.core'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local has_groups = t.backend() == 'linux'

-- Calls `fn(scope)` in a block with a scope of its own.
local function scoped(options, fn)
  local s <close> = cp.scope(options)
  return fn(s)
end

-- Starts a shell command that says `ready`.
local function ready(s, command, options)
  local child = s:spawn('sh', { '-c', command }, options)
  assert.equal('ready', (child.stdout:read 'l'))
  return child
end

local STUBBORN = 'trap "" TERM; echo ready; exec sleep 600'
local PLAIN = 'echo ready; exec sleep 600'

local function is_reaped(child)
  for _, pid in ipairs(t.children()) do
    if pid == child.pid then
      return false
    end
  end
  return true
end

describe('leaving a scope', function()
  it('ends what still runs, and reaps it first', function()
    local child = scoped(nil, function(s)
      return ready(s, PLAIN)
    end)
    assert.equal('SIGTERM', child.signalCode)
    assert.is_true(is_reaped(child))
  end)

  it('goes on with the error, unchanged', function()
    for _, value in ipairs { 'boom', { 'boom' } } do
      local child
      local ok, err = pcall(scoped, nil, function(s)
        child = ready(s, PLAIN)
        error(value, 0)
      end)
      assert.is_false(ok)
      assert.equal(value, err)
      assert.is_true(is_reaped(child))
    end
  end)

  it('returns what the block returns', function()
    assert.same(
      { 1, nil, 3, n = 3 },
      table.pack(scoped(nil, function(s)
        ready(s, PLAIN)
        return 1, nil, 3
      end))
    )
  end)

  it('sends SIGKILL to what ignores SIGTERM, after killAfter', function()
    local child = scoped({ killAfter = 20 }, function(s)
      return ready(s, STUBBORN)
    end)
    local result = child:wait()
    assert.equal('SIGKILL', result.signal)
    assert.is_true(result.forced)
  end)

  it('keeps to killAfter when somebody else was ready to wait longer', function()
    local child = scoped({ killAfter = 20 }, function(s)
      local child = ready(s, STUBBORN, { killAfter = 60000 })
      cp.async(child.terminate, child, 60000)
      return child
    end)
    assert.equal('SIGKILL', child.signalCode)
  end)

  it('ends all of them at the same time', function()
    local from = cp.process:hrtime()
    scoped({ killAfter = 300 }, function(s)
      for _ = 1, 4 do
        ready(s, STUBBORN)
      end
    end)
    assert.is_true(cp.process:hrtime() - from < 4 * 300 * 1000000)
  end)

  it('never waits for success', function()
    local result = scoped(nil, function(s)
      return ready(s, PLAIN)
    end):wait()
    assert.is_false(result.ok)
  end)

  it('leaves alone what has ended already', function()
    local child = scoped(nil, function(s)
      local child = s:exec 'echo done'
      child:wait()
      return child
    end)
    local result = child:wait()
    assert.equal('done\n', result.stdout)
    assert.is_true(result.ok)
    assert.is_false(child.killed)
  end)

  it('does not wait for a stranger that holds a pipe', function()
    local holder
    local child = scoped(nil, function(s)
      local child = s:spawn('sh', { '-c', 'sleep 600 & echo $!; wait' })
      holder = math.tointeger(child.stdout:read 'l')
      return child
    end)
    assert.is_true(t.pid_alive(holder))
    cp.process:kill(holder, 'SIGKILL')
    assert.is_true(child:wait().truncated)
  end)

  it('does not wait for a stranger that holds a pipe of one that has ended', function()
    local holder
    scoped(nil, function(s)
      local child = s:spawn('sh', { '-c', 'sleep 600 & echo $!' })
      holder = math.tointeger(child.stdout:read 'l')
      while not child.exitCode do
        cp.run 'once'
      end
    end)
    cp.process:kill(holder, 'SIGKILL')
  end)

  it('does not wait for a reader that does not go on', function()
    local reader
    local child = scoped(nil, function(s)
      local child = s:spawn('sh', { '-c', 'echo a; echo b; exec sleep 600' })
      reader = cp.async(function()
        for _ in child.stdout:lines() do
          cp.await(function() end)
        end
      end)
      return child
    end)
    assert.equal('SIGTERM', child.signalCode)
    coroutine.close(reader)
    child:wait()
  end)

  it('does not wait for a stream that is behind', function()
    local child = scoped(nil, function(s)
      local child = s:spawn('sh', { '-c', 'echo ready >&2; exec yes' })
      local slow = s:spawn('sleep', { '600' })
      child.stdout:pipe(slow.stdin)
      assert.equal('ready', (child.stderr:read 'l'))
      return child
    end)
    assert.equal('SIGTERM', child.signalCode)
  end)

  it(
    'ends a child that does not keep the loop alive, or has a session of its own',
    function()
      local a, b = scoped(nil, function(s)
        local a, b = ready(s, PLAIN), ready(s, PLAIN, { detached = true })
        a:unref()
        b:unref()
        return a, b
      end)
      assert.equal('SIGTERM', a.signalCode)
      assert.equal('SIGTERM', b.signalCode)
    end
  )

  it('says nothing of a start that has failed', function()
    local child = scoped(nil, function(s)
      return s:spawn '/no/such/program'
    end)
    assert.equal('ENOENT', child:wait().error.code)
  end)

  it('ends a worker, and what it has sent arrives first', function()
    local messages = {}
    scoped({ silent = true }, function(s)
      local worker = s:fork(t.fixture 'echo.lua')
      worker:send 'hello'
      cp.await(function(callback)
        worker:on('message', function(message)
          messages[#messages + 1] = message
          callback()
        end)
      end)
      assert.is_true(worker.connected)
    end)
    assert.same({ 'hello' }, messages)
  end)

  it('does not wait for a stranger that holds the channel of a worker', function()
    local program = t.tmpdir() .. '/worker.sh'
    t.write_file(program, 'sleep 600 & echo $!; wait')
    local holder
    local worker = scoped({ silent = true, execPath = '/bin/sh' }, function(s)
      local worker = s:fork(program)
      holder = math.tointeger(worker.stdout:read 'l')
      return worker
    end)
    assert.equal('SIGTERM', worker.signalCode)
    assert.is_false(worker.connected)
    assert.is_true(t.pid_alive(holder))
    cp.process:kill(holder, 'SIGKILL')
  end)

  it('tells the callback of exec', function()
    local callback = t.expect(function(err)
      assert.equal('SIGTERM', err.signal)
    end)
    scoped(nil, function(s)
      s:exec('exec sleep 600', callback)
      s:execFile('true', t.expect())
      s:wait(1)
    end)
  end)

  it('works in a scope within a scope, the inner one first', function()
    local inner, outer
    scoped(nil, function(s)
      outer = ready(s, PLAIN)
      scoped(nil, function(s2)
        inner = ready(s2, PLAIN)
      end)
      assert.is_true(is_reaped(inner))
      assert.is_nil(outer.signalCode)
    end)
    assert.is_true(is_reaped(outer))
  end)

  if has_groups then
    it('ends the descendants as well, with killDescendants', function()
      local pid
      scoped({ killDescendants = true, killAfter = 20 }, function(s)
        local child = s:spawn('sh', { '-c', 'trap "" TERM; sleep 600 & echo $!; wait' })
        pid = math.tointeger(child.stdout:read 'l')
      end)
      assert.is_false(t.pid_alive(pid))
    end)

    it('ends the descendants of a child that has ended', function()
      local pid, is_in_reach
      scoped({ killDescendants = true }, function(s)
        local child = s:execFile('sh', { '-c', 'sleep 600 >&- 2>&- & echo $!' })
        pid = math.tointeger(child:wait().stdout)
        is_in_reach = core.lives(child)
      end)
      if not is_in_reach then
        cp.process:kill(pid, 'SIGKILL')
        return pending 'before Linux 6.9 a group goes with its leader'
      end
      assert.is_false(t.pid_alive(pid))
    end)
  end
end)

describe('errors of callbacks while a scope is left', function()
  local function failing_callbacks(err)
    return pcall(scoped, { killAfter = 60 }, function(s)
      ready(s, STUBBORN)
      cp.setTimeout(error, 1, 'first', 0)
      cp.setTimeout(error, 2, 'second', 0)
      if err then
        error(err, 0)
      end
    end)
  end

  it('go on when all has ended', function()
    local ok, err = failing_callbacks()
    assert.same({ false, 'first' }, { ok, err })
    assert.same({}, t.children())
    assert.same({ false, 'second' }, { pcall(cp.run) })
  end)

  it('do not take the place of the one with which it is left', function()
    local ok, err = failing_callbacks 'mine'
    assert.same({ false, 'mine' }, { ok, err })
    assert.same({}, t.children())
    assert.same({ false, 'first' }, { pcall(cp.run) })
    assert.same({ false, 'second' }, { pcall(cp.run) })
  end)

  it('are those of kill, too, when the user has replaced it', function()
    scoped({ killAfter = 1 }, function(s)
      local child = ready(s, PLAIN)
      function child.kill()
        error('no kill', 0)
      end
    end)
    assert.same({}, t.children())
  end)
end)

describe('a scope in a coroutine', function()
  it('is left without stopping the others', function()
    local events = {}
    cp.async(function()
      local ok, err = pcall(scoped, { killAfter = 50 }, function(s)
        ready(s, STUBBORN)
        cp.setTimeout(table.insert, 10, events, 'timer')
        error('boom', 0)
      end)
      assert.same({}, t.children())
      table.insert(events, tostring(ok) .. ' ' .. err)
    end)
    cp.run()
    assert.same({ 'timer', 'false boom' }, events)
  end)

  it('gets SIGKILL when the coroutine is closed', function()
    local child
    local thread = cp.async(function()
      scoped(nil, function(s)
        child = ready(s, STUBBORN)
        child:wait()
      end)
    end)
    while not child do
      cp.run 'once'
    end
    assert.is_true(coroutine.close(thread))
    assert.equal('SIGKILL', child:wait().signal)
  end)

  it('gets SIGKILL when the coroutine is closed while it leaves', function()
    local child
    local thread = cp.async(function()
      local s <close> = cp.scope { killAfter = 600000 }
      child = ready(s, 'trap "echo asked" TERM; echo ready; while :; do sleep 0.01; done')
    end)
    while not child do
      cp.run 'once'
    end
    assert.equal('asked', (child.stdout:read 'l'))
    assert.equal('suspended', coroutine.status(thread))
    assert.is_true(coroutine.close(thread))
    cp.run()
    assert.equal('SIGKILL', child.signalCode)
  end)

  it('gets SIGKILL when the coroutine is never resumed', function()
    local child
    coroutine.wrap(function()
      scoped(nil, function(s)
        child = s:spawn('sleep', { '600' })
        coroutine.yield()
      end)
    end)()
    collectgarbage()
    collectgarbage()
    assert.equal('SIGKILL', child:wait().signal)
  end)

  it('gets SIGKILL when coroutine.wrap passes an error on', function()
    local child
    local ok, err = pcall(coroutine.wrap(function()
      scoped(nil, function(s)
        child = s:spawn('sleep', { '600' })
        error('boom', 0)
      end)
    end))
    assert.same({ false, 'boom' }, { ok, err })
    assert.equal('SIGKILL', child:wait().signal)
  end)
end)

describe('a scope', function()
  it('that is left in a bare callback sends SIGKILL and does not wait', function()
    cp.setImmediate(t.expect(function()
      local child
      local ok, err = pcall(scoped, nil, function(s)
        child = s:spawn('sleep', { '600' })
        s:spawn('/no/such/program'):on('error', t.expect())
        error('boom', 0)
      end)
      assert.same({ false, 'boom' }, { ok, err })
      t.once(child, 'close', function(_, signal)
        assert.equal('SIGKILL', signal)
      end)
    end))
  end)

  it('that sends SIGKILL says so to cp.debug', function()
    local signals = {}
    cp.debug(function(event)
      signals[#signals + 1] = event.event == 'kill' and event.signal or nil
    end)
    cp.setImmediate(scoped, nil, function(s)
      s:spawn('sleep', { '600' })
    end)
    cp.run()
    cp.debug(false)
    assert.same({ 'SIGKILL' }, signals)
  end)

  it('may be left in a bare callback when all has ended', function()
    local s = cp.scope()
    assert.is_true(s:exec('true'):wait().ok)
    cp.setImmediate(t.expect(function()
      scoped(nil, function() end)
      local _ <close> = s
    end))
  end)

  it('that is dropped sends SIGKILL, and nothing once it has been left', function()
    local child = cp.scope():spawn('sleep', { '600' })
    collectgarbage()
    collectgarbage()
    assert.equal('SIGKILL', child:wait().signal)
    local left = scoped(nil, function(s)
      return s:exec 'exec sleep 600'
    end)
    collectgarbage()
    assert.equal('SIGTERM', left:wait().signal)
  end)

  -- `code` prints the pid of a child.
  local function ends_its_child_with_the_state(code)
    local exe, args = t.lua(code)
    local result = cp.spawnSync(exe, args)
    assert.equal('', result.stderr)
    local pid = math.tointeger(result.stdout:match '%d+')
    t.when(function()
      return not t.pid_alive(pid)
    end)
  end

  it('that nobody leaves ends its children with the state', function()
    ends_its_child_with_the_state [[
      local cp = require 'child_process'
      s = cp.scope()
      local child = s:spawn('sh', { '-c', 'echo ready; exec sleep 600' },
        { stderr = 'ignore' })
      child.stdout:read 'l'
      print(child.pid)
    ]]
  end)

  it('that is being left when the state ends does not wait longer', function()
    ends_its_child_with_the_state [[
      local cp = require 'child_process'
      cp.async(function()
        local s <close> = cp.scope { killAfter = 60000 }
        local child = s:spawn('sh', { '-c', 'trap "" TERM; echo ready; exec sleep 600' },
          { stderr = 'ignore' })
        child.stdout:read 'l'
        print(child.pid)
        cp.setImmediate(cp.stop)
      end)
      cp.run()
    ]]
  end)

  it('starts nothing once it has been left', function()
    local s = cp.scope()
    do
      local _ <close> = s
    end
    t.raises('ERR_SCOPE_CLOSED', s.spawn, s, 'true')
    t.raises('ERR_SCOPE_CLOSED', s.exec, s, 'true')
    t.raises('ERR_SCOPE_CLOSED', s.execFile, s, 'true')
    t.raises('ERR_SCOPE_CLOSED', s.fork, s, 'x.lua')
    assert.same({}, s:wait())
  end)

  it('starts nothing while it is being left', function()
    local s
    scoped({ killAfter = 50 }, function(inner)
      s = inner
      ready(s, STUBBORN)
      cp.setTimeout(
        t.expect(function()
          t.raises('ERR_SCOPE_CLOSED', s.spawn, s, 'true')
        end),
        1
      )
    end)
  end)

  it(
    'waits for all of them, whatever their outcome, in the order of their starts',
    function()
      local function check(s)
        s:spawn('sh', { '-c', 'sleep 0.05; echo a' })
        s:exec 'echo b; exit 3'
        s:spawn '/no/such/program'
        for _ = 1, 2 do
          local results = s:wait()
          assert.equal(3, #results)
          assert.equal('a\n', results[1].stdout)
          assert.equal(3, results[2].code)
          assert.equal('spawn', results[3].reason)
        end
      end
      scoped(nil, check)
      cp.async(scoped, nil, check)
      cp.run()
      scoped(nil, function(s)
        assert.same({}, s:wait())
      end)
    end
  )

  it('waits for those, too, that are started meanwhile', function()
    scoped(nil, function(s)
      s:exec(
        'true',
        t.expect(function()
          s:exec(
            'true',
            t.expect(function()
              s:exec 'echo last'
            end)
          )
        end)
      )
      local results = s:wait()
      assert.equal('last\n', results[3].stdout)
    end)
  end)

  it('gives up waiting after a time, and they go on', function()
    scoped(nil, function(s)
      local child = ready(s, PLAIN)
      assert.same({ nil, 'timeout' }, { s:wait(1) })
      assert.is_nil(child.signalCode)
      t.raises('ERR_OUT_OF_RANGE', s.wait, s, -1)
      child:kill()
      assert.equal('SIGTERM', s:wait(60000)[1].signal)
    end)
  end)

  it('does not let one failure end the others', function()
    scoped(nil, function(s)
      local other = ready(s, PLAIN)
      assert.is_false(s:exec('exit 1'):wait().ok)
      assert.equal('ENOENT', s:spawn('/no/such/program'):wait().error.code)
      assert.is_nil((other:wait(1)))
    end)
  end)

  it('cannot wait in a bare callback', function()
    local s = cp.scope()
    local child = s:spawn 'true'
    cp.setImmediate(t.expect(function()
      t.raises('ERR_WOULD_BLOCK', s.wait, s)
    end))
    child:wait()
  end)

  it('gives up on a process that SIGKILL does not end', function()
    local kill = core.kill
    local child
    scoped({ killAfter = 1 }, function(s)
      child = ready(s, PLAIN)
      function core.kill()
        return nil, -1
      end
    end)
    core.kill = kill
    assert.is_nil(child.signalCode)
    assert.equal('EPERM', core.errname(-1))
    child:kill 'SIGKILL'
  end)
end)

describe("a scope's options", function()
  it('are defaults of all that it starts', function()
    local folder = t.tmpdir()
    scoped({ cwd = folder, env = { A = '1', PATH = os.getenv 'PATH' } }, function(s)
      local command = 'pwd; echo "$A$B"'
      assert.equal(folder .. '\n1\n', s:exec(command):wait().stdout)
      assert.equal(folder .. '\n1\n', s:execFile('sh', { '-c', command }):wait().stdout)
      assert.equal(folder .. '\n1\n', s:spawn('sh', { '-c', command }):wait().stdout)
      assert.equal(folder .. '\n', s:spawn('pwd', {}):wait().stdout)
    end)
  end)

  it('give way to those of a call, and env to env', function()
    scoped({ cwd = '/', env = { A = '1' }, timeout = 60000 }, function(s)
      local result = s:execFile('/bin/sh', { '-c', 'pwd; echo $A$B' }, {
        cwd = '/tmp',
        env = { B = '2' },
      }):wait()
      assert.equal('/tmp\n2\n', result.stdout)
    end)
  end)

  it('are skipped by calls that do not have them', function()
    scoped({ silent = true, encoding = 'hex', execArgv = {} }, function(s)
      assert.equal('a\n', s:spawn('echo', { 'a' }):wait().stdout)
      assert.equal('610a', s:exec('echo a'):wait().stdout)
      local worker = s:fork(t.fixture 'echo.lua')
      assert.is_truthy(worker.stdout)
      worker:disconnect()
      assert.equal(0, worker:wait().code)
    end)
  end)

  it('are checked by name and value when it is made', function()
    local err = t.raises('ERR_INVALID_ARG_VALUE', cp.scope, { timout = 5 })
    assert.matches(
      "options.timout is not an option of scope; did you mean 'timeout'",
      err.message
    )
    t.raises('ERR_INVALID_ARG_TYPE', cp.scope, { timeout = '5' })
    t.raises('ERR_INVALID_ARG_TYPE', cp.scope, { silent = 1 })
    t.raises('ERR_OUT_OF_RANGE', cp.scope, { killAfter = -1 })
    t.raises('ERR_UNKNOWN_SIGNAL', cp.scope, { killSignal = 'SIGNO' })
    for _, value in ipairs { 5, 'x', true, print } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.scope, value)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.scope, { 'ls' })
  end)

  it('are copied', function()
    local given = { cwd = '/' }
    scoped(given, function(s)
      given.cwd = '/no/such/folder'
      assert.equal('/\n', s:exec('pwd'):wait().stdout)
    end)
    assert.same({ cwd = '/no/such/folder' }, given)
  end)

  it('do not keep a wrong argument of a call from raising', function()
    scoped(nil, function(s)
      t.raises('ERR_INVALID_ARG_TYPE', s.spawn, s)
      t.raises('ERR_INVALID_ARG_VALUE', s.spawn, s, 'ls', { nonsense = 1 })
      t.raises('ERR_INVALID_ARG_TYPE', s.exec, s, 'ls', 5)
      t.raises('ERR_INVALID_THIS', s.spawn, 'ls')
      t.raises('ERR_INVALID_THIS', s.wait)
      assert.same({}, s:wait())
    end)
  end)
end)
