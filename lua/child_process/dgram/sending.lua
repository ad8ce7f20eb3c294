--- Sending, and sockets connected to one peer.
local args = require 'child_process.net.args'
local base = require 'child_process.dgram.base'
local binding = require 'child_process.dgram.binding'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local facts = require 'child_process.facts'
local loop = require 'child_process.loop'

local M = {}

local methods = {}

--- The methods, to be copied into the class.
M.methods = methods

local nextTick = loop.nextTick

local ECANCELED = -125
local HERE = { udp4 = '127.0.0.1', udp6 = '::1' }

local function sent(item, errno)
  local callback = item.callback
  if not errno then
    return callback and callback(nil, #item.data)
  end
  local err = errors.on_address(errno, 'send', item.address, item.port)
  base.report(item.socket, callback, err)
end

-- Sends waiting datagrams until the kernel takes no more.
local function flush(self)
  local unsent = self._unsent
  while self._udp and unsent[1] do
    local item = unsent[1]
    local done, errno = self._udp:send(item.data, item.address, item.port)
    if done == false then
      break
    end
    table.remove(unsent, 1)
    nextTick(sent, item, errno)
  end
  if self._udp then
    self._udp:want_write(unsent[1] ~= nil)
  end
end

methods._flush = flush

-- None of the waiting datagrams will be sent: calls all callbacks, even if one raises.
function methods:_give_up()
  local unsent = self._unsent
  while unsent[1] do
    sent(table.remove(unsent, 1), ECANCELED)
  end
end

-- item: { socket, data, address, port, callback }
local function transmit(self, item)
  table.insert(self._unsent, item)
  if not self._unsent[2] then
    flush(self)
  end
end

local function send_to(self, item)
  item.address = item.address or not self._connected and HERE[self.type] or nil
  if self._connected or core.ip_family(item.address) ~= 0 then
    return transmit(self, item)
  end
  base.resolve(self, item.address, function(err, address)
    if err then
      return base.report(self, item.callback, err)
    end
    item.address = address
    transmit(self, item)
  end)
end

-- send ----------------------------------------------------------------------------------

local function whole(value, what)
  if type(value) ~= 'number' then
    error(errors.invalid_arg_type(what, 'of type number', value), 0)
  elseif not math.tointeger(value) then
    error(errors.out_of_range(what, 'an integer', value), 0)
  end
  return math.tointeger(value)
end

-- Bytes offset .. offset + length, counted from 0 as in Node.
local function slice(data, offset, length)
  offset, length = whole(offset, 'offset'), whole(length, 'length')
  if type(data) ~= 'string' then
    error(errors.invalid_arg_type('buffer', 'of type string', data), 0)
  elseif offset < 0 or offset > #data then
    error(errors.coded('ERR_BUFFER_OUT_OF_BOUNDS', 'offset'), 0)
  elseif length < 0 or offset + length > #data then
    error(errors.coded('ERR_BUFFER_OUT_OF_BOUNDS', 'length'), 0)
  end
  return data:sub(offset + 1, offset + length)
end

local function joined(data)
  if type(data) == 'string' then
    return data
  elseif type(data) ~= 'table' then
    error(errors.invalid_arg_type('buffer', 'of type string', data), 0)
  end
  for _, part in ipairs(data) do
    if type(part) ~= 'string' then
      local what = 'buffer list arguments'
      error(errors.invalid_arg_type(what, 'of type string', data), 0)
    end
  end
  return table.concat(data)
end

-- The forms of send() -> data, port, address, callback
local function send_connected(data, offset, length, port, address)
  if type(length) == 'number' then
    return slice(data, offset, length), port, address
  end
  return data, nil, nil, offset
end

local function send_unconnected(data, offset, length, port, address, callback)
  if address or port and type(port) ~= 'function' then
    return slice(data, offset, length), port, address, callback
  end
  return data, offset, length, port
end

--- socket:send(msg [, offset, length] [, port] [, address] [, callback])
--
-- Sends a datagram: a string, an array of strings, or `length` bytes of a string from
-- `offset` (from 0) on.  Without an address it goes to this machine; a connected socket
-- takes neither port nor address.  Binds the socket if need be.  `callback(err, bytes)`;
-- without it a failure is an event `error`.  Raises ERR_INVALID_ARG_TYPE,
-- ERR_SOCKET_BAD_PORT, ERR_BUFFER_OUT_OF_BOUNDS, ERR_SOCKET_DGRAM_NOT_RUNNING,
-- ERR_SOCKET_DGRAM_IS_CONNECTED.  Node: socket.send, send(2).
function methods:send(...)
  errors.check_self(self, 'socket:send(…)', 'addMembership')
  local read = self._connected == true and send_connected or send_unconnected
  local data, port, address, callback = read(...)
  data = joined(data)
  if type(address) == 'function' then
    address, callback = nil, address
  elseif type(port) == 'function' then
    port, callback = nil, port
  end
  if self._connected ~= true then
    port = args.port(port, 'Port', 1)
    args.optional(address or nil, 'string', 'address')
  elseif port or address then
    error(errors.coded 'ERR_SOCKET_DGRAM_IS_CONNECTED', 2)
  end
  base.check_running(self)
  local item = {
    socket = self,
    data = data,
    address = address or nil,
    port = port,
    callback = type(callback) == 'function' and callback or nil,
  }
  binding.when_bound(self, function()
    if self._udp then
      send_to(self, item)
    end
  end)
end

-- connect -------------------------------------------------------------------------------

local function connect_failed(self, callback, err)
  self._connected = false
  base.report(self, callback, err)
end

local function connect_to(self, address, port, callback)
  local ok, errno = self._udp:connect(address, port)
  if not ok then
    return connect_failed(
      self,
      callback,
      errors.on_address(errno, 'connect', address, port)
    )
  end
  self._connected = true
  if callback then
    self:once('connect', callback)
  end
  nextTick(self.emit, self, 'connect')
end

--- socket:connect(port [, address] [, callback]): send() goes to that address, and only
-- messages from it are received.  Then `connect`; a failure goes to `callback(err)` or is
-- an event `error`.  Raises ERR_SOCKET_BAD_PORT, ERR_SOCKET_DGRAM_IS_CONNECTED.
-- Node: socket.connect, connect(2).
function methods:connect(port, address, callback)
  errors.check_self(self, 'socket:connect(…)', 'addMembership')
  port = args.port(port, 'Port', 1)
  if type(address) == 'function' then
    address, callback = nil, address
  end
  args.optional(address, 'string', 'address')
  args.optional(callback, 'function', 'callback')
  base.check_running(self)
  if self._connected then
    error(errors.coded 'ERR_SOCKET_DGRAM_IS_CONNECTED', 2)
  end
  self._connected = 'connecting'
  binding.when_bound(self, function()
    base.resolve(self, address or HERE[self.type], function(err, found)
      if err then
        return connect_failed(self, callback, err)
      end
      connect_to(self, found, port, callback)
    end)
  end)
end

local function check_connected(self)
  base.check_running(self)
  if self._connected ~= true then
    error(errors.coded 'ERR_SOCKET_DGRAM_NOT_CONNECTED', 3)
  end
end

--- socket:disconnect(): undoes connect().  Raises ERR_SOCKET_DGRAM_NOT_CONNECTED, a
-- system error.
function methods:disconnect()
  errors.check_self(self, 'socket:disconnect(…)', 'addMembership')
  check_connected(self)
  local ok, errno = self._udp:disconnect()
  base.check(ok, errno, 'connect')
  self._connected = false
end

--- socket:remoteAddress() -> { address, family, port } of connect().  Raises
-- ERR_SOCKET_DGRAM_NOT_CONNECTED.
function methods:remoteAddress()
  errors.check_self(self, 'socket:remoteAddress(…)', 'addMembership')
  check_connected(self)
  local found, errno = base.name(core.peername, self._udp:fileno())
  base.check(found, errno, 'getpeername')
  return found
end

facts.add('child_process.core.Udp', function(self)
  return { unsent = #self._unsent }
end)

return M
