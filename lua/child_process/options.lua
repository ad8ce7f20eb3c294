--- Turns the caller's arguments and options into one plan.
--
-- Everything is checked here, before anything is started: a wrong name, type, range, NUL
-- byte or form of arguments raises immediately.  The plan is a new table that shares
-- nothing with the caller's tables, which are only read, and raw (rawget).
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local environment = require 'child_process.environment'
local errors = require 'child_process.errors'
local identity = require 'child_process.options.identity'
local lazy = require 'child_process.lazy'
local pty = require 'child_process.options.pty'

local nearest = lazy.module 'child_process.nearest'

local M = {}

local SIGTERM = core.signals.SIGTERM

-- Adds no position: the error itself says what is wrong with which argument.
local function refuse(err)
  error(err, 0)
end

-- The options ---------------------------------------------------------------------------

local ALL = 'spawn exec execFile fork Sync'

-- Each row: option, its checker, the calls that have it (`Sync`: the three that wait),
-- its field in the plan if that has another name.  Every option that Node documents for a
-- call is here for that call, with or without effect: any other name is refused.
local ROWS = {
  { 'cwd', checks.non_empty, ALL },
  { 'env', environment.read, ALL, 'variables' },
  { 'extendEnv', checks.boolean, ALL },
  { 'argv0', checks.text, 'spawn fork Sync' },
  { 'argv0', checks.text, 'exec execFile', 'unused' }, -- only checked, as in Node
  { 'uid', identity.user, ALL },
  { 'gid', identity.group, ALL },
  { 'groups', identity.groups, ALL },
  { 'umask', identity.umask, ALL },
  { 'nice', identity.nice, ALL },
  { 'rlimits', identity.rlimits, ALL },
  { 'noNewPrivs', checks.boolean, ALL },
  { 'processGroup', identity.process_group, ALL },
  { 'parentDeathSignal', checks.kill_signal, ALL },
  { 'shell', checks.shell, 'spawn exec execFile Sync' },
  { 'shell', checks.anything, 'fork', 'unused' }, -- "will be ignored if set"
  { 'detached', checks.boolean, 'spawn execFile fork Sync' },
  { 'stdio', checks.anything, 'spawn fork Sync' },
  { 'stdin', checks.anything, ALL },
  { 'stdout', checks.anything, ALL },
  { 'stderr', checks.anything, ALL },
  { 'pty', pty.read, 'spawn exec execFile' },
  { 'customFds', checks.array, 'spawn exec execFile fork' },
  { 'serialization', checks.serialization, 'spawn execFile fork' },
  { 'timeout', checks.limit, ALL },
  { 'killSignal', checks.kill_signal, ALL },
  { 'idleTimeout', checks.limit, ALL },
  { 'waitDelay', checks.milliseconds, ALL },
  { 'killAfter', checks.milliseconds, ALL },
  { 'killDescendants', checks.boolean, ALL },
  { 'cgroup', checks.command, ALL },
  { 'signal', checks.abort_signal, 'spawn exec execFile fork' },
  { 'maxBuffer', checks.size, 'spawn exec execFile Sync' },
  { 'encoding', checks.bytes, 'exec execFile' },
  { 'encoding', checks.known_encoding, 'Sync' },
  { 'input', checks.bytes, 'spawn exec execFile Sync' },
  { 'launcher', checks.words, 'fork' },
  { 'quote', checks.boolean, 'fork' },
  { 'startTimeout', checks.milliseconds, 'fork' },
  { 'execPath', checks.text, 'fork' },
  { 'execArgv', checks.strings, 'fork' },
  { 'silent', checks.boolean, 'fork' },
  { 'windowsHide', checks.boolean, ALL },
  { 'windowsVerbatimArguments', checks.boolean, ALL },
}

local CALLS =
  { 'spawn', 'exec', 'execFile', 'fork', 'spawnSync', 'execSync', 'execFileSync' }

-- What the rows call them.
local GROUPS = { Sync = { 'spawnSync', 'execSync', 'execFileSync' } }

-- call -> name -> the number of its row, and the names of its options
local rows_of, names_of = {}, {}

for _, call in ipairs(CALLS) do
  rows_of[call], names_of[call] = {}, {}
  GROUPS[call] = { call }
end
for number, row in ipairs(ROWS) do
  for group in row[3]:gmatch '%a+' do
    for _, call in ipairs(GROUPS[group]) do
      rows_of[call][row[1]], names_of[call][row[1]] = number, true
    end
  end
end

-- child:spawn, for a ChildProcess made by hand, has three more.
rows_of['child:spawn'] = rows_of.spawn
names_of['child:spawn'] = { file = true, args = true, envPairs = true }
for name in pairs(names_of.spawn) do
  names_of['child:spawn'][name] = true
end

--- options.names(call) -> table: the names of a call's options, as keys.
-- @param call string: e.g. `spawn`, `execSync`, `child:spawn`
function M.names(call)
  return names_of[call]
end

-- Names ---------------------------------------------------------------------------------

-- `exec`, `exec and fork`, `spawn, exec and fork`
local function enumerate(calls)
  local text = table.concat(calls, ', ')
  return (text:gsub('(.*), ', '%1 and '))
end

-- Those of a pool (pool/settings.lua) that fork has not.
local OF_POOLS = ' size startTimeout maxQueue maxRequests launchers '

-- The calls that have it, in the order of CALLS; nil if none has.
local function calls_of(name)
  local list = {}
  for _, call in ipairs(CALLS) do
    list[#list + 1] = names_of[call][name] and call
  end
  if OF_POOLS:find(' ' .. name .. ' ', 1, true) then
    list[1] = 'pool'
  end
  return list[1] and list
end

local function describe_unknown(name, call, known)
  local calls = calls_of(name)
  if calls then
    return ("'%s' is an option of %s, not of %s"):format(name, enumerate(calls), call)
  end
  local is_plain = name:find '^[%a_][%w_]*$' and #name <= 64
  local shown = is_plain and '.' .. name or ('[%s]'):format(errors.inspect(name))
  local hint = nearest.hint(name, known)
  return ('options%s is not an option of %s%s'):format(shown, call, hint)
end

--- options.check_names(opts, call, known): raises ERR_INVALID_ARG_VALUE for a name that
-- is not a key of `known`; of several always the same one.
-- @param call string: for the message
function M.check_names(opts, call, known)
  local unknown
  for name in next, opts do
    if not known[name] and (not unknown or name < unknown) then
      unknown = name
    end
  end
  if unknown then
    local text = describe_unknown(unknown, call, known)
    refuse(errors.new('TypeError', 'ERR_INVALID_ARG_VALUE', text))
  end
end

-- Our own TERM says nothing about the child's terminal.
local function environment_of(plan)
  local variables = plan.variables
  local term = variables and variables.TERM
  if plan.pty and not variables or variables and plan.extendEnv then
    variables = environment.extend(variables or {})
  end
  if plan.pty and term == nil then
    variables.TERM = plan.pty.term
  end
  return variables and environment.list(variables)
end

-- The rows of the options that are given, in their order: of several wrong values, the
-- same one is always reported.
local function given_rows(opts, call)
  local numbers, list = rows_of[call], {}
  for name in next, opts do
    list[#list + 1] = numbers[name]
  end
  if #list > 1 then
    table.sort(list)
  end
  return list
end

--- options.read(opts, call) -> plan with the options alone, checked.  Raises as
-- `normalize`.
function M.read(opts, call)
  if next(opts) == nil then
    return { killSignal = SIGTERM }
  end
  M.check_names(opts, call, names_of[call])
  local plan = { killSignal = SIGTERM }
  for _, number in ipairs(given_rows(opts, call)) do
    local row = ROWS[number]
    local name, check, field = row[1], row[2], row[4] or row[1]
    plan[field] = check(rawget(opts, name), 'options.' .. name)
  end
  pty.check_others(plan)
  plan.env = environment_of(plan)
  identity.apply(plan)
  return plan
end

-- The plan ------------------------------------------------------------------------------

-- Node converts numbers and booleans to strings; other values have no useful text.
local function argument(value, index)
  local name = ('args[%d]'):format(index)
  if type(value) == 'number' or type(value) == 'boolean' then
    return tostring(value)
  end
  return checks.text(value, name)
end

local function argv_of(argv0, args)
  local _, count = checks.count_keys(args)
  local argv = { argv0 }
  for i = 1, count do
    argv[i + 1] = argument(rawget(args, i), i)
  end
  return argv
end

-- Marks a plan: any other table has not been checked.
local Plan = { __name = 'child_process.Plan' }

-- `args` is argv with argv[0]; `file` the program to execute.
local function new_plan(plan, file, args)
  plan.file, plan.args = file, args
  return setmetatable(plan, Plan)
end

--- options.is_plan(value) -> boolean: whether this file made it.
function M.is_plan(value)
  return getmetatable(value) == Plan
end

-- For a shell the arguments are joined as they are, as in Node: quoting is up to the
-- caller.
local function with_arguments(plan, file, args)
  local argv = argv_of(file, args)
  if plan.shell then
    file, argv = plan.shell, { plan.shell, '-c', table.concat(argv, ' ') }
  end
  argv[1] = plan.argv0 or file
  return new_plan(plan, file, argv)
end

--- options.normalize(call, file, args, opts) -> plan, from the results of arguments.lua.
--
-- The plan has `file` (the program to execute), `args` (argv, argv[0] at index 1), `env`
-- (array of `NAME=value`; nil: this process's environment), and under their own names the
-- options of the call: times in ms, nil for no limit; `killSignal` a number; `stdio` and
-- `customFds` as given.
-- @param call string: whose options are read, e.g. `spawn`
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE,
-- ERR_UNKNOWN_SIGNAL.
-- Node: child_process.spawn.
function M.normalize(call, file, args, opts)
  return with_arguments(M.read(opts, call), file, args)
end

--- options.by_hand(opts) -> plan, for a ChildProcess made by hand: `file`, `args` (argv
-- with argv[0], default the file), `envPairs` (array of `NAME=value`), and the options of
-- spawn.  Raises as `normalize`.  Node: ChildProcess.prototype.spawn.
function M.by_hand(opts)
  if type(opts) ~= 'table' then
    refuse(errors.invalid_arg_type('options', 'of type table', opts))
  end
  local file = checks.command(rawget(opts, 'file'), 'options.file')
  local args, env = rawget(opts, 'args'), rawget(opts, 'envPairs')
  args = args == nil and { file } or checks.strings(args, 'options.args')
  env = env ~= nil and checks.strings(env, 'options.envPairs') or nil
  local plan = M.read(opts, 'child:spawn')
  plan.env = env and pty.add_term(env, plan.pty) or plan.env
  return new_plan(plan, file, args)
end

--- options.normalize_exec(call, command, opts) -> plan, as from `normalize`, of a shell
-- that runs `command`.
-- @param call string: `exec` or `execSync`
-- Raises as `normalize`.  Node: child_process.exec.
function M.normalize_exec(call, command, opts)
  local plan = M.read(opts, call)
  if not rawget(opts, 'shell') then -- only a path can replace it, and '' means no shell
    plan.shell = checks.shell(true)
  end
  return with_arguments(plan, command, {})
end

return M
