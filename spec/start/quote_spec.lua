--- cp.quote.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- What a shell makes of a line, word by word.
local function words_in(line, shell)
  local script = 'set -- '
    .. line
    .. '\nfor word in "$@"; do printf "%s\\0" "$word"; done'
  local list = {}
  for word in cp.execFileSync(shell or 'sh', { '-c', script }):gmatch '(%Z*)%z' do
    list[#list + 1] = word
  end
  return list
end

describe('cp.quote', function()
  it('leaves a plain word as it is', function()
    for _, word in ipairs { 'ls', '-l', '/usr/bin/x-1.2_3', 'a@b:c,d', '50%', '+x' } do
      assert.equal(word, cp.quote(word))
    end
  end)

  it('puts any other word in single quotes', function()
    assert.equal("'two words'", cp.quote 'two words')
    assert.equal([['it'\''s']], cp.quote "it's")
    assert.equal("''", cp.quote '')
    assert.equal("'$HOME'", cp.quote '$HOME')
  end)

  it('joins the words of an array by a space', function()
    assert.equal("grep -e 'a b' file", cp.quote { 'grep', '-e', 'a b', 'file' })
    assert.equal("echo '' ''", cp.quote { 'echo', '', '' })
    assert.equal('', cp.quote {})
  end)

  it('writes numbers as they are in arguments', function()
    local numbers = { 5, -1, 2.5, math.mininteger }
    assert.equal('5 -1 2.5 -9223372036854775808', cp.quote(numbers))
  end)

  it('never leaves a reserved word, an assignment or ~ bare', function()
    local words =
      { 'if', 'while', 'time', 'done', '!', '{', '}', 'A=1', 'a+=1', '~', '~root' }
    for _, word in ipairs {
      'function',
      'select',
      '[[',
      'x=',
      '=ls',
      'case',
      table.unpack(words),
    } do
      assert.equal("'" .. word .. "'", cp.quote(word))
    end
  end)

  it('is read back by the shell, whatever the bytes are', function()
    local all = {}
    for byte = 1, 255 do
      all[byte] = string.char(byte)
    end
    all[#all + 1] = table.concat(all)
    all[#all + 1] = "'\\''\n\n '' \\"
    all[#all + 1] = '~/x'
    all[#all + 1] = 'for'
    assert.same(all, words_in(cp.quote(all)))
    assert.same(all, words_in(cp.quote(all), 'bash'))
  end)

  it('gives a command that the shell takes for just that', function()
    local program =
      t.write_file(t.tmpdir() .. '/while', '#!/bin/sh\necho "ran $1"\n', '+x')
    local options =
      { cwd = program:match '^(.*)/', env = { PATH = program:match '^(.*)/' } }
    assert.equal('ran if\n', cp.execSync(cp.quote { 'while', 'if' }, options))
  end)

  it('does not depend on the locale', function()
    local before = os.setlocale()
    for _, name in ipairs { 'de_DE', 'en_US', 'C.UTF-8' } do
      os.setlocale(name)
      local quoted = cp.quote '\xE4'
      os.setlocale(before)
      assert.equal("'\xE4'", quoted)
    end
  end)

  it('refuses a NUL byte, which no argument can have', function()
    local err = t.raises('ERR_INVALID_ARG_VALUE', cp.quote, 'a\0b')
    assert.matches("'words'", err.message)
    err = t.raises('ERR_INVALID_ARG_VALUE', cp.quote, { 'a', 'a\0b' })
    assert.matches("'words%[2%]'", err.message)
  end)

  it('refuses what is neither text nor a number, and names it', function()
    for _, value in ipairs { 5, true, print, io.stdout } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.quote, value)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.quote, nil)
    t.raises('ERR_INVALID_ARG_TYPE', cp.quote, { word = 'ls' })
    for _, value in ipairs { true, {}, print, cp.null } do
      local err = t.raises('ERR_INVALID_ARG_TYPE', cp.quote, { 'ls', value })
      assert.matches('"words%[2%]"', err.message)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.quote, { 'ls', nil, '-l' })
  end)
end)
