--- cp.active: everything the loop may call back, and so may keep a program from ending.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local facts = require 'child_process.facts'
local loop = require 'child_process.loop'
local place = require 'child_process.place'
local show = require 'child_process.show'
local signals = require 'child_process.signals'
local trace = require 'child_process.trace'

local M = {}

-- Each kind of handle -> its entry: the fields of its type, and `text`, which says the
-- same to people.  `subject` is what the core knows about the handle's purpose.

local function address(at, port)
  return port and ('%s port %d'):format(at, port) or at
end

local STANDARD = { 'stdin', 'stdout', 'stderr' }

local function stdio_name(slot)
  return STANDARD[slot] or ('stdio[%d]'):format(slot)
end

local CHILD, STREAM = 'child_process.ChildProcess', 'child_process.core.Stream'
local CONNECTOR, SERVER = 'child_process.core.Connector', 'child_process.core.Server'
local SINK, UDP = 'child_process.core.Sink', 'child_process.core.Udp'

local function is_full(stream)
  return stream.readable
    and not facts.of(STREAM, stream).reading
    and stream.readableLength >= stream.readableHighWaterMark
end

-- The things a child may wait for: end of its input, room for its output.
local function hints_of(owner)
  local hints = {}
  if not owner.stdio then
    return hints -- called by a finalizer, in the middle of a start
  end
  if owner.pty then
    hints[1] = is_full(owner.pty) and 'nobody reads its pty' or nil
    return hints
  elseif owner.stdin and owner.stdin.writable then
    hints[1] = 'its stdin is open'
  end
  for slot = 1, owner.stdio.n do
    local stream = owner.stdio[slot]
    if stream and is_full(stream) then
      hints[#hints + 1] = ('nobody reads its %s'):format(stdio_name(slot))
    end
  end
  return hints
end

local function child(handle)
  local entry = { type = 'child', pid = handle.pid, hints = hints_of(handle) }
  entry.command = show.command(handle.spawnfile, handle.spawnargs)
  entry.text = ('child %s: %s'):format(entry.pid, entry.command)
  if entry.hints[1] then
    entry.text = ('%s (%s)'):format(entry.text, table.concat(entry.hints, ', '))
  end
  return entry
end

local function timer(handle, fn)
  local left, interval = core.timer_left(handle)
  local every = interval and (', every %d ms'):format(interval) or ''
  local text = ('timer: in %d ms%s, calls %s'):format(left, every, place.of(fn))
  local entry =
    { type = 'timer', left = left, interval = interval, callback = place.of(fn) }
  entry.text = text
  return entry
end

-- The stream's place among the descriptors of its child.
local function name_in(owner, stream)
  if stream == owner.pty then
    return 'pty'
  end
  for slot = 1, owner.stdio.n do
    if owner.stdio[slot] == stream then
      return stdio_name(slot)
    end
  end
end

local function of_child(entry, stream, known)
  local owner = known.owner
  -- a tee and its targets have names of their own
  entry.pid, entry.name = owner.pid, known.name or name_in(owner, stream)
  local text = ('%s of child %s'):format(entry.name, owner.pid)
  if facts.of(CHILD, owner).ended and entry.unwritten == 0 then
    -- the usual reason: a process that the child has started
    text = text .. ', which has ended: another process may have the other end open'
  end
  return text
end

local function between(stream)
  local there = address(stream.remoteAddress, stream.remotePort)
  local here = address(stream.localAddress, stream.localPort)
  if there and here then
    return ('from %s to %s'):format(here, there)
  end
  return 'local'
end

local function what_for(entry, stream, known)
  if known.owner then
    return of_child(entry, stream, known)
  elseif known.standard then
    entry.name = STANDARD[entry.fd + 1]
    return 'process.' .. entry.name
  end
  return between(stream)
end

local function stream_state(entry)
  local waits = entry.unwritten > 0 and (', %d bytes to write'):format(entry.unwritten)
  return (entry.reading and ', reading' or '') .. (waits or '')
end

local function describe_stream(class, handle, subject)
  local known = facts.of(class, subject)
  local entry = { fd = handle:fileno(), reading = known.reading }
  entry.type = subject.connecting ~= nil and 'socket' or 'stream'
  entry.unwritten = subject.writableLength
  local purpose = what_for(entry, subject, known)
  local text = ('%s fd %d: %s'):format(entry.type, entry.fd, purpose)
  entry.text = text .. stream_state(entry)
  return entry
end

local function stream(handle, subject)
  return describe_stream(STREAM, handle, subject)
end

local function sink(handle, subject)
  return describe_stream(SINK, handle, subject)
end

local function connector(_, socket)
  local known = facts.of(CONNECTOR, socket)
  local to = address(known.address, known.port)
  local text = 'socket: connecting to ' .. to
  return { type = 'socket', connecting = true, address = to, text = text }
end

local function server(handle, subject)
  local ok, found = pcall(subject.address, subject)
  local at = ok and found or nil
  if type(at) == 'table' then
    at = address(at.address, at.port)
  end
  local entry = { type = 'server', fd = handle:fileno(), address = at }
  entry.connections = facts.of(SERVER, subject).connections
  local text = 'server fd %d: listens on %s, %d connections'
  entry.text = text:format(entry.fd, at or '?', entry.connections)
  return entry
end

local function dgram(handle, socket)
  local fd = handle:fileno()
  local at, port = core.sockname(fd)
  local entry = { type = 'dgram', fd = fd, address = at and address(at, port) }
  entry.text = ('dgram fd %d: on %s'):format(fd, entry.address or '?')
  entry.unsent = facts.of(UDP, socket).unsent
  return entry
end

-- A peer that does not acknowledge a passed handle holds up all later messages.
local function channel(handle, ipc)
  if handle ~= ipc.handle then
    return nil -- the other direction, over a launcher
  end
  local out = ipc.out
  local held_back = out.held_back.last - out.held_back.first + 1
  local unanswered = out.unanswered and out.unanswered.type
  local unheard = ipc.inbox.last - ipc.inbox.first + 1
  local text = ('channel: to process %s'):format(trace.peer(ipc))
  if out.blocked then
    text = text .. ', the other side does not read'
  end
  if unanswered then
    local waits = ', %s not acknowledged, %d messages behind it'
    text = text .. waits:format(unanswered, held_back)
  end
  if unheard > 0 then
    text = ('%s, %d messages that nobody has listened for'):format(text, unheard)
  end
  return {
    type = 'channel',
    pid = trace.peer(ipc),
    blocked = out.blocked,
    unanswered = unanswered,
    heldBack = held_back,
    unheard = unheard,
    text = text,
  }
end

local function signal(_, signo)
  local name = signals.name(signo)
  return { type = 'signal', signal = name, text = 'signal: listens for ' .. name }
end

local function lookup(_, host)
  return { type = 'lookup', host = host, text = 'lookup: of ' .. host }
end

local kinds = {
  [CHILD] = child,
  ['child_process.Timer'] = timer,
  [STREAM] = stream,
  [SINK] = sink,
  ['child_process.core.Channel'] = channel,
  [SERVER] = server,
  [CONNECTOR] = connector,
  [UDP] = dgram,
  ['child_process.core.SignalWatch'] = signal,
  ['child_process.core.Lookup'] = lookup,
}

-- The list ------------------------------------------------------------------------------

local Entry = { __name = 'child_process.Active' }

function Entry.__tostring(entry)
  local idle = entry.ref and '' or ' (does not keep the loop alive)'
  return entry.text .. (entry.at and ', at ' .. entry.at or '') .. idle
end

local List = { __name = 'child_process.ActiveList' }

function List.__tostring(list)
  local lines = {}
  for i, entry in ipairs(list) do
    lines[i] = tostring(entry)
  end
  return #lines > 0 and table.concat(lines, '\n') or 'nothing'
end

-- A child's streams were made where the child was.
local function origin(found)
  local owner = found.class == STREAM and facts.of(STREAM, found.subject).owner
  return trace.origins[owner or found.handle]
end

-- Entries that are not handles of the core.
local function add_waiting(list)
  local ticks, immediates = loop.waiting()
  for _, waiting in ipairs(immediates) do
    local entry = { type = 'immediate', ref = waiting.refed }
    entry.callback = place.of(waiting.fn)
    entry.text = 'immediate: calls ' .. entry.callback
    list[#list + 1] = setmetatable(entry, Entry)
  end
  if ticks > 0 then
    local text = ('tick: %d functions run next'):format(ticks)
    list[#list + 1] =
      setmetatable({ type = 'tick', ref = true, count = ticks, text = text }, Entry)
  end
end

-- The calls that wait for these.
local function add_waits(list)
  local waits = {}
  for wait in pairs(trace.waiting) do
    waits[#waits + 1] = wait
  end
  table.sort(waits, function(one, other)
    return one.number < other.number
  end)
  for _, wait in ipairs(waits) do
    local text = 'wait: in ' .. wait.what
    local entry =
      { type = 'wait', ref = false, what = wait.what, at = wait.at, text = text }
    list[#list + 1] = setmetatable(entry, Entry)
  end
end

--- cp.active() -> array of the things the loop waits for, oldest first.
--
-- Each entry has `type`, `ref` (boolean: it keeps the loop alive), `text` (a summary for
-- people), `at` (`file:line` where it was made, if that was while cp.debug was on), and
-- by type:
--
--   child            pid, command, hints (array of texts: what it may wait for)
--   stream           fd, reading, unwritten (bytes); name (e.g. stdout), pid of its child
--   socket           the same; or connecting and address
--   server           fd, address, connections
--   dgram            fd, address, unsent (datagrams)
--   channel          pid of the peer, blocked (it does not read), unanswered (type
--                    of a handle that it has not acknowledged), heldBack (messages
--                    behind it), unheard (its messages without a listener)
--   timer            left (ms), interval (ms), callback (`file:line` of its function)
--   immediate        callback
--   tick             count: of all waiting ticks
--   signal           signal
--   lookup           host
--   wait             what: of a coroutine, or the program, that waits in a call like
--                    child:wait(); only such as began while cp.debug was on
--
-- `tostring` of the array is one line for each entry.  Without an entry that has `ref`,
-- cp.run() would return.  Not included: a host's own handles on its loop, and an
-- abandoned lookup, which continues until the resolver answers.
function M.active()
  local list, found = setmetatable({}, List), core.handles()
  for i = #found, 1, -1 do
    local known = found[i]
    local entry = kinds[known.class](known.handle, known.subject)
    if entry then
      entry.text = errors.escaped(entry.text)
      entry.ref, entry.at = known.ref, origin(known)
      list[#list + 1] = setmetatable(entry, Entry)
    end
  end
  add_waiting(list)
  add_waits(list)
  return list
end

return M
