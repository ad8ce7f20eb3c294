-- The protocol of handles, step by step: each byte of the input is a step, or chooses
-- what belongs to one.  The other side is written by hand, or is an end of ours too.
local ends = dofile(debug.getinfo(1, 'S').source:match '^@(.*/)' .. 'ends.lua')
local core = require 'child_process.core'
local sockets = require 'child_process.ipc.sockets'

local raw = ends.raw

local CMDS = {
  'NODE_HANDLE',
  'NODE_HANDLE',
  'NODE_HANDLE',
  'NODE_HANDLE_ACK',
  'NODE_HANDLE_NACK',
  'NODE_SOCKET_COUNT',
  'NODE_SOCKET_ALL_CLOSED',
  'NODE_SOCKET_GET_COUNT',
  'NODE_SOCKET_NOTIFY_CLOSE',
  'NODE_X',
  'NODE_',
}
local TYPES =
  { 'lua.Fd', 'lua.File', 'net.Socket', 'net.Server', 'dgram.Socket', 'x', 1, false, {} }
local MESSAGES =
  { 'text', false, {}, { cmd = 'NODE_HANDLE' }, { cmd = 'NODE_X' }, { cmd = 'NODE_' } }
local KEYS = { false, 'k', 'l', 5, {}, '' }
local SIDES = { false, 'readable', 'writable', 'x', 7 }
local UNREAD = { false, 'QUJD', '=', 5, {} }
local SOCKETS = { 'tcp', 'udp', 'datagram' }

-- A program of bytes; at its end there are only zeros.
local Input = {}
Input.__index = Input

function Input:more()
  return self.at <= #self.data
end

function Input:byte()
  local byte = self.data:byte(self.at) or 0
  self.at = self.at + 1
  return byte
end

function Input:pick(list)
  return list[self:byte() % #list + 1]
end

-- One side ------------------------------------------------------------------------------

local function new_side(fd, is_advanced)
  local side = { owner = ends.new(fd, is_advanced), sent = 0, heard = 0, last = 0 }
  side.expected, side.called, side.failed, side.asked = 0, 0, 0, 0
  function side.hear(message, handle)
    ends.use(handle)
    if type(message) == 'table' and math.type(message.n) == 'integer' then
      side.heard = side.heard + 1
      assert(message.n > side.last, 'out of order, or twice')
      side.last = message.n
    end
  end
  return side
end

local function listen(side, on)
  side.owner:removeAllListeners 'message'
  if on then
    side.owner:on('message', side.hear)
  end
end

local function send(side, handle)
  side.sent, side.expected = side.sent + 1, side.expected + 1
  side.owner:send({ n = side.sent }, handle, nil, function(err)
    side.called = side.called + 1
    side.failed = side.failed + (err and 1 or 0)
  end)
end

local function ask(side, close)
  local passing = side.owner._ipc.passing
  if passing then
    local list = sockets.sent(passing.lists, 'k')
    side.expected = side.expected + 1
    list[close and 'close' or 'getConnections'](list, function()
      side.called = side.called + 1
    end)
  end
end

-- By hand -------------------------------------------------------------------------------

local function descriptors(input, theirs)
  local list = {}
  for _ = 1, input:byte() % 4 do
    local kind = input:byte() % 6
    if kind == 0 then
      list[#list + 1] = theirs
    elseif kind == 1 then
      list[#list + 1], list[#list + 2] = raw.pair()
    elseif kind <= 4 then
      list[#list + 1] = raw.socket(SOCKETS[kind - 1])
    else
      list[#list + 1] = raw.open()
    end
  end
  return list
end

local function write_frame(input, theirs, is_advanced)
  local message = {
    cmd = input:pick(CMDS),
    type = input:pick(TYPES) or nil,
    msg = input:pick(MESSAGES),
    key = input:pick(KEYS) or nil,
    sides = input:pick(SIDES) or nil,
    unread = input:pick(UNREAD) or nil,
    count = input:byte() - 128,
  }
  local payload = core.codec_encode(is_advanced and 'advanced' or 'json', message)
  local frame = is_advanced and string.pack('>s4', payload) or payload .. '\n'
  local cut = input:byte() % 8 == 0 and #frame // 2 or #frame
  local list = descriptors(input, theirs)
  local gone = raw.send(theirs, frame:sub(1, cut), table.unpack(list))
  for _, fd in ipairs(list) do
    if fd ~= theirs then
      raw.close(fd)
    end
  end
  if gone == cut and cut < #frame then
    ends.turn()
    gone = gone + raw.send(theirs, frame:sub(cut + 1))
  end
  return gone == 0 or gone == #frame -- or the rest would be no frame
end

-- The rounds ----------------------------------------------------------------------------

local function step_of_ours(input, side, handle)
  local step = input:byte() % 8
  if step == 0 then
    send(side)
  elseif step <= 2 then
    send(side, handle)
  elseif step == 3 then
    listen(side, true)
  elseif step == 4 then
    listen(side, false)
  elseif step == 5 then
    ask(side, input:byte() & 1 == 1)
  else
    ends.turn(step - 5)
  end
end

local function finish(side)
  listen(side, true)
  ends.finish(side.owner)
  ends.turn(3)
  assert(side.called == side.expected, 'a callback is missing, or one too many')
end

local function by_hand(input, is_advanced, handle)
  local ours, theirs = raw.pair()
  local side, whole = new_side(ours, is_advanced), true
  while whole and input:more() do
    local step = input:byte() % 8
    if step <= 2 then
      whole = write_frame(input, theirs, is_advanced)
    elseif step == 3 then
      raw.receive(theirs)
    elseif step == 4 and input:byte() == 0 and side.owner.connected then
      side.owner:disconnect()
    else
      step_of_ours(input, side, handle)
    end
  end
  raw.shut(theirs)
  raw.receive(theirs)
  raw.close(theirs)
  finish(side)
end

-- Until nothing moves any more.
local function settle(a, b)
  local before
  repeat
    before = a.heard + b.heard + a.called + b.called
    ends.turn(20)
  until before == a.heard + b.heard + a.called + b.called
end

local function both_ours(input, is_advanced, handle)
  local first, second = raw.pair()
  local a, b = new_side(first, is_advanced), new_side(second, is_advanced)
  while input:more() do
    step_of_ours(input, input:byte() & 1 == 0 and a or b, handle)
  end
  listen(a, true)
  listen(b, true)
  settle(a, b)
  assert(
    a.heard == b.sent - b.failed and b.heard == a.sent - a.failed,
    'a message is lost'
  )
  a.owner:disconnect()
  finish(a)
  finish(b)
end

return ends.balance(function(data)
  local input = setmetatable({ data = data, at = 1 }, Input)
  local mode = input:byte()
  local file <close> = io.open '/dev/null'
  local run = mode & 2 == 0 and by_hand or both_ours
  run(input, mode & 1 == 1, file)
end)
