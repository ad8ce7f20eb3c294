--- The only way this library waits: register wake-ups, then yield or drive the loop.
--
-- In a coroutine `await` yields and the loop resumes it; in a coroutine of cqueues it
-- polls the loop through cqueues.  Outside coroutines it runs the loop until the
-- condition holds.  In a callback of the running loop it cannot wait.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local in_cqueues = require 'child_process.in_cqueues'
local loop = require 'child_process.loop'
local trace = require 'child_process.trace'

local M = {}

local getinfo, get_traceback, loaded = debug.getinfo, debug.traceback, package.loaded

local function raise(err)
  error(err, 0)
end

-- Errors --------------------------------------------------------------------------------

-- An error on its way out of a coroutine: a box { err, traceback }. The error itself is
-- not changed; an error value of ours also has its traceback in a field.

local function boxed(err, traceback)
  if errors.is_error(err) then
    err.traceback = err.traceback or traceback
    traceback = err.traceback
  end
  return { err = err, traceback = traceback }
end

local function add_to(box, traceback)
  box.traceback = box.traceback .. '\n' .. traceback
  if errors.is_error(box.err) then
    box.err.traceback = box.traceback
  end
  return box
end

local failed = 0 -- coroutines whose error cp.run() has not raised yet

-- From a callback, so cp.run() raises it.
local function raise_box(box)
  core.raise(box.err, box.traceback)
end

local function raise_counted(box)
  failed = failed - 1
  raise_box(box)
end

local function raise_later(box)
  failed = failed + 1
  loop.nextTick(raise_counted, box)
end

-- Where a coroutine was started. debug.traceback takes ten times as long, since it looks
-- up every function in package.loaded; this becomes text only when there is an error.
local DEPTH = 10

local function stack_of_caller()
  local stack = {}
  for i = 1, DEPTH do
    stack[i] = getinfo(i + 2, 'fnl')
  end
  return stack
end

local function describe(level)
  local source = getinfo(level.func, 'S')
  if source.what == 'C' then
    return ("\n\t[C]: in function '%s'"):format(level.name or '?')
  end
  local place = ('\n\t%s:%d: in '):format(source.short_src, level.currentline)
  if source.what == 'main' then
    return place .. 'main chunk'
  elseif level.name then
    return ("%sfunction '%s'"):format(place, level.name)
  end
  return ('%sfunction <%s:%d>'):format(place, source.short_src, source.linedefined)
end

local function started_by(stack)
  local lines = { 'started by cp.async' }
  for i, level in ipairs(stack) do
    lines[i + 1] = describe(level)
  end
  return table.concat(lines)
end

-- The error of a coroutine that is not ours.  Its to-be-closed variables are closed; if
-- that raises, the new error replaces the old one, as always in Lua.
local function failure(thread)
  local traceback = get_traceback(thread)
  local _, err = coroutine.close(thread)
  return boxed(err, traceback)
end

-- Values yielded to us are dropped; they were meant for another library's scheduler, or
-- for a caller of coroutine.resume.
local function lost_values(thread)
  local text = 'a coroutine that child_process resumes has yielded values to nobody'
  local err = errors.coded('ERR_INVALID_STATE', text)
  return boxed(err, get_traceback(thread))
end

-- thread, and what coroutine.resume returned -> box | nil
local function check_resumed(thread, ok, ...)
  if not ok then
    return failure(thread)
  elseif select('#', ...) > 0 and coroutine.status(thread) == 'suspended' then
    return lost_values(thread)
  end
end

-- Waiters -------------------------------------------------------------------------------

-- Each way of waiting has `wake()`, called when something has happened, and
-- `sleep(is_ready)`, which polls is_ready() until it is true and returns false when
-- nothing could make it true any more.

-- The coroutines of cp.async, which only we may resume -> how often the loop had run when
-- each was made.
local ours = setmetatable({}, { __mode = 'k' })

-- In a coroutine: it yields, and the loop resumes it.
local Sleeper = {}
Sleeper.__index = Sleeper

local function resume(sleeper)
  sleeper.called = false
  local thread = sleeper.thread
  if sleeper.asleep and coroutine.status(thread) == 'suspended' then
    local box = check_resumed(thread, coroutine.resume(thread))
    if box then
      raise_box(box)
    end
  end
end

-- On a separate tick, so that the other listeners of the waking event are called whatever
-- the coroutine does next.  A coroutine that is not ours may have a scheduler that
-- resumes all its coroutines between two turns of the loop: the scheduler goes first,
-- since afterwards it would find a dead coroutine.
function Sleeper:wake()
  if self.called then
    return
  end
  self.called = true
  if ours[self.thread] then
    loop.nextTick(resume, self)
  else
    loop.setImmediate(loop.setImmediate, resume, self)
  end
end

function Sleeper:sleep(is_ready)
  -- if something else resumes this coroutine, it must not continue too early
  while not is_ready() do
    self.asleep = true
    coroutine.yield()
    self.asleep = false
  end
  return true
end

-- Outside of coroutines: it runs the loop.
local Driver = {}
Driver.__index = Driver

function Driver.wake() end

-- is_ready() may itself start something, such as reading on: it is over when two calls in
-- a row have changed nothing.
function Driver:sleep(is_ready)
  local idle = 0
  while not is_ready() do
    if idle == 2 then
      return false
    end
    idle = core.run 'once' and 0 or idle + 1
  end
  return true
end

-- copas would take our yield for a request to itself, and drop the coroutine.
local function is_of_copas(thread)
  local copas = loaded.copas
  return copas and copas.running and not ours[thread]
end

--- await.check(what): raises ERR_WOULD_BLOCK where a call cannot wait, whatever it would
-- wait for.
-- @param what string: the caller's name, for the message
function M.check(what)
  local can_yield = coroutine.isyieldable()
  if not can_yield and core.running() then
    raise(errors.coded('ERR_WOULD_BLOCK', what))
  elseif can_yield and is_of_copas(coroutine.running()) then
    local text = what .. ' cannot wait in a coroutine of copas: call it in cp.async'
    raise(errors.new('Error', 'ERR_WOULD_BLOCK', text))
  end
end

--- await.can_wait_in_close(what) -> boolean, for a `__close` metamethod, which calls this
-- itself: whether it may wait there.  coroutine.close and coroutine.wrap call it with
-- nothing below it on the stack, and from Lua 5.4.6 on a yield would be lost there.
function M.can_wait_in_close(what)
  return getinfo(3, 'l') ~= nil and pcall(M.check, what)
end

local function new_waiter(what)
  M.check(what)
  if not coroutine.isyieldable() then
    return setmetatable({}, Driver)
  end
  local sleeper = { thread = coroutine.running() }
  return in_cqueues.waiter() or setmetatable(sleeper, Sleeper)
end

-- Registrations -------------------------------------------------------------------------

-- Listeners and timers of one call of await.  A to-be-closed value, so that a coroutine
-- closed while it waits leaves none behind.
local Registrations = {}
Registrations.__index = Registrations

function Registrations:__close()
  for _, entry in ipairs(self.listeners) do
    entry.emitter:off(entry.event, entry.fn)
  end
  loop.clearTimeout(self.timer)
end

--- registrations:on(emitter, event [, fn]): a listener while waiting; without `fn` it
-- only wakes.
function Registrations:on(emitter, event, fn)
  fn = fn or self.wake
  emitter:on(event, fn)
  table.insert(self.listeners, { emitter = emitter, event = event, fn = fn })
end

--- registrations:after(ms, fn): a timer that calls `fn` and wakes.
function Registrations:after(ms, fn)
  self.timer = loop.setTimeout(function()
    fn()
    self.wake()
  end, ms)
end

-- Waiting -------------------------------------------------------------------------------

local MAX_TIMER = 2 ^ 31 - 1

--- await.check_timeout(value) -> milliseconds | nil: no limit.  Raises
-- ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
function M.check_timeout(value)
  if value == nil or value == math.huge then
    return nil
  elseif type(value) ~= 'number' then
    raise(errors.invalid_arg_type('timeout', 'of type number', value))
  elseif value < 0 or value ~= value then
    raise(errors.out_of_range('timeout', '>= 0', value))
  end
  return math.min(value, MAX_TIMER)
end

--- await.await(what, is_ready, register) -> boolean: waits until `is_ready()` is true;
-- false if it cannot become true, because nothing keeps the loop alive.
-- @param what string: the caller's name, for messages
-- @param register function: adds wake-ups to the registrations it gets; not called if it
--   is ready already
-- Raises ERR_WOULD_BLOCK, and errors of callbacks while it drives the loop.
function M.await(what, is_ready, register)
  if is_ready() then
    return true
  end
  local waiter = new_waiter(what)
  local registrations <close> = setmetatable({
    listeners = {},
    wake = function()
      waiter:wake()
    end,
  }, Registrations)
  register(registrations)
  local _ <close> = trace.on and trace.wait(what)
  return waiter:sleep(is_ready)
end

--- await.sleep(what, ms): waits for that long.  Raises ERR_WOULD_BLOCK.
function M.sleep(what, ms)
  local is_over = false
  M.await(what, function()
    return is_over
  end, function(registrations)
    registrations:after(ms, function()
      is_over = true
    end)
  end)
end

--- await.never(what) -> error value: why `await` returned false.
function M.never(what)
  local text = what .. ' would wait for ever: nothing keeps the loop alive'
  return errors.new('Error', 'ERR_WOULD_BLOCK', text)
end

-- The error is caught inside the coroutine, where variables being closed may still wait.
local function run(stack, fn, ...)
  local traceback
  local ok, err = xpcall(fn, function(err)
    traceback = get_traceback(nil, 2)
    return err
  end, ...)
  if not ok then
    raise_later(add_to(boxed(err, traceback), started_by(stack)))
  end
end

--- cp.async(fn, …) -> thread: runs `fn(…)` in a coroutine, immediately until it first
-- waits, then from the loop. cp.run() raises its error, unchanged; an error value of ours
-- has its stack, down to this call, in its field `traceback`.
-- Raises ERR_INVALID_ARG_TYPE.
function M.async(fn, ...)
  if type(fn) ~= 'function' then
    raise(errors.invalid_arg_type('fn', 'of type function', fn))
  end
  local thread = coroutine.create(run)
  ours[thread] = core.runs()
  local stack = stack_of_caller()
  local box = check_resumed(thread, coroutine.resume(thread, stack, fn, ...))
  if box then
    raise_later(box)
  end
  return thread
end

-- Coroutines that wait for a loop that has never run since.
loop.count_at_end('coroutine', function()
  local count, runs = failed, core.runs()
  for thread, since in pairs(ours) do
    if since == runs and coroutine.status(thread) == 'suspended' then
      count = count + 1
    end
  end
  return count
end)

return M
