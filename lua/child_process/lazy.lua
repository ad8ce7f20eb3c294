--- Modules that not every process needs: loaded when they are first used, so that a
-- forked child starts quickly.
local M = {}

--- lazy.load(name) -> function that returns the module.  Loading takes a descriptor, and
-- garbage may hold them all.
function M.load(name)
  return function()
    local ok, module = pcall(require, name)
    if not ok then
      collectgarbage()
      module = require(name)
    end
    return module
  end
end

return M
