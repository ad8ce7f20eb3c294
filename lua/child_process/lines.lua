--- Reading in the style of Lua: `stream:lines()`, `readAll()`, `read('l')`; and of
-- asyncio: `readExactly`, `readUntil`.
--
-- Nothing is taken from the queue of a stream until a whole piece is in it: a reader that
-- gives up loses nothing, and others can continue.  See stream/unread.lua.
local await = require 'child_process.await'
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local unread = require 'child_process.stream.unread'

local M = {}

local MAX_SIZE = 1 << 30

local function refuse(err)
  error(err, 0)
end

-- What a piece is -----------------------------------------------------------------------

-- Each of these makes a function take(stream) -> piece, the width of the delimiter at its
-- end | nil, the bytes needed before the next try.  At the end of the stream the piece is
-- the rest, if there is any.

local function rest(stream, queue)
  local size = queue:size()
  if size > 0 then
    return unread.take(stream, size), 0
  end
  return nil, 1
end

-- `place`: where to continue the search when more has come; valid for the whole life of a
-- queue.
local function up_to(delims)
  local queue, place
  return function(stream)
    local current, complete = unread.queue(stream), unread.is_complete(stream)
    if current ~= queue then
      queue, place = current, 0
    end
    local count, width, rests = queue:find(delims, place, complete)
    if count then
      return unread.take(stream, count, rests), width
    end
    place = width
    if complete then
      return rest(stream, queue)
    end
    return nil, queue:size() + 1
  end
end

local function of_size(size)
  return function(stream)
    local queue = unread.queue(stream)
    if queue:size() >= size then
      return unread.take(stream, size), 0
    elseif unread.is_complete(stream) then
      return rest(stream, queue)
    end
    return nil, size
  end
end

local function everything(stream)
  local queue = unread.queue(stream)
  if unread.is_complete(stream) then
    return rest(stream, queue)
  end
  return nil, queue:size() + 1
end

local function whatever(stream)
  return rest(stream, unread.queue(stream))
end

-- Waiting for one -----------------------------------------------------------------------

local function is_over(stream)
  return stream.readableEnded or stream.destroyed
end

local EVENTS = { 'readable', 'data', 'end', 'close', 'error' }

-- A kept stream flows, and a listener for `readable` would stop it.
local function listen(registrations, stream, is_kept)
  for _, event in ipairs(EVENTS) do
    if event ~= (is_kept and 'readable' or 'data') then
      registrations:on(stream, event)
    end
  end
end

-- piece, width | nil: the end | nil, 'timeout'
local function await_piece(stream, what, take, timeout)
  local piece, width, late = nil, nil, false
  local function is_ready()
    piece, width = take(stream)
    if piece or is_over(stream) or late then
      return true
    end
    unread.want(stream, width)
    return false
  end
  local _ <close> = unread.open(stream)
  local came = await.await(what, is_ready, function(registrations)
    listen(registrations, stream, unread.is_kept(stream))
    if timeout then
      registrations:after(timeout, function()
        late = true
      end)
    end
  end)
  if not came then
    refuse(await.never(what))
  elseif piece then
    return piece, width
  end
  return nil, not is_over(stream) and 'timeout' or nil
end

-- The same for one reading, without keeping the stream.
local function next_piece(stream, what, take, timeout)
  timeout = await.check_timeout(timeout)
  unread.claim(stream)
  local piece, width = take(stream)
  if piece then
    return piece, width
  end
  local why
  piece, why = await_piece(stream, what, take, timeout)
  local lost = piece == nil and unread.lost(stream)
  if lost then
    refuse(lost)
  elseif piece or why or stream.readableEnded then
    return piece, why
  end
  refuse(stream.errored or errors.coded 'ERR_STREAM_PREMATURE_CLOSE')
end

-- Results of next_piece -> the piece without its delimiter, or the rest as it is.
local function strip(piece, width)
  if piece and width > 0 then
    return piece:sub(1, -width - 1)
  end
  return piece
end

-- Results of next_piece -> one value, or nil, 'timeout'.
local function give(piece, why)
  if piece == nil and why then
    return nil, why
  end
  return piece
end

-- Arguments -----------------------------------------------------------------------------

local function check_stream(stream, call)
  errors.check_self(stream, call, 'setEncoding')
end

local function check_one(delim, name)
  if type(delim) ~= 'string' then
    refuse(errors.invalid_arg_type(name, 'of type string', delim))
  elseif delim == '' then
    refuse(errors.invalid_arg_value(name, 'cannot be empty', delim))
  end
end

-- The formats of Lua's files, which are not delimiters here, and what to use instead.
local INSTEAD = {
  l = 'lines() without an argument',
  L = "readUntil '\\n'",
  a = 'readAll()',
  n = "tonumber(stream:read 'l')",
}

local function check_delimiter(delim)
  check_one(delim, 'delim')
  local instead = INSTEAD[delim:match '^%*?([lLan])$']
  if instead then
    local reason = "is a format of Lua's files: use %s; { '%s' } is that delimiter"
    refuse(errors.invalid_arg_value('delim', reason:format(instead, delim), delim))
  end
end

local function check_list(list)
  local _, count = checks.array(list, 'delim')
  for i = 1, count do
    check_one(rawget(list, i), ('delim[%d]'):format(i))
  end
  if count == 0 then
    refuse(errors.invalid_arg_value('delim', 'cannot be empty', list))
  end
end

local NEWLINE = core.delimiters { '\n' }

local function delimiters(delim)
  if delim == nil then
    return NEWLINE
  elseif type(delim) == 'table' then
    check_list(delim)
    return core.delimiters(delim)
  elseif type(delim) ~= 'string' then
    local expected = 'of type string or an array of strings'
    refuse(errors.invalid_arg_type('delim', expected, delim))
  end
  check_delimiter(delim)
  return core.delimiters { delim }
end

local function check_size(size)
  if type(size) ~= 'number' then
    refuse(errors.invalid_arg_type('n', 'of type number', size))
  elseif not math.tointeger(size) then
    refuse(errors.out_of_range('n', 'an integer', size))
  elseif size < 0 or size > MAX_SIZE then
    refuse(errors.out_of_range('n', '>= 0 && <= 1GiB', size))
  end
  return math.tointeger(size)
end

-- Methods -------------------------------------------------------------------------------

local methods = {}

-- See child_process.co for how they wait.  They raise the stream's error,
-- ERR_STREAM_PREMATURE_CLOSE if it was destroyed before its end, ERR_OUT_OF_RANGE above
-- 1 GiB, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and ERR_INVALID_THIS.  After
-- `timeout` ms they return nil and 'timeout', and nothing is taken.

-- read('l'), read('L') and readUntil()
local function read_line(stream, what, delims, whole, timeout)
  timeout = await.check_timeout(timeout)
  unread.claim(stream)
  local line = unread.line(stream, delims, whole)
  if line then
    return line
  end
  local piece, why = next_piece(stream, what, up_to(delims), timeout)
  return give(not whole and piece and strip(piece, why) or piece, why)
end

local formats = {
  l = function(stream, timeout)
    return read_line(stream, "read('l')", NEWLINE, false, timeout)
  end,
  L = function(stream, timeout)
    return read_line(stream, "read('L')", NEWLINE, true, timeout)
  end,
  a = function(stream, timeout)
    local piece, why = next_piece(stream, "read('a')", everything, timeout)
    return give(piece or not why and '' or nil, why)
  end,
}

--- stream:read(format [, timeout]) -> string | nil: 'l' -> a line without its '\n', 'L'
-- -> with it, nil at the end; 'a' as readAll; a star in front is ignored.
local function read_format(stream, format, timeout)
  local read = formats[format] or formats[format:match '^%*?(%a)$']
  if not read then
    local reason = "must be one of: 'l', 'L', 'a'; for a number tonumber(read 'l')"
    refuse(errors.invalid_arg_value('format', reason, format))
  end
  return read(stream, timeout)
end

--- stream:readAll([timeout]) -> string: the rest of the stream, '' at the end.
function methods:readAll(timeout)
  check_stream(self, 'stream:readAll(…)')
  local piece, why = next_piece(self, 'readAll()', everything, timeout)
  return give(piece or not why and '' or nil, why)
end

--- stream:readExactly(n [, timeout]) -> string of `n` bytes, fewer only at the end; then
-- nil, but '' for 0.  asyncio: StreamReader.readexactly.
function methods:readExactly(n, timeout)
  check_stream(self, 'stream:readExactly(…)')
  n = check_size(n)
  if n == 0 then
    return ''
  end
  return give(next_piece(self, 'readExactly()', of_size(n), timeout))
end

--- stream:readUntil(delim [, timeout]) -> string up to `delim`, and with it; at the end
-- the rest, then nil.  For `delim` see lines(). asyncio: StreamReader.readuntil.
function methods:readUntil(delim, timeout)
  check_stream(self, 'stream:readUntil(…)')
  if delim == nil then
    check_one(delim, 'delim')
  end
  return read_line(self, 'readUntil()', delimiters(delim), true, timeout)
end

--- stream:chunks() for a loop: the bytes that have come, at least one, until the end.
function methods:chunks()
  check_stream(self, 'stream:chunks()')
  local reading = unread.open(self)
  local function next_chunk()
    reading.thread = coroutine.running()
    local chunk = next_piece(self, 'chunks()', whatever)
    if chunk == nil then
      reading:close()
    end
    return chunk
  end
  return next_chunk, nil, nil, reading
end

--- stream:lines([delim]) for a loop: each line without the delimiter, a '\n' if not
-- given; '\r' stays.  `delim` may be an array: the first to occur counts, and of several
-- at the same place the longest.  A complete delimiter is not held back in case it
-- becomes a longer one; if it does, the later bytes belong to it.
function methods:lines(delim)
  check_stream(self, 'stream:lines(…)')
  local delims = delimiters(delim)
  local take, reading = up_to(delims), unread.open(self)
  -- for a line that is not complete yet
  local function wait()
    reading.thread = coroutine.running()
    local piece, width = next_piece(self, 'lines()', take)
    if piece == nil then
      reading:close()
    end
    return strip(piece, width), unread.queue(self)
  end
  return core.lines(delims, wait), nil, nil, reading
end

--- The methods of streams, and read() with a format.
M.methods, M.read_format = methods, read_format

return M
