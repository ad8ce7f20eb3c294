-- cp.pool: requests and replies.
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

describe('pool:run', function()
  it('returns the reply of a worker', function()
    local pool <close> = pools.new 'return { request.a + 1, cp.process.pid }'
    local reply = pool:run { a = 1 }
    assert.equal(2, reply[1])
    assert.not_equal(cp.process.pid, reply[2])
  end)

  it('takes nil, false and null as requests and replies', function()
    local pool <close> = pools.new [[
      if request == 'nothing' then return nil end
      return request == nil and 'nil' or request ]]
    assert.equal('nil', pool:run())
    assert.equal('nil', pool:run(nil, { timeout = 0 }))
    assert.is_nil(pool:run 'nothing')
    assert.is_false(pool:run(false))
    assert.equal(cp.null, pool:run(cp.null))
  end)

  it('calls a callback after it has returned', function()
    local pool = pools.new 'return request * 2'
    local returned
    local accepted = pool:run(
      21,
      t.expect(function(err, reply)
        assert.is_nil(err)
        assert.equal(42, reply)
        assert.is_true(returned)
        cp.async(pool.close, pool)
      end)
    )
    returned = true
    assert.is_true(accepted)
  end)

  it('waits in a coroutine', function()
    local pool = pools.new 'return request * 2'
    local sum, left = 0, 10
    for i = 1, 10 do
      cp.async(function()
        local reply = pool:run(i)
        sum = sum + reply
        left = left - 1
        if left == 0 then
          pool:close()
        end
      end)
    end
    cp.run()
    assert.equal(110, sum)
  end)

  it('raises ERR_WOULD_BLOCK in a bare callback, and queues nothing', function()
    local pool = pools.new 'return request'
    cp.setImmediate(t.expect(function()
      t.raises('ERR_WOULD_BLOCK', pool.run, pool, 1)
      t.raises('ERR_WOULD_BLOCK', pool.map, pool, { 1 })
      t.raises('ERR_WOULD_BLOCK', pool.close, pool)
      assert.equal(0, pool.queued)
      cp.async(pool.close, pool)
    end))
  end)

  it('sends a request as it is when it is called', function()
    local pool <close> = pools.new('return request.text', { size = 1 })
    local request = { text = 'before' }
    local list, wait = pools.begin(pool, { request, request })
    request.text = 'after'
    wait()
    assert.same({ 'before', 'before' }, { list[1].reply, list[2].reply })
  end)

  it('raises for a request that cannot be sent', function()
    local pool <close> = pools.new 'return request'
    local err = t.raises('ERR_INVALID_ARG_VALUE', pool.run, pool, print)
    assert.equal('message.request: a function cannot be sent', err.message)
    pool:run(1) -- a worker is idle now
    t.raises('ERR_INVALID_ARG_VALUE', pool.run, pool, { print })
    pool:run(
      { print },
      t.expect(function(problem)
        assert.equal('ERR_INVALID_ARG_VALUE', problem.code)
      end)
    )
    assert.equal(2, pool:run(2))
  end)

  it('carries megabytes, and any bytes', function()
    local pool <close> = pools.new('return request .. "\\0"', {
      serialization = 'advanced',
    })
    local bytes = ('\0\255'):rep(1 << 19)
    for _, reply in ipairs(pool:map { bytes, bytes, bytes, bytes, bytes }) do
      assert.is_true(bytes .. '\0' == reply)
    end
  end)

  it('takes a handle along', function()
    local pool <close> = pools.new 'return handle and handle:read "a" or "none"'
    local path = t.write_file(t.tmpdir() .. '/file', 'inside')
    for _ = 1, 3 do
      local file <close> = assert(io.open(path))
      assert.equal('inside', pool:run('read', { handle = file }))
    end
    assert.equal('none', pool:run 'read')
  end)

  it('lets handles wait like other requests', function()
    local pool <close> = pools.new('return handle:read "a"', { size = 1 })
    local path, left = t.write_file(t.tmpdir() .. '/file', 'inside'), 5
    for _ = 1, 5 do
      local file = assert(io.open(path))
      pool:run(
        nil,
        { handle = file },
        t.expect(function(err, reply)
          file:close()
          assert.is_nil(err)
          assert.equal('inside', reply)
          left = left - 1
        end)
      )
    end
    while left > 0 do
      cp.run 'once'
    end
  end)

  it('gives the error of a handle that cannot be sent', function()
    local pool <close> = pools.new('return handle == nil', { size = 1 })
    local err = pools.raised(pool, 1, { handle = {} })
    assert.equal('ERR_INVALID_HANDLE_TYPE', err.code)
    err = pools.raised(pool, 1, { handle = {} }) -- when the worker is idle
    assert.equal('ERR_INVALID_HANDLE_TYPE', err.code)
    assert.is_true(pool:run(1))
  end)

  it('refuses wrong arguments', function()
    local pool <close> = pools.new 'return request'
    t.raises('ERR_INVALID_ARG_TYPE', pool.run, pool, 1, 'options')
    t.raises('ERR_INVALID_ARG_TYPE', pool.run, pool, 1, {}, 'callback')
    t.raises('ERR_INVALID_ARG_TYPE', pool.run, pool, 1, { timeout = 'long' })
    t.raises('ERR_OUT_OF_RANGE', pool.run, pool, 1, { timeout = -1 })
    t.raises('ERR_INVALID_ARG_TYPE', pool.run, pool, 1, { signal = {} })
    local err = t.raises('ERR_INVALID_ARG_VALUE', pool.run, pool, 1, { timout = 1 })
    assert.matches("did you mean 'timeout'", err.message)
    t.raises('ERR_INVALID_ARG_TYPE', pool.map, pool, 'list')
    t.raises('ERR_OUT_OF_RANGE', pool.close, pool, -1)
    t.raises('ERR_INVALID_THIS', pool.run, {}, 1)
    t.raises('ERR_INVALID_THIS', pool.map, nil, {})
    t.raises('ERR_INVALID_THIS', pool.close)
    assert.equal(0, pool.queued)
  end)
end)

describe('pool:map', function()
  it('returns the replies in order', function()
    local pool <close> = pools.new 'sleep(request % 3) return request * 2'
    local list = {}
    for i = 1, 100 do
      list[i] = i
    end
    for i, reply in ipairs(pool:map(list)) do
      assert.equal(2 * i, reply)
    end
    assert.same({}, pool:map {})
  end)

  it('raises the first error when all are done', function()
    local pool <close> = pools.new [[
      if request.fails then error(request.fails, 0) end
      sleep(20)
      io.open(request.path, 'w'):close() ]]
    local path = t.tmpdir() .. '/done'
    local list = { { path = path }, { fails = 'one' }, { fails = 'two' } }
    local ok, err = pcall(pool.map, pool, list)
    assert.is_false(ok)
    assert.equal('one', err.message)
    assert.is_string(t.slurp(path))
  end)

  it('raises the error of an entry that cannot be sent', function()
    local pool <close> = pools.new 'return request'
    t.raises('ERR_INVALID_ARG_VALUE', pool.map, pool, { 1, print, 3 })
  end)
end)

describe('a pool', function()
  it('says how many workers it has, how many are idle and what is queued', function()
    local pool <close> = pools.new 'sleep(20) return request'
    assert.equal(2, pool.size)
    assert.equal(0, pool.idle)
    assert.equal(0, pool.queued)
    assert.is_nil(pool.nothing)
    local _, wait = pools.begin(pool, { 1, 2, 3, 4, 5 })
    assert.equal(5, pool.queued)
    pools.until_true(function()
      return pool.queued == 3
    end)
    wait()
    assert.equal(2, pool.idle)
    assert.equal(0, pool.queued)
    assert.matches('^child_process.Pool: ', tostring(pool))
  end)

  it('has as many workers as there are processors', function()
    local pool <close> = pools.new('return 1', { size = cp.availableParallelism() })
    local other <close> = pools.program('cp.serve(print)', { startTimeout = 0 })
    assert.equal(cp.availableParallelism(), pool.size)
    assert.equal(pool.size, other.size)
  end)

  it('does not keep the program running while it is idle', function()
    local pool = pools.new 'return request'
    assert.is_false(cp.run())
    assert.equal(1, pool:run(1))
    assert.is_false(cp.run())
    pool:close()
  end)

  it('uses all its workers', function()
    local pool <close> = pools.new 'sleep(50) return cp.process.pid'
    pools.until_true(function()
      return pool.idle == 2
    end)
    local pids = pool:map { 1, 2 }
    assert.not_equal(pids[1], pids[2])
  end)

  it('passes arguments and the options of fork on', function()
    local code = [[
      local first = ...
      require('child_process').serve(function(name)
        return { first, os.getenv(name) }
      end) ]]
    local options = { size = 1, env = { POOL_SPEC = 'yes' }, extendEnv = true }
    local pool <close> = cp.pool(t.fixture 'program.lua', { code, 'one' }, options)
    assert.same({ 'one', 'yes' }, pool:run 'POOL_SPEC')
  end)

  it('ends with the program that made it', function()
    local code = [[
      local cp = require 'child_process'
      local pool = cp.pool(arg[1], { arg[2] }, { size = 1 })
      io.stdout:write(pool:run(1), '\n')
      io.stdout:flush()
      process:on('message', function() end) ]]
    local serve = [[require('child_process').serve(function(request)
      return require('child_process').process.pid
    end)]]
    local child = cp.fork(t.fixture 'program.lua', {
      code,
      t.fixture 'program.lua',
      serve,
    }, { silent = true })
    local pid = math.tointeger(tonumber(child.stdout:read 'l'))
    child:kill 'SIGKILL'
    t.when(function()
      return not t.pid_alive(pid)
    end, function() end)
  end)

  it('drops what its workers print into pipes', function()
    local pool <close> = pools.new(
      [[
      io.write(('x'):rep(1 << 18))
      io.flush()
      return request ]],
      { silent = true }
    )
    assert.same({ 1, 2, 3 }, pool:map { 1, 2, 3 })
    assert.is_false(cp.run())
  end)

  it('refuses wrong options before it starts anything', function()
    local file = t.fixture 'program.lua'
    local function refused(code, options)
      return t.raises(code, cp.pool, file, options)
    end
    refused('ERR_OUT_OF_RANGE', { size = 0 })
    refused('ERR_OUT_OF_RANGE', { size = 1.5 })
    refused('ERR_OUT_OF_RANGE', { size = math.huge })
    refused('ERR_INVALID_ARG_TYPE', { size = '2' })
    refused('ERR_OUT_OF_RANGE', { maxQueue = -1 })
    refused('ERR_OUT_OF_RANGE', { maxRequests = 0 })
    refused('ERR_OUT_OF_RANGE', { startTimeout = -1 })
    refused('ERR_INVALID_ARG_TYPE', { cwd = 5 })
    refused('ERR_INVALID_ARG_TYPE', { launchers = 'ssh' })
    refused('ERR_INVALID_ARG_VALUE', { launchers = {} })
    for list, text in pairs {
      [{ { 'ssh', 'a' }, nil, { 'ssh', 'c' } }] = '[2]" property must be an array',
      [{ [2] = { 'ssh' } }] = '[1]" property must be an array',
      [{ { 'ssh' }, {} }] = '[2][1]" property must be of type string',
      [{ x = { 'ssh' } }] = '" property must be an array',
    } do
      local err = refused('ERR_INVALID_ARG_TYPE', { launchers = list })
      assert.truthy(err.message:find('"options.launchers' .. text, 1, true), err.message)
    end
    local err = refused('ERR_INVALID_ARG_VALUE', { maxQueu = 1 })
    local text = "options.maxQueu is not an option of pool; did you mean 'maxQueue'?"
    assert.equal(text, err.message)
    err = refused('ERR_INVALID_ARG_VALUE', { pty = true })
    assert.matches('not of pool', err.message)
    err = t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, 'true', { maxQueue = 1 })
    assert.equal("'maxQueue' is an option of pool, not of spawn", err.message)
    t.raises('ERR_INVALID_ARG_TYPE', cp.pool)
    t.raises('ERR_INVALID_ARG_TYPE', cp.pool, file, print)
  end)
end)
