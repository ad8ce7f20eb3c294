-- timeout, maxBuffer, killSignal, killAfter of the calls that wait.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function sh(script, options)
  return cp.spawnSync('sh', { '-c', script }, options)
end

-- Milliseconds that fn(...) takes, and what it returns.
local function timed(fn, ...)
  local begin = cp.process:hrtime()
  local result = fn(...)
  return (cp.process:hrtime() - begin) // 1000000, result
end

describe('timeout of spawnSync', function()
  it('ends the program by SIGTERM and is an error of the call', function()
    local ms, r = timed(cp.spawnSync, 'sleep', { '30' }, { timeout = 100 })
    assert.is_true(ms >= 100)
    assert.is_nil(r.status)
    assert.equal('SIGTERM', r.signal)
    assert.same({ nil, '', '', n = 3 }, r.output)
    local err = r.error
    assert.equal('spawnSync sleep ETIMEDOUT', err.message)
    assert.equal('ETIMEDOUT', err.code)
    assert.equal(-110, err.errno)
    assert.equal('spawnSync sleep', err.syscall)
    assert.equal('sleep', err.path)
    assert.same({ '30' }, err.spawnargs)
    assert.is_nil(err.stage)
  end)

  it('hands over what was written before', function()
    local r = sh('echo out; echo err >&2; exec sleep 30', { timeout = 300 })
    assert.equal('out\n', r.stdout)
    assert.equal('err\n', r.stderr)
    assert.equal('ETIMEDOUT', r.error.code)
  end)

  it('is kept although the program never stops writing', function()
    local r = cp.spawnSync('yes', { timeout = 100, maxBuffer = math.huge })
    assert.equal('SIGTERM', r.signal)
    assert.equal('ETIMEDOUT', r.error.code)
    assert.equal('y\ny\n', r.stdout:sub(1, 4))
  end)

  it('is kept although the program does not read its input', function()
    local r = cp.spawnSync('sleep', { '30' }, { timeout = 50, input = ('x'):rep(1e6) })
    assert.equal('SIGTERM', r.signal)
    assert.equal('ETIMEDOUT', r.error.code)
  end)

  it('is kept where there is no pipe', function()
    local r = cp.spawnSync('sleep', { '30' }, { timeout = 50, stdio = 'ignore' })
    assert.equal('SIGTERM', r.signal)
    assert.equal('ETIMEDOUT', r.error.code)
  end)

  it('uses killSignal', function()
    local options = { timeout = 50, killSignal = 'SIGKILL' }
    assert.equal('SIGKILL', cp.spawnSync('sleep', { '30' }, options).signal)
    options.killSignal = 2
    assert.equal('SIGINT', cp.spawnSync('sleep', { '30' }, options).signal)
  end)

  it('lets a program end as it likes', function()
    local script = 'trap "exit 9" TERM; while :; do sleep 0.01; done'
    local r = sh(script, { timeout = 300, killAfter = t.TEST_TIMEOUT })
    assert.equal(9, r.status)
    assert.is_nil(r.signal)
    assert.equal('ETIMEDOUT', r.error.code)
  end)

  it('kills a program that ignores killSignal, killAfter later', function()
    local script = 'trap "" TERM; echo ready; while :; do sleep 0.01; done'
    local options = { timeout = 300, killAfter = 100 }
    local ms, r = timed(sh, script, options)
    assert.is_true(ms >= 400)
    assert.equal('ready\n', r.stdout)
    assert.equal('SIGKILL', r.signal)
    assert.equal('ETIMEDOUT', r.error.code)
  end)

  it('kills it after a second by default', function()
    local script = 'trap "" TERM; while :; do sleep 0.01; done'
    local ms, r = timed(sh, script, { timeout = 300 })
    assert.is_true(ms >= 1300)
    assert.equal('SIGKILL', r.signal)
  end)

  it('kills it at once if killAfter is 0', function()
    local r = sh('trap "" TERM; exec sleep 30', { timeout = 200, killAfter = 0 })
    assert.equal('SIGKILL', r.signal)
    assert.equal('ETIMEDOUT', r.error.code)
  end)

  it('hands over all that was in the pipe when the time was up', function()
    local r = sh('head -c 60000 /dev/zero; exec sleep 30', { timeout = 400 })
    assert.equal(60000, #r.stdout)
  end)

  it('ends a program that has been stopped', function()
    local options = { timeout = 200, killAfter = 50 }
    assert.equal('SIGKILL', sh('kill -STOP $$', options).signal)
  end)

  it('counts also when only others keep the pipes open', function()
    local r = sh('sleep 30 & echo $!', { timeout = 300 })
    assert.equal(0, r.status)
    assert.is_nil(r.signal)
    assert.equal('ETIMEDOUT', r.error.code)
    assert.equal('stdio', r.error.stage)
    local pid = tonumber(r.stdout)
    assert.is_true(t.pid_alive(pid)) -- it is not ours
    cp.process:kill(pid, 'SIGKILL')
  end)

  it('that is not reached changes nothing, and 0 is none', function()
    for _, timeout in ipairs { 0, t.TEST_TIMEOUT, 2 ^ 31, 2 ^ 53 - 1 } do
      local r = sh('echo x', { timeout = timeout })
      assert.equal('x\n', r.stdout)
      assert.equal(0, r.status)
      assert.is_nil(r.error)
    end
  end)
end)

describe('without a timeout spawnSync', function()
  it('waits until the last process has closed the pipe, as Node does', function()
    local r = sh '{ sleep 0.2; echo late; } & echo early'
    assert.equal('early\nlate\n', r.stdout)
    assert.equal(0, r.status)
  end)
end)

describe('maxBuffer of spawnSync', function()
  it('ends the program, and all that was read is handed over', function()
    local r = sh('echo 123456; exec sleep 30', { maxBuffer = 1 })
    assert.equal('123456\n', r.stdout)
    assert.equal('SIGTERM', r.signal)
    assert.equal('spawnSync sh ENOBUFS', r.error.message)
    assert.equal('ENOBUFS', r.error.code)
    assert.equal(-105, r.error.errno)
  end)

  it('counts all pipes together', function()
    local script = 'printf 12345678; printf 12345678 >&2'
    assert.equal('ENOBUFS', sh(script, { maxBuffer = 15 }).error.code)
    assert.is_nil(sh(script, { maxBuffer = 16 }).error)
  end)

  it('is a mebibyte by default', function()
    local args = { '-c', '1048576', '/dev/zero' }
    local r = cp.spawnSync('head', args)
    assert.is_nil(r.error)
    assert.equal(1048576, #r.stdout)
    args[2] = '1048577'
    r = cp.spawnSync('head', args)
    assert.equal('ENOBUFS', r.error.code)
    assert.is_true(#r.stdout > 1048576)
  end)

  it('may be none', function()
    for _, max in ipairs { math.huge, 0 } do
      local r = cp.spawnSync(
        'head',
        { '-c', '2000000', '/dev/zero' },
        { maxBuffer = max }
      )
      assert.is_nil(r.error)
      assert.equal(2000000, #r.stdout)
    end
  end)

  it('kills a program that ignores killSignal', function()
    local script = 'trap "" TERM PIPE; echo ready; while :; do sleep 0.01; done'
    local r = sh(script, { maxBuffer = 1, killAfter = 100 })
    assert.equal('SIGKILL', r.signal)
    assert.equal('ENOBUFS', r.error.code)
  end)

  it('keeps no memory of a program that never stops', function()
    local r = cp.spawnSync('yes', { maxBuffer = 3000000 })
    assert.equal('ENOBUFS', r.error.code)
    assert.is_true(#r.stdout > 3000000 and #r.stdout < 8000000)
  end)
end)
