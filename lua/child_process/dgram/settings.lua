--- Socket options and multicast groups of a dgram.Socket.
local args = require 'child_process.net.args'
local base = require 'child_process.dgram.base'
local binding = require 'child_process.dgram.binding'
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local M = {}

local methods = {}

--- The methods, to be copied into the class.
M.methods = methods

local EBADF = -9

local function set_option(self, option, value, syscall)
  base.check_running(self)
  local ok, errno = nil, EBADF
  local fd = self._udp:fileno()
  if fd then
    ok, errno = core.sockopt(fd, option, value)
  end
  if not ok then
    error(errors.system(errno, syscall), 3)
  end
end

local function check_ttl(ttl)
  if type(ttl) ~= 'number' then
    error(errors.invalid_arg_type('ttl', 'of type number', ttl), 3)
  end
  return math.tointeger(ttl) or -1
end

--- socket:setBroadcast(on): allows or forbids sending to a broadcast address.  This and
-- the other options raise a system error, EBADF before the socket is bound.
-- Node: socket.setBroadcast, socket(7).
function methods:setBroadcast(on)
  errors.check_self(self, 'socket:setBroadcast(…)', 'addMembership')
  set_option(self, 'broadcast', on and 1 or 0, 'setBroadcast')
end

--- socket:setTTL(ttl) -> ttl: sets how many routers a datagram may pass, 1 to 255.
function methods:setTTL(ttl)
  errors.check_self(self, 'socket:setTTL(…)', 'addMembership')
  set_option(self, 'ttl', check_ttl(ttl), 'setTTL')
  return ttl
end

--- socket:setMulticastTTL(ttl) -> ttl: the same for multicast, 0 to 255.
function methods:setMulticastTTL(ttl)
  errors.check_self(self, 'socket:setMulticastTTL(…)', 'addMembership')
  set_option(self, 'multicast_ttl', check_ttl(ttl), 'setMulticastTTL')
  return ttl
end

--- socket:setMulticastLoopback(on) -> on: sets whether our own multicast is received
-- here.
function methods:setMulticastLoopback(on)
  errors.check_self(self, 'socket:setMulticastLoopback(…)', 'addMembership')
  set_option(self, 'multicast_loop', on and 1 or 0, 'setMulticastLoopback')
  return on
end

local function membership(self, group, interface, join, syscall)
  base.check_running(self)
  if group == nil then
    error(errors.coded('ERR_MISSING_ARGS', 'multicastAddress'), 3)
  end
  args.optional(group, 'string', 'multicastAddress')
  args.optional(interface, 'string', 'multicastInterface')
  local fd = self._udp:fileno()
  local ok, errno = nil, EBADF
  if join and not fd then
    ok, errno = binding.open(self)
    fd = self._udp:fileno()
  end
  if fd then
    ok, errno = core.membership(fd, group, interface, join)
  end
  if not ok then
    error(errors.system(errno, syscall), 3)
  end
end

--- socket:addMembership(group [, interface]): receives datagrams sent to a multicast
-- group.  `interface`: its address (IPv4), or `::%name` (IPv6).  Raises ERR_MISSING_ARGS,
-- a system error.  Node: socket.addMembership.
function methods:addMembership(group, interface)
  errors.check_self(self, 'socket:addMembership(…)', 'addMembership')
  membership(self, group, interface, true, 'addMembership')
end

--- socket:dropMembership(group [, interface]): undoes addMembership.
function methods:dropMembership(group, interface)
  errors.check_self(self, 'socket:dropMembership(…)', 'addMembership')
  membership(self, group, interface, false, 'dropMembership')
end

return M
