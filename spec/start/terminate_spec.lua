--- Ending a child for certain: killAfter, terminate, killDescendants.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local is_linux = t.backend() == 'linux'

-- Ignores SIGTERM, says so, and waits for ever.
local STUBBORN = 'trap "" TERM; echo ready; exec sleep 600'

-- Starts a shell command that says `ready`.
local function ready(command, options)
  local child = cp.spawn('sh', { '-c', command }, options)
  assert.equal('ready', (child.stdout:read 'l'))
  return child
end

-- A shell whose descendant holds stdout and ignores SIGTERM, if `trap` says so.
local function tree(trap, options)
  local command = ([[sh -c '%s; echo ready; while :; do sleep 600 & wait; done' &
    wait]]):format(trap)
  return ready(command, options)
end

describe('killAfter', function()
  it('sends SIGKILL when SIGTERM has not ended the child', function()
    local child = ready(STUBBORN, { killAfter = 20 })
    child:kill()
    local result = child:wait()
    assert.equal('SIGKILL', result.signal)
    assert.is_true(result.forced)
    assert.equal('signal', result.reason)
  end)

  it('follows a limit', function()
    local options = { killAfter = 20, timeout = 20 }
    local child = ready(STUBBORN, options)
    local result = child:wait()
    assert.equal('SIGKILL', result.signal)
    assert.equal('timeout', result.reason)
    assert.is_true(result.forced)
  end)

  it('follows killSignal, and no other signal', function()
    local command = 'trap "" USR1 INT; echo ready; exec sleep 600'
    local child = ready(command, { killAfter = 20, killSignal = 'SIGINT' })
    child:kill 'SIGUSR1'
    assert.is_nil((child:wait(60)))
    child:kill 'SIGINT'
    assert.equal('SIGKILL', child:wait().signal)
  end)

  it('of a child that ends in time does nothing', function()
    local child = ready('echo ready; exec sleep 600', { killAfter = 60000 })
    child:kill()
    local result = child:wait()
    assert.equal('SIGTERM', result.signal)
    assert.is_false(result.forced)
  end)

  it('counts from the first ending signal', function()
    local child = ready(STUBBORN, { killAfter = 50 })
    local started = cp.process:hrtime()
    child:kill()
    child:kill()
    assert.equal('SIGKILL', child:wait().signal)
    assert.is_true(cp.process:hrtime() - started >= 50 * 1000000)
  end)

  it('follows the end of a <close> variable', function()
    local result
    do
      local child <close> = ready(STUBBORN, { killAfter = 20 })
      result = child
    end
    assert.equal('SIGKILL', result:wait().signal)
  end)

  it('comes late, and not never, when a callback takes long', function()
    local child = ready(STUBBORN, { killAfter = 20 })
    child:kill()
    cp.setImmediate(function()
      local from = cp.process:hrtime()
      repeat
      until cp.process:hrtime() - from > 60 * 1000000
    end)
    assert.is_true(child:wait().forced)
  end)

  it('does not keep a state from being closed', function()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local has_groups = cp.process.platform == 'linux'
      local options = { killAfter = 60000, killDescendants = has_groups
        and not arg[1], stdio = { 'pipe', 'pipe', 'inherit' } }
      local child = cp.spawn('sh', { '-c', 'trap "" TERM; echo $$; exec cat' }, options)
      print((child.stdout:read 'l'))
      child:kill()]]
    args[#args + 1] = not is_linux and 'uv' or nil
    local result = cp.spawnSync(exe, args)
    assert.equal('', result.stderr)
    assert.equal(0, result.code)
    assert.matches('^%d+\n$', result.stdout) -- its stdin ends with the state
  end)

  it('is in exec, execFile and fork, too', function()
    local program = t.tmpdir() .. '/stubborn.lua'
    t.write_file(
      program,
      "process:on('SIGTERM', print) process:send 'ready' "
        .. "process:on('message', print)"
    )
    local worker = cp.fork(program, { killAfter = 20, silent = true })
    worker:on('message', function()
      worker:kill()
    end)
    assert.equal('SIGKILL', worker:wait().signal)
    local options = { timeout = 50, killAfter = 20 }
    assert.is_true(cp.exec(STUBBORN, options):wait().forced)
    assert.is_true(cp.execFile('sh', { '-c', STUBBORN }, options):wait().forced)
  end)

  it('is followed when the user has replaced kill', function()
    local child = ready('echo ready; exec sleep 600', { killAfter = 20, timeout = 20 })
    child.kill = function()
      error 'mine'
    end
    local result = child:wait()
    assert.equal('SIGKILL', result.signal)
    assert.matches('mine', result.error)
  end)
end)

describe('child:terminate()', function()
  it('sends SIGTERM and waits', function()
    local child = ready 'echo ready; exec sleep 600'
    local result = child:terminate()
    assert.equal('SIGTERM', result.signal)
    assert.is_false(result.forced)
    assert.equal(child.pid, result.pid)
  end)

  it('sends SIGKILL after the grace', function()
    local child = ready(STUBBORN)
    local result = child:terminate(20)
    assert.equal('SIGKILL', result.signal)
    assert.is_true(result.forced)
  end)

  it('joins one that is under way', function()
    local child = ready(STUBBORN)
    local results = {}
    for i = 1, 2 do
      cp.async(function()
        results[i] = child:terminate(30)
      end)
    end
    cp.run()
    assert.equal('SIGKILL', results[1].signal)
    assert.equal('SIGKILL', results[2].signal)
  end)

  it('only returns the result of a child that has ended or never started', function()
    local child = cp.spawn 'true'
    child:wait()
    assert.equal(0, child:terminate().code)
    assert.equal('spawn', cp.spawn('no-such'):terminate().reason)
  end)

  it('is an error if nothing that we wait for keeps the loop alive', function()
    local stdio = { 'pipe', 'pipe', 'ignore', 'pipe' }
    local child = ready('cat <&3 & echo ready; exec sleep 600', { stdio = stdio })
    child:unref()
    child.stdout:unref()
    child.stdin:destroy()
    child.stdio[4]:unref()
    local err = t.raises('ERR_WOULD_BLOCK', child.terminate, child, 10000)
    assert.matches('^terminate%(%) would wait for ever', err.message)
    child.stdout:ref()
    child.stdio[4]:destroy()
    assert.equal('SIGTERM', child:wait().signal)
  end)

  it('sends nothing in a callback', function()
    local child = ready 'echo ready; exec cat'
    cp.setImmediate(t.expect(function()
      t.raises('ERR_WOULD_BLOCK', child.terminate, child)
      child.stdin:finish()
    end))
    cp.run()
    assert.equal(0, child.exitCode)
  end)

  it('refuses a grace that is none', function()
    local child = cp.spawn 'cat'
    t.raises('ERR_INVALID_ARG_TYPE', child.terminate, child, 'soon')
    t.raises('ERR_OUT_OF_RANGE', child.terminate, child, -1)
    t.raises('ERR_INVALID_THIS', child.terminate)
    child.stdin:finish()
    child:wait()
  end)

  it('comes before a killAfter that is later', function()
    local child = ready(STUBBORN, { killAfter = 60000 })
    child:kill()
    assert.equal('SIGKILL', child:terminate(20).signal)
  end)
end)

describe('killDescendants', function()
  if not is_linux then
    it('is refused by uv_spawn', function()
      local code = 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM'
      t.raises(code, cp.spawn, 'true', { killDescendants = true })
      t.raises(code, cp.spawnSync, 'true', { killDescendants = true })
    end)
    return
  end

  it('signals everything that the child has started', function()
    local child = tree(':', { killDescendants = true }) -- which hold stdout
    child:kill()
    assert.equal('SIGTERM', child:wait().signal)
  end)

  it('ends what ignores SIGTERM, though the child itself has ended', function()
    local child = tree('trap "" TERM', { killDescendants = true, killAfter = 20 })
    child:kill()
    local result = child:wait()
    assert.equal('SIGTERM', result.signal)
    assert.is_true(result.forced)
  end)

  it('has terminate wait until the group is empty', function()
    local command = [[sh -c 'trap "" TERM; echo $$ >&3; exec >&- 2>&- 3>&-; sleep 600;
      sleep 600' & wait]]
    local options =
      { killDescendants = true, stdio = { 'ignore', 'pipe', 'pipe', 'pipe' } }
    local child = cp.spawn('sh', { '-c', command }, options)
    local pid = tonumber((child.stdio[4]:read 'l'))
    local result = child:terminate(20)
    assert.is_false(t.pid_alive(pid))
    assert.is_true(result.forced)
  end)

  it('reaches the group after its leader has ended', function()
    local child = ready('sleep 600 & echo ready; read line', { killDescendants = true })
    t.once(child, 'exit', function()
      assert.is_true(child:kill(0))
      assert.is_true(child:kill 'SIGKILL')
      assert.is_true(child.killed)
    end)
    child.stdin:finish()
    child:terminate()
  end)

  it('ends with a time limit what the child has left behind', function()
    local child =
      ready('sleep 600 & echo ready', { killDescendants = true, timeout = 100 })
    local result = child:wait()
    assert.equal('timeout', result.reason)
    assert.equal(0, result.code)
  end)

  it('makes kill false when the group is empty', function()
    local child = cp.spawn('true', { killDescendants = true })
    child:wait()
    assert.is_false(child:kill())
    assert.is_false(child.killed)
  end)

  it('is a session with detached', function()
    local options = { killDescendants = true, detached = true }
    local child = cp.spawn('cat', { '/proc/self/stat' }, options)
    local pgid, sid = child:wait().stdout:match '%) %S %d+ (%d+) (%d+) '
    assert.equal(tostring(child.pid), pgid)
    assert.equal(tostring(child.pid), sid)
  end)

  it('leaves what has left the group', function()
    local command = [[setsid sh -c 'echo $$; exec sleep 600' & wait]]
    local child = cp.spawn('sh', { '-c', command }, { killDescendants = true })
    local pid = tonumber((child.stdout:read 'l'))
    child:kill 'SIGKILL'
    t.once(child, 'exit', function()
      assert.is_true(t.pid_alive(pid))
      cp.process:kill(pid, 'SIGKILL')
    end)
    child:wait()
  end)

  it('ends the group in exec, execFile and fork as well', function()
    local options = { killDescendants = true, timeout = 50 }
    for _, child in ipairs {
      cp.exec('sleep 600; sleep 600', options),
      cp.execFile('sh', { '-c', 'sleep 600 & wait' }, options),
    } do
      assert.equal('timeout', child:wait().reason)
      assert.is_false(child:terminate().forced)
    end
  end)
end)
