-- trace.lua TRACE.json >trace.svg - draws a file of CP_TRACE: a line for each span, in
-- the order of their beginnings, arrows for messages, dots for signals.
package.path = arg[0]:match '^(.-)[^/]*$' .. '?.lua;' .. package.path
local cjson = require 'cjson'
local svg = require 'svg'

local WIDTH, LEFT, RIGHT, ROW, TOP = 800, 200, 20, 24, 26
local COLOUR = svg.COLOURS

local function read(path)
  local text = assert(io.open(path)):read 'a'
  local ok, events = pcall(cjson.decode, text)
  return ok and events or cjson.decode(text .. ']') -- it has been cut off
end

local function lane_of(event)
  return ('%d/%d'):format(event.pid, event.tid)
end

-- Array of spans: `name, from, to, lane, args, cat`; and the other events.
local function sort_out(events)
  local spans, others, open, last = {}, {}, {}, 0
  for _, event in ipairs(events) do
    last = math.max(last, event.ts)
    local lane = lane_of(event)
    if event.ph == 'B' then
      open[lane] = { name = event.name, from = event.ts, lane = lane, cat = event.cat }
      spans[#spans + 1] = open[lane]
    elseif event.ph == 'E' and open[lane] then
      open[lane].to, open[lane].args = event.ts, event.args
    elseif event.ph ~= 'M' then
      others[#others + 1] = event
    end
  end
  for _, span in ipairs(spans) do
    span.to = span.to or last
  end
  table.sort(spans, function(a, b)
    return a.from < b.from
  end)
  return spans, others, last
end

local function colour(span)
  local args = span.args or {}
  if span.cat == 'process' then
    return COLOUR.grey
  elseif args.reason == 'exit' then
    return args.code == 0 and COLOUR.green or COLOUR.orange
  end
  return args.reason and COLOUR.red or COLOUR.blue
end

local function outcome(span)
  local args = span.args or {}
  if args.reason == 'exit' then
    return ('code %d'):format(args.code)
  end
  return args.error or args.signal or ''
end

-- A command without the folders of its files, or the name of a process of ours.
local function label_of(span)
  local argv = span.args and span.args.argv
  if not argv then
    return span.name .. ': its own time'
  end
  local text = span.name .. ' ' .. table.concat(argv, ' ', 2)
  text = text:gsub(' /%S*/', ' ')
  return #text <= 30 and text or text:sub(1, 29) .. '…'
end

local spans, others, last = sort_out(read(arg[1]))
local first = spans[1].from

local function x_of(ts)
  return LEFT + (ts - first) / (last - first) * (WIDTH - LEFT - RIGHT)
end

local parts, y_of = {}, {}

local function draw_span(i, span)
  local y, x = TOP + i * ROW, x_of(span.from)
  local width = math.max(x_of(span.to) - x, 2)
  y_of[span.lane] = y - 6
  parts[#parts + 1] = svg.label(8, y - 2, label_of(span))
  local bar = { x = x, y = y - 13, width = width, height = 14, rx = 2 }
  bar.fill, bar['fill-opacity'] = colour(span), 0.75
  parts[#parts + 1] = svg.element('rect', bar)
  local right = x + width + 4 > WIDTH - 70
  local at, anchor = x + width + 4, 'start'
  if right then
    at, anchor = x - 4, 'end'
  end
  local text = outcome(span)
  parts[#parts + 1] = text ~= ''
      and svg.label(at, y - 2, text, { ['text-anchor'] = anchor })
    or nil
end

local starts = {}

-- A message: from where it was sent to where it arrived.
local function draw_flow(event)
  local here = { x = x_of(event.ts), y = y_of[lane_of(event)] }
  if event.ph == 's' then
    starts[event.id] = here
  elseif event.ph == 'f' and starts[event.id] then
    local from = starts[event.id]
    parts[#parts + 1] = svg.element('line', {
      x1 = from.x,
      y1 = from.y,
      x2 = here.x,
      y2 = here.y,
      stroke = COLOUR.line,
      ['marker-end'] = 'url(#head)',
    })
  end
end

local function draw_signal(event)
  local dot = { cx = x_of(event.ts), cy = y_of[lane_of(event)], r = 4, fill = COLOUR.red }
  parts[#parts + 1] = svg.element('circle', dot)
end

parts[1] = '<defs><marker id="head" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6"'
  .. ' markerHeight="6" orient="auto"><path d="M0,0 L6,3 L0,6 z" fill="'
  .. COLOUR.line
  .. '"/></marker></defs>'
local scale = ('%.0f ms'):format((last - first) / 1000)
parts[2] = svg.label(LEFT, TOP - 10, '0 ms')
parts[3] = svg.label(WIDTH - RIGHT, TOP - 10, scale, { ['text-anchor'] = 'end' })
for i, span in ipairs(spans) do
  draw_span(i, span)
end
for _, event in ipairs(others) do
  local draw = event.ph == 'i' and draw_signal or draw_flow
  draw(event)
end

local height = TOP + #spans * ROW + 8
io.write(svg.document(WIDTH, height, 'A trace', parts))
