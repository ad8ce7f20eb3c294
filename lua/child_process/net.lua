--- net: stream sockets, over TCP (IPv4 and IPv6) and local ones.  Node: net.
local args = require 'child_process.net.args'
local core = require 'child_process.core'
local server = require 'child_process.net.server'
local socket = require 'child_process.net.socket'

local M = {}

local function class(methods, new)
  return setmetatable({ prototype = methods }, {
    __index = methods,
    __call = function(_, ...)
      return new(...)
    end,
  })
end

--- net.Socket([options]) -> Socket; `prototype` has the methods of all sockets.  Node:
-- class net.Socket.
M.Socket = class(socket.Socket, socket.new)

--- net.Server([options] [, onConnection]) -> Server.  Node: class net.Server.
M.Server = class(server.Server, server.new)

--- net.createServer([options] [, onConnection]) -> Server.
M.createServer = server.new

--- net.connect(options | port | path [, host] [, callback]) -> Socket
--
-- A new socket that connects: the options are those of net.Socket and of
-- socket:connect, and `timeout` (ms, as in setTimeout), `noDelay`, `keepAlive`,
-- `keepAliveInitialDelay` (ms).  Node: net.createConnection.
function M.connect(...)
  local options = args.normalize(...)
  options = type(options) == 'table' and options or {}
  local s = socket.new(options)
  if options.timeout then
    s:setTimeout(options.timeout)
  end
  if options.noDelay then
    s:setNoDelay(true)
  end
  if options.keepAlive then
    s:setKeepAlive(true, options.keepAliveInitialDelay)
  end
  return s:connect(...)
end

--- The same as `connect`.
M.createConnection = M.connect

--- net.isIP(text) -> 4, 6, or 0 if it is not a numeric address.  A zone may have letters,
-- digits and `-.:` only, although the system accepts more.  Node: net.isIP.
function M.isIP(text)
  if type(text) ~= 'string' then
    return 0
  end
  local zone = text:match '%%(.*)$'
  return (not zone or zone:find '^[%w.:-]+$') and core.ip_family(text) or 0
end

--- net.isIPv4(text) -> boolean
function M.isIPv4(text)
  return M.isIP(text) == 4
end

--- net.isIPv6(text) -> boolean
function M.isIPv6(text)
  return M.isIP(text) == 6
end

return M
