--- Environments: valid names and values, the live environment of this process, and the
-- list that a child gets.
--
-- The same rules hold for the option `env` and for cp.process.env: a name is a non-empty
-- string without '=' and null bytes (Node accepts an empty one and '=', but no program
-- could read such a variable back); a value is a string without null bytes, or a number
-- or true, which are converted. nil and false mean no variable.
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local M = {}

local function refuse(err)
  error(err, 0)
end

local function is_name(key)
  return type(key) == 'string' and key ~= '' and not key:find '[=\0]'
end

-- `what`: the name of the whole environment in messages.
local function check_name(key, what)
  if type(key) ~= 'string' then
    refuse(errors.invalid_arg_type(what, 'a table with string keys', key))
  elseif not is_name(key) then
    local reason = "must have names that are not empty and without '=' and null bytes"
    refuse(errors.invalid_arg_value(what, reason, key))
  end
end

-- -> string, or false for no variable
local function check_value(value, key, what)
  local kind = type(value)
  if not value then
    return false
  elseif kind == 'number' or kind == 'boolean' then
    return tostring(value)
  end
  local name = ("%s['%s']"):format(what, key)
  if kind ~= 'string' then
    refuse(errors.invalid_arg_type(name, 'one of type string, number or boolean', value))
  elseif value:find('\0', 1, true) then
    refuse(errors.invalid_arg_value(name, 'must be a string without null bytes', value))
  end
  return value
end

--- environment.read(value, what) -> table: name -> string, or false for a variable that
-- must not exist.  Reads the raw fields of the user's table; the live environment is read
-- as its contents.
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
function M.read(value, what)
  if type(value) ~= 'table' then
    refuse(errors.invalid_arg_type(what, 'of type table', value))
  elseif value == core.environment then
    return core.environ()
  end
  local variables = {}
  for key, item in next, value do
    check_name(key, what)
    variables[key] = check_value(item, key, what)
  end
  return variables
end

--- environment.extend(variables) -> table: the environment of this process, overridden by
-- a result of `read`.
function M.extend(variables)
  local all = core.environ()
  for name, value in pairs(variables) do
    all[name] = value
  end
  return all
end

--- environment.list(variables) -> array of `NAME=value`.
function M.list(variables)
  local list = {}
  for name, value in pairs(variables) do
    if value then
      list[#list + 1] = name .. '=' .. value
    end
  end
  return list
end

--- environment.without_channel(list) -> array of `NAME=value`: a copy without the two
-- variables of a channel: those of our own parent's would mislead a child.
-- @param list table|nil: nil for the environment of this process
function M.without_channel(list)
  if not list then
    return core.environ_list 'NODE_CHANNEL_'
  end
  local kept = {}
  for _, pair in ipairs(list) do
    if not pair:find '^NODE_CHANNEL_' then
      kept[#kept + 1] = pair
    end
  end
  return kept
end

-- The live environment ------------------------------------------------------------------

local live = { __name = 'child_process.Environment' }

function live.__index(_, key)
  return is_name(key) and os.getenv(key) or nil
end

function live.__newindex(_, key, value)
  check_name(key, 'process.env')
  local ok, errno = core.setenv(key, check_value(value, key, 'process.env') or nil)
  if not ok then
    error(errors.system(errno, 'setenv'), 2)
  end
end

function live.__pairs()
  return next, core.environ(), nil
end

--- cp.process.env: children without an `env` option inherit the variables set here.
M.live = setmetatable(core.environment, live)

return M
