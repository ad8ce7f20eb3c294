local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local EVENTS = { 'spawn', 'error', 'exit', 'close' }
-- Ignores SIGTERM once it has said so.
local STUBBORN = 'trap "" TERM; echo ready; while :; do read line; done'

describe('spawn with a signal', function()
  it('ends the child and emits an AbortError when it is aborted', function()
    local ac = cp.AbortController()
    local child = cp.spawn('cat', {}, { signal = ac.signal })
    local seen, arguments = t.record(child, EVENTS)
    t.once(child, 'spawn', function()
      ac:abort()
    end)
    t.once(child, 'close', function()
      assert.same({ 'spawn', 'error', 'exit', 'close' }, seen)
      local err = arguments[2][1]
      assert.equal('AbortError', err.name)
      assert.equal('ABORT_ERR', err.code)
      assert.equal('The operation was aborted', err.message)
      assert.equal(ac.signal.reason, err.cause)
      assert.same({ nil, 'SIGTERM', n = 2 }, arguments[3])
      assert.same({ nil, 'SIGTERM', n = 2 }, arguments[4])
      assert.is_true(child.killed)
    end)
  end)

  it('emits the error inside abort(), also before spawn', function()
    local ac = cp.AbortController()
    local child = cp.spawn('cat', {}, { signal = ac.signal })
    local seen = t.record(child, EVENTS)
    ac:abort()
    assert.same({ 'error' }, seen)
    assert.is_true(child.killed)
    cp.run()
    assert.same({ 'error', 'spawn', 'exit', 'close' }, seen)
  end)

  it('gives the reason as the cause, whatever it is', function()
    for _, reason in ipairs { 'boom', 42, false, { any = 'table' } } do
      local ac = cp.AbortController()
      local child = cp.spawn('cat', {}, { signal = ac.signal })
      t.once(child, 'error', function(err)
        assert.equal('AbortError', err.name)
        assert.equal(reason, err.cause)
      end)
      ac:abort(reason)
    end
  end)

  it('starts nothing where it is aborted already', function()
    local reason = { 'the reason' }
    local signal = cp.AbortSignal.abort(reason)
    local child = cp.spawn('cat', {}, { signal = signal })
    local seen, arguments = t.record(child, EVENTS)
    assert.is_nil(child.pid)
    assert.same({}, t.children())
    assert.same({}, seen)
    assert.is_false(child:kill())
    cp.run()
    assert.same({ 'error', 'close' }, seen)
    assert.equal('ABORT_ERR', arguments[1][1].code)
    assert.equal(reason, arguments[1][1].cause)
    assert.same({ nil, nil, n = 2 }, arguments[2])
    assert.is_nil(child.pid)
    assert.is_nil(child.exitCode)
    assert.is_nil(child.signalCode)
  end)

  it('sends killSignal, by name or number', function()
    for _, kill_signal in ipairs { 'SIGKILL', 9, 'sigkill' } do
      local ac = cp.AbortController()
      local options = { signal = ac.signal, killSignal = kill_signal }
      local child = cp.spawn('cat', {}, options)
      t.once(child, 'error', function() end)
      t.once(child, 'exit', function(code, signal)
        assert.is_nil(code)
        assert.equal('SIGKILL', signal)
      end)
      ac:abort()
    end
  end)

  it('does nothing after exit, even before close', function()
    local ac = cp.AbortController()
    -- the cat in the background keeps stdout open until we finish fd 3
    local stdio = { 'ignore', 'pipe', 'inherit', 'pipe' }
    local options = { stdio = stdio, signal = ac.signal }
    local child = cp.spawn('sh', { '-c', 'cat <&3 & exit 0' }, options)
    child:on('error', t.never 'error')
    child.stdout:resume()
    child.stdio[4]:resume()
    t.once(child, 'exit', function()
      ac:abort()
      child.stdio[4]:finish()
    end)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.is_false(child.killed)
    end)
  end)

  it('does nothing after close', function()
    local ac = cp.AbortController()
    local child = cp.spawn('true', {}, { signal = ac.signal })
    child:on('error', t.never 'error')
    cp.run()
    ac:abort()
    cp.run()
  end)

  it('emits one error only', function()
    local ac = cp.AbortController()
    local child = cp.spawn('cat', {}, { signal = ac.signal })
    t.once(child, 'error', function(err)
      assert.equal('first', err.cause)
    end)
    ac:abort 'first'
    ac:abort 'second'
  end)

  it('ends all children that share it', function()
    local ac = cp.AbortController()
    for _ = 1, 8 do
      local child = cp.spawn('cat', {}, { signal = ac.signal })
      t.once(child, 'error', function() end)
      t.once(child, 'exit', function(_, signal)
        assert.equal('SIGTERM', signal)
      end)
    end
    ac:abort()
  end)

  it('does not hold a child that has ended', function()
    local ac = cp.AbortController()
    local weak = setmetatable({}, { __mode = 'v' })
    for i = 1, 4 do
      weak[i] = cp.spawn('true', {}, { signal = ac.signal })
    end
    cp.run()
    collectgarbage()
    collectgarbage()
    cp.run 'nowait'
    assert.is_nil(next(weak))
    ac:abort()
  end)

  it('may be one that aborts after a time', function()
    local signal = cp.AbortSignal.timeout(10)
    local child = cp.spawn('cat', {}, { signal = signal })
    t.once(child, 'error', function(err)
      assert.equal('AbortError', err.name)
      assert.equal('TimeoutError', err.cause.name)
    end)
    t.once(child, 'exit', function(_, name)
      assert.equal('SIGTERM', name)
    end)
  end)

  it('may be one of several', function()
    local first, second = cp.AbortController(), cp.AbortController()
    local signal = cp.AbortSignal.any { first.signal, second.signal }
    local child = cp.spawn('cat', {}, { signal = signal })
    t.once(child, 'error', function(err)
      assert.equal('the second', err.cause)
    end)
    second:abort 'the second'
  end)

  it('reports a failed start once, and no abort after it', function()
    local ac = cp.AbortController()
    local child = cp.spawn('does_not_exist_lcp', {}, { signal = ac.signal })
    t.once(child, 'error', function(err)
      assert.equal('ENOENT', err.code)
    end)
    t.once(child, 'close', function()
      ac:abort()
    end)
  end)

  it('must be an AbortSignal', function()
    for _, signal in ipairs { {}, 'world!', 5, true, print } do
      local options = { signal = signal }
      local err = t.raises('ERR_INVALID_ARG_TYPE', cp.spawn, 'cat', {}, options)
      assert.truthy(err.message:find('options.signal', 1, true))
    end
    assert.same({}, t.children())
  end)
end)

describe('spawn with a timeout', function()
  it('sends SIGTERM when it is over', function()
    local child = cp.spawn('cat', {}, { timeout = 10 })
    child:on('error', t.never 'error')
    t.once(child, 'exit', function(code, signal)
      assert.is_nil(code)
      assert.equal('SIGTERM', signal)
      assert.is_true(child.killed)
    end)
  end)

  it('sends killSignal instead', function()
    for _, kill_signal in ipairs { 'SIGKILL', 9 } do
      local child = cp.spawn('cat', {}, { timeout = 10, killSignal = kill_signal })
      t.once(child, 'exit', function(_, signal)
        assert.equal('SIGKILL', signal)
      end)
    end
  end)

  it('does not hold the loop when the child ends in time', function()
    local child = cp.spawn('true', {}, { timeout = 2 ^ 30 })
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.is_false(child.killed)
    end)
  end)

  it('is cleared at exit, though close may be far', function()
    local stdio = { 'ignore', 'pipe', 'inherit', 'pipe' }
    local options = { stdio = stdio, timeout = 2 ^ 30 }
    local child = cp.spawn('sh', { '-c', 'cat <&3 & exit 0' }, options)
    child.stdout:resume()
    child.stdio[4]:resume()
    t.once(child, 'exit', function()
      child.stdio[4]:finish()
    end)
    t.once(child, 'close', function()
      assert.is_false(child.killed)
    end)
  end)

  it('is none when it is 0 or left out', function()
    for _, options in ipairs { { timeout = 0 }, {} } do
      local child = cp.spawn('cat', {}, options)
      cp.setTimeout(function()
        child.stdin:finish()
      end, 20)
      t.once(child, 'exit', function(code)
        assert.equal(0, code)
      end)
    end
  end)

  it('sends one signal only to a child that ignores it', function()
    local ready = false
    local child = cp.spawn('sh', { '-c', STUBBORN }, { timeout = 200 })
    t.on_line(child.stdout, function()
      ready = true
    end)
    local watch
    watch = cp.setInterval(function()
      if child.killed then
        cp.clearInterval(watch)
        child:kill 'SIGKILL'
      end
    end, 5)
    t.once(child, 'exit', function(_, signal)
      -- on a crowded machine the trap may have come too late
      assert.equal(ready and 'SIGKILL' or 'SIGTERM', signal)
      cp.clearInterval(watch)
    end)
  end)

  it('goes together with a signal; the first of them wins', function()
    local ac = cp.AbortController()
    local options = { timeout = 2 ^ 30, signal = ac.signal }
    local child = cp.spawn('cat', {}, options)
    t.once(child, 'error', function(err)
      assert.equal('ABORT_ERR', err.code)
    end)
    ac:abort()
  end)

  it('must be a whole number of milliseconds', function()
    for _, timeout in ipairs { '10', {}, true } do
      local options = { timeout = timeout }
      local err = t.raises('ERR_INVALID_ARG_TYPE', cp.spawn, 'cat', {}, options)
      assert.truthy(err.message:find('timeout', 1, true))
    end
    for _, timeout in ipairs { -1, 1.5, 0 / 0, math.huge } do
      local options = { timeout = timeout }
      local err = t.raises('ERR_OUT_OF_RANGE', cp.spawn, 'cat', {}, options)
      assert.equal('RangeError', err.name)
    end
    assert.same({}, t.children())
  end)

  it('refuses a killSignal that is none', function()
    for _, signal in ipairs { 'foo', 99, 0, '9' } do
      local options = { timeout = 10, killSignal = signal }
      t.raises('ERR_UNKNOWN_SIGNAL', cp.spawn, 'cat', {}, options)
    end
    for _, signal in ipairs { {}, true, print } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.spawn, 'cat', {}, { killSignal = signal })
    end
    assert.same({}, t.children())
  end)
end)
