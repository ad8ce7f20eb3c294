--- Workers that a launcher starts: programs that stand in the spec itself.
local t = require 'spec.helper'

local M = {}

--- Forks a program given as text, whose arguments are in `...`, by a launcher.
-- @param options table|nil: of cp.fork
function M.fork(launcher, code, options, ...)
  local all = { launcher = launcher, execPath = t.lua_exe }
  for name, value in pairs(options or {}) do
    all[name] = value
  end
  return t.cp.fork(t.fixture 'program.lua', { code, ... }, all)
end

return M
