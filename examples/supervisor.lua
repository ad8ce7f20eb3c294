-- Keeps commands running: starts each of them again when it has ended, after a pause that
-- doubles while it keeps ending early.  SIGINT (Ctrl-C) and SIGTERM stop all: each gets
-- SIGTERM, five seconds to end well, then SIGKILL.  What has happened is printed.
--
--   supervisor.lua [-p MILLISECONDS] 'COMMAND' 'COMMAND' …
--
-- -p is the first pause (default 1000); a command that has run for a minute has it again.
local cp = require 'child_process'

local LONGEST_PAUSE, LONG_ENOUGH = 60000, 60000 -- ms

local first_pause, commands = 1000, arg
if arg[1] == '-p' then
  first_pause, commands = tonumber(arg[2]), table.move(arg, 3, #arg, 1, {})
end

local stopping = cp.AbortController()
local options = {
  stdio = { 'ignore', 'inherit', 'inherit' },
  signal = stopping.signal, -- sends SIGTERM
  killAfter = 5000,
  -- process groups are there on Linux only
  killDescendants = pcall(cp.scope, { killDescendants = true }) or nil,
}

-- Waits so long, or until we are stopped.
local function pause(ms)
  cp.await(function(callback)
    local timer = cp.setTimeout(callback, ms)
    stopping.signal:addEventListener('abort', function()
      cp.clearTimeout(timer)
      callback()
    end)
  end)
end

local function next_pause(ms, result)
  local is_early = (result.duration or 0) < LONG_ENOUGH
  return is_early and math.min(2 * ms, LONGEST_PAUSE) or first_pause
end

local function keep(command)
  local ms = first_pause
  while not stopping.signal.aborted do
    local result = cp.spawn('sh', { '-c', command }, options):wait()
    print(('%s: %s'):format(command, result.signal or 'exit code ' .. result.code))
    if not stopping.signal.aborted then
      print(('%s: starts again in %d ms'):format(command, ms))
      pause(ms)
      ms = next_pause(ms, result)
    end
  end
end

local function stop(signal)
  print('stopping: ' .. signal)
  stopping:abort()
end

cp.process:once('SIGINT', stop)
cp.process:once('SIGTERM', stop)
for _, command in ipairs(commands) do
  cp.async(keep, command)
end
cp.run()
