-- cp.pool: a worker is a peer, and may send anything.
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local raised = pools.raised

-- A pool of one worker that does not use cp.serve, but `on(message, handle)`.
local function by_hand(body, options)
  local copy = { size = 1 }
  for name, value in pairs(options or {}) do
    copy[name] = value
  end
  return pools.program(
    "process:on('message', function(message) "
      .. body
      .. ' end) process:send { ready = true }',
    copy
  )
end

describe('a worker that sends anything', function()
  it('answers no request that it has not got', function()
    local pool <close> = by_hand([[
      if not message.run then return end
      for _, id in ipairs { 0, -1, 1.5, 1e300, 'x', true, message.run + 1, {} } do
        process:send { done = id, reply = 'forged' }
        process:send { failed = id, error = 'forged' }
      end
      process:send { done = message.run, reply = 'right' }
      process:send { done = message.run, reply = 'again' } ]])
    local replies = pool:map { 1, 2, 3 }
    assert.same({ 'right', 'right', 'right' }, replies)
  end)

  it('is not confused by NaN and tables as ids', function()
    local pool <close> = by_hand(
      [[
      if not message.run then return end
      process:send { done = 0/0, reply = 1 }
      process:send { done = { message.run }, reply = 2 }
      process:send { done = message.run, reply = 3 } ]],
      { serialization = 'advanced' }
    )
    assert.equal(3, pool:run(1))
  end)

  it('may send stray messages, and handles', function()
    local pool = by_hand [[
      if not message.run then return end
      local cp = require 'child_process'
      for _, stray in ipairs { 1, 'text', true, cp.null, {}, { ready = 1 }, { 1, 2 } } do
        process:send(stray)
      end
      process:send('file', io.tmpfile())
      process:send('pipe', cp.spawn('true').stdout)
      process:send({ done = 99 }, 0)
      process:send({ stray = true }, cp.net.createServer():listen(0))
      process:send { done = message.run, reply = 'right' } ]]
    assert.equal('right', pool:run(1))
    assert.equal('right', pool:run(2))
    pool:close(0)
  end)

  it('gives an error whatever the error is made of', function()
    local pool <close> = by_hand [[
      if not message.run then return end
      process:send { failed = message.run, error = message.request } ]]
    local err = raised(pool, nil)
    assert.equal('the worker has not said why', err.message)
    assert.equal('text', pools.raised(pool, { message = 'text', code = {} }).message)
    err = raised(pool, { message = 5, code = true, name = {}, stack = 7, pid = 1 })
    assert.equal('Error', err.name)
    assert.is_nil(err.code)
    assert.is_nil(err.stack)
    assert.not_equal(1, err.pid)
    assert.matches('text', raised(pool, 'text').message)
    assert.equal('text', raised(pool, { name = 'Odd', message = 'text' }).message)
  end)

  it('is not measured by nonsense', function()
    local pool <close> = by_hand [[
      if not message.run then return end
      process:send { done = message.run, us = message.request } ]]
    for _, us in ipairs { -1, 1.5, 1 << 62, 'x', cp.null } do
      assert.is_nil(pool:run(us))
    end
    assert.equal(math.huge, pool._pool.us)
    pool:run(12)
    assert.equal(12, pool._pool.us)
  end)

  it('ends its own request when it breaks the protocol of the channel', function()
    local pool <close> = by_hand [[
      if not message.run then return end
      io.open('/proc/self/fd/3', 'w')
      local file = require('child_process.core').file_from_fd(
        require('child_process.core').copy_fd(3))
      file:write 'no json\n'
      file:flush() ]]
    assert.equal('ERR_WORKER_DIED', raised(pool, 1).code)
    assert.equal('ERR_WORKER_DIED', raised(pool, 2).code)
  end)

  it('may break the protocol behind a reply whose callback aborts', function()
    local pool <close> = pools.program(
      [[
      local core = require 'child_process.core'
      local file = core.file_from_fd(core.copy_fd(3))
      process:on('message', function(message)
        if not message.run then return end
        local reply = { done = message.run, us = 1 }
        file:write(('>s4'):pack(core.codec_encode('advanced', reply)))
        if message.request == 'break' then file:write(('>I4'):pack(0xffffffff)) end
        file:flush()
      end)
      process:send { ready = true, tickets = true } ]],
      { size = 1, serialization = 'advanced' }
    )
    pool:map { 1, 2, 3 } -- short, so that the next ones are given ahead
    local controller = cp.AbortController()
    local _, wait_first = pools.begin(pool, { 1 })
    pool:run('break', function()
      controller:abort()
    end)
    local list, wait = pools.begin(pool, { 2 }, { signal = controller.signal })
    wait_first()
    wait()
    assert.equal('ABORT_ERR', list[1].err.code)
    pool:run(3)
  end)

  it('can take and forge tickets, and harms itself alone', function()
    local pool <close> = pools.new([[
      if request == 'forge' then
        local file = assert(io.open('/proc/self/fd/4', 'w'))
        file:setvbuf 'no'
        for i = 1, 100 do file:write(('<i8'):pack(i)) end
        file:write 'cut'
        file:close()
      elseif request == 'take' then
        assert(io.open '/proc/self/fd/4'):read(8)
      end
      return request ]])
    for i = 1, 50 do
      pool:run(i)
    end
    local list =
      pools.begin(pool, { 'forge', 1, 2, 3, 4, 5, 6, 'take', 7, 8, 9, 'forge' })
    pool:close(200)
    for _, answer in ipairs(list) do
      assert.is_true(answer.done)
    end
  end)

  it('may fill the pipe of its tickets', function()
    local pool <close> = pools.new(
      [[
      if request == 'fill' then
        local to = 'of=/proc/$PPID/fd/4 oflag=nonblock bs=8 count=8192'
        os.execute('dd if=/dev/zero ' .. to .. ' 2>/dev/null')
      end
      return cp.process.pid ]],
      { size = 1 }
    )
    local pid = pool:run()
    pool:run 'fill'
    assert.not_equal(pid, pool:run())
  end)

  it('fails its own request when no more can be given ahead', function()
    local pool <close> = pools.new(
      [[
      if request ~= 'begin' then return cp.process.pid end
      io.open('begun', 'w'):close()
      sleep(1e6) ]],
      { size = 1, cwd = t.tmpdir() }
    )
    local folder = pool._pool.settings.plans[1].cwd
    for _ = 1, 30 do
      pool:run()
    end
    local first, wait = pools.begin(pool, { 'begin' })
    pools.until_true(function()
      return t.slurp(folder .. '/begun')
    end)
    local worker = pool._pool.workers[1]
    while worker.tickets:put(0) do
    end
    worker.since = math.huge -- it has begun just now
    local list, wait_too = pools.begin(pool, { 1, 2, 3 })
    wait()
    wait_too()
    assert.equal('ERR_WORKER_DIED', first[1].err.code)
    for i = 1, 3 do
      assert.equal('number', type(list[i].reply))
      assert.not_equal(worker.child.pid, list[i].reply)
    end
  end)
end)
