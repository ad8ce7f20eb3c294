--- CP_TRACE and cp.debug.trace: what trace.lua reports, as a file in Chrome's trace-event
-- format, which Perfetto and chrome://tracing show as a picture.
--
-- The file is an array of events, one a line; each is appended by one write(2), so
-- several processes can share it.  The first process starts it anew and ends the array.
-- Programs that it starts join: for them the path has a `+` in front.
--
-- A process of ours is a `pid` with one span, from here to its end, on the `tid` that
-- equals its pid.  Each child is a span on a `tid` of its own, which is the child's pid;
-- a start without a pid (a Sync call, or one that failed) gets a number above all pids.
-- A message is a flow from span to span.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local lazy = require 'child_process.lazy'
local trace = require 'child_process.trace'

local M = {}

local MOST_PID = 1 << 22 -- PID_MAX_LIMIT, proc(5)
local MICROSECOND = 1000 -- in nanoseconds

-- The open file: `fd`, `path`, `is_first`, and `owner`, the pid of the process that
-- opened it; a copy by fork(2) of it is silent.
local file
local numbers = 0 -- of starts without a pid
local sync_tid -- of the Sync call in progress
local running = {} -- pid -> true: its span is open

local function complain(path, errno)
  local text = 'child_process: cannot write the trace %s: %s\n'
  core.write_stderr(text:format(errors.escaped(path), core.errname(errno)))
end

-- Writing -------------------------------------------------------------------------------

local function stop()
  trace.listen('file', nil)
  file.fd:close()
  file = nil
end

local function write(text)
  local ok, errno = core.log_write(file.fd, text)
  if not ok then
    complain(file.path, errno)
    stop()
  end
end

-- Arguments and paths may be any bytes, but not in JSON.
local function shown(value)
  if type(value) == 'string' then
    return utf8.len(value) and value or errors.escaped(value)
  elseif type(value) ~= 'table' then
    return value
  end
  local copy = {}
  for key, field in next, value do
    copy[key] = shown(field)
  end
  return copy
end

-- The first process may end before those that joined, which write nothing after that.
local function leave_if_ended()
  if not file.is_first and core.log_ended(file.fd) then
    stop()
  end
end

local function put(event)
  if file then
    leave_if_ended()
  end
  if file then
    event.ts = event.ts or core.hrtime() / MICROSECOND
    event.pid = core.pid()
    local text = core.codec_encode('json', event)
      or core.codec_encode('json', shown(event))
    local before = file.is_new and '[\n' or ',\n'
    file.is_new = false
    write(before .. text)
  end
end

local function label(tid, name)
  put { ph = 'M', name = 'thread_name', tid = tid, args = { name = name } }
end

-- Children ------------------------------------------------------------------------------

local function basename(path)
  return path:match '[^/]+$' or path
end

local function new_tid()
  numbers = numbers + 1
  return MOST_PID + numbers
end

local function arguments(event)
  return { argv = event.args, cwd = event.cwd, pid = event.pid, at = event.at }
end

local function begin(event, tid)
  local name = basename(event.file)
  label(tid, event.pid and ('%s %d'):format(name, event.pid) or name)
  put { ph = 'B', name = name, cat = 'child', tid = tid, args = arguments(event) }
end

local function finish(event, tid)
  local args = arguments(event)
  args.code, args.signal, args.reason = event.code, event.signal, event.reason
  args.usage = event.usage
  args.error = event.error and (event.error.code or tostring(event.error))
  put { ph = 'E', name = basename(event.file), cat = 'child', tid = tid, args = args }
end

local handlers = {}

function handlers.spawn(event)
  if event.sync then
    sync_tid = new_tid()
    return begin(event, sync_tid)
  end
  running[event.pid] = true
  begin(event, event.pid)
end

function handlers.exit(event)
  if event.sync then
    return sync_tid and finish(event, sync_tid)
  elseif not event.pid then
    local tid = new_tid()
    begin(event, tid)
    finish(event, tid)
  elseif running[event.pid] then -- not one from before
    running[event.pid] = nil
    finish(event, event.pid)
  end
end

function handlers.kill(event)
  put {
    ph = 'i',
    name = event.signal,
    cat = 'kill',
    s = 't',
    tid = running[event.pid] and event.pid or core.pid(),
    args = { pid = event.pid, delivered = event.delivered, reason = event.reason },
  }
end

-- Messages ------------------------------------------------------------------------------

local function flow(event, phase)
  if event.id then
    put {
      ph = phase,
      ts = phase == 's' and trace.sending_since / MICROSECOND or nil, -- before its end
      name = 'message',
      cat = 'message',
      id = event.id,
      bp = phase == 'f' and 'e' or nil, -- to the span around it
      tid = running[event.pid] and event.pid or core.pid(),
      args = { bytes = event.size },
    }
  end
end

function handlers.send(event)
  flow(event, 's')
end

function handlers.receive(event)
  flow(event, 'f')
end

local function on_event(event)
  local handler = handlers[event.event]
  if handler and file and file.owner == event.process then
    handler(event)
  end
end

-- The file ------------------------------------------------------------------------------

local function program()
  local arg = rawget(_G, 'arg')
  return type(arg) == 'table' and type(arg[0]) == 'string' and basename(arg[0]) or 'lua'
end

--- trace_file.close(): ends our span and, if we have begun it, the file.
function M.close()
  if file and file.owner == core.pid() then
    put { ph = 'E', name = program(), cat = 'process', tid = core.pid() }
  end
  if file and file.owner == core.pid() and file.is_first then
    write '\n]\n'
  end
  if file then
    stop()
  end
end

-- When the state is closed; made after the descriptor, so that it is finalized before.
local function close_at_end(this)
  this.at_end = setmetatable({}, {
    __gc = function()
      if file == this then
        M.close()
      end
    end,
  })
end

local exit

-- A state that is not closed runs no finalizer.
local function watch_exit()
  if not exit then
    exit = os.exit
    rawset(os, 'exit', function(...)
      M.close()
      exit(...)
    end)
  end
end

-- -> whether it is open; the first write may end it
local function open(path)
  M.close()
  local joins = path:sub(1, 1) == '+'
  path = lazy.absolute(joins and path:sub(2) or path)
  local fd, errno = core.log_open(path, not joins)
  if not fd then
    complain(path, errno)
    return false
  end
  local pid = core.pid()
  file = { fd = fd, path = path, owner = pid, is_first = not joins, is_new = not joins }
  close_at_end(file)
  running, sync_tid = {}, nil
  trace.listen('file', on_event)
  watch_exit()
  put { ph = 'M', name = 'process_name', tid = pid, args = { name = program() } }
  put { ph = 'B', name = program(), cat = 'process', tid = pid }
  return file ~= nil
end

-- CP_TRACE of a program that shall join.
local function for_child()
  return '+' .. file.path
end

--- trace_file.join(list): a program with this environment, an array of `NAME=value`,
-- joins the trace, if one is written.
function M.join(list)
  if not file then
    return
  end
  for i = #list, 1, -1 do
    if list[i]:find '^CP_TRACE=' then
      table.remove(list, i)
    end
  end
  list[#list + 1] = 'CP_TRACE=' .. for_child()
end

--- cp.debug.trace(path | false): writes what happens to children and on channels to a
-- file in Chrome's trace-event format; false and nil end it.
--
-- The file is started anew.  Forked children write to it as well, whatever their `env`; a
-- file that cannot be written is reported once on stderr, and there is no trace.
-- `CP_TRACE=PATH` in the environment does this when the module is loaded, and then all
-- programs below this one that load the module join.  Raises ERR_INVALID_ARG_TYPE,
-- ERR_INVALID_ARG_VALUE.
function M.trace(path)
  if not path then
    return M.close()
  elseif type(path) ~= 'string' then
    error(errors.invalid_arg_type('path', 'of type string or false', path), 3)
  elseif path == '' or path:find '\0' then
    local reason = 'must be a string without null bytes that is not empty'
    error(errors.invalid_arg_value('path', reason, path), 3)
  end
  open(path)
end

--- trace_file.from_environment(): follows CP_TRACE, unless it is empty.
function M.from_environment()
  local path = os.getenv 'CP_TRACE' or ''
  if path ~= '' and not file then
    -- what we start joins; a file that cannot be written is reported only once
    core.setenv('CP_TRACE', open(path) and for_child() or nil)
  end
end

return M
