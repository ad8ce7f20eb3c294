-- bars.lua <bench.txt >bars.svg - draws what bench/run has printed: how many times as
-- fast as Node each measure is, a chart for each group, on a logarithmic scale; pools, as
-- the fastest of the others.
local folder = arg[0]:match '^(.*/)' or './'
package.path = folder .. '?.lua;' .. folder .. '../../bench/?.lua;' .. package.path
local measures = require 'measures'
local printed = require 'printed'
local svg = require 'svg'

local WIDTH, LABELS, NUMBERS, ROW = 490, 296, 36, 18 -- of a column
local LEAST, MOST = 0.7, 32 -- longer bars are cut off
local TOP = 40

local HEADING =
  'How many times as fast as Node 20: 2.0 is twice as fast, 1.0 the same (logarithmic)'
local COLUMNS = { { 'Starting', 'Pools of two workers' }, { 'Bytes', 'Messages' } }
local NOTES = {
  ['Pools of two workers'] = ', beside the fastest of piscina, workerpool and Python',
}

local ratios = printed.read(io.read 'a')
local parts = {}

local function put(...)
  parts[#parts + 1] = svg.element(...)
end

local function put_label(...)
  parts[#parts + 1] = svg.label(...)
end

local function group_of(title)
  for _, group in ipairs(measures.groups) do
    if group[1] == title then
      return group
    end
  end
end

-- The least advantage over any of the others | nil
local function least(others)
  local ratio
  for _, value in pairs(others) do
    ratio = math.min(ratio or value, value)
  end
  return ratio
end

local function ratio_of(name)
  local others = ratios[name] or {}
  return others.Node or others.piscina and least(others) or nil
end

local function x_of(left, ratio)
  local part = math.log(ratio / LEAST) / math.log(MOST / LEAST)
  local room = WIDTH - LABELS - NUMBERS
  return left + LABELS + math.max(0, math.min(1, part)) * room
end

local function draw_bar(left, y, text, ratio)
  local one, x = x_of(left, 1), x_of(left, ratio)
  local colour = ratio >= 1 and svg.COLOURS.blue or svg.COLOURS.orange
  put_label(left + LABELS - 12, y, text:gsub('`', ''), { ['text-anchor'] = 'end' })
  put('rect', {
    x = math.min(one, x),
    y = y - 10,
    width = math.max(math.abs(x - one), 1),
    height = 12,
    fill = colour,
  })
  local label = ratio < 9.95 and '%.1f' or '%.0f'
  put_label(math.max(one, x) + 4, y, label:format(ratio))
end

-- -> y of what comes below
local function draw_group(left, y, title)
  local heading = title .. (NOTES[title] or '')
  put_label(left, y, heading, { ['font-weight'] = 'bold' })
  local top = y + 6
  for _, row in ipairs { table.unpack(group_of(title), 2) } do
    local ratio = ratio_of(row[1])
    if ratio then
      y = y + ROW
      draw_bar(left, y, row[2], ratio)
    end
  end
  local one = x_of(left, 1)
  put('line', { x1 = one, x2 = one, y1 = top, y2 = y + 4, stroke = svg.COLOURS.line })
  return y + ROW + 8
end

local height = 0
put_label(8, 16, HEADING, { ['font-weight'] = 'bold', ['font-size'] = 14 })
for i, column in ipairs(COLUMNS) do
  local y = TOP
  for _, title in ipairs(column) do
    y = draw_group(8 + (i - 1) * WIDTH, y, title)
  end
  height = math.max(height, y)
end
io.write(svg.document(2 * WIDTH + 8, height - ROW, HEADING, parts))
