--- The `process` object: this process, as Node's `process` has it.
--
-- Its standard streams are made on first use, so that nothing is read that was meant for
-- a child that inherits them, and they work on descriptors that stay the host's.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local options = require 'child_process.options'
local stream = require 'child_process.stream'

local M = {}

local methods = {}
events.extend(methods)

local function check(result, errno, syscall, fields)
  if not result then
    error(errors.system(errno, syscall, fields), 3)
  end
  return result
end

--- process:cwd() -> path of the working directory.  Raises a system error.
function methods:cwd()
  local path, errno = core.cwd()
  return check(path, errno, 'uv_cwd')
end

--- process:chdir(directory): changes the working directory.  Raises a system error.
function methods:chdir(directory)
  if type(directory) ~= 'string' then
    error(errors.invalid_arg_type('directory', 'of type string', directory), 2)
  end
  local ok, errno = core.chdir(directory)
  check(ok, errno, 'chdir', { path = directory })
end

--- process:kill(pid [, signal]) -> true: kill(2); a negative pid is a process group, 0
-- as the signal only tests.  Raises ERR_UNKNOWN_SIGNAL, ERR_INVALID_ARG_TYPE, or a system
-- error such as ESRCH.  Unlike child:kill it knows only the number.
function methods:kill(pid, signal)
  local number = math.tointeger(pid)
  if not number then
    error(errors.invalid_arg_type('pid', 'of type number', pid), 2)
  end
  local signo = signal == nil and core.signals.SIGTERM
    or options.signal_number(signal, true)
  local ok, errno = core.signal_pid(number, signo)
  return check(ok, errno, 'kill')
end

--- process:hrtime() -> integer nanoseconds of a clock that only goes forward.
function methods:hrtime()
  return core.hrtime()
end

-- Standard streams ----------------------------------------------------------------------

-- Paused, it leaves what comes to others, and does not keep the loop alive.
local function stop_reading(s)
  s._reading = false
  if s._handle then
    s._handle:read_stop()
  end
end

local function standard_stream(fd)
  local handle, errno = core.shared_stream(fd)
  if not handle then
    error(errors.system(errno, 'open'), 4)
  end
  local sides = { readable = fd == 0, writable = fd ~= 0, manualStart = true }
  local s = stream.new(handle, sides)
  s.fd, s.isTTY = fd, core.isatty(fd)
  s._is_stdio = true -- pipe() does not finish it
  if sides.readable then
    s:on('pause', function()
      stop_reading(s)
    end)
  end
  return s
end

-- Environment ---------------------------------------------------------------------------

-- The live environment: what is set here, children without an `env` of their own get.
local env = setmetatable({}, {
  __index = function(_, name)
    return type(name) == 'string' and os.getenv(name) or nil
  end,
  __newindex = function(_, name, value)
    if value ~= nil then
      value = tostring(value)
    end
    local ok, errno = core.setenv(tostring(name), value)
    check(ok, errno, 'setenv')
  end,
  __pairs = function()
    return next, core.environ(), nil
  end,
})

-- The object ----------------------------------------------------------------------------

local made = {
  stdin = function()
    return standard_stream(0)
  end,
  stdout = function()
    return standard_stream(1)
  end,
  stderr = function()
    return standard_stream(2)
  end,
}

local process_mt = { __name = 'child_process.Process' }

function process_mt.__index(process, key)
  if methods[key] then
    return methods[key]
  elseif made[key] then
    local value = made[key]()
    rawset(process, key, value)
    return value
  elseif key == 'pid' then
    return core.pid()
  elseif key == 'ppid' then
    return core.ppid()
  end
end

--- cp.process: `pid, ppid, platform, env, stdin, stdout, stderr` and the methods above.
-- One a Lua state: its streams must not compete for a descriptor.
function M.get()
  if not core.process then
    core.process = setmetatable({ platform = 'linux', env = env }, process_mt)
  end
  return core.process
end

return M
