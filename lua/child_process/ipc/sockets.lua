--- Counts, and waits for, sockets of a server that live in other processes.
--
-- An accepted socket that is passed on belongs to two lists under the server's key: the
-- sender asks how many the peer has, and when all of them are closed; the peer answers.
-- Node's messages NODE_SOCKET_*.
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'
local outgoing = require 'child_process.ipc.outgoing'

local M = {}

--- sockets.new(out) -> the lists of a channel, which the functions below take.
function M.new(out)
  return { out = out, sent = {}, received = {}, requests = {}, over = false }
end

-- The side that sent -------------------------------------------------------------------

local Sent = { __name = 'child_process.SentSockets' }
Sent.__index = Sent

local function request(list, cmd, reply, callback)
  local lists = list.lists
  if lists.over then
    return callback(errors.coded 'ERR_CHILD_CLOSED_BEFORE_REPLY')
  end
  local requests = lists.requests
  requests[#requests + 1] = { key = list.key, reply = reply, callback = callback }
  -- after the waiting sockets, which count as well
  outgoing.send(lists.out, { cmd = cmd, key = list.key })
end

-- The peer's count; anything invalid counts as 0.
local function count_in(message)
  local count = message and math.tointeger(message.count)
  return count and count > 0 and count or 0
end

--- list:getConnections(callback): `callback(err, count)`, how many sockets the peer has.
function Sent:getConnections(callback)
  request(self, 'NODE_SOCKET_GET_COUNT', 'NODE_SOCKET_COUNT', function(err, message)
    callback(err, count_in(message))
  end)
end

--- list:close(callback): `callback()` when they are all closed, or the peer is gone with
-- them.
function Sent:close(callback)
  request(self, 'NODE_SOCKET_NOTIFY_CLOSE', 'NODE_SOCKET_ALL_CLOSED', function()
    callback()
  end)
end

--- list:once('exit', fn): `fn()` when the peer is gone.
function Sent:once(_, fn)
  table.insert(self.exit_listeners, fn)
end

--- sockets.sent(lists, key) -> list, and whether it is new.
function M.sent(lists, key)
  local list = lists.sent[key]
  if list then
    return list, false
  end
  list = setmetatable({ lists = lists, key = key, exit_listeners = {} }, Sent)
  lists.sent[key] = list
  return list, true
end

-- The side that received ---------------------------------------------------------------

-- One socket in the list of its key; the list goes with the last one.
local Counted = { __name = 'child_process.CountedSocket' }
Counted.__index = Counted

local function report_empty(lists, key)
  if not lists.over then
    outgoing.answer(lists.out, { cmd = 'NODE_SOCKET_ALL_CLOSED', key = key })
  end
end

--- counted:close(): the socket is closed.  Once.
function Counted:close()
  local lists, key = self.lists, self.key
  local list = lists.received[key]
  self.closed = true
  list.open = list.open - 1
  if list.open == 0 then
    lists.received[key] = nil
    if list.asked then
      report_empty(lists, key)
    end
  end
end

-- Or it is garbage: then on a tick, as a finalizer may run in the middle of anything.
function Counted:__gc()
  if not self.closed then
    loop.nextTick(self.close, self)
  end
end

--- sockets.received(lists, key) -> Counted, closed with the socket, or dropped.
function M.received(lists, key)
  local list = lists.received[key] or { open = 0, asked = false }
  lists.received[key] = list
  list.open = list.open + 1
  return setmetatable({ lists = lists, key = key, closed = false }, Counted)
end

local questions = {
  NODE_SOCKET_GET_COUNT = function(lists, key)
    local list = lists.received[key]
    local count = list and list.open or 0
    outgoing.answer(lists.out, { cmd = 'NODE_SOCKET_COUNT', key = key, count = count })
  end,
  NODE_SOCKET_NOTIFY_CLOSE = function(lists, key)
    local list = lists.received[key]
    if list then
      list.asked = true
    else
      report_empty(lists, key)
    end
  end,
}

local function answer(lists, message)
  for i, entry in ipairs(lists.requests) do
    if entry.key == message.key and entry.reply == message.cmd then
      table.remove(lists.requests, i)
      return entry.callback(nil, message)
    end
  end
end

-- The channel --------------------------------------------------------------------------

--- sockets.on_internal(lists, message): handles NODE_SOCKET_* messages.
function M.on_internal(lists, message)
  local question = questions[message.cmd]
  if type(message.key) ~= 'string' then
    return
  elseif question then
    question(lists, message.key)
  elseif
    message.cmd == 'NODE_SOCKET_COUNT' or message.cmd == 'NODE_SOCKET_ALL_CLOSED'
  then
    answer(lists, message)
  end
end

--- sockets.fail(lists): at the end of the channel all pending requests fail.  Calls
-- `lists.at_end()`, if set.
function M.fail(lists)
  local requests = lists.requests
  lists.requests, lists.over = {}, true
  for _, entry in ipairs(requests) do
    entry.callback(errors.coded 'ERR_CHILD_CLOSED_BEFORE_REPLY')
  end
  for _, list in pairs(lists.sent) do
    for _, fn in ipairs(list.exit_listeners) do
      fn()
    end
  end
  if lists.at_end then
    lists.at_end()
  end
end

return M
