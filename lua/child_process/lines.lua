--- Reading in Lua's habits: `stream:lines()`, `readAll()`, `read('l')`.
--
-- The buffer of a stream (readable.lua) stays where it is until a whole line is in it: a
-- reader that gives up loses nothing, and others can go on.
local await = require 'child_process.await'
local errors = require 'child_process.errors'

local M = {}

local function refuse(err)
  error(err, 0)
end

-- Looking for a line --------------------------------------------------------------------

-- Where a search goes on when more has come: `index` of the last chunk seen, `bytes` up
-- to its end, `carry`: what a delimiter may have begun in.
local function new_scan(stream)
  return {
    head = stream._head,
    skip = stream._skip,
    index = stream._head - 1,
    bytes = 0,
    carry = '',
  }
end

local function is_stale(scan, stream)
  return scan.head ~= stream._head
    or scan.skip ~= stream._skip
    or scan.index > stream._tail
end

-- How many bytes the buffer holds up to the end of the first `delim`, or nil.
local function find_in_stream(stream, delim, scan)
  for index = scan.index + 1, stream._tail do
    local chunk, start = stream._buffer[index], 0
    if index == stream._head then
      start = stream._skip
    end
    if scan.carry ~= '' then
      chunk, start = scan.carry .. chunk:sub(start + 1), 0
    end
    local _, last = chunk:find(delim, start + 1, true)
    if last then
      return scan.bytes - #scan.carry + last - start
    end
    scan.bytes = scan.bytes - #scan.carry + #chunk - start
    scan.index = index
    scan.carry = chunk:sub(math.max(start + 1, #chunk - #delim + 2))
  end
end

-- A whole piece with its delimiter, if the buffer has one; at the end, what is left.
local function take(stream, delim, scan)
  if stream._kept then
    return stream._kept:take(delim, stream.readableEnded or stream.destroyed)
  elseif is_stale(scan, stream) then
    -- somebody else has read
    for key, value in pairs(new_scan(stream)) do
      scan[key] = value
    end
  end
  local count = delim and find_in_stream(stream, delim, scan)
  if count then
    return stream:read(count)
  elseif stream.destroyed then
    return stream:read()
  end
  -- more than there is: nil until the end, and the stream makes room for it
  return stream:read(stream.readableLength + 1)
end

-- While it is being read (a call waits; a loop over its lines is open, even if its body
-- waits for something else) a stream is held in the mode in which it is pulled, and its
-- buffer may grow.  To be closed: `break` ends that.
local Reading = {}

local function ignore() end

local function open_reading(stream)
  if not stream._line_readings then
    stream._line_readings, stream._usual_mark = 0, stream.readableHighWaterMark
  end
  stream._line_readings = stream._line_readings + 1
  if not stream._kept then
    stream:on('readable', ignore)
  end
  return setmetatable({ stream = stream }, Reading)
end

function Reading.__close(self)
  local stream = self.stream
  if not stream then
    return
  end
  self.stream = nil
  stream:off('readable', ignore)
  stream._line_readings = stream._line_readings - 1
  if stream._line_readings == 0 then
    stream._line_readings, stream.readableHighWaterMark = nil, stream._usual_mark
    if stream._run_out then
      stream._run_out()
    end
  end
end

-- Nearly every line lies in the first chunk.
local function take_at_once(stream, delim)
  local chunk = delim and not stream._kept and stream._buffer[stream._head]
  if chunk then
    local _, last = chunk:find(delim, stream._skip + 1, true)
    return last and stream:read(last - stream._skip)
  end
end

local function is_over(stream)
  return stream.readableEnded or stream.destroyed
end

-- The next piece | nil: the end | nil, 'timeout'.
local function await_piece(stream, what, delim, timeout)
  local scan, piece, late = new_scan(stream), nil, false
  local function is_ready()
    piece = take(stream, delim, scan)
    return piece or is_over(stream) or late
  end
  local _ <close> = open_reading(stream)
  local came = await.await(what, is_ready, function(registrations)
    registrations:on(stream, stream._kept and 'data' or 'readable')
    for _, event in ipairs { 'end', 'close', 'error' } do
      registrations:on(stream, event)
    end
    if timeout then
      registrations:after(timeout, function()
        late = true
      end)
    end
  end)
  if not came then
    refuse(await.never(what))
  end
  return piece, not piece and not is_over(stream) and 'timeout' or nil
end

-- The next piece with its delimiter | nil: the end | nil, 'timeout'.  `delim` nil: all
-- that is left.
local function next_piece(stream, what, delim, timeout)
  timeout = await.check_timeout(timeout)
  stream._line_reader = true
  local piece, why = take_at_once(stream, delim), nil
  if not piece then
    piece, why = await_piece(stream, what, delim, timeout)
  end
  if piece or why or stream.readableEnded then
    return piece, why
  end
  refuse(stream.errored or errors.coded 'ERR_STREAM_PREMATURE_CLOSE')
end

local function without(piece, delim)
  if piece and piece:sub(-#delim) == delim then
    return piece:sub(1, -#delim - 1)
  end
  return piece
end

-- One value, if it was not too late.
local function give(piece, why)
  if why then
    return nil, why
  end
  return piece
end

local formats = {
  l = function(stream, timeout)
    local line, why = next_piece(stream, "read('l')", '\n', timeout)
    return give(without(line, '\n'), why)
  end,
  L = function(stream, timeout)
    return give(next_piece(stream, "read('L')", '\n', timeout))
  end,
  a = function(stream, timeout)
    local rest, why = next_piece(stream, "read('a')", nil, timeout)
    return give(rest or '', why)
  end,
}

local function read_format(stream, format, timeout)
  local read = formats[format]
  if not read then
    local reason = "must be one of: 'l', 'L', 'a'"
    refuse(errors.invalid_arg_value('format', reason, format))
  end
  return read(stream, timeout)
end

local function check_stream(stream, call)
  errors.check_self(stream, call, 'setEncoding')
end

local function read_all(stream, timeout)
  check_stream(stream, 'stream:readAll(…)')
  local rest, why = next_piece(stream, 'readAll()', nil, timeout)
  return give(rest or '', why)
end

local function check_delimiter(delim)
  if delim == nil then
    return '\n'
  elseif type(delim) ~= 'string' then
    refuse(errors.invalid_arg_type('delim', 'of type string', delim))
  elseif delim == '' then
    refuse(errors.invalid_arg_value('delim', 'cannot be empty', delim))
  end
  return delim
end

local function lines(stream, delim)
  check_stream(stream, 'stream:lines(…)')
  delim = check_delimiter(delim)
  local state = open_reading(stream)
  local function next_line()
    local line = without(next_piece(stream, 'lines()', delim), delim)
    if line == nil then
      Reading.__close(state)
    end
    return line
  end
  return next_line, nil, nil, state
end

--- The methods, to be copied into a class of streams.  See child_process.co for how they
-- wait.
--
-- `stream:lines([delim])` for a loop: each line without the delimiter, a '\n' if not
-- given; '\r' stays.
-- `stream:readAll([timeout])` -> all the rest, '' at the end.
-- `stream:read(format [, timeout])`: 'l' -> line, 'L' -> line with its '\n', nil at the
-- end; 'a' as readAll.  After `timeout` ms nil and 'timeout': nothing is taken then.
--
-- They raise the stream's error, ERR_STREAM_PREMATURE_CLOSE if it was destroyed before
-- its end, ERR_OUT_OF_RANGE above 1 GiB.
M.methods = { lines = lines, readAll = read_all, _read_format = read_format }

return M
