--- net.Server: a listening socket that accepts connections.
local args = require 'child_process.net.args'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local facts = require 'child_process.facts'
local lookup = require 'child_process.net.lookup'
local loop = require 'child_process.loop'
local shortage = require 'child_process.shortage'
local socket = require 'child_process.net.socket'
local workers = require 'child_process.net.workers'

local M = {}

local nextTick = loop.nextTick

local BACKLOG = 511 -- Node's
local RETRY = 100 -- ms until a server that could not accept tries again
local EADDRINUSE = 'EADDRINUSE'

local Server = events.extend {
  __name = 'child_process.net.Server',
  listening = false,
  allowHalfOpen = false,
  pauseOnConnect = false,
  _connections = 0,
  _unreferenced = false,
}
Server[Server] = true
Server.__index = Server

--- The class.
M.Server = Server

--- server.fileno(server) -> descriptor | nil: not listening.
function M.fileno(self)
  return self._acceptor and self._acceptor:fileno()
end

Server[core.shared] = M.fileno -- can be shared with a child

--- server.key(server) -> string | nil: the key under which other processes count its
-- sockets.
function M.key(self)
  return self._connectionKey
end

--- server.of(socket) -> the server that counts it | nil
function M.of(socket_of_ours)
  return socket_of_ours._server
end

-- Connections ---------------------------------------------------------------------------

local function accept_again(self)
  self._retry = nil
  if self._acceptor then
    self._acceptor:accept_start()
  end
end

local function accept_failed(self, errno)
  self._retry = loop.setTimeout(accept_again, RETRY, self)
  self:emit('error', errors.system(errno, 'accept'))
end

-- Beyond maxConnections: closes the connection immediately.
local function drop(self, handle)
  local fd = handle:fileno()
  local own, own_port, own_family = core.sockname(fd)
  local peer, peer_port, peer_family = core.peername(fd)
  handle:close()
  self:emit('drop', own_family and {
    localAddress = own,
    localPort = own_port,
    localFamily = own_family,
    remoteAddress = peer_family and peer,
    remotePort = peer_family and peer_port,
    remoteFamily = peer_family,
  } or nil)
end

local function new_socket(self, handle)
  local s = socket.new {
    handle = handle,
    allowHalfOpen = self.allowHalfOpen,
    pauseOnCreate = self.pauseOnConnect,
  }
  if self._no_delay then
    s:setNoDelay(true)
  end
  if self._keep_alive then
    s:setKeepAlive(true, self._keep_alive_delay)
  end
  s.server, s._server = self, self
  self._connections = self._connections + 1
  return s
end

-- The user sets `maxConnections`; anything but a number above 0 means no limit.
local function is_full(self)
  local most = math.type(self.maxConnections) and self.maxConnections
  return most and most > 0 and self._connections >= most
end

local function on_connection(self, handle, errno)
  if not handle then
    return accept_failed(self, errno)
  end
  if is_full(self) then
    return drop(self, handle)
  end
  self:emit('connection', new_socket(self, handle))
end

local function emit_close(self)
  self:emit 'close'
end

local function close_if_drained(self)
  if not self._acceptor and self._connections == 0 then
    nextTick(emit_close, self)
  end
end

-- One of its sockets was destroyed or passed on.
function Server:_connection_gone()
  self._connections = self._connections - 1
  close_if_drained(self)
end

--- server:getConnections(callback) -> server: `callback(err, count)`: counts open
-- connections, including those passed to child processes.  Node: server.getConnections.
function Server:getConnections(callback)
  errors.check_self(self, 'server:getConnections(…)', 'getConnections')
  args.optional(callback, 'function', 'callback')
  local total, failed = self._connections, nil
  workers.ask(self, function(list, done)
    list:getConnections(function(err, count)
      failed = failed or err
      total = total + (count or 0)
      done()
    end)
  end, function()
    if callback then
      callback(failed, not failed and total or nil)
    end
  end)
  return self
end

-- Listening -----------------------------------------------------------------------------

local function emit_listening(self, handle)
  if self._acceptor == handle then
    self:emit 'listening'
  end
end

local function emit_error(self, err)
  self:emit('error', err)
end

-- Returns why it does not listen, or nil.
local function accept_from(self, handle)
  self._acceptor, self.listening = handle, true
  handle:bind(self, on_connection)
  if self._unreferenced then
    handle:unref()
  end
  local _, errno = handle:accept_start()
  if errno then
    self:_close_handle()
  end
  return errno
end

-- True; otherwise the error is emitted in the next tick.
local function start_accepting(self, handle)
  local errno = accept_from(self, handle)
  if errno then
    nextTick(emit_error, self, errors.system(errno, 'listen'))
  end
  return not errno
end

local function open(self, handle)
  if start_accepting(self, handle) then
    nextTick(emit_listening, self, handle)
  end
end

--- server.adopt(server, object) -> boolean: listens on the descriptor of an object,
-- without the event `listening`, as it was listening already.  False if it cannot listen;
-- then the object keeps the descriptor.
function M.adopt(self, object)
  local handle = core.open_server(object, BACKLOG)
  if handle then
    start_accepting(self, handle)
  end
  return handle ~= nil
end

local function listen_failed(self, errno, address, port)
  local why = core.strerror(errno)
  local err = errors.on_address(errno, 'listen', address, port, why)
  nextTick(emit_error, self, err)
end

local function try_listen(...)
  return shortage.retry(core.listen, ...)
end

-- On all addresses: IPv6 including IPv4, or IPv4 if there is no IPv6.
local function listen_anywhere(port, backlog, only6)
  local handle, errno = try_listen('::', port, backlog, only6)
  if handle or core.errname(errno) == EADDRINUSE then
    return handle, errno, '::'
  end
  handle, errno = try_listen('0.0.0.0', port, backlog, false)
  return handle, errno, '0.0.0.0'
end

-- address: nil for all addresses; port: nil for a path
local function listen_at(self, address, port, options)
  local backlog, only6 = options.backlog or BACKLOG, options.ipv6Only == true
  local handle, errno, at
  if address then
    handle, errno = try_listen(address, port, backlog, only6)
  else
    handle, errno, at = listen_anywhere(port, backlog, only6)
    address = at
  end
  if not handle then
    return listen_failed(self, errno, address, port)
  end
  self._path = not port and address or nil
  local family = port and core.ip_family(address) or -1
  self._connectionKey = ('%d:%s:%d'):format(family, address, port or -1)
  open(self, handle)
end

local function look_up(self, host, port, options)
  self._lookup = lookup.resolve(host, {}, function(err, addresses)
    self._lookup = nil
    if err then
      return self:emit('error', err)
    end
    listen_at(self, addresses[1], port, options)
  end)
end

local function listen_fd(self, options)
  local fd = math.tointeger(options.fd) or -1
  local handle, errno = core.open_server(fd, options.backlog or BACKLOG)
  if not handle then
    return listen_failed(self, errno)
  end
  open(self, handle)
end

-- The handle to listen on: a server of the core, the `_handle` of an object, as in Node,
-- or that of another Server, which loses it.
local function handle_of(options)
  if type(options) == 'table' and options[Server] then
    return options:_take_acceptor()
  end
  local handle = type(options) == 'table' and rawget(options, '_handle') or options
  return args.is_handle(handle, 'accept_start') and handle or nil
end

local function is_port(value)
  local kind = type(value)
  return kind == 'number' or kind == 'string'
end

local function listen_options(self, options)
  local port = options.port
  if math.type(options.fd) and options.fd >= 0 then
    listen_fd(self, options)
  elseif is_port(port) then
    port = args.port(port, 'options.port', 0)
    if args.optional(options.host, 'string', 'options.host') then
      look_up(self, options.host, port, options)
    else
      listen_at(self, nil, port, options)
    end
  elseif type(options.path) == 'string' then
    listen_at(self, options.path, nil, options)
  else
    local reason = 'must have the property "port" or "path"'
    error(errors.invalid_arg_value('options', reason, options), 0)
  end
end

-- The caller's table is not changed.
local function copy(options, backlog)
  local own = {}
  for key, value in next, options do
    own[key] = value
  end
  own.backlog = math.tointeger(tonumber(own.backlog)) or backlog
  return own
end

--- server:listen([port [, host]] | path | handle | options [, backlog] [, callback])
-- -> server
--
-- Without a host it listens on all addresses, IPv6 and IPv4; without a port, or with 0,
-- on a port chosen by the system (see `address`).  A local socket's path is removed when
-- the server closes.  Options: `port, host, path, backlog` (511), `ipv6Only`, `fd` (a
-- bound or listening socket, owned by the server from now on).  `handle` is a server of
-- the core, or an object with one, which loses it.  Then it emits `listening` (`callback`
-- listens once) or `error`.  Raises ERR_SERVER_ALREADY_LISTEN, ERR_SOCKET_BAD_PORT,
-- ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
-- Node: server.listen, listen(2).
function Server:listen(...)
  errors.check_self(self, 'server:listen(…)', 'getConnections')
  local options, callback, backlog = args.normalize(...)
  if self._acceptor or self._lookup then
    error(errors.coded 'ERR_SERVER_ALREADY_LISTEN', 2)
  end
  local handle = handle_of(options)
  if not handle and type(options) ~= 'table' then
    error(errors.invalid_arg_value('options', 'is invalid', options), 2)
  end
  if callback then
    self:once('listening', callback)
  end
  if handle then
    open(self, handle)
    return self
  end
  local own = copy(options, backlog)
  local first = ...
  if type(first) ~= 'table' and own.port == nil and own.path == nil then
    own.port = 0
  end
  listen_options(self, own)
  return self
end

--- server:address() -> { address, family, port }, a local socket's path, or nil if it is
-- not listening.  Raises a system error.  Node: server.address.
function Server:address()
  errors.check_self(self, 'server:address(…)', 'getConnections')
  local fd = self._acceptor and self._acceptor:fileno()
  if not fd then
    return nil
  end
  local address, port, family = core.sockname(fd)
  if not address and port then
    error(errors.system(port, 'address'), 2)
  elseif not family then
    return address or self._path
  end
  return { address = address, family = family, port = port }
end

-- Closing -------------------------------------------------------------------------------

function Server:_take_acceptor()
  local handle = self._acceptor
  self._acceptor, self.listening = nil, false
  if handle then
    handle:accept_stop()
  end
  if self._retry then
    self._retry:close()
    self._retry = nil
  end
  return handle
end

function Server:_close_handle()
  local handle = self:_take_acceptor()
  if handle then
    handle:close()
  end
end

local function close_workers(self)
  self._connections = self._connections + 1 -- not drained before the workers are
  workers.ask(self, function(list, done)
    list:close(done)
  end, function()
    self:_connection_gone()
  end)
end

--- server:close([callback]) -> server: accepts no more connections; emits `close` when
-- all existing ones have ended, including those in child processes.  `callback(err)`
-- listens once for that; it gets ERR_SERVER_NOT_RUNNING if the server was not listening.
-- Node: server.close.
function Server:close(callback)
  errors.check_self(self, 'server:close(…)', 'getConnections')
  args.optional(callback, 'function', 'callback')
  local running = self._acceptor or self._lookup
  if callback then
    self:once('close', function()
      callback(not running and errors.coded 'ERR_SERVER_NOT_RUNNING' or nil)
    end)
  end
  if self._lookup then
    self._lookup:close()
    self._lookup = nil
  end
  self:_close_handle()
  if workers.exist(self) then
    close_workers(self)
  else
    close_if_drained(self)
  end
  return self
end

Server.__close = function(self)
  self:close()
end

local function set_ref(self, on)
  self._unreferenced = not on
  if self._acceptor then
    self._acceptor[on and 'ref' or 'unref'](self._acceptor)
  end
  return self
end

--- server:ref() -> server: it keeps the loop alive while it listens (the default).
function Server:ref()
  errors.check_self(self, 'server:ref(…)', 'getConnections')
  return set_ref(self, true)
end

--- server:unref() -> server: it does not keep the loop alive.
function Server:unref()
  errors.check_self(self, 'server:unref(…)', 'getConnections')
  return set_ref(self, false)
end

-- Creation ------------------------------------------------------------------------------

--- net.createServer([options] [, onConnection]) -> Server.
--
-- Options: `allowHalfOpen` (false), `pauseOnConnect` (false; if true, nothing is read
-- from a new socket before resume()), `noDelay`, `keepAlive`, `keepAliveInitialDelay`
-- (ms).  `onConnection(socket)` listens for `connection`.  Events: `listening`,
-- `connection(socket)`, `drop(data)`, `error`, `close`.  Raises ERR_INVALID_ARG_TYPE.
-- Node: net.createServer.
function M.new(options, on_new)
  if type(options) == 'function' then
    options, on_new = nil, options
  end
  options = args.optional(options, 'table', 'options') or {}
  local self = setmetatable({}, Server)
  self.allowHalfOpen = options.allowHalfOpen == true or nil
  self.pauseOnConnect = options.pauseOnConnect == true or nil
  self._no_delay = options.noDelay == true or nil
  self._keep_alive = options.keepAlive == true or nil
  self._keep_alive_delay = options.keepAliveInitialDelay
  if type(on_new) == 'function' then
    self:on('connection', on_new)
  end
  return self
end

facts.add('child_process.core.Server', function(self)
  return { connections = self._connections }
end)

return M
