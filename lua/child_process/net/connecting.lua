--- Connects a socket: tries the addresses of a name one after the other.
--
-- Meanwhile the socket has an `_attempt`: the addresses, and the errors so far; its
-- lookup or, in the socket's `_connector`, the core's current attempt.
local args = require 'child_process.net.args'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local facts = require 'child_process.facts'
local lookup = require 'child_process.net.lookup'
local loop = require 'child_process.loop'
local shortage = require 'child_process.shortage'

local M = {}

-- How many ms an address may take while there are others.  Node:
-- autoSelectFamilyAttemptTimeout.
local ATTEMPT_TIMEOUT = 250
local ETIMEDOUT = -110

local function check_tcp(options)
  local host = args.optional(options.host, 'string', 'options.host')
  local from = args.optional(options.localAddress, 'string', 'options.localAddress')
  local from_port = args.optional(options.localPort, 'number', 'options.localPort')
  if from and core.ip_family(from) == 0 then
    error(errors.coded('ERR_INVALID_IP_ADDRESS', from), 0)
  end
  -- the result of a server's `address()` has the host as `address`
  host = host or args.optional(options.address, 'string', 'options.address')
  return {
    host = host or 'localhost',
    family = args.family(options.family),
    port = args.port(options.port, 'Port', 0),
    localAddress = from,
    localPort = from_port and args.port(from_port, 'options.localPort', 0),
  }
end

--- connecting.plan(options) -> attempt; raises on wrong options, see socket:connect.
function M.plan(options)
  local attempt
  if type(options) == 'table' and options.path ~= nil then
    local path = args.optional(options.path, 'string', 'options.path')
    attempt = { targets = { path } }
  elseif type(options) == 'table' and options.port ~= nil then
    attempt = check_tcp(options)
  else
    error(errors.coded('ERR_MISSING_ARGS', 'options" or "port" or "path'), 0)
  end
  attempt.next, attempt.errors = 1, {}
  return attempt
end

local function stop_timer(attempt)
  if attempt.timer then
    attempt.timer:close()
    attempt.timer = nil
  end
end

--- connecting.stop(socket): abandons the attempt.
function M.stop(self)
  local attempt = self._attempt
  self._attempt, self.connecting = nil, false
  if self._connector then
    self._connector:close()
    self._connector = nil
  end
  if attempt then
    stop_timer(attempt)
  end
  if attempt and attempt.lookup then
    attempt.lookup:close()
  end
end

-- Trying --------------------------------------------------------------------------------

local try_next

local function attempt_failed(self, attempt, errno, syscall)
  local address, port = attempt.address, attempt.port
  if syscall == 'bind' then
    address, port = attempt.localAddress, attempt.localPort
  end
  local failed = attempt.errors
  failed[#failed + 1] = errors.on_address(errno, syscall, address, port)
  if attempt.targets[attempt.next] then
    try_next(self, attempt)
  else
    self:destroy(failed[2] and errors.aggregate(failed) or failed[1])
  end
end

local function on_connected(self, handle, errno)
  local attempt = self._attempt
  self._connector = nil
  stop_timer(attempt)
  if handle then
    M.stop(self)
    attempt.connected(self, handle)
  else
    attempt_failed(self, attempt, errno, 'connect')
  end
end

-- The address does not answer, and there is another one.
local function too_slow(self, attempt)
  self._connector:close()
  self._connector = nil
  attempt_failed(self, attempt, ETIMEDOUT, 'connect')
end

local function connect_to(attempt, address)
  local from, port = attempt.localAddress, attempt.localPort
  if from or port then
    from = from or core.ip_family(address) == 6 and '::' or '0.0.0.0'
    return shortage.retry(core.connect, address, attempt.port, from, port or 0)
  end
  return shortage.retry(core.connect, address, attempt.port)
end

function try_next(self, attempt)
  local address = attempt.targets[attempt.next]
  attempt.address, attempt.next = address, attempt.next + 1
  local connector, errno, syscall = connect_to(attempt, address)
  if not connector then
    return attempt_failed(self, attempt, errno, syscall)
  end
  connector:bind(self, on_connected)
  self._connector = connector
  if self._unreferenced then
    connector:unref()
  end
  if attempt.targets[attempt.next] then
    attempt.timer = loop.setTimeout(too_slow, ATTEMPT_TIMEOUT, self, attempt)
  end
end

-- Starting ------------------------------------------------------------------------------

local function emit_lookup(self, host, err, addresses)
  local address = addresses and addresses[1]
  local family = address and core.ip_family(address)
  self:emit('lookup', err, address, family, host)
end

-- Unless the socket is destroyed meanwhile.
local function try_soon(self, attempt)
  loop.nextTick(function()
    if self._attempt == attempt then
      try_next(self, attempt)
    end
  end)
end

-- The next step is scheduled before the listeners of `lookup` are called.
local function found(self, attempt, err, addresses)
  attempt.lookup = nil
  if err then
    self:destroy(err)
  else
    attempt.targets = addresses
    try_soon(self, attempt)
  end
  if core.ip_family(attempt.host) == 0 then
    emit_lookup(self, attempt.host, err, addresses)
  end
end

--- connecting.start(socket, attempt, connected): calls connected(socket, handle), or
-- destroys the socket with the error; never within this call.
function M.start(self, attempt, connected)
  attempt.connected = connected
  self._attempt, self.connecting = attempt, true
  if attempt.targets then
    try_soon(self, attempt)
  else
    local options = { family = attempt.family }
    attempt.lookup = lookup.resolve(attempt.host, options, function(err, addresses)
      found(self, attempt, err, addresses)
    end)
  end
end

facts.add('child_process.core.Connector', function(self)
  return { address = self._attempt.address, port = self._attempt.port }
end)

return M
