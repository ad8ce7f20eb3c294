--- Passed handles: which objects can travel, how each is taken apart and rebuilt, and
-- Node's protocol for it.
--
-- A handle goes with a message `{ cmd = 'NODE_HANDLE', type = …, msg = … }`.  The peer
-- answers NODE_HANDLE_ACK when it has the handle; until then all later messages wait (see
-- outgoing.lua).  NODE_HANDLE_NACK asks for it again.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local lazy = require 'child_process.lazy'
local loop = require 'child_process.loop'
local outgoing = require 'child_process.ipc.outgoing'
local shortage = require 'child_process.shortage'
local sockets = require 'child_process.ipc.sockets'
local trace = require 'child_process.trace'

local load_net = lazy.load 'child_process.ipc.net_handles'

local M = {}

local nextTick = loop.nextTick

--- handles.new(out) -> the state of one channel, which the functions below take.
function M.new(out)
  return {
    out = out,
    lists = sockets.new(out),
    short = false, -- the last one could not be received for lack of descriptors
    reported = false, -- that, as an `error`
  }
end

-- Conversions ---------------------------------------------------------------------------

-- Each: `matches(value)`; `take(value, options, message, lists) -> descriptor, release`,
-- or nil if it no longer has one, with the `lists` of sockets.lua; `rebuild(object,
-- message, counted) -> value`, see Arrived.
-- `release()` is called when the peer has it, or never will.  A descriptor that is not a
-- number is a handle that the sender gives up, which is closed before.
local conversions = {} -- in the order in which they are tried
local by_type = {} -- the name on the wire -> conversion

--- handles.register(type, conversion): adds a class of objects that can travel.
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
    local file = core.file_from_fd(object)
    object:close()
    return file
  end,
})

-- Anything else with a descriptor arrives as an object that owns one.
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

-- Loads the conversions of net and dgram, on first use.
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

-- Takes the handle apart; the entry can then be written at any later time.  A descriptor
-- that the sender keeps is copied: it may be closed, and its number reused, before the
-- peer has it.  Returns an error, or nil.
local function take(state, entry, message, handle, options)
  local conversion = conversion_for(handle)
  local wrapped = { cmd = 'NODE_HANDLE', type = conversion.type, msg = message }
  local descriptor, release = conversion.take(handle, options, wrapped, state.lists)
  if not descriptor then
    return nil -- the handle has been sent before: only the message is left
  end
  local carried, errno = descriptor, nil
  if type(descriptor) == 'number' then
    carried, errno = shortage.retry(core.copy_fd, descriptor)
  end
  if not carried then
    release()
    return errors.system(errno, 'write')
  end
  entry.carried, entry.release, entry.type = carried, release, conversion.type
  entry.payload = state.out.codec.encode(wrapped)
end

--- handles.send(state, message, handle, options, callback): sends a message with a
-- handle, now or in its turn.  Raises ERR_INVALID_HANDLE_TYPE, and errors of the codec.
function M.send(state, message, handle, options, callback)
  local out = state.out
  -- first, so that a message that cannot be sent leaves the handle as it is; with a
  -- handle the message is nested one level deeper
  local entry = { payload = out.codec.encode(message), callback = callback }
  out.codec.encode { msg = message }
  local err = take(state, entry, message, handle, options)
  if err then
    outgoing.lose(out, err, callback)
    return false
  end
  return outgoing.send_entry(out, entry)
end

-- Receiving -----------------------------------------------------------------------------

-- An arrived handle stays a descriptor until it is delivered: a server would accept
-- connections, and keep the loop alive.  `message` is the one it came with.
local Arrived = { __name = 'child_process.ArrivedHandle' }
Arrived.__index = Arrived

--- arrived:rebuild() -> the sender's object; nil for an unknown type.  If no descriptor
-- is left to load the other types, an object that owns the arrived descriptor.
function Arrived:rebuild()
  local name = self.message.type
  if not by_type[name] and not pcall(load_others) then
    return self.object
  elseif not by_type[name] then
    return self:discard()
  end
  return (by_type[name].rebuild(self.object, self.message, self.counted))
end

--- arrived:discard(): it will not be delivered.
function Arrived:discard()
  self.object:close()
  if self.counted then
    self.counted:close()
  end
end

-- The peer sends a handle again after NODE_HANDLE_NACK, and gives up after some attempts.
-- So a descriptor that is missing a second time, after a collection, is reported here.
local function fall_short(state, errno)
  local owner = state.out.owner
  core.shortage(errno, true)
  if state.short and not state.reported then
    state.reported = true
    nextTick(owner.emit, owner, 'error', errors.system(errno, 'recvmsg'))
  end
  state.short = true
end

local function receive(state, message)
  local out = state.out
  local object, errno = out.handle:take()
  if trace.on then
    trace.handle(out, message.type, object and 'received' or 'refused')
  end
  if errno then
    fall_short(state, errno)
  end
  outgoing.answer(out, { cmd = object and 'NODE_HANDLE_ACK' or 'NODE_HANDLE_NACK' })
  if not object then
    return nil
  end
  state.short = false
  local arrived = setmetatable({ object = object, message = message }, Arrived)
  if type(message.key) == 'string' then
    arrived.counted = sockets.received(state.lists, message.key)
  end
  return arrived
end

--- handles.on_internal(state, message) -> nil, or the Arrived handle that came with the
-- user's message in it: handles a message of the protocol.
function M.on_internal(state, message)
  if message.cmd == 'NODE_HANDLE' then
    return receive(state, message)
  elseif message.cmd == 'NODE_HANDLE_ACK' then
    outgoing.acknowledged(state.out)
  elseif message.cmd == 'NODE_HANDLE_NACK' then
    outgoing.refused(state.out)
  else
    sockets.on_internal(state.lists, message)
  end
end

--- handles.fail(state): at the end of the channel all pending requests fail.
function M.fail(state)
  sockets.fail(state.lists)
end

return M
