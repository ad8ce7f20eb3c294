-- What is started and taken back leaves nothing behind, and N of a kind cost N times as
-- much as one: on one emitter, one child, one signal, one loop.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function noop() end

-- KiB that this state has.
local function memory()
  collectgarbage()
  collectgarbage()
  return collectgarbage 'count'
end

local STRESSED = os.getenv 'LCP_GC_STRESS'
local MANY = STRESSED and 2000 or 50000
local GROWTH = 1000 -- KiB: a place of a list for each would be more

local function stays_flat(body)
  for _ = 1, 1000 do
    body()
  end
  local heap = memory()
  for _ = 1, MANY do
    body()
  end
  assert.is_true(memory() - heap < GROWTH)
end

describe('what is taken back leaves nothing behind:', function()
  it('immediates that are cleared', function()
    stays_flat(function()
      cp.clearImmediate(cp.setImmediate(noop))
    end)
  end)

  it('timers that are cleared before the loop runs, in libuv too', function()
    if t.watched_by() == 'asan' then
      pending 'AddressSanitizer holds back what has been freed'
    end
    -- in a small heap, which is quickly collected
    local file, args = t.lua [[
      local cp = require 'child_process'
      local function grow(n)
        for i = 1, n do
          cp.clearTimeout(cp.setTimeout(print, 1000))
          if i % 1000 == 0 then
            collectgarbage()
          end
        end
        return cp.process:memoryUsage().rss
      end
      local before = grow(10000)
      assert(grow(80000) - before < 4 << 20)]]
    local result = cp.spawnSync(file, args)
    assert.equal('', result.stderr)
  end)

  it('ticks that have run', function()
    for _ = 1, MANY do
      cp.nextTick(noop)
    end
    local heap = memory()
    cp.run()
    assert.is_true(memory() <= heap)
    stays_flat(function()
      cp.nextTick(noop)
      cp.run 'nowait'
    end)
  end)

  it('listeners that are removed, among many others', function()
    local e = cp.EventEmitter()
    for _ = 1, 100 do
      e:on('x', function() end)
    end
    e:on('x', noop)
    for _ = 1, 100 do
      e:on('x', function() end)
    end
    stays_flat(function()
      e:off('x', noop)
      e:prependListener('x', noop)
      e:on('x', noop)
      e:off('x', noop)
    end)
    assert.equal(201, e:listenerCount 'x')
  end)

  it('signals of a clock that nobody holds any more, and their timers', function()
    stays_flat(function()
      cp.AbortSignal.timeout(1000000)
      cp.AbortSignal.any { cp.AbortSignal.timeout(1000000) }
    end)
    collectgarbage()
    assert.equal(0, #cp.active())
  end)

  it('listeners of an AbortSignal', function()
    local signal = cp.AbortController().signal
    signal:addEventListener('abort', print)
    stays_flat(function()
      signal:addEventListener('abort', noop)
      signal:removeEventListener('abort', noop)
    end)
  end)
end)

-- CPU time for each of n, the best of three.
local function cost(n, body)
  local best = math.huge
  for _ = 1, 3 do
    collectgarbage()
    local start = os.clock()
    body(n)
    best = math.min(best, os.clock() - start)
  end
  return best / n
end

-- A list that is copied or searched for each would make the factor 16.
local function is_linear(body)
  if STRESSED then
    pending 'a collection at every callback costs more than the callbacks'
  end
  local few = cost(500, body)
  assert.is_true(cost(8000, body) < 8 * few)
end

local function shuffled(n)
  local list = {}
  for i = 1, n do
    list[i] = function() end
  end
  local seed = 1
  for i = n, 2, -1 do
    seed = (seed * 1103515245 + 12345) % 2147483648
    local j = seed % i + 1
    list[i], list[j] = list[j], list[i]
  end
  return list
end

describe('many of one kind cost no more each:', function()
  it('coroutines that wait for one child', function()
    is_linear(function(n)
      local child, count = cp.spawn 'cat', 0
      for _ = 1, n do
        cp.async(function()
          child:wait()
          count = count + 1
        end)
      end
      child.stdin:finish()
      cp.run()
      assert.equal(n, count)
    end)
  end)

  it('listeners that are removed in any order', function()
    is_linear(function(n)
      local e, list = cp.EventEmitter(), shuffled(n)
      for _, listener in ipairs(list) do
        e:on('x', listener)
      end
      for _, listener in ipairs(shuffled(n)) do
        e:off('x', listener) -- one that is not there
      end
      for i = 1, n do
        e:off('x', list[i * 7919 % n + 1])
      end
      assert.equal(0, e:listenerCount 'x')
    end)
  end)

  it('listeners in front of all others', function()
    is_linear(function(n)
      local e = cp.EventEmitter()
      for _, listener in ipairs(shuffled(n)) do
        e:prependListener('x', listener)
      end
      e:removeAllListeners 'x'
    end)
  end)

  it('listeners of once, also the same function again and again', function()
    is_linear(function(n)
      local e, count = cp.EventEmitter(), 0
      local function same()
        count = count + 1
      end
      for _ = 1, n do
        e:once('x', same)
        e:once('x', function()
          count = count + 1
        end)
      end
      e:emit 'x'
      assert.equal(2 * n, count)
      assert.equal(0, e:listenerCount 'x')
    end)
  end)

  it('timers, ticks and immediates', function()
    is_linear(function(n)
      local count = 0
      local function one()
        count = count + 1
      end
      for i = 1, n do
        cp.setTimeout(one, i % 5)
        cp.nextTick(one)
        cp.setImmediate(one)
        cp.clearTimeout(cp.setTimeout(one, 1000))
      end
      cp.run()
      assert.equal(3 * n, count)
    end)
  end)

  it('listeners of one AbortSignal', function()
    is_linear(function(n)
      local controller, list, count = cp.AbortController(), {}, 0
      for i = 1, n do
        list[i] = function() end
        controller.signal:addEventListener('abort', list[i])
        controller.signal:addEventListener('abort', function()
          count = count + 1
        end)
      end
      for i = 1, n do
        controller.signal:removeEventListener('abort', list[i])
      end
      controller:abort()
      assert.equal(n, count)
    end)
  end)

  it('writes that wait', function()
    is_linear(function(n)
      local count = 0
      local child = cp.spawn('cat', { stdio = { 'pipe', 'ignore' } })
      for _ = 1, n do
        child.stdin:write('x', function()
          count = count + 1
        end)
      end
      child.stdin:finish()
      cp.run()
      assert.equal(n, count)
    end)
  end)
end)
