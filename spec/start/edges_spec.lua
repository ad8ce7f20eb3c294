-- What is rarely done, each of it once.
local advanced = require 'child_process.ipc.advanced'
local forked = require 'spec.support.forked'
local json = require 'child_process.ipc.json'
local t = require 'spec.helper'

local cp = t.cp
local it = t.wrap(it)

local function of_class(class, value)
  return setmetatable(value, { __jstype = class })
end

describe('a message as JSON', function()
  local function refused(value)
    return t.raises('ERR_INVALID_ARG_VALUE', json.encode, value).message
  end

  it('is refused with keys of different types, in whatever order they come', function()
    for i = 1, 50 do
      local value = { ['key' .. i] = true, [i * 7] = true }
      assert.matches('keys of different types', refused(value))
      value[i * 7 + 1], value[i + 1000] = true, true
      assert.matches('keys of different types', refused(value))
      assert.matches('neither string nor integer', refused { true, [i + 0.5] = true })
    end
  end)

  it('is refused with a userdata of C', function()
    local light = debug.upvalueid(refused, 1)
    assert.matches('userdata', refused { light })
  end)
end)

describe('a message in the advanced form', function()
  local function refused(value)
    return t.raises('ERR_INVALID_ARG_VALUE', advanced.encode, value).message
  end

  it('is refused with the path to what cannot be sent, whatever the keys are', function()
    assert.matches('%[a table%]: a function', refused { [{}] = print })
    assert.matches("%[''%]: a function", refused { [''] = print })
    assert.matches('%[2%]: a function', refused(of_class('Set', { 1, print })))
    local err = of_class('Error', { name = 'Error', message = 'm', cause = print })
    assert.matches('cause: a function', refused(err))
  end)

  it('takes for plain tables what only looks like a value of Node', function()
    for _, value in ipairs {
      of_class('RegExp', { source = 'a', flags = '?' }),
      of_class('BigInt', { value = '0x' }),
    } do
      local back = advanced.decode(advanced.encode(value))
      assert.is_nil(getmetatable(back))
      assert.same(setmetatable(value, nil), back)
    end
  end)
end)

describe('stdio', function()
  it('has at most 1024 entries', function()
    local stdio = {}
    for i = 1, 1025 do
      stdio[i] = 'ignore'
    end
    t.raises('ERR_OUT_OF_RANGE', cp.spawn, 'true', { stdio = stdio })
    stdio[1025] = nil
    t.once(cp.spawn('true', { stdio = stdio }), 'exit', function(code)
      assert.equal(0, code)
    end)
  end)

  it('takes no socket that is not bound', function()
    local socket <close> = cp.dgram.createSocket 'udp4'
    t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, 'true', { stdio = { socket } })
  end)
end)

describe('a script in the working directory', function()
  it('whose interpreter is missing is not blamed', function()
    if t.watched_by() == 'valgrind' then
      pending 'valgrind starts it by itself'
    end
    local folder = t.tmpdir()
    t.write_file(folder .. '/script', '#!/no/such/interpreter\n', '+x')
    t.once(cp.spawn('./script', { cwd = folder }), 'error', function(err)
      assert.equal('ENOENT', err.code)
      assert.equal('/no/such/interpreter', err.path)
    end)
  end)
end)

describe('as text', function()
  it('a child has its pid, if it has one', function()
    local child = cp.spawn 'true'
    assert.equal('ChildProcess: ' .. child.pid, tostring(child))
    local failed = cp.spawn '/no/such/program'
    assert.equal('ChildProcess: not running', tostring(failed))
    t.once(failed, 'error')
  end)
end)

describe('a descriptor that arrives', function()
  it('is an object that can be asked and closed', function()
    local child = forked.run 'process:send("a number", 2)'
    t.once(child, 'close')
    child:once(
      'message',
      t.expect(function(_, object)
        local fd = object:getfd()
        assert.equal(('Fd (%d)'):format(fd), tostring(object))
        assert.truthy(t.fds()[fd])
        object:close()
        object:close()
        assert.is_nil(object:getfd())
        assert.equal('Fd (closed)', tostring(object))
        assert.is_nil(t.fds()[fd])
      end)
    )
  end)
end)

describe('an immediate', function()
  it('can be referenced again', function()
    local immediate = cp.setImmediate(t.expect()):unref()
    assert.equal(immediate, immediate:ref())
    assert.is_true(immediate:hasRef())
  end)
end)

describe('a stream', function()
  it('that holds bytes when somebody asks whether it is readable says so', function()
    local child = cp.spawn('echo', { 'text' })
    child.stdout:once('readable', function()
      t.once(child.stdout, 'readable', function()
        assert.equal('text\n', child.stdout:read())
        child.stdout:removeAllListeners 'readable'
        child.stdout:resume()
      end)
    end)
  end)

  it('waits for a destination that is full already when it is piped there', function()
    local from, to = cp.spawn('echo', { 'last' }), cp.spawn 'cat'
    local out = t.collect(to.stdout)
    local big = ('x'):rep(1 << 20)
    assert.is_false(to.stdin:write(big))
    from.stdout:pipe(to.stdin)
    t.once(to, 'close', function()
      assert.equal(big .. 'last\n', out())
    end)
  end)

  it('that was paused flows again when it is piped', function()
    local from, to = cp.spawn('echo', { 'text' }), cp.spawn 'cat'
    local out = t.collect(to.stdout)
    from.stdout:pause():pipe(to.stdin)
    t.once(to, 'close', function()
      assert.equal('text\n', out())
    end)
  end)
end)
