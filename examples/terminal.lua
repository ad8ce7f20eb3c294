-- Runs a program in a terminal of its own and shows that in ours: what script(1), screen
-- and ssh do.  Keys go to the program as they are, Ctrl-C included, and a change of our
-- window's size goes on to its terminal.  Without a terminal of ours, what comes on
-- standard input is typed.
--
--   terminal.lua [COMMAND [ARGUMENT]...]     (default: $SHELL)
--
-- Exit status: that of the program, or 128 if a signal ended it.
local cp = require 'child_process'

-- Our terminal --------------------------------------------------------------------------

-- stty works on its standard input.  nil if that is no terminal.
local function stty(...)
  local options = { stdio = { 'inherit', 'pipe', 'ignore' } }
  local result = cp.spawnSync('stty', { ... }, options)
  return result.status == 0 and result.stdout or nil
end

-- { cols, rows } of our terminal; the usual ones without it.
local function size()
  local rows, cols = (stty 'size' or ''):match '^(%d+) (%d+)'
  rows, cols = math.tointeger(rows), math.tointeger(cols)
  if not rows or rows == 0 or cols == 0 then
    rows, cols = 24, 80
  end
  local term = os.getenv 'TERM'
  return { rows = rows, cols = cols, term = term ~= '' and term or nil }
end

-- Has keys come as they are.  To be closed: then all is as before.
local function raw_mode()
  local before = stty '-g'
  if before then
    stty('raw', '-echo')
  end
  return setmetatable({}, {
    __close = function()
      if before then
        stty((before:gsub('%s+$', '')))
      end
    end,
  })
end

-- The program ---------------------------------------------------------------------------

local function run(file, ...)
  file = file or os.getenv 'SHELL' or 'sh'
  local child = cp.spawn(file, { ... }, { pty = size() })
  local input = cp.process.stdin
  input:pipe(child.pty)
  child.pty:pipe(cp.process.stdout)
  cp.process:on('SIGWINCH', function()
    local now = size()
    child:resize(now.cols, now.rows)
  end)
  local result = child:wait()
  input:pause()
  return result
end

local function main(...)
  local _ <close> = raw_mode()
  return run(...)
end

local result = main(...)
if result.reason == 'spawn' then
  io.stderr:write('terminal.lua: ', tostring(result.error), '\n')
  os.exit(125, true)
end
os.exit(result.code or 128, true)
