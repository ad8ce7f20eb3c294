--- Waiting in Lua's habits: `child:wait()`, `stream:lines()`, `readAll()`, `read('l')`,
-- cp.wait, cp.await.
--
-- Adapters only: events are turned into returns here, and nothing is done that events
-- could not do.  See await.lua for how a call waits.
local await = require 'child_process.await'
local collect = require 'child_process.collect'
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local M = {}

local function refuse(err)
  error(err, 0)
end

-- child:wait() --------------------------------------------------------------------------

local MAX_TIMER = 2 ^ 31 - 1

local function check_timeout(value)
  if value == nil or value == math.huge then
    return nil
  elseif type(value) ~= 'number' then
    refuse(errors.invalid_arg_type('timeout', 'of type number', value))
  elseif value < 0 or value ~= value then
    refuse(errors.out_of_range('timeout', '>= 0', value))
  end
  return math.min(value, MAX_TIMER)
end

-- nil where there is no pipe, or somebody else has read.
local function collected(child, name)
  local collector, stream = child._collected and child._collected[name], child[name]
  if collector then
    return collector:text()
  end
  return stream and stream.bytesRead == 0 and '' or nil
end

local function result(child)
  local code, signal = child.exitCode, child.signalCode
  local ended = signal and 'signal' or 'exit'
  local reason = child._reason or child._error and 'spawn' or ended
  return {
    pid = child.pid,
    code = code,
    signal = signal,
    stdout = collected(child, 'stdout'),
    stderr = collected(child, 'stderr'),
    error = child._error,
    reason = reason,
    ok = reason == 'exit' and code == 0,
  }
end

local function watch(child, registrations)
  collect.unread(child)
  registrations:on(child, 'close')
  registrations:on(child, 'error', function(err)
    child._error = child._error or err
  end)
end

local function all_closed(children)
  for _, child in ipairs(children) do
    if not child._closed then
      return false
    end
  end
  return true
end

-- true when all of them have closed | nil, 'timeout' | nil, error
local function await_close(what, children, timeout)
  timeout = check_timeout(timeout)
  local late = false
  local function is_ready()
    return late or all_closed(children)
  end
  local came = await.await(what, is_ready, function(registrations)
    for _, child in ipairs(children) do
      watch(child, registrations)
    end
    if timeout then
      registrations:after(timeout, function()
        late = true
      end)
    end
  end)
  if all_closed(children) then
    return true
  end
  return nil, came and 'timeout' or await.never(what)
end

local function wait(child, timeout)
  if not core.is_child(child) then
    refuse(errors.no_self 'child:wait(…)')
  end
  local closed, why = await_close('wait()', { child }, timeout)
  if closed then
    return result(child)
  end
  return nil, why
end

local function check_children(children)
  if type(children) ~= 'table' then
    refuse(errors.invalid_arg_type('children', 'an instance of Array', children))
  end
  for i, child in ipairs(children) do
    if not core.is_child(child) then
      local what = ('children[%d]'):format(i)
      refuse(errors.invalid_arg_type(what, 'an instance of ChildProcess', child))
    end
  end
  return table.move(children, 1, #children, 1, {})
end

--- cp.wait(children [, timeout]) -> array of results, in the order of the children, when
-- all of them have closed: each is what `child:wait()` returns.  After `timeout` ms nil
-- and 'timeout': the children go on, and a later call returns all.  Waits as the methods
-- below do.  Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_WOULD_BLOCK.
function M.wait(children, timeout)
  children = check_children(children)
  local closed, why = await_close('cp.wait()', children, timeout)
  if not closed then
    return nil, why
  end
  local results = {}
  for i, child in ipairs(children) do
    results[i] = result(child)
  end
  return results
end

-- cp.await ------------------------------------------------------------------------------

local function unpack_answer(answer)
  if answer[1] ~= nil then
    refuse(answer[1])
  end
  return table.unpack(answer, 2, answer.n)
end

--- cp.await(fn, …) -> …: calls `fn(…, callback)` and waits until it calls
-- `callback(err, …)`: raises `err` if there is one, else returns what follows it.
--
--   cp.await(worker.send, worker, { job = 1 })       -- until it is written
--   local out, err = cp.await(cp.execFile, 'ls', { '-l' })
--
-- Waits as the methods below do.  Raises ERR_INVALID_ARG_TYPE, ERR_WOULD_BLOCK (nothing
-- has been called then), what `fn` raises.  Node: util.promisify.
function M.await(fn, ...)
  if type(fn) ~= 'function' then
    refuse(errors.invalid_arg_type('fn', 'of type function', fn))
  end
  local args, answer = table.pack(...), nil
  local function is_ready()
    return answer ~= nil
  end
  local came = await.await('cp.await()', is_ready, function(registrations)
    args[args.n + 1] = function(...)
      answer = answer or table.pack(...)
      registrations.wake()
    end
    fn(table.unpack(args, 1, args.n + 1))
  end)
  if not came then
    refuse(await.never 'cp.await()')
  end
  return unpack_answer(answer)
end

-- Lines ---------------------------------------------------------------------------------

-- The buffer of a stream (readable.lua) stays where it is until a whole line is in it: a
-- reader that gives up loses nothing, and others can go on.

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
-- waits for something else) a stream is held in the mode in which it is pulled.  To be
-- closed: `break` ends that.
local Reading = {}

local function ignore() end

local function open_reading(stream)
  stream._line_readings = (stream._line_readings or 0) + 1
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
  local others = stream._line_readings - 1
  stream._line_readings = others > 0 and others or nil
  if stream._run_out and others == 0 then
    stream._run_out()
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

-- Returns nil at the end.
local function await_piece(stream, what, delim, scan)
  local piece
  local function is_ready()
    piece = take(stream, delim, scan)
    return piece or is_over(stream)
  end
  local _ <close> = open_reading(stream)
  local came = await.await(what, is_ready, function(registrations)
    registrations:on(stream, stream._kept and 'data' or 'readable')
    for _, event in ipairs { 'end', 'close', 'error' } do
      registrations:on(stream, event)
    end
  end)
  if not came then
    refuse(await.never(what))
  end
  return piece
end

-- The next piece with its delimiter, or nil at the end.  `delim` nil: all that is left.
local function next_piece(stream, what, delim)
  stream._line_reader = true
  local piece = take_at_once(stream, delim)
  if piece then
    return piece
  end
  local scan, mark = new_scan(stream), stream.readableHighWaterMark
  piece = take(stream, delim, scan)
  if not piece and not is_over(stream) then
    piece = await_piece(stream, what, delim, scan)
    stream.readableHighWaterMark = mark
  end
  if piece or stream.readableEnded then
    return piece
  end
  refuse(stream.errored or errors.coded 'ERR_STREAM_PREMATURE_CLOSE')
end

local function without(piece, delim)
  if piece and piece:sub(-#delim) == delim then
    return piece:sub(1, -#delim - 1)
  end
  return piece
end

local formats = {
  l = function(stream)
    return without(next_piece(stream, "read('l')", '\n'), '\n')
  end,
  L = function(stream)
    return next_piece(stream, "read('L')", '\n')
  end,
  a = function(stream)
    return next_piece(stream, "read('a')") or ''
  end,
}

local function read_format(stream, format)
  local read = formats[format]
  if not read then
    local reason = "must be one of: 'l', 'L', 'a'"
    refuse(errors.invalid_arg_value('format', reason, format))
  end
  return read(stream)
end

local function check_stream(stream, call)
  if type(stream) ~= 'table' then
    refuse(errors.no_self(call))
  end
end

local function read_all(stream)
  check_stream(stream, 'stream:readAll(…)')
  return next_piece(stream, 'readAll()') or ''
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

-- Module --------------------------------------------------------------------------------

--- cp.async, see await.lua.
M.async = await.async

--- co.install(stream_methods, child_methods): adds the methods below to the classes.
--
-- All of them yield in a coroutine and run the loop outside of one; a coroutine of
-- cqueues polls it (in_cqueues.lua).  They raise ERR_WOULD_BLOCK in a callback of the
-- running loop, in a coroutine of copas, and when nothing is left that could end the
-- waiting (`wait` returns nil and that error then).
--
-- `child:wait([timeout])` -> result, when the child has closed: `code`, `signal`, `pid`,
-- `stdout`, `stderr` (nil where somebody else reads, or there is no pipe), `error`,
-- `reason` (`exit`, `signal`, `timeout`, `maxBuffer`, `abort`, `spawn`) and `ok`.  After
-- `timeout` ms nil and 'timeout': the child goes on, and a later call returns all of the
-- output.  Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
--
-- `for line in stream:lines([delim])`: without the delimiter, a '\n' if not given; '\r'
-- stays.  `stream:readAll()` and `stream:read('a')` -> all the rest, '' at the end;
-- `read('l')` -> line, `read('L')` -> line with its '\n'; nil at the end.  They raise the
-- stream's error, ERR_STREAM_PREMATURE_CLOSE if it was destroyed before its end, and
-- ERR_OUT_OF_RANGE above 1 GiB.
function M.install(stream_methods, child_methods)
  child_methods.wait = wait
  stream_methods.lines = lines
  stream_methods.readAll = read_all
  stream_methods._read_format = read_format
end

return M
