local loop = require 'child_process.loop'
local stream = require 'child_process.stream'
local fake = require 'spec.support.fake_handle'
local unread = require 'child_process.stream.unread'

local EIO = -5

local function raised(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(code, err.code)
end

local function boom()
  error('boom', 0)
end

describe('Readable: flowing', function()
  it('reads ahead from its creation, flowing to nobody', function()
    local s, h = fake.open 'r'
    assert.is_true(h.reading)
    h:deliver 'ab'
    h:deliver 'c'
    assert.is_nil(s.readableFlowing)
    assert.equal(3, s.readableLength)
    assert.equal(3, s.bytesRead)
    assert.is_true(s.readable)
    assert.is_false(s.writable)
  end)

  it('hands a listener that comes late what was read, on the next tick', function()
    local s, h = fake.open 'r'
    h:deliver 'ab'
    h:deliver 'cd'
    local log
    fake.turn(function()
      log = fake.record(s, { 'data', 'resume' })
      assert.same({}, log)
      assert.is_true(s.readableFlowing)
    end)
    assert.same({ 'resume', 'data ab', 'data cd' }, log)
  end)

  it('gives a chunk to the listener within the callback of the handle', function()
    local s, h = fake.open 'r'
    local log = fake.record(s, { 'data' })
    fake.turn(function() end)
    fake.turn(function()
      h.on_read(s, 'now')
      assert.same({ 'data now' }, log)
    end)
    assert.equal(0, s.readableLength)
  end)

  it('stops reading when the buffer is full, and starts again below the mark', function()
    local s, h = fake.open('r', { readableHighWaterMark = 4 })
    h:deliver 'abc'
    assert.is_true(h.reading)
    h:deliver 'def'
    assert.is_false(h.reading)
    fake.turn(function()
      assert.equal('ab', s:read(2))
      assert.is_false(h.reading)
      assert.equal('c', s:read(1))
    end)
    assert.is_true(h.reading)
  end)

  it('keeps what arrives while it is paused', function()
    local s, h = fake.open 'r'
    local log = fake.record(s, { 'data', 'pause', 'resume' })
    s:on('data', function(chunk)
      if chunk == 'a' then
        assert.equal(s, s:pause())
      end
    end)
    fake.turn(function() end)
    h:deliver 'a'
    h:deliver 'b'
    h:deliver 'c'
    assert.is_true(s:isPaused())
    assert.is_false(s.readableFlowing)
    fake.turn(function()
      assert.equal(s, s:resume())
      assert.is_false(s:isPaused())
    end)
    assert.same({ 'resume', 'data a', 'pause', 'resume', 'data b', 'data c' }, log)
  end)

  it('stays paused when it was paused before anybody listened', function()
    local s, h = fake.open 'r'
    s:pause()
    local log = fake.record(s, { 'data' })
    h:deliver 'a'
    assert.same({}, log)
    assert.equal(1, s.readableLength)
  end)

  it('throws data away when it flows to nobody', function()
    local s, h = fake.open 'r'
    h:deliver 'a'
    fake.turn(function()
      s:resume()
    end)
    h:deliver 'b'
    assert.equal(0, s.readableLength)
    assert.equal(2, s.bytesRead)
  end)

  it('listens once with once', function()
    local s, h = fake.open 'r'
    local log, note = fake.record(s, {})
    s:once('data', note 'data')
    fake.turn(function() end)
    h:deliver 'a'
    h:deliver 'b'
    assert.same({ 'data a' }, log)
  end)

  it('reads nothing before it is asked when it is started by hand', function()
    local s, h = fake.open('r', { manualStart = true })
    assert.is_false(h.reading)
    local log = fake.record(s, { 'data' })
    fake.turn(function() end)
    assert.is_true(h.reading)
    h:deliver 'a'
    assert.same({ 'data a' }, log)
  end)
end)

describe('Readable: the end', function()
  it('ends and closes when all has been read', function()
    local s, h = fake.open 'r'
    local log = fake.record(s, { 'data', 'end', 'close', 'readable' })
    h:deliver 'a'
    s:removeAllListeners 'readable'
    fake.turn(function() end)
    h:finish()
    assert.same({ 'readable', 'data a', 'end', 'close false' }, log)
    assert.is_true(s.readableEnded)
    assert.is_true(s.destroyed)
    assert.is_false(s.readable)
    assert.is_true(h.closed)
  end)

  it('ends without any reader when there is nothing to read', function()
    local s, h = fake.open 'r'
    local log = fake.record(s)
    h:finish()
    assert.same({ 'end', 'close false' }, log)
  end)

  it('does not end before the rest is taken', function()
    local s, h = fake.open 'r'
    local log = fake.record(s, { 'end', 'close' })
    h:deliver 'rest'
    h:finish()
    assert.same({}, log)
    assert.is_false(s.readableEnded)
    fake.turn(function()
      assert.equal('rest', s:read())
    end)
    assert.same({ 'end', 'close false' }, log)
  end)

  it('ends while it is paused with nothing left', function()
    local s, h = fake.open 'r'
    s:pause()
    local log = fake.record(s, { 'end' })
    h:finish()
    assert.same({ 'end' }, log)
  end)

  it('is destroyed by an error of the system', function()
    local s, h = fake.open 'r'
    local log = fake.record(s)
    h:fail(EIO)
    assert.same({ 'error EIO', 'close true' }, log)
    assert.equal('read', s.errored.syscall)
    assert.equal(EIO, s.errored.errno)
    assert.is_false(s.readableEnded)
  end)

  it('is destroyed when reading cannot be started', function()
    local h = fake.handle()
    h.start_error = EIO
    local s = stream.new(h, { readable = true })
    local log = fake.record(s)
    fake.turn(function() end)
    assert.same({ 'error EIO', 'close true' }, log)
  end)

  it('ends and closes after a start that failed', function()
    local s = stream.new(nil, { readable = true })
    local log = fake.record(s)
    fake.turn(function()
      stream.fail_start(s)
    end)
    assert.same({ 'end', 'close false' }, log)
  end)
end)

describe('Readable: pulled', function()
  it('announces data with readable and gives all of it', function()
    local s, h = fake.open 'r'
    local log, note = fake.record(s, { 'end' })
    s:on('readable', function()
      note 'readable'(s:read())
    end)
    assert.is_false(s.readableFlowing)
    h:deliver 'ab'
    h:deliver 'cd'
    h:finish()
    assert.same({ 'readable ab', 'readable cd', 'readable nil', 'end' }, log)
  end)

  it('gives exactly as much as is asked for, or nothing', function()
    local s, h = fake.open 'r'
    h:deliver 'ab'
    h:deliver 'cdef'
    assert.is_nil(s:read(0))
    assert.is_nil(s:read(7))
    assert.equal('abc', s:read(3))
    assert.equal('d', s:read(1.9))
    assert.is_nil(s:read(-1))
    assert.equal('ef', s:read())
    assert.is_nil(s:read())
  end)

  it('gives the rest at the end, and then nothing', function()
    local s, h = fake.open 'r'
    h:deliver 'abc'
    h:finish()
    fake.turn(function()
      assert.equal('abc', s:read(10))
      assert.is_nil(s:read())
    end)
    assert.is_true(s.readableEnded)
  end)

  it('emits data for what read returns', function()
    local s, h = fake.open 'r'
    s:pause()
    local log = fake.record(s, { 'data' })
    h:deliver 'abc'
    assert.equal('ab', s:read(2))
    assert.same({ 'data ab' }, log)
  end)

  it('makes room for what is asked for', function()
    local s, h = fake.open('r', { readableHighWaterMark = 4 })
    h:deliver 'abcd'
    assert.is_false(h.reading)
    assert.is_nil(s:read(9))
    assert.equal(16, s.readableHighWaterMark)
    assert.is_true(h.reading)
    raised('ERR_OUT_OF_RANGE', s.read, s, (1 << 30) + 1)
    raised('ERR_INVALID_ARG_TYPE', s.read, s, {})
  end)

  it('joins many chunks and reads many pieces', function()
    local s, h = fake.open 'r'
    for i = 1, 20 do
      h:deliver(('%02d'):format(i))
    end
    local out = {}
    repeat
      out[#out + 1] = s:read(3)
    until s.readableLength < 3
    out[#out + 1] = s:read()
    assert.equal('0102030405060708091011121314151617181920', table.concat(out))
  end)

  it('announces once in a row', function()
    local s, h = fake.open 'r'
    local log, note = fake.record(s, { 'end' })
    local function again()
      note 'readable'(s:read())
      s:once('readable', again)
    end
    s:once('readable', again)
    h:deliver 'a'
    h:deliver 'b'
    h:finish()
    assert.same({ 'readable a', 'readable b', 'readable nil', 'end' }, log)
  end)

  it('flows to a listener for data once nobody listens for readable', function()
    local s, h = fake.open 'r'
    local function on_readable() end
    s:on('readable', on_readable)
    local log = fake.record(s, { 'data' })
    h:deliver 'a'
    assert.same({}, log)
    fake.turn(function()
      s:off('readable', on_readable)
    end)
    assert.same({ 'data a' }, log)
    assert.is_true(s.readableFlowing)
  end)

  it('does not flow by resume while somebody listens for readable', function()
    local s, h = fake.open 'r'
    s:on('readable', function() end)
    fake.turn(function()
      s:resume()
    end)
    h:deliver 'a'
    assert.is_false(s.readableFlowing)
    assert.equal(1, s.readableLength)
  end)

  it('leaves strings as formats to whoever set the hook', function()
    local s = fake.open 'r'
    local hook = unread.read_format
    finally(function()
      unread.read_format = hook
    end)
    unread.read_format = function(given, format)
      return given == s and format
    end
    assert.equal('l', s:read 'l')
  end)
end)

describe('Readable: encoding', function()
  it('never cuts a character between two chunks', function()
    local s, h = fake.open 'r'
    assert.equal(s, s:setEncoding 'UTF-8')
    assert.equal('utf8', s.readableEncoding)
    local log = fake.record(s, { 'data', 'end' })
    fake.turn(function() end)
    h:deliver 'a\xe2\x82'
    h:deliver '\xac'
    h:deliver '\xc3'
    h:finish()
    assert.same({ 'data a', 'data €', 'data \u{fffd}', 'end' }, log)
    assert.equal(5, s.bytesRead)
  end)

  it('decodes what is buffered already', function()
    local s, h = fake.open 'r'
    h:deliver '\xe2\x82'
    s:setEncoding()
    assert.equal(0, s.readableLength)
    h:deliver '\xacb'
    assert.equal('€b', s:read())
  end)

  it('decodes the rest of a stream that has ended', function()
    local s, h = fake.open 'r'
    h:deliver 'a\xe2'
    h:finish()
    s:setEncoding 'utf8'
    assert.equal('a\u{fffd}', s:read())
  end)

  it('knows the other encodings', function()
    for name, text in pairs {
      latin1 = 'é\u{1}',
      hex = 'e901',
      base64 = '6Q==',
    } do
      local s, h = fake.open 'r'
      s:setEncoding(name)
      local log = fake.record(s, { 'data' })
      fake.turn(function() end)
      h:deliver(name == 'base64' and '\xe9' or '\xe9\x01')
      h:finish()
      assert.same({ 'data ' .. text }, log)
    end
  end)

  it('goes back to bytes', function()
    local s, h = fake.open 'r'
    s:setEncoding 'hex'
    h:deliver 'a'
    s:setEncoding 'buffer'
    assert.is_nil(s.readableEncoding)
    h:deliver '\xff'
    assert.equal('61\xff', s:read())
  end)

  it('raises for a name that is none, and changes nothing', function()
    local s, h = fake.open 'r'
    raised('ERR_UNKNOWN_ENCODING', s.setEncoding, s, 'klingon')
    raised('ERR_UNKNOWN_ENCODING', s.setEncoding, s, 8)
    h:deliver '\xff'
    assert.equal('\xff', s:read())
  end)

  it('does not cut a character in read(n)', function()
    local s, h = fake.open 'r'
    s:setEncoding 'utf8'
    h:deliver 'a€b'
    h:deliver '€€'
    assert.equal('a', s:read(2))
    assert.equal('€', s:read(1))
    assert.equal('b€', s:read(5))
    assert.equal('€', s:read())
  end)
end)

describe('Readable: destroy', function()
  it('closes the handle at once and says so later', function()
    local s, h = fake.open 'r'
    local log = fake.record(s)
    fake.turn(function()
      assert.equal(s, s:destroy())
      assert.is_true(h.closed)
      assert.is_true(s.destroyed)
      assert.is_true(s.closed)
      assert.is_false(s.readable)
      assert.same({}, log)
      assert.equal(s, s:destroy 'again')
    end)
    assert.same({ 'close false' }, log)
  end)

  it('emits its error before close', function()
    local s = fake.open 'r'
    local log = fake.record(s)
    fake.turn(function()
      s:destroy { code = 'MINE' }
    end)
    assert.same({ 'error MINE', 'close true' }, log)
    assert.equal('MINE', s.errored.code)
  end)

  it('raises its error when nobody listens, and closes all the same', function()
    local s = fake.open 'r'
    local log = fake.record(s, { 'close' })
    local errors = fake.turn_with_errors(function()
      s:destroy 'mine'
    end)
    assert.same({ 'mine' }, errors)
    assert.same({ 'close true' }, log)
  end)

  it('is what close() and the end of a scope do', function()
    local s, h = fake.open 'r'
    s:close()
    assert.is_true(h.closed)
    local inner
    do
      local t <close>, i = fake.open 'r'
      inner = t and i
    end
    assert.is_true(inner.closed)
    fake.turn(function() end)
  end)

  it('calls the hook of its maker', function()
    local got
    local s = fake.open('r', {
      hooks = {
        destroyed = function(self, err)
          got = { self, err }
        end,
      },
    })
    s:on('error', function() end)
    s:destroy 'why'
    assert.same({ s, 'why' }, got)
    fake.turn(function() end)
  end)

  it('gives its handle and what was read to whoever takes them', function()
    local s, h = fake.open 'r'
    local log = fake.record(s)
    h:deliver 'abc'
    fake.turn(function()
      local handle, rest = stream.take_handle(s)
      assert.equal(h, handle)
      assert.equal('abc', rest)
      assert.is_nil(stream.take_handle(s))
    end)
    assert.is_false(h.reading)
    assert.is_false(h.closed)
    assert.is_false(s.destroyed)
    assert.same({}, log)
  end)
end)

describe('Readable: a listener that raises', function()
  it('for data costs no chunk and no end', function()
    local s, h = fake.open 'r'
    h:deliver 'a'
    h:deliver 'b'
    local log = fake.record(s, { 'data', 'end', 'close' })
    s:on('data', boom)
    local errors = fake.turn_with_errors(function() end)
    assert.same({ 'boom', 'boom' }, errors)
    errors = fake.turn_with_errors(function()
      h.on_read(s, 'c')
    end)
    assert.same({ 'boom' }, errors)
    h:finish()
    assert.same({ 'data a', 'data b', 'data c', 'end', 'close false' }, log)
  end)

  it('for readable costs no end', function()
    local s, h = fake.open 'r'
    local log = fake.record(s, { 'end', 'close' })
    s:on('readable', boom)
    local errors = fake.turn_with_errors(function()
      h.on_read(s, nil)
    end)
    assert.same({ 'boom' }, errors)
    assert.same({ 'end', 'close false' }, log)
  end)

  it('for end costs no close', function()
    local s, h = fake.open 'r'
    local log = fake.record(s, { 'end', 'close' })
    s:on('end', boom)
    local errors = fake.turn_with_errors(function()
      h.on_read(s, nil)
    end)
    assert.same({ 'boom' }, errors)
    assert.same({ 'end', 'close false' }, log)
  end)

  it('for resume costs no data', function()
    local s, h = fake.open 'r'
    h:deliver 'a'
    local log = fake.record(s, { 'data' })
    s:on('resume', boom)
    assert.same({ 'boom' }, fake.turn_with_errors(function() end))
    assert.same({ 'data a' }, log)
  end)
end)

describe('Stream', function()
  it('is known as one', function()
    local s = fake.open 'r'
    assert.is_true(stream.is_stream(s))
    assert.is_false(stream.is_stream {})
    assert.is_false(stream.is_stream 'text')
    local Sub = setmetatable({}, { __index = stream.Stream })
    Sub.__index = Sub
    local sub = setmetatable({}, Sub)
    stream.init(sub, fake.handle(), { readable = true })
    assert.is_true(stream.is_stream(sub))
    assert.is_true(sub._handle.reading)
  end)

  it('tells its sides and its descriptor', function()
    local s = fake.open 'rw'
    assert.equal('child_process.Stream (duplex, fd 7)', tostring(s))
    s:destroy()
    assert.equal('child_process.Stream (duplex, closed)', tostring(s))
    assert.equal('child_process.Stream (readable, fd 7)', tostring((fake.open 'r')))
    assert.equal('child_process.Stream (writable, fd 7)', tostring((fake.open 'w')))
    fake.turn(function() end)
  end)

  it('hands ref and unref to its handle', function()
    local s, h = fake.open 'r'
    assert.equal(s, s:unref())
    assert.is_false(h.refed)
    assert.equal(s, s:ref())
    assert.is_true(h.refed)
    s:destroy()
    assert.equal(s, s:ref():unref())
    fake.turn(function() end)
  end)

  it('keeps the order of ticks of its user', function()
    local s, h = fake.open 'r'
    local log, note = fake.record(s, { 'end', 'close' })
    s:on('end', function()
      assert.is_false(s.destroyed)
      loop.nextTick(function()
        note 'tick'(s.destroyed)
      end)
    end)
    h:finish()
    assert.same({ 'end', 'tick true', 'close false' }, log)
  end)
end)
