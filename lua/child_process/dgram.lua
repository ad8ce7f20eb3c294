--- dgram: UDP sockets.  Node: dgram.
--
-- A socket is unbound, `binding` while its address is looked up, or bound; sending binds
-- it as well.  Datagrams sent earlier wait in `_waiting`, those that the kernel does not
-- take in `_unsent`.
local base = require 'child_process.dgram.base'
local binding = require 'child_process.dgram.binding'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local guard = require 'child_process.guard'
local loop = require 'child_process.loop'
local sending = require 'child_process.dgram.sending'
local settings = require 'child_process.dgram.settings'

local M = {}

local nextTick = loop.nextTick

local Socket = events.extend {
  __name = 'child_process.dgram.Socket',
  _state = 'unbound',
  _connected = false, -- 'connecting' and true
}
Socket[Socket] = true
Socket.__index = Socket
for _, part in ipairs { binding, sending, settings } do
  for key, method in pairs(part.methods) do
    Socket[key] = method
  end
end

Socket[core.shared] = base.fileno -- can be shared with a child

--- socket:address() -> { address, family, port } of this socket.  Raises
-- ERR_SOCKET_DGRAM_NOT_RUNNING; EBADF before it is bound.  Node: socket.address.
function Socket:address()
  errors.check_self(self, 'socket:address(…)', 'addMembership')
  base.check_running(self)
  local found, errno = base.name(core.sockname, self._udp:fileno())
  base.check(found, errno, 'getsockname')
  return found
end

--- socket:ref() -> socket: a bound socket keeps the loop alive (the default).
function Socket:ref()
  errors.check_self(self, 'socket:ref(…)', 'addMembership')
  if self._udp then
    self._udp:ref()
  end
  return self
end

--- socket:unref() -> socket: it does not keep the loop alive.
function Socket:unref()
  errors.check_self(self, 'socket:unref(…)', 'addMembership')
  if self._udp then
    self._udp:unref()
  end
  return self
end

-- Closing -------------------------------------------------------------------------------

local function emit_close(self)
  local _ <close> = guard.new(self, emit_close)
  self:_give_up()
  if not self._closed then
    self._closed = true
    self:emit 'close'
  end
end

local function close(self)
  if self._udp then
    self:_take_udp():close()
    nextTick(emit_close, self)
  end
end

-- Gives up the handle without closing it; no more events follow.
function Socket:_take_udp()
  local handle = self._udp
  self._udp, self._state, self._connected = nil, 'closed', false
  self._waiting = {}
  for entry in pairs(self._lookups) do
    entry:close()
  end
  self._lookups = {}
  if handle then
    handle:read(false)
    handle:want_write(false)
  end
  return handle
end

--- socket:close([callback]) -> socket: datagrams that only wait for the socket to be
-- bound are sent first.  Then it emits `close`, for which `callback` listens.  Raises
-- ERR_SOCKET_DGRAM_NOT_RUNNING.  Node: socket.close.
function Socket:close(callback)
  errors.check_self(self, 'socket:close(…)', 'addMembership')
  base.check_running(self)
  if type(callback) == 'function' then
    self:on('close', callback)
  end
  if self._waiting[1] then
    table.insert(self._waiting, function()
      close(self)
    end)
  else
    close(self)
  end
  return self
end

Socket.__close = function(self)
  if self._udp then
    self:close()
  end
end

-- Creation ------------------------------------------------------------------------------

--- dgram.createSocket(type | options [, onMessage]) -> Socket
--
-- `type` is 'udp4' or 'udp6'.  Options: `type`, `reuseAddr` (SO_REUSEADDR), `ipv6Only`.
-- `onMessage(data, rinfo)` listens for `message`.  Events: `listening`, `message`,
-- `connect`, `error`, `close`.  Raises ERR_SOCKET_BAD_TYPE.  Node: dgram.createSocket.
function M.createSocket(options, on_new)
  if type(options) ~= 'table' then
    options = { type = options }
  end
  if not base.FAMILY[options.type] then
    error(errors.coded 'ERR_SOCKET_BAD_TYPE', 2)
  end
  local self = setmetatable({
    type = options.type,
    _udp = core.udp(),
    _reuse = options.reuseAddr == true,
    _only6 = options.ipv6Only == true,
    _waiting = {},
    _unsent = {},
    _lookups = {},
  }, Socket)
  if type(on_new) == 'function' then
    self:on('message', on_new)
  end
  return self
end

--- The class; `prototype` has the methods of all sockets.
M.Socket = setmetatable({ prototype = Socket }, {
  __index = Socket,
  __call = function(_, ...)
    return M.createSocket(...)
  end,
})

return M
