-- Maps and arrays of a peer whose keys are chosen so that the table they become costs
-- much time: numbers that Lua puts into one node, to be compared one by one.
local t = require 'spec.helper'
local advanced = require 'child_process.ipc.advanced'

local decode = advanced.decode

local function varint(n)
  local bytes = {}
  while n >= 128 do
    bytes[#bytes + 1] = string.char(n & 127 | 128)
    n = n >> 7
  end
  return table.concat(bytes) .. string.char(n)
end

-- Keys, from 1 to `count`, each with its place as the value.
local function entries(count, key)
  local list = {}
  for i = 1, count do
    list[i] = key(i) .. 'I' .. varint(2 * i)
  end
  return table.concat(list)
end

local function map(count, key)
  return ';' .. entries(count, key) .. ':' .. varint(2 * count)
end

local function sparse_array(count, length, key)
  local header, footer = varint(length), varint(count) .. varint(length)
  return 'a' .. header .. entries(count, key) .. '@' .. footer
end

local function double(x)
  return 'N' .. string.pack('d', x)
end

local function payload(...)
  return '\xff\x0f' .. table.concat { ... }
end

-- Bits of the number of nodes of a table, and so many keys that it is nearly full.
local BITS = t.watched_by() == 'valgrind' and 13 or 14
local COUNT = (1 << BITS) * 9 // 10

-- Multiples of it have one node in a table of 2^bits nodes, however Lua 5.4.x counts.
local function step_for(bits)
  return ((1 << bits) - 1) << bits
end

local STEP = step_for(BITS)

local function bigint(i)
  return (i < 0 and 'Z\17' or 'Z\16') .. string.pack('<i8', math.abs(i))
end

local function multiple(step)
  return function(i)
    return bigint(i * step)
  end
end

-- They differ only in bits behind the first 31.
local function near_one(i)
  return double(string.unpack('d', string.pack('i8', 0x3FF << 52 | 2 * i + 1)))
end

local function refused(...)
  local err = t.raises('ERR_IPC_INVALID_MESSAGE', decode, payload(...))
  assert.matches('numbers as keys that would crowd a table at byte', err.message)
end

local function taken(count, key_at, encoded)
  local got = decode(payload(encoded))
  local n = 0
  for _ in pairs(got) do
    n = n + 1
  end
  assert.equal(count, n)
  for i = 1, count, count // 100 do
    assert.equal(i, got[key_at(i)])
  end
end

describe('numbers as keys in a message', function()
  it('are refused when they would crowd a table', function()
    refused(map(COUNT, multiple(STEP)))
    refused(map(COUNT, multiple(-STEP)))
    refused(map(COUNT, function(i)
      return double(i * STEP)
    end))
    refused(map(COUNT, near_one))
    refused(sparse_array(COUNT, 0xfffffffe, function(i)
      local step = (1 << BITS) - (i % 2 == 0 and 1 or 0)
      return 'U' .. varint((i // 2 + 1) * step - 1)
    end))
  end)

  it('are refused when other keys make the table larger first', function()
    refused(map(2 * COUNT, function(i)
      return i <= COUNT and '"\5' .. ('%05d'):format(i)
        or double((i - COUNT) * step_for(BITS + 1))
    end))
  end)

  it('are refused when other keys make the table larger later', function()
    refused(map(4 * COUNT, function(i)
      return i <= COUNT and double(i * step_for(BITS + 2)) or '"\6' .. ('%06d'):format(i)
    end))
  end)

  it('are refused when others lie in the array of the table', function()
    refused(map(4 * COUNT, function(i)
      return bigint(i <= 3 * COUNT and 3 * COUNT + 1 - i or i * STEP)
    end))
    -- in Lua 5.5 a third of an array may be used, in 5.4 more than half must be
    local third = (8 << BITS) // 3 + 2
    refused(map(third + COUNT, function(i)
      return i <= third and bigint(3 * i - 2) or double((i - third) * STEP)
    end))
    -- the same in a message that is long enough for an array of them
    local rest = ('x'):rep(20 << 20)
    refused('A\2', map(3000, multiple(4095)), '"', varint(#rest), rest, '$\0\2')
  end)

  it(
    'are refused when keys that come again, or go, seem to make the table larger',
    function()
      local function string_key(i)
        return '"\5' .. ('%05d'):format(i)
      end
      local function crowd(i)
        return i <= COUNT and string_key(1) or double((i - COUNT) * STEP)
      end
      refused(map(2 * COUNT, crowd))
      refused(map(2 * COUNT, function(i)
        return i <= COUNT and double(i % 100 + 0.5) or crowd(i)
      end))
      local gone = {}
      for i = 1, 2 * COUNT do
        gone[i] = string_key((i + 1) // 2) .. (i % 2 == 0 and '_' or 'T')
      end
      refused(
        ';',
        table.concat(gone),
        entries(COUNT, multiple(STEP)),
        ':',
        varint(6 * COUNT)
      )
    end
  )

  it('are taken when a few come again, or go', function()
    local list = {}
    for i = 1, 300 do
      list[i] = double(i + 0.5) .. 'T'
    end
    for i = 1, 200 do
      list[300 + i] = double(i + 0.5) .. (i % 2 == 0 and '_' or 'F')
    end
    local got = decode(payload(';', table.concat(list), ':', varint(1000)))
    assert.is_nil(got[200.5])
    assert.is_false(got[199.5])
    assert.is_true(got[201.5])
  end)

  it('are refused when only a smaller table on the way would be crowded', function()
    local half = COUNT // 2
    refused(map(COUNT, function(i)
      return double(i <= half and i * step_for(BITS - 1) or i)
    end))
  end)

  it('are taken when they are spread, in whatever order', function()
    for _, step in ipairs { 1, -1, 8, 1000, 3600000 } do
      local function key(i)
        return (COUNT // 2 - i) * step
      end
      taken(
        COUNT,
        key,
        map(COUNT, function(i)
          return bigint(key(i))
        end)
      )
    end
    local function half(i)
      return i == 1000 and 1 / 0 or i + 0.5
    end
    taken(
      COUNT // 3,
      half,
      map(COUNT // 3, function(i)
        return double(half(i))
      end)
    )
  end)

  it('are taken from arrays with and without holes', function()
    for _, step in ipairs { 1, 2, 100 } do
      local function position(i)
        return i * step
      end
      local count = COUNT // 3
      taken(
        count,
        position,
        sparse_array(count, count * step, function(i)
          return 'U' .. varint(position(i) - 1)
        end)
      )
    end
  end)

  it('are taken whatever they are when they are few', function()
    local few = step_for(11)
    taken(2000, function(i)
      return i * few
    end, map(2000, multiple(few)))
  end)

  it('are refused when many such tables are in one message', function()
    refused('A\100', map(2000, multiple(step_for(11))):rep(100), '$\0\100')
  end)

  it('let the last one of equal keys count', function()
    local got = decode(payload(map(2000, function(i)
      return double(i % 1000 + 0.5)
    end)))
    for i = 0, 999 do
      assert.equal(i == 0 and 2000 or 1000 + i, got[i + 0.5])
    end
  end)
end)
