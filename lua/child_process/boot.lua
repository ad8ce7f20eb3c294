--- The first file a forked child runs: LUA [OPTION…] boot.lua CORE MODULE [ARGUMENT…]
-- A host program with this file inside gets `/dev/fd/N` instead of boot.lua: a pipe with
-- a chunk that requires it (fork.lua); CORE is empty then, and for a worker that a
-- launcher has started (far.lua).
--
-- Makes the module available without the Lua paths; the rest is worker.lua.  This file is
-- short, as the interpreter has to compile it.
local own, core_path, script = arg[0], arg[1], arg[2]
local folder = own:match '^(.*)/child_process/boot%.lua$'

-- Our searchers come before the paths: the parent's version speaks the parent's protocol.
local function search_core(name)
  if name == 'child_process.core' and core_path ~= '' then
    return package.loadlib(core_path, 'luaopen_child_process_core'), core_path
  end
end
table.insert(package.searchers, 2, search_core)

local core = require 'child_process.core'

local function search(name)
  if folder and (name == 'child_process' or name:find '^child_process%.') then
    local path = folder .. '/' .. name:gsub('%.', '/')
    for _, file in ipairs { path .. '.lua', path .. '/init.lua' } do
      local chunk = core.load(name, file, '@' .. file)
      if chunk then
        return chunk, file
      end
    end
  end
end
table.insert(package.searchers, 3, search)

local lazy = require 'child_process.lazy'

lazy.remember() -- from here on our files come from our folder

-- What is loaded stays: it need not be marked again and again while it grows.
local collects = collectgarbage 'isrunning'
collectgarbage 'stop'
local require = lazy.require
local worker = require 'child_process.worker'
if collects then
  collectgarbage 'restart'
end
worker.run(own, script)
