--- The channel between two processes, the same for both ends: `send`, `disconnect`, and
-- the events `message`, `internalMessage`, `disconnect`.
--
-- The core does frames and descriptors (csrc/channel_in.c, csrc/channel_out.c), the codec
-- gives them meaning; outgoing.lua has the messages to send, inbox.lua those without a
-- listener yet, handles.lua the passed handles.  This file has the life of a channel:
--
--   open           `connected`
--   disconnecting  by us: no more messages are delivered; open until all is sent
--   closed         by us, by the peer's end, or after an error: no byte goes either way
--   announced      `disconnect` has been emitted
--   ended          the peer is gone: handles are no longer kept for a later listener
--
-- The owner of a channel is a ChildProcess or `process`; its whole state is `owner._ipc`.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local guard = require 'child_process.guard'
local inbox = require 'child_process.ipc.inbox'
local lazy = require 'child_process.lazy'
local loop = require 'child_process.loop'
local outgoing = require 'child_process.ipc.outgoing'
local trace = require 'child_process.trace'

local load_handles = lazy.load 'child_process.ipc.handles'

local M = {}
local methods = {}

--- The methods of an owner: `send`, `disconnect`, and one under events.LISTENING.
M.methods = methods

local is_internal = core.is_internal
local nextTick = loop.nextTick
local send, deliver = outgoing.send, inbox.deliver

-- Keeping the loop alive ----------------------------------------------------------------

-- channel:ref() and channel:unref() decide; until one is called, the listeners do.
-- Unsent bytes keep the loop alive in any case.
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

--- channel:ref(): the channel keeps the loop alive, with or without listeners.
function Control:ref()
  errors.check_self(self, 'channel:ref()', 'hasRef')
  self.explicit = true
  apply_ref(self)
end

--- channel:unref(): it does not keep the loop alive.
function Control:unref()
  errors.check_self(self, 'channel:unref()', 'hasRef')
  self.explicit = false
  apply_ref(self)
end

--- channel:hasRef() -> boolean
function Control:hasRef()
  errors.check_self(self, 'channel:hasRef()', 'hasRef')
  return self.handle ~= nil and self.handle:has_ref()
end

local function update_ref(ipc)
  local owner, control = ipc.owner, ipc.control
  control.wanted = not ipc.count_listeners
    or owner:listenerCount 'message' > 0
    or owner:listenerCount 'disconnect' > 0
  apply_ref(control)
end

-- The end -------------------------------------------------------------------------------

local function channel_closed()
  return errors.coded 'ERR_IPC_CHANNEL_CLOSED'
end

-- Called once, when no more bytes go either way.
local function announce_disconnect(owner)
  local ipc = owner._ipc
  if not ipc.announced then
    ipc.announced = true
    local _ <close> = guard.new(owner, ipc.on_closed)
    owner:emit 'disconnect'
    ipc.on_closed(owner)
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
  ipc.out.handle:close()
  ipc.control.handle = nil
  owner.connected, owner.channel = false, nil
  outgoing.fail(ipc.out)
  if ipc.handles then
    ipc.handles.fail(ipc.passing)
  end
  nextTick(announce_disconnect, owner)
end

-- The peer broke the protocol, or the system failed: one error, then the end.
local function break_off(ipc, err)
  local owner = ipc.owner
  if not ipc.closed then
    close(ipc, err)
    owner:emit('error', err)
  end
end

local function close_if_flushed(ipc)
  local out = ipc.out
  if not ipc.disconnecting or ipc.closed or outgoing.has_more(out) then
    return
  end
  local flushed = outgoing.flush_collected(out) -- which calls this again
  if not flushed and not out.blocked then
    close(ipc)
  end
end

-- Reading -------------------------------------------------------------------------------

-- Sets how much more is read: nothing from a peer that does not read our answers, and
-- only as much as may be kept while there is no listener.
local function update_room(ipc)
  local room = outgoing.is_choked(ipc.out) and 0 or inbox.room(ipc.inbox)
  if room ~= ipc.room and not ipc.closed then
    ipc.room = room
    ipc.handle:allow(room)
  end
end

-- The protocol of handles, loaded with the first handle or the first message about one.
local function handles_of(ipc)
  if not ipc.handles then
    ipc.handles = load_handles()
    ipc.passing = ipc.handles.new(ipc.out)
  end
  return ipc.handles
end

-- A message that came with a handle can be internal itself.
local function deliver_handle(ipc, message, arrived)
  local owner = ipc.owner
  if not is_internal(message) then
    inbox.deliver_handle(ipc.inbox, message, arrived)
    if ipc.ended then
      inbox.close_handles(ipc.inbox)
    end
  elseif owner:listenerCount 'internalMessage' > 0 then
    owner:emit('internalMessage', message, arrived:rebuild())
  else
    arrived:discard()
  end
end

-- Over a launcher no handle can come, and programs in between may keep the end of either
-- side to themselves while anything else of it is open.
local FAREWELL = 'NODE_CHANNEL_FAREWELL'

local function say_farewell(ipc)
  if ipc.is_far and not ipc.out.shut then
    outgoing.answer(ipc.out, { cmd = FAREWELL })
  end
end

local function on_far_internal(ipc, message)
  if message.cmd == FAREWELL then
    close(ipc)
  else
    ipc.owner:emit('internalMessage', message)
  end
end

local function on_internal(ipc, message)
  local ok, handles = pcall(handles_of, ipc)
  if not ok then -- no descriptor was left to load it
    return break_off(ipc, errors.new('Error', nil, tostring(handles)))
  end
  local arrived = handles.on_internal(ipc.passing, message)
  if arrived then
    deliver_handle(ipc, message.msg, arrived)
  end
  update_room(ipc)
  ipc.owner:emit('internalMessage', message)
end

-- With a `problem` it is not a message.
local function on_frame(ipc, size, message, problem)
  if trace.on then
    trace.receive(ipc, size)
  end
  if problem then
    break_off(ipc, ipc.codec.invalid(problem))
  elseif is_internal(message) then
    (ipc.is_far and on_far_internal or on_internal)(ipc, message)
  elseif not deliver(ipc.inbox, message) then
    update_room(ipc)
  end
end

local function on_end(ipc, errno)
  if errno then
    break_off(ipc, errors.system(errno, 'read'))
  else
    close(ipc)
  end
end

local function on_written(ipc, ...)
  outgoing.written(ipc.out, ...)
end

local function begin(ipc, rest)
  local out = ipc.out
  ipc.handle:bind(ipc, on_frame, on_end, on_written)
  ipc.handle:set_framing(rest)
  out.handle:hold(false)
  outgoing.flush(out)
  ipc.greeting:begun()
end

-- The peer has to say hello first: other programs may write there, and read what is
-- written, before it.
local function on_banner(ipc, _, bytes)
  local rest = ipc.greeting:take(bytes)
  if rest then
    begin(ipc, rest)
  else
    ipc.greeting:pass_on()
  end
end

local function on_end_of_banner(ipc, errno)
  ipc.greeting:ended()
  on_end(ipc, errno)
end

-- Called when an event has gained or lost a listener.
methods[events.LISTENING] = function(self, name)
  local ipc = self._ipc
  if ipc and (name == 'message' or name == 'disconnect') then
    update_ref(ipc)
  end
  if ipc and name == 'message' then
    update_room(ipc)
    inbox.listening(ipc.inbox)
    if ipc.ended then
      inbox.close_handles(ipc.inbox)
    end
  end
end

-- Methods -------------------------------------------------------------------------------

local SENDABLE = { string = true, table = true, number = true, boolean = true }

local function refuse_message(message)
  if message == nil then
    error(errors.coded('ERR_MISSING_ARGS', 'message'), 0)
  elseif message ~= core.null then
    local expected = 'one of type string, table, number or boolean'
    error(errors.invalid_arg_type('message', expected, message), 0)
  end
end

local function check_options(options, callback)
  if options ~= nil and type(options) ~= 'table' then
    error(errors.invalid_arg_type('options', 'of type table', options), 0)
  elseif callback and type(callback) ~= 'function' then
    error(errors.invalid_arg_type('callback', 'of type function', callback), 0)
  end
end

-- As in Node, the callback may be any of the later arguments.
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
-- when the message is written or lost, and for one with a handle when the peer has taken
-- it, or could not (ERR_IPC_HANDLE_REFUSED).  On a closed channel the callback, or an
-- event `error`, gets ERR_IPC_CHANNEL_CLOSED.  Raises ERR_MISSING_ARGS,
-- ERR_INVALID_ARG_TYPE, ERR_INVALID_HANDLE_TYPE, and errors of the codec.
-- Node: subprocess.send.
function methods:send(message, handle, options, callback)
  errors.check_self(self, 'child:send(…)', 'send')
  if not SENDABLE[type(message)] then
    refuse_message(message)
  end
  if handle ~= nil or options ~= nil or callback ~= nil then
    handle, options, callback = sort_out(handle, options, callback)
    check_options(options, callback)
  end
  local ipc = self._ipc
  local out = ipc and ipc.out
  if not out or out.shut then
    outgoing.lose({ owner = self }, channel_closed(), callback)
    return false
  end
  if handle and handle ~= 0 and handle ~= '' then
    if ipc.is_far then
      error(errors.coded 'ERR_INVALID_HANDLE_TYPE', 0)
    end
    return handles_of(ipc).send(ipc.passing, message, handle, options or {}, callback)
  end
  return send(out, message, callback)
end

--- owner:disconnect(): closes the channel when all messages sent before are written; then
-- emits `disconnect`.  On a closed channel it emits `error`, ERR_IPC_DISCONNECTED.
-- Node: subprocess.disconnect.
function methods:disconnect()
  errors.check_self(self, 'child:disconnect(…)', 'send')
  local ipc = self._ipc
  if not self.connected then
    self:emit('error', errors.coded 'ERR_IPC_DISCONNECTED')
    return
  end
  say_farewell(ipc)
  self.connected, ipc.disconnecting = false, true
  outgoing.shut(ipc.out)
  inbox.shut(ipc.inbox)
  update_room(ipc)
  outgoing.flush(ipc.out)
  if not ipc.closed then
    -- as in Node, `channel` stays while something is still to be sent
    return
  end
  self.channel = nil
end

--- channel.open(owner, handle, codec, options): makes `owner` one end of a channel.
-- @param handle core.channel: owned from now on
-- @param codec table: of ipc/json.lua or ipc/advanced.lua
-- @param options table: `count_listeners`: only listeners for `message` and `disconnect`
--   keep the loop alive; `on_closed(owner)`: called after `disconnect`.
--   Over a launcher: `writer`: another core.channel, for the other direction; `greeting`:
--   what waits for the peer's hello: `take(bytes)` is given all that comes and returns
--   how many bytes come after the hello, or nil; then `pass_on()`, or `begun()` when the
--   channel is open; `ended()`: it can never come
function M.open(owner, handle, codec, options)
  local writer = options.writer or handle
  local control = setmetatable({ handle = handle }, Control)
  local ipc = {
    owner = owner,
    handle = handle,
    codec = codec,
    control = control,
    inbox = inbox.new(owner, handle, codec),
    count_listeners = options.count_listeners,
    on_closed = options.on_closed,
    is_far = options.writer ~= nil,
    greeting = options.greeting,
  }
  ipc.out = outgoing.new(owner, writer, codec, {
    on_blocked = function()
      control.blocked = ipc.out.blocked
      apply_ref(control)
      update_room(ipc)
    end,
    on_sent = function()
      close_if_flushed(ipc)
    end,
    on_failed = function(err)
      nextTick(break_off, ipc, err)
    end,
  })
  owner._ipc = ipc
  owner.channel, owner.connected = control, true
  owner.send = outgoing.method(ipc.out, owner, methods.send)
  if trace.on then
    trace.connect(ipc)
  end
  update_ref(ipc)
  update_room(ipc)
  writer:bind(ipc, on_frame, on_end, on_written)
  if options.greeting then
    writer:hold(true)
    handle:bind(ipc, on_banner, on_end_of_banner, on_written)
  elseif writer ~= handle then
    handle:bind(ipc, on_frame, on_end, on_written)
  end
  local _, errno = handle:read_start()
  if errno then
    nextTick(break_off, ipc, errors.system(errno, 'read'))
  end
end

--- channel.send_encoded(owner, payload): sends a message that the codec has encoded; on a
-- closed channel it does nothing.
function M.send_encoded(owner, payload)
  local out = owner._ipc.out
  if not out.shut then
    outgoing.send_payload(out, payload)
  end
end

--- channel.widen(owner): more of what is sent leaves in one go, and send() returns false
-- later.
function M.widen(owner)
  local ipc = owner._ipc
  if ipc and not ipc.closed then
    ipc.out.handle:widen()
  end
end

--- channel.push(owner) -> boolean: gives everything queued to the socket now; false if
-- that does not take all of it yet.
function M.push(owner)
  local out = owner._ipc.out
  outgoing.flush_collected(out)
  return not out.blocked
end

--- channel.when_written(owner, fn): after push() has returned false: calls `fn` when
-- everything queued has been written, or never will be.
function M.when_written(owner, fn)
  outgoing.when_sent(owner._ipc.out, fn)
end

--- channel.exists(owner) -> boolean: it has one, open or closed.
function M.exists(owner)
  return owner._ipc ~= nil
end

--- channel.drain(owner): delivers immediately everything the peer sent before it ended,
-- and its end.
function M.drain(owner)
  local ipc = owner._ipc
  if ipc and not ipc.closed then
    ipc.handle:read_now()
  end
  if ipc and ipc.closed then
    announce_disconnect(owner)
  end
end

--- channel.shut(owner): closes it, whatever is still to be sent.
function M.shut(owner)
  close(owner._ipc)
end

--- channel.ended(owner): the peer is gone, or has closed the channel.  Untaken handles
-- are closed, and those of a truncated message: one of them may be the other end of the
-- channel, and keep it open.
function M.ended(owner)
  local ipc = owner._ipc
  if ipc then
    ipc.ended = true
    ipc.handle:drop_arrived()
    inbox.close_handles(ipc.inbox)
  end
end

--- channel.flush(owner, ms): waits until everything is written, for a process that ends,
-- as long as the peer takes some bytes every `ms` milliseconds.
function M.flush(owner, ms)
  local ipc = owner._ipc
  if ipc and not ipc.closed then
    say_farewell(ipc)
    outgoing.send_all(ipc.out)
    ipc.out.handle:flush_blocking(ms)
  end
end

return M
