-- cp.pool: its end.
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local WORK = [[
  if type(request) == 'table' then
    io.open(request.path, 'w'):close()
    while true do end
  end
  if type(request) == 'number' then sleep(request) end
  return request ]]

-- A pool of one worker that has `request`; the answer.
local function busy(request, options)
  local pool = pools.new(WORK, options or { size = 1 })
  pool:run(0)
  local list = pools.begin(pool, { request })
  return pool, list[1]
end

-- A pool of one worker that is in an endless loop.
local function stuck(options)
  local path = t.tmpdir() .. '/begun'
  local pool, first = busy({ path = path }, options)
  pools.until_true(function()
    return t.slurp(path)
  end)
  return pool, first
end

describe('pool:close', function()
  it('fails what is queued, and later requests', function()
    local pool, first = busy(50)
    local list = pools.begin(pool, { 1, 2 })
    pool:close()
    assert.equal(50, first.reply)
    assert.equal('ERR_POOL_CLOSED', list[1].err.code)
    assert.equal('ERR_POOL_CLOSED', list[2].err.code)
    t.raises('ERR_POOL_CLOSED', pool.run, pool, 1)
    t.raises('ERR_POOL_CLOSED', pool.map, pool, { 1 })
    assert.is_false(pool:run(
      1,
      t.expect(function(err)
        assert.equal('ERR_POOL_CLOSED', err.code)
      end)
    ))
    assert.equal(0, pool.idle)
    assert.equal(0, pool.queued)
  end)

  it('waits until every worker has ended', function()
    local pool = pools.new(WORK, { size = 3 })
    pool:run(0)
    assert.equal(3, #t.children())
    pool:close()
    assert.equal(0, #t.children())
  end)

  it('kills what is in progress after `grace`', function()
    local pool, first = stuck()
    pool:close(30)
    assert.equal('ERR_WORKER_DIED', first.err.code)
    assert.equal('SIGKILL', first.err.signalCode)
  end)

  it('takes back what has been given ahead', function()
    local pool = pools.new(WORK, { size = 1 })
    for _ = 1, 30 do
      pool:run 'short'
    end
    local list = pools.begin(pool, { 50, 'a', 'b' })
    pools.until_true(function()
      return pool.queued == 2
    end)
    pool:close()
    assert.equal('ERR_POOL_CLOSED', list[2].err.code)
    assert.equal('ERR_POOL_CLOSED', list[3].err.code)
  end)

  it('lets a request finish that an idle worker has just got', function()
    local pool = pools.new(WORK, { size = 1 })
    for _ = 1, 30 do
      pool:run 'short'
    end
    local list = pools.begin(pool, { 'a', 'b', 'c' })
    pool:close()
    assert.equal('a', list[1].reply)
    assert.equal('ERR_POOL_CLOSED', list[3].err.code)
  end)

  it('ends workers that are just starting', function()
    local pool = pools.new(WORK)
    pool:close()
    assert.equal(0, #t.children())
  end)

  it('ends a pool that waits before it starts a worker', function()
    local pool = pools.program('os.exit(1)', { size = 1 })
    pools.until_true(function()
      return #t.children() == 0
    end)
    pool:close()
    pool:close()
  end)

  it('ends workers that do not end by themselves', function()
    local pool = pools.new('cp.setInterval(print, 1e9)', { size = 1 })
    pool:run()
    pool:close(20)
  end)

  it('joins a call that is under way, whose grace it may shorten', function()
    local pool, first = stuck()
    local closed = 0
    cp.async(function()
      pool:close(1e6)
      closed = closed + 1
    end)
    assert.equal(0, closed)
    pool:close(20)
    assert.equal('ERR_WORKER_DIED', first.err.code)
    cp.run()
    assert.equal(1, closed)
    pool:close()
  end)

  it('fails requests that wait for room', function()
    local pool = stuck({ size = 1, maxQueue = 0 })
    cp.async(t.expect(function()
      t.raises('ERR_POOL_CLOSED', pool.run, pool, 1)
    end))
    pool:close(0)
    cp.run()
  end)
end)

describe('a pool in a scope', function()
  it('is closed at its end', function()
    do
      local pool <close> = pools.new(WORK)
      assert.equal(1, pool:run(1))
    end
    assert.equal(0, #t.children())
  end)

  it('is closed before an error goes on', function()
    local ok, err = pcall(function()
      local _ <close> = pools.new(WORK)
      error('unchanged', 0)
    end)
    assert.is_false(ok)
    assert.equal('unchanged', err)
    assert.equal(0, #t.children())
  end)

  it('kills its workers where nothing can wait', function()
    local pool, first = stuck()
    cp.setImmediate(t.expect(function()
      local _ <close> = pool
    end))
    cp.run()
    assert.equal('SIGKILL', first.err.signalCode)
  end)

  it('raises what a callback raises meanwhile, and goes on ending', function()
    local pool = busy(20)
    cp.setTimeout(error, 1, 'from a timer', 0)
    local ok, err = pcall(function()
      local _ <close> = pool
    end)
    assert.is_false(ok)
    assert.equal('from a timer', err)
    pool:close()
    assert.equal(0, #t.children())
  end)

  it('has nothing more to do when it is closed already', function()
    local pool = pools.new(WORK)
    pool:close()
    cp.setImmediate(t.expect(function()
      local _ <close> = pool
    end))
  end)
end)
