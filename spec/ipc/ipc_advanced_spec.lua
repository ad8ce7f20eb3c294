local t = require 'spec.helper'
local advanced = require 'child_process.ipc.advanced'
local errors = require 'child_process.errors'
local values = require 'spec.support.values'

local cp = t.cp
local null = require('child_process.core').null
local encode, decode = advanced.encode, advanced.decode

-- Made values in a test; valgrind would take a minute for them.
local COUNT = t.watched_by() == 'valgrind' and 200 or 3000

local function bytes(hex)
  return (
    hex:gsub('%s', ''):gsub('%x%x', function(pair)
      return string.char(tonumber(pair, 16))
    end)
  )
end

local function hex(payload)
  return (payload:gsub('.', function(c)
    return ('%02x'):format(c:byte())
  end))
end

local function there_and_back(value)
  return decode(encode(value))
end

local function assert_same(expected, got)
  local same, where = values.same(expected, got)
  assert(same, where)
end

local function jstype(value)
  return getmetatable(value).__jstype
end

describe('a value that goes from Lua to Lua', function()
  it(
    'is UTF-8 if it is a long text, and otherwise what JavaScript has in memory',
    function()
      local short, long = ('x'):rep(16383), ('x'):rep(16384)
      assert.equal('\xff\x0f"\xff\x7f' .. short, encode(short))
      assert.equal('\xff\x0fS\x80\x80\x01' .. long, encode(long))
      assert.equal(long, there_and_back(long))
      assert.equal(short, there_and_back(short))
    end
  )

  it('keeps integers and floats apart', function()
    local numbers = { 0, 1, -1, 63, 64, -65, 2 ^ 31 | 0, -2 ^ 31 | 0, 2 ^ 32 | 0 }
    local more = { 2 ^ 53 | 0, -2 ^ 53 | 0, (2 ^ 53 | 0) + 1, math.maxinteger }
    local floats = { 0.0, -0.0, 1.0, -1.0, 0.1, 2.0 ^ 53, 2.0 ^ 63, 5e-324, 1e300 }
    for _, list in ipairs { numbers, more, floats, { math.mininteger, 1 / 0, -1 / 0 } } do
      for _, number in ipairs(list) do
        local back = there_and_back(number)
        assert.equal(number, back)
        assert.equal(math.type(number), math.type(back))
        assert.equal(1 / number, 1 / back)
      end
    end
    local nan = there_and_back(0 / 0)
    assert.is_true(nan ~= nan)
  end)

  it('keeps any string', function()
    local strings =
      { '', 'a', 'é', '€', '\u{10FFFF}', '\0', '\xff', '\xC3', '\xED\xA0\x80' }
    for _, text in ipairs(strings) do
      for _, n in ipairs { 1, 7, 31, 32, 33, 200, 20000 } do
        assert.equal(text:rep(n), there_and_back(text:rep(n)))
      end
    end
  end)

  it('keeps booleans, null and nil', function()
    assert.equal(true, there_and_back(true))
    assert.equal(false, there_and_back(false))
    assert.equal(null, there_and_back(null))
    assert.is_nil(there_and_back(nil))
  end)

  it('keeps tables with any scalar key', function()
    assert_same({ 1, 2, 3 }, there_and_back { 1, 2, 3 })
    assert_same({ a = 1, ['1'] = 2 }, there_and_back { a = 1, ['1'] = 2 })
    local keys =
      { [1.5] = 'a', [true] = 'b', [0] = 'c', x = 'd', ['\xff'] = 'e', [null] = 'f' }
    assert_same(keys, there_and_back(keys))
    assert_same({ [-2 ^ 63 | 0] = 1 }, there_and_back { [-2 ^ 63 | 0] = 1 })
    assert_same({ [1000000] = 1 }, there_and_back { [1000000] = 1 })
    assert.is_nil(getmetatable(there_and_back(keys)))
  end)

  it('keeps holes, and the n of a packed list', function()
    assert_same({ 1, nil, 3 }, there_and_back { 1, nil, 3 })
    assert_same({ nil, 2, 3 }, there_and_back { nil, 2, 3 })
    assert_same({ nil, nil, 3 }, there_and_back { nil, nil, 3 })
    assert_same(table.pack(), there_and_back(table.pack()))
    assert_same(table.pack(1, 2), there_and_back(table.pack(1, 2)))
    assert_same(table.pack(nil, 2, nil), there_and_back(table.pack(nil, 2, nil)))
    assert_same({ 1, 2, n = 1 }, there_and_back { 1, 2, n = 1 })
    assert_same({ 1, n = 1 << 40 }, there_and_back { 1, n = 1 << 40 })
  end)

  it('keeps cycles and shared tables', function()
    local cycle = { name = 'x' }
    cycle.self, cycle.list = cycle, { cycle }
    assert_same(cycle, there_and_back(cycle))
    local shared, many = {}, {}
    for i = 1, 300 do
      many[i] = { i, shared, many[i // 2] }
    end
    assert_same(many, there_and_back(many))
  end)

  it('keeps tables as keys', function()
    local key, value = next(there_and_back { [{ 'key' }] = 'value' })
    assert.same({ 'key' }, key)
    assert.equal('value', value)
  end)

  it('keeps whether an empty table is an array', function()
    local empty = there_and_back(setmetatable({}, { __jsontype = 'array' }))
    assert.equal('ff0f4100240000', hex(encode(empty)))
    assert.equal('ff0f6f7b00', hex(encode(there_and_back {})))
  end)

  it('is the same for thousands of made values', function()
    local make = values.generator(4)
    for _ = 1, COUNT do
      local value = make()
      assert_same(value, there_and_back(value))
    end
  end)

  it('is encoded in the middle of an encoding', function()
    local calls, done = 0, false
    local function again()
      calls = calls + 1
      assert_same({ 'inner' }, there_and_back { 'inner' })
      if not done then
        setmetatable({}, { __gc = again })
      end
    end
    setmetatable({}, { __gc = again })
    local outer = values.generator(5)
    -- in a large heap a collection takes many rounds
    t.with_eager_gc(function()
      for i = 1, 100 * COUNT do
        local value = outer()
        assert_same(value, there_and_back(value))
        if i >= 200 and calls > 20 then
          break
        end
      end
    end)
    assert.is_true(calls > 0)
    done = true
    collectgarbage()
  end)

  -- the keys of a table come in another order each time
  it('is an Object, a Map or an Array whichever key comes first', function()
    local TAGS = { Object = 'o', Map = ';', Array = 'A' }
    local function check(kind, ...)
      for count = 0, 8 do
        local made = {}
        for i = 1, count do
          made['name ' .. i] = i
        end
        for _, key in ipairs { ... } do
          made[key] = key == 'n' and 2 or 'value'
        end
        local plain = kind == 'Array' and count > 0 and 'Map' or kind
        assert.equal(TAGS[plain], encode(made):sub(3, 3))
        assert_same(made, there_and_back(made))
      end
    end
    check('Object', 'n')
    check('Object', 'n\0', 'ß', '')
    check('Map', 1.5)
    check('Map', '\xff')
    check('Map', true, 'n')
    check('Map', 0, 'n')
    check('Array', 1, 2, 'n')
    check('Array', 2, 'n')
  end)
end)

describe('a value that cannot be sent', function()
  local function refused(text, value)
    local err = t.raises('ERR_INVALID_ARG_VALUE', encode, value)
    assert.equal('TypeError', err.name)
    assert.equal(text, err.message)
  end

  it('is named with the way to it', function()
    refused('message: a function cannot be sent', print)
    refused('message.a[3].b: a function cannot be sent', { a = { 1, 2, { b = print } } })
    refused(
      "message['a b']: a thread cannot be sent",
      { ['a b'] = coroutine.create(print) }
    )
    refused(
      'message[1.5][true]: a userdata cannot be sent',
      { [1.5] = { [true] = io.stdout } }
    )
    refused('message.a: a function cannot be a key', { a = { [print] = 1 } })
    refused('message[-1].x: a function cannot be sent', { [-1] = { x = print } })
  end)

  it('leaves the next one alone', function()
    for _ = 1, 100 do
      pcall(encode, { ('x'):rep(2000), print })
      assert.equal('ff0f41014902240001', hex(encode { 1 }))
    end
  end)

  it('calls no metamethod', function()
    local function called()
      error 'called'
    end
    local hostile = setmetatable({ a = 1 }, {
      __index = called,
      __pairs = called,
      __len = called,
      __tostring = called,
    })
    assert.equal('ff0f6f22016149027b01', hex(encode(hostile)))
  end)
end)

describe('what only Node has', function()
  it('arrives as told, and goes back as it came', function()
    local date = decode(bytes 'ff0f440000000000001440')
    assert.same({ time = 5 }, date)
    assert.equal('Date', jstype(date))
    local regexp = decode(bytes 'ff0f52220361622b03')
    assert.same({ source = 'ab+', flags = 'gi' }, regexp)
    local set = decode(bytes 'ff0f27490222017a2c02')
    assert.same({ 1, 'z' }, set)
    local map = decode(bytes 'ff0f3b22016149023a02')
    assert.same({ a = 1 }, map)
    local long = decode(bytes 'ff0f5a2100000000000000004000000000000000')
    assert.same({ value = '-0x400000000000000000' }, long)
    for name, value in pairs {
      Date = date,
      RegExp = regexp,
      Set = set,
      Map = map,
      BigInt = long,
    } do
      assert.equal(name, jstype(value))
      assert.equal(name, jstype(there_and_back(value)))
      assert_same(value, there_and_back(value))
    end
  end)

  it('is sent by a metatable of one own', function()
    local function js(class, value)
      return hex(encode(setmetatable(value, { __jstype = class })))
    end
    assert.equal('ff0f440000000000001440', js('Date', { time = 5 }))
    assert.equal('ff0f52220361622b03', js('RegExp', { source = 'ab+', flags = 'gi' }))
    assert.equal('ff0f3b3a00', js('Map', {}))
    assert.equal('ff0f5a11ff00000000000000', js('BigInt', { value = '-0xfF' }))
  end)

  it('is a plain table where something is missing', function()
    for _, class in ipairs { 'Date', 'RegExp', 'BigInt', 'Whatever' } do
      assert.equal('ff0f6f7b00', hex(encode(setmetatable({}, { __jstype = class }))))
    end
    local bad = setmetatable({ value = '0xg' }, { __jstype = 'BigInt' })
    assert.same({ value = '0xg' }, there_and_back(bad))
  end)

  it('arrives as integers where 64 bits are enough', function()
    assert.equal(-5, decode(bytes 'ff0f5a110500000000000000'))
    assert.equal(math.mininteger, decode(bytes 'ff0f5a110000000000000080'))
    assert.equal('0x8000000000000000', decode(bytes 'ff0f5a100000000000000080').value)
    assert.equal(0, decode(bytes 'ff0f5a00'))
    assert.equal('integer', math.type(decode(bytes 'ff0f4e000000000000f03f')))
    assert.equal('float', math.type(decode(bytes 'ff0f4e000000000000f043')))
  end)

  it('makes error values of errors', function()
    local err = decode(bytes 'ff0f72526d2201716349027322027374 2e')
    assert.is_true(errors.is_error(err))
    assert.equal('RangeError: q', tostring(err))
    assert.equal('st', err.stack)
    assert.equal(1, err.cause)
    -- a newer V8 takes no stack behind the cause
    assert.equal('ff0f72526d2201717322027374' .. '6349022e', hex(encode(err)))
    assert.is_true(errors.is_error(there_and_back(err)))
    local own = errors.new('Error', 'ENOENT', 'no file', { path = '/x' })
    assert_same(
      { name = 'Error', code = 'ENOENT', message = 'no file', path = '/x' },
      there_and_back(own)
    )
  end)

  it('is a string where it is bytes', function()
    local views = 'ff0f41075c00 0a0268695c00040401000200 42025a5a 5c00090100'
    local tail = '5e01 4204010203045602010200 7e02040708 240007'
    local list = decode(bytes(views .. tail))
    assert.same({ 'hi', '\1\0\2\0', 'ZZ', '\0', 'hi', '\2\3', '\7\8' }, list)
  end)

  it('is the value in a boxed one', function()
    local list = decode(
      bytes 'ff0f41056e0000000000001440 73220173 79 78 7a100500000000000000 240005'
    )
    assert.same({ 5, 's', true, false, 5 }, list)
  end)

  it('has texts of one and of two bytes a character', function()
    assert.equal('é', decode(bytes 'ff0f2201e9'))
    assert.equal('€', decode(bytes 'ff0f6302ac20'))
    assert.equal('\u{1F600}', decode(bytes 'ff0f63043dd800de'))
    assert.equal('\u{FFFD}x\u{FFFD}', decode(bytes 'ff0f630600d8780000dc'))
  end)

  it('has the properties of an array beside its elements', function()
    local list = decode(bytes 'ff0f41014902 2201616f220162307b01 2201634904 240201')
    assert.same({ 1, a = { b = null }, c = 2 }, list)
  end)

  it('leaves out what no table can have', function()
    local map = decode(bytes 'ff0f3b4e000000000000f87f49025f49043049063a06')
    assert_same({ [null] = 3 }, map)
    assert.same({}, decode(bytes 'ff0f6f2201615f7b01'))
  end)

  it('comes from the versions 13 to 15', function()
    for _, version in ipairs { '0d', '0e', '0f' } do
      assert.equal(1, decode(bytes('ff' .. version .. '4902')))
    end
    assert.equal('\2', decode(bytes 'ff0d 4202 0102 56 42 01 01'))
  end)
end)

describe('a payload that is none', function()
  local function broken(payload)
    local err = t.raises('ERR_IPC_INVALID_MESSAGE', decode, payload)
    assert.matches(' at byte %d+$', err.message)
  end

  it('raises wherever it is cut off', function()
    local value =
      { 1, 2.5, 'x', 'é', '\xff', { a = { 1 << 60 } }, [9] = true, [true] = null }
    value[11] = value
    local payload = encode(value)
    for size = 0, #payload - 1 do
      broken(payload:sub(1, size))
    end
    broken(payload .. '0')
  end)

  it('raises for lengths, counts and references that cannot be', function()
    for _, text in ipairs {
      '0f4902', -- no header
      'ff0c4902', -- too old
      'ff104902', -- too new
      'ff0f22ffffffff0f', -- a text of 4 GiB
      'ff0f22ffffffffff01', -- a length of more than 32 bits
      'ff0f41ffffffff0f', -- an array of 4 G elements
      'ff0f6122490222017840ffffffff0f', -- an index beyond the end
      'ff0f630100', -- half a character
      'ff0f5e00', -- a reference to nothing
      'ff0f735e00', -- a text that refers to itself
      'ff0f6f5e0049027b01', -- an object as a name
      'ff0f6f7b01', -- a wrong count
      'ff0f5c0200', -- an unknown host object
      'ff0f727a', -- an unknown part of an error
      'ff0f7501', -- a SharedArrayBuffer
      'ff0f4201005601000200', -- a view beyond its buffer
      'ff0f42010041025e005601000100', -- a second view of a buffer
      'ff0f5afeffffff0f', -- a BigInt of 2 GiB
    } do
      broken(bytes(text))
    end
  end)

  it('raises for objects nested too deeply', function()
    for _, open in ipairs { 'A\1', 'o"\0', ';', "'", 'a\1I\0', '\\\1', 'rc' } do
      broken(bytes 'ff0f' .. open:rep(100000))
    end
  end)

  it('takes no more memory than its length allows', function()
    local nested = bytes 'ff0f' .. ('A\xff\xff\x03'):rep(190) .. ('0'):rep(70000)
    local sparse = bytes 'ff0f' .. ('a\xff\xff\x03I\0'):rep(190) .. ('0'):rep(300000)
    collectgarbage()
    local before = collectgarbage 'count'
    collectgarbage 'stop'
    broken(nested)
    broken(sparse)
    local taken = (collectgarbage 'count' - before) * 1024
    collectgarbage 'restart'
    assert.is_true(taken < 32 * (#nested + #sparse), taken)
  end)

  it('raises or is taken, whatever single byte is changed', function()
    local make, below = values.generator(6)
    for _ = 1, 300 do
      local payload = encode(make())
      local at = below(#payload)
      local changed = payload:sub(1, at - 1)
        .. string.char(below(256) - 1)
        .. payload:sub(at + 1)
      local ok, err = pcall(decode, changed)
      assert.is_true(ok or err.code == 'ERR_IPC_INVALID_MESSAGE')
    end
  end)
end)

-- Frames as they lie in a file: each payload behind its length.
local function frames(payloads)
  local list = {}
  for i, payload in ipairs(payloads) do
    list[i] = string.pack('>s4', payload)
  end
  return table.concat(list)
end

local function payloads(text)
  local list, at = {}, 1
  while at <= #text do
    list[#list + 1], at = string.unpack('>s4', text, at)
  end
  return list
end

describe("Node's own channel", function()
  local it = t.wrap(it)

  local function node(mode, ...)
    if not os.execute 'command -v node >/dev/null' then
      pending 'no node here'
    end
    local child = cp.spawn('node', { t.fixture 'advanced_peer.js', mode, ... })
    local out, err = t.collect(child.stdout), t.collect(child.stderr)
    local result = child:wait(t.TEST_TIMEOUT)
    assert.equal('', err())
    assert.is_true(result.ok)
    return out()
  end

  it('sees what is told, and sends the same back', function()
    local folder, make = t.tmpdir(), values.generator(7)
    local sent, made = {}, {}
    for i = 1, COUNT do
      made[i] = { value = make() } -- Node takes not every scalar as a message
      sent[i] = encode(made[i])
    end
    local to = t.write_file(folder .. '/to', frames(sent))
    local lines = node('echo', to, folder .. '/from', tostring(COUNT)):gmatch '[^\n]+'
    local back = payloads(t.slurp(folder .. '/from'))
    for i, value in ipairs(made) do
      assert.equal(values.describe(value), lines())
      local same, where = values.same(value, decode(back[i]), 'as numbers')
      assert(same, where)
    end
  end, { timeout = 4 * t.TEST_TIMEOUT })

  it('gets back what it has sent', function()
    local folder, back = t.tmpdir(), {}
    node('send', folder .. '/from', tostring(COUNT))
    for i, payload in ipairs(payloads(t.slurp(folder .. '/from'))) do
      back[i] = encode(decode(payload))
    end
    local to = t.write_file(folder .. '/to', frames(back))
    assert.equal(COUNT .. ' messages\n', node('check', to, tostring(COUNT)))
  end, { timeout = 4 * t.TEST_TIMEOUT })
end)
