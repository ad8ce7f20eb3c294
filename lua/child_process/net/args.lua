--- Argument forms shared by the classes of net and dgram.
local errors = require 'child_process.errors'

local M = {}

--- A port, from a number or numeric text; raises ERR_SOCKET_BAD_PORT.
-- @param what string: its name in the message
-- @param least integer: 0, or 1 if 0 is not allowed
function M.port(value, what, least)
  local number = type(value) ~= 'boolean' and math.tointeger(tonumber(value))
  if not number or number < least or number > 65535 then
    error(errors.bad_port(what, least == 0 and '>= 0' or '> 0', value), 0)
  end
  return number
end

--- Raises ERR_INVALID_ARG_TYPE unless the value is nil or of that type.
function M.optional(value, kind, what)
  if value ~= nil and type(value) ~= kind then
    error(errors.invalid_arg_type(what, 'of type ' .. kind, value), 0)
  end
  return value
end

local function field(value, name)
  return value[name]
end

--- Whether the value is a handle of the core with that method.  Indexing other userdata
-- may raise.
function M.is_handle(value, method)
  local ok, found = pcall(field, value, method)
  return type(value) == 'userdata' and ok and found ~= nil
end

--- Raises ERR_INVALID_ARG_TYPE unless the value is nil or such a handle.
function M.handle(value, method, what)
  if value ~= nil and not M.is_handle(value, method) then
    error(errors.invalid_arg_type(what, 'a handle of this library', value), 0)
  end
  return value
end

local FAMILIES = { [0] = 0, [4] = 4, [6] = 6, IPv4 = 4, IPv6 = 6 }

--- The family of an address, as in options and `address()`: 4, 6, or 0 for any.  Raises
-- ERR_INVALID_ARG_VALUE.
function M.family(value)
  local family = value == nil and 0 or FAMILIES[value]
  if not family then
    local reason = "must be one of: 0, 4, 6, 'IPv4', 'IPv6'"
    error(errors.invalid_arg_value('options.family', reason, value), 0)
  end
  return family
end

-- A value as the number of a port or a backlog.
local function number_of(value)
  local number = type(value) ~= 'boolean' and tonumber(value)
  return number and number >= 0 and number or nil
end

--- `([options | port | path] [, host] [, backlog] [, callback])` -> options, callback,
-- backlog.  The options are the caller's table, or a new one.
function M.normalize(...)
  local list = table.pack(...)
  local first, callback = list[1], nil
  if type(list[list.n]) == 'function' then
    callback = list[list.n]
    list[list.n] = nil
    first = list[1]
  end
  local options
  if type(first) == 'table' or type(first) == 'userdata' then
    options = first
  elseif type(first) == 'string' and not number_of(first) then
    options = { path = first }
  else
    options = { port = first, host = type(list[2]) == 'string' and list[2] or nil }
  end
  local backlog = number_of(list[2]) or number_of(list[3])
  return options, callback, backlog and math.tointeger(backlog)
end

return M
