--- The events of cp.debug and of a trace file, a table for each.
--
-- `trace.on` is false unless somebody listens; callers test it first, so that tracing
-- costs nothing otherwise:
--
--   if trace.on then trace.spawn(child, plan) end
--
-- Every event has `event` (its name), `process` (the id of this process) and `time`
-- (milliseconds since the module was loaded); the fields of each are listed at cp.debug.
local core = require 'child_process.core'
local lazy = require 'child_process.lazy'
local place = require 'child_process.place'

local signals = lazy.module 'child_process.signals'

local M = {}

--- function|false: called with each event.
M.on = false

-- Who listens: `log`, of debug.lua, and `file`, of trace_file.lua.
local listeners = {}

--- trace.listen(who, fn | nil): the listener `who`, `log` or `file`.
function M.listen(who, fn)
  listeners[who] = fn
  local log, file = listeners.log, listeners.file
  M.on = log and file and function(event)
    file(event)
    log(event)
  end or log or file or false
  core.traced(M.on)
end

--- trace.from_environment(load_debug, load_trace_file): listens as CP_DEBUG and CP_TRACE
-- ask.  The two load debug.lua and trace_file.lua, which stand on this file.
function M.from_environment(load_debug, load_trace_file)
  if os.getenv 'CP_DEBUG' then
    load_debug().from_environment()
  end
  if os.getenv 'CP_TRACE' then
    load_trace_file().from_environment()
  end
end

local NS = 1e6 -- nanoseconds of a millisecond
local loaded_at = core.hrtime()

local function ms_since(start)
  return (core.hrtime() - start) / NS
end

local function report(name, event)
  event.event, event.process, event.time = name, core.pid(), ms_since(loaded_at)
  M.on(event)
end

-- Where things come from ----------------------------------------------------------------

--- handle of the core -> where it was made, if that was while tracing was on.
M.origins = setmetatable({}, { __mode = 'k' })

-- Waiting -------------------------------------------------------------------------------

--- The waits in progress, in coroutines and outside, if they began while tracing was on.
-- Each: `what` (`wait()`), `at`, `number` in order of beginning.
M.waiting = setmetatable({}, { __mode = 'k' })

local Wait = {}

function Wait.__close(wait)
  M.waiting[wait] = nil
end

local waits = 0

--- trace.wait(what) -> to-be-closed value: the caller waits until that is closed.
function M.wait(what)
  waits = waits + 1
  local wait = setmetatable({ what = what, at = place.where(), number = waits }, Wait)
  M.waiting[wait] = true
  return wait
end

-- Children ------------------------------------------------------------------------------

-- The fields of a start that all its later events repeat.
local function new_start(plan, child)
  return {
    pid = child and child.pid,
    sync = not child or nil,
    file = plan.file,
    args = plan.args,
    cwd = plan.cwd or core.cwd(),
    pty = plan.pty and { cols = plan.pty.cols, rows = plan.pty.rows },
    at = child and M.origins[child] or place.where(),
    since = core.hrtime(),
  }
end

local function report_of(start, name, fields)
  fields.pid, fields.sync, fields.at = start.pid, start.sync, start.at
  fields.file, fields.args, fields.cwd = start.file, start.args, start.cwd
  fields.pty = start.pty
  report(name, fields)
end

--- A child has been started.
function M.spawn(child, plan)
  child._traced = new_start(plan, child)
  report_of(child._traced, 'spawn', {})
end

--- It could not be started; `how`: see ending.how.
function M.failed(child, plan, how)
  report_of(new_start(plan, child), 'exit', how)
end

--- It has ended.  Less is known of a child started before tracing was on.
function M.exit(child, how)
  local start = child._traced
    or { pid = child.pid, file = child.spawnfile, args = child.spawnargs }
  how.duration = how.duration or start.since and ms_since(start.since)
  report_of(start, 'exit', how)
end

--- A Sync call is about to start a program.  Returns the argument for `exit_sync`.
function M.spawn_sync(plan)
  local start = new_start(plan)
  report_of(start, 'spawn', {})
  return start
end

--- It is over; `result` is that of cp.spawnSync.
function M.exit_sync(start, result)
  start.pid = result.pid ~= 0 and result.pid or nil
  report_of(start, 'exit', {
    code = result.code,
    signal = result.signal,
    reason = result.reason,
    error = result.error,
    duration = result.duration or ms_since(start.since),
    usage = result.usage,
  })
end

--- A signal was sent, or could not be (`errno`).
-- @param pid integer|nil: nil if the process was never started
-- @param reason string|nil: why the library sent it: `timeout`, `maxBuffer`, `abort`
function M.kill(pid, signo, errno, reason)
  report('kill', {
    pid = pid,
    signal = signals.name(signo),
    delivered = errno == nil,
    code = errno and core.errname(errno),
    reason = pid and reason,
  })
end

-- Channels ------------------------------------------------------------------------------

--- The process id of the peer.
function M.peer(ipc)
  return ipc.owner == core.process and core.ppid() or ipc.owner.pid
end

-- Owner of a channel -> how many messages the worker and its parent have sent on it, if
-- that is traced from its beginning.
local sent = setmetatable({}, { __mode = 'k' })

-- The same in both processes for one message, if both know the numbers: the worker, who
-- sent it, and which one it was.
local function message_id(owner, is_ours)
  local numbers = sent[owner]
  local sender = (owner == core.process) == is_ours and 'worker' or 'parent'
  local number = numbers and numbers[sender] + 1
  if number then
    numbers[sender] = number
    local worker = owner == core.process and core.pid() or owner.pid
    return ('%d %s %d'):format(worker, sender, number)
  end
end

--- A channel is open.
function M.connect(ipc)
  sent[ipc.owner] = { worker = 0, parent = 0 }
  report('connect', { pid = M.peer(ipc), serialization = ipc.codec.name })
end

--- A message is about to be sent, at `trace.sending_since` (hrtime): the peer may have it
-- before `send` is called.
function M.sending()
  M.sending_since = core.hrtime()
end

--- A message of `size` bytes was sent; `pending`: the unwritten bytes.
function M.send(ipc, size, pending)
  report('send', {
    pid = M.peer(ipc),
    size = size,
    pending = pending,
    id = message_id(ipc.owner, true),
  })
end

--- A message was lost.
function M.lost(ipc, err)
  report('send', { pid = M.peer(ipc), error = err })
end

--- A message of `size` bytes has come.
function M.receive(ipc, size)
  report('receive', { pid = M.peer(ipc), size = size, id = message_id(ipc.owner, false) })
end

--- The channel is closed.
function M.disconnect(ipc, err)
  local reason = err and 'error' or ipc.disconnecting and 'local' or 'peer'
  report('disconnect', { pid = M.peer(ipc), reason = reason, error = err })
end

--- A passed handle has changed its state: `sent`, `waiting` (behind another one),
-- `acknowledged`, `refused` or `received`.
function M.handle(ipc, kind, state)
  report('handle', { pid = M.peer(ipc), type = kind, state = state })
end

return M
