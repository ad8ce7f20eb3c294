--- The options `stdio`, `stdin`, `stdout`, `stderr` -> entries for the core, one for each
-- descriptor of the child, see stdio/item.lua and, for several targets at once,
-- stdio/several.lua.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local item = require 'child_process.stdio.item'
local lazy = require 'child_process.lazy'
local lending = require 'child_process.stream.lending'
local stream = require 'child_process.stream'

local M = {}

local load_several = lazy.load 'child_process.stdio.several'

local MAX_SLOTS = 1024

-- Slots ---------------------------------------------------------------------------------

-- The last index in use: the caller's arrays may have holes.
local function last_index(list)
  local last = math.tointeger(rawget(list, 'n')) or 0
  for key in next, list do
    local index = math.type(key) == 'integer' and key or key == 'n' and last
    if not index or index < 1 and key ~= 'n' then
      item.refuse(list)
    end
    last = math.max(last, index)
  end
  if last > MAX_SLOTS then
    local range = ('an array of at most %d entries'):format(MAX_SLOTS)
    error(errors.out_of_range('options.stdio', range, last), 0)
  end
  return last
end

local function copy_list(list)
  local slots = { n = math.max(3, last_index(list)) }
  for i = 1, slots.n do
    slots[i] = rawget(list, i)
  end
  return slots
end

-- `stdio` or, if that is missing, its older form customFds.
local function read_list(plan)
  local asked = plan.stdio
  if item.is_open(asked) then
    asked = plan.customFds
  end
  if item.is_open(asked) then
    return { n = 3 }
  elseif item.is_word(asked) then
    return { asked, asked, asked, n = 3 }
  elseif type(asked) ~= 'table' or stream.is_stream(asked) then
    item.refuse(asked)
  end
  return copy_list(asked)
end

local OPTIONS = { 'stdin', 'stdout', 'stderr' }

--- stdio.slots(plan) -> slots: the items for each descriptor of the child, from 1 to `n`;
-- `names`: slot -> the option it comes from, if not `stdio`.
-- @param plan table: `stdio`, `customFds`, `stdin`, `stdout`, `stderr`
-- Raises ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE.
function M.slots(plan)
  local slots = read_list(plan)
  slots.names = {}
  for i, option in ipairs(OPTIONS) do
    local value, name = plan[option], 'options.' .. option
    if not item.is_open(value) then
      if not item.is_open(slots[i]) then
        local reason = ("cannot be given together with 'stdio[%d]'"):format(i)
        error(errors.invalid_arg_value(name, reason, value), 0)
      end
      slots[i], slots.names[i] = value, name
    end
  end
  return slots
end

-- Entries -------------------------------------------------------------------------------

local function check_one_channel(slots)
  local channels = 0
  for i = 1, slots.n do
    channels = channels + (slots[i] == 'ipc' and 1 or 0)
  end
  if channels > 1 then
    error(errors.coded 'ERR_IPC_ONE_PIPE', 0)
  end
end

-- Lends the streams that the child gets, and returns them; only after everything in the
-- list has been checked.  `stdin`: the stream that descriptor 0 stands for, if any.
local function lend(slots, entries, stdin)
  local lent = {}
  for i = 1, slots.n do
    local value = slots[i]
    local s = stream.is_stream(value) and value or entries[i] == 0 and stdin
    if s then
      lending.lend(s)
      lent[#lent + 1] = s
    end
  end
  return lent
end

--- stdio.is_read(entry) -> boolean: it is a pipe that we read.
function M.is_read(entry)
  return entry == 'out' or entry == 'duplex' or item.has_targets(entry)
end

local function check_idle(idle, entries)
  for _, entry in ipairs(idle and entries or {}) do
    if M.is_read(entry) then
      return
    end
  end
  if idle then
    local reason = 'needs a pipe from which the child is read'
    error(errors.invalid_arg_value('options.idleTimeout', reason, idle), 0)
  end
end

local function make_entries(plan, slots)
  check_one_channel(slots)
  local entries, slot = {}, {}
  for i = 1, slots.n do
    slot.fd, slot.name = i - 1, slots.names[i] or 'stdio'
    local make = item.is_array(slots[i]) and load_several() or item
    entries[i] = make.entry(slots[i], slot)
  end
  if entries[2] == 'ipc' and entries[3] == 'same' then
    local reason = "cannot be 'stdout' where that is the channel"
    error(errors.invalid_arg_value(slots.names[3] or 'stdio', reason, slots[3]), 0)
  end
  check_idle(plan.idleTimeout, entries)
  return entries
end

-- Streams are lent last: nothing raises after that.
local function resolve(plan, slots, stdin)
  local entries = make_entries(plan, slots)
  return entries, lend(slots, entries, stdin)
end

-- Our process.stdin, if the program has asked for it.
local function own_stdin()
  return core.process and rawget(core.process, 'stdin') or nil
end

local PIPES, NONE = { 'in', 'out', 'out' }, {}
local USUAL = { pipe = PIPES, ignore = { 'ignore', 'ignore', 'ignore' } }

-- The entries that most children get, with nothing to be checked; or nil.
local function usual(plan)
  local others = plan.stdin ~= nil
    or plan.stdout ~= nil
    or plan.stderr ~= nil
    or plan.customFds ~= nil
    or plan.idleTimeout
    or plan.slots
  return not others and (plan.stdio == nil and PIPES or USUAL[plan.stdio]) or nil
end

--- stdio.resolve(plan) -> array of entries, list of the lent streams, see
-- stream/lending.lua; neither is to be changed.
-- @param plan table: as for `slots`, or with `slots` already computed;
--   `keeps_stdin`: descriptor 0 is not meant to be read by the child; `idleTimeout`,
--   which needs a pipe
-- Raises ERR_INVALID_ARG_VALUE, ERR_INVALID_ARG_TYPE, ERR_INVALID_SYNC_FORK_INPUT,
-- ERR_IPC_ONE_PIPE, ERR_OUT_OF_RANGE.  Node: options.stdio.
function M.resolve(plan)
  local entries = usual(plan)
  if entries then
    return entries, NONE
  end
  local slots = plan.slots or M.slots(plan)
  return resolve(plan, slots, not plan.keeps_stdin and own_stdin() or nil)
end

--- stdio.prepare(plan) -> array of entries: the first half of `resolve`, for a child that
-- is started only when other things have been checked, too.  Raises as `resolve`.
function M.prepare(plan)
  plan.slots = M.slots(plan)
  return make_entries(plan, plan.slots)
end

--- stdio.lend(plan, entries) -> list of the lent streams: the other half.
function M.lend(plan, entries)
  return lend(plan.slots, entries, own_stdin())
end

-- `{ input = bytes }` stands for a pipe into the child with exactly these bytes.
local function take_input(value, i, name)
  local bytes = type(value) == 'table' and rawget(value, 'input')
  if bytes == nil or bytes == false then
    return nil
  elseif type(bytes) ~= 'string' then
    local what = (name or ('options.stdio[%d]'):format(i - 1)) .. '.input'
    error(errors.invalid_arg_type(what, 'of type string', bytes), 0)
  elseif i == 2 or i == 3 then
    item.refuse(value, name)
  end
  return bytes
end

--- stdio.resolve_sync(plan) -> array of entries, table: slot -> bytes for it, list of the
-- lent streams.
--
-- Like `resolve`, for a Sync call, during which we read nothing: without a channel, and
-- an item may be `{ input = bytes }`, a pipe whose reader gets these bytes and then end
-- of file.
-- @param plan table: as for `slots`; `input`: bytes for slot 1, if that is a pipe
-- Raises as `resolve`, ERR_IPC_SYNC_FORK.
function M.resolve_sync(plan)
  local quickly = usual(plan)
  if quickly then
    return quickly, { plan.input }, NONE
  end
  local slots, inputs = M.slots(plan), { plan.input }
  for i = 1, slots.n do
    if slots[i] == 'ipc' then
      error(errors.coded 'ERR_IPC_SYNC_FORK', 0)
    end
    local bytes = take_input(slots[i], i, slots.names[i])
    if bytes then
      slots[i], inputs[i] = 'pipe', bytes
    end
  end
  local entries, lent = resolve(plan, slots)
  for _, entry in ipairs(entries) do
    if item.has_targets(entry) then
      load_several().for_sync(entry)
    end
  end
  return entries, inputs, lent
end

return M
