--- The `stdio` option -> what the core opens: one entry a descriptor of the child.
--
-- An entry of the result is 'in' (the child reads a pipe), 'out' (it writes one),
-- 'duplex' (a pair of sockets), 'ipc' (the same, for the channel), 'ignore', a descriptor
-- number, or a stream of the core.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local nearest = require 'child_process.nearest'
local stream = require 'child_process.stream'

local M = {}

local MAX_SLOTS = 1024
local MAX_FD = 2 ^ 31 - 1

-- Slot numbers here are the child's descriptor numbers, from 0.

local function pipe(fd)
  return fd == 0 and 'in' or fd <= 2 and 'out' or 'duplex'
end

local by_name = {
  pipe = pipe,
  overlapped = pipe,
  ignore = function()
    return 'ignore'
  end,
  inherit = function(fd)
    return fd
  end,
  ipc = function()
    return 'ipc'
  end,
}

--- stdio.refuse(value): raises ERR_INVALID_ARG_VALUE.
function M.refuse(value)
  local err = errors.invalid_arg_value('stdio', 'is invalid', value)
  if type(value) == 'string' then
    err.message = err.message .. nearest.hint(value, by_name)
  end
  error(err, 0)
end

local refuse = M.refuse

local function from_string(value, fd)
  local make = by_name[value]
  if make then
    return make(fd)
  end
  local shown, hint = errors.inspect(value), nearest.hint(value, by_name)
  error(errors.coded('ERR_INVALID_SYNC_FORK_INPUT', fd + 1, shown, hint), 0)
end

-- As in Node a negative number asks for a pipe.
local function from_number(value, fd)
  local number = math.tointeger(value)
  if not number or number > MAX_FD then
    refuse(value)
  end
  return number < 0 and pipe(fd) or number
end

local function from_file(value)
  local fd = core.file_fd(value)
  if fd == nil then
    refuse(value)
  elseif not fd then
    error(errors.invalid_arg_value('stdio', 'is a closed file', value), 0)
  end
  return fd
end

local function from_stream(value)
  local handle = value._handle
  if value._is_terminal then
    error(errors.invalid_arg_value('stdio', "is a child's terminal", value), 0)
  end
  if not handle or not handle:fileno() then
    error(errors.invalid_arg_value('stdio', 'is a stream that is closed', value), 0)
  end
  return handle
end

-- A server or a UDP socket (neither may be loaded): the child shares it with us.
local function from_shared(value)
  local fd = value._handle and value._handle:fileno()
  if not fd then
    error(errors.invalid_arg_value('stdio', 'is a socket that is not bound', value), 0)
  end
  return fd
end

local function entry(value, fd)
  local kind = type(value)
  if value == nil or value == false or value == core.null then
    return fd <= 2 and pipe(fd) or 'ignore'
  elseif kind == 'string' then
    return from_string(value, fd)
  elseif kind == 'number' then
    return from_number(value, fd)
  elseif stream.is_stream(value) then
    return from_stream(value)
  elseif kind == 'table' and value[core.shared] then
    return from_shared(value)
  end
  return from_file(value)
end

-- The last index that counts: arrays of the caller may have holes.
local function last_index(list)
  local last = math.tointeger(rawget(list, 'n')) or 0
  for key in next, list do
    local index = math.type(key) == 'integer' and key or key == 'n' and last
    if not index or index < 1 and key ~= 'n' then
      refuse(list)
    end
    last = math.max(last, index)
  end
  if last > MAX_SLOTS then
    local range = ('an array of at most %d entries'):format(MAX_SLOTS)
    error(errors.out_of_range('options.stdio', range, last), 0)
  end
  return last
end

local function spread(value)
  if by_name[value] and value ~= 'ipc' then
    return { value, value, value }
  elseif type(value) ~= 'table' or stream.is_stream(value) then
    refuse(value)
  end
  return value
end

local function check_one_channel(list)
  local channels = 0
  for _, value in next, list do
    channels = channels + (value == 'ipc' and 1 or 0)
  end
  if channels > 1 then
    error(errors.coded 'ERR_IPC_ONE_PIPE', 0)
  end
end

-- Lends the streams that the child gets, and returns them: only once nothing in the list
-- can be wrong any more.  `stdin`: what descriptor 0 counts as, if anything.
local function lend(list, entries, stdin)
  local lent = {}
  for i = 1, #entries do
    local value = rawget(list, i)
    local s = stream.is_stream(value) and value or entries[i] == 0 and stdin
    if s then
      s:_lend()
      lent[#lent + 1] = s
    end
  end
  return lent
end

-- Our process.stdin, if the program has asked for it.
local function own_stdin()
  return core.process and rawget(core.process, 'stdin') or nil
end

--- stdio.count(list) -> how many descriptors a child gets by this array.
function M.count(list)
  return math.max(3, last_index(list))
end

local READABLE = { out = true, duplex = true, pty = true }

local function check_idle(idle, entries)
  for _, value in ipairs(idle and entries or {}) do
    if READABLE[value] then
      return
    end
  end
  if idle then
    local reason = 'needs a pipe from which the child is read'
    error(errors.invalid_arg_value('options.idleTimeout', reason, idle), 0)
  end
end

-- Streams are lent last: nothing raises behind that.
local function resolve(stdio, custom_fds, stdin, idle)
  if stdio == nil or stdio == core.null then
    stdio = custom_fds
  end
  local list = stdio == nil and {} or spread(stdio)
  check_one_channel(list)
  local entries = {}
  for i = 1, M.count(list) do
    entries[i] = entry(rawget(list, i), i - 1)
  end
  check_idle(idle, entries)
  return entries, lend(list, entries, stdin)
end

--- stdio.resolve(plan [, keeps_stdin]) -> array for the core, list of the streams that
-- are lent: see stream/lending.lua.
--
-- Of the plan `stdio` (string, array or nil: as Node has it; index 1 is descriptor 0),
-- `customFds` (the older form, used where `stdio` is not given), and `idleTimeout`, which
-- needs a pipe.
-- @param keeps_stdin boolean: descriptor 0 is not meant to be read by the child
-- Raises ERR_INVALID_ARG_VALUE, ERR_INVALID_SYNC_FORK_INPUT, ERR_IPC_ONE_PIPE,
-- ERR_OUT_OF_RANGE.  Node: options.stdio.
function M.resolve(plan, keeps_stdin)
  local stdin = not keeps_stdin and own_stdin() or nil
  return resolve(plan.stdio, plan.customFds, stdin, plan.idleTimeout)
end

-- `{ input = bytes }` stands for a pipe into the child that has just these bytes in it.
local function take_input(value, slot)
  local bytes = type(value) == 'table' and rawget(value, 'input')
  if bytes == nil or bytes == false then
    return nil
  elseif type(bytes) ~= 'string' then
    local name = ('options.stdio[%d].input'):format(slot - 1)
    error(errors.invalid_arg_type(name, 'of type string', bytes), 0)
  elseif slot == 2 or slot == 3 then
    refuse(value)
  end
  return bytes
end

--- stdio.resolve_sync(plan) -> array for the core, table: slot -> bytes for it, list of
-- the streams that are lent.
--
-- As `resolve`, for a child that is waited for, while we read nothing anyway: without a
-- channel, and an entry may be `{ input = bytes }`, which is a pipe whose reader gets
-- these bytes and then the end.
-- `plan.input`: bytes for slot 1, if that is a pipe.
-- Raises as `resolve`, ERR_INVALID_ARG_TYPE, ERR_IPC_SYNC_FORK.
function M.resolve_sync(plan)
  local stdio = plan.stdio
  local list, inputs = stdio, { plan.input }
  if type(stdio) == 'table' and not stream.is_stream(stdio) then
    list = {}
    for slot, value in next, stdio do
      if value == 'ipc' then
        error(errors.coded 'ERR_IPC_SYNC_FORK', 0)
      end
      local bytes = take_input(value, slot)
      list[slot] = bytes and 'pipe' or value
      inputs[slot] = bytes or inputs[slot]
    end
  end
  local entries, lent = resolve(list or nil, nil, nil, plan.idleTimeout)
  return entries, inputs, lent
end

return M
