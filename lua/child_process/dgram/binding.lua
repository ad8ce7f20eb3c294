--- Binding a dgram.Socket, and receiving.
local args = require 'child_process.net.args'
local base = require 'child_process.dgram.base'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local guard = require 'child_process.guard'
local shortage = require 'child_process.shortage'

local M = {}

local methods = {}

--- The methods, to be copied into the class.
M.methods = methods

local EVERYWHERE = { udp4 = '0.0.0.0', udp6 = '::' }

local function on_message(self, data, address, port, family)
  if not data then
    return self:emit('error', errors.system(address, 'recvmsg'))
  end
  local rinfo = { address = address, family = family, port = port, size = #data }
  self:emit('message', data, rinfo)
end

local function run_queue(self)
  local queue = self._waiting
  local _ <close> = guard.new(self, run_queue)
  while queue[1] do
    table.remove(queue, 1)()
  end
end

local function listen(self)
  self._state = 'bound'
  self._udp:bind(self, on_message, self._flush)
  local ok, errno = self._udp:read(true)
  if not ok then
    return self:emit('error', errors.system(errno, 'bind'))
  end
  local _ <close> = guard.new(self, run_queue)
  self:emit 'listening'
  run_queue(self)
end

local function bind_failed(self, err)
  self._state = 'unbound'
  self._waiting = {}
  self:emit('error', err)
end

--- Creates the socket, with the options that must be set before it is bound.
function M.open(self)
  local handle = self._udp
  local ok, errno = shortage.retry(handle.open, handle, base.FAMILY[self.type])
  local fd = ok and handle:fileno()
  if ok and self._reuse then
    ok, errno = core.sockopt(fd, 'reuse_address', 1)
  end
  if ok and self.type == 'udp6' then
    ok, errno = core.sockopt(fd, 'only6', self._only6 and 1 or 0)
  end
  return ok, errno
end

local function bind_to(self, address, port)
  local ok, errno = M.open(self)
  if ok then
    ok, errno = self._udp:bind_to(address, port)
  end
  if not ok then
    return bind_failed(self, errors.on_address(errno, 'bind', address, port))
  end
  listen(self)
end

local function start_binding(self, port, address)
  self._state = 'binding'
  base.resolve(self, address or EVERYWHERE[self.type], function(err, found)
    if err then
      bind_failed(self, err)
    else
      bind_to(self, found, port)
    end
  end)
end

local function adopt(self, fd)
  local number = math.tointeger(args.optional(fd, 'number', 'options.fd'))
  if not number or number < 0 then
    error(errors.out_of_range('options.fd', '>= 0', fd), 3)
  end
  local ok, errno = self._udp:adopt(number)
  if not ok then
    local err = errors.system(errno, 'open')
    error(
      err.code == 'EINVAL' and errors.coded('ERR_INVALID_FD_TYPE', 'UNKNOWN') or err,
      3
    )
  end
end

-- `callback` listens for `listening`, until an error comes.
local function listen_once(self, callback)
  local on_error, on_listening
  function on_listening()
    self:off('error', on_error)
    callback()
  end
  function on_error()
    self:off('listening', on_listening)
    self:off('error', on_error)
  end
  self:once('listening', on_listening)
  self:on('error', on_error)
end

local function bind_options(first, second)
  if type(first) == 'table' then
    return first.port, args.optional(first.address, 'string', 'options.address'), first.fd
  end
  local port = type(first) ~= 'function' and first or nil
  return port, type(second) == 'string' and second ~= '' and second or nil
end

--- socket:bind([port] [, address] [, callback]) -> socket
-- socket:bind(options [, callback]) -> socket
--
-- Messages come from now on: `listening`, then `message(data, rinfo)`, with `rinfo` =
-- { address, family, port, size }. Without a port the system chooses one; without an
-- address it is bound to all.  Options: `port, address`, or `fd` (a bound UDP socket,
-- owned by this socket from now on).  Raises ERR_SOCKET_ALREADY_BOUND,
-- ERR_SOCKET_DGRAM_NOT_RUNNING, ERR_SOCKET_BAD_PORT, ERR_INVALID_FD_TYPE; the rest is an
-- event `error`.
-- Node: socket.bind, bind(2).
function methods:bind(first, second, third)
  errors.check_self(self, 'socket:bind(…)', 'addMembership')
  base.check_running(self)
  if self._state ~= 'unbound' then
    error(errors.coded 'ERR_SOCKET_ALREADY_BOUND', 2)
  end
  local port, address, fd = bind_options(first, second)
  if port ~= nil then
    port = args.port(port, 'Port', 0)
  end
  if fd ~= nil then
    adopt(self, fd)
  end
  for _, callback in pairs { first, second, third } do
    if type(callback) == 'function' then
      listen_once(self, callback)
      break
    end
  end
  if fd ~= nil then
    listen(self)
  else
    start_binding(self, port or 0, address)
  end
  return self
end

--- Runs `fn` when the socket is bound.
function M.when_bound(self, fn)
  if self._state == 'unbound' then
    start_binding(self, 0)
  end
  if self._state == 'bound' then
    fn()
  else
    table.insert(self._waiting, fn)
  end
end

return M
