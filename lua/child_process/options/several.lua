--- The options of calls that start several children.
local checks = require 'child_process.options.checks'
local errors = require 'child_process.errors'
local options = require 'child_process.options'

local M = {}

local function refuse(err)
  error(err, 0)
end

local CALLS = { 'spawn', 'exec', 'execFile', 'fork' }

local function in_any_call()
  local names = {}
  for _, call in ipairs(CALLS) do
    for name in pairs(options.names(call)) do
      names[name] = true
    end
  end
  return names
end

-- Those of cp.map itself; all others are for its commands.
local OF_MAP = { limit = true, retries = true, delay = true, stopOnError = true }

local function with_commands()
  local names = {}
  for _, part in ipairs { OF_MAP, options.names 'spawn' } do
    for name in pairs(part) do
      names[name] = true
    end
  end
  return names
end

-- A stage is connected to its neighbours only.
local function without_connections()
  local names = {}
  for name in pairs(options.names 'spawn') do
    names[name] = true
  end
  for _, name in ipairs { 'stdio', 'customFds', 'pty', 'serialization' } do
    names[name] = nil
  end
  return names
end

-- call -> the names of its options, as keys
local names_of = {
  scope = in_any_call(),
  map = with_commands(),
  pipeline = without_connections(),
  stage = without_connections(),
}
names_of.pipeline.encoding = true

--- several.names(call) -> table: the names of a call's options, as keys.
-- @param call string: `scope`, `map`, `pipeline`, `stage` (of a pipeline)
function M.names(call)
  return names_of[call]
end

local function check_table(opts)
  if type(opts) ~= 'table' then
    refuse(errors.invalid_arg_type('options', 'of type table', opts))
  end
  local _, positions, others = checks.count_keys(opts)
  if positions + others > 0 then
    local expected = 'of type table, with string keys'
    refuse(errors.invalid_arg_type('options', expected, opts))
  end
end

--- several.merge(defaults, names, opts) -> table: `opts`, and those of the defaults that
-- it lacks and that have one of the names.
function M.merge(defaults, names, opts)
  local all = {}
  for name, value in next, defaults do
    if names[name] then
      all[name] = value
    end
  end
  for name, value in next, opts do
    all[name] = value
  end
  return all
end

--- several.check(opts, call) -> a copy of the options, all of them known, with values
-- that their calls take.  Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
-- ERR_OUT_OF_RANGE, ERR_UNKNOWN_SIGNAL.
function M.check(opts, call)
  if opts == nil then
    return {}
  end
  check_table(opts)
  options.check_names(opts, call, names_of[call])
  for _, name in ipairs(CALLS) do
    options.read(M.merge(opts, options.names(name), {}), name)
  end
  return M.merge(opts, names_of[call], {})
end

--- several.check_map(opts, is_command) -> options of cp.map, options of its commands.
-- Raises as `check`.
function M.check_map(opts, is_command)
  check_table(opts)
  if is_command then
    options.check_names(opts, 'map', names_of.map)
  else
    options.check_names(opts, 'map with a function', OF_MAP)
  end
  local own, others = {}, {}
  for name, value in next, opts do
    local part = OF_MAP[name] and own or others
    part[name] = value
  end
  options.read(others, 'spawn')
  return own, others
end

return M
