--- Prints what bench/run has measured: a row for each comparison.
-- docs/images/printed.lua reads it again.
-- SPDX-License-Identifier: MIT
local contestants = require 'contestants'
local figures = require 'figures'
local measures = require 'measures'

local M = {}

-- Pads by characters: the dash of a range is three bytes.
local function padded(text, width)
  local gap = (' '):rep(math.abs(width) - utf8.len(text))
  return width < 0 and text .. gap or gap .. text
end

local WIDTHS = { -10, 8, -5, -17, 8, -25, -1 }

local function print_row(cells)
  for i, cell in ipairs(cells) do
    cells[i] = padded(cell, WIDTHS[i])
  end
  print((table.concat(cells, '  '):gsub(' +$', '')))
end

local function shown(value)
  return value and ('%.0f'):format(value) or '-'
end

local function with_spread(spread)
  return spread and ('%.2f (%.2f–%.2f)'):format(table.unpack(spread)) or '-'
end

-- Goals ---------------------------------------------------------------------------------

local counts = { met = 0, missed = 0 }
local missed = {}

-- -> the goal and whether `value`, if it was measured, meets it.
local function judge(measure, text, value, is_met)
  if value == nil then
    return text .. ': not measured'
  elseif is_met then
    counts.met = counts.met + 1
    return text .. ': met'
  end
  counts.missed = counts.missed + 1
  missed[#missed + 1] = ('%s: %s; it is %.4g'):format(measure.name, text, value)
  return text .. ': MISSED'
end

local function goal_against(measure, other, spread)
  local least = measure.goals and measure.goals[other]
  if not least then
    return ''
  end
  local text = ('at least %.2f × %s'):format(least, contestants.names[other])
  return judge(measure, text, spread and spread[1], spread and spread[1] >= least)
end

-- Rows ----------------------------------------------------------------------------------

local function print_within(measure, result, head)
  local within, growth = measure.within, figures.growth(result.ours, result.base)
  local text = ('at most %.2f × as long'):format(within.times)
  local value = growth and growth[1]
  local goal = judge(measure, text, value, value and value <= within.times)
  local base, times = shown(figures.median(result.base)), with_spread(growth)
  print_row {
    head[1],
    head[2],
    head[3],
    'with ' .. within.of,
    base,
    times .. ' as long',
    goal,
  }
end

local function print_most(measure, result)
  local ours = figures.median(result.ours)
  local text = ('at most %d %s'):format(measure.at_most, measure.unit)
  local goal = judge(measure, text, ours, ours and ours <= measure.at_most)
  print_row { '', '', '', '', '', '', goal }
end

local function print_measure(measure, result)
  local is_cost, ours = measures.costs[measure.unit], result.ours
  local head = { measure.name, shown(figures.median(ours or {})), measure.unit }
  for _, other in ipairs(measure.who) do
    if other ~= 'ours' then
      local name, theirs = contestants.names[other], result[other]
      local spread = ours and figures.advantage(is_cost, ours, theirs)
      local goal, median = goal_against(measure, other, spread), figures.median(theirs)
      print_row {
        head[1],
        head[2],
        head[3],
        name,
        shown(median),
        with_spread(spread),
        goal,
      }
      head = { '', '', '' }
    end
  end
  if measure.within then
    print_within(measure, result, head)
  end
  if measure.at_most then
    print_most(measure, result)
  end
end

-- All -----------------------------------------------------------------------------------

local function print_machine(options)
  local cores =
    [[echo "$(nproc) cores,$(sed -n 's/^model name.*://p' /proc/cpuinfo | head -1)"]]
  local git = ('git -C %s describe --always --dirty'):format(
    contestants.quoted(options.root)
  )
  local list = {
    { 'machine', cores },
    { 'kernel', 'uname -sr' },
    { 'load', 'cut -d" " -f1-3 /proc/loadavg' },
    { 'date', 'date -u +%Y-%m-%d' },
    { 'ours', git },
    { 'lua', 'lua5.4 -v' },
    { 'Node', 'node --version' },
    { 'luv', [[lua5.4 -e 'print(require("luv").version_string())']] },
    { 'C', 'cc --version | head -1' },
  }
  for _, row in ipairs(list) do
    local text = contestants.output_of(row[2] .. ' 2>/dev/null') or 'not found'
    print(('%-8s %s'):format(row[1], text))
  end
  print(('%-8s build/%s, %d rounds'):format('', options.build, options.rounds))
end

local HEAD = [[

Each row compares ours with one other; both ran one after the other, in each round.
“times as fast”: 2.00 means that ours is twice as fast, 0.50 half as fast; of memory, that
it needs half as much, or twice.  It is the median of the rounds, with their middle half.
C is a plain C program without any library: what the machine can do.
]]

local function print_goals()
  local text = '\ngoals: %d met, %d missed%s'
  print(text:format(counts.met, counts.missed, #missed > 0 and ':' or ''))
  for _, goal in ipairs(missed) do
    print('  ' .. goal)
  end
end

--- report.print(list, results, options): `list` are the measures; `results` has, for each
-- name, contestant -> round -> value, and `base`.
-- @param options table: `root`, `build`, `rounds`; `failed`, commands
function M.print(list, results, options)
  print_machine(options)
  print(HEAD)
  print_row { 'measure', 'ours', 'unit', 'other', 'theirs', 'times as fast', 'goal' }
  for _, measure in ipairs(list) do
    print_measure(measure, results[measure.name])
  end
  print_goals()
  print ''
  for _, measure in ipairs(list) do
    print(('%-11s  %s'):format(measure.name, measure.about))
  end
  for _, command in ipairs(options.failed) do
    print('failed: ' .. command)
  end
end

return M
