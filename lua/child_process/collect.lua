--- Collects what a stream gives, up to a limit: for exec, and for waiting.
--
-- The limit counts what came from the other side, in bytes, whatever a stream's encoding
-- makes of them; a character is never cut.  Beyond Node, which counts bytes and cuts
-- characters.
local ending = require 'child_process.ending'
local errors = require 'child_process.errors'

local M = {}

-- Texts ---------------------------------------------------------------------------------

-- Each encoding: how many bytes came in as `chunk`, and what of it `room` bytes make.

local units = {}

units.utf8 = {
  size = function(chunk)
    return #chunk
  end,
  cut = function(chunk, room)
    while room > 0 and (chunk:byte(room + 1) or 0) & 0xC0 == 0x80 do
      room = room - 1
    end
    return chunk:sub(1, room)
  end,
}

units.ascii = units.utf8

units.latin1 = {
  size = function(chunk)
    return utf8.len(chunk) or #chunk
  end,
  cut = function(chunk, room)
    return chunk:sub(1, utf8.offset(chunk, room + 1) - 1)
  end,
}

-- Characters beyond U+FFFF, four bytes in UTF-8, are four bytes in UTF-16 as well.
units.utf16le = {
  size = function(chunk)
    local bytes = 0
    for char in chunk:gmatch(utf8.charpattern) do
      bytes = bytes + (#char == 4 and 4 or 2)
    end
    return bytes
  end,
  cut = function(chunk, room)
    local stop = 0
    for char in chunk:gmatch(utf8.charpattern) do
      room = room - (#char == 4 and 4 or 2)
      if room < 0 then
        break
      end
      stop = stop + #char
    end
    return chunk:sub(1, stop)
  end,
}

units.hex = {
  size = function(chunk)
    return #chunk // 2
  end,
  cut = function(chunk, room)
    return chunk:sub(1, room * 2)
  end,
}

-- Three bytes are four characters; a group is not cut.
units.base64 = {
  size = function(chunk)
    return #chunk:gsub('=+$', '') * 3 // 4
  end,
  cut = function(chunk, room)
    return chunk:sub(1, room // 3 * 4)
  end,
}

units.base64url = units.base64

units.buffer = {
  size = function(chunk)
    return #chunk
  end,
  cut = function(chunk, room)
    return chunk:sub(1, room)
  end,
}

-- Collectors ----------------------------------------------------------------------------

local Collector = { __name = 'child_process.Collector' }
Collector.__index = Collector

-- The encoding may change at any time: the stream is the user's as well.
local function add(self, stream, chunk)
  local unit = units[stream.readableEncoding] or units.buffer
  local size = unit.size(chunk)
  if size <= self.room then
    self.room = self.room - size
    self.chunks[#self.chunks + 1] = chunk
    return
  end
  self.chunks[#self.chunks + 1] = unit.cut(chunk, self.room)
  self.room = 0
  self.on_overflow()
end

--- collect.new(stream, limit, on_overflow) -> collector.
-- @param stream Readable|nil: with nil the text stays empty
-- @param limit number: bytes, math.huge for none
-- @param on_overflow function: called when more than `limit` came, with the text cut
function M.new(stream, limit, on_overflow)
  local self = { chunks = {}, room = limit, on_overflow = on_overflow }
  if stream then
    stream:on('data', function(chunk)
      add(self, stream, chunk)
    end)
  end
  return setmetatable(self, Collector)
end

--- collector:text() -> string: all that came and was not taken.
function Collector:text()
  local text = table.concat(self.chunks)
  self.chunks = { text }
  return text
end

--- collector:take(delim, at_end) -> string|nil: up to the first `delim`, and with it; at
-- the end what is left, if anything is.
function Collector:take(delim, at_end)
  local text = self:text()
  local _, last = nil, at_end and #text or nil
  if delim then
    _, last = text:find(delim, 1, true)
    last = last or at_end and #text or nil
  end
  if last and last > 0 then
    self.chunks = { text:sub(last + 1) }
    return text:sub(1, last)
  end
end

-- Output that nobody reads --------------------------------------------------------------

-- More of it is not kept when nobody has asked for it yet.
local KEEP = 1024 * 1024

local function overflow(child, name)
  return function()
    local err = errors.coded('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', name)
    ending.by(child, 'maxBuffer', err)
  end
end

local function ignore() end

-- True if nobody listens to it and it does not flow anywhere.
-- What is lent is read by another child.
local function is_unread(stream)
  return not stream.readableFlowing
    and not stream:_is_lent()
    and stream:listenerCount 'data' == 0
    and stream:listenerCount 'readable' == 0
end

-- From now on the stream flows, and lines are read from what is kept (lines.lua).
local function keep(stream, limit, on_overflow)
  stream._kept = M.new(stream, limit, on_overflow)
  stream:resume()
  return stream._kept
end

-- What somebody reads by lines is theirs, even if they do not wait at the moment.
local function take_over(child, stream, name, limit)
  if stream._line_reader then
    keep(stream, limit, ignore)
  else
    local on_overflow = child._max_buffer and overflow(child, name) or ignore
    child._collected = child._collected or {}
    child._collected[name] = keep(stream, limit, on_overflow)
  end
end

--- collect.unread(child): collects stdout and stderr where nobody else reads them, up to
-- the child's `maxBuffer`; an overflow ends the child.
function M.unread(child)
  for _, name in ipairs { 'stdout', 'stderr' } do
    local stream = child[name]
    if stream and not stream._kept and is_unread(stream) then
      take_over(child, stream, name, child._max_buffer or math.huge)
    end
  end
end

--- collect.run_out(child, stream): lets a stream of a child that has ended run out, so
-- that it closes.  What nobody has read so far is kept for those who ask later.
function M.run_out(child, stream)
  local name = stream == child.stdout and 'stdout' or stream == child.stderr and 'stderr'
  if not stream.readable then
    return
  elseif stream._line_readings then
    -- they read on; whoever is the last one calls this
    stream._run_out = function()
      M.run_out(child, stream)
    end
  elseif (name or stream._line_reader) and not stream._kept and is_unread(stream) then
    take_over(child, stream, name, child._max_buffer or KEEP)
  else
    stream:resume()
  end
end

return M
