--- The modules of child_process in this Lua state, one instance of each.  Modules that
-- not every process needs are loaded on first use, so that a forked child starts quickly.
--
-- The folder of the files is determined once, when this one is loaded.  By the time
-- another is needed the program may have changed its directory, `package.path` or
-- `require`, or have emptied `package.loaded`; a late module still gets the existing
-- modules.
local core = require 'child_process.core'

local M = {}

local require, load, open, pcall = require, load, io.open, pcall
local package_loaded, setupvalue = package.loaded, debug.setupvalue

-- core.modules: name -> module, filled by `remember` and by late loading.
local modules, preload = core.modules, package.preload

-- The loader for `require`, in case `package.loaded` is emptied.
local function again(name)
  return modules[name]
end

local function keep(name, module)
  modules[name], preload[name] = module, again
end

-- `@…/child_process/lazy.lua`. nil inside a host program, whose core has the files
-- (csrc/embedded.c), and in programs that bundle them in another way.
local PREFIX = debug.getinfo(1, 'S').source:match '^@(.*)lazy%.lua$'

local function absolute(path)
  if path and path:sub(1, 1) ~= '/' then
    return (core.cwd() or '.') .. '/' .. path
  end
  return path
end

local FOLDER = absolute(PREFIX)

local function find(name)
  return modules[name] or package_loaded[name]
end

-- The chunk begins with its `require`s, and the global one may be gone; after that it
-- uses the normal globals.
local function run(chunk, name, path, globals)
  local env = setmetatable({ require = M.require }, { __index = globals })
  setupvalue(chunk, 1, env)
  local module = chunk(name, path)
  setupvalue(chunk, 1, globals)
  return module
end

local function load_file(name)
  local file_name = name:gsub('^child_process%.', ''):gsub('%.', '/') .. '.lua'
  local file, problem = open(FOLDER .. file_name, 'rb')
  if not file then
    error(("module '%s' is gone: %s"):format(name, problem), 0)
  end
  local text = file:read 'a'
  file:close()
  -- with the name `require` would have given it
  return assert(load(text, '@' .. PREFIX .. file_name, 't', _G)), FOLDER .. file_name
end

--- lazy.require(name) -> module: like `require`, but for our modules, independent of the
-- program's.
function M.require(name)
  if not name:find '^child_process%.' then
    return require(name)
  elseif not find(name) then
    local module
    if core.embedded then
      module = run(core.embedded(name), name, nil, _G)
    elseif FOLDER then
      local chunk, path = load_file(name)
      module = run(chunk, name, path, _G)
    else
      module = require(name)
    end
    keep(name, module)
    package_loaded[name] = module
  end
  return find(name)
end

-- Loading takes a descriptor, and garbage may hold all of them.
local function require_anyhow(name)
  local ok, module = pcall(M.require, name)
  if not ok then
    collectgarbage()
    module = M.require(name)
  end
  return module
end

--- lazy.load(name) -> function that returns the module.
function M.load(name)
  return function()
    return find(name) or require_anyhow(name)
  end
end

--- lazy.remember(): the modules loaded now belong to this state for good.
function M.remember()
  for name, module in pairs(package_loaded) do
    if type(name) == 'string' and name:find '^child_process%.' and not modules[name] then
      keep(name, module)
    end
  end
end

return M
