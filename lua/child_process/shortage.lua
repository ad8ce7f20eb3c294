--- Descriptors that are only held by garbage are no shortage.
--
-- Dropped streams, sockets, files and passed handles close when they are collected, and
-- the collector looks at memory alone: a program may be at its limit of descriptors with
-- none of them in use.
local core = require 'child_process.core'

local M = {}

local SHORT = { EMFILE = true, ENFILE = true }

--- shortage.is(errno) -> boolean: it says that there are no descriptors left.
function M.is(errno)
  return errno ~= nil and SHORT[core.errname(errno)] == true
end

local function again(fn, arguments, ...)
  local result, errno = ...
  if not result and M.is(errno) then
    collectgarbage()
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
