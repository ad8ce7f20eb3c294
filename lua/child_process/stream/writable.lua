--- The writing side of a stream: queue, backpressure, `drain`, `finish`.
--
-- A chunk that the kernel takes immediately costs neither a table nor a tick.  Otherwise
-- the rest stays with the handle, one write at a time; later chunks are queued and handed
-- over together.  Callbacks of completed writes run on the next tick, those of one turn
-- together.
local encoding = require 'child_process.encoding'
local errors = require 'child_process.errors'
local guard = require 'child_process.guard'
local loop = require 'child_process.loop'
local lost = require 'child_process.stream.lost'

local M = {}
local methods = {}

--- The methods, to be copied into a class that is an emitter.
M.methods = methods

local nextTick = loop.nextTick

local EPIPE = -32 -- the error of a write to a stream without a handle

--- The initial state, which a stream that cannot be written keeps: a finished writing
-- side.  Defaults of the class, so that a new stream is a small table; the tables among
-- them are never modified.
M.defaults = {
  writable = false,
  writableEnded = true, -- finish() was called
  writableFinished = true, -- and everything is written
  writableLength = 0,
  writableNeedDrain = false,
  writableCorked = 0,
  writableHighWaterMark = 0,
  bytesWritten = 0,
  -- the write that the handle has not completed: its bytes, and its callback or a list
  -- { [i] = callback, n = count }
  _writing = false,
  _write_size = 0,
  _write_callback = false,
  -- chunks waiting for it, and their callbacks by the same index; both are made together
  _queue = {},
  _queue_callbacks = { n = 0 },
  -- callbacks of completed writes, [first .. last]
  _done = {},
  _done_first = 1,
  _done_last = 0,
  _settle_scheduled = false,
  _finish_callbacks = {},
  _unconnected = false, -- destroyed before it was connected, with chunks that waited
  _final_called = false,
  _finish_emitted = false,
}

--- Sets up a writing side over `self._handle`.
-- @param high_water_mark integer: unwritten bytes from which write() returns false
function M.init(self, high_water_mark)
  self.writable, self.writableEnded, self.writableFinished = true, false, false
  self.writableHighWaterMark = high_water_mark
end

-- self[key], a table of its own: until something is put into it, a stream has the empty
-- one of its class.
local function own(self, key)
  local list = rawget(self, key)
  if not list then
    list = {}
    self[key] = list
  end
  return list
end

-- Failing -------------------------------------------------------------------------------

local function destroy_failed(self)
  self:destroy(self.errored)
end

-- The callbacks get it before `error` is emitted.
local function write_failed(self)
  local _ <close> = guard.new(self, destroy_failed)
  lost.fail_pending(self)
  destroy_failed(self)
end

local function note_error(self, errno)
  self.errored = self.errored or errors.system(errno, 'write')
  self.writable = false
end

-- Completing ----------------------------------------------------------------------------

local function finish_rest(self)
  local _ <close> = guard.new(self, finish_rest)
  local callbacks = self._finish_callbacks
  while #callbacks > 0 do
    table.remove(callbacks, 1)(nil)
  end
  if not self._finish_emitted then
    self._finish_emitted = true
    self:emit 'finish'
  end
  if self.readableEnded then
    self:destroy()
  end
end

local function finish_now(self)
  if not self.destroyed then
    self.writableFinished = true
    finish_rest(self)
  end
end

-- Once everything is written, ends the writing side for the peer.
local function finish_maybe(self)
  if
    not self.writableEnded
    or self._final_called
    or self._writing
    or self.destroyed
    or self.errored
    or self.writableLength > 0
    or #self._queue > 0
  then
    return
  end
  self._final_called = true
  local handle = self._handle
  local ok, errno = true, nil
  if handle then
    ok, errno = handle:shutdown()
  end
  local err = not ok and errors.system(errno, 'shutdown')
  if err and err.code ~= 'ENOTCONN' then
    self:destroy(err)
  else
    nextTick(finish_now, self)
  end
end

local function run_done(self, last)
  local done = self._done
  while self._done_first <= last do
    local first = self._done_first
    local callback = done[first]
    done[first] = nil
    self._done_first = first + 1
    callback(nil)
  end
end

local settle

-- After writes were completed: `drain`, the callbacks up to `last`, `finish`.
local function settle_until(self, last)
  local drained = self.writableNeedDrain and self.writableLength == 0
  if drained then
    self.writableNeedDrain = false
  end
  if self._done_first > last and not self.destroyed then
    -- nothing to guard: with a `drain` to come, finish() has not been called
    if drained then
      self:emit 'drain'
    else
      finish_maybe(self)
    end
    return
  end
  local _ <close> = guard.new(self, settle)
  if drained then
    self:emit 'drain'
  end
  run_done(self, last)
  if self.destroyed and not self._writing then
    lost.fail_pending(self)
  end
  finish_maybe(self)
end

function settle(self)
  self._settle_scheduled = false
  settle_until(self, self._done_last)
end

local function settle_soon(self)
  if not self._settle_scheduled then
    self._settle_scheduled = true
    nextTick(settle, self)
  end
end

-- `callbacks`: false, a function or a list
local function push_done(self, callbacks)
  if not callbacks then
    return
  end
  local done, last = own(self, '_done'), self._done_last
  if type(callbacks) == 'table' then
    for i = 1, callbacks.n do
      if callbacks[i] then
        last = last + 1
        done[last] = callbacks[i]
      end
    end
  else
    last = last + 1
    done[last] = callbacks
  end
  self._done_last = last
end

-- Writing -------------------------------------------------------------------------------

-- Hands `data` to the handle; true if the kernel has taken all of it.
local function hand_over(self, data, size, callbacks)
  local handle = self._handle
  local done, errno = nil, EPIPE
  if handle then
    done, errno = handle:write(data)
  end
  if done then
    return true
  elseif done == false then
    self._writing, self._write_size, self._write_callback = true, size, callbacks
  else
    self._write_callback = callbacks
    note_error(self, errno)
    nextTick(write_failed, self)
  end
  return false
end

-- Hands the whole queue over.
local function flush(self)
  local queue, callbacks = self._queue, self._queue_callbacks
  local count = #queue
  if
    count == 0
    or self._writing
    or self.writableCorked > 0
    or self.destroyed
    or self.errored
  then
    return
  end
  self._queue, self._queue_callbacks = nil, nil
  local data = count == 1 and queue[1] or queue
  if hand_over(self, data, self.writableLength, callbacks) then
    push_done(self, callbacks)
    if self.writableNeedDrain or self._done_first <= self._done_last then
      settle_soon(self)
    end
  end
  if not self._writing then
    self.writableLength = 0
  end
end

--- The handle's callback: on_written(stream [, errno]), the pending write is over.
function M.on_written(self, errno)
  local callbacks = self._write_callback
  self._writing = false
  self.writableLength = self.writableLength - self._write_size
  if errno then
    note_error(self, errno)
    return write_failed(self)
  end
  self._write_size, self._write_callback = 0, false
  push_done(self, callbacks)
  local last = self._done_last
  flush(self)
  settle_until(self, last)
end

--- writable.await_room(stream): its pipe is full without a write of ours, and the handle
-- says when it is not.
function M.await_room(self)
  self._writing, self._write_size, self._write_callback = true, 0, false
  self.writableNeedDrain = true
end

local function refusal(self, finishing)
  if not self.writableEnded then
    return errors.coded('ERR_STREAM_DESTROYED', 'write')
  elseif finishing or not self._has_readable or self.allowHalfOpen then
    return errors.coded 'ERR_STREAM_WRITE_AFTER_END'
  elseif self.readableEnded then
    -- not ended by the user
    return errors.new('Error', 'EPIPE', 'This socket has been ended by the other party')
  end
  return errors.coded 'ERR_STREAM_WRITE_AFTER_END'
end

local function refuse(self, callback, finishing)
  local err = refusal(self, finishing)
  if callback then
    nextTick(callback, err)
  end
  self:destroy(err)
  return false, err
end

local function enqueue(self, chunk, callback)
  local queue = own(self, '_queue')
  local count = #queue + 1
  queue[count] = chunk
  if count == 1 then
    self._queue_callbacks = { n = 0 }
  end
  local callbacks = self._queue_callbacks
  if callback then
    callbacks[count], callbacks.n = callback, count
  end
end

-- Returns the result of write() and, if nothing may be written, the error.
local function write(self, chunk, name, callback, finishing)
  if name ~= nil and name ~= 'buffer' then
    name = encoding.check(name, 4)
  end
  if type(self) ~= 'table' then
    errors.check_self(self, 'stream:write(…)', 'setEncoding')
  end
  if type(chunk) ~= 'string' then
    error(errors.invalid_arg_type('chunk', 'of type string', chunk), 3)
  elseif name then
    chunk = encoding.encode(chunk, name)
  end
  if self.writableEnded or self.destroyed then
    return refuse(self, callback, finishing)
  end
  local size = #chunk
  self.bytesWritten = self.bytesWritten + size
  local length = self.writableLength + size
  if self._writing or self.writableCorked > 0 or self.errored then
    self.writableLength = length
    enqueue(self, chunk, callback)
  else
    if hand_over(self, chunk, size, callback) then
      if callback then
        push_done(self, callback)
        settle_soon(self)
      end
      return true
    elseif not self._writing then
      return false
    end
    self.writableLength = length
  end
  local room = length < self.writableHighWaterMark or length == 0
  if not room then
    self.writableNeedDrain = true
  end
  return room and not self.errored
end

--- stream:write(chunk [, encoding] [, callback]) -> boolean: false when `writableLength`
-- has reached `writableHighWaterMark`: then wait for `drain`.  `callback(err)` runs
-- when the chunk is written or lost.  Without an encoding the bytes go out as they are.
-- Raises ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_ENCODING.  ERR_STREAM_WRITE_AFTER_END,
-- ERR_STREAM_DESTROYED and the system's errors go to the callback and to `error`.  Node:
-- writable.write, write(2).
function methods:write(chunk, name, callback)
  if type(name) == 'function' then
    name, callback = nil, name
  elseif type(callback) ~= 'function' then
    callback = nil
  end
  return (write(self, chunk, name, callback))
end

-- Like Lua's files: a float with an integral value is written without its `.0`.
local function text_of(value, index)
  if type(value) == 'string' then
    return value
  elseif type(value) ~= 'number' then
    local name = ('argument %d'):format(index)
    error(errors.invalid_arg_type(name, 'one of type string or number', value), 3)
  end
  if math.type(value) == 'float' and _VERSION == 'Lua 5.4' then
    return ('%.14g'):format(value) -- its files write 1.0 as 1, those of 5.5 do not
  end
  return tostring(value)
end

--- stream:put(a, b, …) -> stream: writes strings and numbers one after the other, in one
-- write; `writableNeedDrain` replaces the result of write().  Raises
-- ERR_INVALID_ARG_TYPE, with nothing written; the rest as in write().  Lua: file:write.
function methods:put(...)
  errors.check_self(self, 'stream:put(…)', 'setEncoding')
  local texts = { ... }
  for i = 1, select('#', ...) do
    texts[i] = text_of(texts[i], i)
  end
  if texts[1] then
    self:write(table.concat(texts))
  end
  return self
end

--- stream:cork(): chunks are queued until uncork() or finish().  Node: writable.cork.
function methods:cork()
  errors.check_self(self, 'stream:cork(…)', 'setEncoding')
  self.writableCorked = self.writableCorked + 1
end

--- stream:uncork(): the last of as many calls as cork() was called writes the queue.
-- Node: writable.uncork.
function methods:uncork()
  errors.check_self(self, 'stream:uncork(…)', 'setEncoding')
  if self.writableCorked > 0 then
    self.writableCorked = self.writableCorked - 1
    flush(self)
  end
end

-- Why finish() has no effect, or nil.
local function finish_error(self)
  if self.writableFinished then
    return errors.coded('ERR_STREAM_ALREADY_FINISHED', 'end')
  elseif self.destroyed then
    return errors.coded('ERR_STREAM_DESTROYED', 'end')
  end
  return self.errored
end

--- stream:finish([chunk [, encoding]] [, callback]) -> stream: ends writing after the
-- queue and `chunk`; then the peer sees the end, and `finish` is emitted.
-- `callback(err)` runs just before it, or with the error that prevents it.  The same
-- function is `stream['end']`.  Raises as write() does.  Node: writable.end.
function methods:finish(chunk, name, callback)
  errors.check_self(self, 'stream:finish(…)', 'setEncoding')
  if type(chunk) == 'function' then
    chunk, name, callback = nil, nil, chunk
  elseif type(name) == 'function' then
    name, callback = nil, name
  end
  local _, err
  if chunk ~= nil then
    _, err = write(self, chunk, name, nil, true)
  end
  if self.writableCorked > 0 then
    self.writableCorked = 0
    flush(self)
  end
  if not err and not self.writableEnded and not self.errored then
    self.writableEnded, self.writable, self.writableNeedDrain = true, false, false
  end
  err = err or finish_error(self)
  if type(callback) == 'function' then
    if err then
      nextTick(callback, err)
    else
      table.insert(own(self, '_finish_callbacks'), callback)
    end
  end
  finish_maybe(self)
  return self
end

methods['end'] = methods.finish

return M
