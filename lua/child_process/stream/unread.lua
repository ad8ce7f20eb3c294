--- Unread bytes, for readers that take them piece by piece, and for readers that come
-- after the stream has ended.
--
--          open                     keep
--   free ----------> held         ---------> kept
--    ^                 |         (from both)
--    +-- last close ---+
--
-- free: they are in the queue of the stream, bounded by the high-water mark, for
-- listeners.
-- held: a reader takes pieces: a call waits, or a loop over lines is open, whatever its
-- body does.  The stream is pulled, and its queue grows as far as a piece needs.
-- kept: the stream flows into a store, and so reaches its end with or without a reader.
-- Readers take from the store.
--
-- The fields of `stream._unread`: `count` and `readings`, the open ones; `mark`, the
-- high-water mark before the first of them; `claimed`: it has been read by pieces;
-- `store`: a collector; `on_free`: called when the last reading closes.
local collect = require 'child_process.collect'
local errors = require 'child_process.errors'
local readable = require 'child_process.stream.readable'

local M = {}
local methods = {}

--- The methods, to be copied into a class with a reading side.
M.methods = methods

local function of(stream)
  local unread = stream._unread
  if not unread then
    unread = { count = 0, readings = {} }
    stream._unread = unread
  end
  return unread
end

local function store_of(stream)
  local unread = stream._unread
  return unread and unread.store
end

-- Held ----------------------------------------------------------------------------------

local Reading = {}
Reading.__index = Reading

local function ignore() end

--- unread.open(stream) -> reading, to be closed: holds the stream.  `reading.thread` is
-- the reading coroutine.
function M.open(stream)
  local unread = of(stream)
  if unread.count == 0 then
    unread.mark = stream.readableHighWaterMark
    if not unread.store then
      stream:on('readable', ignore)
    end
  end
  local reading = setmetatable({ stream = stream }, Reading)
  reading.thread = coroutine.running()
  unread.count, unread.readings[reading] = unread.count + 1, true
  return reading
end

local function free(stream, unread)
  stream.readableHighWaterMark = unread.mark
  stream:off('readable', ignore)
  local on_free = unread.on_free
  if on_free then
    unread.on_free = nil
    on_free()
  end
end

--- reading:close(): the last one frees the stream.
function Reading:close()
  local unread = of(self.stream)
  if unread.readings[self] then
    unread.count, unread.readings[self] = unread.count - 1, nil
    if unread.count == 0 then
      free(self.stream, unread)
    end
  end
end

Reading.__close = Reading.close

--- unread.is_held(stream) -> boolean
function M.is_held(stream)
  return of(stream).count > 0
end

--- unread.held_by(stream, thread) -> boolean: whether that coroutine has a reading open.
function M.held_by(stream, thread)
  for reading in pairs(of(stream).readings) do
    if reading.thread == thread then
      return true
    end
  end
  return false
end

--- unread.when_free(stream, fn): calls fn() when the last reading is closed.
function M.when_free(stream, fn)
  of(stream).on_free = fn
end

--- unread.is_free(stream) -> boolean: it has neither readers nor listeners and does not
-- flow.
function M.is_free(stream)
  return not store_of(stream)
    and not M.is_held(stream)
    and not stream.readableFlowing
    and stream:listenerCount 'data' == 0
    and stream:listenerCount 'readable' == 0
end

--- unread.claim(stream): it is read by pieces, now and then: the rest belongs to that
-- reader.
function M.claim(stream)
  of(stream).claimed = true
end

--- unread.is_claimed(stream) -> boolean
function M.is_claimed(stream)
  return of(stream).claimed == true
end

-- Kept ----------------------------------------------------------------------------------

--- unread.keep(stream, limit, on_overflow) -> collector: from now on the stream flows
-- into it.  See collect.new for the arguments.
function M.keep(stream, limit, on_overflow)
  local unread = of(stream)
  stream:off('readable', ignore)
  unread.store = collect.new(stream, limit, on_overflow)
  stream:resume()
  return unread.store
end

--- unread.is_kept(stream) -> boolean
function M.is_kept(stream)
  return store_of(stream) ~= nil
end

--- unread.lost(stream) -> error value | nil: there was more than could be kept.
function M.lost(stream)
  local store = store_of(stream)
  return store and store.lost
end

-- Taking --------------------------------------------------------------------------------

--- unread.queue(stream) -> the queue (csrc/chunks.c) with the next bytes.
function M.queue(stream)
  local store = store_of(stream)
  if not store then
    return stream._chunks
  elseif stream.readableLength > 0 and not stream.destroyed then
    -- a user's listener pulls the stream; these bytes go to the store
    readable.give(stream, stream.readableLength, true)
  end
  return store.chunks
end

--- unread.take(stream, count, rests) -> string: takes `count` bytes, which must be there.
-- `rests`: bytes that also belong to them if they come next, see readable.owe.
function M.take(stream, count, rests)
  local store = store_of(stream)
  if rests then
    readable.owe(stream, rests)
  end
  return store and store.chunks:take(count) or readable.give(stream, count, true)
end

--- unread.line(stream, delims, whole) -> string | nil: takes the next line, with its
-- delimiter if `whole`, where that is quick; nil says nothing about whether there is one.
function M.line(stream, delims, whole)
  if store_of(stream) then
    return M.queue(stream):line(delims, whole)
  end
  return readable.line(stream, delims, whole)
end

--- unread.want(stream, size): makes sure that `size` bytes, or the end, will come.
function M.want(stream, size)
  if not store_of(stream) then
    readable.want(stream, size)
  end
end

--- unread.is_complete(stream) -> boolean: no more bytes will come.
M.is_complete = readable.is_complete

-- How many of the kept bytes read(n) returns.
local function how_much(self, queue, n)
  local size = queue:size()
  if not n then
    return size
  elseif n > 0 and n < size then
    return self.readableEncoding and queue:characters(n) or n
  end
  return (n == size or n > 0 and readable.is_complete(self)) and size or 0
end

local function read_kept(self, n)
  local queue = M.queue(self)
  local count = how_much(self, queue, n)
  return count > 0 and queue:take(count) or nil
end

--- unread.read_format(stream, format, timeout): implements `read('l')` and the other
-- formats.  Set by init.lua: lines.lua stands above.
M.read_format = nil

local function check_no_timeout(n, timeout)
  if timeout ~= nil then
    local instead = n and 'readExactly(n, timeout)' or 'readAll(timeout) or chunks()'
    local reason = 'is not for read([n]), which does not wait: use ' .. instead
    error(errors.invalid_arg_value('timeout', reason, timeout), 3)
  end
end

--- stream:read([n]) -> string | nil: the available bytes, or exactly `n` of them; nil if
-- there are not enough.  At the end of the stream the rest, however short, even when the
-- stream has closed.  With an encoding `n` counts bytes of the decoded text, and no
-- character is cut.  A string (`'l'`, `'L'`, `'a'`) waits for a line or for the rest, see
-- lines.lua.  Raises ERR_INVALID_ARG_TYPE; ERR_INVALID_ARG_VALUE for a timeout;
-- ERR_OUT_OF_RANGE above 1 GiB.  Node: readable.read.
function methods:read(n, timeout)
  errors.check_self(self, 'stream:read(…)', 'setEncoding')
  if type(n) == 'string' then
    return M.read_format(self, n, timeout)
  elseif n ~= nil and (math.type(n) == nil or n ~= n) then
    error(errors.invalid_arg_type('size', 'of type number', n), 2)
  end
  check_no_timeout(n, timeout)
  n = n and (n < 0 and math.ceil(n) or math.floor(n))
  if store_of(self) then
    return read_kept(self, n)
  end
  return readable.take(self, n)
end

return M
