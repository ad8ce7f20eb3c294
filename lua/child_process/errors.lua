--- Every error value of the library is made here.
--
-- Misuse raises immediately; a system failure, while a child is started or later, is an
-- event or a callback's argument.  All of them carry the same kind of value: a table with
-- `name`, `code`, `message` and, where they apply, `errno` (negative), `syscall`, `path`,
-- `spawnargs`, `stage`, `cause`.  `tostring(e)` is `TypeError [ERR_X]: text`, or `Error:
-- text` for a system error.  An uncaught one also shows where it was made, and a
-- traceback.
local core = require 'child_process.core'
local place = require 'child_process.place'

local M = {}

local traceback = debug.traceback

local Error = { __name = 'child_process.Error' }
Error.__index = Error
core.error_class(Error) -- for tracebacks, and for errors that travel

-- error -> `file:line` of the program
local places = setmetatable({}, { __mode = 'k' })

local function in_words(e)
  local code = e.code
  if type(code) == 'string' and code:find '^ERR_' then
    return ('%s [%s]: %s'):format(e.name, code, e.message)
  end
  return ('%s: %s'):format(e.name, e.message)
end

-- The interpreter shows an uncaught value by this alone, so it includes place and
-- traceback (of the callback, if it comes from one).
function Error.__tostring(e)
  if not place.is_handled() then
    return in_words(e)
  end
  local where = places[e] and places[e] .. ': ' or ''
  return where .. in_words(e) .. '\n' .. (e.traceback or traceback(nil, 3))
end

local NAMED = { ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t' }

local function escape(byte)
  return NAMED[byte] or ('\\x%02x'):format(byte:byte())
end

--- errors.escaped(text) -> string: one line that is safe for a terminal, whatever foreign
-- names it contains: control characters become `\n` or `\x1b`.  In text that is not UTF-8
-- so do all bytes beyond ASCII, since a terminal may take some for controls.
function M.escaped(text)
  text = text:gsub('[\0-\31\127]', escape)
  return (text:gsub(utf8.len(text) and '\xC2([\x80-\x9F])' or '[\x80-\xFF]', escape))
end

local function with_message(e, message, fields)
  e.message = message
  for key, value in pairs(fields or {}) do
    e[key] = value
  end
  places[e] = place.where()
  return setmetatable(e, Error)
end

--- Makes an error value.
-- @param name string: `Error`, `TypeError`, `RangeError`, `AbortError`
-- @param code string|nil: Node's code (`ERR_…`, `ENOENT`, …)
-- @param message string|nil: is escaped
-- @param fields table|nil: further fields, copied
function M.new(name, code, message, fields)
  return with_message(
    { name = name, code = code },
    message and M.escaped(message),
    fields
  )
end

--- exec and execFile: the command has failed.  Several lines, as in Node: the command,
-- which may be several lines itself, and its stderr.
function M.command_failed(code, command, said, fields)
  local shown = command:gsub('[^\n]+', M.escaped)
  local message = 'Command failed: ' .. shown
  message = said and ('%s\n%s'):format(message, said) or message
  return with_message({ name = 'Error', code = code }, message, fields)
end

--- An error that a worker of a pool has raised.  Its message may have several lines, as
-- in the worker.
-- @param fields table: `stack`, `pid`, `cause`
function M.of_worker(name, code, message, fields)
  local shown = message:gsub('[^\n]+', M.escaped)
  return with_message({ name = name, code = code }, shown, fields)
end

--- ERR_LAUNCHER_FAILED: several lines, the last ones what the launcher has said.
function M.launch_failed(text, said, fields)
  said = said:gsub('\r\n', '\n'):gsub('[^\n]+', M.escaped):gsub('%s+$', '')
  local message = M.escaped(text) .. (said ~= '' and ':\n' .. said or '')
  return with_message({ name = 'Error', code = 'ERR_LAUNCHER_FAILED' }, message, fields)
end

--- True for an error value made by this module.
function M.is_error(value)
  return getmetatable(value) == Error
end

local function quote(text)
  return "'" .. M.escaped((text:gsub("[\\']", '\\%0'))) .. "'"
end

local function class_name(value)
  local mt = getmetatable(value)
  local name = type(mt) == 'table' and rawget(mt, '__name')
  return type(name) == 'string' and name or nil
end

-- All digits of an integral number, even where Lua would write an exponent.
local function show_number(value)
  local whole = math.tointeger(value)
  return whole and ('%d'):format(whole) or tostring(value)
end

--- The value as shown in a message: `'text'`, `5`, `a table`.
function M.inspect(value)
  local kind = type(value)
  if kind == 'string' then
    return quote(#value > 128 and value:sub(1, 128) .. '...' or value)
  elseif kind == 'number' then
    return show_number(value)
  elseif kind == 'boolean' or kind == 'nil' then
    return tostring(value)
  elseif value == core.null then
    return 'null'
  elseif value == core.module then
    return 'the module itself: its functions are called with a dot, as in cp.spawn(…)'
  end
  local name = core.is_child(value) and 'ChildProcess' or class_name(value)
  return name and 'an instance of ' .. name or 'a ' .. kind
end

-- Node's "Received …" tail: kind and value, long strings cut.
local function received(value)
  local kind = type(value)
  if kind == 'string' then
    local shown = #value > 28 and value:sub(1, 25) .. '...' or value
    return ('type string (%s)'):format(quote(shown))
  elseif kind == 'number' or kind == 'boolean' then
    return ('type %s (%s)'):format(kind, M.inspect(value))
  end
  return M.inspect(value)
end

-- 'options.cwd' is a property, 'file' an argument.
local function subject(what)
  return ('"%s" %s'):format(what, what:find('.', 1, true) and 'property' or 'argument')
end

--- ERR_INVALID_ARG_TYPE.  `expected` reads on from "must be", e.g. `of type string`;
-- `advice` says what to write instead, if there is a better form.
function M.invalid_arg_type(what, expected, value, advice)
  local text = ('The %s must be %s. Received %s'):format(
    subject(what),
    expected,
    received(value)
  )
  if advice then
    text = text .. '; ' .. advice
  end
  return M.new('TypeError', 'ERR_INVALID_ARG_TYPE', text)
end

--- ERR_INVALID_ARG_VALUE.  `reason` reads on from the name, e.g. `cannot be empty`.
function M.invalid_arg_value(what, reason, value)
  local kind = what:find('.', 1, true) and 'property' or 'argument'
  local text = "The %s '%s' %s. Received %s"
  return M.new(
    'TypeError',
    'ERR_INVALID_ARG_VALUE',
    text:format(kind, what, reason, M.inspect(value))
  )
end

--- ERR_OUT_OF_RANGE.  `range` reads on from "It must be", e.g. `>= 0`.
function M.out_of_range(what, range, value)
  local text = 'The value of "%s" is out of range. It must be %s. Received %s'
  return M.new(
    'RangeError',
    'ERR_OUT_OF_RANGE',
    text:format(what, range, M.inspect(value))
  )
end

--- ERR_INVALID_THIS: a method was called with a dot, as in Node, and so without its
-- object.  `call` is the correct form in Lua, e.g. `child:wait(…)`.
function M.no_self(call)
  return M.new('TypeError', 'ERR_INVALID_THIS', 'call it with a colon: ' .. call)
end

--- errors.check_self(self, call [, method]): raises ERR_INVALID_THIS unless `self` can
-- have fields and has the method, if one is given.
function M.check_self(self, call, method)
  local kind = type(self)
  local is_object = kind == 'table'
    or kind == 'userdata' and type(getmetatable(self)) == 'table'
    or core.is_child(self)
  if not is_object or method and not self[method] then
    error(M.no_self(call), 0)
  end
end

-- Errors with a fixed text, by code: { name, text }.
local FIXED = {
  ERR_IPC_ONE_PIPE = { 'Error', 'Child process can have only one IPC pipe' },
  ERR_IPC_SYNC_FORK = { 'Error', 'IPC cannot be used with synchronous forks' },
  ERR_IPC_CHANNEL_CLOSED = { 'Error', 'Channel closed' },
  ERR_IPC_HANDLE_REFUSED = { 'Error', 'The other process could not take the handle' },
  ERR_IPC_DISCONNECTED = { 'Error', 'IPC channel is already disconnected' },
  ERR_CHILD_CLOSED_BEFORE_REPLY = { 'Error', 'Child closed before reply received' },
  ERR_INVALID_HANDLE_TYPE = { 'TypeError', 'This handle type cannot be sent' },
  ERR_MISSING_ARGS = { 'TypeError', 'The "%s" argument must be specified' },
  ERR_CHILD_PROCESS_IPC_REQUIRED = {
    'Error',
    "Forked processes must have an IPC channel, missing value 'ipc' in %s",
  },
  ERR_SERVER_ALREADY_LISTEN = {
    'Error',
    'Listen method has been called more than once without closing.',
  },
  ERR_SERVER_NOT_RUNNING = { 'Error', 'Server is not running.' },
  ERR_SOCKET_CLOSED = { 'Error', 'Socket is closed' },
  ERR_SOCKET_CLOSED_BEFORE_CONNECTION = {
    'Error',
    'Socket closed before the connection was established',
  },
  ERR_SOCKET_ALREADY_BOUND = { 'Error', 'Socket is already bound' },
  ERR_SOCKET_BAD_TYPE = {
    'TypeError',
    'Bad socket type specified. Valid types are: udp4, udp6',
  },
  ERR_SOCKET_DGRAM_NOT_RUNNING = { 'Error', 'Not running' },
  ERR_SOCKET_DGRAM_IS_CONNECTED = { 'Error', 'Already connected' },
  ERR_SOCKET_DGRAM_NOT_CONNECTED = { 'Error', 'Not connected' },
  ERR_BUFFER_OUT_OF_BOUNDS = { 'RangeError', '"%s" is outside of buffer bounds' },
  ERR_INVALID_IP_ADDRESS = { 'TypeError', 'Invalid IP address: %s' },
  ERR_INVALID_FD_TYPE = { 'TypeError', 'Unsupported fd type: %s' },
  ERR_SCOPE_CLOSED = { 'Error', 'The scope has been left: it starts nothing more' },
  ERR_STREAM_DESTROYED = {
    'Error',
    'Cannot call %s after a stream was destroyed',
  },
  ERR_STREAM_WRITE_AFTER_END = { 'Error', 'write after end' },
  ERR_STREAM_PREMATURE_CLOSE = { 'Error', 'Premature close' },
  ERR_STREAM_CANNOT_PIPE = { 'Error', 'Cannot pipe, not readable' },
  ERR_STREAM_ALREADY_FINISHED = {
    'Error',
    'Cannot call %s after a stream was finished',
  },
  ERR_UNKNOWN_SIGNAL = { 'TypeError', 'Unknown signal: %s%s' },
  ERR_UNKNOWN_ENCODING = { 'TypeError', 'Unknown encoding: %s' },
  ERR_INVALID_STATE = { 'Error', 'Invalid state: %s' },
  ERR_POOL_CLOSED = { 'Error', 'The pool is closed' },
  ERR_POOL_FULL = { 'Error', 'The queue of the pool is full' },
  ERR_WOULD_BLOCK = {
    'Error',
    '%s cannot wait here: the loop is already running; call it in a coroutine (cp.async)',
  },
  ERR_CHILD_PROCESS_STDIO_MAXBUFFER = {
    'RangeError',
    '%s maxBuffer length exceeded',
  },
  ERR_INVALID_SYNC_FORK_INPUT = {
    'TypeError',
    "%s must be 'pipe', 'overlapped', 'ignore', 'inherit', 'ipc', "
      .. 'a descriptor, a file or a stream. Received %s%s',
  },
}

--- An error with a fixed text; `…` fills the gaps of the text.
function M.coded(code, ...)
  local row = FIXED[code]
  return M.new(row[1], code, row[2]:format(...))
end

--- ERR_FEATURE_UNAVAILABLE_ON_PLATFORM: `what` is an option, `reason` says what is
-- missing.
function M.unavailable(what, reason)
  local text = 'The %s is unavailable on this platform: %s'
  return M.new(
    'TypeError',
    'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM',
    text:format(subject(what), reason)
  )
end

--- ERR_SOCKET_BAD_PORT.  `range` reads on from "should be", e.g. `> 0`.
function M.bad_port(what, range, value)
  local text = '%s should be %s and < 65536. Received %s.'
  return M.new(
    'RangeError',
    'ERR_SOCKET_BAD_PORT',
    text:format(what, range, received(value))
  )
end

--- AbortError, code ABORT_ERR; `cause` is the reason given to abort().
function M.abort(cause)
  return M.new('AbortError', 'ABORT_ERR', 'The operation was aborted', { cause = cause })
end

--- A failed system call.
-- @param errno integer: negative, as libuv and Node give it
-- @param syscall string: e.g. `spawn ls`, `write`
-- @param fields table|nil: `path`, `stage`, …
function M.system(errno, syscall, fields)
  local code = core.errname(errno)
  local e = M.new('Error', code, syscall .. ' ' .. code, fields)
  e.errno, e.syscall = errno, syscall
  return e
end

--- A failed system call on an address: `connect ECONNREFUSED 127.0.0.1:1`.  As in Node,
-- port 0 is left out.
-- @param why string|nil: the meaning of the code, appended to it
function M.on_address(errno, syscall, address, port, why)
  port = port and port > 0 and port or nil
  local e = M.system(errno, syscall, { address = address, port = port })
  if why then
    e.message = ('%s: %s'):format(e.message, why)
  end
  local shown = address and M.escaped(address)
  if port then
    e.message = ('%s %s:%d'):format(e.message, shown, port)
  elseif shown then
    e.message = ('%s %s'):format(e.message, shown)
  end
  return e
end

--- AggregateError: several attempts, each with its error; `code` is that of the first.
function M.aggregate(list)
  local texts = {}
  for i, e in ipairs(list) do
    texts[i] = e.message
  end
  local text = table.concat(texts, '; ')
  return M.new('AggregateError', list[1].code, text, { errors = list })
end

return M
