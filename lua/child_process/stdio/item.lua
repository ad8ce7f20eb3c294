--- Turns one item of `stdio` into the entry with which the core opens one descriptor of
-- the child.
--
-- A slot is `fd`, the child's descriptor number (from 0), and `name`, for messages:
-- `stdio`, as in Node, or the option it comes from.
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local lazy = require 'child_process.lazy'
local stream = require 'child_process.stream'

local nearest = lazy.module 'child_process.nearest'

local M = {}

local MAX_FD = 2 ^ 31 - 1
local STDIN, STDERR = 0, 2

local function pipe(slot)
  return slot.fd == STDIN and 'in' or slot.fd <= STDERR and 'out' or 'duplex'
end

local by_name = {
  pipe = pipe,
  overlapped = pipe,
  ignore = function()
    return 'ignore'
  end,
  inherit = function(slot)
    return slot.fd
  end,
  ipc = function()
    return 'ipc'
  end,
}

--- item.is_word(value) -> boolean: a word valid for one descriptor or for the first
-- three.
function M.is_word(value)
  return by_name[value] ~= nil and value ~= 'ipc'
end

--- item.is_open(value) -> boolean: it keeps the default of a slot.
function M.is_open(value)
  return value == nil or value == false or value == core.null
end

--- item.refuse(value [, name]): raises ERR_INVALID_ARG_VALUE.
function M.refuse(value, name)
  local err = errors.invalid_arg_value(name or 'stdio', 'is invalid', value)
  if type(value) == 'string' then
    err.message = err.message .. nearest.hint(value, by_name)
  end
  error(err, 0)
end

local function refuse(value, slot, reason)
  if not reason then
    M.refuse(value, slot.name)
  end
  error(errors.invalid_arg_value(slot.name, reason, value), 0)
end

-- Output on the two then appears in the order of the child's writes.
local function same_as_stdout(slot)
  if slot.fd ~= STDERR then
    refuse('stdout', slot, "can be 'stdout' for descriptor 2, stderr, alone")
  end
  return 'same'
end

--- item.is_array(value) -> boolean: a table with positions, which names several targets,
-- see several.lua.
function M.is_array(value)
  return type(value) == 'table'
    and not stream.is_stream(value)
    and not value[core.shared]
    and rawget(value, 'file') == nil
    and (rawget(value, 1) ~= nil or type(next(value)) == 'number')
end

--- item.has_targets(entry) -> boolean: whether it was made by several.lua.
function M.has_targets(entry)
  return type(entry) == 'table' and entry.targets ~= nil
end

--- item.full_name(slot) -> string: its name in messages other than Node's.
function M.full_name(slot)
  return slot.name == 'stdio' and ('options.stdio[%d]'):format(slot.fd + 1) or slot.name
end

local function from_string(value, slot)
  local make = value == 'stdout' and same_as_stdout or by_name[value]
  if make then
    return make(slot)
  end
  local shown, hint = errors.inspect(value), nearest.hint(value, by_name)
  if hint == '' and value:find '[./]' then
    hint = ('; for a file of that name write { file = %s }'):format(shown)
  end
  local name = M.full_name(slot)
  error(errors.coded('ERR_INVALID_SYNC_FORK_INPUT', name, shown, hint), 0)
end

-- As in Node, a negative number asks for a pipe.
local function from_number(value, slot)
  local number = math.tointeger(value)
  if not number or number > MAX_FD then
    refuse(value, slot)
  end
  return number < 0 and pipe(slot) or number
end

local function from_file(value, slot)
  local fd = core.file_fd(value)
  if fd == nil then
    refuse(value, slot)
  elseif not fd then
    refuse(value, slot, 'is a closed file')
  end
  return fd
end

local function from_stream(value, slot)
  local handle = stream.handle(value)
  if stream.is_terminal(value) then
    refuse(value, slot, "is a child's terminal")
  elseif stream.is_fed(value) then
    refuse(value, slot, 'is one of several targets of a child')
  elseif not handle or not handle:fileno() then
    refuse(value, slot, 'is a stream that is closed')
  end
  return handle
end

-- A server or a UDP socket (neither may be loaded): the child shares it with us.
local function from_shared(value, slot)
  return value[core.shared](value) or refuse(value, slot, 'is a socket that is not bound')
end

-- { file = path } -----------------------------------------------------------------------

local FIELDS = { file = checks.command, append = checks.boolean, mode = checks.mode }

local function is_path(value)
  if type(value) ~= 'table' then
    return false
  end
  local is_plain = getmetatable(value) == nil and type(next(value)) == 'string'
  return is_plain or rawget(value, 'file') ~= nil
end

-- The core opens it, after everything in the list has been checked.
local function from_path(value, slot)
  local name = M.full_name(slot)
  local fields = checks.fields(value, FIELDS, name)
  if slot.fd == STDIN and fields.append then
    local reason = 'is for a file that the child writes'
    error(errors.invalid_arg_value(name .. '.append', reason, true), 0)
  end
  return {
    path = checks.command(fields.file, name .. '.file'),
    reads = slot.fd == STDIN,
    append = fields.append,
    mode = fields.mode,
  }
end

-- The entry -----------------------------------------------------------------------------

--- item.entry(value, slot) -> 'in' (the child reads a pipe), 'out' (it writes one),
-- 'duplex' (a socket pair), 'ipc' (the same, for the channel), 'ignore', 'same' (as the
-- slot before), a descriptor number, a stream of the core, or { path, reads, append, mode
-- }.
-- Raises ERR_INVALID_ARG_VALUE, ERR_INVALID_ARG_TYPE, ERR_INVALID_SYNC_FORK_INPUT,
-- ERR_OUT_OF_RANGE.
function M.entry(value, slot)
  local kind = type(value)
  if M.is_open(value) then
    return slot.fd <= STDERR and pipe(slot) or 'ignore'
  elseif kind == 'string' then
    return from_string(value, slot)
  elseif kind == 'number' then
    return from_number(value, slot)
  elseif stream.is_stream(value) then
    return from_stream(value, slot)
  elseif kind == 'table' and value[core.shared] then
    return from_shared(value, slot)
  elseif is_path(value) then
    return from_path(value, slot)
  elseif kind == 'table' and next(value) == nil then
    -- as an item of stdio it has Node's message
    refuse(value, slot, slot.name ~= 'stdio' and 'cannot be empty: it names no target')
  end
  return from_file(value, slot)
end

return M
