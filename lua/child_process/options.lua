--- Arguments and options of the caller -> one plan.
--
-- Everything is checked here, before anything is started: a wrong type, range, NUL byte
-- or form of arguments raises at once.  The plan is a new table that shares nothing with
-- the caller's; those are only read, and only their own fields (rawget).
local abort = require 'child_process.abort'
local core = require 'child_process.core'
local encodings = require 'child_process.encoding'
local errors = require 'child_process.errors'
local signals = require 'child_process.signals'

local M = {}

local MAX_SAFE_INTEGER = 2 ^ 53 - 1
local MAX_TIMER = 2 ^ 31 - 1
-- the last uid_t, -1, means "leave it as it is" to the kernel
local MAX_ID = 2 ^ 32 - 2

-- Nothing is added to the value: it says itself what is wrong with which argument.
local function refuse(err)
  error(err, 0)
end

-- Checkers: (value, name) -> the value for the plan ---------------------------------

local function of_type(kind)
  return function(value, name)
    if type(value) ~= kind then
      refuse(errors.invalid_arg_type(name, 'of type ' .. kind, value))
    end
    return value
  end
end

local boolean = of_type 'boolean'
local bytes = of_type 'string'

-- stdio.lua knows the forms
local function anything(value)
  return value
end

-- What becomes a C string.
local function text(value, name)
  bytes(value, name)
  if value:find('\0', 1, true) then
    refuse(errors.invalid_arg_value(name, 'must be a string without null bytes', value))
  end
  return value
end

-- '' is no directory and no shell, as in Node.
local function non_empty(value, name)
  return text(value, name) ~= '' and value or nil
end

local function number(value, name)
  if type(value) ~= 'number' then
    refuse(errors.invalid_arg_type(name, 'of type number', value))
  end
  return value
end

local function integer(max)
  local range = ('>= 0 && <= %d'):format(max)
  return function(value, name)
    -- NaN and the infinities have no remainder either
    if number(value, name) % 1 ~= 0 then
      refuse(errors.out_of_range(name, 'an integer', value))
    elseif value < 0 or value > max then
      refuse(errors.out_of_range(name, range, value))
    end
    return math.tointeger(value)
  end
end

local id = integer(MAX_ID)
local whole = integer(MAX_SAFE_INTEGER)

-- Timers reach 24.8 days; what lies beyond must not fire earlier than that.
local function milliseconds(value, name)
  return math.min(whole(value, name), math.tointeger(MAX_TIMER))
end

-- A limit in time, of which 0 is none: the plan then has none either.
local function limit(value, name)
  local ms = milliseconds(value, name)
  return ms > 0 and ms or nil
end

local function size(value, name)
  if number(value, name) < 0 or value ~= value then
    refuse(errors.out_of_range(name, '>= 0', value))
  end
  return value == math.huge and value or math.floor(value)
end

local function shell(value, name)
  if type(value) == 'boolean' then
    return value and '/bin/sh' or nil
  elseif type(value) ~= 'string' then
    refuse(errors.invalid_arg_type(name, 'one of type boolean or string', value))
  end
  return non_empty(value, name)
end

local function abort_signal(value, name)
  if not abort.is_signal(value) then
    refuse(errors.invalid_arg_type(name, 'an instance of AbortSignal', value))
  end
  return value
end

local function serialization(value, name)
  if value ~= 'json' and value ~= 'advanced' then
    local reason = "must be one of: undefined, 'json', 'advanced'"
    refuse(errors.invalid_arg_value(name, reason, value))
  end
  return value
end

-- Node finds out when the child has ended; nothing need be run for that.
local function known_encoding(value, name)
  return encodings.check(bytes(value, name))
end

-- How many keys of a table are strings, positions (1, 2, …) and neither.
local function count_keys(value)
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

-- Returns the number of its items as well; it may have holes.
local function array(value, name)
  local named, count, others = count_keys(type(value) == 'table' and value or {})
  if type(value) ~= 'table' or named + others > 0 then
    refuse(errors.invalid_arg_type(name, 'an instance of Array', value))
  end
  return value, count
end

-- A hole shows as an item that is nil, since as many as there are get looked at.
local function strings(value, name)
  local _, count = array(value, name)
  local copy = {}
  for i = 1, count do
    copy[i] = text(rawget(value, i), ('%s[%d]'):format(name, i))
  end
  return copy
end

local function kill_signal(value, name)
  if type(value) ~= 'string' and type(value) ~= 'number' then
    refuse(errors.invalid_arg_type(name, 'one of type string or number', value))
  end
  return signals.number(value)
end

-- Environment ---------------------------------------------------------------------------

-- Node lets '' and '=' pass; no program could read such a variable back.
local function env_name(key, name)
  if type(key) ~= 'string' then
    refuse(errors.invalid_arg_type(name, 'a table with string keys', key))
  elseif key == '' or key:find '[=\0]' then
    local reason = "must have names that are not empty and without '=' and null bytes"
    refuse(errors.invalid_arg_value(name, reason, key))
  end
  return key
end

local function env_value(value, name)
  if type(value) == 'number' or value == true then
    return tostring(value)
  elseif type(value) ~= 'string' then
    refuse(errors.invalid_arg_type(name, 'one of type string, number or boolean', value))
  end
  return text(value, name)
end

local function environment(value, name)
  if type(value) ~= 'table' then
    refuse(errors.invalid_arg_type(name, 'of type object', value))
  end
  local list = {}
  for key, item in next, value do
    env_name(key, name)
    if item then
      local item_name = ("%s['%s']"):format(name, key)
      list[#list + 1] = key .. '=' .. env_value(item, item_name)
    end
  end
  return list
end

-- The options ---------------------------------------------------------------------------

-- Each row: option, its checker, the calls that have it (what `exec` has, `file`,
-- execFile, has too; `sync`: the three that wait), its field in the plan if that is named
-- differently.  Other fields of an options table are ignored, as in Node.
local ROWS = {
  { 'cwd', non_empty, 'spawn exec fork sync' },
  { 'env', environment, 'spawn exec fork sync' },
  { 'argv0', text, 'spawn fork sync' },
  { 'argv0', text, 'exec', 'unused' }, -- Node looks at it, too, and does nothing with it
  { 'uid', id, 'spawn exec fork sync' },
  { 'gid', id, 'spawn exec fork sync' },
  { 'shell', shell, 'spawn exec sync' },
  { 'detached', boolean, 'spawn file fork sync' },
  { 'stdio', anything, 'spawn fork sync' },
  { 'customFds', array, 'spawn exec fork' },
  { 'serialization', serialization, 'spawn file fork' },
  { 'timeout', limit, 'spawn exec fork sync' },
  { 'killSignal', kill_signal, 'spawn exec fork sync' },
  { 'killAfter', milliseconds, 'sync' },
  { 'signal', abort_signal, 'spawn exec fork' },
  { 'maxBuffer', size, 'spawn exec sync' },
  { 'encoding', bytes, 'exec' },
  { 'encoding', known_encoding, 'sync' },
  { 'input', bytes, 'spawn exec sync' },
  { 'execPath', text, 'fork' },
  { 'execArgv', strings, 'fork' },
  { 'silent', boolean, 'fork' },
  { 'windowsHide', boolean, 'spawn exec fork sync' },
  { 'windowsVerbatimArguments', boolean, 'spawn exec fork sync' },
}

-- call -> its rows
local rows_of = { spawn = {}, exec = {}, file = {}, fork = {}, sync = {} }
for _, row in ipairs(ROWS) do
  for call in row[3]:gsub('exec', 'exec file'):gmatch '%a+' do
    table.insert(rows_of[call], row)
  end
end

local function read_options(opts, call)
  local plan = { killSignal = core.signals.SIGTERM }
  for _, row in ipairs(rows_of[call]) do
    local name, check, field = row[1], row[2], row[4] or row[1]
    local value = rawget(opts, name)
    if value ~= nil then
      plan[field] = check(value, 'options.' .. name)
    end
  end
  return plan
end

-- Arguments -----------------------------------------------------------------------------

-- True for a table of options, false for an array of arguments: an empty one is an array.
local function is_options(value)
  local named, positions, others = count_keys(value)
  if others > 0 or named > 0 and positions > 0 then
    local expected = 'an array of arguments or a table of options, not both'
    refuse(errors.invalid_arg_type('args', expected, value))
  end
  return named > 0
end

local function check_options(value)
  if value == nil then
    return {}
  elseif type(value) ~= 'table' then
    refuse(errors.invalid_arg_type('options', 'of type object', value))
  end
  local _, positions, others = count_keys(value)
  if positions + others > 0 then
    refuse(errors.invalid_arg_type('options', 'of type object, with string keys', value))
  end
  return value
end

local function check_command(value, name)
  if text(value, name) == '' then
    refuse(errors.invalid_arg_value(name, 'cannot be empty', value))
  end
  return value
end

local function check_callback(value)
  if value ~= nil and type(value) ~= 'function' then
    refuse(errors.invalid_arg_type('callback', 'of type function', value))
  end
  return value
end

-- Node makes strings of numbers and booleans; of other values nothing useful could come.
local function argument(value, index)
  local name = ('args[%d]'):format(index)
  if type(value) == 'number' or type(value) == 'boolean' then
    return tostring(value)
  end
  return text(value, name)
end

local function copy_arguments(args)
  local _, count = count_keys(args)
  local copy = {}
  for i = 1, count do
    copy[i] = argument(rawget(args, i), i)
  end
  return copy
end

-- Sorts `args, options` out -> array, options table, true if the first was the options.
local function sort_out(args, opts)
  if args == nil then
    return {}, opts, false
  elseif type(args) ~= 'table' then
    refuse(errors.invalid_arg_type('args', 'of type object', args))
  elseif is_options(args) then
    return {}, args, true
  end
  return args, opts, false
end

--- options.shuffle(first_name, file [, args] [, opts]) -> file, args, opts: the forms of
-- spawn, spawnSync, fork and execFileSync.  A table of options in the place of the
-- arguments ends the list: what follows it is ignored, as in Node.
-- @param first_name string: what messages call the first argument
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
function M.shuffle(first_name, file, args, opts)
  check_command(file, first_name)
  args, opts = sort_out(args, opts)
  return file, args, check_options(opts)
end

--- options.shuffle_exec_file(file [, args] [, opts] [, callback]) -> file, args, opts,
-- callback.  What follows the callback is ignored, as in Node.  Raises as `shuffle`.
function M.shuffle_exec_file(file, args, opts, callback)
  check_command(file, 'file')
  if type(args) == 'function' then
    return file, {}, {}, args
  end
  local first = opts
  local was_options
  args, opts, was_options = sort_out(args, opts)
  if was_options then
    return file, args, check_options(opts), check_callback(first or callback)
  elseif type(opts) == 'function' then
    return file, args, {}, opts
  end
  return file, args, check_options(opts), check_callback(callback)
end

--- options.shuffle_exec(command [, opts] [, callback]) -> command, opts, callback.
-- What follows the callback is ignored, as in Node.  Raises as `shuffle`.
function M.shuffle_exec(command, opts, callback)
  check_command(command, 'command')
  if type(opts) == 'function' then
    return command, {}, opts
  end
  return command, check_options(opts), check_callback(callback)
end

-- The plan ------------------------------------------------------------------------------

-- As in Node the arguments are joined as they are: quoting is the caller's.
local function apply_shell(plan, file, args)
  table.insert(args, 1, file)
  return plan.shell, { '-c', table.concat(args, ' ') }
end

-- A plan is known by this: what is none has not been checked.  The name counts, since a
-- module that is loaded a second time shares the methods of children with the first.
local Plan = { __name = 'child_process.Plan' }

-- `args` is argv with argv[0]; `file` what is executed.
local function new_plan(plan, file, args)
  plan.file, plan.args = file, args
  return setmetatable(plan, Plan)
end

--- options.is_plan(value) -> boolean: whether it was made here.
function M.is_plan(value)
  local meta = getmetatable(value)
  return type(meta) == 'table' and meta.__name == Plan.__name
end

--- options.normalize(file, args, opts [, call]) -> plan, from what `shuffle` gave.
--
-- The plan holds `file` (what is executed), `args` (argv, argv[0] at index 1),
-- `env` (array of `NAME=value`; nil: that of this process), and under their own names
-- the options of the call: times in ms, nil for no limit; `killSignal` a number; `stdio`
-- and `customFds` as given.
-- @param call string|nil: whose options are read: `spawn` (default), `exec`, `file`
-- (execFile), `fork` or `sync`
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE,
-- ERR_UNKNOWN_SIGNAL.
-- Node: child_process.spawn.
function M.normalize(file, args, opts, call)
  local plan = read_options(opts, call or 'spawn')
  args = copy_arguments(args)
  if plan.shell then
    file, args = apply_shell(plan, file, args)
  end
  table.insert(args, 1, plan.argv0 or file)
  return new_plan(plan, file, args)
end

--- options.by_hand(opts) -> plan, for a ChildProcess that is made by hand: `file`, `args`
-- (argv with argv[0], default the file), `envPairs` (array of `NAME=value`), and the
-- options of spawn.  Raises as `normalize`.  Node: ChildProcess.prototype.spawn.
function M.by_hand(opts)
  if type(opts) ~= 'table' then
    refuse(errors.invalid_arg_type('options', 'of type object', opts))
  end
  local file = check_command(rawget(opts, 'file'), 'options.file')
  local args, pairs_of_env = rawget(opts, 'args'), rawget(opts, 'envPairs')
  args = args == nil and { file } or strings(args, 'options.args')
  pairs_of_env = pairs_of_env ~= nil and strings(pairs_of_env, 'options.envPairs') or nil
  local plan = read_options(opts, 'spawn')
  plan.env = pairs_of_env or plan.env
  return new_plan(plan, file, args)
end

-- Only a path can replace the default shell, and '' asks for none.
local function with_shell(opts)
  local copy = {}
  for name, value in next, opts do
    copy[name] = value
  end
  copy.shell = copy.shell or true
  return copy
end

--- options.normalize_exec(command, opts, call) -> plan as `normalize` makes it, of a
-- shell that runs `command`: from what `shuffle_exec` gave.
-- @param call string: `exec` or `sync`
-- Raises as `normalize`.  Node: child_process.exec.
function M.normalize_exec(command, opts, call)
  return M.normalize(command, {}, with_shell(opts), call)
end

return M
