-- cp.pool: timeout, signal, maxQueue, maxRequests.
local abort = require 'child_process.abort'
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local raised = pools.raised

local WORK = [[
  if request == 'loop' then while true do end end
  if request == 'pid' then return cp.process.pid end
  if type(request) == 'table' then
    if request.path then io.open(request.path, 'w'):close() end
    if request.sleep then sleep(request.sleep) end
  end
  return request ]]

describe('timeout', function()
  it('ends a worker that is in an endless loop, and replaces it', function()
    local pool <close> = pools.new(WORK, { size = 1 })
    local pid = pool:run 'pid'
    local err = raised(pool, 'loop', { timeout = 50 })
    assert.equal('ETIMEDOUT', err.code)
    assert.equal('the request was not answered within 50 ms', err.message)
    assert.not_equal(pid, pool:run 'pid')
    assert.is_false(t.pid_alive(pid))
  end)

  it('counts from the call, and never runs a request that is late', function()
    local path = t.tmpdir() .. '/begun'
    local pool <close> = pools.new(WORK, { size = 1 })
    local pid = pool:run 'pid'
    local list, wait = pools.begin(pool, { { sleep = 150 } })
    local err = raised(pool, { path = path }, { timeout = 20 })
    assert.equal('ETIMEDOUT', err.code)
    assert.is_nil(list[1].done)
    wait()
    assert.equal(pid, pool:run 'pid')
    assert.is_nil(t.slurp(path))
  end)

  it('counts while the workers start', function()
    local pool = pools.program('while true do end', { size = 1 })
    assert.equal('ETIMEDOUT', raised(pool, 1, { timeout = 20 }).code)
    pool:close(0)
  end)

  it('moves what was given ahead to other workers', function()
    local pool <close> = pools.new(WORK, { size = 1 })
    for i = 1, 30 do
      pool:run(i) -- short, so that the next ones are given ahead
    end
    local late
    pool:run('loop', { timeout = 100 }, function(err)
      late = err
    end)
    local list, wait = pools.begin(pool, { 1, 2, 3, 4, 5 })
    wait()
    assert.equal('ETIMEDOUT', late.code)
    for i, answer in ipairs(list) do
      assert.equal(i, answer.reply)
    end
  end)

  it('takes a request back that its worker has not begun', function()
    local pool <close> = pools.new(WORK, { size = 1 })
    local pid
    for _ = 1, 30 do
      pid = pool:run 'pid'
    end
    local first, wait_first = pools.begin(pool, { { sleep = 200 } })
    local late, wait_late = pools.begin(pool, { 1, 2 }, { timeout = 30 })
    local last, wait_last = pools.begin(pool, { 3, 'pid' })
    wait_late()
    assert.is_nil(first[1].done)
    wait_first()
    wait_last()
    assert.equal('ETIMEDOUT', late[1].err.code)
    assert.equal('ETIMEDOUT', late[2].err.code)
    assert.same({ sleep = 200 }, first[1].reply)
    assert.same({ 3, pid }, { last[1].reply, last[2].reply })
  end)

  -- The program computes meanwhile, and looks at its timers before its channels.
  local function compute(ms)
    local deadline = cp.process:hrtime() + ms * 1000000
    repeat
    until cp.process:hrtime() > deadline
  end

  it('does not count where the reply has arrived, and was only not read yet', function()
    local pool <close> = pools.new(WORK, { size = 1 })
    local pid = pool:run 'pid'
    local list, wait = pools.begin(pool, { 'pid' }, { timeout = 600 })
    compute(800)
    wait()
    assert.equal(pid, list[1].reply)
    assert.equal(pid, pool:run 'pid')
  end)

  it('finds out in the same way that the worker has ended since', function()
    local pool <close> = pools.new('cp.process:on("exit", print) ' .. [[
      cp.setImmediate(os.exit, 0)
      return cp.process.pid ]], { size = 1, stdout = 'ignore' })
    pools.until_true(function()
      return pool.idle == 1
    end)
    local list, wait = pools.begin(pool, { 1 }, { timeout = 600 })
    compute(800)
    wait()
    assert.equal('number', type(list[1].reply))
  end)

  it('takes a handle back whose worker does not go on', function()
    local pool <close> = pools.new(
      [[
      if request == 'open' then
        local list = {}
        for fd = 5, 40 do
          list[#list + 1] = io.open('/proc/self/fd/' .. fd) and fd
        end
        return #list
      end
      return cp.process.pid ]],
      { size = 1 }
    )
    local pid, open = pool:run(), pool:run 'open'
    for _, make in ipairs {
      function()
        return io.tmpfile()
      end,
      function()
        return cp.spawn('true').stdout
      end,
    } do
      cp.process:kill(pid, 'SIGSTOP')
      local handle = make()
      local err = raised(pool, 1, { handle = handle, timeout = 50 })
      assert.equal('ETIMEDOUT', err.code)
      cp.process:kill(pid, 'SIGCONT')
      assert.equal(pid, pool:run())
      handle:close()
    end
    collectgarbage()
    assert.equal(open, pool:run 'open')
  end)

  it('is not reached by a request that is answered in time', function()
    local pool <close> = pools.new(WORK)
    assert.equal(1, pool:run(1, { timeout = 1e6 }))
    assert.is_false(cp.run())
  end)

  it('holds for each request of a map', function()
    local pool <close> = pools.new(WORK, { size = 1 })
    local ok, err = pcall(pool.map, pool, { 1, 'loop', 2 }, { timeout = 100 })
    assert.is_false(ok)
    assert.equal('ETIMEDOUT', err.code)
  end)
end)

describe('signal', function()
  it('runs nothing if it is aborted already', function()
    local pool <close> = pools.new(WORK)
    local err = raised(pool, 1, { signal = cp.AbortSignal.abort 'why' })
    assert.equal('ABORT_ERR', err.code)
    assert.equal('why', err.cause)
    pool:run(
      1,
      { signal = cp.AbortSignal.abort() },
      t.expect(function(problem)
        assert.equal('ABORT_ERR', problem.code)
      end)
    )
    assert.equal(0, pool.queued)
  end)

  it('ends the worker of a request in progress', function()
    local pool <close> = pools.new(WORK, { size = 1 })
    local controller = cp.AbortController()
    local pid = pool:run 'pid'
    cp.setTimeout(function()
      controller:abort 'enough'
    end, 50)
    local err = raised(pool, 'loop', { signal = controller.signal })
    assert.equal('ABORT_ERR', err.code)
    assert.equal('enough', err.cause)
    assert.not_equal(pid, pool:run 'pid')
  end)

  it('removes a request from the queue', function()
    local path = t.tmpdir() .. '/begun'
    local pool <close> = pools.new(WORK, { size = 1 })
    local controller = cp.AbortController()
    local _, wait = pools.begin(pool, { { sleep = 50 } })
    local list = pools.begin(pool, { { path = path } }, { signal = controller.signal })
    controller:abort()
    assert.is_nil(list[1].done) -- not in the middle of `abort`
    wait()
    assert.equal('ABORT_ERR', list[1].err.code)
    pool:run(1)
    assert.is_nil(t.slurp(path))
  end)

  -- Each reply aborts the request after the next one, wherever that is: many replies
  -- come in one read, and some are found out while another is being delivered.
  local function abort_in_callbacks(options)
    local pool <close> = pools.new(WORK, options)
    pool:map { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }
    local controllers, left, wrong = {}, 300, 0
    for i = 1, left do
      controllers[i] = cp.AbortController()
      pool:run({ i = i }, { signal = controllers[i].signal }, function(err, reply)
        left = left - 1
        if err and err.code ~= 'ABORT_ERR' or reply and reply.i ~= i then
          wrong = wrong + 1
        end
        if controllers[i + 2] then
          controllers[i + 2]:abort()
        end
      end)
    end
    while left > 0 do
      cp.run 'once'
    end
    assert.equal(0, wrong)
    assert.same({ 1, 2 }, pool:map { 1, 2 })
  end

  it('may be aborted in the callback of another request', function()
    abort_in_callbacks { size = 1 }
    abort_in_callbacks { size = 1, serialization = 'advanced' }
  end)

  it('may be aborted in the callback of a request of another worker', function()
    abort_in_callbacks { size = 3 }
  end)

  it('has no listener left when the request is over', function()
    local pool <close> = pools.new(WORK)
    local signal = cp.AbortController().signal
    assert.same({ 1, 2, 3 }, pool:map({ 1, 2, 3 }, { signal = signal }))
    assert.equal(0, abort.listener_count(signal))
  end)
end)

describe('maxQueue', function()
  it('lets coroutines wait for room, in their order', function()
    local pool <close> = pools.new(WORK, { size = 1, maxQueue = 2 })
    pool:run(1)
    local order, most = {}, 0
    for i = 1, 10 do
      cp.async(function()
        local reply = pool:run { sleep = 2, i = i }
        most = math.max(most, pool.queued)
        order[#order + 1] = reply.i
      end)
      most = math.max(most, pool.queued)
    end
    cp.run()
    assert.equal(2, most)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, order)
  end)

  it('refuses requests with a callback', function()
    local pool <close> = pools.new(WORK, { size = 1, maxQueue = 1 })
    pool:run(1)
    assert.is_true(pool:run({ sleep = 20 }, t.expect()))
    assert.is_true(pool:run(1, t.expect()))
    local returned
    local accepted = pool:run(
      1,
      t.expect(function(err)
        assert.is_true(returned)
        assert.equal('ERR_POOL_FULL', err.code)
      end)
    )
    returned = true
    assert.is_false(accepted)
    assert.equal(1, pool.queued)
    cp.run()
  end)

  it('may be 0: a request is accepted only by an idle worker', function()
    local pool <close> = pools.new(WORK, { size = 1, maxQueue = 0 })
    assert.is_false(pool:run(1, t.expect()))
    assert.same({ 1, 2, 3 }, pool:map { 1, 2, 3 })
    assert.is_true(pool:run(1, t.expect()))
    cp.run()
  end)

  it('counts the time that a request waits for room', function()
    local pool <close> = pools.new(WORK, { size = 1, maxQueue = 0 })
    pool:run(1)
    local _, wait = pools.begin(pool, { { sleep = 100 } })
    assert.equal('ETIMEDOUT', raised(pool, 1, { timeout = 20 }).code)
    wait()
  end)

  it('gives the error of a request that waited for room and cannot be sent', function()
    local pool <close> = pools.new(WORK, { size = 1, maxQueue = 0 })
    pool:run(1)
    local _, wait = pools.begin(pool, { { sleep = 20 } })
    assert.equal('ERR_INVALID_ARG_VALUE', raised(pool, print).code)
    wait()
  end)
end)

describe('maxRequests', function()
  it('replaces a worker after so many', function()
    local pool <close> = pools.new(WORK, { size = 1, maxRequests = 3 })
    local counts = {}
    for _ = 1, 10 do
      local pid = pool:run 'pid'
      counts[pid] = (counts[pid] or 0) + 1
    end
    local workers = 0
    for _, count in pairs(counts) do
      workers = workers + 1
      assert.is_true(count <= 3)
    end
    assert.equal(4, workers)
  end)

  it('loses no request', function()
    local pool <close> = pools.new(WORK, { maxRequests = 7 })
    local list = {}
    for i = 1, 100 do
      list[i] = i
    end
    assert.same(list, pool:map(list))
  end)

  it('kills a worker that does not end', function()
    local pool = pools.new('cp.setInterval(print, 1e9) return cp.process.pid', {
      size = 1,
      maxRequests = 1,
    })
    local pid = pool:run()
    assert.not_equal(pid, pool:run())
    pool:close(0)
  end, { timeout = t.TEST_TIMEOUT + 15000 })
end)
