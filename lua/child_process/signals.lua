--- Signals by name and number.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local lazy = require 'child_process.lazy'

local nearest = lazy.module 'child_process.nearest'

local M = {}

-- number -> name; where there are several, the first by the alphabet, which is the usual
-- one (SIGABRT, SIGIO).
local names = {}
for name, signo in pairs(core.signals) do
  if not names[signo] or name < names[signo] then
    names[signo] = name
  end
end

local function find(value, allow_zero)
  if type(value) == 'string' then
    return core.signals[value:upper()]
  end
  local signo = type(value) == 'number' and math.tointeger(value)
  return (names[signo] or allow_zero and signo == 0) and signo
end

-- No suggestion for values too far from any name, such as SIGNONE.
local function hint(value)
  if type(value) ~= 'string' or value == '' then
    return ''
  end
  local with_prefix = 'SIG' .. value:upper()
  local meant = core.signals[with_prefix] and with_prefix or value
  return nearest.hint(meant, core.signals, 1)
end

--- signals.number(value [, allow_zero]) -> integer, from a signal's name (in any case) or
-- number; 0 only with `allow_zero`.  Raises ERR_UNKNOWN_SIGNAL.  Node: child.kill.
function M.number(value, allow_zero)
  local signo = find(value, allow_zero)
  if not signo then
    local shown = type(value) == 'string' and value or errors.inspect(value)
    error(errors.coded('ERR_UNKNOWN_SIGNAL', shown, hint(value)), 0)
  end
  return signo
end

--- signals.name(number) -> string: `SIGTERM`; a number without a name is returned as it
-- is.
function M.name(signo)
  return names[signo] or tostring(signo)
end

return M
