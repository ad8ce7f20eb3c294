local stream = require 'child_process.stream'
local fake = require 'spec.support.fake_handle'

local EPIPE, ENOTCONN, ECONNRESET = -32, -107, -104

local function raised(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(code, err.code)
end

-- A stream whose writes are kept, with the mark at 4 bytes.
local function open_slow()
  local s, h = fake.open('w', { writableHighWaterMark = 4 })
  h.mode = 'keep'
  return s, h
end

describe('Writable: write', function()
  it('writes at once what the kernel takes', function()
    local s, h = fake.open 'w'
    assert.is_true(s.writable)
    assert.is_false(s.readable)
    assert.is_true(s:write(('x'):rep(100000)))
    assert.equal(0, s.writableLength)
    assert.equal(100000, s.bytesWritten)
    assert.equal(1, h.writes)
  end)

  it('calls back on the next tick, in order', function()
    local s = fake.open 'w'
    local log, note = fake.record(s)
    fake.turn(function()
      s:write('a', note 'first')
      s:write('b', 'utf8', note 'second')
      s:write 'c'
      assert.same({}, log)
    end)
    assert.same({ 'first nil', 'second nil' }, log)
  end)

  it('queues behind a write that is not done and hands all over together', function()
    local s, h = open_slow()
    local log, note = fake.record(s)
    assert.is_true(s:write('ab', note 'ab'))
    assert.is_false(s:write('cd', note 'cd'))
    assert.is_false(s:write 'ef')
    assert.is_false(s:write('g', note 'g'))
    assert.equal(7, s.writableLength)
    assert.is_true(s.writableNeedDrain)
    assert.same({ 'ab' }, h.written)
    h:complete()
    assert.same({ 'ab', 'cdefg' }, h.written)
    assert.same({ 'ab nil' }, log)
    h:complete()
    assert.same({ 'ab nil', 'drain', 'cd nil', 'g nil' }, log)
    assert.is_false(s.writableNeedDrain)
    assert.equal(0, s.writableLength)
  end)

  it('does not drain when it never was full', function()
    local s, h = open_slow()
    local log = fake.record(s)
    assert.is_true(s:write 'abc')
    h:complete()
    assert.same({}, log)
  end)

  it('drains before the callback of a flush that is taken at once', function()
    local s, h = open_slow()
    local log, note = fake.record(s)
    s:write('abcd', note 'a')
    s:write('e', note 'e')
    h.mode = 'take'
    h:complete()
    assert.same({ 'drain', 'a nil', 'e nil' }, log)
  end)

  it('goes on from drain', function()
    local s, h = open_slow()
    local left = 3
    local function fill()
      while left > 0 do
        left = left - 1
        if not s:write 'abcd' then
          return
        end
      end
      s:finish()
    end
    s:on('drain', fill)
    fill()
    h:complete()
    h:complete()
    h:complete()
    assert.same({ 'abcd', 'abcd', 'abcd' }, h.written)
    assert.is_true(s.writableFinished)
  end)

  it('takes bytes in any encoding', function()
    local s, h = fake.open 'w'
    s:write('616200', 'hex')
    s:write('é', 'latin1')
    s:write('/+8=', 'base64')
    s:write('\xff', 'buffer')
    s:write('é', 'UTF8')
    assert.same({ 'ab\0', '\xe9', '\xff\xef', '\xff', 'é' }, h.written)
    assert.equal(9, s.bytesWritten)
  end)

  it('refuses what is no string and encodings that are none', function()
    local s, h = fake.open 'w'
    raised('ERR_INVALID_ARG_TYPE', s.write, s)
    raised('ERR_INVALID_ARG_TYPE', s.write, s, 5)
    raised('ERR_INVALID_ARG_TYPE', s.write, s, {})
    raised('ERR_UNKNOWN_ENCODING', s.write, s, 'a', 'klingon')
    raised('ERR_INVALID_ARG_TYPE', s.finish, s, 5)
    assert.equal(0, h.writes)
    assert.is_true(s.writable)
  end)

  it('waits for a handle while it is connecting', function()
    local s = stream.new(nil, { readable = true, writable = true, connecting = true })
    local log, note = fake.record(s, { 'finish' })
    s:write('a', note 'a')
    s:finish 'b'
    local h = fake.handle()
    fake.turn(function()
      stream.attach(s, h)
    end)
    assert.same({ 'ab' }, h.written)
    assert.is_true(h.reading)
    assert.same({ 'a nil', 'finish' }, log)
  end)
end)

describe('Writable: cork', function()
  it('gathers writes until the last uncork', function()
    local s, h = fake.open 'w'
    s:cork()
    s:cork()
    assert.is_true(s:write 'a')
    s:write 'b'
    assert.equal(2, s.writableCorked)
    assert.equal(2, s.writableLength)
    s:uncork()
    assert.equal(0, h.writes)
    s:uncork()
    s:uncork()
    assert.same({ 'ab' }, h.written)
    assert.equal(0, s.writableLength)
  end)

  it('drains when it was full', function()
    local s = fake.open('w', { writableHighWaterMark = 2 })
    local log, note = fake.record(s)
    fake.turn(function()
      s:cork()
      assert.is_true(s:write 'a')
      assert.is_false(s:write('b', note 'b'))
      s:uncork()
      assert.same({}, log)
    end)
    assert.same({ 'drain', 'b nil' }, log)
  end)

  it('ends with finish', function()
    local s, h = fake.open 'w'
    s:cork()
    s:cork()
    s:write 'a'
    s:finish 'b'
    assert.same({ 'ab' }, h.written)
    assert.is_true(h.shut)
    fake.turn(function() end)
  end)
end)

describe('Writable: finish', function()
  it('writes, shuts down, calls back, finishes, closes', function()
    local s, h = fake.open 'w'
    local log, note = fake.record(s)
    fake.turn(function()
      s:write('a', note 'a')
      assert.equal(s, s:finish('b', note 'done'))
      assert.is_true(s.writableEnded)
      assert.is_false(s.writableFinished)
      assert.is_false(s.writable)
      assert.is_true(h.shut)
    end)
    assert.same({ 'a', 'b' }, h.written)
    assert.same({ 'a nil', 'done nil', 'finish', 'close false' }, log)
    assert.is_true(s.writableFinished)
    assert.is_true(h.closed)
  end)

  it('waits for what is not written', function()
    local s, h = open_slow()
    local log, note = fake.record(s)
    s:write('abcd', note 'a')
    s:finish('e', 'utf8', note 'done')
    assert.is_false(s.writableNeedDrain)
    h:complete()
    assert.is_false(h.shut)
    assert.same({ 'a nil' }, log)
    h:complete()
    assert.is_true(h.shut)
    assert.same({ 'a nil', 'done nil', 'finish', 'close false' }, log)
  end)

  it("is the same as ['end'], and close() of what is only written", function()
    local s, h = fake.open 'w'
    assert.equal(s.finish, s['end'])
    s:close 'last'
    assert.same({ 'last' }, h.written)
    assert.is_true(s.writableEnded)
    assert.is_false(s.destroyed)
    fake.turn(function() end)
    local t = fake.open 'rw'
    t:close()
    assert.is_true(t.destroyed)
    fake.turn(function() end)
  end)

  it('may be called again without a chunk', function()
    local s = fake.open 'w'
    local log, note = fake.record(s)
    fake.turn(function()
      s:finish(note 'first')
      s:finish(note 'second')
    end)
    fake.turn(function()
      s:finish(note 'late')
      s:finish()
    end)
    assert.same({
      'first nil',
      'second nil',
      'finish',
      'close false',
      'late ERR_STREAM_ALREADY_FINISHED',
    }, log)
  end)

  it('refuses every later write', function()
    local s, h = open_slow()
    local log, note = fake.record(s)
    fake.turn(function()
      s:finish('a', note 'done')
      assert.is_false(s:write('b', note 'b'))
    end)
    assert.same({
      'b ERR_STREAM_WRITE_AFTER_END',
      'error ERR_STREAM_WRITE_AFTER_END',
      'done ERR_STREAM_WRITE_AFTER_END',
      'close true',
    }, log)
    assert.same({ 'a' }, h.written)
  end)

  it('refuses a chunk of a second call', function()
    local s = fake.open 'w'
    local log, note = fake.record(s)
    fake.turn(function()
      s:finish(note 'first')
      s:finish('b', note 'second')
    end)
    assert.same({
      'first ERR_STREAM_WRITE_AFTER_END',
      'error ERR_STREAM_WRITE_AFTER_END',
      'second ERR_STREAM_WRITE_AFTER_END',
      'close true',
    }, log)
  end)

  it('is quiet about a write after the end of a stream that has closed', function()
    local s = fake.open 'w'
    s:finish()
    fake.turn(function() end)
    local log, note = fake.record(s)
    fake.turn(function()
      assert.is_false(s:write('b', note 'b'))
    end)
    assert.same({ 'b ERR_STREAM_WRITE_AFTER_END' }, log)
  end)

  it('fails with the system', function()
    local s, h = fake.open 'w'
    local log, note = fake.record(s)
    h.shutdown_error = ECONNRESET
    fake.turn(function()
      s:finish(note 'done')
    end)
    assert.same({ 'done ECONNRESET', 'error ECONNRESET', 'close true' }, log)
    assert.equal('shutdown', s.errored.syscall)
  end)

  it('does not mind a peer that is gone already', function()
    local s, h = fake.open 'w'
    local log = fake.record(s)
    h.shutdown_error = ENOTCONN
    s:finish()
    fake.turn(function() end)
    assert.same({ 'finish', 'close false' }, log)
  end)
end)

describe('Writable: destroy', function()
  it('tells the callbacks of what is lost', function()
    local s, h = open_slow()
    local log, note = fake.record(s)
    fake.turn(function()
      s:write('a', note 'a')
      s:write('b', note 'b')
      s:finish(note 'done')
      s:destroy()
      assert.is_true(h.closed)
      assert.is_false(s.writable)
    end)
    assert.same({
      'a ERR_STREAM_DESTROYED',
      'b ERR_STREAM_DESTROYED',
      'done ERR_STREAM_DESTROYED',
      'close false',
    }, log)
    assert.equal(0, s.writableLength)
  end)

  it('tells them its error', function()
    local s = open_slow()
    local log, note = fake.record(s)
    fake.turn(function()
      s:cork()
      s:write('a', note 'a')
      s:destroy { code = 'MINE' }
    end)
    assert.same({ 'a MINE', 'error MINE', 'close true' }, log)
  end)

  it('refuses later writes without an error event', function()
    local s = fake.open 'w'
    local log, note = fake.record(s)
    fake.turn(function()
      s:destroy()
      assert.is_false(s:write('a', note 'a'))
      s:finish(note 'done')
    end)
    assert.same({
      'a ERR_STREAM_DESTROYED',
      'done ERR_STREAM_DESTROYED',
      'close false',
    }, log)
  end)

  it('does not finish any more', function()
    local s = fake.open 'w'
    local log, note = fake.record(s)
    fake.turn(function()
      s:finish('a', note 'done')
      s:destroy()
    end)
    assert.same({ 'done ERR_STREAM_DESTROYED', 'close false' }, log)
    assert.is_false(s.writableFinished)
  end)

  it('is what becomes of a stream that could not be started', function()
    local s = stream.new(nil, { writable = true })
    local log = fake.record(s)
    stream.fail_start(s)
    fake.turn(function() end)
    assert.same({ 'close false' }, log)
  end)
end)

describe('Writable: a write that fails', function()
  it('at once, tells the callback, then error, then closes', function()
    local s, h = fake.open 'w'
    local log, note = fake.record(s)
    h.mode = EPIPE
    fake.turn(function()
      assert.is_false(s:write('a', note 'a'))
      assert.is_false(s:write('b', note 'b'))
      assert.is_false(s.writable)
      assert.is_false(s.destroyed)
    end)
    assert.same({ 'a EPIPE', 'b EPIPE', 'error EPIPE', 'close true' }, log)
    assert.equal(1, h.writes)
    assert.equal('write EPIPE', s.errored.message)
    assert.equal(EPIPE, s.errored.errno)
  end)

  it('later, tells all that waits', function()
    local s, h = open_slow()
    local log, note = fake.record(s)
    s:write('a', note 'a')
    s:write('b', note 'b')
    s:finish(note 'done')
    h:complete(EPIPE)
    assert.same({ 'a EPIPE', 'b EPIPE', 'done EPIPE', 'error EPIPE', 'close true' }, log)
  end)

  it('raises its error when nobody listens, and closes all the same', function()
    local s, h = fake.open 'w'
    local log = fake.record(s, { 'close' })
    h.mode = EPIPE
    local errors = fake.turn_with_errors(function()
      s:write 'a'
    end)
    assert.equal(1, #errors)
    assert.equal('EPIPE', errors[1].code)
    assert.same({ 'close true' }, log)
  end)

  it('is not raised for a reader that went away when the maker said so', function()
    for _, errno in ipairs { EPIPE, ECONNRESET } do
      local s, h = fake.open 'w'
      local log, note = fake.record(s, { 'close' })
      s._quiet_epipe = true
      h.mode = errno
      fake.turn(function()
        s:write('a', note 'a')
      end)
      assert.equal('close true', log[2])
    end
  end)

  it('is still an event then, and other errors are raised', function()
    local s, h = fake.open 'w'
    local log = fake.record(s)
    s._quiet_epipe = true
    h.mode = EPIPE
    fake.turn(function()
      s:write 'a'
    end)
    assert.same({ 'error EPIPE', 'close true' }, log)
    local t = fake.open 'w'
    t._quiet_epipe = true
    local errors = fake.turn_with_errors(function()
      t:destroy { code = 'EIO' }
    end)
    assert.equal('EIO', errors[1].code)
  end)

  it('is what becomes of one without a handle', function()
    local s = stream.new(nil, { writable = true })
    local log, note = fake.record(s)
    fake.turn(function()
      s:write('a', note 'a')
    end)
    assert.same({ 'a EPIPE', 'error EPIPE', 'close true' }, log)
  end)
end)

describe('Writable: a callback that raises', function()
  local function boom()
    error('boom', 0)
  end

  it('costs no other callback, no finish and no close', function()
    local s = fake.open 'w'
    local log, note = fake.record(s)
    local errors = fake.turn_with_errors(function()
      s:write('a', boom)
      s:write('b', note 'b')
      s:write('c', boom)
      s:finish('d', boom)
      s:finish(note 'done')
    end)
    assert.same({ 'boom', 'boom', 'boom' }, errors)
    assert.same({ 'b nil', 'done nil', 'finish', 'close false' }, log)
  end)

  it('costs nothing after a failure', function()
    local s, h = open_slow()
    local log, note = fake.record(s)
    s:write('a', boom)
    s:write('b', note 'b')
    s:finish(boom)
    local errors = fake.turn_with_errors(function()
      h.on_written(s, EPIPE)
    end)
    assert.same({ 'boom', 'boom' }, errors)
    assert.same({ 'b EPIPE', 'error EPIPE', 'close true' }, log)
  end)

  it('costs nothing when the stream is destroyed', function()
    local s = open_slow()
    local log, note = fake.record(s)
    local errors = fake.turn_with_errors(function()
      s:write('a', boom)
      s:write('b', note 'b')
      s:destroy()
    end)
    assert.same({ 'boom' }, errors)
    assert.same({ 'b ERR_STREAM_DESTROYED', 'close false' }, log)
  end)

  it('in drain costs no callback', function()
    local s, h = open_slow()
    local log, note = fake.record(s)
    s:on('drain', boom)
    s:write('abcd', note 'a')
    local errors = fake.turn_with_errors(function()
      h.pending = false
      h.on_written(s)
    end)
    assert.same({ 'boom' }, errors)
    assert.same({ 'drain', 'a nil' }, log)
  end)

  it('in finish costs no close', function()
    local s = fake.open 'w'
    local log = fake.record(s)
    s:on('finish', boom)
    s:finish()
    assert.same({ 'boom' }, fake.turn_with_errors(function() end))
    assert.same({ 'finish', 'close false' }, log)
  end)
end)

describe('Duplex', function()
  it('closes when both sides are done', function()
    local s, h = fake.open('rw', { allowHalfOpen = true })
    local log = fake.record(s)
    h:finish()
    assert.same({ 'end' }, log)
    assert.is_true(s.writable)
    assert.is_true(s:write 'answer')
    s:finish()
    fake.turn(function() end)
    assert.same({ 'end', 'finish', 'close false' }, log)
  end)

  it('reads on after it has finished', function()
    local s, h = fake.open('rw', { allowHalfOpen = true })
    local log = fake.record(s, { 'data', 'end', 'finish', 'close' })
    fake.turn(function()
      s:finish()
    end)
    assert.is_true(s.readable)
    h:deliver 'a'
    h:finish()
    assert.same({ 'finish', 'data a', 'end', 'close false' }, log)
  end)

  it('finishes with the other side unless it may be half open', function()
    local s, h = fake.open 'rw'
    local log = fake.record(s)
    h:finish()
    assert.is_true(h.shut)
    assert.same({ 'end', 'finish', 'close false' }, log)
  end)

  it('writes what was queued before that', function()
    local s, h = fake.open 'rw'
    local log, note = fake.record(s)
    h.mode = 'keep'
    s:write('a', note 'a')
    h:finish()
    assert.same({ 'end' }, log)
    fake.turn(function()
      assert.is_false(s:write('b', note 'b'))
    end)
    assert.same({ 'end', 'b EPIPE', 'error EPIPE', 'a EPIPE', 'close true' }, log)
    assert.equal('This socket has been ended by the other party', s.errored.message)
  end)

  it('looks finished on the side that it does not have', function()
    local r, w = fake.open 'r', fake.open 'w'
    assert.is_true(r.writableEnded)
    assert.is_true(r.writableFinished)
    assert.equal(0, r.writableLength)
    assert.is_true(w.readableEnded)
    assert.is_nil(w:read())
    local log, note = fake.record(r)
    fake.turn(function()
      r:finish(note 'done')
      assert.is_false(r:write('a', note 'a'))
    end)
    assert.same({
      'done ERR_STREAM_ALREADY_FINISHED',
      'a ERR_STREAM_WRITE_AFTER_END',
      'error ERR_STREAM_WRITE_AFTER_END',
      'close true',
    }, log)
  end)
end)
