--- Sockets of a server that live in other processes: counted and waited for.
--
-- A socket that a server accepted and that is sent away belongs to two lists under the
-- server's key: the sender can ask how many the other side has, and when all of them are
-- closed; the other side knows.  Node's messages NODE_SOCKET_*.
local errors = require 'child_process.errors'

local M = {}

-- The side that sent -------------------------------------------------------------------

local Sent = { __name = 'child_process.SentSockets' }
Sent.__index = Sent

local function request(list, cmd, reply, callback)
  local ipc = list.ipc
  if ipc.closed then
    return callback(errors.coded 'ERR_CHILD_CLOSED_BEFORE_REPLY')
  end
  local requests = ipc.socket_requests
  requests[#requests + 1] = { key = list.key, reply = reply, callback = callback }
  -- behind the sockets that wait: they count
  ipc.send_in_turn(ipc, { cmd = cmd, key = list.key })
end

--- list:getConnections(callback): `callback(err, count)`, how many sockets the other side
-- has.
function Sent:getConnections(callback)
  request(self, 'NODE_SOCKET_GET_COUNT', 'NODE_SOCKET_COUNT', function(err, message)
    callback(err, message and math.tointeger(message.count) or 0)
  end)
end

--- list:close(callback): `callback()` when they are all closed, or the other side is
-- gone, and they with it.
function Sent:close(callback)
  request(self, 'NODE_SOCKET_NOTIFY_CLOSE', 'NODE_SOCKET_ALL_CLOSED', function()
    callback()
  end)
end

--- list:once('exit', fn): `fn()` when the other side is gone.
function Sent:once(_, fn)
  table.insert(self.exit_listeners, fn)
end

--- sockets.sent(ipc, key) -> list, and whether it is new.
function M.sent(ipc, key)
  local list = ipc.sent_sockets[key]
  if list then
    return list, false
  end
  list = setmetatable({ ipc = ipc, key = key, exit_listeners = {} }, Sent)
  ipc.sent_sockets[key] = list
  return list, true
end

-- The side that received ---------------------------------------------------------------

local function tell_empty(list)
  if list.asked and list.open == 0 and not list.ipc.closed then
    list.asked = false
    list.ipc.write(list.ipc, { cmd = 'NODE_SOCKET_ALL_CLOSED', key = list.key })
  end
end

--- sockets.received(ipc, key) -> function to be called when the socket is closed: counts
-- it until then.
function M.received(ipc, key)
  local list = ipc.received_sockets[key] or { ipc = ipc, key = key, open = 0 }
  ipc.received_sockets[key] = list
  list.open = list.open + 1
  return function()
    list.open = list.open - 1
    tell_empty(list)
  end
end

local NONE = { open = 0 }

local questions = {
  NODE_SOCKET_GET_COUNT = function(ipc, key)
    local list = ipc.received_sockets[key] or NONE
    ipc.write(ipc, { cmd = 'NODE_SOCKET_COUNT', key = key, count = list.open })
  end,
  NODE_SOCKET_NOTIFY_CLOSE = function(ipc, key)
    local list = ipc.received_sockets[key] or { ipc = ipc, key = key, open = 0 }
    list.asked = true
    tell_empty(list)
  end,
}

local function answer(ipc, message)
  for i, entry in ipairs(ipc.socket_requests) do
    if entry.key == message.key and entry.reply == message.cmd then
      table.remove(ipc.socket_requests, i)
      return entry.callback(nil, message)
    end
  end
end

-- The channel --------------------------------------------------------------------------

--- Sets up the lists of a channel.
function M.init(ipc)
  ipc.sent_sockets, ipc.received_sockets, ipc.socket_requests = {}, {}, {}
end

--- Handles NODE_SOCKET_* messages.
function M.on_internal(ipc, message)
  local question = questions[message.cmd]
  if type(message.key) ~= 'string' then
    return
  elseif question then
    question(ipc, message.key)
  elseif
    message.cmd == 'NODE_SOCKET_COUNT' or message.cmd == 'NODE_SOCKET_ALL_CLOSED'
  then
    answer(ipc, message)
  end
end

--- At the end of the channel every question is over.
function M.fail_pending(ipc)
  local requests = ipc.socket_requests
  ipc.socket_requests = {}
  for _, entry in ipairs(requests) do
    entry.callback(errors.coded 'ERR_CHILD_CLOSED_BEFORE_REPLY')
  end
  for _, list in pairs(ipc.sent_sockets) do
    for _, fn in ipairs(list.exit_listeners) do
      fn()
    end
  end
end

return M
