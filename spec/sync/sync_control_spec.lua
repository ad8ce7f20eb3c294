--- The Sync calls: killDescendants, idleTimeout, waitDelay.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local is_linux = t.backend() == 'linux'

local function sh(command, options)
  return cp.spawnSync('sh', { '-c', command }, options)
end

-- The pids that a command has printed, one a line.
local function pids(text)
  local list = {}
  for pid in text:gmatch '%d+' do
    list[#list + 1] = tonumber(pid)
  end
  return list
end

describe('killDescendants in a Sync call', function()
  if not is_linux then
    return
  end

  it('ends what the child has started at a time limit', function()
    local r = sh('sleep 600 & echo $!; wait', { timeout = 100, killDescendants = true })
    assert.equal('timeout', r.reason)
    assert.equal('ETIMEDOUT', r.error.code)
    assert.is_false(t.pid_alive(pids(r.stdout)[1]))
  end)

  it('sends SIGKILL to what ignores SIGTERM, and waits for that', function()
    local command =
      [[sh -c 'trap "" TERM; exec >&- 2>&-; sleep 600; sleep 600' & echo $!; wait]]
    local options = { timeout = 200, killDescendants = true, killAfter = 50 }
    local r = sh(command, options)
    assert.is_true(r.forced)
    assert.equal('SIGTERM', r.signal)
    assert.is_false(t.pid_alive(pids(r.stdout)[1]))
  end)

  it('ends what an ended child has left behind', function()
    local r = sh('sleep 600 & echo $!', { timeout = 200, killDescendants = true })
    assert.equal('timeout', r.reason)
    assert.equal(0, r.code)
    assert.is_false(t.pid_alive(pids(r.stdout)[1]))
  end)

  it('ends nothing without a limit', function()
    local r = sh('sleep 600 >/dev/null 2>&1 & echo $!', { killDescendants = true })
    assert.is_true(r.ok)
    local pid = pids(r.stdout)[1]
    assert.is_true(t.pid_alive(pid))
    cp.process:kill(pid, 'SIGKILL')
  end)
end)

describe('idleTimeout in a Sync call', function()
  it('ends a child that is silent for so long', function()
    local r = sh('echo one; exec sleep 600', { idleTimeout = 100 })
    assert.equal('idleTimeout', r.reason)
    assert.equal('ETIMEDOUT', r.error.code)
    assert.equal('one\n', r.stdout)
    assert.equal('SIGTERM', r.signal)
    assert.is_true(r.duration >= 100)
  end)

  it('is put off by each byte, on stdout and on stderr', function()
    local command = [[for i in 1 2 3; do read line; echo "$line"; echo "$line" >&2; done]]
    local program = [[
      for i = 1, 3 do io.popen('sleep 0.2'):close(); io.write('x'); io.flush() end]]
    local r = cp.spawnSync('lua5.4', { '-e', program }, { idleTimeout = 5000 })
    assert.is_true(r.ok)
    assert.equal('xxx', r.stdout)
    assert.is_true(sh(command, { input = 'a\nb\nc\n', idleTimeout = 5000 }).ok)
  end)

  it('raises where no pipe is read', function()
    local options = { idleTimeout = 100, stdio = 'ignore' }
    local err = t.raises('ERR_INVALID_ARG_VALUE', cp.spawnSync, 'true', options)
    assert.matches('options.idleTimeout', err.message)
  end)
end)

describe('waitDelay in a Sync call', function()
  it('waits no longer for pipes that others hold', function()
    local r = sh('sleep 600 & echo $!; echo done', { waitDelay = 50 })
    assert.is_true(r.ok)
    assert.is_nil(r.error)
    assert.is_true(r.truncated)
    assert.matches('^%d+\ndone\n$', r.stdout)
    local pid = pids(r.stdout)[1]
    assert.is_true(t.pid_alive(pid))
    if cp.process.platform == 'linux' then
      assert.same({
        { pid = pid, command = 'sleep', fd = 1 },
        { pid = pid, command = 'sleep', fd = 2 },
      }, r.heldBy)
    end
    cp.process:kill(pid, 'SIGKILL')
  end)

  it('counts from the exit on', function()
    local r = sh('sleep 0.2; echo done', { waitDelay = 1 })
    assert.is_true(r.ok)
    assert.is_false(r.truncated)
    assert.is_nil(r.heldBy)
    assert.equal('done\n', r.stdout)
  end)

  it('loses nothing that was written before', function()
    local r = sh('sleep 600 & echo $!; head -c 60000 /dev/zero', { waitDelay = 0 })
    assert.is_true(r.truncated)
    assert.equal(60000, #r.stdout:match '^%d+\n(.*)$')
    cp.process:kill(pids(r.stdout:sub(1, 10))[1], 'SIGKILL')
  end)
end)
