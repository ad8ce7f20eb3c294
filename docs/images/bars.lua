-- bars.lua <TABLE >bars.svg - draws what bench/run has printed: how many times as good as
-- Node each measure is, a group of bars for each kind of work, on a logarithmic scale.
package.path = arg[0]:match '^(.-)[^/]*$' .. '?.lua;' .. package.path
local svg = require 'svg'

local WIDTH, LEFT, RIGHT, ROW = 760, 300, 60, 20
local LEAST, MOST = 0.5, 32

local GROUPS = {
  {
    'starting',
    { 'spawn', 'spawn, three pipes' },
    { 'spawn-1G', 'the same, 1 GiB resident in the parent' },
    { 'exec', 'exec' },
    { 'sync', 'spawnSync' },
    { 'fork', 'fork to the first message' },
  },
  {
    'bytes',
    { 'read', 'output of a child, as fast as it writes' },
    { 'read-file', 'output of a child that copies a file' },
    { 'write', 'input for a child' },
    { 'pipe', 'one child into another' },
    { 'sync-read', 'output by spawnSync' },
  },
  {
    'messages',
    { 'small', 'small, JSON' },
    { 'small-adv', 'small, advanced' },
    { 'large', '100 kB, JSON' },
    { 'large-adv', '100 kB, advanced' },
    { 'trip', 'there and back' },
  },
}

-- Measure -> how many times as good as Node: the number in front of the first spread.
local function read_table(text)
  local ratios = {}
  for line in text:gmatch '[^\n]+' do
    local name, ratio = line:match '^([%w-]+)%s.-(%d+%.%d+) %('
    if name then
      ratios[name] = tonumber(ratio)
    end
  end
  return ratios
end

local function x_of(ratio)
  local part = math.log(ratio / LEAST) / math.log(MOST / LEAST)
  return LEFT + math.max(0, math.min(1, part)) * (WIDTH - LEFT - RIGHT)
end

local ratios = read_table(io.read 'a')
local parts, y = {}, 18

local function put(part)
  parts[#parts + 1] = part
end

local function draw_bar(text, ratio)
  local one, x = x_of(1), x_of(ratio)
  local colour = ratio >= 1 and svg.COLOURS.blue or svg.COLOURS.orange
  put(svg.label(LEFT - 8, y, text, { ['text-anchor'] = 'end' }))
  put(svg.element('rect', {
    x = math.min(one, x),
    y = y - 11,
    width = math.max(math.abs(x - one), 1),
    height = 14,
    fill = colour,
  }))
  local label = ratio < 9.95 and '%.1f' or '%.0f'
  put(svg.label(math.max(one, x) + 5, y, label:format(ratio)))
  y = y + ROW
end

for _, group in ipairs(GROUPS) do
  put(svg.label(8, y, group[1], { ['font-weight'] = 'bold' }))
  y = y + ROW
  for _, measure in ipairs { table.unpack(group, 2) } do
    if ratios[measure[1]] then
      draw_bar(measure[2], ratios[measure[1]])
    end
  end
  y = y + 6
end
put(svg.element('line', {
  x1 = x_of(1),
  x2 = x_of(1),
  y1 = 22,
  y2 = y - 10,
  stroke = svg.COLOURS.line,
}))
put(svg.label(x_of(1), 14, 'Node 20', { ['text-anchor'] = 'middle' }))

local TITLE = 'How many times as fast as Node 20: 2.0 is twice as fast'
io.write(svg.document(WIDTH, y, TITLE, parts))
