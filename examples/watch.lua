-- Runs a server and starts it again whenever a file below a folder has changed, or been
-- added or removed.  A server that ends by itself waits for the next change.  The server
-- goes with all that it has started: SIGTERM, and after two seconds SIGKILL.
--
--   watch.lua FOLDER PROGRAM ARGUMENT…
--
-- SIGINT (Ctrl-C) and SIGTERM end both.
local cp = require 'child_process'

local INTERVAL = 200 -- ms between two looks at the folder

local folder, program = arg[1], arg[2]
local arguments = table.move(arg, 3, #arg, 1, {})

-- Every file with its size and its time; what find cannot read does not count.
local function look()
  local words = { folder, '-type', 'f', '-printf', '%p %s %T@\n' }
  return cp.execFile('find', words, { maxBuffer = math.huge }):wait().stdout
end

local function sleep(ms)
  cp.await(function(callback)
    cp.setTimeout(callback, ms)
  end)
end

local function await_change(seen)
  local found
  repeat
    sleep(INTERVAL)
    found = look()
  until found ~= seen
  return found
end

-- process groups are there on Linux only
local options = { killAfter = 2000, stdio = { 'ignore', 'inherit', 'inherit' } }
options.killDescendants = pcall(cp.scope, { killDescendants = true }) or nil

local function serve_until_change(seen)
  local scope <close> = cp.scope(options)
  local server = scope:spawn(program, arguments)
  cp.async(function()
    local result = server:wait()
    if not server.killed then
      print(('%s: %s'):format(program, result))
    end
  end)
  return await_change(seen)
end

local watching = cp.async(function()
  local seen = look() -- before the server reads them
  while true do
    print('starting ' .. program)
    seen = serve_until_change(seen)
  end
end)

-- A coroutine that is closed leaves its scopes, without waiting: with SIGKILL.
local function stop()
  coroutine.close(watching)
  cp.stop()
end

cp.process:on('SIGINT', stop)
cp.process:on('SIGTERM', stop)
cp.run()
