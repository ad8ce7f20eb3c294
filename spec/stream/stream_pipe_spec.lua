local events = require 'child_process.events'
local fake = require 'spec.support.fake_handle'

local EPIPE = -32

local function boom()
  error('boom', 0)
end

-- A source and a destination with the mark at 4 bytes.
local function open_pair()
  local src, r = fake.open 'r'
  local dest, w = fake.open('w', { writableHighWaterMark = 4 })
  return src, r, dest, w
end

describe('pipe', function()
  it('writes all data to the destination and finishes it', function()
    local src, r, dest, w = open_pair()
    local log = fake.record(dest, { 'pipe', 'unpipe', 'finish', 'close' })
    r:deliver 'early '
    assert.equal(dest, src:pipe(dest))
    fake.turn(function() end)
    r:deliver 'late'
    r:finish()
    assert.same({ 'early ', 'late' }, w.written)
    assert.is_true(w.shut)
    local name = tostring(src)
    assert.same({ 'pipe ', 'finish', 'unpipe ', 'close false' }, {
      log[1]:sub(1, 5),
      log[2],
      log[3]:sub(1, 7),
      log[4],
    })
    assert.is_truthy(name:find 'closed')
    assert.equal(0, src:listenerCount 'data')
    assert.same({ 'pipe', 'unpipe', 'finish', 'close' }, dest:eventNames())
  end)

  it('tells the destination its source', function()
    local src, _, dest = open_pair()
    local got = {}
    dest:on('pipe', function(s)
      got[1] = s
    end)
    dest:on('unpipe', function(s)
      got[2] = s
    end)
    src:pipe(dest)
    src:unpipe(dest)
    assert.equal(src, got[1])
    assert.equal(src, got[2])
    fake.turn(function() end)
  end)

  it('waits while the destination is full', function()
    local src, r, dest, w = open_pair()
    local log = fake.record(src, { 'pause', 'resume' })
    src:pipe(dest)
    fake.turn(function() end)
    w.mode = 'keep'
    r:deliver 'abcd'
    assert.is_true(src:isPaused())
    r:deliver 'ef'
    assert.same({ 'abcd' }, w.written)
    w:complete()
    assert.same({ 'abcd', 'ef' }, w.written)
    assert.same({ 'resume', 'pause', 'resume' }, log)
    w:complete()
    r:finish()
    assert.is_true(dest.writableFinished)
  end)

  it('waits for a destination that is full already', function()
    local src, r, dest, w = open_pair()
    w.mode = 'keep'
    dest:write 'full'
    src:pipe(dest)
    r:deliver 'more'
    assert.is_true(src:isPaused())
    w:complete()
    assert.same({ 'full', 'more' }, w.written)
  end)

  it('goes at the pace of the slowest of two', function()
    local src, r, fast, f = open_pair()
    local slow, s = fake.open('w', { writableHighWaterMark = 1 })
    s.mode = 'keep'
    src:pipe(fast)
    src:pipe(slow)
    fake.turn(function() end)
    r:deliver 'ab'
    r:deliver 'cd'
    assert.same({ 'ab' }, f.written)
    assert.same({ 'ab' }, s.written)
    s:complete()
    assert.same({ 'ab', 'cd' }, f.written)
    assert.same({ 'ab', 'cd' }, s.written)
    s:complete()
    r:finish()
    assert.is_true(fast.writableFinished)
    assert.is_true(slow.writableFinished)
  end)

  it('waits for both when both are full', function()
    local src, r, one, a = open_pair()
    local _, _, two, b = open_pair()
    a.mode, b.mode = 'keep', 'keep'
    src:pipe(one)
    src:pipe(two)
    fake.turn(function() end)
    r:deliver 'abcd'
    r:deliver 'e'
    a:complete()
    assert.is_true(src:isPaused())
    b:complete()
    assert.same({ 'abcd', 'e' }, a.written)
    assert.same({ 'abcd', 'e' }, b.written)
  end)

  it('leaves the destination open when told so', function()
    for _, options in ipairs { { finish = false }, { ['end'] = false } } do
      local src, r, dest, w = open_pair()
      local log = fake.record(dest, { 'unpipe', 'finish' })
      src:pipe(dest, options)
      fake.turn(function() end)
      r:deliver 'a'
      r:finish()
      assert.same({ 'a' }, w.written)
      assert.is_true(dest.writable)
      assert.equal(1, #log)
      assert.is_true(dest:write 'b')
    end
  end)

  it("leaves this program's own output open", function()
    local src, r, dest = open_pair()
    dest._is_standard = true
    src:pipe(dest)
    r:finish()
    assert.is_true(dest.writable)
  end)

  it('finishes the destination of a source that has ended', function()
    local src, r, dest = open_pair()
    r:finish()
    src:pipe(dest)
    fake.turn(function() end)
    assert.is_true(dest.writableFinished)
  end)

  it('takes any emitter that can be written to', function()
    local src, r = fake.open 'r'
    local dest = events.new()
    local got = {}
    function dest:write(chunk) -- luacheck: ignore self
      got[#got + 1] = chunk
    end
    function dest:finish() -- luacheck: ignore self
      got[#got + 1] = 'finished'
    end
    src:pipe(dest)
    fake.turn(function() end)
    r:deliver 'a'
    r:finish()
    assert.same({ 'a', 'finished' }, got)
  end)

  it('refuses what cannot be written to', function()
    local src = fake.open 'r'
    for _, dest in ipairs { 5, 'text', {}, io.stdout, false } do
      local ok, err = pcall(src.pipe, src, dest)
      assert.is_false(ok)
      assert.equal('ERR_INVALID_ARG_TYPE', err.code)
    end
    assert.is_nil(src.readableFlowing)
  end)

  it('is an error of a stream that cannot be read', function()
    local _, _, dest = open_pair()
    local s = fake.open 'w'
    local log = fake.record(s)
    fake.turn(function()
      assert.equal(dest, s:pipe(dest))
    end)
    assert.same({ 'error ERR_STREAM_CANNOT_PIPE', 'close true' }, log)
  end)

  it('goes on after a listener that raised', function()
    local src, r, dest, w = open_pair()
    src:pipe(dest)
    dest:on('finish', boom)
    fake.turn(function() end)
    src:once('data', boom)
    fake.turn_with_errors(function()
      r.on_read(src, 'a')
    end)
    r:deliver 'b'
    assert.same(
      { 'boom' },
      fake.turn_with_errors(function()
        r.on_read(src, nil)
      end)
    )
    assert.same({ 'a', 'b' }, w.written)
    assert.is_true(dest.destroyed)
  end)
end)

describe('unpipe', function()
  it('pauses the source when no destination is left', function()
    local src, r, dest, w = open_pair()
    src:pipe(dest)
    fake.turn(function() end)
    r:deliver 'a'
    assert.equal(src, src:unpipe(dest))
    r:deliver 'b'
    assert.same({ 'a' }, w.written)
    assert.is_true(src:isPaused())
    assert.equal(1, src.readableLength)
    assert.equal(src, src:unpipe(dest))
    assert.equal(src, src:unpipe())
  end)

  it('leaves the other destinations', function()
    local src, r, one, a = open_pair()
    local _, _, two, b = open_pair()
    src:pipe(one)
    src:pipe(two)
    fake.turn(function()
      src:unpipe(one)
    end)
    r:deliver 'x'
    assert.same({}, a.written)
    assert.same({ 'x' }, b.written)
  end)

  it('without an argument undoes all', function()
    local src, r, one, a = open_pair()
    local _, _, two, b = open_pair()
    local log = fake.record(one, { 'unpipe' })
    fake.record(two, {})
    src:pipe(one)
    src:pipe(two)
    fake.turn(function()
      src:unpipe()
    end)
    r:deliver 'x'
    assert.same({}, a.written)
    assert.same({}, b.written)
    assert.equal(1, #log)
  end)

  it('of the one that was waited for lets the others go on', function()
    local src, r, fast, f = open_pair()
    local slow, s = fake.open('w', { writableHighWaterMark = 1 })
    s.mode = 'keep'
    src:pipe(fast)
    src:pipe(slow)
    fake.turn(function() end)
    r:deliver 'ab'
    r:deliver 'cd'
    fake.turn(function()
      src:unpipe(slow)
    end)
    assert.same({ 'ab', 'cd' }, f.written)
  end)

  it('happens when the destination closes', function()
    local src, r, dest = open_pair()
    src:pipe(dest)
    fake.turn(function()
      dest:destroy()
    end)
    r:deliver 'a'
    assert.is_true(src:isPaused())
    assert.equal(0, src:listenerCount 'data')
    assert.equal(1, src.readableLength)
  end)
end)

describe('pipe: an error of the destination', function()
  local function fail(src, r, w)
    fake.turn(function() end)
    w.mode = EPIPE
    return fake.turn_with_errors(function()
      r.on_read(src, 'a')
    end)
  end

  it('undoes the pipe before others hear of it', function()
    local src, r, dest, w = open_pair()
    src:pipe(dest)
    local count
    dest:on('error', function(err)
      assert.equal('EPIPE', err.code)
      count = src:listenerCount 'data'
    end)
    assert.same({}, fail(src, r, w))
    assert.equal(0, count)
    assert.is_true(src:isPaused())
    assert.is_false(src.destroyed)
  end)

  it('is raised when nobody listens', function()
    local src, r, dest, w = open_pair()
    src:pipe(dest)
    local errors = fail(src, r, w)
    assert.equal(1, #errors)
    assert.equal('EPIPE', errors[1].code)
    assert.is_true(dest.destroyed)
  end)

  it('is not raised for a reader that went away when its maker said so', function()
    local src, r, dest, w = open_pair()
    dest._quiet_epipe = true
    src:pipe(dest)
    assert.same({}, fail(src, r, w))
    assert.is_true(dest.destroyed)
    assert.equal(0, src:listenerCount 'data')
  end)

  it('does not stop the other destinations', function()
    local src, r, bad, w = open_pair()
    local _, _, good, g = open_pair()
    bad:on('error', function() end)
    src:pipe(bad)
    src:pipe(good)
    fail(src, r, w)
    r:deliver 'b'
    assert.same({ 'a', 'b' }, g.written)
  end)

  it('that the user emits destroys the destination', function()
    local src, _, dest = open_pair()
    src:pipe(dest)
    local errors = fake.turn_with_errors(function()
      dest:emit('error', { code = 'MINE' })
    end)
    assert.equal('MINE', errors[1].code)
    assert.is_true(dest.destroyed)
    assert.equal(0, src:listenerCount 'data')
  end)
end)
