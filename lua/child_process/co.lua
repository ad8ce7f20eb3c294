--- Waiting in the style of Lua: `child:wait()`, cp.wait, cp.await.
--
-- Adapters that turn events into return values; they do nothing that events could not do.
-- See await.lua for how a call waits.
local await = require 'child_process.await'
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local ending = require 'child_process.ending'
local errors = require 'child_process.errors'
local output = require 'child_process.output'
local results = require 'child_process.result'

local M = {}

local function refuse(err)
  error(err, 0)
end

-- child:wait() --------------------------------------------------------------------------

--- co.result(child) -> result of a child that has closed, as wait() returns it.
function M.result(child)
  local how = ending.how(child)
  how.pid = child.pid
  how.stdout = output.text(child, 'stdout')
  how.stderr = output.text(child, 'stderr')
  how.output = { nil, how.stdout, how.stderr, n = child.stdio.n }
  return results.new(how)
end

local function watch(child, registrations)
  output.gather(child)
  registrations:on(child, 'close')
  registrations:on(child, 'error', function(err)
    ending.note(child, nil, err)
  end)
end

local function all_closed(children)
  for _, child in ipairs(children) do
    if not ending.is_closed(child) then
      return false
    end
  end
  return true
end

--- co.await_close(what, children, timeout) -> true, when all of an array have closed |
-- nil, 'timeout' | nil, error.
-- @param what string: the caller's name, for messages
function M.await_close(what, children, timeout)
  timeout = await.check_timeout(timeout)
  local late = false
  local function is_ready()
    return late or all_closed(children)
  end
  local came = await.await(what, is_ready, function(registrations)
    for _, child in ipairs(children) do
      watch(child, registrations)
    end
    if timeout then
      registrations:after(timeout, function()
        late = true
      end)
    end
  end)
  if all_closed(children) then
    return true
  end
  return nil, came and 'timeout' or await.never(what)
end

local function wait(child, timeout)
  if not core.is_child(child) then
    refuse(errors.no_self 'child:wait(…)')
  end
  local closed, why = M.await_close('wait()', { child }, timeout)
  if closed then
    return M.result(child)
  end
  return nil, why
end

--- From SIGTERM to SIGKILL, unless the caller says otherwise.
M.DEFAULT_GRACE = 5000 -- ms

-- The system does not report the end of a group that outlives its leader: it is polled,
-- at growing intervals.
local FIRST_LOOK, LAST_LOOK = 5, 100 -- ms

--- co.await_end(what, children, prepare, begin) -> boolean: waits until all of an array
-- are over, their groups included; false if they cannot be, because nothing keeps the
-- loop alive.
-- @param what string: the caller's name, for messages
-- @param prepare function: called with each child and the registrations before a wait
-- @param begin function: called with each child, once it is certain that we may wait
function M.await_end(what, children, prepare, begin)
  local pause, due, closed = FIRST_LOOK, false, nil
  local function is_ready()
    return due or all_closed(children) ~= closed or ending.all_over(children)
  end
  while not ending.all_over(children) do
    due, closed = false, all_closed(children)
    local came = await.await(what, is_ready, function(registrations)
      for _, child in ipairs(children) do
        prepare(child, registrations)
      end
      for _, child in ipairs(begin and children or {}) do
        begin(child)
      end
      begin = nil
      if closed then
        pause = math.min(2 * pause, LAST_LOOK)
        registrations:after(pause, function()
          due = true
        end)
      end
    end)
    if not came then
      return false
    end
  end
  return true
end

--- co.terminate(children, grace): SIGTERM to an array of children, after `grace` ms
-- (default 5000) SIGKILL, and waits as child:terminate() does.
function M.terminate(children, grace)
  grace = grace == nil and M.DEFAULT_GRACE or checks.milliseconds(grace, 'grace')
  local ended = M.await_end('terminate()', children, watch, function(child)
    ending.terminate(child, grace)
  end)
  if not ended then
    refuse(await.never 'terminate()')
  end
end

local function terminate(child, grace)
  if not core.is_child(child) then
    refuse(errors.no_self 'child:terminate(…)')
  end
  M.terminate({ child }, grace)
  return M.result(child)
end

local function check_children(children)
  if type(children) ~= 'table' or children == core.module then
    local advice = core.is_child(children) and 'write cp.wait { a, b }' or nil
    refuse(errors.invalid_arg_type('children', 'an array', children, advice))
  end
  for i, child in ipairs(children) do
    if not core.is_child(child) then
      local what = ('children[%d]'):format(i)
      refuse(errors.invalid_arg_type(what, 'an instance of ChildProcess', child))
    end
  end
  return table.move(children, 1, #children, 1, {})
end

--- cp.wait(children [, timeout]) -> array of results, in the order of the children, when
-- all of them have closed: the same as `child:wait()` returns.  After `timeout` ms nil
-- and 'timeout': the children continue, and a later call returns everything.  Waits as
-- the methods below do.  Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_WOULD_BLOCK.
function M.wait(children, timeout)
  children = check_children(children)
  local closed, why = M.await_close('cp.wait()', children, timeout)
  if not closed then
    return nil, why
  end
  local list = {}
  for i, child in ipairs(children) do
    list[i] = M.result(child)
  end
  return list
end

-- cp.await ------------------------------------------------------------------------------

local function unpack_answer(answer)
  if answer[1] ~= nil then
    refuse(answer[1])
  end
  return table.unpack(answer, 2, answer.n)
end

--- cp.await(fn, …) -> …: calls `fn(…, callback)` and waits until it calls
-- `callback(err, …)`: raises `err` if there is one, otherwise returns the values after
-- it.
--
--   cp.await(worker.send, worker, { job = 1 })       -- until it is written
--   local out, err = cp.await(cp.execFile, 'ls', { '-l' })
--
-- Waits as the methods below do.  Raises ERR_INVALID_ARG_TYPE, ERR_WOULD_BLOCK (then `fn`
-- has not been called), and errors of `fn`.  Node: util.promisify.
function M.await(fn, ...)
  if type(fn) ~= 'function' then
    refuse(errors.invalid_arg_type('fn', 'of type function', fn))
  end
  local args, answer = table.pack(...), nil
  local function is_ready()
    return answer ~= nil
  end
  local came = await.await('cp.await()', is_ready, function(registrations)
    args[args.n + 1] = function(...)
      answer = answer or table.pack(...)
      registrations.wake()
    end
    fn(table.unpack(args, 1, args.n + 1))
  end)
  if not came then
    refuse(await.never 'cp.await()')
  end
  return unpack_answer(answer)
end

-- Module --------------------------------------------------------------------------------

--- cp.async, see await.lua.
M.async = await.async

--- The methods of children; those of streams are in lines.lua.
--
-- All of them yield in a coroutine and run the loop outside coroutines; a coroutine of
-- cqueues polls it (in_cqueues.lua).  They raise ERR_WOULD_BLOCK in a callback of the
-- running loop, in a coroutine of copas, and when nothing is left that could end the wait
-- (`wait` then returns nil and that error).
--
-- `child:wait([timeout])` -> result, when the child has closed: `code`, `signal`, `pid`,
-- `stdout`, `stderr` (nil if the stream has another reader, or is not a pipe), `error`,
-- `reason` (`exit`, `signal`, `timeout`, `maxBuffer`, `abort`, `spawn`) and `ok`.  After
-- `timeout` ms nil and 'timeout': the child continues, and a later call returns all of
-- the output.  Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
--
-- `child:terminate([grace])` -> result: SIGTERM, after `grace` ms (default 5000) SIGKILL,
-- then the same as `wait` without a timeout; with killDescendants it also waits until the
-- group is empty.  It joins a call already waiting; for a child that has ended it only
-- returns the result.  Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
M.methods = { wait = wait, terminate = terminate }

return M
