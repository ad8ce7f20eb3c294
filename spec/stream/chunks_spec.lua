--- The queue of strings behind a reading side (csrc/chunks.c), and the search for
-- delimiters in it (csrc/delim.c).
local core = require 'child_process.core'
local t = require 'spec.helper'

local function queue_of(...)
  local queue = core.chunks()
  for _, text in ipairs { ... } do
    queue:append(text)
  end
  return queue
end

local function find(queue, delims, place, at_end)
  return queue:find(core.delimiters(delims), place or 0, at_end)
end

describe('a queue of strings', function()
  it('gives what was put in, however it was cut', function()
    local queue = queue_of('ab', '', 'cde', 'f')
    assert.equal(6, queue:size())
    assert.equal(2, queue:first_size())
    assert.equal('a', queue:take(1))
    assert.equal(1, queue:first_size())
    assert.equal('bcd', queue:take(3))
    assert.equal('', queue:take(0))
    assert.equal('ef', queue:take())
    assert.equal('', queue:take())
    assert.equal(0, queue:size())
    assert.equal(0, queue:first_size())
  end)

  it('gives no more than there is', function()
    local queue = queue_of 'abc'
    assert.is_false((pcall(queue.take, queue, 4)))
    assert.is_false((pcall(queue.take, queue, -1)))
    assert.equal('abc', queue:take())
  end)

  it('tells its owner how many bytes are in it', function()
    local owner = {}
    local queue = core.chunks(owner)
    queue:append 'abc'
    assert.equal(3, owner.readableLength)
    queue:take(1)
    assert.equal(2, owner.readableLength)
    queue:take()
    assert.equal(0, owner.readableLength)
  end)

  it('knows where text may be cut', function()
    local queue = queue_of('a€b', '€€')
    assert.equal(1, queue:characters(1))
    assert.equal(1, queue:characters(2))
    assert.equal(4, queue:characters(4))
    assert.equal(5, queue:characters(7))
    queue:take(1)
    assert.equal(3, queue:characters(1))
    assert.is_false((pcall(queue.characters, queue, 0)))
    assert.is_false((pcall(queue.characters, queue, 10)))
  end)

  it('is only what core.chunks has made', function()
    local take = queue_of('').take
    assert.is_false((pcall(take, {})))
    assert.is_false((pcall(take, io.stdout)))
  end)
end)

describe('the search for a delimiter', function()
  it('says how many bytes there are up to its end', function()
    assert.same({ 2, 1 }, { find(queue_of 'a\nb\n', { '\n' }) })
    assert.same({ 5, 3 }, { find(queue_of 'ab---c', { '---' }) })
    assert.same({ 1, 1 }, { find(queue_of '\0', { '\0' }) })
  end)

  it('finds one that is cut anywhere', function()
    local text = 'xx=-=->yy'
    for i = 1, #text - 1 do
      for j = i, #text - 1 do
        local queue = queue_of(text:sub(1, i), text:sub(i + 1, j), text:sub(j + 1))
        assert.same({ 7, 3 }, { find(queue, { '=->' }) })
        assert.equal('xx=-=->', queue:take(7))
        assert.equal('yy', queue:take())
      end
    end
  end)

  it('goes on where it has stopped', function()
    local delims, queue = core.delimiters { '=->' }, core.chunks()
    local place, count = 0, nil
    for char in ('abc=-=->'):gmatch '.' do
      assert.is_nil(count)
      queue:append(char)
      count, place = queue:find(delims, place)
    end
    assert.equal(8, count)
  end)

  it('goes on there also when others have taken something', function()
    local queue = queue_of('abc', 'def')
    local _, place = find(queue, { ';' })
    queue:take(5)
    queue:append 'g;h'
    assert.same({ 3, 1 }, { find(queue, { ';' }, place) })
    queue:take()
    queue:append ';'
    assert.same({ 1, 1 }, { find(queue, { ';' }, place) })
  end)

  it('prefers the first, and of those at one place the longest', function()
    local ends = { '\r', '\n', '\r\n' }
    assert.same({ 2, 1 }, { find(queue_of 'a\nb\r\n', ends) })
    assert.same({ 3, 2 }, { find(queue_of 'a\r\nb', ends) })
    assert.same({ 2, 1 }, { find(queue_of 'a\rb', ends) })
    assert.same({ 3, 2 }, { find(queue_of('a\r', '\nb'), ends) })
  end)

  it('gives one at the end at once, and says what could make it longer', function()
    local ends = { '\r\n\n', '\n', '\r\n', '\r' }
    assert.same({ 2, 1, { '\n\n', '\n' } }, { find(queue_of 'a\r', ends) })
    assert.same({ 2, 1 }, { find(queue_of 'a\r', ends, 0, true) })
  end)

  it('waits for what decides between two that begin', function()
    local queue = queue_of 'xab'
    assert.same({ nil, 1 }, { find(queue, { 'abc', 'b' }) })
    assert.same({ 3, 1 }, { find(queue, { 'abc', 'b' }, 1, true) })
    queue:append 'c'
    assert.same({ 4, 3 }, { find(queue, { 'abc', 'b' }, 1) })
    assert.same({ nil, 1 }, { find(queue_of 'a\r\n', { '\r', '\r\nX' }) })
  end)

  it('takes a line that ends before its string does, in one go', function()
    local owner, newline = {}, core.delimiters { '\n' }
    local queue = core.chunks(owner)
    assert.is_nil(queue:line(newline))
    queue:append 'one\n\ntwo\nthree\n'
    queue:append 'four\n'
    assert.equal('one', queue:line(newline))
    assert.equal('\n', queue:line(newline, true))
    assert.equal('two\n', queue:line(newline, true))
    assert.equal(11, owner.readableLength)
    assert.is_nil(queue:line(newline)) -- the last of its string
    assert.equal('three\nfour\n', queue:take())
  end)

  it('takes no such line whose delimiter may go on, or that somebody must see', function()
    local queue, ends = queue_of 'a\rb\r\nc\r\n', core.delimiters { '\r\n', '\r', '\n' }
    assert.equal('a', queue:line(ends))
    assert.equal('b', queue:line(ends))
    assert.is_nil(queue:line(ends))
    assert.is_nil(queue_of('a\r'):line(ends))
    assert.is_nil(queue_of('a=-'):line(core.delimiters { '=->' }))
    assert.equal('a-', queue_of('a-=->b'):line(core.delimiters { '=->' }))
    queue = queue_of 'a\nb\n'
    queue:tap(true)
    assert.is_nil(queue:line(ends))
    queue:tap(false)
    assert.equal('a', queue:line(ends))
    assert.is_false((pcall(queue.line, queue, '\n')))
  end)

  it('takes no empty delimiter, and none that is no string', function()
    assert.is_false((pcall(core.delimiters, { '' })))
    assert.is_false((pcall(core.delimiters, { {} })))
    assert.is_false((pcall(core.delimiters, 'a')))
    local queue = queue_of 'a'
    assert.is_false((pcall(queue.find, queue, 'a', 0)))
  end)

  it('agrees with a search in the whole text', function()
    local alphabet = { 'a', 'b', '\r', '\n' }
    local function random(n)
      local text = ''
      for _ = 1, n do
        text = text .. alphabet[math.random(#alphabet)]
      end
      return text
    end
    local function expected(text, delims)
      for i = 1, #text do
        for size = 4, 1, -1 do
          for _, delim in ipairs(delims) do
            if #delim == size and text:sub(i, i + size - 1) == delim then
              return i - 1 + size
            end
          end
        end
      end
    end
    for _ = 1, 2000 do
      local delims, queue, text, place = {}, core.chunks(), '', 0
      for i = 1, math.random(3) do
        delims[i] = random(math.random(4))
      end
      for _ = 1, 6 do
        local piece = random(math.random(0, 3))
        queue:append(piece)
        text = text .. piece
        local count, at = find(queue, delims, place)
        place = count and place or at
      end
      assert.equal(expected(text, delims), (find(queue, delims, place, true)))
    end
  end)
end)

-- Finalizers run wherever something is allocated, so they come in the middle of a call;
-- in a program of its own, where the collector has little to do, they come often.
describe('a queue of strings that finalizers take from, too', function()
  local function run(program)
    local file, args = t.lua([[
      local core = require 'child_process.core'
      local newline = core.delimiters { '\n' }
      local queue, taken, stolen = core.chunks {}, 0, 0

      local function take(text)
        taken = taken + #(text or '')
        return text
      end

      local thief = {}
      function thief.__gc()
        stolen = stolen + #(queue:line(newline, true) or '')
        setmetatable({}, thief)
      end

      local function begin()
        if _VERSION == 'Lua 5.4' then
          collectgarbage('incremental', 1, 1000, 6)
        else
          collectgarbage('param', 'pause', 1)
        end
        collectgarbage()
        setmetatable({}, thief)
        return queue:size()
      end

      local function finish(size)
        assert(stolen > 0, 'nothing has been stolen')
        assert(taken + stolen == size, taken + stolen .. ' of ' .. size)
        io.write 'good'
      end
    ]] .. program)
    local result = t.cp.spawnSync(file, args)
    assert.equal('', result.stderr)
    assert.equal('good', result.stdout)
  end

  it('gives each line once', function()
    run [[
      for i = 1, 300 do queue:append((i .. '\n'):rep(100)) end
      local size = begin()
      while queue:size() > 0 do
        if not take(queue:line(newline, true)) then take(queue:take()) end
      end
      finish(size) ]]
  end)

  it('gives each byte once, in however many strings it is', function()
    run [[
      for i = 1, 3000 do queue:append((i .. '\n'):rep(10)) end
      local size, n = begin(), 0
      while queue:size() > 0 do
        n = n % 700 + 1
        local ok, text = pcall(queue.take, queue, n)
        take(ok and text or queue:take())
      end
      finish(size) ]]
  end)

  it('finds delimiters that two strings share', function()
    run [[
      for i = 1, 3000 do
        for _, text in ipairs { 'a\na', 'xe', 'nd' } do queue:append(text) end
      end
      local delims, size = core.delimiters { 'end' }, begin()
      while queue:size() > 0 do
        local count = queue:find(delims, 0, true)
        local ok, text = pcall(queue.take, queue, count or queue:size())
        local _ = { text } -- the thief's turn
        take(ok and text)
      end
      finish(size) ]]
  end)
end)
