--- fork: spawns an interpreter with a channel.
local arguments = require 'child_process.options.arguments'
local child_process = require 'child_process.child'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local item = require 'child_process.stdio.item'
local lazy = require 'child_process.lazy'
local options = require 'child_process.options'
local process = require 'child_process.process'
local stdio = require 'child_process.stdio'

local M = {}

local load_launcher = lazy.load 'child_process.launcher'

-- For a program with the module inside, or installed: the chunk that boots it.
local BOOT = "require 'child_process' require 'child_process.boot'"

-- Without a boot file on disk, the child opens a pipe as that file, on the descriptor
-- after its others.
local function boot_file(plan)
  if lazy.folder then
    return lazy.folder .. 'boot.lua'
  end
  plan.text = BOOT
  return '/dev/fd/' .. plan.slots.n
end

-- A Lua interpreter gets the path of the module; any other program gets exactly Node's
-- arguments.
local function command(plan, module_path, args)
  local default = process.get().execPath
  local exec_path = plan.execPath or default
  local options_of_lua = plan.execArgv or process.get().execArgv
  local argv = table.move(options_of_lua, 1, #options_of_lua, 1, {})
  local is_lua = exec_path == default or exec_path:match '[^/]*$':find '^lua'
  if is_lua then
    argv[#argv + 1] = boot_file(plan)
    argv[#argv + 1] = core.file or ''
  end
  argv[#argv + 1] = module_path
  return exec_path, table.move(args, 1, #args, #argv + 1, argv)
end

local function has_ipc(list)
  for _, value in next, list do
    if value == 'ipc' then
      return true
    end
  end
  return false
end

-- The channel is descriptor 3, unless an array says otherwise.
local function slots_of(plan)
  local asked = plan.stdio
  local is_array = type(asked) == 'table'
  if is_array and not has_ipc(asked) then
    error(errors.coded('ERR_CHILD_PROCESS_IPC_REQUIRED', 'options.stdio'), 0)
  end
  local slots = stdio.slots(plan)
  if is_array then
    return slots
  end
  local default = item.is_open(plan.customFds) and not plan.silent and 'inherit'
  for i = 1, 3 do
    if item.is_open(slots[i]) then
      slots[i] = default
    end
  end
  slots[4], slots.n = 'ipc', 4
  return slots
end

local function refuse_alone(plan)
  for _, name in ipairs { 'quote', 'startTimeout' } do
    if plan[name] ~= nil then
      local reason = "has a meaning only with 'launcher'"
      error(errors.invalid_arg_value('options.' .. name, reason, plan[name]), 0)
    end
  end
end

--- fork.plan(module_path, args, opts [, spare]) -> plan for `start`; raises as cp.fork.
-- `spare`: with one more descriptor, at `/dev/null` until `start` says what it is.
function M.plan(module_path, args, opts, spare)
  module_path, args, opts = arguments.shuffle('fork', module_path, args, opts)
  local asked = options.normalize('fork', module_path, args, opts)
  local words = table.move(asked.args, 2, #asked.args, 1, {})
  if asked.launcher then
    load_launcher().plan(asked, module_path, words)
    return asked
  end
  refuse_alone(asked)
  asked.slots = slots_of(asked)
  if spare then
    asked.slots.n = asked.slots.n + 1
    asked.slots[asked.slots.n], asked.spare = 'ignore', asked.slots.n
  end
  -- by default a worker shares our stdin, but does not read it
  asked.keeps_stdin = item.is_open(asked.stdio)
    and item.is_open(asked.customFds)
    and item.is_open(asked.stdin)
  asked.file, asked.args = command(asked, module_path, words)
  table.insert(asked.args, 1, asked.argv0 or asked.file)
  asked.file = process.startable(asked.file)
  return asked
end

--- fork.start(plan [, fd]) -> ChildProcess; a plan can be started any number of times.
-- @param fd integer|nil: our descriptor that the child gets as its spare one
function M.start(plan, fd)
  if plan.spare then
    plan.slots[plan.spare] = fd or 'ignore'
  elseif plan.launcher then
    load_launcher().prepare(plan)
  end
  return child_process.spawn(plan)
end

--- cp.fork(modulePath [, args] [, options]) -> ChildProcess with a channel.
--
-- Starts `options.execPath` (default: the interpreter that runs us) with `execArgv`,
-- the module and `args`.  Options: the rows of options.lua that name this call, described
-- in docs/reference.md.  With `launcher` the child is that program, and the worker what
-- it starts, see launcher.lua.
-- Raises on a wrong argument.  Node: child_process.fork.
function M.fork(module_path, args, opts)
  return M.start(M.plan(module_path, args, opts))
end

return M
