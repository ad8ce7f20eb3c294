--- Shell commands, so many at a time.
local cp = require 'child_process'

local M = {}

--- jobs.run(commands, limit, done): runs them all, at most `limit` at once, then calls
-- done(results), in the order of the commands: { ok, stdout }.
function M.run(commands, limit, done)
  local results, next_one, left = {}, 1, #commands
  local function start()
    local index = next_one
    if not commands[index] then
      return
    end
    next_one = index + 1
    cp.exec(commands[index], function(err, stdout)
      results[index] = { ok = err == nil, stdout = stdout }
      left = left - 1
      if left == 0 then
        return done(results)
      end
      start()
    end)
  end
  for _ = 1, limit do
    start()
  end
end

return M
