--- The channel between two processes, as both ends see it: `send`, `disconnect`, and the
-- events `message`, `internalMessage`, `disconnect`.
--
-- Frames and descriptors are the core's (csrc/channel.c), their meaning is the codec's.
-- Here is what is done with messages: kept until somebody listens, written together at
-- the end of a callback, held back while a handle waits for its acknowledgement.
--
-- The owner of a channel is a ChildProcess or `process`; its whole state is `owner._ipc`.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local guard = require 'child_process.guard'
local lazy = require 'child_process.lazy'
local loop = require 'child_process.loop'
local trace = require 'child_process.trace'

local load_handles = lazy.load 'child_process.ipc.handles'

local M = {}
local methods = {}

--- The methods of an owner: `send`, `disconnect`, and `_listening` (see events.lua).
M.methods = methods

local nextTick = loop.nextTick

local BACKLOG = 128 * 1024 -- bytes from which send() returns false, as in Node

-- Keeping the loop alive ----------------------------------------------------------------

-- channel:ref() and channel:unref() decide; until one is called, the listeners do.  Bytes
-- that wait for the peer keep the loop alive in any case.
local Control = { __name = 'child_process.Channel' }
Control.__index = Control

local function apply_ref(control)
  local wanted = control.explicit
  if wanted == nil then
    wanted = control.wanted
  end
  local handle = control.handle
  if handle then
    ((wanted or control.blocked) and handle.ref or handle.unref)(handle)
  end
end

--- channel:ref(): the channel keeps the loop alive, whoever listens.
function Control:ref()
  self.explicit = true
  apply_ref(self)
end

--- channel:unref(): it does not.
function Control:unref()
  self.explicit = false
  apply_ref(self)
end

--- channel:hasRef() -> boolean
function Control:hasRef()
  return self.handle ~= nil and self.handle:has_ref()
end

-- Handles -------------------------------------------------------------------------------

-- Their protocol, from the first one on, or the first message of the peer about one.
local function handles_of(ipc)
  if not ipc.handles then
    ipc.handles = load_handles()
    ipc.handles.init(ipc)
  end
  return ipc.handles
end

-- The end -------------------------------------------------------------------------------

local function channel_closed()
  return errors.coded 'ERR_IPC_CHANNEL_CLOSED'
end

local function fail_callbacks(ipc)
  for i = ipc.first, ipc.last do
    nextTick(ipc.waiting[i].fn, channel_closed())
  end
  ipc.waiting, ipc.first, ipc.last = {}, 1, 0
end

-- Called once, when no byte goes either way any more.
local function announce_disconnect(owner)
  local on_closed = owner._ipc.on_closed
  if not owner._ipc.announced then
    owner._ipc.announced = true
    local _ <close> = guard.new(owner, function()
      on_closed(owner)
    end)
    owner:emit 'disconnect'
    on_closed(owner)
  end
end

local function close(ipc, err)
  local owner = ipc.owner
  if ipc.closed then
    return
  end
  ipc.closed = true
  if trace.on then
    trace.disconnect(ipc, err)
  end
  ipc.handle:close()
  ipc.control.handle = nil
  owner.connected, owner.channel = false, nil
  fail_callbacks(ipc)
  if ipc.handles then
    ipc.handles.fail_pending(ipc, channel_closed())
  end
  nextTick(announce_disconnect, owner)
end

-- The peer broke the rules, or the system failed: one error, then the end.
local function break_off(ipc, err)
  local owner = ipc.owner
  if not ipc.closed then
    close(ipc, err)
    owner:emit('error', err)
  end
end

-- Writing -------------------------------------------------------------------------------

local function run_callbacks(ipc, sent)
  local waiting = ipc.waiting
  while ipc.first <= ipc.last and waiting[ipc.first].at <= sent do
    local entry = waiting[ipc.first]
    waiting[ipc.first] = nil
    ipc.first = ipc.first + 1
    nextTick(entry.fn, nil)
  end
end

local function set_blocked(ipc, blocked)
  if ipc.blocked ~= blocked then
    ipc.blocked, ipc.control.blocked = blocked, blocked
    apply_ref(ipc.control)
  end
end

local flush

local function close_if_flushed(ipc)
  if not ipc.disconnecting or ipc.closed then
    return
  elseif ipc.handles and ipc.handles.has_more(ipc) then
    return
  elseif ipc.dirty then
    flush(ipc) -- which comes back
  elseif not ipc.blocked then
    close(ipc)
  end
end

-- The peer is gone.  What it sent before is still read, and its end told then.
local function write_failed(ipc)
  ipc.broken = true
  set_blocked(ipc, false)
  fail_callbacks(ipc)
  close_if_flushed(ipc)
end

local function sent_up_to(ipc, sent)
  run_callbacks(ipc, sent)
  set_blocked(ipc, sent < ipc.queued)
  if not ipc.blocked and ipc.need_drain then
    ipc.need_drain = false
    nextTick(ipc.owner.emit, ipc.owner, 'drain')
  end
  close_if_flushed(ipc)
end

function flush(ipc)
  ipc.dirty = false
  local sent = not ipc.closed and ipc.handle:flush()
  if sent then
    sent_up_to(ipc, sent)
  elseif not ipc.closed then
    write_failed(ipc)
  end
end

local function end_of_turn(ipc)
  if ipc.dirty then
    flush(ipc)
  end
end

local function on_written(ipc, sent, errno)
  if errno then
    write_failed(ipc)
  else
    sent_up_to(ipc, sent)
  end
end

local function lose(ipc, err, callback)
  if trace.on then
    trace.lost(ipc, err)
  end
  nextTick(callback or function()
    ipc.owner:emit('error', err)
  end, err)
end

-- The first message of a turn goes out at once; what follows in the same turn, together
-- at its end, unless it is much or the turn is long: the core says when it is `due`.
local function flush_in_time(ipc, total, pending, due)
  if pending == 0 then
    sent_up_to(ipc, total)
  elseif due then
    flush(ipc)
  elseif not ipc.dirty then
    ipc.dirty = true
    nextTick(end_of_turn, ipc)
  end
end

-- After the core has taken a message.  Returns what send() does, and the error if it is
-- lost.
local function queued(ipc, callback, total, pending, due)
  if not total then
    local err = errors.system(pending, 'write')
    lose(ipc, err, callback)
    return false, err
  elseif trace.on then
    trace.send(ipc, total - ipc.queued - ipc.codec.overhead, pending)
  end
  ipc.queued = total
  if callback then
    ipc.last = ipc.last + 1
    ipc.waiting[ipc.last] = { at = total, fn = callback }
  end
  flush_in_time(ipc, total, pending, due)
  local free = pending < BACKLOG or not ipc.blocked
  ipc.need_drain = ipc.need_drain or not free
  return free
end

-- Writes what the codec has made of a message, with a descriptor if there is one.
local function write_payload(ipc, payload, descriptor, callback)
  return queued(ipc, callback, ipc.handle:queue(payload, descriptor))
end

-- The same for a message; a number is an errno, anything else what the codec has
-- against the message.
local function write_message(ipc, message, callback)
  local total, pending, due = ipc.handle:send(message)
  if ipc.dirty and total and not (due or callback or trace.on) and pending < BACKLOG then
    ipc.queued = total -- one of many in this turn
    return true
  elseif not total and math.type(pending) ~= 'integer' then
    ipc.codec.refuse(pending, due)
  end
  return queued(ipc, callback, total, pending, due)
end

-- The same, behind the handles that wait for the peer.
local function send_in_turn(ipc, message, callback)
  if ipc.unanswered then
    return ipc.handles.hold_back(ipc, ipc.codec.encode(message), callback)
  end
  return write_message(ipc, message, callback)
end

-- Writes a message of our own, before all that waits.
local write = write_message

-- Reading -------------------------------------------------------------------------------

local deliver_kept

local function keep(ipc, message, arrived)
  local kept = ipc.kept
  kept.last = kept.last + 1
  kept[kept.last] = { message, arrived }
end

local function deliver(ipc, message)
  local kept = ipc.kept
  if ipc.disconnecting then
    return -- who has disconnected hears no more, not even what came in the same read
  elseif kept.first <= kept.last or not ipc.owner:emit('message', message) then
    keep(ipc, message)
  end
end

-- The same with a handle that has arrived.
local function deliver_with(ipc, event, message, arrived)
  local owner, kept = ipc.owner, ipc.kept
  local heard = owner:listenerCount(event) > 0
  if event == 'message' and ipc.disconnecting then
    ipc.handles.discard(arrived)
  elseif event == 'message' and (not heard or kept.first <= kept.last) then
    keep(ipc, message, arrived)
  elseif heard then
    owner:emit(event, message, ipc.handles.rebuild(arrived))
  else
    ipc.handles.discard(arrived)
  end
end

-- One a tick: a listener may go, disconnect, or raise, and the others are still there.
function deliver_kept(ipc)
  local owner, kept = ipc.owner, ipc.kept
  if kept.first <= kept.last and owner:listenerCount 'message' > 0 then
    local message, arrived = table.unpack(kept[kept.first], 1, 2)
    kept[kept.first] = nil
    kept.first = kept.first + 1
    if kept.first <= kept.last then
      nextTick(deliver_kept, ipc)
    end
    owner:emit('message', message, arrived and ipc.handles.rebuild(arrived))
  end
end

local function forget_kept(ipc)
  local kept = ipc.kept
  ipc.kept = { first = 1, last = 0 }
  for i = kept.first, kept.last do
    if kept[i][2] then
      ipc.handles.discard(kept[i][2])
    end
  end
end

local function is_internal(message)
  local cmd = type(message) == 'table' and rawget(message, 'cmd')
  return type(cmd) == 'string' and cmd:find '^NODE_' ~= nil
end

local function on_frame(ipc, payload)
  if trace.on then
    trace.receive(ipc, payload)
  end
  local ok, message = pcall(ipc.codec.decode, payload)
  if not ok then
    return break_off(ipc, message)
  elseif not is_internal(message) then
    return deliver(ipc, message)
  end
  handles_of(ipc).on_internal(ipc, message, function(inner, arrived)
    local event = is_internal(inner) and 'internalMessage' or 'message'
    deliver_with(ipc, event, inner, arrived)
  end)
  ipc.owner:emit('internalMessage', message)
end

local function on_end(ipc, errno)
  if errno then
    break_off(ipc, errors.system(errno, 'read'))
  else
    close(ipc)
  end
end

local function update_ref(ipc)
  local owner, control = ipc.owner, ipc.control
  control.wanted = not ipc.count_listeners
    or owner:listenerCount 'message' > 0
    or owner:listenerCount 'disconnect' > 0
  apply_ref(control)
end

-- Called when an event has got or lost a listener.
function methods:_listening(name)
  local ipc = self._ipc
  if ipc and (name == 'message' or name == 'disconnect') then
    update_ref(ipc)
    if name == 'message' and ipc.kept.first <= ipc.kept.last then
      nextTick(deliver_kept, ipc)
    end
  end
end

-- Methods -------------------------------------------------------------------------------

local SENDABLE = { string = true, table = true, number = true, boolean = true }

local function refuse_message(self, message)
  if not self._ipc and not self.emit then
    error(errors.no_self 'child:send(…)', 0)
  elseif message == nil then
    error(errors.coded('ERR_MISSING_ARGS', 'message'), 0)
  elseif message ~= core.null then
    local expected = 'one of type string, table, number or boolean'
    error(errors.invalid_arg_type('message', expected, message), 0)
  end
end

local function check_options(options)
  if options ~= nil and type(options) ~= 'table' then
    error(errors.invalid_arg_type('options', 'of type table', options), 0)
  end
end

-- As in Node the callback may stand in any of the later places.
local function sort_out(handle, options, callback)
  if type(handle) == 'function' then
    return nil, nil, handle
  elseif type(options) == 'function' then
    return handle, nil, options
  end
  return handle, options, callback
end

--- owner:send(message [, handle] [, options] [, callback]) -> boolean: false when the
-- backlog (128 KiB) says to wait for the callback or for `drain`.
--
-- `handle` is a net.Server, net.Socket, dgram.Socket, pipe, Lua file, descriptor, or
-- object with getfd(); `options.keepOpen` keeps a socket open here.  `callback(err)` runs
-- when the message is written or lost.  On a closed channel that, or an event `error`,
-- gets ERR_IPC_CHANNEL_CLOSED.  Raises ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE,
-- ERR_INVALID_HANDLE_TYPE, and what the codec raises.  Node: subprocess.send.
function methods:send(message, handle, options, callback)
  if not SENDABLE[type(message)] then
    refuse_message(self, message)
  end
  if handle ~= nil or options ~= nil or callback ~= nil then
    handle, options, callback = sort_out(handle, options, callback)
    check_options(options)
  end
  local ipc = self._ipc
  if not ipc or ipc.closed or ipc.disconnecting or ipc.broken then
    lose({ owner = self }, channel_closed(), callback)
    return false
  end
  if handle and handle ~= 0 and handle ~= '' then
    return handles_of(ipc).send(ipc, message, handle, options or {}, callback)
  end
  return send_in_turn(ipc, message, callback)
end

--- owner:disconnect(): closes the channel when all that was sent before is written; then
-- comes `disconnect`.  On a closed one an event `error`, ERR_IPC_DISCONNECTED.
-- Node: subprocess.disconnect.
function methods:disconnect()
  local ipc = self._ipc
  if not self.connected then
    self:emit('error', errors.coded 'ERR_IPC_DISCONNECTED')
    return
  end
  self.connected, ipc.disconnecting = false, true
  forget_kept(ipc)
  flush(ipc)
  if not ipc.closed then
    -- as in Node `channel` stays while something is still to be sent
    return
  end
  self.channel = nil
end

--- channel.open(owner, handle, codec, options): makes `owner` one end of a channel.
-- @param handle core.channel: owned from now on
-- @param codec table: of ipc/json.lua or ipc/advanced.lua
-- @param options table: `count_listeners`: only listeners for `message` and `disconnect`
--   keep the loop alive; `on_closed(owner)`: called after `disconnect`
function M.open(owner, handle, codec, options)
  local control = setmetatable({ handle = handle }, Control)
  local ipc = {
    owner = owner,
    handle = handle,
    codec = codec,
    control = control,
    kept = { first = 1, last = 0 },
    held_back = { first = 1, last = 0 },
    waiting = {},
    first = 1,
    last = 0,
    queued = 0,
    blocked = false,
    count_listeners = options.count_listeners,
    on_closed = options.on_closed,
    write = write,
    write_payload = write_payload,
    send_in_turn = send_in_turn,
    lose = lose,
    close_if_flushed = close_if_flushed,
  }
  owner._ipc = ipc
  owner.channel, owner.connected = control, true
  if trace.on then
    trace.connect(ipc)
  end
  update_ref(ipc)
  handle:bind(ipc, on_frame, on_end, on_written, codec.encoder)
  local _, errno = handle:read_start()
  if errno then
    nextTick(break_off, ipc, errors.system(errno, 'read'))
  end
end

--- channel.drain(owner): tells all that the other side had sent before it ended, and its
-- end, at once.
function M.drain(owner)
  local ipc = owner._ipc
  if ipc and not ipc.closed then
    ipc.handle:read_now()
  end
  if ipc and ipc.closed then
    announce_disconnect(owner)
  end
end

--- channel.flush(owner, ms): waits until all is written, for a process that ends, as long
-- as the other side takes something every `ms` milliseconds.
function M.flush(owner, ms)
  local ipc = owner._ipc
  if ipc and not ipc.closed then
    if ipc.handles then
      ipc.handles.send_all(ipc)
    end
    ipc.handle:flush_blocking(ms)
  end
end

return M
