--- Passes servers, sockets, UDP sockets and pipes.  Loaded when the first one is sent or
-- arrives.
local base = require 'child_process.dgram.base'
local core = require 'child_process.core'
local dgram = require 'child_process.dgram'
local encoding = require 'child_process.encoding'
local lending = require 'child_process.stream.lending'
local net = require 'child_process.net'
local readable = require 'child_process.stream.readable'
local servers = require 'child_process.net.server'
local sockets = require 'child_process.ipc.sockets'
local stream = require 'child_process.stream'
local workers = require 'child_process.net.workers'

local M = {}

local function keep() end

local function is_a(value, class)
  return type(value) == 'table' and value[class.prototype] == true
end

local function is_socket(value)
  return is_a(value, net.Socket)
end

-- The server that accepted it continues to count it, in the other process.
local function register_with_server(lists, socket, message)
  local server = servers.of(socket)
  local key = server and servers.key(server)
  if key then
    local list, new = sockets.sent(lists, key)
    message.key = key
    if new then
      workers.add(server, list)
    end
  end
end

-- Bytes that have been read already travel with it; Node ignores them.
local function take_socket(socket, options, message, lists)
  local own = stream.handle(socket)
  local fd = own and own:fileno()
  if not fd then
    return nil
  end
  register_with_server(lists, socket, message)
  if options.keepOpen then
    return fd, keep
  end
  local handle, unread = stream.take_handle(socket)
  if unread ~= '' then
    message.unread = encoding.decode(unread, 'base64')
  end
  return handle, function()
    stream.lose_handle(socket)
  end
end

-- `counted` lives as long as the socket, until it is closed or collected; see
-- sockets.lua.
local function rebuild_socket(object, message, counted)
  local handle = core.open_socket(object)
  if not handle then
    return object
  end
  local sides = message.sides or 'duplex'
  local socket = net.Socket {
    handle = handle,
    readable = sides ~= 'writable',
    writable = sides ~= 'readable',
    allowHalfOpen = message.allowHalfOpen == true,
  }
  if type(message.unread) == 'string' then
    readable.on_read(socket, encoding.encode(message.unread, 'base64'))
  end
  if counted then
    socket:once('close', function()
      counted:close()
    end)
  end
  return socket
end

-- Lent until the channel ends, as we cannot see when the peer is done with it.  The list
-- has weak references, so that a dropped pipe can be collected.
local function lend(pipe, lists)
  if not lists.lent then
    lists.lent = setmetatable({}, { __mode = 'k' })
    function lists.at_end()
      local streams = {}
      for lent, times in pairs(lists.lent) do
        for _ = 1, times do
          streams[#streams + 1] = lent
        end
      end
      lending.give_back_soon(streams)
    end
  end
  lists.lent[pipe] = (lists.lent[pipe] or 0) + 1
  lending.lend(pipe)
end

-- Beyond Node: the sender keeps its own end, but stops reading bytes meant for the peer.
local function take_pipe(pipe, _, message, lists)
  local handle, readable_side, writable_side = stream.handle(pipe), stream.sides(pipe)
  if handle and readable_side then
    lend(pipe, lists)
  end
  message.sides = not writable_side and 'readable'
    or not readable_side and 'writable'
    or nil
  if not handle then
    return nil
  end
  handle:share()
  return handle:fileno(), keep
end

local function take_server(server)
  return servers.fileno(server), keep
end

local function rebuild_server(object)
  local server = net.Server()
  return servers.adopt(server, object) and server or object
end

-- As in Node, both processes continue to use it.
local function take_udp(socket, _, message)
  message.dgramType = socket.type
  return base.fileno(socket), keep
end

local function rebuild_udp(object, message)
  local fd = object:getfd()
  local socket = dgram.createSocket(message.dgramType == 'udp6' and 'udp6' or 'udp4')
  pcall(socket.bind, socket, { fd = fd })
  if base.fileno(socket) == fd then
    core.take_fd(object)
    return socket
  end
  socket:close()
  return object
end

--- net_handles.register(register): adds the conversions with `register(type,
-- conversion)`.
function M.register(register)
  local socket = { matches = is_socket, take = take_socket, rebuild = rebuild_socket }
  register('net.Socket', socket)
  register('net.Server', {
    matches = function(value)
      return is_a(value, net.Server)
    end,
    take = take_server,
    rebuild = rebuild_server,
  })
  register('dgram.Socket', {
    matches = function(value)
      return is_a(value, dgram.Socket)
    end,
    take = take_udp,
    rebuild = rebuild_udp,
  })
  -- the peer sees a pipe as a socket
  register('pipe', {
    wire_type = 'net.Socket',
    matches = function(value)
      return stream.is_stream(value) and not stream.is_fed(value)
    end,
    take = take_pipe,
    rebuild = rebuild_socket,
  })
end

return M
