--- Handles over a channel: which objects travel, how each is taken apart and rebuilt, and
-- Node's protocol for it.
--
-- A handle goes with a message `{ cmd = 'NODE_HANDLE', type = …, msg = … }`.  The peer
-- says NODE_HANDLE_ACK when it has it; until then all later messages wait, except those
-- answers themselves, so that two peers that send each other handles cannot wait for each
-- other.  NODE_HANDLE_NACK asks for it once more.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local lazy = require 'child_process.lazy'
local loop = require 'child_process.loop'
local sockets = require 'child_process.ipc.sockets'
local trace = require 'child_process.trace'

local load_net = lazy.load 'child_process.ipc.net_handles'

local M = {}

local nextTick = loop.nextTick

local MAX_RETRIES = 10

-- Conversions ---------------------------------------------------------------------------

-- Each: `matches(value)`; `take(value, options, message, ipc) -> descriptor, release`, or
-- nil if it has none any more; `rebuild(object, message, arrived) -> value`, see receive.
-- `release()` is called when the peer has it, or never will.  A descriptor that is no
-- number is a handle that the sender gives up: it is closed before.
local conversions = {} -- in the order in which they are asked
local by_type = {} -- the name on the wire -> conversion

--- handles.register(type, conversion): adds a class of objects that travel.
function M.register(name, conversion)
  conversions[#conversions + 1] = conversion
  conversion.type = conversion.wire_type or name
  by_type[conversion.type] = conversion
end

local function keep() end

-- Beyond Node: a Lua file arrives as a Lua file, and the sender keeps its own.
M.register('lua.File', {
  matches = function(value)
    return io.type(value) == 'file'
  end,
  take = function(value)
    return core.file_fd(value), keep
  end,
  rebuild = function(object)
    return core.file_from_fd(core.take_fd(object))
  end,
})

-- Anything else that has a descriptor arrives as an object that has one.
M.register('lua.Fd', {
  matches = function(value)
    return core.fd_of(value) ~= nil
  end,
  take = function(value)
    return core.fd_of(value), keep
  end,
  rebuild = function(object)
    return object
  end,
})

-- Those of net and dgram, when there is a first one.
local function load_others()
  if not by_type['net.Socket'] then
    load_net().register(M.register)
  end
end

local function conversion_for(value)
  if type(value) == 'table' then
    load_others()
  end
  for _, conversion in ipairs(conversions) do
    if conversion.matches(value) then
      return conversion
    end
  end
  error(errors.coded 'ERR_INVALID_HANDLE_TYPE', 0)
end

-- Sending -------------------------------------------------------------------------------

--- True while a handle waits for its acknowledgement.
function M.is_waiting(ipc)
  return ipc.unanswered ~= nil
end

--- True while something waits behind it, or it does itself.
function M.has_more(ipc)
  return ipc.unanswered ~= nil or ipc.held_back.first <= ipc.held_back.last
end

local function hold_back(ipc, entry)
  local queue = ipc.held_back
  queue.last = queue.last + 1
  queue[queue.last] = entry
  return queue.first == queue.last
end

--- Puts an encoded message behind the handle that waits.  Returns what send() does.
function M.hold_back(ipc, payload, callback)
  return hold_back(ipc, { payload = payload, callback = callback })
end

local function drop(entry)
  entry.carried:close()
  entry.release()
end

-- To those who look inside.
local function tell(ipc, entry, state)
  if trace.on then
    trace.handle(ipc, entry.type, state)
  end
end

-- The handle that waits is over there, or lost.
local function settle(ipc)
  local entry = ipc.unanswered
  ipc.unanswered = nil
  drop(entry)
end

local function send_now(ipc, entry)
  if entry.carried then
    ipc.unanswered = entry
    tell(ipc, entry, 'sent')
  end
  local free, err = ipc.write_payload(ipc, entry.payload, entry.carried, entry.callback)
  if err and entry.carried then
    settle(ipc)
  end
  return free
end

-- Takes the handle apart; what is in the entry then can be written at any later time.
-- What the sender keeps is copied: it may be closed, and its number be that of something
-- else, before the peer has it.
local function take(ipc, entry, message, handle, options)
  local conversion = conversion_for(handle)
  local wrapped = { cmd = 'NODE_HANDLE', type = conversion.type, msg = message }
  local descriptor, release = conversion.take(handle, options, wrapped, ipc)
  if not descriptor then
    return nil -- it has been sent before: only the message is left
  end
  local carried, errno = descriptor, nil
  if type(descriptor) == 'number' then
    carried, errno = core.copy_fd(descriptor)
  end
  if not carried then
    release()
    return errors.system(errno, 'write')
  end
  entry.carried, entry.release, entry.retries = carried, release, 0
  entry.type = conversion.type
  entry.payload = ipc.codec.encode(wrapped)
end

--- Sends a message with a handle, now or in its turn.  Raises ERR_INVALID_HANDLE_TYPE,
-- and what the codec raises.
function M.send(ipc, message, handle, options, callback)
  -- first, so that a message that cannot be sent leaves the handle as it is; with one it
  -- lies one level deeper
  local entry = { payload = ipc.codec.encode(message), callback = callback }
  ipc.codec.encode { msg = message }
  local err = take(ipc, entry, message, handle, options)
  if err then
    ipc.lose(ipc, err, callback)
    return false
  elseif M.is_waiting(ipc) then
    tell(ipc, entry, 'waiting')
    return hold_back(ipc, entry)
  end
  return send_now(ipc, entry)
end

-- Sends what was held back, up to the next handle.
local function go_on(ipc)
  local queue = ipc.held_back
  while not ipc.unanswered and queue.first <= queue.last do
    local entry = queue[queue.first]
    queue[queue.first] = nil
    queue.first = queue.first + 1
    send_now(ipc, entry)
  end
  ipc.close_if_flushed(ipc)
end

--- Sends all that is held back without waiting for answers: this process is about to end,
-- and nothing could be sent later.
function M.send_all(ipc)
  while M.is_waiting(ipc) do
    settle(ipc)
    go_on(ipc)
  end
end

local function acknowledged(ipc, state)
  if M.is_waiting(ipc) then
    tell(ipc, ipc.unanswered, state or 'acknowledged')
    settle(ipc)
    go_on(ipc)
  end
end

local function refused(ipc)
  local entry = ipc.unanswered
  if entry and entry.retries < MAX_RETRIES then
    entry.retries = entry.retries + 1
    tell(ipc, entry, 'refused')
    ipc.write_payload(ipc, entry.payload, entry.carried)
  else
    acknowledged(ipc, 'refused')
  end
end

--- Sets up what a channel needs for handles.
M.init = sockets.init

--- At the end of the channel: everything that waits gets `err`.
function M.fail_pending(ipc, err)
  local queue = ipc.held_back
  if M.is_waiting(ipc) then
    settle(ipc)
  end
  while queue.first <= queue.last do
    local held = queue[queue.first]
    queue[queue.first] = nil
    queue.first = queue.first + 1
    if held.carried then
      drop(held)
    end
    if held.callback then
      nextTick(held.callback, err)
    end
  end
  sockets.fail_pending(ipc)
end

-- Receiving -----------------------------------------------------------------------------

-- What has arrived stays a descriptor until somebody hears of it: a server would take
-- connections, and keep the loop alive.
local function receive(ipc, message, deliver)
  local object = ipc.handle:take()
  if not object then
    tell(ipc, message, 'refused')
    ipc.write(ipc, { cmd = 'NODE_HANDLE_NACK' })
    return
  end
  tell(ipc, message, 'received')
  ipc.write(ipc, { cmd = 'NODE_HANDLE_ACK' })
  local arrived = { object = object, message = message }
  if type(message.key) == 'string' then
    arrived.closed = sockets.received(ipc, message.key)
  end
  deliver(message.msg, arrived)
end

--- handles.rebuild(arrived) -> what the sender had; nil for a type that is not known.
function M.rebuild(arrived)
  local name = arrived.message.type
  if not by_type[name] then
    load_others()
  end
  if not by_type[name] then
    return M.discard(arrived)
  end
  return by_type[name].rebuild(arrived.object, arrived.message, arrived)
end

--- handles.discard(arrived): nobody will hear of it.
function M.discard(arrived)
  arrived.object:close()
  if arrived.closed then
    arrived.closed()
  end
end

--- Handles a message whose `cmd` begins with NODE_; `deliver(message, arrived)` is called
-- for the user's message in it, with what is for rebuild() or discard().
function M.on_internal(ipc, message, deliver)
  if message.cmd == 'NODE_HANDLE' then
    receive(ipc, message, deliver)
  elseif message.cmd == 'NODE_HANDLE_ACK' then
    acknowledged(ipc)
  elseif message.cmd == 'NODE_HANDLE_NACK' then
    refused(ipc)
  else
    sockets.on_internal(ipc, message)
  end
end

return M
