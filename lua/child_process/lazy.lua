--- Modules that not every process needs: loaded when they are first used, so that a
-- forked child starts quickly.
local M = {}

--- lazy.load(name) -> function that returns the module.
function M.load(name)
  return function()
    return require(name)
  end
end

return M
