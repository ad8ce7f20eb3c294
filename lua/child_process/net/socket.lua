--- net.Socket: a stream with both sides.
--
-- Until it is connected it has no handle: connecting.lua brings one, a stream of the
-- core, and the stream class takes over.
local args = require 'child_process.net.args'
local connecting = require 'child_process.net.connecting'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local guard = require 'child_process.guard'
local loop = require 'child_process.loop'
local lost = require 'child_process.stream.lost'
local readable = require 'child_process.stream.readable'
local stream = require 'child_process.stream'
local writable = require 'child_process.stream.writable'

local M = {}

local nextTick = loop.nextTick
local Stream = stream.Stream

local EISCONN = -106
local MAX_KEEP_ALIVE = 32767 -- seconds

local Socket = setmetatable({
  __name = 'child_process.net.Socket',
  __tostring = Stream.__tostring,
  __close = Stream.__close,
  connecting = false,
  _unreferenced = false,
}, { __index = Stream })
Socket[Socket] = true

--- The class.
M.Socket = Socket

local function fileno(self)
  local handle = stream.handle(self)
  return handle and handle:fileno()
end

-- Fields computed when they are read ----------------------------------------------------

-- { address, port, family } of one end, asked for once; nil for a local socket.
local function name_of(self, slot, ask)
  local name = rawget(self, slot)
  if not name then
    local fd = fileno(self)
    local address, port, family = nil, nil, nil
    if fd then
      address, port, family = ask(fd)
    end
    if not family then
      return {}
    end
    name = { address = address, port = port, family = family }
    self[slot] = name
  end
  return name
end

local function peer(self)
  return name_of(self, '_peer_name', core.peername)
end

-- As in Node, our end has a name only while it is open here.
local function own(self)
  return stream.handle(self) and name_of(self, '_own_name', core.sockname) or {}
end

local getters = {
  remoteAddress = function(self)
    return peer(self).address
  end,
  remotePort = function(self)
    return peer(self).port
  end,
  remoteFamily = function(self)
    return peer(self).family
  end,
  localAddress = function(self)
    return own(self).address
  end,
  localPort = function(self)
    return own(self).port
  end,
  localFamily = function(self)
    return own(self).family
  end,
  pending = function(self)
    return not stream.handle(self) or self.connecting
  end,
  readyState = function(self)
    if self.connecting then
      return 'opening'
    elseif self.readable then
      return self.writable and 'open' or 'readOnly'
    end
    return self.writable and 'writeOnly' or 'closed'
  end,
}

function Socket.__index(self, key)
  local value = Socket[key]
  if value == nil then
    local get = getters[key]
    return get and get(self)
  end
  return value
end

--- socket:address() -> { address, family, port } of the local end; an empty table if
-- there is none.  Node: socket.address.
function Socket:address()
  errors.check_self(self, 'socket:address(…)', 'setKeepAlive')
  local name = own(self)
  return { address = name.address, family = name.family, port = name.port }
end

-- Idle time -----------------------------------------------------------------------------

local check_idle

local function arm(self, ms)
  self._idle_timer = loop.setTimeout(check_idle, ms, self):unref()
end

local function disarm(self)
  if self._idle_timer then
    self._idle_timer:close()
    self._idle_timer = nil
  end
end

-- Something has happened on the socket.
local function touch(self)
  local ms = self.timeout
  if ms and ms > 0 and not self.destroyed then
    self._active_at = core.hrtime()
    if not self._idle_timer then
      arm(self, ms)
    end
  end
end

function check_idle(self)
  self._idle_timer = nil
  local left = self.timeout - (core.hrtime() - self._active_at) // 1000000
  if left > 0 then
    arm(self, left)
  else
    self:emit 'timeout'
  end
end

local function on_read(self, chunk, errno)
  touch(self)
  readable.on_read(self, chunk, errno)
end

local function on_written(self, errno)
  touch(self)
  writable.on_written(self, errno)
end

-- Only a socket with a timeout pays for it.
local function note_activity(self)
  local handle = stream.handle(self)
  if handle and self.timeout and self.timeout > 0 then
    handle:bind(self, on_read, on_written)
  end
end

--- socket:setTimeout(ms [, callback]) -> socket: emits `timeout` when nothing has been
-- read or written for `ms` milliseconds; 0 switches that off.  The socket stays open.
-- `callback` listens once.  Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.  Node:
-- socket.setTimeout.
function Socket:setTimeout(ms, callback)
  errors.check_self(self, 'socket:setTimeout(…)', 'setKeepAlive')
  if type(ms) ~= 'number' then
    error(errors.invalid_arg_type('msecs', 'of type number', ms), 2)
  elseif not (ms >= 0 and ms < math.huge) then
    error(errors.out_of_range('msecs', 'a non-negative finite number', ms), 2)
  end
  args.optional(callback, 'function', 'callback')
  disarm(self)
  self.timeout = ms
  touch(self)
  note_activity(self)
  if callback and ms > 0 then
    self:once('timeout', callback)
  elseif callback then
    self:off('timeout', callback)
  end
  return self
end

-- Options of the connection -------------------------------------------------------------

local function set_option(self, name, value)
  local fd = fileno(self)
  if fd then
    core.sockopt(fd, name, value)
  end
end

--- socket:setNoDelay([on]) -> socket: sends small writes immediately; default on.  Before
-- the connection it takes effect then.  Node: socket.setNoDelay, tcp(7).
function Socket:setNoDelay(on)
  errors.check_self(self, 'socket:setNoDelay(…)', 'setKeepAlive')
  self._no_delay = on ~= false
  set_option(self, 'nodelay', self._no_delay and 1 or 0)
  return self
end

--- socket:setKeepAlive([on [, initialDelay]]) -> socket: probes after `initialDelay` ms
-- without traffic, in whole seconds; 0: the system's default.  Default off.  Node:
-- socket.setKeepAlive, tcp(7).
function Socket:setKeepAlive(on, initialDelay)
  errors.check_self(self, 'socket:setKeepAlive(…)', 'setKeepAlive')
  local seconds = (tonumber(initialDelay) or 0) / 1000
  seconds = seconds > 0 and math.floor(math.min(seconds, MAX_KEEP_ALIVE)) or 0
  self._keep_alive = on and seconds or -1
  set_option(self, 'keepalive', self._keep_alive)
  return self
end

local function apply_options(self)
  if self._no_delay then
    set_option(self, 'nodelay', 1)
  end
  if self._keep_alive and self._keep_alive >= 0 then
    set_option(self, 'keepalive', self._keep_alive)
  end
end

local function set_ref(self, on)
  self._unreferenced = not on
  local handle = stream.handle(self) or self._connector
  if handle then
    handle[on and 'ref' or 'unref'](handle)
  end
  return self
end

--- socket:ref() -> socket: it keeps the loop alive (the default).
function Socket:ref()
  errors.check_self(self, 'socket:ref(…)', 'setKeepAlive')
  return set_ref(self, true)
end

--- socket:unref() -> socket: it does not keep the loop alive, not even while it connects.
function Socket:unref()
  errors.check_self(self, 'socket:unref(…)', 'setKeepAlive')
  return set_ref(self, false)
end

-- Connecting ----------------------------------------------------------------------------

-- After `connect`, or when its listener has raised.
local function begin_traffic(self)
  local handle = stream.handle(self)
  if handle and not self.destroyed then
    stream.attach(self, handle)
  end
end

-- Called by child_process.net.connecting.
local function connected(self, handle)
  stream.set_handle(self, handle)
  if self._unreferenced then
    handle:unref()
  end
  apply_options(self)
  touch(self)
  local _ <close> = guard.new(self, begin_traffic)
  self:emit 'connect'
  self:emit 'ready'
  begin_traffic(self)
end

-- Tells the server that counts it that it is gone.
local function leave_server(self)
  local server = self._server
  if server then
    self._server = nil
    server:_connection_gone()
  end
end

local function on_destroy(self)
  if self.connecting and self.writableLength > 0 then
    lost.unconnected(self)
  end
  connecting.stop(self)
  disarm(self)
  leave_server(self)
end

-- It is passed to another process.
local function on_take(self)
  disarm(self)
  self.timeout = 0
  leave_server(self)
end

local HOOKS = { attached = note_activity, destroyed = on_destroy, taken = on_take }

local function stream_options(options, connecting_now)
  return {
    readable = options.readable ~= false,
    writable = options.writable ~= false,
    allowHalfOpen = options.allowHalfOpen,
    manualStart = options.manualStart or options.pauseOnCreate,
    connecting = connecting_now,
    hooks = HOOKS,
  }
end

-- Turns a destroyed socket into a new, unconnected one.
local function renew(self)
  self._peer_name, self._own_name = nil, nil
  stream.reset(self, nil, stream_options(self._options, true))
end

--- socket:connect(options | port | path [, host] [, callback]) -> socket
--
-- Connects to `port` at `host` (`localhost`) or to a local socket at `path`; on Linux a
-- path that begins with a NUL is an abstract name.  Options: `port, host, path, family,
-- localAddress, localPort`.  A name's addresses are tried one after the other.  Writes
-- wait until it is connected.  Then it emits `connect` and `ready` (`callback` listens
-- once for `connect`), or `error`, then `close`.  A destroyed socket can connect again.
-- Raises ERR_MISSING_ARGS, ERR_SOCKET_BAD_PORT, ERR_INVALID_ARG_TYPE,
-- ERR_INVALID_IP_ADDRESS.  Node: socket.connect, connect(2).
function Socket:connect(...)
  errors.check_self(self, 'socket:connect(…)', 'setKeepAlive')
  local options, callback = args.normalize(...)
  local attempt = connecting.plan(options)
  if self.destroyed then
    renew(self)
  end
  if callback then
    self:once('connect', callback)
  end
  if stream.handle(self) or self._attempt then
    local address = attempt.host or attempt.targets[1]
    return self:destroy(errors.on_address(EISCONN, 'connect', address, attempt.port))
  end
  touch(self)
  connecting.start(self, attempt, connected)
  return self
end

-- Writing and ending --------------------------------------------------------------------

--- As in Stream; ERR_SOCKET_CLOSED on a socket that was never connected.
function Socket:write(chunk, name, callback)
  if type(self) ~= 'table' then
    error(errors.no_self 'socket:write(…)', 2)
  end
  touch(self)
  if stream.handle(self) or self.connecting or self.destroyed or self.writableEnded then
    return Stream.write(self, chunk, name, callback)
  end
  errors.check_self(self, 'socket:write(…)', 'setKeepAlive')
  local err = errors.coded 'ERR_SOCKET_CLOSED'
  callback = type(name) == 'function' and name or callback
  if callback then
    nextTick(callback, err)
  end
  self:destroy(err)
  return false
end

--- socket:destroySoon(): destroys it when everything is written.  Node:
-- socket.destroySoon.
function Socket:destroySoon()
  errors.check_self(self, 'socket:destroySoon(…)', 'setKeepAlive')
  if self.writable then
    self:finish()
  end
  if self.writableFinished then
    self:destroy()
  else
    self:once('finish', function()
      self:destroy()
    end)
  end
end

--- socket:resetAndDestroy() -> socket: closes a TCP connection with a reset, after
-- connecting if need be.  Otherwise destroys it with ERR_SOCKET_CLOSED, a local socket
-- with ERR_INVALID_HANDLE_TYPE.  Node: socket.resetAndDestroy.
function Socket:resetAndDestroy()
  errors.check_self(self, 'socket:resetAndDestroy(…)', 'setKeepAlive')
  if self.connecting then
    self:once('connect', function()
      self:resetAndDestroy()
    end)
    return self
  elseif not stream.handle(self) then
    return self:destroy(errors.coded 'ERR_SOCKET_CLOSED')
  elseif not own(self).family then
    return self:destroy(errors.coded 'ERR_INVALID_HANDLE_TYPE')
  end
  set_option(self, 'reset', 1)
  return self:destroy()
end

-- Creation ------------------------------------------------------------------------------

local function open_fd(fd)
  local number = math.tointeger(args.optional(fd, 'number', 'options.fd'))
  if not number or number < 0 or number > 2147483647 then
    error(errors.out_of_range('fd', '>= 0 && <= 2147483647', fd), 3)
  end
  local handle, errno = core.open_socket(number)
  if handle then
    return handle
  end
  local err = errors.system(errno, 'open')
  error(err.code == 'EINVAL' and errors.coded('ERR_INVALID_FD_TYPE', 'UNKNOWN') or err, 3)
end

--- net.Socket([options]) -> Socket, not connected yet.
--
-- Options: `fd` (a connected stream socket or an end of a pipe, owned by the socket from
-- now on), `handle` (a stream of the core), `allowHalfOpen` (false: our side ends with
-- the peer's), `readable`, `writable` (both true), `pauseOnCreate`.  Raises
-- ERR_INVALID_FD_TYPE, ERR_OUT_OF_RANGE, a system error.  Node: new net.Socket.
function M.new(options)
  options = args.optional(options, 'table', 'options') or {}
  local self = setmetatable({ _options = options }, Socket)
  local handle = args.handle(options.handle, 'read_start', 'options.handle')
    or options.fd ~= nil and open_fd(options.fd)
    or nil
  stream.init(self, handle, stream_options(options, handle == nil))
  if handle and options.pauseOnCreate then
    self:pause()
  end
  return self
end

return M
