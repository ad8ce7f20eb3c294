local t = require 'spec.helper'
local json = require 'child_process.ipc.json'
local cp = t.cp
local it = t.wrap(it)

local found_cjson, cjson = pcall(require, 'cjson')

-- How many generated values there are; valgrind is slow.
local function many(n)
  return t.watched_by() == 'valgrind' and n // 20 or n
end

-- Equal to the last bit, subtypes of numbers included.
local function equal(a, b)
  if math.type(a) == 'float' and math.type(b) == 'float' then
    return string.pack('d', a) == string.pack('d', b)
  elseif type(a) ~= 'table' or type(b) ~= 'table' then
    return a == b and math.type(a) == math.type(b)
  end
  for key, value in pairs(a) do
    if not equal(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

-- Making values and texts ------------------------------------------------------------

local function random_float()
  local x
  repeat
    x = string.unpack('d', string.pack('j', math.random(0)))
  until x == x and math.abs(x) ~= math.huge
  return x
end

-- What the codec makes of it.
local function as_sent(x)
  local n = math.tointeger(x)
  return n and (n ~= 0 or 1 / x > 0) and n or x
end

local function random_character()
  local kind = math.random(8)
  if kind == 1 then
    return utf8.char(math.random(0, 0x7F))
  elseif kind == 2 then
    return utf8.char(math.random(0x80, 0xD7FF))
  elseif kind == 3 then
    return utf8.char(math.random(0xE000, 0x10FFFF))
  elseif kind == 4 then
    local special = '"\\/\b\f\n\r\t\0\31\127'
    local i = math.random(#special)
    return special:sub(i, i)
  end
  return string.char(math.random(0x61, 0x7A)):rep(math.random(40))
end

local function random_string()
  local out = {}
  for i = 1, math.random(0, 6) do
    out[i] = random_character()
  end
  return table.concat(out)
end

local random_value

local scalars = {
  function()
    return math.random(-1000, 1000)
  end,
  function()
    return math.random(-(1 << 53), 1 << 53)
  end,
  function()
    return as_sent(random_float())
  end,
  function()
    return as_sent(math.random(-100000, 100000) / 1000)
  end,
  function()
    return math.random() < 0.5
  end,
  function()
    return cp.null
  end,
  random_string,
  random_string,
}

local function random_table(depth)
  local out = {}
  local is_list = math.random() < 0.5
  for i = 1, math.random(0, depth == 1 and math.random(20) == 1 and 100 or 5) do
    out[is_list and i or random_string()] = random_value(depth - 1)
  end
  return out
end

function random_value(depth)
  if depth > 0 and math.random() < 0.6 then
    return random_table(depth)
  end
  return scalars[math.random(#scalars)]()
end

local function one_of(list)
  return list[math.random(#list)]
end

local function space()
  return math.random(4) == 1 and one_of { ' ', '\t', '\r', '  ' } or ''
end

local function random_text_string()
  local out = {}
  for i = 1, math.random(0, 6) do
    out[i] = one_of {
      '\\n',
      '\\"',
      '\\\\',
      '\\/',
      '\\b',
      '\\u0000',
      '\\u00e9',
      '\\uD83D\\uDE00',
      '\\ud800',
      '\\udC00x',
      '\\ud800\\u0041',
      '\u{20AC}',
      '\u{1F600}',
      '\127',
      'text',
      ('x'):rep(math.random(90)),
    }
  end
  return '"' .. table.concat(out) .. '"'
end

local function random_text_number()
  return one_of { '', '-' }
    .. one_of { '0', '7', '10', '123456789012345678901234567890', '9007199254740993' }
    .. one_of { '', '.0', '.5', '.' .. ('3'):rep(math.random(30)), '.000001' }
    .. one_of { '', 'e5', 'E+17', 'e-7', 'e-320', 'e308', 'e-0', 'e400' }
end

-- A JSON text in all the ways it may be written; no two keys of an object are equal.
local function random_text(depth)
  local kind = math.random(depth > 0 and 9 or 5)
  if kind <= 2 then
    return random_text_string()
  elseif kind <= 4 then
    return random_text_number()
  elseif kind == 5 then
    return one_of { 'true', 'false', 'null' }
  end
  local parts = {}
  for i = 1, math.random(0, 5) do
    local name = kind > 7 and ('"%d%s"'):format(i, one_of { '', '\\n', 'é' }) or ''
    parts[i] = space()
      .. name
      .. space()
      .. (kind > 7 and ':' or '')
      .. space()
      .. random_text(depth - 1)
      .. space()
  end
  local inner = table.concat(parts, ',')
  return kind > 7 and '{' .. inner .. '}' or '[' .. inner .. ']'
end

-- One byte gone, doubled or changed: mostly no JSON any more.
local function broken(text)
  local i = math.random(#text)
  local new =
    one_of { '', text:sub(i, i):rep(2), one_of { ',', '"', '0', ']', 'e', '-' } }
  return text:sub(1, i - 1) .. new .. text:sub(i + 1)
end

-- Node as the judge --------------------------------------------------------------------

-- One line for each line it gets: its value, with the bits of each number, or `error`.
local ORACLE = [[
const bytes = Buffer.alloc(8)
const hex = x => { bytes.writeDoubleBE(x); return bytes.toString('hex') }
const mark = (_, v) => typeof v === 'number' ? { double: hex(v) } : v
const lines = require('fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
process.stdout.write(lines.map(line => {
  try { return JSON.stringify(JSON.parse(line, mark)) } catch { return 'error' }
}).join('\n') + '\n')
]]

local has_node = os.execute 'command -v node >/dev/null 2>&1'

local function ask_node(lines, answer)
  if not has_node then
    pending 'node is not installed'
  end
  local input = table.concat(lines, '\n') .. '\n'
  local options = { input = input, maxBuffer = 1 << 28 }
  local done = t.expect(function(err, stdout)
    assert.is_nil(err)
    local i = 0
    for line in stdout:gmatch '([^\n]*)\n' do
      i = i + 1
      answer(i, line)
    end
    assert.equal(#lines, i)
  end)
  cp.execFile('node', { '-e', ORACLE }, options, done)
end

-- Whether `ours` is what Node has read.
local function same_as_node(ours, node)
  if type(ours) == 'number' then
    local bits = string.pack('>d', ours):gsub('.', function(c)
      return ('%02x'):format(c:byte())
    end)
    return type(node) == 'table' and node.double == bits
  elseif type(ours) ~= 'table' then
    return ours == node
  end
  for key in pairs(node) do
    if ours[key] == nil then
      return false
    end
  end
  for key, value in pairs(ours) do
    if not same_as_node(value, node[key]) then
      return false
    end
  end
  return true
end

-- --------------------------------------------------------------------------------------

describe('json encode', function()
  it('writes scalars as JSON does', function()
    local cases = {
      { 0, '0' },
      { -1, '-1' },
      { 10, '10' },
      { 100, '100' },
      { 1234567, '1234567' },
      { 1.5, '1.5' },
      { -0.001, '-0.001' },
      { 0.1 + 0.2, '0.30000000000000004' },
      { 3.0, '3' },
      { 1e15, '1000000000000000' },
      { 1e20, '100000000000000000000' },
      { 1e21, '1e+21' },
      { 1e300, '1e+300' },
      { 5e-324, '5e-324' },
      { 1.7976931348623157e308, '1.7976931348623157e+308' },
      { 0.000001, '0.000001' },
      { 1.5e-7, '1.5e-7' },
      { -0.0, '-0.0' },
      { 0 / 0, 'null' },
      { math.huge, 'null' },
      { -math.huge, 'null' },
      { true, 'true' },
      { false, 'false' },
      { cp.null, 'null' },
      { '', '""' },
      { 'é€😀', '"é€😀"' },
      { '"\\/\b\f\n\r\t', [["\"\\/\b\f\n\r\t"]] },
      { '\0\1\11\31\127', '"\\u0000\\u0001\\u000b\\u001f\127"' },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], json.encode(case[1]))
    end
  end)

  it('writes integers with all their digits', function()
    local n = 1
    for _ = 1, 200 do
      for _, m in ipairs { n, -n, ~n, n + 1 } do
        assert.equal(('%d'):format(m), json.encode(m))
      end
      n = n * 3 // 2 + 1
    end
    assert.equal('-9223372036854775808', json.encode(math.mininteger))
    assert.equal('9223372036854775807', json.encode(math.maxinteger))
  end)

  it('writes no float that is read as another', function()
    math.randomseed(1)
    for _ = 1, many(20000) do
      local x = random_float()
      local text = json.encode(x)
      assert.equal(string.pack('d', x), string.pack('d', tonumber(text) + 0.0), text)
      assert.is_true(#text <= 25, text)
    end
  end)

  it('tells lists from objects by their keys', function()
    assert.equal('[1,2,3]', json.encode { 1, 2, 3 })
    assert.equal('{"a":1}', json.encode { a = 1 })
    assert.equal('{"1":"x"}', json.encode { ['1'] = 'x' })
    assert.equal('[[],{},[{}]]', json.encode(json.decode '[[],{},[{}]]'))
    local backwards = {}
    for i = 100, 1, -1 do
      backwards[i] = i
    end
    assert.same(backwards, json.decode(json.encode(backwards)))
    assert.equal('[1,2]', json.encode { [2] = 2, [1] = 1 })
  end)

  it('writes {} for an empty table, unless its metatable says array', function()
    assert.equal('{}', json.encode {})
    assert.equal('{}', json.encode(setmetatable({}, {})))
    assert.equal('{}', json.encode(setmetatable({}, { __jsontype = 'object' })))
    assert.equal('[]', json.encode(setmetatable({}, { __jsontype = 'array' })))
    assert.equal(
      '{"a":1}',
      json.encode(setmetatable({ a = 1 }, { __jsontype = 'array' }))
    )
  end)

  it('sends a table that is in it twice twice', function()
    local shared = { 1 }
    assert.equal('[[1],[1],[[1]]]', json.encode { shared, shared, { shared } })
  end)

  it('calls no metamethod', function()
    local trap = setmetatable({ 1 }, {
      __index = error,
      __len = error,
      __pairs = error,
      __tostring = error,
      __eq = error,
    })
    assert.equal('[[1]]', json.encode { trap })
  end)

  it('grows as needed #slow', function()
    for _, size in ipairs { 0, 1, 15, 16, 63, 64, 1000, 1024, 70000, many(1 << 20) } do
      for _, piece in ipairs { 'x', '"', '\1', 'é' } do
        local text = piece:rep(size)
        local value = { text, 'y', text, { text } }
        assert.is_true(equal(value, json.decode(json.encode(value))))
      end
    end
  end)

  it('may be called by a finalizer that runs within it', function()
    local big, again = ('x'):rep(300000), 0
    local function leave()
      setmetatable({}, {
        __gc = function()
          again = again + 1
          assert(json.encode { big } == '["' .. big .. '"]')
        end,
      })
    end
    repeat
      leave()
      assert(json.encode { 'y', big } == '["y","' .. big .. '"]')
    until again > 20
  end)

  it('refuses what JSON has nothing for, and says where it is', function()
    local holes, cycle = { 1, nil, 3 }, { a = { 1 } }
    cycle.a[2] = { b = cycle }
    local cases = {
      { print, 'message: a function cannot be sent' },
      { { a = { 1, 2, print } }, 'message.a[3]: a function cannot be sent' },
      {
        { ['a b'] = { c1 = io.stdout } },
        "message['a b'].c1: a userdata cannot be sent",
      },
      { { coroutine.create(print) }, 'message[1]: a thread cannot be sent' },
      { { x = '\xFF' }, 'message.x: a string that is not UTF-8' },
      { { '\xED\xA0\x80' }, 'message[1]: a string that is not UTF-8' },
      { { { ['\xC0\x80'] = 1 } }, "message[1]['\\xc0\\x80']: a key that is not UTF-8" },
      { { y = holes }, 'message.y: a list with holes' },
      { { z = { 1, 2, a = 3 } }, 'message.z: a table with keys of different types' },
      { { { [0] = 1 } }, 'message[1]: a table with a key below 1' },
      { { [1.5] = 1 }, 'message: a table with a key that is neither string nor integer' },
      {
        { [true] = 1 },
        'message: a table with a key that is neither string nor integer',
      },
      { cycle, 'message.a[2].b: a table that is part of itself' },
    }
    for _, case in ipairs(cases) do
      local err = t.raises('ERR_INVALID_ARG_VALUE', json.encode, case[1])
      assert.equal('TypeError', err.name)
      local as_json = case[2]:find 'sent$' and '' or ' cannot be sent as JSON'
      assert.equal(case[2] .. as_json, err.message)
      assert.truthy(utf8.len(err.message))
    end
    t.raises('ERR_INVALID_ARG_VALUE', json.encode, nil)
  end)
end)

describe('json decode', function()
  it('reads numbers exactly, integral ones as integers', function()
    local cases = {
      ['0'] = 0,
      ['-0'] = -0.0,
      ['-0.0'] = -0.0,
      ['0e5'] = 0,
      ['1.0'] = 1,
      ['1e3'] = 1000,
      ['12.5e1'] = 125,
      ['1.5'] = 1.5,
      ['9007199254740993'] = 9007199254740993,
      ['9223372036854775807'] = math.maxinteger,
      ['-9223372036854775808'] = math.mininteger,
      ['9223372036854775808'] = 2.0 ^ 63,
      ['-9223372036854775809'] = -(2.0 ^ 63),
      ['1000000000000000000000'] = 1e21,
      ['1e300'] = 1e300,
      ['1e999'] = math.huge,
      ['-1e999'] = -math.huge,
      ['1e-999'] = 0,
      ['-1e-999'] = -0.0,
      ['1e99999999999999999999999999'] = math.huge,
      ['0.' .. ('0'):rep(2000) .. '1e2001'] = 1,
      ['1' .. ('0'):rep(2000) .. 'e-2000'] = 1,
      ['0.30000000000000004'] = 0.1 + 0.2,
      ['2.2250738585072011e-308'] = 2.2250738585072011e-308,
      -- half way between two doubles, and the digits behind it
      ['9007199254740993.0'] = 9007199254740992,
      ['9007199254740993.' .. ('0'):rep(900) .. '1'] = 9007199254740994,
    }
    for text, value in pairs(cases) do
      assert.is_true(equal(value, json.decode(text)), text)
    end
  end)

  it('reads what Lua itself reads, to the last bit', function()
    math.randomseed(2)
    for _ = 1, many(20000) do
      local text = ('%%.%dg'):format(math.random(1, 25)):format(random_float())
      if not text:find 'inf' then
        local value = json.decode(text)
        assert.equal(
          string.pack('d', tonumber(text) + 0.0),
          string.pack('d', value),
          text
        )
      end
    end
  end)

  it('reads strings', function()
    local cases = {
      ['""'] = '',
      [ [["\"\\\/\b\f\n\r\t"]] ] = '"\\/\b\f\n\r\t',
      [ [["\u0041\u00e9\u20AC\u0000"]] ] = 'Aé€\0',
      [ [["\ud83d\ude00"]] ] = '😀',
      [ [["a\ud83d"]] ] = 'a\u{FFFD}',
      [ [["\ude00\ud83d\ud83d\ude00"]] ] = '\u{FFFD}\u{FFFD}😀',
      [ [["\ud83dx\ud83d\n"]] ] = '\u{FFFD}x\u{FFFD}\n',
      ['"\127é€😀"'] = '\127é€😀',
      ['"a\xFFb\xE2\x82"'] = 'a\u{FFFD}b\u{FFFD}',
      ['"\xED\xA0\x80\\n\xC0\x80"'] = ('\u{FFFD}'):rep(3) .. '\n' .. ('\u{FFFD}'):rep(2),
    }
    for text, value in pairs(cases) do
      assert.equal(value, json.decode(text))
    end
    for _, size in ipairs { 15, 16, 17, 63, 64, 65, 511, 512, 513, 5000 } do
      local text = ('x'):rep(size)
      assert.equal(text, json.decode('"' .. text .. '"'))
      assert.equal('\n' .. text, json.decode('"\\n' .. text .. '"'))
      assert.equal(text .. '\u{FFFD}"', json.decode('"' .. text .. '\xFF\\""'))
    end
  end)

  it('reads tables', function()
    assert.same({}, json.decode '[]')
    assert.same({}, json.decode ' { } ')
    assert.same({ 1, { 2, { a = {} } } }, json.decode ' [ 1 ,\t[2,\r\n{ "a" : { } } ] ] ')
    assert.same({ a = 3, b = 2 }, json.decode '{"a":1,"b":2,"a":3}')
    assert.same({ ['__proto__'] = { 1 }, [''] = 0 }, json.decode '{"__proto__":[1],"":0}')
    assert.equal(cp.null, json.decode 'null')
    assert.equal(cp.null, json.decode('[null]')[1])
    assert.is_false(json.decode 'false')
    for _, size in ipairs { 1, 15, 16, 17, 31, 32, 33, 64, 65, 1000, 100000 } do
      local list, object = {}, {}
      for i = 1, size do
        list[i], object['k' .. i] = i, i
      end
      assert.is_true(equal(list, json.decode(json.encode(list))))
      assert.is_true(equal(object, json.decode(json.encode(object))))
    end
  end)

  it('lets the last of equal keys count, however many lie between', function()
    for _, size in ipairs { 0, 1, 14, 15, 16, 17, 100 } do
      local text = '{"a":1,' .. ('"b":2,'):rep(size) .. '"a":3}'
      assert.equal(3, json.decode(text).a)
    end
  end)

  it('keeps an empty array an array when it is sent on', function()
    local value = json.decode '{"list":[],"object":{}}'
    assert.equal('[]', json.encode(value.list))
    assert.equal('{}', json.encode(value.object))
    value.list[1] = 'x'
    assert.equal('["x"]', json.encode(value.list))
  end)

  it('refuses everything else', function()
    local bad = {
      '',
      ' ',
      '[',
      ']',
      '{',
      '}',
      '[1,]',
      '[,1]',
      '[1 2]',
      '[1}',
      '{"a":1]',
      '{"a":1,}',
      '{"a"}',
      '{"a":}',
      '{a:1}',
      '{1:2}',
      "{'a':1}",
      '1 2',
      '01',
      '-',
      '+1',
      '.5',
      '1.',
      '1.e5',
      '1e',
      '1e+',
      '0x10',
      '-01',
      'nan',
      'NaN',
      'Infinity',
      'nul',
      'nulll',
      'True',
      'undefined',
      '"',
      '"abc',
      '"\\',
      '"\\"',
      '"\\x41"',
      '"\\u12"',
      '"\\u12G4"',
      '"\n"',
      '"\0"',
      '"\31"',
      '\0',
      '1\0',
      '\xEF\xBB\xBF1',
      '[1]\u{A0}',
      '\f1',
      '// 1',
      '\xFF',
    }
    for _, text in ipairs(bad) do
      local ok, err = pcall(json.decode, text)
      assert.is_false(ok, text)
      assert.equal('SyntaxError', err.name, text)
      assert.truthy(utf8.len(err.message), text)
    end
  end)

  it('says which byte is wrong', function()
    local _, err = pcall(json.decode, '[null, nope]')
    local text = 'unexpected character at byte 9 of a JSON text, near %s'
    assert.equal('SyntaxError: ' .. text:format "'[null, nope]'", tostring(err))
    _, err = pcall(json.decode, '[')
    assert.truthy(err.message:find '^unexpected end at byte 2')
  end)
end)

describe('json', function()
  it('brings every value back as it was #slow', function()
    math.randomseed(3)
    for _ = 1, many(5000) do
      local value = random_value(3)
      local text = json.encode(value)
      assert.is_true(equal(value, json.decode(text)), text)
      assert.is_nil(text:find '[%z\1-\31]')
    end
  end)

  it('says the same to Node #slow', function()
    math.randomseed(4)
    local values, lines = {}, {}
    for i = 1, many(5000) do
      values[i] = random_value(3)
      lines[i] = json.encode(values[i])
    end
    ask_node(lines, function(i, line)
      assert.is_true(same_as_node(values[i], json.decode(line)), lines[i])
    end)
  end)

  it('reads texts as Node does, and refuses what Node refuses #slow', function()
    math.randomseed(5)
    local lines, refused = {}, 0
    for i = 1, many(10000), 2 do
      lines[i] = random_text(3)
      lines[i + 1] = broken(lines[i])
    end
    ask_node(lines, function(i, line)
      local ok, value = pcall(json.decode, lines[i])
      assert.equal(line ~= 'error', ok, lines[i])
      assert.is_true(not ok or same_as_node(value, json.decode(line)), lines[i])
      refused = refused + (ok and 0 or 1)
      assert.is_true(i < #lines or refused > many(1000))
    end)
  end)

  it('says the same to cjson', function()
    if not found_cjson then
      pending 'lua-cjson is not installed'
    end
    assert.equal(cjson.null, cp.null)
    math.randomseed(6)
    for _ = 1, many(2000) do
      local value = random_value(3)
      local theirs = cjson.decode(json.encode({ value }))
      assert.same({ value }, theirs)
    end
  end)

  it('understands cjson', function()
    if not found_cjson then
      pending 'lua-cjson is not installed'
    end
    math.randomseed(7)
    local codec = cjson.new()
    for _ = 1, many(2000) do
      local text = codec.encode { random_value(3) }
      assert.same(codec.decode(text), json.decode(text))
    end
  end)

  it('is loaded without cjson', function()
    local program = [[
      local json = require 'child_process.ipc.json'
      print(json.encode(setmetatable({}, {})), package.loaded.cjson)
    ]]
    local command, args = t.lua(program)
    local done = t.expect(function(err, stdout)
      assert.is_nil(err)
      assert.equal('{}\tnil\n', stdout)
    end)
    cp.execFile(command, args, done)
  end)
end)
