--- The steps that must still happen when a listener raises.
--
-- An error in a listener propagates to the loop's gate, and the remaining steps of the
-- code that called the listener are lost.  A guard is a to-be-closed value that runs them
-- on the next tick:
--
--   local _ <close> = guard.new(self, rest)
--   self:emit('end')
--   rest(self)
--
-- Nothing is caught, so the traceback is the listener's.
local loop = require 'child_process.loop'

local M = {}

local Guard = {}

function Guard.__close(guard, err)
  if err ~= nil then
    loop.nextTick(guard.rest, guard.subject)
  end
end

--- guard.new(subject, rest) -> to-be-closed value: `rest(subject)` runs on the next tick
-- if an error leaves its scope; `rest` must find out which steps remain.
function M.new(subject, rest)
  return setmetatable({ subject = subject, rest = rest }, Guard)
end

return M
