--- Reads what bench/run has printed (bench/report.lua): for the chart and the page.
local M = {}

-- The rest of the line that begins with this word.
local function value_of(name, text)
  return ('\n' .. text):match('\n' .. name .. '%s+([^\n]*)') or ''
end

--- printed.read(text) -> { measure -> { contestant -> how many times as fast as it } },
-- { machine =, kernel =, date =, Node =, luv =, rounds = }
function M.read(text)
  local measures, current = {}, nil
  for line in text:gmatch '[^\n]+' do
    local name = line:match '^(%S+)%s+[%d-]+%s+%S+%s%s'
    if name then
      current = {}
      measures[name] = current
    end
    -- rows about ours with other arguments have more words there
    local other, ratio = line:match '%s%s([%a.]+)%s%s+%d+%s%s+(%d+%.%d+) %('
    if current and other then
      current[other] = tonumber(ratio)
    end
  end
  local about = { rounds = text:match '(%d+) rounds' }
  for _, name in ipairs { 'machine', 'kernel', 'load', 'date', 'Node', 'luv', 'ours' } do
    about[name] = value_of(name, text)
  end
  return measures, about
end

return M
