--- Checks the arguments of cp.pool.
local arguments = require 'child_process.options.arguments'
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local fork = require 'child_process.fork'
local item = require 'child_process.stdio.item'
local options = require 'child_process.options'

local M = {}

local MOST_WORKERS = 1 << 20

local size = checks.integer(1, MOST_WORKERS)

-- An integer, or math.huge for no limit.
local function count_from(least)
  local check = checks.integer(least, math.maxinteger // 2)
  return function(value, name)
    return value == math.huge and value or check(value, name)
  end
end

local function launchers(value, name)
  local list, count = checks.array(value, name)
  if count == 0 then
    local reason = 'must have at least one launcher'
    error(errors.invalid_arg_value(name, reason, value), 0)
  end
  local copy = {}
  for i = 1, count do
    copy[i] = checks.words(rawget(list, i), ('%s[%d]'):format(name, i))
  end
  return copy
end

local OWN = {
  size = size,
  startTimeout = checks.limit,
  maxQueue = count_from(0),
  maxRequests = count_from(1),
  launchers = launchers,
}

local function all_names()
  local names = {}
  for _, set in ipairs { OWN, options.names 'fork' } do
    for name in pairs(set) do
      names[name] = true
    end
  end
  return names
end

--- settings.names: the names of the options of cp.pool, as keys.
M.names = all_names()

-- What fork gets.  A worker of this machine ends with us, also while it computes.
local function fork_options(opts, launcher)
  local copy = {}
  for name, value in next, opts do
    copy[name] = not OWN[name] and value or nil
  end
  copy.launcher = launcher or copy.launcher
  copy.startTimeout = copy.launcher and rawget(opts, 'startTimeout') or nil
  if not copy.launcher and copy.parentDeathSignal == nil and core.backend == 'linux' then
    copy.parentDeathSignal = 'SIGKILL'
  end
  return copy
end

local PIPES = { pipe = true, overlapped = true }

-- Nobody reads what a worker writes into a pipe.
local function drop_output(slots)
  for i = 1, slots.n do
    if item.is_open(slots[i]) or PIPES[slots[i]] then
      slots[i] = 'ignore'
    end
  end
end

local function plan_with(file, args, opts, launcher)
  local chosen = fork_options(opts, launcher)
  local plan = fork.plan(file, args, chosen, not chosen.launcher)
  drop_output(plan.slots)
  return plan
end

--- settings.read(file, args, opts) -> table: `size`, `startTimeout` (ms; nil: no limit),
-- `maxQueue`, `maxRequests`, and `plans` of fork.lua: worker i is started by number
-- (i - 1) % n + 1 of these n.
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, and what cp.fork
-- raises.
function M.read(file, args, opts)
  file, args, opts = arguments.shuffle('pool', file, args, opts)
  options.check_names(opts, 'pool', M.names)
  local settings = { startTimeout = 30000, maxQueue = math.huge, maxRequests = math.huge }
  for name, check in pairs(OWN) do
    local value = rawget(opts, name)
    if value ~= nil then
      settings[name] = check(value, 'options.' .. name)
    end
  end
  if rawget(opts, 'startTimeout') == 0 then
    settings.startTimeout = nil
  end
  settings.plans = {}
  for i, launcher in ipairs(settings.launchers or { false }) do
    settings.plans[i] = plan_with(file, args, opts, launcher or nil)
  end
  local default = settings.launchers and #settings.launchers or core.processors()
  settings.size = settings.size or default
  return settings
end

return M
