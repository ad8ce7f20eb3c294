--- A forked child: sets the globals `process` and `arg`, runs the module, then the loop.
-- Messages are written before the process ends, however it ends.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local lazy = require 'child_process.lazy'
local runner = require 'child_process.process'
local trace = require 'child_process.trace'

local load_debug = lazy.load 'child_process.debug'
local load_trace_file = lazy.load 'child_process.trace_file'

local M = {}

local process -- cp.process, once it runs

-- As for a script run directly.
local function shift_arguments()
  local shifted, lowest = {}, 0
  while arg[lowest - 1] do
    lowest = lowest - 1
  end
  table.move(arg, lowest, -1, lowest, shifted)
  table.move(arg, 2, #arg, 0, shifted)
  _G.arg = shifted
end

-- os.exit writes pending messages first.
local function replace_exit()
  local exit = os.exit
  rawset(os, 'exit', function(code, close)
    runner.flush(process)
    exit(code, close)
  end)
end

-- `own`: what the interpreter was given as its script.
local function set_up(own)
  shift_arguments()
  trace.from_environment(load_debug, load_trace_file)
  process = runner.get()
  local pipe = own:match '^/dev/fd/(%d+)$'
  if pipe then
    core.fd_object(tonumber(pipe)):close()
  end
  _G.process = process
  core.survive_sigpipe()
  replace_exit()
end

-- -> ok, error, traceback: like xpcall, but the error is not changed
local function try(fn, ...)
  local traceback
  local ok, err = xpcall(fn, function(err)
    traceback = debug.traceback(nil, 2)
    return err
  end, ...)
  return ok, err, traceback
end

-- A value without text of its own is shown as lua5.4 does, without a traceback.
local function die(err, traceback, code)
  local text, kind = tostring(err), type(err)
  if kind == 'string' or errors.is_error(err) then
    text = text .. '\n' .. (kind == 'table' and err.traceback or traceback)
  end
  io.stderr:write(process.argv0 or 'lua', ': ', text, '\n')
  process:exit(code)
end

local function main(script)
  local chunk, problem = loadfile(script)
  if not chunk then
    error(problem, 0)
  end
  chunk(table.unpack(arg))
end

-- An error ends the process, unless it has a listener; an error of that listener does.
local function uncaught(err, traceback)
  if process:listenerCount 'uncaughtException' == 0 then
    die(err, traceback, 1)
  end
  local event = 'uncaughtException'
  local ok, problem, way = try(process.emit, process, event, err, event)
  if not ok then
    die(problem, way, 7)
  end
end

local function guarded(fn, ...)
  local ok, err, traceback = try(fn, ...)
  if not ok then
    uncaught(err, traceback)
  end
  return ok
end

--- worker.run(own, script): runs `script`, in this process, to its end; never returns.
-- @param own string: the path of the script that the interpreter was given
function M.run(own, script)
  set_up(own)
  lazy.remember()
  core.on_end(function() end) -- this runs the loop, so it has not been forgotten
  guarded(main, script)
  -- From now on errors are handled immediately, before any other callback; earlier ones
  -- belonged to the script's own run().
  core.on_uncaught(uncaught)
  while not guarded(runner.run_to_end, process) do
  end
  process:exit()
end

return M
