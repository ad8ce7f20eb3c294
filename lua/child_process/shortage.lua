--- Descriptors that only garbage holds are no shortage: see csrc/shortage.c.
local core = require 'child_process.core'

local M = {}

local function again(fn, arguments, ...)
  local result, errno = ...
  if not result and core.shortage(errno) then
    return fn(table.unpack(arguments, 1, arguments.n))
  end
  return ...
end

--- shortage.retry(fn, …) -> what `fn(…)` returns, which is nil and a negative errno when
-- it fails: called once more if it was for lack of descriptors, after a collection.
function M.retry(fn, ...)
  return again(fn, table.pack(...), fn(...))
end

return M
