--- The `process` object: this process, like Node's `process`.
--
-- Parts that not every process needs are loaded on first use: a forked child must start
-- quickly.
local channel = require 'child_process.ipc.channel'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local lazy = require 'child_process.lazy'
local trace = require 'child_process.trace'

local environment = lazy.module 'child_process.environment'
local signals = lazy.module 'child_process.signals'

local load_advanced = lazy.load 'child_process.ipc.advanced'
local load_json = lazy.load 'child_process.ipc.json'
local load_standard = lazy.load 'child_process.stream.standard'

local M = {}

local methods = { send = channel.methods.send, disconnect = channel.methods.disconnect }
events.extend(methods)

-- When the process ends it waits for sent messages to be written, while the peer reads
-- on.
local FLUSH_TIMEOUT = 10000 -- ms

local function check(result, errno, syscall, fields)
  if not result then
    error(errors.system(errno, syscall, fields), 3)
  end
  return result
end

-- A value that becomes a C string: Node truncates it at a null byte, this refuses it.
local function check_text(value, what)
  if type(value) ~= 'string' then
    error(errors.invalid_arg_type(what, 'of type string', value), 3)
  elseif value:find('\0', 1, true) then
    local reason = 'must be a string without null bytes'
    error(errors.invalid_arg_value(what, reason, value), 3)
  end
end

-- `process.kill(pid, 0)` would ask for SIGTERM to process group 0, which is ours.
local function check_self(self, name)
  if self ~= core.process then
    error(errors.no_self(('process:%s(…)'):format(name)), 3)
  end
end

--- process:cwd() -> path of the working directory.  Raises a system error.
function methods:cwd()
  local path, errno = core.cwd()
  return check(path, errno, 'uv_cwd')
end

--- process:chdir(directory): changes the working directory.  Raises a system error, in
-- which, as in Node, `path` is the current directory and `dest` the new one;
-- ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.  Node: process.chdir, chdir(2).
function methods:chdir(directory)
  check_self(self, 'chdir')
  check_text(directory, 'directory')
  local ok, errno = core.chdir(directory)
  if not ok then
    local here = core.cwd() or ''
    local err = errors.system(errno, 'chdir', { path = here, dest = directory })
    local text = "%s: %s, chdir '%s' -> '%s'"
    text = text:format(err.code, core.strerror(errno), here, directory)
    err.message = errors.escaped(text)
    error(err, 2)
  end
end

local function is_pid(number)
  return number and number >= -1 << 31 and number < 1 << 31
end

--- process:kill(pid [, signal]) -> true: kill(2); a negative pid is a process group, 0
-- our own, and 0 as the signal only tests.  Raises ERR_UNKNOWN_SIGNAL,
-- ERR_INVALID_ARG_TYPE, or a system error such as ESRCH, or EINVAL for a number that is
-- not a signal.  Unlike child:kill it knows only the pid, which may have been reused.
-- Node: process.kill.
function methods:kill(pid, signal)
  check_self(self, 'kill')
  local number = math.tointeger(tonumber(pid))
  if not is_pid(number) then
    error(errors.invalid_arg_type('pid', 'of type number', pid), 2)
  end
  local signo = signal == nil and core.signals.SIGTERM or signal
  if not is_pid(math.type(signo) == 'integer' and signo) then
    signo = signals.number(signo)
  end
  local ok, errno = core.signal_pid(number, signo)
  if trace.on then
    trace.kill(number, signo, errno)
  end
  return check(ok, errno, 'kill')
end

--- process:hrtime() -> integer nanoseconds of a monotonic clock.
function methods:hrtime()
  return core.hrtime()
end

local function octal(text)
  if not text:find '^[0-7]+$' then
    local reason = 'must be a 32-bit unsigned integer or an octal string'
    error(errors.invalid_arg_value('mask', reason, text), 3)
  end
  return tonumber(text, 8)
end

--- process:umask([mask]) -> integer: the previous mask; sets a new one if given, a number
-- or a string of octal digits, of which the last nine bits count.
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE.
-- Node: process.umask.
function methods:umask(mask)
  check_self(self, 'umask')
  local number = type(mask) == 'string' and octal(mask) or mask
  if number ~= nil and type(number) ~= 'number' then
    error(errors.invalid_arg_type('mask', 'of type number', mask), 2)
  elseif number and not math.tointeger(number) then
    error(errors.out_of_range('mask', 'an integer', mask), 2)
  elseif number and (number < 0 or number > 0xffffffff) then
    error(errors.out_of_range('mask', '>= 0 && <= 4294967295', mask), 2)
  end
  return core.umask(number and math.tointeger(number))
end

--- process:memoryUsage() -> { rss, heapUsed }: bytes used by the process and by this Lua
-- state.
function methods:memoryUsage()
  return { rss = core.rss(), heapUsed = math.floor(collectgarbage 'count' * 1024) }
end

-- The end -------------------------------------------------------------------------------

local exit = os.exit

--- process.flush(process): writes pending messages, for os.exit in a booted child.
function M.flush(process)
  channel.flush(process, FLUSH_TIMEOUT)
end

-- Once, whatever a listener does; if it raises, the process ends nevertheless.
local function announce_exit(process)
  local _ <close> = setmetatable({}, {
    __close = function()
      channel.flush(process, FLUSH_TIMEOUT)
    end,
  })
  if not process._exiting then
    process._exiting = true
    process:emit('exit', process.exitCode or 0)
  end
end

-- Node also accepts an integer as text.
local function exit_code(value, level)
  local number = tonumber(value)
  if value == nil or value == core.null then
    return nil
  elseif type(value) == 'number' and not math.tointeger(value) then
    error(errors.out_of_range('code', 'an integer', value), level + 1)
  elseif not math.tointeger(number) then
    error(errors.invalid_arg_type('code', 'of type number', value), level + 1)
  end
  return math.tointeger(number)
end

--- process:exit([code]): ends the process with `code` (default `process.exitCode`, or 0),
-- after the event `exit(code)` and after pending messages have been written.
-- Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.  Node: process.exit.
function methods:exit(code)
  check_self(self, 'exit')
  self.exitCode = exit_code(code, 2) or self.exitCode
  announce_exit(self)
  exit(self.exitCode or 0, true)
end

-- Signals -------------------------------------------------------------------------------

-- A signal is watched from its first listener to its last.
local function watch_signal(process, name)
  local watches = process._watches
  local listened = process:listenerCount(name) > 0
  if watches[name] and not listened then
    watches[name]:close()
    watches[name] = nil
  elseif listened and not watches[name] then
    local watch, errno = core.signal(core.signals[name], function(signo)
      process:emit(name, name, signo)
    end)
    watches[name] = watch
    if not watch then
      process:removeAllListeners(name)
      error(errors.system(errno, 'uv_signal_start'), 0)
    end
  end
end

--- Called when an event has gained or lost a listener.  A signal's name is the event
-- `name(name, number)`; listening for it does not keep the loop alive.  Raises EINVAL for
-- SIGKILL and SIGSTOP.  Node: process, Signal events.
methods[events.LISTENING] = function(self, name)
  if core.signals[name] then
    watch_signal(self, name)
  end
  channel.methods[events.LISTENING](self, name)
end

-- Who we are ----------------------------------------------------------------------------

-- Lua's `arg`: the interpreter at the lowest index, its options, the script at 0.
local function command_line()
  local line = type(arg) == 'table' and arg or {}
  local lowest = 0
  while line[lowest - 1] do
    lowest = lowest - 1
  end
  return line, lowest
end

local function arguments(exec_path)
  local line = command_line()
  local argv = table.move(line, 1, #line, 2, { [0] = exec_path })
  argv[1] = line[0]
  return argv
end

-- Read once, now: by the time it is needed the file may have been replaced.
local exe = core.exe()

-- The running program, if it is an interpreter.  A host program is not one, and can set
-- the path at any time (lcp_set_exec_path).
local function find_exec_path()
  if core.exec_path then
    return core.exec_path
  end
  local line, lowest = command_line()
  if exe and (lowest < 0 or exe:match '[^/]*$':find '^lua') then
    return exe
  end
  return line[lowest] and lowest < 0 and line[lowest] or core.interpreter
end

local function interpreter_options()
  local line, lowest = command_line()
  return table.move(line, lowest + 1, -1, 1, {})
end

-- The object ----------------------------------------------------------------------------

-- Created on first use, then stored.
local made = {
  env = function()
    return environment.live
  end,
  stdin = function()
    return load_standard().open(0)
  end,
  stdout = function()
    return load_standard().open(1)
  end,
  stderr = function()
    return load_standard().open(2)
  end,
  execArgv = interpreter_options,
  argv0 = function()
    local line, lowest = command_line()
    return line[lowest]
  end,
  argv = function(process)
    return arguments(process.execPath)
  end,
}

local process_mt = { __name = 'child_process.Process' }

function process_mt.__index(process, key)
  if methods[key] then
    return methods[key]
  elseif made[key] then
    local value = made[key](process)
    rawset(process, key, value)
    return value
  elseif key == 'exitCode' then
    return process._exit_code
  elseif key == 'execPath' then
    return find_exec_path()
  elseif key == 'pid' then
    return core.pid()
  elseif key == 'ppid' then
    return core.ppid()
  end
end

-- `exitCode` is checked when it is set, as in Node.
function process_mt.__newindex(process, key, value)
  if key == 'exitCode' then
    key, value = '_exit_code', exit_code(value, 2)
  end
  rawset(process, key, value)
end

-- The channel ---------------------------------------------------------------------------

local CODECS = { json = load_json, advanced = load_advanced }

-- Makes it one end of a channel with that serialization.
-- @param writer core.channel|nil: for the other direction, if `handle` has only one
local function connect(process, mode, handle, writer)
  local options = { count_listeners = true, on_closed = channel.ended, writer = writer }
  channel.open(process, handle, CODECS[mode](), options)
end

-- Opens the channel we were started with.  It is for us alone, so its variables are
-- removed and children do not inherit them.
local function open_channel(process)
  local fd = math.tointeger(tonumber(os.getenv('NODE_CHANNEL_FD'):match '^%d+$'))
  local mode = os.getenv 'NODE_CHANNEL_SERIALIZATION_MODE' or 'json'
  core.setenv('NODE_CHANNEL_FD', nil)
  core.setenv('NODE_CHANNEL_SERIALIZATION_MODE', nil)
  if fd and CODECS[mode] then
    local handle = core.channel(fd, mode)
    if handle then
      connect(process, mode, handle)
    end
  end
end

local standard -- see use_standard

--- process.use_standard(mode, reader, writer): the channel of a worker that a launcher
-- has started.  `get` opens it, when events can be traced.
function M.use_standard(...)
  standard = { ... }
end

--- cp.process: `pid, ppid, platform, env, argv, argv0, execPath, execArgv, exitCode,
-- stdin, stdout, stderr, connected, channel` and the methods above, `send`, `disconnect`.
-- One per Lua state: two would compete for the descriptors of its streams.
function M.get()
  if not core.process then
    core.process = setmetatable({ platform = core.platform }, process_mt)
    core.process.connected, core.process._watches = false, {}
    if standard then
      connect(core.process, table.unpack(standard))
    elseif os.getenv 'NODE_CHANNEL_FD' then
      open_channel(core.process)
    end
  end
  return core.process
end

--- process.startable(path) -> the path to execute for it: our own program can be started
-- again even after its file is gone.
function M.startable(path)
  if path == exe and not core.can_execute(path) then
    return '/proc/self/exe'
  end
  return path
end

--- process.run_to_end(process): runs the loop until nothing is left, with `beforeExit`,
-- or until cp.stop(); for a booted child.
function M.run_to_end(process)
  repeat
    local stopped = core.run 'default'
    if stopped then
      return
    end
    process:emit('beforeExit', process.exitCode or 0)
  until not core.alive()
end

return M
