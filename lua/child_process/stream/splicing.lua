--- Bytes that only pass through, from one pipe of ours to another: the kernel moves them
-- (csrc/splice.c), and they never come here.
--
-- That is decided each time some have come, so whatever ends it (a listener, a write to
-- the destination, an encoding) need not know of it.
local core = require 'child_process.core'
local events = require 'child_process.events'
local readable = require 'child_process.stream.readable'
local writable = require 'child_process.stream.writable'

local has, sole, splice = events.has, events.sole, core.splice

local M = {}

-- Whether bytes go from the source as they come, and to this listener alone.
local function is_alone(src, listener)
  return sole(src, 'data') == listener
    and src.emit == events.methods.emit
    and src.readableFlowing
    and src.readableLength == 0
    and not (src._decoder or src._owed or src._shared or src._tapped)
    and not has(src, 'readable')
end

-- Whether a write would go into the pipe immediately.
local function is_idle(dest)
  return dest.write == writable.methods.write
    and type(dest._handle) == 'userdata'
    and dest.writableCorked == 0
    and not (dest._writing or dest.writableEnded or dest.errored)
end

--- splicing.is_possible(src, dest, listener) -> boolean: now.
-- @param listener function: of `src` for `data`, which writes to `dest`
function M.is_possible(src, dest, listener)
  return is_alone(src, listener) and is_idle(dest)
end

--- splicing.move(src, dest) -> how many bytes it has moved | false: `dest` is full, which
-- it says by `drain`, and `src` is not read meanwhile | nil: it cannot be done
function M.move(src, dest)
  local moved = splice(src._handle, dest._handle)
  if moved then
    src.bytesRead = src.bytesRead + moved
    dest.bytesWritten = dest.bytesWritten + moved
  elseif moved == false then
    readable.stop(src)
    writable.await_room(dest)
  end
  return moved
end

return M
