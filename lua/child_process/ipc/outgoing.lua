--- The messages that one end of a channel has to send, in order.
--
-- A message is `held back` while an earlier handle waits for its acknowledgement, then
-- queued in the core (csrc/channel_out.c), which sends it immediately or at the end of
-- the turn, then `blocked` while the socket takes no more, then sent: its callback runs.
-- The callback of a handle runs when the peer has it.  Our own answers are never held
-- back, so that two peers passing handles to each other cannot deadlock.
--
-- A message that comes alone goes from the user to the core without us, while nothing
-- has to be refused or held back: see outgoing.method.
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'
local shortage = require 'child_process.shortage'
local trace = require 'child_process.trace'

local M = {}

local nextTick = loop.nextTick

local MAX_RETRIES = 10 -- for a handle that the peer could not take

local BACKLOG = 128 * 1024 -- bytes from which send() returns false, as in Node

-- The most bytes of answers queued for a peer that asks but does not read.
local MOST_ANSWERS = 1024 * 1024

-- The core queues a message without us unless it has to be refused, or held back.
local function update_admission(out)
  out.handle:admit(not out.shut and not out.unanswered)
end

--- outgoing.new(owner, handle, codec, hooks) -> the state, which all functions below
-- take.
-- @param owner table: emits `drain`, and `error` for messages lost without a callback
-- @param handle core.channel
-- @param hooks table: `on_blocked()`, when `blocked` has changed; `on_sent()`, whenever
--   bytes have been sent; `on_failed(err)`, when no more can be sent to a living peer
function M.new(owner, handle, codec, hooks)
  local out = {
    owner = owner,
    handle = handle,
    codec = codec,
    on_blocked = hooks.on_blocked,
    on_sent = hooks.on_sent,
    on_failed = hooks.on_failed,
    waiting = {}, -- first .. last: { at = bytes sent by then, fn = callback }
    first = 1,
    last = 0,
    sent = 0, -- total bytes
    answers = 0, -- bytes of answers since the queue was last empty
    blocked = false, -- the socket takes no more
    shut = false, -- nothing more is accepted: we have disconnected, or the peer is gone
    need_drain = false, -- send() has returned false
    unanswered = nil, -- the entry whose handle waits for the peer
    held_back = { first = 1, last = 0 }, -- the entries behind it
  }
  update_admission(out)
  return out
end

--- outgoing.shut(out): nothing more is accepted.
function M.shut(out)
  out.shut = true
  update_admission(out)
end

local function set_unanswered(out, entry)
  out.unanswered = entry
  update_admission(out)
end

-- Sent messages -------------------------------------------------------------------------

local function run_callbacks(out, sent)
  local waiting = out.waiting
  while out.first <= out.last and waiting[out.first].at <= sent do
    local entry = waiting[out.first]
    waiting[out.first] = nil
    out.first = out.first + 1
    nextTick(entry.fn, nil)
  end
end

local function fail_callbacks(out, err)
  for i = out.first, out.last do
    nextTick(out.waiting[i].fn, err)
  end
  out.waiting, out.first, out.last = {}, 1, 0
end

local function set_blocked(out, blocked)
  if out.blocked ~= blocked then
    out.blocked = blocked
    out.on_blocked()
  end
end

local function sent_up_to(out, sent, unsent)
  out.sent = sent
  run_callbacks(out, sent)
  if unsent == 0 then
    out.answers = 0
  end
  set_blocked(out, unsent > 0)
  if not out.blocked and out.need_drain then
    out.need_drain = false
    nextTick(out.owner.emit, out.owner, 'drain')
  end
  out.on_sent()
end

local GONE = { EPIPE = true, ECONNRESET = true, ENOTCONN = true }

-- A peer that is gone may have sent messages before: they are still read, and then its
-- end is reported.  One that is there waits for the rest of what we could not write.
local function write_failed(out, errno)
  local err = errors.system(errno, 'write')
  M.shut(out)
  out.answers = 0
  set_blocked(out, false)
  fail_callbacks(out, errors.coded 'ERR_IPC_CHANNEL_CLOSED')
  if GONE[err.code] then
    out.on_sent()
  else
    out.on_failed(err)
  end
end

--- outgoing.flush(out): gives the queue to the socket.
function M.flush(out)
  local sent, unsent = out.handle:flush()
  if sent then
    sent_up_to(out, sent, unsent)
  else
    write_failed(out, unsent) -- which is the errno
  end
end

--- outgoing.flush_collected(out) -> boolean: the same, if it is to be done at the end of
-- this turn; whether it was.
function M.flush_collected(out)
  local collecting = out.handle:collecting()
  if collecting then
    M.flush(out)
  end
  return collecting
end

--- outgoing.written(out, sent, unsent, errno): the core has sent more.
function M.written(out, sent, unsent, errno)
  if errno then
    write_failed(out, errno)
  else
    sent_up_to(out, sent, unsent)
  end
end

--- outgoing.lose(out, err, callback): a message will never be sent.
function M.lose(out, err, callback)
  if trace.on then
    trace.lost(out, err)
  end
  nextTick(callback or function()
    out.owner:emit('error', err)
  end, err)
end

-- Queueing ------------------------------------------------------------------------------

-- The first message of a turn is sent immediately; later ones of the same turn together
-- at its end, unless they are large or the turn is long: the core says what is `next`.
local function flush_in_time(out, total, unsent, next)
  if next == false then
    nextTick(M.flush_collected, out)
  elseif next and unsent == 0 then
    sent_up_to(out, total, unsent)
  elseif next then
    M.flush(out)
  end
end

-- After the core has taken a message of `size` bytes, see channel:queue().  Returns the
-- result of send(), and the error if it is lost.
local function queued(out, callback, total, unsent, next, size)
  if not total then
    local err = errors.system(unsent, 'write')
    M.lose(out, err, callback)
    return false, err
  elseif trace.on then
    trace.send(out, size, unsent)
  end
  if callback then
    out.last = out.last + 1
    out.waiting[out.last] = { at = total, fn = callback }
  end
  flush_in_time(out, total, unsent, next)
  local free = unsent < BACKLOG or not out.blocked
  out.need_drain = out.need_drain or not free
  return free
end

-- The same after channel:send(), with an errno or the codec's reason for refusing it.
local function written_or_refused(out, callback, total, unsent, ...)
  if not total and math.type(unsent) ~= 'integer' then
    out.codec.refuse(unsent)
  end
  return queued(out, callback, total, unsent, ...)
end

local function write_message(out, message, callback)
  if trace.on then
    trace.sending()
  end
  return written_or_refused(out, callback, out.handle:send(message))
end

--- outgoing.method(out, owner, send) -> function, the method `send` of the owner, in the
-- core: for a message alone and with nothing in its way it does the same as `send`, which
-- it calls for any other.
function M.method(out, owner, send)
  return out.handle:sender(owner, send, function(...)
    return (written_or_refused(out, nil, ...))
  end)
end

--- outgoing.answer(out, message): sends one of our own messages, before all that are held
-- back.
function M.answer(out, message)
  local before = out.handle:queued()
  write_message(out, message)
  if out.blocked then
    out.answers = out.answers + out.handle:queued() - before
  end
end

--- outgoing.is_choked(out) -> boolean: the peer asks but does not read the answers.
function M.is_choked(out)
  return out.answers > MOST_ANSWERS
end

-- In turn -------------------------------------------------------------------------------

-- An entry has `payload`, the encoded message, and `callback`; one with a handle also
-- `type`, `carried`, the object with its descriptor, `release()`, called when the peer
-- has it or never will, `at`, the total bytes sent by then, and `retries`.

local function trace_handle(out, entry, state)
  if trace.on then
    trace.handle(out, entry.type, state)
  end
end

local function let_go(entry)
  entry.carried:close()
  entry.release()
end

local function queue(out, entry)
  if trace.on then
    trace.sending()
  end
  local handle = out.handle
  return shortage.retry(handle.queue, handle, entry.payload, entry.carried)
end

local function send_carried(out, entry)
  local total, unsent, next, size = queue(out, entry)
  if not total then
    let_go(entry)
    return queued(out, entry.callback, nil, unsent)
  end
  entry.at = total
  set_unanswered(out, entry)
  trace_handle(out, entry, 'sent')
  return queued(out, nil, total, unsent, next, size)
end

local function send_now(out, entry)
  if entry.carried then
    return (send_carried(out, entry))
  end
  return (queued(out, entry.callback, queue(out, entry)))
end

local function hold_back(out, entry)
  local list = out.held_back
  list.last = list.last + 1
  list[list.last] = entry
  if entry.carried then
    trace_handle(out, entry, 'waiting')
  end
  return list.first == list.last
end

local function next_held_back(out)
  local list = out.held_back
  local entry = list[list.first]
  if entry then
    list[list.first] = nil
    list.first = list.first + 1
  end
  return entry
end

--- outgoing.send(out, message, callback) -> boolean: in its turn, see channel.lua.
function M.send(out, message, callback)
  if out.unanswered then
    local payload = out.codec.encode(message)
    return hold_back(out, { payload = payload, callback = callback })
  end
  return write_message(out, message, callback)
end

--- outgoing.send_payload(out, payload): the same for an encoded message, without a
-- callback.
function M.send_payload(out, payload)
  if out.unanswered then
    hold_back(out, { payload = payload })
    return
  end
  queued(out, nil, out.handle:queue(payload))
end

--- outgoing.send_entry(out, entry) -> boolean: the same for an encoded message.
function M.send_entry(out, entry)
  return (out.unanswered and hold_back or send_now)(out, entry)
end

-- Sends the messages held back, up to the next handle.
local function go_on(out)
  local entry = not out.unanswered and next_held_back(out)
  while entry do
    send_now(out, entry)
    entry = not out.unanswered and next_held_back(out)
  end
  out.on_sent()
end

-- The peer has the pending handle or, with `err`, will never get it.
local function settle(out, state, err)
  local entry = out.unanswered
  set_unanswered(out, nil)
  trace_handle(out, entry, state)
  let_go(entry)
  if entry.callback then
    nextTick(entry.callback, err)
  end
end

--- outgoing.acknowledged(out): the peer has the pending handle.
function M.acknowledged(out)
  if out.unanswered then
    settle(out, 'acknowledged')
    go_on(out)
  end
end

-- It will not be sent again.
local function give_up(out, err)
  settle(out, 'refused', err)
  go_on(out)
end

local function resend(out, entry)
  local total, unsent, next, size = queue(out, entry)
  if not total then
    return give_up(out, errors.system(unsent, 'write'))
  end
  entry.at = total
  trace_handle(out, entry, 'refused')
  queued(out, nil, total, unsent, next, size)
end

--- outgoing.refused(out): the peer could not take it; it is sent again, up to ten times.
-- A refusal of a handle that has not been sent yet is ignored.
function M.refused(out)
  local entry = out.unanswered
  if not entry or entry.at > out.sent then
    return
  end
  entry.retries = (entry.retries or 0) + 1
  if entry.retries <= MAX_RETRIES then
    resend(out, entry)
  else
    give_up(out, errors.coded 'ERR_IPC_HANDLE_REFUSED')
  end
end

--- outgoing.when_sent(out, fn): while it is `blocked`: calls `fn` on a later tick, when
-- all that is queued has been sent, or with an error.
function M.when_sent(out, fn)
  out.last = out.last + 1
  out.waiting[out.last] = { at = out.handle:queued(), fn = fn }
end

--- outgoing.has_more(out) -> boolean: something is waiting for the peer's answer.
function M.has_more(out)
  return out.unanswered ~= nil or out.held_back.first <= out.held_back.last
end

--- outgoing.send_all(out): sends everything without waiting for answers, since this
-- process is about to end.
function M.send_all(out)
  while out.unanswered do
    let_go(out.unanswered)
    set_unanswered(out, nil)
    go_on(out)
  end
end

local function drop(entry, err)
  if entry.carried then
    let_go(entry)
  end
  if entry.callback then
    nextTick(entry.callback, err)
  end
end

--- outgoing.fail(out): the channel is closed, and all callbacks get an error, except that
-- of a handle sent and not refused, which counts as sent like any message.
function M.fail(out)
  M.shut(out)
  set_blocked(out, false)
  if out.first > out.last and not M.has_more(out) then
    return -- as mostly: the error, which records its place, is expensive
  end
  local err = errors.coded 'ERR_IPC_CHANNEL_CLOSED'
  local entry = out.unanswered
  set_unanswered(out, nil)
  fail_callbacks(out, err)
  if entry then
    local went = entry.at <= out.sent and not entry.retries
    drop(entry, not went and err or nil)
  end
  for held in next_held_back, out do
    drop(held, err)
  end
end

return M
