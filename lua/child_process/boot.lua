--- The first file a forked child runs: LUA [OPTION…] boot.lua CORE MODULE [ARGUMENT…]
-- A host program with this file inside gets `/dev/fd/N` instead of boot.lua: a pipe with
-- a chunk that requires it (fork.lua); CORE is empty then, and for a worker that a
-- launcher has started (far.lua).
--
-- Makes the module available without the Lua paths, sets the globals `process` and `arg`,
-- runs MODULE, then the loop.  Messages are written before the process ends, however it
-- ends.
local own, core_path, script = arg[0], arg[1], arg[2]
local folder = own:match '^(.*)/child_process/boot%.lua$'

-- Comes before the paths: the parent's version speaks the parent's protocol.
local function search(name)
  if name == 'child_process.core' and core_path ~= '' then
    return package.loadlib(core_path, 'luaopen_child_process_core'), core_path
  elseif folder and (name == 'child_process' or name:find '^child_process%.') then
    local path = folder .. '/' .. name:gsub('%.', '/')
    for _, file in ipairs { path .. '.lua', path .. '/init.lua' } do
      local chunk = loadfile(file)
      if chunk then
        return chunk, file
      end
    end
  end
  return nil
end
table.insert(package.searchers, 2, search)

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
shift_arguments()

local core = require 'child_process.core'
local errors = require 'child_process.errors'
local lazy = require 'child_process.lazy'
local load_debug = lazy.load 'child_process.debug'
if os.getenv 'CP_DEBUG' then
  load_debug().from_environment()
end
local load_trace_file = lazy.load 'child_process.trace_file'
if os.getenv 'CP_TRACE' then
  load_trace_file().from_environment()
end

local runner = require 'child_process.process'
local process = runner.get()
local pipe = own:match '^/dev/fd/(%d+)$'
if pipe then
  core.fd_object(tonumber(pipe)):close()
end
_G.process = process
core.survive_sigpipe()

local exit = os.exit

-- os.exit writes pending messages first.
rawset(os, 'exit', function(code, close)
  runner.flush(process)
  exit(code, close)
end)

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

local function main()
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

lazy.remember()
core.on_end(function() end) -- this file runs the loop, so it has not been forgotten
guarded(main)
-- From now on errors are handled immediately, before any other callback; earlier ones
-- belonged to the script's own run().
core.on_uncaught(uncaught)
while not guarded(runner.run_to_end, process) do
end
process:exit()
