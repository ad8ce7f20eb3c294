-- cp.pool: errors that workers raise.
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local raised = pools.raised

describe('an error of a worker', function()
  it('has the message, the traceback and the pid of the worker', function()
    local pool <close> = pools.new [[
      local function fails() error 'out of luck' end
      if request then fails() end
      return cp.process.pid ]]
    local err = raised(pool, 1)
    assert.matches('^program:%d+: out of luck$', err.message)
    assert.equal('Error', err.name)
    assert.is_nil(err.code)
    assert.matches("in local 'fails'", err.stack)
    assert.equal('Error: ' .. err.message, tostring(err))
    local pids = { pool:run(), pool:run() }
    assert.is_true(err.pid == pids[1] or err.pid == pids[2] or pool.size == 2)
    assert.is_true(math.type(err.pid) == 'integer' and err.pid ~= cp.process.pid)
  end)

  it('keeps the lines of its message', function()
    local pool <close> = pools.new "error('one\\ntwo\\27', 0)"
    assert.equal('one\ntwo\\x1b', raised(pool, 1).message)
  end)

  it('has the code and the name of an error of this library', function()
    local pool <close> = pools.new "cp.spawn('x', { cwd = 5 })"
    local err = raised(pool, 1)
    assert.equal('ERR_INVALID_ARG_TYPE', err.code)
    assert.equal('TypeError', err.name)
    assert.matches('options.cwd', err.message)
    assert.is_nil(err.cause)
  end)

  it('has any other value that was raised as its cause', function()
    local pool <close> = pools.new [[
      if request == 'table' then error { code = 7, message = 'seven', more = { 1 } } end
      if request == 'odd' then error { message = 5 } end
      error(request, 0) ]]
    local err = raised(pool, 'table')
    assert.equal('seven', err.message)
    assert.equal(7, err.code)
    assert.same({ code = 7, message = 'seven', more = { 1 } }, err.cause)
    assert.equal(42, raised(pool, 42).cause)
    assert.equal('42', raised(pool, 42).message)
    assert.is_false(raised(pool, false).cause)
    assert.equal('text', raised(pool, 'text').cause)
    assert.same({ message = 5 }, raised(pool, 'odd').cause)
    err = raised(pool, nil)
    assert.is_nil(err.cause)
    assert.is_string(err.message)
  end)

  it('arrives also where the value cannot be sent', function()
    local pool <close> = pools.new [[
      if request == 'function' then error(print) end
      if request == 'bytes' then error('\255', 0) end
      if request == 'code' then error { code = '\255', message = 'm' } end
      error(setmetatable({}, {
        __tostring = error, __index = error, __name = 'odd' })) ]]
    assert.equal('a function', raised(pool, 'function').cause)
    assert.equal('\\xff', raised(pool, 'bytes').message)
    assert.equal('\\xff', raised(pool, 'code').code)
    assert.matches('raises when it is read', raised(pool, 'odd').message)
  end)

  it('says which value of a reply cannot be sent', function()
    local pool <close> = pools.new [[
      return request == 'function' and { list = { 1, print } } or '\255' ]]
    local err = raised(pool, 'function')
    assert.equal('ERR_INVALID_ARG_VALUE', err.code)
    assert.equal('reply.list[2]: a function cannot be sent', err.message)
    assert.matches('^reply: ', raised(pool, 'bytes').message)
    assert.is_nil(raised(pool, 'bytes').cause)
  end)

  it('does not end the worker', function()
    local pool <close> =
      pools.new('if request then error(1) end return cp.process.pid', { size = 1 })
    local pid = pool:run()
    raised(pool, 1)
    assert.equal(pid, pool:run())
  end)

  it('goes to the callback', function()
    local pool = pools.new 'error(request, 0)'
    pool:run(
      'no',
      t.expect(function(err, reply)
        assert.equal('no', err.message)
        assert.is_nil(reply)
        cp.async(pool.close, pool)
      end)
    )
  end)
end)

describe('a callback that raises', function()
  it('loses no other reply', function()
    local pool = pools.new 'return request'
    local seen = 0
    for i = 1, 200 do
      pool:run(
        i,
        t.expect(function()
          seen = seen + 1
          error('callback ' .. i, 0)
        end)
      )
    end
    local errors = 0
    repeat
      local ok = pcall(cp.run)
      errors = errors + (ok and 0 or 1)
    until ok
    assert.equal(200, seen)
    assert.equal(200, errors)
    pool:close()
  end)
end)
