--- The one way in which a program waits here: register, then yield; or drive the loop.
--
-- In a coroutine `await` yields and the loop resumes it.  Outside of one it runs the loop
-- until the condition holds.  In a callback of the running loop neither can be done.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'

local M = {}

-- Resuming ------------------------------------------------------------------------------

-- What a coroutine raised, with the way to it; what it had open is closed.
local function with_traceback(thread, err)
  if type(err) == 'string' then
    err = debug.traceback(thread, err)
  elseif errors.is_error(err) and not err.traceback then
    err.traceback = debug.traceback(thread)
  end
  coroutine.close(thread)
  return err
end

local function raise(err)
  error(err, 0)
end

local function resume(waiter)
  waiter.called = false
  if waiter.asleep and coroutine.status(waiter.thread) == 'suspended' then
    local ok, err = coroutine.resume(waiter.thread)
    if not ok then
      raise(with_traceback(waiter.thread, err))
    end
  end
end

-- On a tick of its own: the other listeners of the event that woke it are called whatever
-- the coroutine does next.
local function wake(waiter)
  if waiter.thread and not waiter.called then
    waiter.called = true
    loop.nextTick(resume, waiter)
  end
end

-- Registrations -------------------------------------------------------------------------

-- Listeners and timers of one call of await.  To be closed: a coroutine that is closed
-- while it waits leaves none behind.
local Registrations = {}
Registrations.__index = Registrations

function Registrations:__close()
  for _, entry in ipairs(self.listeners) do
    entry.emitter:off(entry.event, entry.fn)
  end
  loop.clearTimeout(self.timer)
end

--- registrations:on(emitter, event [, fn]): a listener for the time of waiting; without
-- `fn` it only wakes.
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

local function sleep(waiter, is_ready)
  -- whoever else resumes this coroutine must not make it go on too early
  while not is_ready() do
    waiter.asleep = true
    coroutine.yield()
    waiter.asleep = false
  end
  return true
end

-- To ask may itself begin something, like reading on: it is over when asking twice has
-- changed nothing.
local function drive(is_ready)
  local idle = 0
  while not is_ready() do
    if idle == 2 then
      return false
    end
    idle = core.run 'once' and 0 or idle + 1
  end
  return true
end

--- await.await(what, is_ready, register) -> boolean: asks `is_ready()` until it is true;
-- false if that cannot come any more, because nothing keeps the loop alive.
-- @param what string: the caller's name, for messages
-- @param register function: given the registrations, it adds what wakes; not called if it
--   is ready already
-- Raises ERR_WOULD_BLOCK, and what a callback raises while the loop is driven.
function M.await(what, is_ready, register)
  if is_ready() then
    return true
  end
  local inside = coroutine.isyieldable()
  if not inside and core.running() then
    raise(errors.coded('ERR_WOULD_BLOCK', what))
  end
  local waiter = { thread = inside and coroutine.running() }
  local registrations <close> = setmetatable({
    listeners = {},
    wake = function()
      wake(waiter)
    end,
  }, Registrations)
  register(registrations)
  if inside then
    return sleep(waiter, is_ready)
  end
  return drive(is_ready)
end

--- await.never(what) -> error value: why `await` returned false.
function M.never(what)
  local text = what .. ' would wait for ever: nothing keeps the loop alive'
  return errors.new('Error', 'ERR_WOULD_BLOCK', text)
end

--- cp.async(fn, …) -> thread: runs `fn(…)` in a coroutine at once, until it first
-- waits; the loop goes on with it.  What it raises leaves cp.run(), a string with the
-- coroutine's traceback.  Raises ERR_INVALID_ARG_TYPE.
function M.async(fn, ...)
  if type(fn) ~= 'function' then
    raise(errors.invalid_arg_type('fn', 'of type function', fn))
  end
  local thread = coroutine.create(fn)
  local ok, err = coroutine.resume(thread, ...)
  if not ok then
    loop.nextTick(raise, with_traceback(thread, err))
  end
  return thread
end

return M
