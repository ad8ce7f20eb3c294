-- terminal.lua WORD... >terminal.svg - runs a command in a terminal of its own and draws
-- what is on its screen in the end, below the command itself.
package.path = arg[0]:match '^(.-)[^/]*$' .. '?.lua;' .. package.path
local cp = require 'child_process'
local svg = require 'svg'

local COLS, CHARACTER, LINE, MARGIN = 84, 7.8, 18, 14

-- What is left of a line in which the cursor was set back and the rest erased: all that
-- the programs shown here do.
local function as_shown(line)
  local last = ''
  for piece in line:gmatch '[^\r]+' do
    last = piece:gsub('\27%[K', '')
  end
  return last
end

local function screen(text)
  local lines = {}
  for line in text:gsub('\r\n', '\n'):gmatch '([^\n]*)\n?' do
    lines[#lines + 1] = as_shown(line)
  end
  while lines[#lines] == '' do
    lines[#lines] = nil
  end
  return lines
end

local options = { pty = { cols = COLS, rows = 40 } }
local result = cp.execFile(arg[1], table.move(arg, 2, #arg, 1, {}), options):wait()
local lines = screen(result.stdout)
table.insert(lines, 1, '$ ' .. (os.getenv 'SHOWN_AS' or table.concat(arg, ' ')))

local width = math.floor(2 * MARGIN + COLS * CHARACTER)
local height = 2 * MARGIN + #lines * LINE
local parts = {
  svg.element('rect', { width = width, height = height, rx = 6, fill = '#1f2328' }),
}
for i, line in ipairs(lines) do
  local failed = line:find 'exit [1-9]' or line:find 'failed' or line:find 'timeout'
  parts[#parts + 1] = svg.label(MARGIN, MARGIN + i * LINE - 5, line, {
    fill = i == 1 and '#7ee787' or failed and '#ffa198' or '#d1d7e0',
    ['font-family'] = 'ui-monospace, Menlo, Consolas, monospace',
    ['font-size'] = 13,
    ['xml:space'] = 'preserve',
  })
end
io.write(svg.document(width, height, lines[1], parts))
