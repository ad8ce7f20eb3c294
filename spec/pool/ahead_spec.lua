-- cp.pool: no request waits behind another while a worker is idle.
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local it = t.wrap(it)

-- A table computes until the file `path` is there, and reads no message meanwhile.
local WORK = [[
  if type(request) ~= 'table' then return request end
  if request.mark then io.open(request.mark, 'w'):close() end
  if request.sleep then sleep(request.sleep) end
  local file
  repeat
    file = io.open(request.path)
  until file
  file:close()
  return cp.process.pid ]]

-- Until both have shown that requests are short.
local function warm_up(pool)
  pools.until_true(function()
    return pool.idle == pool.size
  end)
  local list = {}
  for i = 1, 300 do
    list[i] = i
  end
  pool:map(list)
end

describe('a request given ahead', function()
  it('is taken back from a worker that computes, as soon as another is idle', function()
    local pool <close> = pools.new(WORK)
    for round = 1, 10 do
      local path = t.tmpdir() .. '/go'
      warm_up(pool)
      local requests = { { path = path } }
      for i = 2, 200 do
        requests[i] = i
      end
      local list, wait = pools.begin(pool, requests)
      -- the long one computes until the others are done
      pools.until_true(function()
        for i = 2, 200 do
          if not list[i].done then
            return false
          end
        end
        return true
      end)
      assert.is_nil(list[1].done)
      t.write_file(path, '')
      wait()
      for i = 2, 200 do
        assert.equal(i, list[i].reply, round)
      end
      assert.equal('number', type(list[1].reply))
    end
  end)

  it('is taken back from a worker that waits', function()
    local pool <close> = pools.new(WORK)
    local path = t.write_file(t.tmpdir() .. '/go', '')
    warm_up(pool)
    local list, wait = pools.begin(pool, { { path = path, sleep = 300 }, 1, 2, 3, 4, 5 })
    local left
    pools.until_true(function()
      left = 0
      for i = 2, 6 do
        left = left + (list[i].done and 0 or 1)
      end
      return left == 0
    end)
    assert.is_nil(list[1].done)
    wait()
  end)

  it('goes to a worker that has just been replaced', function()
    local pool <close> = pools.new(WORK)
    local folder = t.tmpdir()
    local path, one, other = folder .. '/go', folder .. '/one', folder .. '/other'
    warm_up(pool)
    local long = { { path = path, mark = one }, { path = path, mark = other } }
    local list, wait = pools.begin(pool, { long[1], long[2], 1, 2 })
    pools.until_true(function()
      return t.slurp(one) and t.slurp(other)
    end)
    pool._pool.workers[1].child:kill 'SIGKILL' -- the rest goes to its successor
    pools.until_true(function()
      return list[3].done and list[4].done
    end)
    t.write_file(path, '')
    wait()
    assert.same({ 1, 2 }, { list[3].reply, list[4].reply })
  end)

  it('is only given ahead where requests are short', function()
    local pool <close> = pools.new('sleep(5) return request', { size = 1 })
    pool:map { 1, 2, 3 }
    local state, most = pool._pool, 0
    local list, wait = pools.begin(pool, { 1, 2, 3, 4, 5 })
    pools.until_true(function()
      most = math.max(most, state.given)
      return list[5].done
    end)
    wait()
    assert.equal(1, most)
  end)

  it('is given ahead where they are', function()
    local pool <close> = pools.new('return request', { size = 1 })
    warm_up(pool)
    local list = {}
    for i = 1, 100 do
      list[i] = i
    end
    local _, wait = pools.begin(pool, list)
    assert.is_true(pool._pool.given > 4)
    wait()
  end)

  it('is not one that is large', function()
    local pool <close> = pools.new('return #request', { size = 1 })
    for _ = 1, 50 do
      pool:run 'x'
    end
    local _, wait = pools.begin(pool, { 'x', ('x'):rep(1 << 15), 'x' })
    assert.equal(1, pool._pool.given)
    wait()
  end)
end)
