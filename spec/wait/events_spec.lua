local events = require 'child_process.events'

local function noop() end

-- An emitter and a table that takes down what runs: `note 'a'` makes a listener.
local function recorder()
  local log = {}
  local function note(name)
    return function(...)
      log[#log + 1] = table.concat({ name, ... }, ' ')
    end
  end
  return events.EventEmitter(), log, note
end

local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

describe('EventEmitter: emit', function()
  it('calls the listeners in order of registration with all arguments', function()
    local e, log, note = recorder()
    e:on('x', note 'a')
    e:addListener('x', note 'b')
    assert.is_true(e:emit('x', 1, 'two', 3))
    assert.same({ 'a 1 two 3', 'b 1 two 3' }, log)
  end)

  it('returns false when nobody listens', function()
    assert.is_false(events.new():emit 'x')
    assert.is_false(events.new():emit(nil))
  end)

  it('hands over nil arguments and their number', function()
    local e, got = events.new(), nil
    e:on('x', function(...)
      got = table.pack(...)
    end)
    e:emit('x', nil, 1, nil)
    assert.same({ n = 3, nil, 1, nil }, got)
  end)

  it('does not call a listener that is added while it runs', function()
    local e, log, note = recorder()
    e:on('x', function()
      e:on('x', note 'late')
    end)
    e:emit 'x'
    assert.same({}, log)
    e:emit 'x'
    assert.same({ 'late' }, log)
  end)

  it('still calls a listener that is removed while it runs', function()
    local e, log, note = recorder()
    local second = note 'second'
    e:on('x', function()
      e:off('x', second)
    end)
    e:on('x', second)
    e:emit 'x'
    e:emit 'x'
    assert.same({ 'second' }, log)
  end)

  it('may be called for the same event from a listener', function()
    local e, log, note = recorder()
    e:once('x', function()
      e:emit('x', 'inner')
    end)
    e:on('x', note 'a')
    e:emit('x', 'outer')
    assert.same({ 'a inner', 'a outer' }, log)
  end)

  it('passes on what a listener raises and calls no further one', function()
    local e, log, note = recorder()
    local boom = {}
    e:on('x', function()
      error(boom)
    end)
    e:on('x', note 'second')
    assert.equal(boom, raised(e.emit, e, 'x'))
    assert.same({}, log)
  end)

  it('takes any value but nil and NaN as an event name', function()
    local e, log, note = recorder()
    local key = {}
    for _, name in ipairs { 1, 2.5, true, key } do
      e:on(name, note 'hit')
      assert.is_true(e:emit(name))
    end
    assert.same({ 'hit', 'hit', 'hit', 'hit' }, log)
    assert.equal('ERR_INVALID_ARG_TYPE', raised(e.on, e, nil, noop).code)
    assert.equal('ERR_INVALID_ARG_TYPE', raised(e.once, e, 0 / 0, noop).code)
  end)

  it('allocates nothing', function()
    local e = events.new()
    e:on('one', noop)
    e:on('two', noop):on('two', noop)
    collectgarbage()
    collectgarbage 'stop'
    local before = collectgarbage 'count'
    for i = 1, 1000 do
      e:emit('one', i, e)
      e:emit('two', i, e)
      e:emit('none', i, e)
    end
    local after = collectgarbage 'count'
    collectgarbage 'restart'
    assert.equal(before, after)
  end)
end)

describe('EventEmitter: an unhandled error event', function()
  it('raises that very value', function()
    local err = setmetatable({ code = 'E' }, {})
    assert.equal(err, raised(events.new().emit, events.new(), 'error', err))
  end)

  it('raises a string as it is, without a position', function()
    assert.equal('boom', raised(events.new().emit, events.new(), 'error', 'boom'))
  end)

  it('raises ERR_UNHANDLED_ERROR for nil and for what is no error', function()
    local e = events.new()
    local err = raised(e.emit, e, 'error')
    assert.equal('Error [ERR_UNHANDLED_ERROR]: Unhandled error. (nil)', tostring(err))
    err = raised(e.emit, e, 'error', 5)
    assert.equal('Unhandled error. (5)', err.message)
    assert.equal(5, err.context)
  end)

  it('does not raise when somebody listens', function()
    local e, log, note = recorder()
    e:on('error', note 'got')
    assert.is_true(e:emit('error', 'boom'))
    assert.same({ 'got boom' }, log)
  end)
end)

describe('EventEmitter: on and once', function()
  it('return the emitter', function()
    local e = events.new()
    assert.equal(e, e:on('x', noop))
    assert.equal(e, e:once('x', noop))
    assert.equal(e, e:prependListener('x', noop))
    assert.equal(e, e:prependOnceListener('x', noop))
  end)

  it('keep a listener as often as it is added', function()
    local e, log, note = recorder()
    local a = note 'a'
    e:on('x', a):on('x', a):emit 'x'
    assert.same({ 'a', 'a' }, log)
  end)

  it('raise ERR_INVALID_ARG_TYPE for a listener that is no function', function()
    local e = events.new()
    for _, method in ipairs {
      'on',
      'addListener',
      'once',
      'prependListener',
      'prependOnceListener',
      'off',
      'removeListener',
    } do
      for _, value in ipairs { 'f', 5, {}, false } do
        local err = raised(e[method], e, 'x', value)
        assert.equal('ERR_INVALID_ARG_TYPE', err.code)
        assert.equal('TypeError', err.name)
        assert.matches('^The "listener" argument must be of type function', err.message)
      end
      assert.equal('ERR_INVALID_ARG_TYPE', raised(e[method], e, 'x').code)
    end
  end)

  it('prepend in front of the listeners that are there', function()
    local e, log, note = recorder()
    e:on('x', note 'b')
    e:prependListener('x', note 'a')
    e:prependOnceListener('x', note 'once')
    e:on('x', note 'c')
    e:emit 'x'
    e:emit 'x'
    assert.same({ 'once', 'a', 'b', 'c', 'a', 'b', 'c' }, log)
  end)

  it('remove a once listener before calling it', function()
    local e, counts = events.new(), {}
    e:once('x', function()
      counts[#counts + 1] = e:listenerCount 'x'
      e:emit 'x'
    end)
    e:emit 'x'
    assert.same({ 0 }, counts)
  end)

  it('remove a once listener that raises', function()
    local e = events.new()
    e:once('x', error)
    raised(e.emit, e, 'x')
    assert.equal(0, e:listenerCount 'x')
  end)
end)

describe('EventEmitter: removing', function()
  it('off takes away one registration, the latest', function()
    local e, log, note = recorder()
    local a = note 'a'
    e:on('x', a):on('x', note 'b'):on('x', a)
    assert.equal(e, e:off('x', a))
    e:emit 'x'
    assert.same({ 'a', 'b' }, log)
  end)

  it('off finds a once listener by the function given to once', function()
    local e = events.new()
    e:once('x', noop)
    e:removeListener('x', noop)
    assert.equal(0, e:listenerCount 'x')
  end)

  it('off ignores a listener that was never added', function()
    local e = events.new()
    e:off('x', noop)
    e:on('x', noop):off('x', print)
    assert.equal(1, e:listenerCount 'x')
  end)

  it('removeAllListeners takes one event or all of them', function()
    local e = events.new()
    e:on('a', noop):on('b', noop):on('c', noop)
    assert.equal(e, e:removeAllListeners 'a')
    assert.same({ 'b', 'c' }, e:eventNames())
    e:removeAllListeners()
    assert.same({}, e:eventNames())
    e:removeAllListeners():removeAllListeners 'a'
  end)

  it('removeAllListeners announces each one, the latest of an event first', function()
    local e, log, note = recorder()
    local name_of = {}
    local function add(event, name, method)
      local listener = note(name)
      name_of[listener] = name
      e[method or 'on'](e, event, listener)
    end
    e:on('removeListener', function(event, listener)
      log[#log + 1] = event .. ' ' .. name_of[listener]
    end)
    add('k', 'k1')
    add('k', 'k2', 'once')
    add('k', 'k3')
    add('j', 'j1')
    e:removeAllListeners()
    assert.same({ 'k k3', 'k k2', 'k k1', 'j j1' }, log)
    assert.same({}, e:eventNames())
  end)

  it('removeAllListeners leaves none, whatever is added while it announces', function()
    local e = events.new():setMaxListeners(3)
    e:on('removeListener', function()
      e:once('late', noop)
    end)
    e:on('x', noop):removeAllListeners()
    assert.same({}, e:eventNames())
    assert.equal(3, e:getMaxListeners())
  end)
end)

describe('EventEmitter: newListener and removeListener', function()
  it('newListener comes before the listener is there', function()
    local e, seen = events.new(), {}
    e:on('newListener', function(name, listener)
      seen[#seen + 1] = { name, listener, e:listenerCount(name) }
    end)
    e:on('x', noop)
    e:once('x', print)
    assert.same({ { 'x', noop, 0 }, { 'x', print, 1 } }, seen)
  end)

  it('a newListener listener may add one that then runs first', function()
    local e, log, note = recorder()
    e:once('newListener', function()
      e:on('x', note 'inner')
    end)
    e:on('x', note 'outer')
    e:emit 'x'
    assert.same({ 'inner', 'outer' }, log)
  end)

  it('a newListener listener does not see itself', function()
    local e, seen = events.new(), {}
    local function listener(_, other)
      seen[#seen + 1] = other
    end
    e:on('newListener', listener)
    e:on('newListener', noop)
    assert.same({ noop }, seen)
  end)

  it('removeListener comes after the listener has gone', function()
    local e, seen = events.new(), {}
    e:on('removeListener', function(name, listener)
      seen[#seen + 1] = { name, listener, e:listenerCount(name) }
    end)
    e:on('x', noop):on('x', print)
    e:off('x', noop)
    e:off('x', noop)
    assert.same({ { 'x', noop, 1 } }, seen)
  end)

  it('removeListener comes before a once listener runs', function()
    local e, log, note = recorder()
    e:on('removeListener', function()
      log[#log + 1] = 'removed'
    end)
    e:once('x', note 'ran')
    e:emit 'x'
    assert.same({ 'removed', 'ran' }, log)
  end)

  it('the last removeListener listener does not hear of itself', function()
    local e, log, note = recorder()
    local listener = note 'heard'
    e:on('removeListener', listener):off('removeListener', listener)
    assert.same({}, log)
  end)
end)

describe('EventEmitter: asking', function()
  it('listenerCount counts all, or one listener', function()
    local e = events.new()
    assert.equal(0, e:listenerCount 'x')
    e:on('x', noop):once('x', noop):on('x', print)
    assert.equal(3, e:listenerCount 'x')
    assert.equal(2, e:listenerCount('x', noop))
    assert.equal(0, e:listenerCount('y', noop))
  end)

  it('listeners gives a copy with the functions given to once', function()
    local e = events.new():on('x', noop):once('x', print)
    local list = e:listeners 'x'
    assert.same({ noop, print }, list)
    list[1] = nil
    assert.equal(2, e:listenerCount 'x')
    assert.same({}, e:listeners 'y')
  end)

  it(
    'rawListeners shows a once listener as a callable with the field listener',
    function()
      local e, log, note = recorder()
      local a = note 'a'
      e:once('x', a)
      local raw = e:rawListeners('x')[1]
      assert.equal(a, raw.listener)
      raw 'by hand'
      raw 'twice'
      assert.same({ 'a by hand' }, log)
      assert.equal(0, e:listenerCount 'x')
    end
  )

  it('off takes an item of rawListeners', function()
    local e = events.new():once('x', noop)
    e:off('x', e:rawListeners('x')[1])
    assert.equal(0, e:listenerCount 'x')
  end)

  it('eventNames is in the order of the first registration', function()
    local e = events.new()
    for _, name in ipairs { 'z', 'a', 5, 'm', 'a' } do
      e:on(name, noop)
    end
    assert.same({ 'z', 'a', 5, 'm' }, e:eventNames())
    e:off('z', noop):on('z', noop)
    assert.same({ 'a', 5, 'm', 'z' }, e:eventNames())
  end)
end)

describe('EventEmitter: setMaxListeners', function()
  it('is what getMaxListeners returns, 10 at first', function()
    local e = events.new()
    assert.equal(10, e:getMaxListeners())
    assert.equal(e, e:setMaxListeners(0))
    assert.equal(0, e:getMaxListeners())
    assert.equal(math.huge, e:setMaxListeners(math.huge):getMaxListeners())
    assert.same({}, e:eventNames())
  end)

  it('raises for a wrong type or range', function()
    local e = events.new()
    assert.equal('ERR_INVALID_ARG_TYPE', raised(e.setMaxListeners, e).code)
    assert.equal('ERR_INVALID_ARG_TYPE', raised(e.setMaxListeners, e, '5').code)
    assert.equal('ERR_OUT_OF_RANGE', raised(e.setMaxListeners, e, -1).code)
    assert.equal('ERR_OUT_OF_RANGE', raised(e.setMaxListeners, e, 0 / 0).code)
  end)

  it('does not limit how many listeners there can be', function()
    local e = events.new():setMaxListeners(1)
    for _ = 1, 20 do
      e:on('x', noop)
    end
    assert.equal(20, e:listenerCount 'x')
  end)
end)

describe('EventEmitter: as a part of other objects', function()
  it('works on any table through extend', function()
    local Class = {}
    Class.__index = Class
    assert.equal(Class, events.extend(Class))
    local a, b = setmetatable({}, Class), setmetatable({}, Class)
    local hits = 0
    a:on('x', function()
      hits = hits + 1
    end)
    assert.is_true(a:emit 'x')
    assert.is_false(b:emit 'x')
    assert.equal(1, hits)
  end)

  it('is inherited by a class of the user', function()
    local Class = setmetatable({}, { __index = events.EventEmitter })
    local object = setmetatable({}, { __index = Class })
    object:on('x', noop)
    assert.equal(1, object:listenerCount 'x')
    assert.is_nil(rawget(Class, '_events'))
  end)

  it('keeps its whole state in one field, reached by index and newindex', function()
    local fields, writes = {}, {}
    local object = setmetatable({}, {
      __index = function(_, key)
        return events.methods[key] or fields[key]
      end,
      __newindex = function(_, key, value)
        writes[key] = true
        fields[key] = value
      end,
    })
    object:on('x', noop):once('y', noop):setMaxListeners(5)
    object:emit 'y'
    assert.is_true(object:emit 'x')
    object:removeAllListeners()
    assert.same({ _events = true }, writes)
  end)

  it('lets go of a listener that was removed', function()
    local e, weak = events.new(), setmetatable({}, { __mode = 'k' })
    do
      local listener = function()
        return e
      end
      weak[listener] = true
      e:on('x', listener)
      e:off('x', listener)
    end
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)

-- Lists of more than a few entries are found by an index, with holes in between: compared
-- with a plain array that is copied for every change.
describe('EventEmitter: a long list of listeners', function()
  local function random(seed)
    return function(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return (seed >> 8) % n + 1
    end
  end

  -- The last of `list` that is `fn`.
  local function remove_last(list, fn)
    for i = #list, 1, -1 do
      if list[i] == fn then
        return table.remove(list, i)
      end
    end
  end

  -- One step: a function of a few is added at an end, or removed, or all are called.
  local function step(e, plain, functions, roll)
    local fn, kind = functions[roll(#functions)], roll(7)
    if kind <= 2 then
      e:on('x', fn)
      plain[#plain + 1] = fn
    elseif kind == 3 then
      e:prependListener('x', fn)
      table.insert(plain, 1, fn)
    elseif kind <= 6 then
      e:off('x', fn)
      remove_last(plain, fn)
    else
      e:emit('x')
    end
  end

  for seed = 1, 20 do
    it(('stays the same as a plain one (seed %d)'):format(seed), function()
      local roll, e, plain, functions = random(seed), events.new(), {}, {}
      for i = 1, seed % 2 == 0 and 60 or 5 do
        functions[i] = function() end
      end
      for _ = 1, 100 do
        e:on('x', functions[1])
        plain[#plain + 1] = functions[1]
      end
      for _ = 1, 1500 do
        step(e, plain, functions, roll)
      end
      assert.same(plain, e:listeners 'x')
      assert.equal(#plain, e:listenerCount 'x')
    end)
  end

  it('calls all that were there when the emit began', function()
    local e, log, list = events.new(), {}, {}
    for i = 1, 100 do
      list[i] = function()
        log[#log + 1] = i
      end
      e:on('x', list[i])
    end
    e:prependOnceListener('x', function()
      for i = 2, 99 do
        e:off('x', list[i])
      end
      e:on('x', list[1])
    end)
    e:emit 'x'
    assert.equal(100, #log)
    assert.equal(100, log[100])
    log = {}
    e:emit 'x'
    assert.same({ 1, 100, 1 }, log)
  end)
end)
