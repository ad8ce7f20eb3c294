--- Reading in Lua's habits: stream:lines(), readAll(), read('l').
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function printing(text)
  return cp.spawn('printf', { '%s', text })
end

-- Lives until its stdin ends.
local function staying(text)
  return cp.spawn('sh', { '-c', 'printf %s "$1"; read -r _', 'sh', text })
end

-- A child that answers each line of its stdin, and says `end` at the end.
local function answering()
  return cp.spawn('sh', { '-c', 'while read -r l; do echo "<$l>"; done; echo end' })
end

-- Leaves a loop over the lines at `last`.
local function read_up_to(last, child)
  for line in child.stdout:lines() do
    if line == last then
      break
    end
  end
end

local function lines_of(child, delim)
  local list = {}
  for line in child.stdout:lines(delim) do
    list[#list + 1] = line
  end
  return list
end

describe('stream:lines()', function()
  it('gives each line without its end', function()
    assert.same({ 'a', '', 'c\r', 'last' }, lines_of(printing 'a\n\nc\r\nlast'))
    assert.same({ 'a', '' }, lines_of(printing 'a\n\n'))
    assert.same({ '' }, lines_of(printing '\n'))
    assert.same({}, lines_of(printing ''))
  end)

  it('takes another delimiter, of any length', function()
    assert.same({ 'a', 'b\nc', '' }, lines_of(printing 'a;b\nc;;', ';'))
    assert.same({ 'a', '-b', 'c-' }, lines_of(printing 'a---b--c-', '--'))
    local zero = cp.spawn('printf', { 'a\\0b\\0' })
    assert.same({ 'a', 'b' }, lines_of(zero, '\0'))
  end)

  it('refuses a delimiter that is none', function()
    local stdout = printing('').stdout
    for _, delim in ipairs { 5, true, { 'a', 5 }, { 'a', nil, 'b' }, { x = 'a' } } do
      t.raises('ERR_INVALID_ARG_TYPE', stdout.lines, stdout, delim)
    end
    for _, delim in ipairs { '', {}, { 'a', '' } } do
      t.raises('ERR_INVALID_ARG_VALUE', stdout.lines, stdout, delim)
    end
  end)

  it("refuses a format of Lua's files, and says what to use", function()
    local instead = {
      l = 'lines() without',
      L = "readUntil '\\n'",
      a = 'readAll()',
      n = 'tonumber(',
    }
    local stdout = printing('').stdout
    for format, text in pairs(instead) do
      for _, delim in ipairs { format, '*' .. format } do
        local err = t.raises('ERR_INVALID_ARG_VALUE', stdout.lines, stdout, delim)
        assert.truthy(err.message:find(text, 1, true), err.message)
        assert.truthy(err.message:find(("{ '%s' }"):format(delim), 1, true))
      end
    end
    assert.same({ 'he', '', 'o' }, lines_of(printing 'hello', { 'l' }))
  end)

  it('takes several delimiters: the first that occurs counts', function()
    assert.same({ 'a', 'b', 'c' }, lines_of(printing 'a;b,c', { ',', ';' }))
    local ends = { '\r\n', '\r', '\n' }
    assert.same({ 'a', 'b', '', 'c', 'd' }, lines_of(printing 'a\r\nb\n\rc\rd', ends))
    assert.same({ 'a', 'b' }, lines_of(printing 'a\r\nb\r', { '\r', '\r\n' }))
  end)

  it(
    'gives a line at once whose delimiter may go on, and what goes on belongs to it',
    function()
      local command = [[
      printf 'a\r'; read go; printf '\nb\r'; read go; printf 'c\r'; read go; printf '\n']]
      local child, seen = cp.spawn('sh', { '-c', command }), {}
      for line in child.stdout:lines { '\r\n', '\r', '\n' } do
        seen[#seen + 1] = line
        child.stdin:write 'go\n'
      end
      assert.same({ 'a', 'b', 'c' }, seen)
    end
  )

  it('lets what belongs to a line be read by nobody else', function()
    local command = [[printf 'a=-'; read go; printf '%s' "$go"; exec cat]]
    for sent, rest in pairs { ['>x'] = 'x', ['>>x'] = '>x', x = 'x', ['>'] = '' } do
      local child = cp.spawn('sh', { '-c', command })
      assert.equal('a=-', child.stdout:readUntil { '=-', '=->' })
      child.stdin:finish(sent .. '\n')
      assert.equal(rest, child.stdout:readAll())
    end
    local child = cp.spawn('sh', { '-c', command })
    assert.equal('a=-', child.stdout:readUntil { '=-', '=->+' })
    child.stdin:finish '>\n'
    assert.equal('>', child.stdout:readAll())
  end)

  it('gives data to those who listen as well', function()
    local child, seen = printing 'a\nb\nc', {}
    for line in child.stdout:lines() do
      seen[#seen + 1] = line
      if line == 'a' then
        child.stdout:on('data', function(chunk)
          seen[#seen + 1] = chunk
        end)
      end
    end
    assert.same({ 'a', 'b\n', 'b', 'c', 'c' }, seen)
  end)

  it('says truly how much is left, and nothing after the end', function()
    local child = printing 'ab\ncd\nef'
    local next_line, _, _, reading = child.stdout:lines()
    local _ <close> = reading
    local left = {}
    for _ = 1, 3 do
      next_line()
      left[#left + 1] = child.stdout.readableLength
    end
    assert.same({ 5, 2, 0 }, left)
    assert.is_nil(next_line())
    assert.is_nil(next_line())
  end)

  it('is empty for what cannot be read', function()
    local child = cp.spawn 'cat'
    assert.is_nil(child.stdin:lines()())
    assert.is_nil(child.stdin:read 'l')
    child.stdin:finish()
  end)

  it('gives a line as soon as it is there', function()
    local child, answers = answering(), {}
    child.stdin:write 'one\n'
    for line in child.stdout:lines() do
      answers[#answers + 1] = line
      if line == '<one>' then
        child.stdin:write 'two\n'
      elseif line == '<two>' then
        child.stdin:finish()
      end
    end
    assert.same({ '<one>', '<two>', 'end' }, answers)
  end)

  it('finds every delimiter, wherever the chunks were cut', function()
    local parts, count = {}, 0
    for i = 1, 20000 do
      parts[i] = ('x'):rep(i % 61)
    end
    local child = cp.spawn('cat', { input = table.concat(parts, '=->') })
    for line in child.stdout:lines '=->' do
      count = count + 1
      assert.equal(parts[count], line)
    end
    assert.equal(#parts, count)
  end)

  it('gives a line that is longer than any buffer', function()
    local text = ('x'):rep(3000000)
    local child = cp.spawn('cat', { input = 'short\n' .. text .. '\nshort' })
    local mark = child.stdout.readableHighWaterMark
    assert.same({ 'short', text, 'short' }, lines_of(child))
    assert.equal(mark, child.stdout.readableHighWaterMark)
  end)

  it('leaves the rest to others when the loop is left', function()
    local child = answering()
    child.stdin:write 'one\ntwo\nthree\n'
    read_up_to('<one>', child)
    assert.equal('<two>', child.stdout:read 'l')
    local rest = t.collect(child.stdout)
    child.stdin:finish()
    t.once(child, 'close', function()
      assert.equal('<three>\nend\n', rest())
    end)
  end)

  it('does not keep the child from closing when the loop is left', function()
    local child = cp.spawn 'yes'
    read_up_to('y', child)
    child:kill()
    assert.equal('SIGTERM', child:wait().signal)
  end)

  it('loses nothing when its body waits and the child ends', function()
    local child = printing(('line\n'):rep(1000))
    local count = 0
    for line in child.stdout:lines() do
      assert.equal('line', line)
      if count == 0 then
        assert.is_true(cp.spawn('true'):wait().ok)
      end
      count = count + 1
    end
    assert.equal(1000, count)
    assert.is_true(child:wait().ok)
  end)

  it('holds the child back when its body is slow', function()
    local child = cp.spawn 'yes'
    local next_line, _, _, reading = child.stdout:lines()
    local _ <close> = reading
    assert.equal('y', next_line())
    for _ = 1, 20 do
      cp.run 'nowait'
    end
    assert.is_true(child.stdout.readableLength < 1024 * 1024)
    child:kill 'SIGKILL'
  end)

  it('waits in a coroutine while others go on', function()
    local children, seen = { answering(), answering() }, {}
    for i, child in ipairs(children) do
      cp.async(function()
        for line in child.stdout:lines() do
          seen[#seen + 1] = i .. line
          if line == '<go>' and children[i + 1] then
            children[i + 1].stdin:finish 'go\n'
          end
        end
      end)
    end
    children[1].stdin:finish 'go\n'
    cp.run()
    table.sort(seen)
    assert.same({ '1<go>', '1end', '2<go>', '2end' }, seen)
  end)

  it('raises in a callback outside a coroutine, unless a line is there', function()
    local child = answering()
    cp.setImmediate(t.expect(function()
      t.raises('ERR_WOULD_BLOCK', child.stdout:lines())
      child.stdin:finish()
    end))
  end)

  it('raises the error of the stream', function()
    local child, mine = answering(), {}
    cp.setImmediate(function()
      child.stdout:destroy(mine)
    end)
    local ok, err = pcall(child.stdout.read, child.stdout, 'l')
    assert.is_false(ok)
    assert.equal(mine, err)
    child.stdin:finish()
  end)

  it('raises when the stream is destroyed before its end', function()
    local child = answering()
    cp.setImmediate(function()
      child.stdout:destroy()
    end)
    t.raises('ERR_STREAM_PREMATURE_CLOSE', child.stdout:lines())
    child.stdin:finish()
  end)

  it('gives text where an encoding is set', function()
    local child = printing 'é\nü'
    child.stdout:setEncoding 'utf8'
    assert.same({ 'é', 'ü' }, lines_of(child))
  end)

  it("leaves a closed coroutine's lines to others", function()
    local child = answering()
    local thread = cp.async(function()
      child.stdout:read 'l'
    end)
    coroutine.close(thread)
    child.stdin:finish 'go\n'
    assert.same({ '<go>', 'end' }, lines_of(child))
  end)
end)

describe('stream:read(format)', function()
  it('gives a line, a line with its end, or all the rest', function()
    local stdout = printing('one\ntwo\nthree\nfour').stdout
    assert.equal('one', stdout:read 'l')
    assert.equal('two\n', stdout:read 'L')
    assert.equal('three\nfour', stdout:read 'a')
  end)

  it('ignores the star of old Lua', function()
    local stdout = printing('one\ntwo\nthree\nfour').stdout
    assert.equal('one', stdout:read '*l')
    assert.equal('two\n', stdout:read '*L')
    assert.equal('three\nfour', stdout:read '*a')
  end)

  it('gives nil at the end, or an empty rest', function()
    local stdout = printing('one').stdout
    assert.equal('one', stdout:read 'L')
    assert.is_nil(stdout:read 'l')
    assert.is_nil(stdout:read 'L')
    assert.equal('', stdout:read 'a')
    assert.equal('', stdout:readAll())
  end)

  it('keeps the rest when the child ends between two calls', function()
    local child = printing 'one\ntwo\nthree'
    assert.equal('one', child.stdout:read 'l')
    cp.run()
    assert.equal('two', child.stdout:read 'l')
    assert.equal('three', child.stdout:readAll())
    assert.is_true(child:wait().ok)
  end)

  it('keeps the rest when somebody waits for the child between two calls', function()
    local child = printing 'one\ntwo\nthree'
    assert.equal('one', child.stdout:read 'l')
    assert.is_true(child:wait().ok)
    assert.equal('two', child.stdout:read 'l')
    assert.equal('three', child.stdout:readAll())
  end)

  it('gives data to those who listen as well', function()
    local child, seen = staying 'a\nb\nc', {}
    assert.equal('a', child.stdout:read 'l')
    child.stdout:on('data', function(chunk)
      seen[#seen + 1] = chunk
    end)
    assert.equal('b', child.stdout:read 'l')
    assert.same({ 'b\n' }, seen)
    child.stdin:finish()
  end)

  it('says truly how much is left', function()
    local child = staying 'ab\ncd\nef'
    assert.equal('ab', child.stdout:read 'l')
    assert.equal(5, child.stdout.readableLength)
    assert.equal('cd\n', child.stdout:readUntil '\n')
    assert.equal(2, child.stdout.readableLength)
    child.stdin:finish()
  end)

  it('fills the buffer again as soon as there is room', function()
    local text = ('y'):rep(1000)
    local child = cp.spawn('yes', { text })
    local stdout = child.stdout
    assert.equal(text, stdout:read 'l')
    for _ = 1, 2 do
      while stdout.readableLength < stdout.readableHighWaterMark do
        cp.run 'once'
      end
      while stdout.readableLength >= stdout.readableHighWaterMark do
        assert.equal(text, stdout:read 'l')
      end
    end
    child:kill 'SIGKILL'
  end)

  it('refuses other formats', function()
    local stdout = printing('').stdout
    for _, format in ipairs { 'n', '*n', '', 'line', '**l', 'll' } do
      t.raises('ERR_INVALID_ARG_VALUE', stdout.read, stdout, format)
    end
    local err = t.raises('ERR_INVALID_ARG_VALUE', stdout.read, stdout, 'n')
    assert.truthy(err.message:find("tonumber(read 'l')", 1, true))
  end)

  it('gives up after its time, and takes nothing then', function()
    local child = answering()
    child.stdin:write 'one\n'
    assert.equal('<one>', child.stdout:read('l', t.TEST_TIMEOUT))
    local mark = child.stdout.readableHighWaterMark
    for _, format in ipairs { 'l', 'L', 'a' } do
      assert.same({ nil, 'timeout' }, { child.stdout:read(format, 1) })
    end
    assert.same({ nil, 'timeout' }, { child.stdout:readAll(1) })
    assert.equal(mark, child.stdout.readableHighWaterMark)
    child.stdin:write 'two'
    cp.async(t.expect(function()
      assert.same({ nil, 'timeout' }, { child.stdout:read('l', 1) })
      child.stdin:finish '\n'
      assert.equal('<two>', child.stdout:read 'l')
      assert.equal(1, select('#', child.stdout:readAll(t.TEST_TIMEOUT)))
      assert.is_nil(child.stdout:read('l', 1))
    end))
  end)

  it('raises when nothing keeps the loop alive that could bring more', function()
    local child = answering()
    child:unref()
    for _, stream in ipairs { child.stdin, child.stdout, child.stderr } do
      stream:unref()
    end
    local err = t.raises('ERR_WOULD_BLOCK', child.stdout.read, child.stdout, 'l')
    assert.truthy(err.message:find('for ever', 1, true))
    child:ref()
    child.stdout:ref()
    child.stdin:finish 'one\n'
    assert.equal('<one>', child.stdout:read 'l')
  end)

  it('takes a number of milliseconds only', function()
    local stdout = printing('').stdout
    t.raises('ERR_INVALID_ARG_TYPE', stdout.read, stdout, 'l', '1')
    t.raises('ERR_OUT_OF_RANGE', stdout.readAll, stdout, -1)
  end)

  it('leaves the size of the buffer as it was when it is given up', function()
    local child = cp.spawn('sh', { '-c', 'head -c 1000000 /dev/zero; exec cat' })
    local mark = child.stdout.readableHighWaterMark
    local thread = cp.async(child.stdout.readAll, child.stdout)
    while child.stdout.readableLength <= mark do
      cp.run 'once'
    end
    assert.is_true(child.stdout.readableHighWaterMark > mark)
    assert.is_true(coroutine.close(thread))
    assert.equal(mark, child.stdout.readableHighWaterMark)
    child.stdin:finish()
    assert.equal(1000000, #child.stdout:readAll())
  end)

  it('lets two coroutines share a stream', function()
    local child, got = printing(('line\n'):rep(10)), {}
    for i = 1, 2 do
      cp.async(function()
        while child.stdout:read 'l' do
          got[i] = (got[i] or 0) + 1
        end
      end)
    end
    cp.run()
    assert.equal(10, (got[1] or 0) + (got[2] or 0))
  end)
end)

describe('stream:readAll()', function()
  it('gives all of it, whatever its size', function()
    local stdout = cp.spawn('head', { '-c', 3000000, '/dev/zero' }).stdout
    assert.equal(('\0'):rep(3000000), stdout:readAll())
  end)

  it('gives what lines have left', function()
    local child = printing 'one\ntwo\nthree'
    read_up_to('one', child)
    assert.equal('two\nthree', child.stdout:readAll())
  end)

  it('loses nothing when another callback fails meanwhile', function()
    local child = answering()
    child.stdin:write 'go\n'
    child.stdout:once('readable', function()
      error({}, 0)
    end)
    assert.is_false((pcall(child.stdout.readAll, child.stdout)))
    child.stdin:finish()
    assert.equal('<go>\nend\n', child.stdout:readAll())
  end)
end)

describe('stream:read(n, timeout)', function()
  it('raises, since it does not wait, and says what does', function()
    local stdout = printing('text').stdout
    local err = t.raises('ERR_INVALID_ARG_VALUE', stdout.read, stdout, 4, 3000)
    assert.truthy(err.message:find('readExactly(n, timeout)', 1, true))
    err = t.raises('ERR_INVALID_ARG_VALUE', stdout.read, stdout, nil, 3000)
    assert.truthy(err.message:find('chunks()', 1, true))
  end)
end)

describe('stream:readExactly(n)', function()
  it('waits for as many bytes, fewer only at the end, then nil', function()
    local child = cp.spawn('sh', { '-c', 'printf ab; read go; printf cdef' })
    child.stdin:write 'go\n'
    assert.equal('abc', child.stdout:readExactly(3))
    assert.equal('', child.stdout:readExactly(0))
    assert.equal('de', child.stdout:readExactly(2, t.TEST_TIMEOUT))
    assert.equal('f', child.stdout:readExactly(2))
    assert.is_nil(child.stdout:readExactly(2))
    assert.equal('', child.stdout:readExactly(0))
  end)

  it('gives more than any buffer, and to the byte where there is an encoding', function()
    local child = cp.spawn('head', { '-c', '3000000', '/dev/zero' })
    local mark = child.stdout.readableHighWaterMark
    assert.equal(2000000, #child.stdout:readExactly(2000000))
    assert.equal(mark, child.stdout.readableHighWaterMark)
    assert.equal(1000000, #child.stdout:readExactly(1000001))
    child = printing '€€'
    child.stdout:setEncoding 'utf8'
    assert.equal('€\xe2', child.stdout:readExactly(4))
    assert.equal('\x82\xac', child.stdout:readExactly(4))
  end)

  it('takes nothing when it gives up', function()
    local child = answering()
    child.stdin:write 'one\n'
    assert.same({ nil, 'timeout' }, { child.stdout:readExactly(100, 20) })
    assert.equal('<one>\n', child.stdout:readExactly(6))
    child.stdin:finish()
  end)

  it('takes a whole number of bytes only, up to 1 GiB', function()
    local stdout = printing('').stdout
    t.raises('ERR_INVALID_ARG_TYPE', stdout.readExactly, stdout)
    t.raises('ERR_INVALID_ARG_TYPE', stdout.readExactly, stdout, '5')
    for _, n in ipairs { -1, 1.5, 0 / 0, math.huge, (1 << 30) + 1 } do
      t.raises('ERR_OUT_OF_RANGE', stdout.readExactly, stdout, n)
    end
    t.raises('ERR_INVALID_ARG_TYPE', stdout.readExactly, stdout, 1, '1')
  end)

  it('raises when the stream is destroyed, after what there was', function()
    local child = answering()
    child.stdin:write 'go\n'
    assert.equal('<', child.stdout:readExactly(1))
    child.stdout:destroy()
    assert.equal('go>\n', child.stdout:readExactly(100))
    t.raises('ERR_STREAM_PREMATURE_CLOSE', child.stdout.readExactly, child.stdout, 1)
    child.stdin:finish()
  end)
end)

describe('stream:readUntil(delim)', function()
  it('gives what comes up to it, and with it; what is left; then nil', function()
    local stdout = printing('a: b\n> c').stdout
    assert.equal('a: b\n> ', stdout:readUntil '> ')
    assert.equal('c', stdout:readUntil('> ', t.TEST_TIMEOUT))
    assert.is_nil(stdout:readUntil '> ')
  end)

  it('takes several, and anything in an array', function()
    local stdout = printing('one l two\n').stdout
    assert.equal('one l', stdout:readUntil { 'l', '\n' })
    assert.equal(' two\n', stdout:readUntil { 'l', '\n' })
  end)

  it('gives up after its time, and takes nothing then', function()
    local child = answering()
    child.stdin:write 'one\n'
    assert.same({ nil, 'timeout' }, { child.stdout:readUntil(';', 20) })
    assert.equal('<one>', child.stdout:readUntil '>')
    child.stdin:finish()
  end)

  it('wants a delimiter', function()
    local stdout = printing('').stdout
    t.raises('ERR_INVALID_ARG_TYPE', stdout.readUntil, stdout)
    t.raises('ERR_INVALID_ARG_VALUE', stdout.readUntil, stdout, 'L')
    t.raises('ERR_INVALID_ARG_VALUE', stdout.readUntil, stdout, '')
  end)
end)

describe('stream:chunks()', function()
  it('gives what has come, at least a byte, until the end', function()
    local child, seen = answering(), {}
    child.stdin:write 'one\n'
    for chunk in child.stdout:chunks() do
      seen[#seen + 1] = chunk
      child.stdin:finish()
    end
    assert.same({ '<one>\n', 'end\n' }, seen)
  end)

  it('gives everything, whatever its size, and holds the child back', function()
    local child, size = cp.spawn('head', { '-c', '3000000', '/dev/zero' }), 0
    for chunk in child.stdout:chunks() do
      assert.is_true(#chunk > 0)
      size = size + #chunk
    end
    assert.equal(3000000, size)
  end)

  it('leaves the rest to others when the loop is left', function()
    local child = answering()
    child.stdin:write 'one\n'
    for chunk in child.stdout:chunks() do
      child.stdin:finish 'two\n'
      if chunk == '<one>\n' then
        break
      end
    end
    assert.equal('<two>\nend\n', child.stdout:readAll())
  end)
end)

describe('a method of streams that waits', function()
  it('is called with a colon', function()
    local stdout = printing('').stdout
    for _, name in ipairs {
      'lines',
      'readAll',
      'readExactly',
      'readUntil',
      'chunks',
      'put',
    } do
      local ok, err = pcall(stdout[name])
      assert.is_false(ok)
      assert.truthy(tostring(err):find(':' .. name .. '(', 1, true), tostring(err))
    end
  end)
end)

describe('stream:put()', function()
  it('writes strings and numbers in one go, as the files of Lua do', function()
    local child = cp.spawn 'cat'
    local path = t.tmpdir() .. '/file'
    local file = assert(io.open(path, 'w'))
    local values = { 'a', 1, ' ', 2.5, ' ', 1.0, ' ', -7, ' ', 1e300, '\n' }
    file:write(table.unpack(values)):close()
    assert.equal(child.stdin, child.stdin:put(table.unpack(values)))
    child.stdin:put():put(''):finish()
    assert.equal(t.slurp(path), child:wait().stdout)
  end)

  it('takes nothing else, and then writes nothing', function()
    local child = cp.spawn 'cat'
    for _, value in ipairs { true, {}, print } do
      t.raises('ERR_INVALID_ARG_TYPE', child.stdin.put, child.stdin, 'a', value)
    end
    t.raises('ERR_INVALID_ARG_TYPE', child.stdin.put, child.stdin, 'a', nil, 'b')
    child.stdin:finish()
    assert.equal('', child:wait().stdout)
  end)
end)
