-- cp.pool: workers that die, and pools whose workers cannot be started.
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local raised = pools.raised

local DIES = [[
  if request == 'exit' then os.exit(3) end
  if request == 'kill' then cp.process:kill(cp.process.pid, 'SIGKILL') end
  if request == 'leave' then cp.process:disconnect() end
  if request == 'yield' then coroutine.yield(1) end
  if request == 'raise' then
    cp.setTimeout(function() error 'outside' end, 1)
    sleep(1e6)
  end
  return cp.process.pid ]]

-- Fewer where every worker takes long to start.
local function many(count)
  return (t.watched_by() or os.getenv 'LCP_GC_STRESS') and count // 50 or count
end

describe('a worker that dies', function()
  it('fails its request with how it ended', function()
    local pool <close> = pools.new(DIES, { size = 1 })
    local pid = pool:run()
    local err = raised(pool, 'exit')
    assert.equal('ERR_WORKER_DIED', err.code)
    assert.equal(3, err.exitCode)
    assert.is_nil(err.signalCode)
    assert.equal(pid, err.pid)
    assert.equal('the worker has ended: exit code 3', err.message)
    err = raised(pool, 'kill')
    assert.equal('ERR_WORKER_DIED', err.code)
    assert.is_nil(err.exitCode)
    assert.equal('SIGKILL', err.signalCode)
    assert.not_equal(pid, err.pid)
  end)

  it('fails its request in the middle of megabytes, in either direction', function()
    for _, serialization in ipairs { 'json', 'advanced' } do
      local pool <close> = pools.new(
        [[
        if request == 'pid' then return cp.process.pid end
        cp.process:send(('x'):rep(3 << 20))
        cp.process:kill(cp.process.pid, 'SIGKILL')]],
        {
          size = 1,
          serialization = serialization,
        }
      )
      local pid = pool:run 'pid'
      cp.process:kill(pid, 'SIGSTOP')
      pool:run(
        ('x'):rep(3 << 20),
        t.expect(function(err)
          assert.equal('ERR_WORKER_DIED', err.code)
        end)
      )
      cp.process:kill(pid, 'SIGKILL')
      assert.equal('ERR_WORKER_DIED', raised(pool, 'reply').code)
      assert.not_equal(pid, pool:run 'pid')
    end
  end)

  it('is replaced', function()
    local pool <close> = pools.new(DIES, { size = 1 })
    local pid = pool:run()
    raised(pool, 'exit')
    assert.not_equal(pid, pool:run())
    assert.equal(1, pool.size)
  end)

  it('has died as well if it gives up its channel', function()
    local pool <close> = pools.new(DIES, { size = 1 })
    assert.equal('ERR_WORKER_DIED', raised(pool, 'leave').code)
    assert.equal('number', type(pool:run()))
  end)

  it('fails its request if a coroutine yields to nobody, or a callback raises', function()
    local pool <close> = pools.new(DIES, { size = 1, stderr = 'ignore' })
    assert.equal(1, raised(pool, 'yield').exitCode)
    assert.equal(1, raised(pool, 'raise').exitCode)
  end)

  it('fails no request but the one in progress', function()
    local pool <close> = pools.new('if request < 0 then ' .. [[
      cp.process:kill(cp.process.pid, 'SIGKILL') end return request]])
    local list = {}
    for i = 1, 500 do
      list[i] = i % 50 == 25 and -i or i
    end
    pool:map { 1, 2, 3, 4, 5, 6 } -- they are short, so workers are fed
    local answers, wait = pools.begin(pool, list)
    wait()
    for i, answer in ipairs(answers) do
      if list[i] < 0 then
        assert.equal('ERR_WORKER_DIED', answer.err and answer.err.code)
      else
        assert.equal(i, answer.reply)
      end
    end
  end)

  -- Every request that begins leaves a byte, before anything can end its worker.
  it('never makes a request run twice, nor be lost', function()
    local folder, count = t.tmpdir(), many(1000)
    local pool <close> = pools.new(
      [[
      local file = assert(io.open(request.path, 'a'))
      file:write 'x'
      file:close()
      if request.dies then cp.process:kill(cp.process.pid, 'SIGKILL') end
      return request.i ]],
      { size = 4 }
    )
    local list = {}
    for i = 1, 2 * count do
      list[i] = { i = i, dies = i % 2 == 0, path = ('%s/%d'):format(folder, i % 100) }
    end
    local answers, wait = pools.begin(pool, list)
    wait()
    local died = 0
    for i, answer in ipairs(answers) do
      if list[i].dies then
        died = died + (answer.err.code == 'ERR_WORKER_DIED' and 1 or 0)
      else
        assert.equal(i, answer.reply)
      end
    end
    assert.equal(count, died)
    local begun = 0
    for i = 0, 99 do
      begun = begun + #(t.slurp(('%s/%d'):format(folder, i)) or '')
    end
    assert.equal(2 * count, begun)
  end, { timeout = 8 * t.TEST_TIMEOUT })

  -- From outside, at any moment: also between two requests, or while it replies.
  it('loses no request when others kill it', function()
    local pids, count = {}, many(100)
    local pool <close> = pools.new('return { request, cp.process.pid }', { size = 3 })
    local done, died, submitted, kills = 0, 0, 0, 0
    local function submit()
      submitted = submitted + 1
      local number = submitted
      pool:run(number, function(err, reply)
        done = done + 1
        if err then
          assert.equal('ERR_WORKER_DIED', err.code)
          died = died + 1
        else
          assert.equal(number, reply[1])
          pids[reply[2]] = true
        end
        if kills < count then
          submit()
        end
      end)
    end
    for _ = 1, 100 do
      submit()
    end
    while done < submitted do
      cp.run 'once'
      local pid = next(pids)
      if pid and kills < count then
        pids[pid] = nil
        kills = kills + (pcall(cp.process.kill, cp.process, pid, 'SIGKILL') and 1 or 0)
      end
    end
    assert.is_true(died <= kills)
  end, { timeout = 4 * t.TEST_TIMEOUT })

  it('is replaced after a pause if it was of no use', function()
    local pool <close> =
      pools.program('cp.serve(print) cp.setTimeout(os.exit, 1, 0)', { size = 1 })
    local ends, begun = 0, cp.process:hrtime()
    local on = pool._pool.on
    pool._pool.on = setmetatable({
      ended = function(...)
        ends = ends + 1
        on.ended(...)
      end,
    }, { __index = on })
    pools.until_true(function()
      return ends == 3
    end)
    assert.is_true(cp.process:hrtime() - begun >= 290 * 1000000) -- 100 and 200 ms
  end)
end)

describe('a pool whose workers end before they are ready', function()
  local function failure(pool)
    local err = raised(pool, 1)
    assert.equal('ERR_POOL_FAILED', err.code)
    return err.cause
  end

  it('fails after three in a row, with the last end', function()
    local pool <close> = pools.program('os.exit(7)', { size = 1 })
    local list = pools.begin(pool, { 1, 2 })
    local cause = failure(pool)
    assert.equal('ERR_WORKER_DIED', cause.code)
    assert.equal(7, cause.exitCode)
    assert.matches('before it called serve: exit code 7$', cause.message)
    assert.equal('ERR_POOL_FAILED', list[1].err.code)
    assert.equal('ERR_POOL_FAILED', list[2].err.code)
    assert.equal(7, failure(pool).exitCode)
    pool:run(
      1,
      t.expect(function(err)
        assert.equal('ERR_POOL_FAILED', err.code)
      end)
    )
    assert.equal(
      'ERR_POOL_FAILED',
      t.raises('ERR_POOL_FAILED', pool.map, pool, { 1 }).code
    )
  end)

  it('fails at a program that does not call serve', function()
    local pool <close> = pools.program('', { size = 3 })
    assert.equal(0, failure(pool).exitCode)
  end)

  it('fails at a program that does not exist', function()
    local pool <close> = pools.new('', { execPath = '/no/such/program' })
    assert.equal('ENOENT', failure(pool).code)
  end)

  it('fails when a stream of its options has been closed since', function()
    local cat = cp.spawn 'cat'
    local pool <close> = pools.new('os.exit(1)', { size = 1, stderr = cat.stdin })
    pools.until_true(function()
      return pool.idle == 1
    end)
    cat.stdin:destroy()
    assert.equal('ERR_WORKER_DIED', raised(pool, 1).code)
    assert.equal('ERR_INVALID_ARG_VALUE', failure(pool).code)
    t.raises('ERR_INVALID_ARG_VALUE', pools.new, '', { stderr = cat.stdin })
    cat:wait()
  end)

  it('fails when none is ready in time', function()
    local pool <close> = pools.program("process:on('message', function() end)", {
      size = 3,
      startTimeout = 50,
    })
    local cause = failure(pool)
    assert.equal('SIGKILL', cause.signalCode)
    assert.matches('has not called serve within 50 ms', cause.message)
  end)

  it('tries again as long as one of three is ready', function()
    local path = t.write_file(t.tmpdir() .. '/count', '')
    local pool <close> = pools.program(
      ([[
      local file = io.open(%q, 'a+')
      local number = #file:read 'a'
      file:write 'x'
      file:close()
      if number %% 3 < 2 then os.exit(1) end
      cp.serve(function() os.exit(2) end) ]]):format(path),
      { size = 1 }
    )
    for _ = 1, 3 do
      assert.equal(2, raised(pool, 1).exitCode)
    end
  end)

  it('lets those that are ready finish', function()
    local path = t.tmpdir() .. '/one'
    local pool = pools.program(
      ([[
      local file = io.open(%q)
      if file then os.exit(1) end
      io.open(%q, 'w'):close()
      cp.serve(function() sleep(600) return 'done' end) ]]):format(path, path),
      { size = 1 }
    )
    pool:run(
      1,
      t.expect(function(err, reply)
        assert.is_nil(err)
        assert.equal('done', reply)
      end)
    )
    pools.until_true(function()
      return pool.queued == 0
    end)
    local state = pool._pool
    for number = 2, 4 do
      state.settings.size = number
      state.workers[number] = require('child_process.pool.worker').start(state, number)
    end
    cp.run()
    assert.equal('ERR_POOL_FAILED', raised(pool, 1).code)
    pool:close()
  end)
end)
