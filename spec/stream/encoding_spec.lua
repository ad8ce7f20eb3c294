local encoding = require 'child_process.encoding'

local FFFD = '\u{FFFD}'

-- The pieces of `bytes`, `size` bytes each, as the decoder gives them, and the rest.
local function in_pieces(name, bytes, size)
  local decoder, texts = encoding.decoder(name), {}
  for i = 1, #bytes, size do
    texts[#texts + 1] = decoder:write(bytes:sub(i, i + size - 1))
  end
  return texts, decoder:finish()
end

local function hex(bytes)
  return (bytes:gsub('.', function(c)
    return ('%02x'):format(c:byte())
  end))
end

-- The same numbers in every run.
local function generator(seed)
  return function(n)
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n + 1
  end
end

-- Unicode table 3-7, a lead range and the ranges behind it: an independent reading of it.
local WELL_FORMED = {
  { { 0x00, 0x7F } },
  { { 0xC2, 0xDF }, { 0x80, 0xBF } },
  { { 0xE0, 0xE0 }, { 0xA0, 0xBF }, { 0x80, 0xBF } },
  { { 0xE1, 0xEC }, { 0x80, 0xBF }, { 0x80, 0xBF } },
  { { 0xED, 0xED }, { 0x80, 0x9F }, { 0x80, 0xBF } },
  { { 0xEE, 0xEF }, { 0x80, 0xBF }, { 0x80, 0xBF } },
  { { 0xF0, 0xF0 }, { 0x90, 0xBF }, { 0x80, 0xBF }, { 0x80, 0xBF } },
  { { 0xF1, 0xF3 }, { 0x80, 0xBF }, { 0x80, 0xBF }, { 0x80, 0xBF } },
  { { 0xF4, 0xF4 }, { 0x80, 0x8F }, { 0x80, 0xBF }, { 0x80, 0xBF } },
}

-- How many bytes at `i` fit the row, and whether that is all of it.
local function fit(row, bytes, i)
  for k, range in ipairs(row) do
    local b = bytes:byte(i + k - 1)
    if not b or b < range[1] or b > range[2] then
      return k - 1, false
    end
  end
  return #row, true
end

local function repaired(bytes)
  local out, i = {}, 1
  while i <= #bytes do
    local length, whole = 0, false
    for _, row in ipairs(WELL_FORMED) do
      local n, all = fit(row, bytes, i)
      if n > length then
        length, whole = n, all
      end
    end
    out[#out + 1] = whole and bytes:sub(i, i + length - 1) or FFFD
    i = i + math.max(length, 1)
  end
  return table.concat(out)
end

local PARTS = {
  'a',
  'é',
  '€',
  '\u{1F600}',
  '\u{10FFFF}',
  '\0',
  'sixteen letters.',
  '\xC3',
  '\xE2\x82',
  '\xF0\x9F\x98',
  '\x80',
  '\xFF',
  '\xC0\x80',
  '\xE0\x80\x80',
  '\xED\xA0\x80',
  '\xF4\x90\x80\x80',
  '\xF0\x80',
}

describe('encoding.name', function()
  it('knows the names of Node in any case', function()
    local names = {
      utf8 = { 'utf8', 'UTF-8', 'Utf8' },
      latin1 = { 'latin1', 'binary', 'BINARY' },
      ascii = { 'ascii', 'ASCII' },
      utf16le = { 'utf16le', 'UTF-16LE', 'ucs2', 'UCS-2' },
      hex = { 'hex', 'HEX' },
      base64 = { 'base64', 'Base64' },
      base64url = { 'base64url', 'base64URL' },
      buffer = { 'buffer' },
    }
    for canonical, aliases in pairs(names) do
      for _, alias in ipairs(aliases) do
        assert.equal(canonical, encoding.name(alias))
      end
    end
  end)

  it('returns nil for anything else', function()
    for _, value in ipairs {
      '',
      'utf',
      'utf-16',
      'utf8 ',
      'hex\0',
      'latin-1',
      8,
      {},
      false,
    } do
      assert.is_nil(encoding.name(value))
    end
    assert.is_nil(encoding.name(nil))
  end)
end)

describe('encoding.check', function()
  it('returns the name', function()
    assert.equal('utf16le', encoding.check 'UCS2')
  end)

  it('raises ERR_UNKNOWN_ENCODING', function()
    local ok, err = pcall(encoding.check, 'nope')
    assert.is_false(ok)
    assert.equal(
      'TypeError [ERR_UNKNOWN_ENCODING]: Unknown encoding: nope',
      tostring(err)
    )
    ok, err = pcall(encoding.check, {})
    assert.is_false(ok)
    assert.equal('ERR_UNKNOWN_ENCODING', err.code)
  end)
end)

describe('decoder for utf8', function()
  it('leaves valid text alone', function()
    local text = ('plain, ée, €, \u{1F600}, \0 '):rep(50)
    local decoder = encoding.decoder 'utf8'
    assert.equal(text, decoder:write(text))
    assert.equal('', decoder:finish())
    assert.equal('', decoder:write '')
  end)

  it('never cuts a character', function()
    local decoder, texts = encoding.decoder 'utf8', {}
    for i, bytes in ipairs { 'a\xC3', '\xA9\xE2', '\x82', '\xAC\xF0\x9F', '\x98\x80b' } do
      texts[i] = decoder:write(bytes)
    end
    assert.same({ 'a', 'é', '', '€', '\u{1F600}b' }, texts)
    assert.equal('', decoder:finish())
  end)

  it('writes one U+FFFD for an incomplete character at the end', function()
    for _, rest in ipairs { '\xC3', '\xE2', '\xE2\x82', '\xF0', '\xF0\x9F\x98' } do
      local decoder = encoding.decoder 'utf8'
      assert.equal('a', decoder:write('a' .. rest))
      assert.equal(FFFD, decoder:finish())
      assert.equal('', decoder:finish())
    end
  end)

  it('writes one U+FFFD for each maximal subpart', function()
    local cases = {
      ['\x80'] = 1,
      ['\xFF\xFE'] = 2,
      ['\xC0\x80'] = 2,
      ['\xE0\x80\x80'] = 3,
      ['\xED\xA0\x80'] = 3,
      ['\xF4\x90\x80\x80'] = 4,
      ['\xF5'] = 1,
      ['\xE2\x82'] = 1,
      ['\xF0\x9F\x98'] = 1,
      ['\xE2\x82\xE2\x82'] = 2,
    }
    for bytes, count in pairs(cases) do
      local expected = FFFD:rep(count) .. 'x'
      assert.equal(expected, encoding.decode(bytes .. 'x', 'utf8'))
    end
  end)

  it('gives the same whatever the pieces are', function()
    local random = generator(1)
    for _ = 1, 400 do
      local parts = {}
      for i = 1, random(12) do
        parts[i] = PARTS[random(#PARTS)]
      end
      local bytes = table.concat(parts)
      local texts, rest = in_pieces('utf8', bytes, random(5))
      assert.equal(hex(repaired(bytes)), hex(table.concat(texts) .. rest))
      assert.equal(hex(repaired(bytes)), hex(encoding.decode(bytes, 'utf8')))
    end
  end)

  it('gives the same for random bytes', function()
    local random = generator(7)
    for _ = 1, 400 do
      local bytes = {}
      for i = 1, random(24) do
        bytes[i] = string.char(random(256) - 1)
      end
      bytes = table.concat(bytes)
      local texts, rest = in_pieces('utf8', bytes, random(5))
      assert.equal(hex(repaired(bytes)), hex(table.concat(texts) .. rest))
    end
  end)

  it('can be used again after finish', function()
    local decoder = encoding.decoder 'utf8'
    decoder:write '\xE2\x82'
    decoder:finish()
    assert.equal('\u{20AC}', decoder:write '€')
  end)
end)

describe('decoder for latin1 and ascii', function()
  it('latin1 gives one character a byte', function()
    assert.equal('aé\u{FF}\u{80}', encoding.decode('a\xE9\xFF\x80', 'latin1'))
  end)

  it('ascii drops the eighth bit', function()
    assert.equal('A\x7F\0', encoding.decode('\xC1\xFF\x80', 'ascii'))
  end)
end)

describe('decoder for utf16le', function()
  it('joins surrogate pairs across pieces', function()
    local bytes = 'a\0\xAC\x20\x3D\xD8\x00\xDE'
    assert.same(
      { '', 'a', '', '€', '', '', '', '\u{1F600}' },
      (in_pieces('utf16le', bytes, 1))
    )
    assert.equal('a€\u{1F600}', encoding.decode(bytes, 'utf16le'))
  end)

  it('writes U+FFFD for a lone surrogate', function()
    assert.equal(FFFD .. 'a', encoding.decode('\x3D\xD8a\0', 'utf16le'))
    assert.equal(FFFD .. 'a', encoding.decode('\x00\xDEa\0', 'utf16le'))
    assert.equal(
      FFFD .. '\u{1F600}',
      encoding.decode('\x3D\xD8\x3D\xD8\x00\xDE', 'utf16le')
    )
    for size = 1, 5 do
      local texts, rest = in_pieces('utf16le', '\x3D\xD8\x3D\xD8a\0\x3D\xD8', size)
      assert.equal(FFFD .. FFFD .. 'a' .. FFFD, table.concat(texts) .. rest)
    end
  end)

  it('drops an odd byte at the end', function()
    assert.equal('a', encoding.decode('a\0b', 'utf16le'))
    assert.equal(FFFD, encoding.decode('\x3D\xD8b', 'utf16le'))
  end)
end)

describe('decoder for hex and base64', function()
  it('hex gives two digits a byte', function()
    assert.equal('00ff1a', encoding.decode('\0\xFF\x1A', 'hex'))
  end)

  it('base64 pads at the end only', function()
    local cases =
      { [''] = '', f = 'Zg==', fo = 'Zm8=', foo = 'Zm9v', foobar = 'Zm9vYmFy' }
    for bytes, text in pairs(cases) do
      assert.equal(text, encoding.decode(bytes, 'base64'))
    end
    local texts, rest = in_pieces('base64', 'foobarba', 1)
    assert.same({ '', '', 'Zm9v', '', '', 'YmFy', '', '' }, texts)
    assert.equal('YmE=', rest)
  end)

  it('base64url has its own digits and no padding', function()
    assert.equal('-_8', encoding.decode('\xFB\xFF', 'base64url'))
    assert.equal('+/8=', encoding.decode('\xFB\xFF', 'base64'))
  end)

  it('gives the same whatever the pieces are', function()
    local random = generator(3)
    for _, name in ipairs { 'hex', 'base64', 'base64url' } do
      for _ = 1, 50 do
        local bytes = {}
        for i = 1, random(30) do
          bytes[i] = string.char(random(256) - 1)
        end
        bytes = table.concat(bytes)
        local texts, rest = in_pieces(name, bytes, random(7))
        local text = table.concat(texts) .. rest
        assert.equal(encoding.decode(bytes, name), text)
        assert.equal(hex(bytes), hex(encoding.encode(text, name)))
      end
    end
  end)
end)

describe('decoder for buffer', function()
  it('leaves all bytes alone', function()
    local decoder = encoding.decoder 'buffer'
    assert.equal('\xFF\xC3\0', decoder:write '\xFF\xC3\0')
    assert.equal('', decoder:finish())
  end)
end)

describe('encoding.encode', function()
  it('leaves utf8 and buffer alone, malformed or not', function()
    assert.equal('é\xFF\0', encoding.encode('é\xFF\0', 'utf8'))
    assert.equal('é\xFF\0', encoding.encode('é\xFF\0', 'buffer'))
  end)

  it('latin1 and ascii keep the low 8 bits of each UTF-16 unit', function()
    for _, name in ipairs { 'latin1', 'ascii' } do
      assert.equal('3d00e9ac', hex(encoding.encode('\u{1F600}é€', name)))
    end
  end)

  it('utf16le writes surrogate pairs', function()
    assert.equal('6100ac203dd800de', hex(encoding.encode('a€\u{1F600}', 'utf16le')))
    assert.equal('fdff6100', hex(encoding.encode('\xE2\x82a', 'utf16le')))
  end)

  it('hex stops at the first pair that is none', function()
    local cases = {
      abc = 'ab',
      zz = '',
      ['12zz34'] = '12',
      AbCd = 'abcd',
      ['1'] = '',
      ['12é'] = '12',
    }
    for text, bytes in pairs(cases) do
      assert.equal(bytes, hex(encoding.encode(text, 'hex')))
    end
  end)

  it('base64 takes both alphabets, skips other characters and stops at =', function()
    local cases = {
      ['YQ=='] = 'a',
      ['YQ'] = 'a',
      ['Y'] = '',
      ['YQ==YQ=='] = 'a',
      ['Y Q = ='] = 'a',
      ['YWJj\nZGVm'] = 'abcdef',
      ['YWJj*Z\0GVm'] = 'abcdef',
      ['=YWI'] = '',
      ['_-_-'] = '\xFF\xEF\xFE',
      ['/+/+'] = '\xFF\xEF\xFE',
      [''] = '',
    }
    for text, bytes in pairs(cases) do
      assert.equal(hex(bytes), hex(encoding.encode(text, 'base64')))
      assert.equal(hex(bytes), hex(encoding.encode(text, 'base64url')))
    end
  end)

  it('is undone by decoding', function()
    local bytes = {}
    for i = 0, 255 do
      bytes[i + 1] = string.char(i)
    end
    bytes = table.concat(bytes)
    for _, name in ipairs { 'latin1', 'hex', 'base64', 'base64url', 'buffer' } do
      assert.equal(hex(bytes), hex(encoding.encode(encoding.decode(bytes, name), name)))
    end
    assert.equal(
      'é€\u{1F600}',
      encoding.decode(encoding.encode('é€\u{1F600}', 'utf16le'), 'utf16le')
    )
  end)
end)
