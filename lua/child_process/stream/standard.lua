--- The standard streams of this process, over descriptors that belong to the host.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'
local shortage = require 'child_process.shortage'
local stream = require 'child_process.stream'

local M = {}

-- stdout:destroy([err]): only emits `error(err)` and `close`: other code writes there as
-- well, so it remains writable, even after a failed write.
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
-- Bytes on stdin may be for a child that shares it, or for the program's own io.read, so
-- nothing is read before it is requested.  Raises a system error.
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
