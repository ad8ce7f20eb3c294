-- measured.lua PAGE <bench.txt - writes the tables of what bench/run has printed into a
-- page, between its two comments `measured`.
local folder = arg[0]:match '^(.*/)' or './'
package.path = folder .. '?.lua;' .. folder .. '../../bench/?.lua;' .. package.path
local measures = require 'measures'
local printed = require 'printed'

local OTHERS = { 'Node', 'luv', 'C', 'io.popen', 'piscina', 'workerpool', 'Python' }

local ratios, about = printed.read(io.read 'a')

local function shown(ratio)
  if not ratio then
    return '–'
  end
  return (ratio < 1.995 and '%.2f' or ratio < 9.95 and '%.1f' or '%.0f'):format(ratio)
end

local function measured(group)
  local rows, is_there = {}, {}
  for _, row in ipairs { table.unpack(group, 2) } do
    if ratios[row[1]] then
      rows[#rows + 1] = row
      for other in pairs(ratios[row[1]]) do
        is_there[other] = true
      end
    end
  end
  local columns = {}
  for _, other in ipairs(OTHERS) do
    columns[#columns + 1] = is_there[other] and other or nil
  end
  return rows, columns
end

local function line(cells)
  return '| ' .. table.concat(cells, ' | ') .. ' |'
end

local function add_table(lines, group)
  local rows, columns = measured(group)
  if #rows == 0 then
    return
  end
  lines[#lines + 1] = ''
  lines[#lines + 1] = line { group[1], table.unpack(columns) }
  lines[#lines + 1] = line { '---', table.unpack(columns) }:gsub('[%a.]+', '---')
  for _, row in ipairs(rows) do
    local cells = { row[2] }
    for i, other in ipairs(columns) do
      cells[i + 1] = shown(ratios[row[1]][other])
    end
    lines[#lines + 1] = line(cells)
  end
end

local TEXT = [[
Medians of %s rounds on %s: %s, %s, Node %s, luv %s; the load average was
%s at the end.]]

local function tables()
  local lines = {
    TEXT:format(
      about.rounds,
      about.date,
      (about.machine:gsub('%s+', ' ')),
      about.kernel,
      about.Node:match '%d.*',
      about.luv,
      about.load:match '%S*'
    ),
  }
  for _, group in ipairs(measures.groups) do
    add_table(lines, group)
  end
  return table.concat(lines, '\n')
end

local BEGIN, END = '<!-- measured: written by bench/publish -->', '<!-- measured -->'

local function with_tables(page)
  local _, first = page:find(BEGIN, 1, true)
  local last = first and page:find(END, first, true)
  assert(last, 'the page has no place for the tables')
  return ('%s\n\n%s\n\n%s'):format(page:sub(1, first), tables(), page:sub(last))
end

local file = assert(io.open(arg[1]))
local page = file:read 'a'
file:close()
page = with_tables(page)
file = assert(io.open(arg[1], 'w'))
file:write(page)
file:close()
