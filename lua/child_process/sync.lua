--- spawnSync, execSync, execFileSync: run a whole process in one blocking call.
--
-- They do not use the loop (csrc/sync.c), so they may be called anywhere, including
-- callbacks and coroutines; events of other children are handled afterwards.
local arguments = require 'child_process.options.arguments'
local core = require 'child_process.core'
local encodings = require 'child_process.encoding'
local ending = require 'child_process.ending'
local errors = require 'child_process.errors'
local item = require 'child_process.stdio.item'
local lazy = require 'child_process.lazy'
local lending = require 'child_process.stream.lending'
local options = require 'child_process.options'
local results = require 'child_process.result'
local shortage = require 'child_process.shortage'
local stdio = require 'child_process.stdio'
local trace = require 'child_process.trace'

local start_error = lazy.module 'child_process.start_error'

local M = {}

local load_several = lazy.load 'child_process.stdio.several'

local DEFAULT_MAX_BUFFER = 1024 * 1024
local DEFAULT_KILL_AFTER = 1000 -- ms

local function decode(output, name)
  if name and name ~= 'buffer' then
    for i = 1, output.n do
      output[i] = output[i] and encodings.decode(output[i], name)
    end
  end
end

-- Prepares the plan for the core; raises errors in `stdio`.
local function prepare(plan)
  plan.stdio, plan.inputs, plan.lent = stdio.resolve_sync(plan)
  plan.maxBuffer = plan.maxBuffer or DEFAULT_MAX_BUFFER
  plan.killAfter = plan.killAfter or DEFAULT_KILL_AFTER
end

local function failed_start(plan, errno, stage, file)
  local err = start_error.new('spawnSync', plan, errno, stage, file)
  return results.new { pid = 0, reason = 'spawn', error = err }
end

-- The errors set in a result by limits.
local LIMITS = { ETIMEDOUT = 'timeout', ENOBUFS = 'maxBuffer' }

local function reason(r, err)
  local cause = err and LIMITS[err.code]
  return ending.reason(r.idle and 'idleTimeout' or cause, r.pid, r.signal)
end

-- What several targets got is not the user's to have, unless they asked for it.
local function finish_several(plan, output)
  for i, entry in ipairs(plan.stdio) do
    if item.has_targets(entry) then
      output[i] = load_several().finish_sync(entry, output[i])
    end
  end
end

local function broken_target(plan, broken)
  local entry = broken and plan.stdio[broken.slot]
  return entry and load_several().broken(entry, broken.target, broken.errno) or nil
end

-- Returns the result and, if a target was dropped, the error of that.
local function call(plan)
  local r, errno, stage, file = shortage.retry(core.spawn_sync, plan)
  lending.give_back_soon(plan.lent)
  if not r then
    return failed_start(plan, errno, stage, file)
  end
  finish_several(plan, r.output)
  decode(r.output, plan.encoding)
  local mishap = broken_target(plan, r.broken)
  local err = r.errno and start_error.new('spawnSync', plan, r.errno, r.stage)
  r.reason, r.error = reason(r, err), err or mishap
  r.stdout, r.stderr = r.output[2], r.output[3]
  r.errno, r.stage, r.idle, r.broken = nil, nil, nil, nil
  return results.new(r), mishap
end

local function run(plan)
  prepare(plan)
  local start = trace.on and trace.spawn_sync(plan)
  local result, mishap = call(plan)
  if start and trace.on then
    trace.exit_sync(start, result)
  end
  return result, mishap
end

--- cp.spawnSync(command [, args] [, options]) -> result, see init.lua.
function M.spawnSync(command, args, opts)
  command, args, opts = arguments.shuffle('spawnSync', command, args, opts)
  return (run(options.normalize('spawnSync', command, args, opts)))
end

local FIELDS = { 'pid', 'output', 'stdout', 'stderr', 'status', 'signal', 'error' }

-- The error of a result, with all fields of the result; nil if it succeeded, whatever
-- happened to a target of its output (`mishap`).
local function error_of(result, command, mishap)
  local err = result.error ~= mishap and result.error
  if not err and result.status == 0 then
    return nil
  elseif not err then
    local said = result.stderr ~= '' and result.stderr or nil
    err = errors.command_failed(nil, command, said)
  end
  for _, name in ipairs(FIELDS) do
    err[name] = result[name]
  end
  return err
end

-- As in Node, the child's stderr is shown when it has ended, unless `stdio` is given; or,
-- beyond Node, `stderr`.
local function checked(plan, command)
  local is_shown = item.is_open(plan.stdio) and item.is_open(plan.stderr)
  local result, mishap = run(plan)
  if is_shown and result.stderr then
    core.write_stderr(result.stderr)
  end
  local err = error_of(result, command, mishap)
  if err then
    error(err, 0)
  end
  return result.stdout
end

--- cp.execFileSync(file [, args] [, options]) -> stdout, see init.lua.
function M.execFileSync(file, args, opts)
  file, args, opts = arguments.shuffle('execFileSync', file, args, opts)
  local plan = options.normalize('execFileSync', file, args, opts)
  return checked(plan, plan.shell and plan.args[3] or table.concat(plan.args, ' '))
end

--- cp.execSync(command [, options]) -> stdout, see init.lua.
function M.execSync(command, opts)
  local _
  command, _, opts = arguments.shuffle('execSync', command, nil, opts)
  return checked(options.normalize_exec('execSync', command, opts), command)
end

return M
