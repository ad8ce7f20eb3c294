--- The modules of child_process in this Lua state, one instance of each: finds and loads
-- all files but init.lua and this one.  Those that not every process needs are loaded on
-- first use, so that a forked child starts quickly.
--
-- They are found where this one was; while the module itself is loaded, a file that
-- `package.path` has in an earlier place counts.  Afterwards the program may have changed
-- its directory, `package.path` or `require`, or have emptied `package.loaded`; a late
-- module still gets the existing modules.
--
-- A file is read, and the core takes what was compiled at build time in its place if the
-- text is still the same (csrc/compiled.c).
local core = require 'child_process.core'

local M = {}

local require, open, searchpath = require, io.open, package.searchpath
local setmetatable = setmetatable
local package_loaded, setupvalue = package.loaded, debug.setupvalue
local debug, package = debug, package

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

--- lazy.absolute(path) -> the same file, wherever the program goes from here.
function M.absolute(path)
  if path:sub(1, 1) ~= '/' then
    return (core.cwd() or '.') .. '/' .. path
  end
  return path
end

--- Where our own files are: a forked child finds them whatever its paths are, even if we
-- have changed our directory; nil inside a host program or a bundle.
M.folder = PREFIX and M.absolute(PREFIX)

-- Where the files are: 'here', beside this one, or 'elsewhere': the program has its own
-- way to them, and no more than a name tells of this one.  Asked when the first one is.
local where

-- While the module is loaded: the part of `package.path` that comes before this folder,
-- where somebody may have put a file in the place of ours.
local earlier

local function is_file(path)
  local file <close> = open(path, 'rb')
  return file ~= nil
end

-- nil: `package.path` does not lead to this file.
local function earlier_templates()
  local list, own = {}, PREFIX .. 'lazy.lua'
  for template in package.path:gmatch '[^;]+' do
    if template:gsub('%?', 'child_process/lazy') == own then
      return table.concat(list, ';')
    end
    list[#list + 1] = template
  end
end

local function find_out()
  earlier = PREFIX and earlier_templates()
  where = (earlier or PREFIX and is_file(PREFIX .. 'lazy.lua')) and 'here' or 'elsewhere'
end

--- package.loaded, which the program may have taken away.
M.loaded = package_loaded

local function find(name)
  return modules[name] or package_loaded[name]
end

-- The chunk begins with its `require`s and other uses of the libraries, whose globals may
-- be gone; after that it uses the normal globals.
local function run(chunk, name, path, globals)
  local env = { require = M.require, debug = debug, package = package }
  setmetatable(env, { __index = globals })
  setupvalue(chunk, 1, env)
  local module = chunk(name, path)
  setupvalue(chunk, 1, globals)
  return module
end

-- -> the path, and the name for tracebacks, as `require` would have given it
local function place_of(name)
  local path = earlier and searchpath(name, earlier)
  if path then
    return path, path
  end
  local file = name:gsub('^child_process%.?', ''):gsub('%.', '/')
  file = (file == '' and 'init' or file) .. '.lua'
  return M.folder .. file, PREFIX .. file
end

-- -> the file as a function, its path.  Loading takes a descriptor, and garbage may hold
-- all of them.
local function chunk_of(name)
  if core.embedded then
    return core.embedded(name), nil
  end
  local path, shown = place_of(name)
  local chunk, problem = core.load(name, path, '@' .. shown)
  if not chunk then
    collectgarbage()
    chunk, problem = core.load(name, path, '@' .. shown)
  end
  if not chunk then
    error(("module '%s' cannot be loaded: %s"):format(name, problem), 0)
  end
  return chunk, path
end

-- Not what the program has put in the place of one of our files.
local function is_ours_to_load(name)
  if not where then
    find_out()
  end
  return core.embedded or where == 'here' and not preload[name]
end

--- lazy.require(name) -> module: like `require`, but for our modules, independent of the
-- program's.
function M.require(name)
  local module = find(name)
  if module then
    return module
  elseif not name:find '^child_process%.' then
    return require(name)
  elseif is_ours_to_load(name) then
    local chunk, path = chunk_of(name)
    module = run(chunk, name, path, _G)
  else
    module = require(name)
  end
  keep(name, module)
  package_loaded[name] = module
  return module
end

--- lazy.load(name) -> function that returns the module.
function M.load(name)
  return function()
    return find(name) or M.require(name)
  end
end

--- lazy.module(name) -> table that stands for the module, which is loaded by the first
-- look at anything in it.  Only where that cannot fail because descriptors are used up.
function M.module(name)
  if not core.is_compiled then
    return M.require(name)
  end
  local get, mt = M.load(name), {}
  function mt.__index(_, key)
    mt.__index = get()
    return mt.__index[key]
  end
  return setmetatable({}, mt)
end

--- lazy.remember(): the modules loaded now belong to this state for good, and others come
-- from the same folder.
function M.remember()
  earlier, where = nil, where or PREFIX and 'here' or 'elsewhere'
  for name, module in pairs(package_loaded) do
    if type(name) == 'string' and name:find '^child_process%.' and not modules[name] then
      keep(name, module)
    end
  end
end

return M
