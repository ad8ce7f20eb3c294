--- The shared parts of the class dgram.Socket.
local errors = require 'child_process.errors'
local lookup = require 'child_process.net.lookup'

local M = {}

local EBADF = -9

--- The types of sockets.
M.FAMILY = { udp4 = 4, udp6 = 6 }

--- base.fileno(socket) -> descriptor | nil: it is closed.
function M.fileno(self)
  return self._udp and self._udp:fileno()
end

--- Raises ERR_SOCKET_DGRAM_NOT_RUNNING on a closed socket.
function M.check_running(self)
  if not self._udp then
    error(errors.coded 'ERR_SOCKET_DGRAM_NOT_RUNNING', 3)
  end
end

--- Raises a system error, as Node's socket options do.
function M.check(ok, errno, syscall)
  if not ok then
    error(errors.system(errno, syscall), 3)
  end
end

--- Looks up a host: callback(err, address), unless the socket is closed meanwhile.
function M.resolve(self, host, callback)
  local options = { family = M.FAMILY[self.type], datagram = true }
  local entry
  entry = lookup.resolve(host, options, function(err, addresses)
    self._lookups[entry] = nil
    callback(err, addresses and addresses[1])
  end)
  self._lookups[entry] = true
end

--- Passes an error to the callback, if there is one, or emits it.
function M.report(self, callback, err)
  if callback then
    callback(err)
  else
    self:emit('error', err)
  end
end

--- { address, family, port } of one end of a socket, or nil, errno.
function M.name(ask, fd)
  local address, port, family = nil, EBADF, nil
  if fd then
    address, port, family = ask(fd)
  end
  if not address then
    return nil, port
  end
  return { address = address, family = family, port = port }
end

return M
