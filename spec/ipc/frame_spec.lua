local t = require 'spec.helper'

local FRAME_TEST = t.built 'frame_test'

-- Feeds a stream in pieces of `step` bytes: the frames, which of them are views of a
-- piece, and what the frame reader says at the end.
local function cut(framing, stream, step, limit, place)
  local path = os.tmpname()
  t.write_file(path, stream)
  local command = "'%s' %s %d %d %s <'%s' 2>&1"
  limit = limit or 1 << 20
  local pipe =
    assert(io.popen(command:format(FRAME_TEST, framing, limit, step, place or '', path)))
  local frames, views, last = {}, {}, nil
  for line in pipe:lines() do
    local size, where, hex = line:match '^(%d+) (%a+) (%x*)$'
    if size then
      local bytes = hex:gsub('%x%x', function(pair)
        return string.char(tonumber(pair, 16))
      end)
      frames[#frames + 1] = #bytes < 64 and bytes or tonumber(size)
      views[#views + 1] = where == 'view'
    end
    last = line
  end
  pipe:close()
  os.remove(path)
  return frames, last, views
end

local function framed(framing, list)
  local out = {}
  for i, frame in ipairs(list) do
    out[i] = framing == 'line' and frame .. '\n' or string.pack('>s4', frame)
  end
  return table.concat(out)
end

for _, framing in ipairs { 'line', 'length' } do
  describe('frames by ' .. framing, function()
    local list = { 'one', '', 'a longer frame than the others', '', '', 'x' }
    local stream = framed(framing, list)

    it('come out of any split', function()
      for step = 0, #stream do
        local frames, last = cut(framing, stream, step)
        assert.same(list, frames)
        assert.truthy(last:find '^rc 0, held 0,', last)
      end
    end)

    it('are not copied when they lie in one read', function()
      local _, _, views = cut(framing, framed(framing, { 'one', 'two' }), 0)
      assert.same({ true, true }, views)
      _, _, views = cut(framing, framed(framing, { 'one', 'two', 'three' }), 9)
      assert.is_true(views[1])
      assert.is_false(views[#views])
    end)

    it('may be as long as the limit, and no longer', function()
      local fitting, longer = framed(framing, { 'abcd' }), framed(framing, { 'abcde' })
      for step = 0, 4 do
        assert.same({ 'abcd' }, (cut(framing, fitting, step, 4)))
        local frames, last = cut(framing, longer, step, 4)
        assert.same({}, frames)
        assert.truthy(last:find '^rc %-90,', last)
      end
    end)

    it('that follow one that is too long are not looked at', function()
      local frames, last = cut(framing, framed(framing, { 'a', 'abcde', 'b' }), 0, 4)
      assert.same({ 'a' }, frames)
      assert.truthy(last:find '^rc %-90, held 0', last)
    end)

    it('hand the memory of a big one on to the next', function()
      local big, bigger = ('x'):rep(100000), ('y'):rep(200000)
      for _, step in ipairs { 1000, 16385, 65536, 99999 } do
        local sent = framed(framing, { bigger, 'a', big, '', big, 'b' })
        local frames, last = cut(framing, sent, step)
        assert.same({ #bigger, 'a', #big, '', #big, 'b' }, frames)
        local spare = tonumber(last:match 'spare (%d+)')
        assert.is_true(spare >= #bigger and spare < 3 * #bigger, last)
      end
    end)

    it('are read to their place in the middle of a large one', function()
      local big, bigger = ('x'):rep(300000), ('y'):rep(1500000)
      local large = { 'a', bigger, '', big, 'b', bigger, big, '', 'c', big, 'd', big }
      local wanted = {}
      for i, frame in ipairs(large) do
        wanted[i] = #frame < 64 and frame or #frame
      end
      for _, step in ipairs { 65536, 65537, 99999, 262144, 2000000 } do
        local sent = framed(framing, large)
        local frames, last = cut(framing, sent .. 'z', step, 1 << 21, 'place')
        assert.same(wanted, frames)
        assert.truthy(last:find '^rc 0, held 1,', last)
        local placed = tonumber(last:match 'placed (%d+)')
        assert.is_true(placed > #bigger // 2, last)
      end
    end)

    it('read to their place may be as long as the limit, and no longer', function()
      for _, step in ipairs { 65536, 99998, 99999, 100000, 100001, 65537 } do
        for _, limit in ipairs { 199999, 200000, 299999, 300000 } do
          local fitting = framed(framing, { ('x'):rep(limit) })
          local frames, last = cut(framing, fitting, step, limit, 'place')
          assert.same({ limit }, frames, last)
          local longer = framed(framing, { ('x'):rep(limit + 1) })
          frames, last = cut(framing, longer, step, limit, 'place')
          assert.same({}, frames)
          assert.truthy(last:find '^rc %-90,', last)
        end
      end
    end)

    it('keep no memory of one that is huge', function()
      local huge = ('x'):rep(5000000)
      local frames, last = cut(framing, framed(framing, { huge }), 65536, 1 << 23)
      assert.same({ #huge }, frames)
      assert.truthy(last:find 'spare 0,', last)
    end)

    it('keep the memory of a big one only while it lasts', function()
      local big = ('x'):rep(100000)
      local frames, last = cut(framing, framed(framing, { big, 'y', 'zz' }), 65536)
      assert.same({ #big, 'y', 'zz' }, frames)
      local room = tonumber(last:match 'room (%d+)')
      assert.is_true(room <= 1 << 14, last)
    end)
  end)
end

describe('frames by line', function()
  it('say what is left when the last has no end', function()
    local frames, last = cut('line', 'a\nbcd', 1)
    assert.same({ 'a' }, frames)
    assert.truthy(last:find '^rc 0, held 3,', last)
  end)

  it('need not end to be too long', function()
    local _, last = cut('line', 'abcde', 2, 4)
    assert.truthy(last:find '^rc %-90,', last)
  end)
end)

describe('frames by length', function()
  it('say what is left when the last is not whole', function()
    local _, last = cut('length', string.pack('>I4', 1000) .. 'abc', 1)
    assert.truthy(last:find '^rc 0, held 7,', last)
  end)

  it('get their memory at once', function()
    local _, last = cut('length', string.pack('>I4', 1000) .. 'abc', 1)
    assert.truthy(last:find 'room 1004$', last)
  end)

  it('cannot make us allocate what is only announced', function()
    local _, last = cut('length', string.pack('>I4', 1 << 30) .. 'abc', 1, 1 << 31)
    assert.truthy(last:find '^rc 0, held 7,', last)
    assert.truthy(last:find 'room 1052672$', last)
  end)

  it('are counted without a sign', function()
    for _, length in ipairs { 1 << 31, 0xFFFFFFFF, (1 << 30) + 1 } do
      local _, last = cut('length', string.pack('>I4', length) .. 'abc', 1, 1 << 40)
      assert.truthy(last:find '^rc %-90,', last)
    end
  end)
end)

describe('memory that large frames hand on', function()
  local MIB = 1 << 20
  local ROWS = {
    {
      'is one block or more',
      '+100 +300 +200 -150 -150 -150',
      'got 300, got 200, got 0, total 100',
    },
    { 'is that of the largest', '+1 +2 +3 +4 +5 +6 -0', 'got 6, total 12' },
    {
      'is no more than 4 MiB',
      ('+%d +%d'):format(3 * MIB, 2 * MIB),
      'total ' .. 3 * MIB,
    },
    { 'is nothing larger', ('+7 +%d'):format(4 * MIB + 1), 'total 7' },
    {
      'is as much as fits',
      ('+%d +%d +%d'):format(MIB, MIB, 3 * MIB),
      'total ' .. 4 * MIB,
    },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local pipe = assert(io.popen(("'%s' spare %s"):format(FRAME_TEST, row[2])))
      assert.equal(row[3], pipe:read 'l')
      pipe:close()
    end)
  end
end)
