--- Why, how and with what error a child has ended; and the limits that end it.
--
-- When a limit is reached it calls `by` with the cause: that closes the pipes, if the
-- plan says so, and sends `killSignal`.  Results, traces and exec get all their facts
-- here.
--
--   new --watch--> limits run --by(cause)--> signalled
--                      |                         |
--                      +-------- exited ---------+--> closed: `how` is complete
--
-- The first cause and the first error count: a child that timed out and then wrote too
-- much has timed out.
--
-- With killDescendants a child leads a process group, which gets all signals instead of
-- it (csrc/os/proc.h).  Its limits and the SIGKILL of killAfter then last until the group
-- is empty or the child has closed, and not only until it has exited.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local guard = require 'child_process.guard'
local loop = require 'child_process.loop'
local stream = require 'child_process.stream'
local trace = require 'child_process.trace'

local M = {}

-- `child._ending`: `cause`, `error`, `mishap`, `duration`; `exited`, `closed`; `signal`:
-- killSignal, as a number; `closes_pipes`: see `by`; `leads`: killDescendants;
-- `in_cgroup`; `readers`: see `set_reader`; `timer`, `idle_timer`, and the `abort_signal`
-- with its `on_abort`: the limits that run.  Of killAfter: `kill_after` (ms), the timer
-- `escalation` and when it is `due` (ms), `forced`; `terminating`, see `terminate`.  Of
-- waitDelay: `wait_delay` (ms), `drain_timer`, `truncated`, `held_by`.
local function of(child)
  local ending = child._ending
  if not ending then
    ending = {}
    child._ending = ending
  end
  return ending
end

-- How it ended --------------------------------------------------------------------------

--- ending.note(child, cause, err): records why it ends and the error, unless recorded
-- before; both may be nil.
function M.note(child, cause, err)
  local ending = of(child)
  ending.cause = ending.cause or cause
  if ending.error == nil then
    ending.error = err
  end
end

--- ending.mishap(child, err): records an error that does not affect the child: it is
-- reported if there is no other.
function M.mishap(child, err)
  local ending = of(child)
  ending.mishap = ending.mishap or err
end

--- ending.cause(child) -> 'timeout', 'idleTimeout', 'maxBuffer', 'abort' | nil: it was
-- not ended by us.
function M.cause(child)
  return of(child).cause
end

--- ending.error(child) -> the first error recorded that affects it, or nil.
function M.error(child)
  return of(child).error
end

--- ending.reason(cause, pid, signal) -> the `reason` of a result.
-- @param pid integer|nil: nil if it was not started
function M.reason(cause, pid, signal)
  return cause or not pid and 'spawn' or signal and 'signal' or 'exit'
end

--- ending.how(child) -> { code, signal, reason, error, duration, usage } of a child that
-- has ended, or could not be started. exitCode is then the errno, as in Node, and not a
-- real exit code.
function M.how(child)
  local ending, pid, signal = of(child), child.pid, child.signalCode
  return {
    code = pid and child.exitCode,
    signal = signal,
    reason = M.reason(ending.cause, pid, signal),
    error = ending.error == nil and ending.mishap or ending.error,
    duration = ending.duration,
    forced = ending.forced,
    truncated = ending.truncated,
    heldBy = ending.held_by,
    usage = child.usage,
  }
end

--- ending.took(child, ms): sets its duration, from start to end.
function M.took(child, duration)
  of(child).duration = duration
end

local NS = 1000000 -- a millisecond

local function now()
  return core.hrtime() // NS
end

--- ending.is_closed(child) -> boolean: `close` has come, or comes now.
function M.is_closed(child)
  return of(child).closed == true
end

-- It has closed, and only zombies are left of its group: some containers have no process
-- that reaps orphans.
local function is_over(child)
  return of(child).closed and not (of(child).leads and core.lives(child))
end

--- ending.all_over(children) -> boolean: an array of children and their groups is gone.
function M.all_over(children)
  for _, child in ipairs(children) do
    if not is_over(child) then
      return false
    end
  end
  return true
end

--- ending.leads(child) -> boolean: a group of its own, which gets all signals.
function M.leads(child)
  return of(child).leads == true
end

--- ending.is_running(child): a signal could still end something: the process, or the
-- rest of its group.
function M.is_running(child)
  local ending = of(child)
  if not child.pid or ending.exited and not ending.leads then
    return false
  end
  return not ending.exited or core.lives(child)
end

-- Ending it -----------------------------------------------------------------------------

local SIGKILL, SIGTERM = core.signals.SIGKILL, core.signals.SIGTERM

-- It has closed: releases its group and empties its cgroup, which takes a moment.
local FIRST_PAUSE, LAST_PAUSE = 1, 1000 -- ms

local function release(child, pause)
  local is_dying = of(child).forced and core.lives(child)
  if (is_dying or not core.release(child)) and pause < LAST_PAUSE then
    loop.setTimeout(release, pause, child, 2 * pause)
  end
end

local function force(child)
  local ending = of(child)
  ending.escalation = nil
  if not ending.leads or core.lives(child) then
    local ok, errno = core.kill(child, SIGKILL)
    if trace.on then
      trace.kill(child.pid, SIGKILL, errno, ending.cause)
    end
    if ok then
      child.killed, ending.forced = true, true
    end
  end
  if of(child).closed then
    release(child, FIRST_PAUSE)
  end
end

--- ending.escalate(child, ms): schedules SIGKILL in `ms`, unless it is due earlier.
function M.escalate(child, ms)
  local ending, due = of(child), now() + ms
  if not (ending.escalation and ending.due <= due) then
    loop.clearTimeout(ending.escalation)
    ending.escalation, ending.due = loop.setTimeout(force, ms, child), due
  end
end

--- ending.signalled(child, signo): a signal of ours was delivered: the first one meant to
-- end it starts killAfter.
function M.signalled(child, signo)
  local ending = of(child)
  local ends = signo == SIGTERM or signo == ending.signal
  if ending.kill_after and ends and signo ~= SIGKILL and not ending.escalation then
    M.escalate(child, ending.kill_after)
  end
end

--- ending.terminate(child, grace): SIGTERM, SIGKILL `grace` ms later; once.
function M.terminate(child, grace)
  local ending = of(child)
  if not ending.terminating and M.is_running(child) then
    ending.terminating = true
    M.escalate(child, grace)
    child:kill(SIGTERM)
  end
end

--- ending.kill(child): SIGKILL, without events, so that it may be called anywhere.
function M.kill(child)
  local ok, errno = core.kill(child, SIGKILL)
  if trace.on then
    trace.kill(child.pid, SIGKILL, errno)
  end
  child.killed = child.killed or ok == true
end

local function calm(ending)
  loop.clearTimeout(ending.escalation)
  ending.escalation = nil
end

--- ending.set_reader(child, slot, reader, class): its output there is read by `reader`,
-- and not by the stream of the slot, if there is one.
-- @param class table: functions `drop`, `quiet`, `holders`, `cut`, as stream.lua has them
function M.set_reader(child, slot, reader, class)
  local ending = of(child)
  ending.readers = ending.readers or {}
  ending.readers[slot] = { reader, class }
end

-- The reader of a slot, if there is one, and its class.
local function reader(child, slot)
  local readers = of(child).readers
  local found = readers and readers[slot]
  if found then
    return found[1], found[2]
  end
  return child.stdio and child.stdio[slot], stream
end

local STDOUT, STDERR = 2, 3

--- ending.close_pipes(child): closes those of its output.  Descendants may hold the other
-- ends for longer than the caller wants to wait.
function M.close_pipes(child)
  for _, slot in ipairs { STDOUT, STDERR } do
    local source, class = reader(child, slot)
    if source then
      class.drop(source)
    end
  end
end

--- ending.by(child, cause [, err]) -> boolean: ends it; true if the signal was delivered.
-- Its pipes are closed for exec, which has to call back soon, and after too much output,
-- as the rest is unwanted.  An error raised by `kill` (the user may have replaced it)
-- becomes an event, as there is no caller to raise it to.
function M.by(child, cause, err)
  local ending = of(child)
  M.note(child, cause, err)
  if ending.closes_pipes or cause == 'maxBuffer' then
    M.close_pipes(child)
  end
  local ok, sent = pcall(child.kill, child, ending.signal)
  if not ok then
    M.note(child, nil, sent)
    M.signalled(child, ending.signal)
    child:emit('error', sent)
  end
  return ok and sent
end

-- Limits --------------------------------------------------------------------------------

local function limit_time(child, ms, cause)
  if ms then
    of(child).timer = loop.setTimeout(M.by, ms, child, cause)
  end
end

--- ending.silence(child) -> ms since the last byte on any of its streams; nil: none is
-- open that we read.  Time while a stream is not being read, paused or full, does not
-- count: the child may be waiting for us.
function M.silence(child)
  local least
  for i = 1, child.stdio.n do
    local source, class = reader(child, i)
    local quiet = source and class.quiet(source)
    if quiet == false then
      return 0
    end
    least = quiet and math.min(quiet, least or quiet) or least
  end
  return least
end

local function watch_idle(child, ms, left)
  of(child).idle_timer = loop.setTimeout(function()
    local idle = M.silence(child) or 0
    if idle >= ms then
      M.by(child, 'idleTimeout')
    else
      watch_idle(child, ms, ms - idle)
    end
  end, left)
end

local function cut(child, slot)
  local ending = of(child)
  local source, class = reader(child, slot)
  local holders = source and source ~= child.stdin and class.holders(source)
  if holders then
    ending.truncated = true
    ending.held_by = ending.held_by or {}
    table.move(holders, 1, #holders, #ending.held_by + 1, ending.held_by)
    class.cut(source)
  end
end

-- The pipes of a child that has exited, from slot `first`; a terminal is ended by us
-- (stream/terminal.lua).
local function cut_pipes(child, first)
  of(child).drain_timer = nil
  for slot = first, child.stdio.n do
    local _ <close> = guard.new(child, function()
      cut_pipes(child, slot + 1)
    end)
    cut(child, slot)
  end
end

local function on_abort(child, signal)
  if M.by(child, 'abort') then
    local err = errors.abort(signal.reason)
    M.note(child, nil, err)
    child:emit('error', err)
  end
end

local function obey(child, signal)
  if signal then
    local ending = of(child)
    ending.abort_signal = signal
    ending.on_abort = function()
      on_abort(child, signal)
    end
    signal:addEventListener('abort', ending.on_abort, { once = true })
  end
end

--- ending.prepare(child, plan): takes the plan's options for its end; before the start.
-- `plan.closesPipes`: see `by`; the time limits then count until the child has closed,
-- and not only until it has exited.
function M.prepare(child, plan)
  child._ending = {
    signal = plan.killSignal,
    closes_pipes = plan.closesPipes,
    kill_after = plan.killAfter,
    leads = plan.killDescendants,
    in_cgroup = plan.cgroup ~= nil,
    wait_delay = plan.waitDelay,
  }
end

--- ending.watch(child, plan): it has been started; its limits run from now on.
function M.watch(child, plan)
  limit_time(child, plan.timeout, 'timeout')
  if plan.idleTimeout then
    watch_idle(child, plan.idleTimeout, plan.idleTimeout)
  end
  obey(child, plan.signal)
end

local function forget_time(ending)
  loop.clearTimeout(ending.timer)
  loop.clearTimeout(ending.idle_timer)
end

local function disobey(ending)
  if ending.on_abort then
    ending.abort_signal:removeEventListener('abort', ending.on_abort)
    ending.on_abort, ending.abort_signal = nil, nil
  end
end

-- The process has ended: from now on waitDelay counts.
local function bound_drain(child)
  local ending = of(child)
  loop.clearTimeout(ending.drain_timer)
  if child.pid then
    ending.drain_timer = loop.setTimeout(cut_pipes, ending.wait_delay, child, 1)
  end
end

--- ending.hurry(child, ms): a waitDelay for a child that runs, or has exited; one that is
-- shorter remains.
function M.hurry(child, ms)
  local ending = of(child)
  ending.wait_delay = math.min(ending.wait_delay or ms, ms)
  if ending.exited and not ending.closed then
    bound_drain(child)
  end
end

--- ending.exited(child): the process has ended, or could not be started.
function M.exited(child)
  local ending = of(child)
  ending.exited = true
  if ending.wait_delay then
    bound_drain(child)
  end
  if child.pid and ending.leads then
    return
  end
  calm(ending)
  disobey(ending)
  if not ending.closes_pipes then
    forget_time(ending)
  end
end

--- ending.closed(child): stops its limits.  The rest of its group still gets a scheduled
-- SIGKILL.
function M.closed(child)
  local ending = of(child)
  ending.closed = true
  forget_time(ending)
  loop.clearTimeout(ending.drain_timer)
  disobey(ending)
  if ending.leads and child.pid then
    if ending.escalation and not core.lives(child) then
      calm(ending)
    end
    -- outside a cgroup, SIGKILL may still need the number of the group
    if ending.in_cgroup or not ending.escalation then
      release(child, FIRST_PAUSE)
    end
  end
end

return M
