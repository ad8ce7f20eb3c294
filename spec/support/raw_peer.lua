--- A child that sends what no program of ours would: bytes, and descriptors of any kind.
--
--   local peer = raw_peer.spawn { serialization = 'json' }
--   peer:attach 'open 0 /dev/null':handle { type = 'lua.Fd', msg = 1 }:receive()
--   peer.child:on('message', …)
--   peer:finish()
--
-- It does in order what spec/host/raw_peer.c is told, and ends after finish().
local core = require 'child_process.core'
local t = require 'spec.helper'

local M = {}

local Peer = {}
Peer.__index = Peer

local function hex(bytes)
  return (bytes:gsub('.', function(c)
    return ('%02x'):format(c:byte())
  end))
end

--- raw_peer.frame(payload, serialization) -> the bytes of a frame.
function M.frame(payload, serialization)
  return serialization == 'advanced' and string.pack('>s4', payload) or payload .. '\n'
end

--- raw_peer.encode(message, serialization) -> the bytes of a message's frame.
function M.encode(message, serialization)
  local payload = assert(core.codec_encode(serialization or 'json', message))
  return M.frame(payload, serialization)
end

--- raw_peer.spawn([options]) -> Peer: `child` is the ChildProcess, `answers()` all it has
-- received, `serialization` what its frames are in.
function M.spawn(options)
  options = options or {}
  options.stdio = { 'pipe', 'pipe', 'inherit', 'ipc' }
  local child = t.cp.spawn(t.built 'raw_peer', options)
  return setmetatable({
    child = child,
    answers = t.collect(child.stdout),
    serialization = options.serialization or 'json',
  }, Peer)
end

--- raw_peer.parent(code, serialization) -> Peer: the same as the parent of a program that
-- has this module; `answers()` is what that has printed, and what it has sent.
function M.parent(code, serialization)
  local exe, args = t.lua(code)
  table.insert(args, 1, exe)
  local env = { PATH = os.getenv 'PATH', NODE_CHANNEL_SERIALIZATION_MODE = serialization }
  local options = { stdio = { 'pipe', 'pipe', 'inherit' }, env = env }
  local child = t.cp.spawn(t.built 'raw_peer', args, options)
  local answers = t.collect(child.stdout)
  return setmetatable(
    { child = child, answers = answers, serialization = serialization },
    Peer
  )
end

--- peer:tell(command) -> peer
function Peer:tell(command)
  self.child.stdin:write(command .. '\n')
  return self
end

--- peer:attach(kind) -> peer: a descriptor for the next bytes.
function Peer:attach(kind)
  return self:tell('attach ' .. kind)
end

--- peer:bytes(bytes [, times]) -> peer
function Peer:bytes(bytes, times)
  return self:tell(('%s %s'):format(times and 'times ' .. times or 'send', hex(bytes)))
end

--- peer:message(message [, times]) -> peer: as a frame.
function Peer:message(message, times)
  return self:bytes(M.encode(message, self.serialization), times)
end

--- peer:handle(fields) -> peer: a message NODE_HANDLE with these fields.
function Peer:handle(fields)
  local message = { cmd = 'NODE_HANDLE' }
  for key, value in pairs(fields) do
    message[key] = value
  end
  return self:message(message)
end

--- peer:on_held(fn) -> peer: `fn(bytes)` is called when what is sent many times is not
-- taken for a while, with what was taken before.
function Peer:on_held(fn)
  t.on_line(self.child.stdout, function(line)
    local bytes = line:match '^held (%d+)$'
    if bytes then
      fn(math.tointeger(bytes))
    end
  end)
  return self
end

--- peer:receive([bytes]) -> peer: waits for an answer, or for so many bytes.
function Peer:receive(bytes)
  return self:tell('receive ' .. (bytes or ''))
end

--- peer:finish() -> peer: it ends when it has done what it was told.
function Peer:finish()
  self.child.stdin:finish()
  return self
end

return M
