--- cp.scope: children that do not outlive the block which started them.
--
--   local s <close> = cp.scope { killDescendants = true }
--
-- However the block is left, what still runs is ended and reaped first.  Where it cannot
-- be waited for, it gets SIGKILL.
local arguments = require 'child_process.options.arguments'
local await = require 'child_process.await'
local child_process = require 'child_process.child'
local co = require 'child_process.co'
local core = require 'child_process.core'
local ending = require 'child_process.ending'
local errors = require 'child_process.errors'
local exec = require 'child_process.exec'
local fork = require 'child_process.fork'
local loop = require 'child_process.loop'
local options = require 'child_process.options'
local pipelines = require 'child_process.pipeline'
local several = require 'child_process.options.several'

local M = {}

-- `_defaults`: options; `_grace`: ms from SIGTERM to SIGKILL; `_started`: children and
-- pipelines, in the order of their start; `_children`: those of pipelines, too; `_guards`
-- of all these; `_left`: nothing more is started.
local Scope = { __name = 'child_process.Scope' }
Scope.__index = Scope

-- Guards --------------------------------------------------------------------------------

-- A scope is garbage when nobody can leave it any more.  At the end of the state, too,
-- the guard of a child goes before the child, since it is younger; so the signal still
-- reaches the process.
local Guard = {}

function Guard.__gc(guard)
  if guard.child and ending.is_running(guard.child) then
    ending.kill(guard.child)
  end
end

local function disarm(scope)
  for _, guard in ipairs(scope._guards) do
    guard.child = nil
  end
  scope._guards = {}
end

-- Starting ------------------------------------------------------------------------------

local function check_open(scope, call)
  errors.check_self(scope, call, 'execFile')
  if scope._left then
    error(errors.coded 'ERR_SCOPE_CLOSED', 0)
  end
end

local function guard(scope, child)
  table.insert(scope._children, child)
  table.insert(scope._guards, setmetatable({ child = child }, Guard))
end

local function adopt(scope, child)
  guard(scope, child)
  table.insert(scope._started, child)
  return child
end

-- The scope's defaults that a call knows, below the call's own options.
local function merged(scope, call, opts)
  return several.merge(scope._defaults, options.names(call), opts)
end

--- scope:spawn(command [, args] [, options]) -> ChildProcess: cp.spawn, with the options
-- of the scope as defaults.  This and the following raise what those of cp raise, and
-- ERR_SCOPE_CLOSED once the scope has been left.
function Scope:spawn(command, args, opts)
  check_open(self, 'scope:spawn(…)')
  command, args, opts = arguments.shuffle('spawn', command, args, opts)
  opts = merged(self, 'spawn', opts)
  local plan = options.normalize('spawn', command, args, opts)
  return adopt(self, child_process.spawn(plan))
end

--- scope:exec(command [, options] [, callback]) -> ChildProcess: cp.exec.
function Scope:exec(...)
  check_open(self, 'scope:exec(…)')
  local command, opts, callback = arguments.shuffle_exec(...)
  return adopt(self, exec.exec(command, merged(self, 'exec', opts), callback))
end

--- scope:execFile(file [, args] [, options] [, callback]) -> ChildProcess: cp.execFile.
function Scope:execFile(...)
  check_open(self, 'scope:execFile(…)')
  local file, args, opts, callback = arguments.shuffle_exec_file(...)
  opts = merged(self, 'execFile', opts)
  return adopt(self, exec.execFile(file, args, opts, callback))
end

--- scope:fork(modulePath [, args] [, options]) -> ChildProcess: cp.fork.
function Scope:fork(module_path, args, opts)
  check_open(self, 'scope:fork(…)')
  module_path, args, opts = arguments.shuffle('fork', module_path, args, opts)
  return adopt(self, fork.fork(module_path, args, merged(self, 'fork', opts)))
end

--- scope:pipeline(stages [, options]) -> pipeline: cp.pipeline.
function Scope:pipeline(stages, opts)
  check_open(self, 'scope:pipeline(…)')
  local names = several.names 'pipeline'
  opts = several.merge(self._defaults, names, several.check(opts, 'pipeline'))
  local pipeline = pipelines.new(stages, opts)
  for _, child in ipairs(pipeline.children) do
    guard(self, child)
  end
  table.insert(self._started, pipeline)
  return pipeline
end

-- Waiting -------------------------------------------------------------------------------

local NS = 1000000 -- a millisecond

local function now()
  return core.hrtime() // NS
end

local function await_all(scope, timeout)
  local due = timeout and now() + timeout
  local children
  repeat
    children = table.move(scope._children, 1, #scope._children, 1, {})
    local left = due and math.max(0, due - now())
    local closed, why = co.await_close('scope:wait()', children, left)
    if not closed then
      return nil, why
    end
  until #children == #scope._children
  return true
end

--- scope:wait([timeout]) -> array of results, in the order of the starts, when all that
-- was started in the scope has closed, whether well or not.  After `timeout` ms nil and
-- 'timeout'.  Waits, and raises, as child:wait() does.
function Scope:wait(timeout)
  errors.check_self(self, 'scope:wait(…)', 'execFile')
  local closed, why = await_all(self, await.check_timeout(timeout))
  if not closed then
    return nil, why
  end
  local results = {}
  for i, one in ipairs(self._started) do
    results[i] = core.is_child(one) and co.result(one) or pipelines.result(one)
  end
  return results
end

-- Leaving -------------------------------------------------------------------------------

local WHAT = 'leaving a scope'

-- Processes that have left the group of a child, or were never in one, may hold its pipes
-- for as long as they like.
local DRAIN = 100 -- ms

-- A process can be stuck in the kernel, or out of our reach under another user.
local STUCK = 5000 -- ms

local function kill_all(scope)
  for _, child in ipairs(scope._children) do
    if ending.is_running(child) then
      ending.kill(child)
    end
    ending.hurry(child, DRAIN)
  end
end

-- The channel of a worker may be held by others as well.
local function hang_up_at_exit(child)
  child:once('exit', function()
    if child.connected then
      child:disconnect()
    end
  end)
end

local function begin_end(child, grace)
  ending.hurry(child, ending.leads(child) and grace + DRAIN or DRAIN)
  if ending.is_running(child) then
    child:ref()
    hang_up_at_exit(child)
    ending.escalate(child, grace)
    -- the user may have replaced `kill`
    local ok, err = pcall(ending.terminate, child, grace)
    if not ok then
      ending.note(child, nil, err)
    end
  end
end

-- In a copy of this process, made by fork(2), no signal reaches them.
local function is_any_at_work(children)
  for _, child in ipairs(children) do
    if ending.is_running(child) and core.kill(child, 0) then
      return true
    end
  end
  return false
end

-- Calls `give_up()` when waiting for `close` has become useless: nothing of them has been
-- running for a while (a reader that does not go on has their output), or SIGKILL does
-- not end them.
local function watch(children, grace, give_up)
  local last, due = now(), now() + grace + STUCK
  return loop.setInterval(function()
    local time = now()
    last = is_any_at_work(children) and time or last
    if time - last > 2 * DRAIN or time > due then
      give_up()
    end
  end, DRAIN)
end

-- A to-be-closed variable while a scope is being left: a coroutine may be closed while it
-- waits there.
local Leaving = {}

function Leaving.__close(leaving)
  loop.clearInterval(leaving.timer)
  if not leaving.is_done then
    kill_all(leaving.scope)
  end
end

-- Ends all of `children` and waits for that: the errors that callbacks raised meanwhile.
local function end_all(scope, children)
  local wake, problems = nil, {}
  local timer = watch(children, scope._grace, function()
    for i = #children, 1, -1 do
      children[i] = nil
    end
    wake()
  end)
  local leaving <close> = setmetatable({ scope = scope, timer = timer }, Leaving)
  local function prepare(child, registrations)
    wake = registrations.wake
    registrations:on(child, 'close')
    registrations:on(child, 'error', function(err)
      ending.note(child, nil, err)
    end)
  end
  local function begin(child)
    begin_end(child, scope._grace)
  end
  local ok, problem
  repeat -- the timer keeps the loop alive, so only errors of callbacks end this early
    ok, problem = pcall(co.await_end, WHAT, children, prepare, begin)
    if not ok then
      table.insert(problems, { problem })
    end
  until ok or not is_any_at_work(children)
  leaving.is_done = true
  return problems
end

-- The user's error goes first; without one, the first of the others takes its place.
-- None is lost.
local function raise_problems(problems, err)
  for i = err == nil and 2 or 1, #problems do
    loop.nextTick(error, problems[i][1], 0)
  end
  if err == nil and problems[1] then
    error(problems[1][1], 0)
  end
end

-- Leaves the scope; `err` is the error with which its block is left.
function Scope:__close(err)
  self._left = true
  local children = table.move(self._children, 1, #self._children, 1, {})
  local can_wait = await.can_wait_in_close(WHAT)
  local problems = {}
  if not can_wait then
    kill_all(self)
  elseif not ending.all_over(children) then
    problems = end_all(self, children)
  end
  disarm(self)
  raise_problems(problems, err)
end

local function position(list, value)
  local i = 1
  while list[i] ~= value do
    i = i + 1
  end
  return i
end

--- scope.terminate(scope, child): begins to end one of its children before the others.
function M.terminate(scope, child)
  ending.terminate(child, scope._grace)
end

--- scope.forget(scope, child): one that has closed is no longer its child, and its result
-- no longer kept.
function M.forget(scope, child)
  local i = position(scope._children, child)
  table.remove(scope._children, i)
  table.remove(scope._guards, i).child = nil
  table.remove(scope._started, position(scope._started, child))
end

-- Module --------------------------------------------------------------------------------

--- cp.scope([options]) -> scope, for `local s <close> = cp.scope()`: what it starts ends
-- when that variable's block is left.
--
-- @param options table: defaults for all that is started in it: an option is skipped by
--   calls that do not have it
--
-- Leaving sends SIGTERM to all that still runs, SIGKILL `killAfter` ms later (default
-- 5000), and waits until it has been reaped; an error goes on unchanged.  In a coroutine
-- the rest of the program continues meanwhile.  SIGKILL, without waiting: in a bare
-- callback, in a coroutine that is closed, and when a scope that was never left is
-- collected.
-- Raises what cp.spawn raises for its options.
function M.new(opts)
  local defaults = several.check(opts, 'scope')
  return setmetatable({
    _defaults = defaults,
    _grace = defaults.killAfter or co.DEFAULT_GRACE,
    _started = {},
    _children = {},
    _guards = {},
    _left = false,
  }, Scope)
end

return M
