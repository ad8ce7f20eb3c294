--- cp.pipeline: programs that read each other's output, over pipes of the kernel.
--
-- Every argument is checked before anything is started.  Then the stages are started from
-- the first to the last, and each gets the reading end of the pipe that the one before it
-- writes; we keep neither end.  If one cannot be started, those before it get SIGKILL,
-- and those behind it are never started.
local child_process = require 'child_process.child'
local checks = require 'child_process.options.checks'
local co = require 'child_process.co'
local ending = require 'child_process.ending'
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'
local options = require 'child_process.options'
local results = require 'child_process.result'
local several = require 'child_process.options.several'
local stdio = require 'child_process.stdio'

local M = {}

-- `stdin`, `stdout`, `children`; `_failed_stage`: the index of the stage that could not
-- be started; `_living`: how many children have not closed; `_timer`, `_quiet_timer`.
local Pipeline = { __name = 'child_process.Pipeline' }
Pipeline.__index = Pipeline

local function refuse(err)
  error(err, 0)
end

-- Plans ---------------------------------------------------------------------------------

-- What goes wrong in a stage says in which one.
local function in_stage(i, fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then
    return result
  elseif errors.is_error(result) then
    result.message = ('stages[%d]: %s'):format(i, result.message)
  end
  refuse(result)
end

-- Options of the pipeline that are not those of a single stage.
local FIRST = { 'stdin', 'input' }
local LAST = { 'stdout', 'maxBuffer' }
local TOGETHER = { 'timeout', 'idleTimeout', 'encoding' }

local function take(opts, names)
  local taken = {}
  for _, name in ipairs(names) do
    taken[name], opts[name] = opts[name], nil
  end
  return taken
end

-- -> array of the words behind the first, table of options
local function split_stage(stage)
  if type(stage) ~= 'table' then
    local expected = "a table such as { 'ls', '-l' }"
    refuse(errors.invalid_arg_type('stage', expected, stage))
  end
  local args, opts = {}, {}
  for key, value in next, stage do
    if type(key) == 'string' then
      opts[key] = value
    elseif math.type(key) ~= 'integer' or key < 1 then
      refuse(errors.invalid_arg_type('stage', 'an array of words, with options', stage))
    elseif key > 1 then
      args[key - 1] = value
    end
  end
  return args, opts
end

local SIDES = { 'stdin', 'stdout', 'stderr' }

local function check_sides(opts)
  for _, side in ipairs(SIDES) do
    if opts[side] == 'ipc' then
      local reason = 'cannot be a channel in a pipeline'
      refuse(errors.invalid_arg_value('options.' .. side, reason, 'ipc'))
    end
  end
end

-- The ends between two stages are ours.
local function check_ends(opts, names, is_end, neighbour)
  for _, name in ipairs(is_end and {} or names) do
    if opts[name] ~= nil then
      local reason = 'cannot be given: it is connected to the stage ' .. neighbour
      refuse(errors.invalid_arg_value('options.' .. name, reason, opts[name]))
    end
  end
end

local function read_stage(stage, place, defaults)
  local args, opts = split_stage(stage)
  local file = checks.command(rawget(stage, 1), 'file')
  options.check_names(opts, 'a stage of a pipeline', several.names 'stage')
  check_sides(opts)
  check_ends(opts, FIRST, place.is_first, 'before')
  check_ends(opts, { 'stdout' }, place.is_last, 'behind')
  opts = several.merge(defaults, several.names 'stage', opts)
  -- until the descriptors are known, see start_stage
  opts.stdin = not place.is_first and 'ignore' or opts.stdin
  opts.stdout = not place.is_last and 'ignore' or opts.stdout
  local plan = options.normalize('spawn', file, args, opts)
  plan.entries = stdio.prepare(plan)
  if not place.is_last then
    plan.entries[2] = 'link'
  end
  return plan
end

local function read_stages(stages, count, opts)
  local first, last = take(opts, FIRST), take(opts, LAST)
  local plans = {}
  for i = 1, count do
    local place = { is_first = i == 1, is_last = i == count }
    local defaults = several.merge(opts, opts, place.is_first and first or {})
    defaults = several.merge(defaults, defaults, place.is_last and last or {})
    plans[i] = in_stage(i, read_stage, rawget(stages, i), place, defaults)
  end
  return plans
end

local function count_stages(stages)
  local _, count = checks.array(stages, 'stages')
  if count == 0 then
    refuse(errors.invalid_arg_value('stages', 'cannot be empty', stages))
  end
  return count
end

local function is_read(plans)
  for _, plan in ipairs(plans) do
    for _, entry in ipairs(plan.entries) do
      if stdio.is_read(entry) then
        return true
      end
    end
  end
  return false
end

local function check_idle(idle, plans)
  if idle and not is_read(plans) then
    local reason = 'needs a pipe from which a stage is read'
    refuse(errors.invalid_arg_value('options.idleTimeout', reason, idle))
  end
end

-- Starting ------------------------------------------------------------------------------

-- Errors are in the results: a pipeline has no events.
local function keep_error(child)
  child:on('error', function(err)
    ending.note(child, nil, err)
  end)
end

local function not_started(i)
  local text = ('not started, since stage %d of the pipeline could not be'):format(i)
  return errors.new('Error', 'ECANCELED', text)
end

-- One that an AbortSignal has refused is not at fault.
local function has_failed(child)
  return not child.pid and ending.cause(child) ~= 'abort'
end

local function start_stage(p, plan, link)
  if p._failed_stage then
    plan.refused = not_started(p._failed_stage)
  elseif link then
    plan.entries[1] = link:getfd()
  end
  local child = child_process.spawn(plan, keep_error)
  p.children[#p.children + 1] = child
  if not p._failed_stage and has_failed(child) then
    p._failed_stage = #p.children
  end
end

-- Strangers that hold their pipes are not waited for long.
local DRAIN = 100 -- ms

local function kill_all(p)
  for _, child in ipairs(p.children) do
    if ending.is_running(child) then
      ending.kill(child)
      ending.hurry(child, DRAIN)
    end
  end
end

local function start_all(p, plans)
  local link
  for _, plan in ipairs(plans) do
    local _ <close> = link
    start_stage(p, plan, link)
    link = plan.link
  end
end

-- Limits --------------------------------------------------------------------------------

local function end_by(p, cause)
  for _, child in ipairs(p.children) do
    if ending.is_running(child) then
      ending.by(child, cause)
    end
  end
end

-- How long there has not been a byte on any pipe that we read.
local function silence(p)
  local least
  for _, child in ipairs(p.children) do
    local ms = ending.silence(child)
    least = ms and math.min(ms, least or ms) or least
  end
  return least or 0
end

local function watch_idle(p, ms, left)
  p._quiet_timer = loop.setTimeout(function()
    local idle = silence(p)
    if idle >= ms then
      end_by(p, 'idleTimeout')
    else
      watch_idle(p, ms, ms - idle)
    end
  end, left)
end

local function on_close(p)
  p._living = p._living - 1
  if p._living == 0 then
    loop.clearTimeout(p._timer)
    loop.clearTimeout(p._quiet_timer)
  end
end

local function watch(p, limits)
  p._living = #p.children
  for _, child in ipairs(p.children) do
    child:on('close', function()
      on_close(p)
    end)
  end
  if limits.timeout then
    p._timer = loop.setTimeout(end_by, limits.timeout, p, 'timeout')
  end
  if limits.idleTimeout then
    watch_idle(p, limits.idleTimeout, limits.idleTimeout)
  end
end

-- Results -------------------------------------------------------------------------------

-- Nobody has to read to the end: SIGPIPE is how a writer learns of that.
local function is_fine(result, is_last)
  return result.ok
    or not is_last and result.reason == 'signal' and result.signal == 'SIGPIPE'
end

-- The index of the stage that says how the pipeline has ended.
local function decisive(p, list)
  if p._failed_stage then
    return p._failed_stage
  end
  for i = #list, 1, -1 do
    if not is_fine(list[i], i == #list) then
      return i
    end
  end
  return #list
end

local function any(list, field)
  for _, result in ipairs(list) do
    if result[field] then
      return true
    end
  end
  return false
end

local function longest(list)
  local most
  for _, result in ipairs(list) do
    most = result.duration and math.max(most or 0, result.duration) or most
  end
  return most
end

--- pipeline.result(p) -> result of a pipeline that has closed.
function M.result(p)
  local list = {}
  for i, child in ipairs(p.children) do
    list[i] = co.result(child)
  end
  local index = decisive(p, list)
  local how, stdout = list[index], list[#list].stdout
  if errors.is_error(how.error) then
    how.error.index = index
  end
  return results.new {
    code = how.code,
    signal = how.signal,
    reason = how.reason,
    error = how.error,
    stdout = stdout,
    output = { nil, stdout, n = 3 },
    duration = longest(list),
    forced = any(list, 'forced'),
    truncated = any(list, 'truncated'),
    results = list,
  }
end

-- Methods -------------------------------------------------------------------------------

--- pipeline:kill([signal]) -> boolean: sends a signal to all stages, as child:kill()
-- does; true if any of them got it.  Raises ERR_UNKNOWN_SIGNAL.
function Pipeline:kill(signal)
  errors.check_self(self, 'pipeline:kill(…)', 'terminate')
  local sent = false
  for _, child in ipairs(self.children) do
    sent = child:kill(signal) or sent
  end
  return sent
end

--- pipeline:wait([timeout]) -> result, when all stages have closed.
--
-- `ok` if all of them are, where one but the last may be ended by SIGPIPE; `code`,
-- `signal`, `reason` and `error` are those of the last stage that failed, else of the
-- last one; `stdout` is what the last one wrote; `results` has those of all stages, with
-- their stderr.  If a stage could not be started, `reason` is 'spawn', and `error.index`
-- its number.
-- After `timeout` ms nil and 'timeout'.  Waits, and raises, as child:wait() does.
function Pipeline:wait(timeout)
  errors.check_self(self, 'pipeline:wait(…)', 'terminate')
  local closed, why = co.await_close('pipeline:wait()', self.children, timeout)
  if not closed then
    return nil, why
  end
  return M.result(self)
end

--- pipeline:terminate([grace]) -> result: SIGTERM to all stages, after `grace` ms
-- (default 5000) SIGKILL, and the result.  Waits, and raises, as child:terminate() does.
function Pipeline:terminate(grace)
  errors.check_self(self, 'pipeline:terminate(…)', 'terminate')
  co.terminate(self.children, grace)
  return M.result(self)
end

-- local p <close> = …: as with a child.
function Pipeline:__close()
  for _, child in ipairs(self.children) do
    if not child.killed then
      child:kill()
    end
  end
end

-- Module --------------------------------------------------------------------------------

--- cp.pipeline(stages [, options]) -> pipeline: starts programs of which each reads what
-- the one before it writes.
--
--   cp.pipeline({ { 'ls', '-l', cwd = '/' }, { 'wc', '-l' } }):wait().stdout
--
-- @param stages array: tables with a program, its arguments, and options of cp.spawn for
--   it alone
-- @param options table: `stdin` and `input` of the first stage; `stdout`, `encoding` and
--   `maxBuffer` of the last; `timeout` and `idleTimeout`, which end them all at once; all
--   others are defaults of each stage
--
-- The fields `stdin` and `stdout` are streams to the first and from the last; `children`
-- has all.  A stage that cannot be started is reported by wait().
-- Raises what cp.spawn raises; then nothing has been started.
function M.new(stages, opts)
  local count = count_stages(stages)
  opts = several.check(opts, 'pipeline')
  check_sides(opts)
  local together = take(opts, TOGETHER)
  local encoding = together.encoding
    and checks.known_encoding(together.encoding, 'encoding')
  together.encoding = nil
  local limits = options.read(together, 'spawn')
  local plans = read_stages(stages, count, opts)
  check_idle(limits.idleTimeout, plans)
  local p = setmetatable({ children = {} }, Pipeline)
  local ok, err = pcall(start_all, p, plans)
  if not ok or p._failed_stage then
    kill_all(p)
  end
  if not ok then
    refuse(err)
  end
  p.stdin, p.stdout = p.children[1].stdin, p.children[#p.children].stdout
  if p.stdout and encoding and encoding ~= 'buffer' then
    p.stdout:setEncoding(encoding)
  end
  watch(p, limits)
  return p
end

return M
