--- The standard streams of this process, over descriptors that stay the host's.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'
local shortage = require 'child_process.shortage'
local stream = require 'child_process.stream'

local M = {}

-- stdout:destroy([err]): emits `error(err)` and `close` and does no more: others write
-- there, too, so it can be written as before, also after a write that failed.
-- Node: process.stdout, "A note on process I/O".
local function outlive_destroy(s, err)
  s.errored, s.writable = nil, not s.writableEnded
  if err then
    loop.nextTick(s.emit, s, 'error', err)
  end
  loop.nextTick(s.emit, s, 'close', err ~= nil)
  return s
end

--- standard.open(fd) -> Stream over descriptor 0, 1 or 2.
--
-- What comes by stdin may be for a child that has it, too, or for the program's own
-- io.read: nothing is read before somebody asks.  Raises a system error.
function M.open(fd)
  local handle, errno = shortage.retry(core.standard_stream, fd)
  if not handle then
    error(errors.system(errno, 'open'), 4)
  end
  local sides = { readable = fd == 0, writable = fd ~= 0 }
  sides.manualStart, sides.shared = true, true
  sides.standard = true -- pipe() does not finish it
  local s = stream.new(handle, sides)
  s.fd, s.isTTY = fd, core.isatty(fd)
  if sides.writable then
    s.destroy = outlive_destroy
  end
  return s
end

return M
