--- The reading side of a stream: from the handle through a queue of strings to `data`,
-- `readable` and `end`. flowing.lua decides whether it flows.
--
-- The handle reads ahead until the queue (csrc/chunks.c) holds `readableHighWaterMark`
-- bytes and is then stopped; every read that takes the queue below that starts it again.
-- While data flows to a listener and the queue is empty, a chunk goes straight from the
-- handle to it.
--
-- Nothing is read ahead from a stream that other processes read as well (`_shared`:
-- process.stdin, a lent stream): the handle is started by a read that finds too little,
-- or while data flows, and stopped by the next chunk.
--
-- State changes before anything is emitted, and steps that must follow an event are
-- guarded: a listener that raises loses neither data nor the later `end`.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local guard = require 'child_process.guard'
local loop = require 'child_process.loop'

local has = events.has

local M = {}

local nextTick, tick = loop.nextTick, loop.tick

local MAX_HIGH_WATER_MARK = 1 << 30

--- The initial state, which a stream that cannot be read keeps: an ended reading side.
-- Defaults of the class, see child_process.writable.
M.defaults = {
  readable = false,
  -- readableFlowing: nil (not decided), true, false; readableEncoding: nil, a name
  readableEnded = true,
  readableHighWaterMark = 0,
  readableLength = 0, -- set by the queue
  bytesRead = 0,
  _chunks = core.chunks(),
  _owed = false, -- see M.owe
  _decoder = false,
  _reading = false, -- the handle is reading
  _shared = false,
  _tapped = false, -- another listener gets the bytes before this stream, see stream.tap
  _eof = true,
  _end_scheduled = false,
  -- _paused: by pause(): true, by resume(): false
  _resume_scheduled = false,
  _readable_listening = false,
  _need_readable = true, -- the next chunk causes an event `readable`
  _emitted_readable = false,
  -- the destinations of pipe(), in a table of its own, and how many must drain first
  _pipes = {},
  _awaited = 0,
  _await_round = 0,
}

--- Sets up a reading side.  It reads once `M.start` is called.
-- @param high_water_mark integer: bytes buffered before reading stops
function M.init(self, high_water_mark)
  self.readable, self.readableEnded, self._eof = true, false, false
  self.readableHighWaterMark = high_water_mark
  self._chunks = core.chunks(self)
  if has(self, 'data') then
    self._chunks:tap(true)
  end
end

local function is_full(self)
  local length = self.readableLength
  return length > 0 and length >= self.readableHighWaterMark
end

-- Reading from the handle ---------------------------------------------------------------

local function start_reading(self)
  local handle = self._handle
  if not handle then
    return
  end
  self._reading = true
  local _, errno = handle:read_start()
  if errno then
    self:destroy(errors.system(errno, 'read'))
  end
end

local function stop_reading(self)
  self._reading = false
  local handle = self._handle
  if handle then
    handle:read_stop()
  end
end

M.stop = stop_reading

-- After `count` bytes were taken: reads on if that makes room.
local function read_on(self, count)
  if self._reading or self._eof or self.destroyed or self.errored then
    return
  end
  local length = self.readableLength
  if length == 0 then
    self._need_readable = true
  end
  if self._need_readable or length - count < self.readableHighWaterMark then
    start_reading(self)
  end
end

-- Whether more is wanted after a read of all available bytes.  A listener for `readable`
-- waits for more, but not that of an open loop over lines.
local function is_awaited(self, count)
  return not self._shared
    or count == self.readableLength
      and has(self, 'readable')
      and not (self._unread and self._unread.count > 0)
end

--- Stops reading a shared stream, unless it has a listener.
function M.withdraw(self)
  if self._shared and not has(self, 'data') and not has(self, 'readable') then
    self.readableFlowing = nil
    stop_reading(self)
  end
end

--- Starts to read from a handle that has just been set.
function M.start(self)
  if not self._eof then
    start_reading(self)
  end
end

-- Events --------------------------------------------------------------------------------

local take, flow

-- After `end`: the writing side of a socket that cannot be half open ends too; a stream
-- with both sides done is destroyed.
local function end_writable(self)
  if self.writable then
    self:finish()
  end
end

local function after_end(self)
  if self.writable and not self.allowHalfOpen then
    nextTick(end_writable, self)
  elseif self.writableFinished or not self._handle then
    self:destroy()
  end
end

-- After the error of a destroyed stream, or in its place, only `close` comes.
local SILENT = { failed = true, passed = true, closed = true }

local function emit_end(self)
  self._end_scheduled = false
  if
    self.errored
    or SILENT[self._end_state]
    or self.readableEnded
    or self.readableLength > 0
  then
    return
  end
  self.readableEnded, self.readable = true, false
  if has(self, 'end') then
    local _ <close> = guard.new(self, after_end)
    self:emit 'end'
  end
  after_end(self)
end

local function end_soon(self)
  if not self._end_scheduled and not self.readableEnded then
    self._end_scheduled = true
    tick(emit_end, 1, self)
  end
end

-- Runs after `readable`.  A stream that does not flow needs another one later.
local function after_readable(self)
  self._emitted_readable = false
  if
    not self.readableFlowing
    and not self._eof
    and self.readableLength <= self.readableHighWaterMark
  then
    self._need_readable = true
  end
  flow(self)
end

local function emit_readable(self)
  if
    has(self, 'readable')
    and not self.destroyed
    and not self.errored
    and (self.readableLength > 0 or self._eof)
  then
    local _ <close> = guard.new(self, after_readable)
    self:emit 'readable'
  end
  after_readable(self)
end

local function emit_readable_soon(self)
  self._need_readable = false
  if not self._emitted_readable then
    self._emitted_readable = true
    tick(emit_readable, 1, self)
  end
end

-- Emits a chunk: no destination of pipe() is waited for any more, however it came to
-- flow.
local function emit_data(self, chunk)
  if self._awaited > 0 then
    self._awaited, self._await_round = 0, self._await_round + 1
  end
  self:emit('data', chunk)
end

-- Callbacks of the handle ---------------------------------------------------------------

-- With everything read the stream ends, with or without listeners.
local function end_if_drained(self)
  if self._eof and self.readableLength == 0 then
    end_soon(self)
  end
end

-- The new bytes (`at_end`: the last ones) without the rest of a delimiter already
-- returned, see M.owe.  Bytes that may begin that rest are held back.
local function settle(self, chunk, at_end)
  local text = self._owed.held .. chunk
  for _, rest in ipairs(self._owed.rests) do
    if text:sub(1, #rest) == rest then
      self._owed = false
      return text:sub(#rest + 1)
    elseif not at_end and rest:sub(1, #text) == text then
      self._owed.held = text
      return ''
    end
  end
  self._owed = false
  return text
end

--- readable.owe(stream, rests): a delimiter was returned as soon as it was complete,
-- although it may begin a longer one: if one of `rests` (array, longest first) comes
-- next, it belongs to that delimiter.
function M.owe(self, rests)
  self._owed = { rests = rests, held = '' }
end

local function on_eof(self)
  local rest = self._decoder and self._decoder:finish() or ''
  if self._owed then
    rest = settle(self, rest, true)
  end
  self._chunks:append(rest)
  self._eof, self._reading = true, false
  self._need_readable, self._emitted_readable = false, true
  if self.readableLength > 0 or has(self, 'readable') then -- else no listener is called
    local _ <close> = guard.new(self, end_if_drained)
    emit_readable(self)
  else
    after_readable(self)
  end
  end_if_drained(self)
end

local function on_data(self, chunk)
  self.bytesRead = self.bytesRead + #chunk
  local decoder = self._decoder
  if decoder then
    chunk = decoder:write(chunk)
  end
  if self._owed then
    chunk = settle(self, chunk, false)
  end
  if chunk == '' then
    return
  elseif self.readableFlowing and self.readableLength == 0 and has(self, 'data') then
    return emit_data(self, chunk)
  end
  self._chunks:append(chunk)
  if self._need_readable then
    emit_readable_soon(self)
  end
  if is_full(self) or self._shared and not self.readableFlowing then
    stop_reading(self)
  else
    self._need_readable = true
  end
end

--- readable.goes_on(stream): it is no longer paused: silence is measured from now on.
function M.goes_on(self)
  if self._handle then
    self._handle:hear()
  end
end

--- readable.quiet(stream) -> ms since the last byte, or since it was resumed | false: it
-- is not being read now | nil: it has never been read, or has ended.
function M.quiet(self)
  local quiet = self._handle and self._handle:quiet()
  return quiet and not self:isPaused() and quiet or quiet and false
end

--- The handle's callback: on_read(stream, chunk | nil [, errno]).
function M.on_read(self, chunk, errno)
  if chunk then
    on_data(self, chunk)
  elseif errno then
    self:destroy(errors.system(errno, 'read'))
  elseif not self._eof then
    on_eof(self)
  end
end

-- Reading -------------------------------------------------------------------------------

-- A request for more than the buffer may hold enlarges it, to the next power of two.
local function raise_high_water_mark(self, n)
  if n > MAX_HIGH_WATER_MARK then
    error(errors.out_of_range('size', '<= 1GiB', n))
  end
  local mark = 1
  while mark < n do
    mark = mark << 1
  end
  self.readableHighWaterMark = mark
end

-- How many bytes read(n) returns now; n == nil: as many as fit the mode.
local function how_much(self, n)
  local length = self.readableLength
  if length == 0 or n and n <= 0 then
    return 0
  elseif not n then
    return self.readableFlowing and self._chunks:first_size() or length
  elseif n < length then
    return self._decoder and self._chunks:characters(n) or n
  end
  return (n == length or self._eof) and length or 0
end

-- Nothing was there, or less than requested.
local function nothing(self)
  if self._eof then
    end_if_drained(self)
    return
  end
  read_on(self, 0)
  if self.readableLength <= self.readableHighWaterMark then
    self._need_readable = true
  end
end

-- read(0) takes nothing; it only makes sure that `readable` or `end` will come.
local function poke(self)
  if self._need_readable and self.readableLength > 0 and (self._eof or is_full(self)) then
    emit_readable_soon(self)
  else
    nothing(self)
  end
end

--- readable.give(stream, count, ends) -> string: takes `count` bytes, which must be
-- there.
-- @param ends boolean: whether `end` follows if they are the last
function M.give(self, count, ends)
  self._emitted_readable = false
  if is_awaited(self, count) then
    read_on(self, count)
  end
  local chunk = self._chunks:take(count)
  if self.readableLength == 0 then
    if not self._eof then
      self._need_readable = true
    elseif ends then
      end_soon(self)
    end
  end
  if not SILENT[self._end_state] then
    emit_data(self, chunk)
  end
  return chunk
end

--- readable.line(stream, delims, whole) -> string | nil: takes a line (chunks:line) that
-- no listener must see; bytes are left, so the end is not reached.
function M.line(self, delims, whole)
  local line = self._chunks:line(delims, whole)
  if line then
    self._emitted_readable = false
    if not self._shared then
      read_on(self, 0)
    end
  end
  return line
end

--- readable.want(stream, size): requests that `size` bytes, or the end, get into the
-- queue.  Raises ERR_OUT_OF_RANGE above 1 GiB.
function M.want(self, size)
  if size > self.readableHighWaterMark then
    raise_high_water_mark(self, size)
  end
  self._emitted_readable = false
  nothing(self)
end

--- readable.is_complete(stream) -> boolean: no more bytes will come.
function M.is_complete(self)
  return self._eof or self.destroyed
end

--- readable.take(stream [, n]) -> string | nil: the result of read(n).
function take(self, n)
  if n and n > self.readableHighWaterMark then
    raise_high_water_mark(self, n)
  end
  if n == 0 then
    poke(self)
    return nil
  end
  local count = how_much(self, n)
  if count == 0 then
    self._emitted_readable = false
    nothing(self)
    return nil
  end
  return M.give(self, count, n ~= count)
end

function flow(self)
  if not self.readableFlowing or self.readableLength == 0 then
    return
  end
  local _ <close> = guard.new(self, flow)
  while self.readableFlowing and take(self) do
  end
end

M.take, M.poke, M.flow = take, poke, flow
M.emit_readable_soon, M.end_if_drained = emit_readable_soon, end_if_drained

return M
