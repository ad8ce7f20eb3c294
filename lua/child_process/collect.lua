--- Collects the output of a stream, up to a limit.
--
-- The limit counts received bytes, whatever the stream's encoding makes of them; a
-- character is never cut.  (Node counts bytes and cuts characters.)
local core = require 'child_process.core'

local M = {}

-- Texts ---------------------------------------------------------------------------------

-- For each encoding: how many bytes came in as `chunk`, and the part of it that `room`
-- bytes make.

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

-- The encoding may change at any time, since the user has the stream as well.
local function add(self, stream, chunk)
  local unit = units[stream.readableEncoding] or units.buffer
  local size = unit.size(chunk)
  if size <= self.room then
    self.room = self.room - size
    self.chunks:append(chunk)
    return
  end
  self.chunks:append(unit.cut(chunk, self.room))
  self.room = 0
  self.lost = self.on_overflow()
end

--- collect.new(stream, limit, on_overflow) -> collector: `chunks`, the queue (see
-- csrc/chunks.c) of collected text; `lost`, an error value once there was too much.
-- @param stream Readable|nil: with nil the text stays empty
-- @param limit number: bytes, math.huge for none
-- @param on_overflow function: called with the truncated text when there was more than
-- `limit`;
--   returns the error
function M.new(stream, limit, on_overflow)
  local self = { chunks = core.chunks(), room = limit, on_overflow = on_overflow }
  if stream then
    stream:on('data', function(chunk)
      add(self, stream, chunk)
    end)
  end
  return setmetatable(self, Collector)
end

--- collector:text() -> string: everything collected and not taken; it stays in the queue.
function Collector:text()
  local text = self.chunks:take()
  self.chunks:append(text)
  return text
end

return M
