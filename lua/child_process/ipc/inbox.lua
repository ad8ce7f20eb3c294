--- Received messages without a listener: kept, in order, until there is a listener for
-- `message`.
--
-- A peer must not fill our memory, nor use up our descriptors: beyond a bound nothing
-- more is read, and the peer's writes block.  A message is kept as its text, which is as
-- large as what was sent, and not as tables, which may be many times larger; it is
-- decoded a second time.
local core = require 'child_process.core'
local events = require 'child_process.events'
local loop = require 'child_process.loop'

local M = {}

local nextTick = loop.nextTick

local MOST_BYTES = 4 * 1024 * 1024
local MOST_HANDLES = 64
local EACH = 64 -- bytes, roughly, of a message's place in the list and of its string

local function is_heard(box)
  return box.owner:listenerCount 'message' > 0
end

--- inbox.room(box) -> how many more bytes may be kept; nil: no limit, as there is a
-- listener.
function M.room(box)
  if box.shut or is_heard(box) then
    return nil
  end
  return box.handles < MOST_HANDLES and math.max(MOST_BYTES - box.bytes, 0) or 0
end

local function is_empty(box)
  return box.first > box.last
end

-- The core calls the only listener itself, unless messages have to wait behind others, or
-- are dropped.
local function update_direct(box)
  local may = not box.shut and is_empty(box)
  box.handle:hear(box.fields, may and events.sole(box.owner, 'message') or nil)
end

--- inbox.new(owner, handle, codec) -> the state, which all functions below take.
-- @param owner table: gets the messages
-- @param handle core.channel: has the text of a message while it is delivered
function M.new(owner, handle, codec)
  local box = {
    owner = owner,
    fields = core.fields(owner),
    handle = handle,
    codec = codec,
    first = 1, -- first .. last: a payload, or { text = payload, arrived = handle | nil }
    last = 0,
    bytes = 0,
    handles = 0,
    shut = false, -- disconnected: nothing more is delivered
    scheduled = false,
  }
  update_direct(box)
  return box
end

local function size_of(entry)
  return EACH + #(type(entry) == 'table' and entry.text or entry)
end

-- At the end everything that the kernel holds is read, however many handles are in it.
local function keep(box, arrived)
  local entry = box.handle:frame()
  if arrived and box.handles == MOST_HANDLES then
    arrived:discard()
    entry = { text = entry }
  elseif arrived then
    entry = { text = entry, arrived = arrived }
    arrived.message = nil
    box.handles = box.handles + 1
  end
  box.last = box.last + 1
  box[box.last] = entry
  box.bytes = box.bytes + size_of(entry)
  if box.first == box.last then
    update_direct(box)
  end
end

local function take(box)
  local entry = box[box.first]
  box[box.first] = nil
  box.first = box.first + 1
  box.bytes = box.bytes - size_of(entry)
  if type(entry) == 'table' and entry.arrived then
    box.handles = box.handles - 1
  end
  if is_empty(box) then
    update_direct(box)
  end
  return entry
end

--- inbox.deliver(box, message) -> boolean: false if it is kept for later.
function M.deliver(box, message)
  if not box.shut then
    if not is_empty(box) or not box.owner:emit('message', message) then
      keep(box)
      return false
    end
  end
  return true
end

--- inbox.deliver_handle(box, message, arrived) -> boolean: the same with a handle.
function M.deliver_handle(box, message, arrived)
  if box.shut then
    arrived:discard()
  elseif not is_empty(box) or not is_heard(box) then
    keep(box, arrived)
    return false
  else
    box.owner:emit('message', message, arrived:rebuild())
  end
  return true
end

-- The arguments for a listener.
local function open(box, entry)
  if type(entry) == 'string' then
    return box.codec.decode(entry)
  end
  local message, arrived = box.codec.decode(entry.text), entry.arrived
  if arrived then
    arrived.message = message
  end
  return message.msg, arrived and arrived:rebuild()
end

-- One per tick: if a listener is removed, disconnects or raises, the others are still
-- there.
local hand_over

local function schedule(box)
  if not box.scheduled and not is_empty(box) then
    box.scheduled = true
    nextTick(hand_over, box)
  end
end

function hand_over(box)
  box.scheduled = false
  if not is_empty(box) and is_heard(box) then
    local entry = take(box)
    schedule(box)
    box.owner:emit('message', open(box, entry))
  end
end

--- inbox.listening(box): `message` has gained or lost a listener.  The kept messages are
-- delivered, if there is one.
function M.listening(box)
  update_direct(box)
  schedule(box)
end

--- inbox.close_handles(box): without a listener, closes the handles; their messages stay.
function M.close_handles(box)
  if box.handles == 0 or is_heard(box) then
    return
  end
  for i = box.first, box.last do
    local entry = box[i]
    if type(entry) == 'table' and entry.arrived then
      entry.arrived:discard()
      entry.arrived = nil
    end
  end
  box.handles = 0
end

--- inbox.shut(box): drops kept and later messages.
function M.shut(box)
  box.shut = true
  update_direct(box)
  while not is_empty(box) do
    local entry = take(box)
    if type(entry) == 'table' and entry.arrived then
      entry.arrived:discard()
    end
  end
end

return M
