--- What still has to happen when a listener raises.
--
-- An error in a listener leaves through the loop's gate, and whatever its caller had
-- left to do is lost.  A guard is a to-be-closed value that has the rest done on the
-- next tick:
--
--   local _ <close> = guard.new(self, rest)
--   self:emit('end')
--   rest(self)
--
-- The traceback stays that of the listener, and nothing is caught.
local loop = require 'child_process.loop'

local M = {}

local Guard = {}

function Guard.__close(guard, err)
  if err ~= nil then
    loop.nextTick(guard.rest, guard.subject)
  end
end

--- guard.new(subject, rest) -> to-be-closed value: `rest(subject)` runs on the next tick
-- if its scope is left by an error, so `rest` must find out by itself what is still to
-- be done.
function M.new(subject, rest)
  return setmetatable({ subject = subject, rest = rest }, Guard)
end

return M
