--- idleTimeout and waitDelay.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function sh(command, options)
  return cp.spawn('sh', { '-c', command }, options)
end

describe('idleTimeout', function()
  it('ends a child that is silent for so long', function()
    local result = sh('echo one; exec sleep 600', { idleTimeout = 50 }):wait()
    assert.equal('idleTimeout', result.reason)
    assert.equal('one\n', result.stdout)
    assert.equal('SIGTERM', result.signal)
    assert.is_true(result.duration >= 50)
  end)

  it('is put off by each byte on any pipe', function()
    local child = cp.spawn('cat', { idleTimeout = t.TEST_TIMEOUT })
    for i = 1, 5 do
      child.stdin:write(i .. '\n')
      assert.equal(tostring(i), (child.stdout:read 'l'))
    end
    child.stdin:finish()
    assert.is_true(child:wait().ok)
  end)

  it('does not count while the output is paused', function()
    local child = sh('echo ready; read line; exec sleep 600', { idleTimeout = 50 })
    local paused = false
    child.stdout:on('data', function()
      child.stdout:pause()
      child.stderr:pause()
      paused = true
      cp.setTimeout(function()
        assert.is_nil(child.signalCode)
        paused = false
        child.stdout:resume()
        child.stderr:resume()
      end, 150)
    end)
    child.stderr:resume()
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGTERM', signal)
      assert.is_false(paused)
    end)
    child:wait()
  end)

  it('is an error of exec as a timeout is', function()
    local options = { idleTimeout = 50 }
    cp.exec(
      'echo one; exec sleep 600',
      options,
      t.expect(function(err, stdout)
        assert.is_true(err.killed)
        assert.equal('SIGTERM', err.signal)
        assert.equal('one\n', stdout)
      end)
    )
    cp.run()
  end)

  it('raises where no pipe is read', function()
    local code = 'ERR_INVALID_ARG_VALUE'
    t.raises(code, cp.spawn, 'true', { idleTimeout = 50, stdio = 'ignore' })
    t.raises(code, cp.spawn, 'true', { idleTimeout = 50, stdio = { 'pipe', 1, 2 } })
    t.raises(code, cp.fork, 'x.lua', { idleTimeout = 50 })
  end)

  it('is none when it is 0', function()
    assert.is_true(cp.spawn('true', { idleTimeout = 0, stdio = 'ignore' }):wait().ok)
  end)
end)

-- A descendant that holds both pipes of an ended child; its pid is the first line.
local HOLDER = 'sleep 600 & echo $!; echo done'

local function end_holder(pid)
  cp.process:kill(tonumber(pid), 'SIGKILL')
end

describe('waitDelay', function()
  it('waits no longer for pipes that others hold', function()
    local child = sh(HOLDER, { waitDelay = 30 })
    local result = child:wait()
    local pid = result.stdout:match '^(%d+)\ndone\n$'
    assert.is_true(t.pid_alive(pid))
    end_holder(pid)
    assert.is_true(result.ok)
    assert.is_nil(result.error)
    assert.is_true(result.truncated)
    if cp.process.platform == 'linux' then
      pid = tonumber(pid)
      assert.same({
        { pid = pid, command = 'sleep', fd = 1 },
        { pid = pid, command = 'sleep', fd = 2 },
      }, result.heldBy)
    end
  end)

  it('emits end and close with all that was written before', function()
    local child = sh('sleep 600 & echo $!; head -c 60000 /dev/zero', { waitDelay = 0 })
    local out = t.collect(child.stdout)
    t.once(child.stdout, 'end')
    t.once(child.stdout, 'close')
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      local pid, rest = out():match '^(%d+)\n(.*)$'
      assert.equal(60000, #rest)
      end_holder(pid)
    end)
    cp.run()
  end)

  it('keeps what is there for a reader that has paused', function()
    local child = sh(HOLDER, { waitDelay = 30 })
    local pid = child.stdout:read 'l'
    t.once(child.stderr, 'close', function()
      end_holder(pid)
    end)
    assert.equal('done\n', child.stdout:readAll())
    assert.is_true(child:wait().truncated)
  end)

  it('is without effect where nothing is held', function()
    local result = sh('echo done', { waitDelay = 60000 }):wait()
    assert.is_true(result.ok)
    assert.is_false(result.truncated)
    assert.is_nil(result.heldBy)
  end)

  it('is without effect on a reader who is only slow', function()
    local child = sh('echo one; echo two', { waitDelay = 1 })
    child.stdout:on('data', function() end)
    child.stdout:pause()
    t.once(child, 'exit', function()
      cp.setTimeout(function()
        child.stdout:resume()
      end, 50)
    end)
    assert.is_false(child:wait().truncated)
  end)

  it('is in exec, too', function()
    local result = cp.exec(HOLDER, { waitDelay = 30 }):wait()
    end_holder(result.stdout:match '^%d+')
    assert.is_true(result.truncated)
    assert.is_true(result.ok)
  end)
end)
