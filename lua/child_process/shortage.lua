--- Retries when only garbage holds the descriptors: see csrc/shortage.h.
local core = require 'child_process.core'

local M = {}

local function again(fn, arguments, ...)
  local result, errno = ...
  if not result and core.shortage(errno) then
    return fn(table.unpack(arguments, 1, arguments.n))
  end
  return ...
end

--- shortage.retry(fn, …) -> the results of `fn(…)`, which returns nil and a negative
-- errno on failure: for lack of descriptors it is called once more, after a collection.
function M.retry(fn, ...)
  return again(fn, table.pack(...), fn(...))
end

return M
