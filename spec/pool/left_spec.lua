-- cp.pool: calls that are left before they return, and pools that nobody has any more.
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local WORK = [[
  if type(request) ~= 'table' then return cp.process.pid end
  io.open(request.mark, 'w'):close()
  while request.go and not io.open(request.go) do end
  return request ]]

-- A pool of one worker that runs until the file `go` is there; the answer.
local function busy(folder, options)
  options = options or {}
  options.size = 1
  local pool = pools.new(WORK, options)
  local pid = pool:run(0)
  local first = pools.begin(pool, { { mark = folder .. '/mark', go = folder .. '/go' } })
  pools.until_true(function()
    return t.slurp(folder .. '/mark')
  end)
  return pool, first[1], pid
end

local function let_go(folder)
  t.write_file(folder .. '/go', '')
end

-- -> a pool, and the pid of its worker, which has begun a request whose coroutine is
-- closed since
local function begin_and_close(folder, options)
  local pool = pools.new(WORK, { size = 1 })
  local pid = pool:run(0)
  local request = { mark = folder .. '/mark', go = folder .. '/go' }
  local thread = cp.async(pool.run, pool, request, options)
  pools.until_true(function()
    return t.slurp(folder .. '/mark')
  end)
  assert.is_true(coroutine.close(thread))
  return pool, pid
end

describe('a request whose coroutine is closed', function()
  it('never runs if it has not begun, and gives its place back', function()
    local folder = t.tmpdir()
    local pool, first, pid = busy(folder)
    local thread = cp.async(pool.run, pool, { mark = folder .. '/second' })
    assert.equal(1, pool.queued)
    assert.is_true(coroutine.close(thread))
    assert.equal(0, pool.queued)
    let_go(folder)
    assert.equal(pid, pool:run(0))
    assert.is_true(first.done)
    assert.is_nil(t.slurp(folder .. '/second'))
    pool:close()
  end)

  it('never runs if it was given ahead', function()
    local folder = t.tmpdir()
    local pool = pools.new(WORK, { size = 1 })
    for i = 1, 30 do
      pool:run(i) -- short, so that the next ones are given ahead
    end
    local list, wait =
      pools.begin(pool, { { mark = folder .. '/mark', go = folder .. '/go' } })
    local threads = {}
    for i = 1, 3 do
      threads[i] = cp.async(pool.run, pool, { mark = folder .. '/ahead' })
    end
    local last, wait_last = pools.begin(pool, { 'last' })
    pools.until_true(function()
      return t.slurp(folder .. '/mark')
    end)
    for i = 1, 3 do
      assert.is_true(coroutine.close(threads[i]))
    end
    assert.equal(1, pool.queued)
    let_go(folder)
    wait()
    wait_last()
    assert.is_nil(list[1].err)
    assert.equal('number', type(last[1].reply))
    assert.is_nil(t.slurp(folder .. '/ahead'))
    pool:close()
  end)

  it('makes room for one that waits for it', function()
    local folder = t.tmpdir()
    local pool = busy(folder, { maxQueue = 1 })
    local queued = cp.async(pool.run, pool, { mark = folder .. '/queued' })
    local waiting = cp.async(pool.run, pool, { mark = folder .. '/waiting' })
    local reply
    cp.async(function()
      reply = pool:run(0)
    end)
    assert.is_true(coroutine.close(waiting))
    assert.is_true(coroutine.close(queued))
    assert.equal(1, pool.queued)
    let_go(folder)
    pools.until_true(function()
      return reply
    end)
    assert.is_nil(t.slurp(folder .. '/queued'))
    assert.is_nil(t.slurp(folder .. '/waiting'))
    pool:close()
  end)

  it('goes on if it has begun, and the worker with it', function()
    local folder = t.tmpdir()
    local pool, pid = begin_and_close(folder)
    assert.equal(0, pool.idle)
    let_go(folder)
    cp.run()
    assert.equal(1, pool.idle)
    assert.equal(pid, pool:run(0))
    pool:close()
  end)

  it('still ends at its time limit, if it has begun', function()
    local folder = t.tmpdir()
    local pool, pid = begin_and_close(folder, { timeout = 200 })
    cp.run()
    assert.not_equal(pid, pool:run(0))
    pool:close()
  end)

  it('was one of pool:map, and so were others: none of them begins', function()
    local folder = t.tmpdir()
    local pool, first = busy(folder, { maxQueue = 3 })
    local requests = {}
    for i = 1, 10 do
      requests[i] = { mark = folder .. '/of-map' }
    end
    local thread = cp.async(pool.map, pool, requests)
    assert.equal(3, pool.queued)
    assert.is_true(coroutine.close(thread))
    assert.equal(0, pool.queued)
    let_go(folder)
    pool:run(0)
    assert.is_true(first.done)
    assert.is_nil(t.slurp(folder .. '/of-map'))
    pool:close()
  end)

  it('is withdrawn, too, when a callback raises where the call runs the loop', function()
    local folder = t.tmpdir()
    local pool = busy(folder)
    for _, call in ipairs { pool.run, pool.map } do
      cp.setImmediate(error, 'of a callback', 0)
      local request = { mark = folder .. '/second' }
      local ok, err = pcall(call, pool, call == pool.map and { request } or request)
      assert.same({ false, 'of a callback' }, { ok, err })
      assert.equal(0, pool.queued)
    end
    let_go(folder)
    pool:run(0)
    assert.is_nil(t.slurp(folder .. '/second'))
    pool:close()
  end)

  it('is no request yet if it was refused', function()
    local pool = pools.new(WORK, { size = 1 })
    pool:run(0)
    t.raises('ERR_INVALID_ARG_VALUE', pool.run, pool, print)
    t.raises('ERR_INVALID_ARG_VALUE', pool.map, pool, { print, 1 })
    cp.run() -- nothing is counted that would keep it alive
    assert.equal(1, pool.idle)
    pool:close()
  end)
end)

describe('a coroutine that is closed', function()
  it('ends the pool that it has in a variable', function()
    local thread = cp.async(function()
      local pool <close> = pools.new(WORK)
      pool:run(0)
      cp.await(function() end)
    end)
    pools.until_true(function()
      return #t.children() == 2
    end)
    cp.setImmediate(t.expect(function()
      cp.async(function()
        assert.is_true(coroutine.close(thread))
      end)
    end))
    cp.run()
    assert.same({}, t.children())
  end)

  it('was waiting for the end of a pool, which ends all the same', function()
    local pool = pools.new(WORK)
    pool:run(0)
    assert.is_true(coroutine.close(cp.async(pool.close, pool)))
    cp.run()
    assert.same({}, t.children())
  end)

  it('was that of a request in the worker: it fails, and the worker goes on', function()
    local pool <close> = pools.new(
      [[
      if request == 'pid' then return cp.process.pid end
      local _ <close> = setmetatable({}, { __close = function()
        if request == 'raise' then error('closing', 0) end
      end })
      cp.setImmediate(pcall, coroutine.close, coroutine.running())
      cp.await(function() end) ]],
      { size = 1 }
    )
    local pid = pool:run 'pid'
    for _, request in ipairs { 'close', 'raise' } do
      local err = pools.raised(pool, request)
      assert.equal('ECANCELED', err.code)
      assert.matches('was closed', err.message)
    end
    assert.equal(pid, pool:run 'pid')
  end)
end)

describe('pool:close with a callback', function()
  it('does not wait, and calls it when all workers have ended', function()
    local pool = pools.new(WORK)
    pool:run(0)
    local closed = 0
    local function on_closed(...)
      assert.equal(0, select('#', ...))
      assert.same({}, t.children())
      closed = closed + 1
    end
    cp.setImmediate(t.expect(function()
      pool:close(on_closed)
      pool:close(100, on_closed)
    end))
    assert.equal(0, closed)
    cp.run()
    assert.equal(2, closed)
    pool:close(on_closed)
    assert.equal(2, closed)
    cp.run()
    assert.equal(3, closed)
  end)

  it('takes a function only', function()
    local pool <close> = pools.new(WORK, { size = 1 })
    t.raises('ERR_INVALID_ARG_TYPE', pool.close, pool, 5, 'callback')
    t.raises('ERR_INVALID_ARG_TYPE', pool.close, pool, nil, {})
    t.raises('ERR_OUT_OF_RANGE', pool.close, pool, -1, print)
    assert.equal(1, #t.children())
  end)
end)

describe('a pool without any reference to it', function()
  local function collect()
    collectgarbage()
    collectgarbage()
  end

  it('ends its workers', function()
    pools.new(WORK):run(0)
    collect()
    pools.until_true(function()
      return #t.children() == 0
    end)
  end)

  it('answers its requests first', function()
    local replies = 0
    do
      local pool = pools.new(WORK)
      for _ = 1, 5 do
        pool:run(0, function(err, reply)
          assert.is_nil(err)
          assert.equal('number', type(reply))
          replies = replies + 1
        end)
      end
    end
    collect()
    cp.run()
    assert.equal(5, replies)
    collect()
    pools.until_true(function()
      return #t.children() == 0
    end)
  end)

  it('does not keep the loop alive, nor the state from being closed', function()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local worker = { arg[1] }
      cp.pool(arg[1], { size = 1 })
      collectgarbage()
      collectgarbage()
      cp.run()
      kept = cp.pool(arg[1], { size = 1 })
    ]]
    table.insert(args, t.fixture 'echo.lua')
    local result = cp.spawnSync(exe, args)
    assert.equal('', result.stderr)
    assert.equal(0, result.code)
  end)
end)
