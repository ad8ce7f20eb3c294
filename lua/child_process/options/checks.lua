--- Checks the values of options.
--
-- A checker is `(value, name) -> the value for the plan`; it raises an error that names
-- the argument.
local encodings = require 'child_process.encoding'
local errors = require 'child_process.errors'
local lazy = require 'child_process.lazy'
local signals = require 'child_process.signals'

local abort = lazy.module 'child_process.abort'
local nearest = lazy.module 'child_process.nearest'

local M = {}

local MAX_SAFE_INTEGER = 2 ^ 53 - 1
local MAX_TIMER = 2 ^ 31 - 1
-- the last uid_t, -1, means "leave it as it is" to the kernel
local MAX_ID = 2 ^ 32 - 2

local function refuse(err)
  error(err, 0)
end

local function of_type(kind)
  return function(value, name)
    if type(value) ~= kind then
      refuse(errors.invalid_arg_type(name, 'of type ' .. kind, value))
    end
    return value
  end
end

M.boolean = of_type 'boolean'
M.bytes = of_type 'string'

--- For values checked elsewhere, or not at all.
function M.anything(value)
  return value
end

--- A value that becomes a C string.
function M.text(value, name)
  M.bytes(value, name)
  if value:find('\0', 1, true) then
    refuse(errors.invalid_arg_value(name, 'must be a string without null bytes', value))
  end
  return value
end

--- The name of a program, or a command.
function M.command(value, name)
  if M.text(value, name) == '' then
    refuse(errors.invalid_arg_value(name, 'cannot be empty', value))
  end
  return value
end

--- As in Node, '' is neither a directory nor a shell.
function M.non_empty(value, name)
  return M.text(value, name) ~= '' and value or nil
end

local number = of_type 'number'

--- checks.integer(min, max) -> a checker of integers in that range.
function M.integer(min, max)
  local range = ('>= %d && <= %d'):format(min, max)
  return function(value, name)
    -- NaN and the infinities have no remainder either
    if number(value, name) % 1 ~= 0 then
      refuse(errors.out_of_range(name, 'an integer', value))
    elseif value < min or value > max then
      refuse(errors.out_of_range(name, range, value))
    end
    return math.tointeger(value)
  end
end

M.id = M.integer(0, MAX_ID)

local whole = M.integer(0, MAX_SAFE_INTEGER)
local permissions = M.integer(0, 511) -- 0777

--- Permissions, as chmod(1) takes them: an integer, or a string of octal digits.
function M.mode(value, name)
  if type(value) ~= 'string' then
    return permissions(value, name)
  elseif not value:find '^0*[0-7]?[0-7]?[0-7]$' then
    local reason = 'must be octal digits up to 777'
    refuse(errors.invalid_arg_value(name, reason, value))
  end
  return tonumber(value, 8)
end

--- Timers reach 24.8 days; longer times must not fire earlier than that.
function M.milliseconds(value, name)
  return math.min(whole(value, name), math.tointeger(MAX_TIMER))
end

--- A timeout; 0 means no limit, and then the plan has none.
function M.limit(value, name)
  local ms = M.milliseconds(value, name)
  return ms > 0 and ms or nil
end

function M.size(value, name)
  if number(value, name) < 0 or value ~= value then
    refuse(errors.out_of_range(name, '>= 0', value))
  end
  return value == math.huge and value or math.floor(value)
end

function M.shell(value, name)
  if type(value) == 'boolean' then
    return value and '/bin/sh' or nil
  elseif type(value) ~= 'string' then
    refuse(errors.invalid_arg_type(name, 'one of type boolean or string', value))
  end
  return M.non_empty(value, name)
end

function M.abort_signal(value, name)
  if not abort.is_signal(value) then
    refuse(errors.invalid_arg_type(name, 'an instance of AbortSignal', value))
  end
  return value
end

function M.serialization(value, name)
  if value ~= 'json' and value ~= 'advanced' then
    refuse(
      errors.invalid_arg_value(name, "must be one of: nil, 'json', 'advanced'", value)
    )
  end
  return value
end

--- Node finds an unknown encoding only when the child has ended; no child is needed for
-- that.
function M.known_encoding(value, name)
  return encodings.check(M.bytes(value, name))
end

function M.kill_signal(value, name)
  if type(value) ~= 'string' and type(value) ~= 'number' then
    refuse(errors.invalid_arg_type(name, 'one of type string or number', value))
  end
  return signals.number(value)
end

-- Tables --------------------------------------------------------------------------------

--- checks.count_keys(table) -> how many of its keys are strings, positions (1, 2, …), and
-- neither.
function M.count_keys(value)
  local named, positions, others = 0, 0, 0
  for key in next, value do
    if type(key) == 'string' then
      named = named + 1
    elseif math.type(key) == 'integer' and key >= 1 then
      positions = positions + 1
    else
      others = others + 1
    end
  end
  return named, positions, others
end

--- Returns the number of its items as well; it may have holes.
function M.array(value, name)
  local named, count, others = M.count_keys(type(value) == 'table' and value or {})
  if type(value) ~= 'table' or named + others > 0 then
    refuse(errors.invalid_arg_type(name, 'an array', value))
  end
  return value, count
end

--- A hole shows as a nil item, since items up to the number of keys are checked.
function M.strings(value, name)
  local _, count = M.array(value, name)
  local copy = {}
  for i = 1, count do
    copy[i] = M.text(rawget(value, i), ('%s[%d]'):format(name, i))
  end
  return copy
end

--- A program and its arguments.
function M.words(value, name)
  local copy = M.strings(value, name)
  M.command(copy[1], name .. '[1]')
  return copy
end

--- checks.field(fields, key, name) -> what `fields` has for that key of a table that the
-- user gave as `name`; raises ERR_INVALID_ARG_VALUE, with the name that was probably
-- meant, if it has nothing.
function M.field(fields, key, name)
  local found = fields[key]
  if found == nil then
    local hint = type(key) == 'string' and nearest.hint(key, fields) or ''
    local text = ('%s is not a field of %s%s'):format(errors.inspect(key), name, hint)
    refuse(errors.new('TypeError', 'ERR_INVALID_ARG_VALUE', text))
  end
  return found
end

--- checks.fields(given, checkers, name) -> table: the fields of a table, each as its
-- checker returns it; a field without one raises as `field`.
function M.fields(given, checkers, name)
  local fields = {}
  for key, value in next, given do
    fields[key] = M.field(checkers, key, name)(value, ('%s.%s'):format(name, key))
  end
  return fields
end

return M
