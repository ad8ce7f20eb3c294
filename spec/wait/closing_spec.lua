-- Coroutines that are closed at any moment, in everything that waits: nothing hangs, and
-- nothing is kept by those that are gone.
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local THREADS = 60

local function sleep(ms)
  cp.await(function(done)
    cp.setTimeout(done, ms)
  end)
end

-- -> a function that does any of what waits; `note()` remembers its coroutine.
local function activity(random, pool, limit, note)
  local list
  local function any()
    note()
    list[random(#list)]()
  end
  list = {
    function()
      sleep(random(0, 3))
    end,
    function()
      limit(function()
        sleep(random(0, 3))
      end)
    end,
    function()
      local options = { limit = random(3), retries = random(0, 1) }
      cp.map({ 1, 2, 3, 4 }, function()
        note()
        sleep(random(0, 3))
      end, options)
    end,
    function()
      cp.map({ '0', '0.01', '0' }, { 'sleep' }, { limit = random(3) })
    end,
    function()
      pool:run 'one'
    end,
    function()
      pool:map { 'a', 'b', 'c' }
    end,
    function()
      local scope <close> = cp.scope()
      scope:spawn('sleep', { '600' })
      any()
    end,
    function()
      local child <close> = cp.spawn('seq', { '20' })
      for _ in child.stdout:lines() do
        sleep(0)
      end
    end,
    function()
      cp.pipeline({ { 'seq', '1000' }, { 'cat' } }):wait()
    end,
    function()
      local child <close> = cp.spawn('sleep', { '600' }, { stdio = 'ignore' })
      any()
      child:terminate(1000)
    end,
    function()
      cp.wait { cp.spawn 'true', cp.spawn 'true' }
    end,
  }
  return any
end

-- Closes some of those that wait, and calls `start()` until it returns false.
local function close_some(random, threads, start)
  local timer
  timer = cp.setInterval(function()
    for _ = 1, 3 do
      local thread = threads[random(#threads)]
      if coroutine.status(thread) == 'suspended' then
        coroutine.close(thread)
      end
    end
    if not start() then
      timer:close()
    end
  end, 3)
end

local function all_dead(threads)
  for _, thread in ipairs(threads) do
    if coroutine.status(thread) ~= 'dead' then
      return false
    end
  end
  return true
end

describe('coroutines that are closed while they wait for anything', function()
  for seed = 1, 4 do
    it('leave nothing behind, in the random order ' .. seed, function()
      math.randomseed(seed)
      local pool <close> = pools.new('return request', { maxQueue = seed })
      local limit, threads, started = cp.limit(2), {}, 0
      local function note()
        threads[#threads + 1] = coroutine.running()
      end
      local any = activity(math.random, pool, limit, note)
      cp.async(any)
      close_some(math.random, threads, function()
        started = started + 1
        cp.async(any)
        return started < THREADS
      end)
      cp.run()
      assert.is_true(all_dead(threads))
      assert.same({ 0, 2 }, { pool.queued, pool.idle })
      assert.equal('reply', pool:run 'reply')
      local free, holders = 0, {}
      for i = 1, 2 do
        holders[i] = limit:run(function()
          free = free + 1
          cp.await(function() end)
        end)
      end
      assert.equal(2, free)
      assert.is_true(coroutine.close(holders[1]) and coroutine.close(holders[2]))
    end)
  end
end)
