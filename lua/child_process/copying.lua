--- Copies a stream to our own standard error without blocking the loop: a terminal may be
-- stopped, and a pipe full.  The stream is not read meanwhile.
local core = require 'child_process.core'
local facts = require 'child_process.facts'

local M = {}

-- Fields: `source`; `sink` (csrc/sink.c), which has the rest of a chunk while `behind`;
-- `waiting`: what the source emits meanwhile, if somebody else resumes it;
-- `writableLength`: of both; `over`: the source is closed; `owner`: the child.
local Copy = { __name = 'child_process.Copy' }
Copy.__index = Copy

local function close_if_done(copy)
  if copy.over and not copy.behind then
    copy.sink:close()
  end
end

local function write(copy, bytes)
  copy.behind = copy.sink:write(bytes) == false
  copy.writableLength = copy.behind and #bytes or 0
  if copy.behind then
    copy.source:pause()
  end
end

-- Standard error may be closed or broken: that is nobody's error, and the source goes on.
local function on_written(copy)
  local bytes = copy.waiting
  copy.waiting, copy.behind, copy.writableLength = '', false, 0
  if bytes ~= '' then
    write(copy, bytes)
  end
  if not copy.behind then
    copy.source:resume()
  end
  close_if_done(copy)
end

local function on_data(copy, bytes)
  if copy.behind then
    copy.waiting = copy.waiting .. bytes
    copy.writableLength = copy.writableLength + #bytes
  else
    write(copy, bytes)
  end
end

facts.add(Copy, function(copy)
  return { reading = false, owner = copy.owner, name = 'stderr' }
end)

--- copying.to_stderr(source, child): `source` is a stream of the child's.
function M.to_stderr(source, child)
  local copy = { source = source, owner = child, waiting = '', writableLength = 0 }
  setmetatable(copy, Copy)
  copy.sink = core.sink(2)
  copy.sink:bind(copy, on_written)
  source:on('data', function(bytes)
    on_data(copy, bytes)
  end)
  source:on('close', function()
    copy.over = true
    close_if_done(copy)
  end)
end

return M
