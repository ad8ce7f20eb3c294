--- What there is to tell to those who look inside (cp.debug): a table for each event.
--
-- `trace.on` is false unless somebody looks; whoever has something to tell tests it
-- first, so that nothing is made for nobody:
--
--   if trace.on then trace.spawn(child, plan) end
--
-- Every event has `event` (its name), `process` (the id of this process) and `time`
-- (milliseconds since the module was loaded); the fields of each are listed at cp.debug.
local core = require 'child_process.core'
local signals = require 'child_process.signals'

-- One instance a Lua state, as with the loop: the children are the same for all.
if core.trace then
  return core.trace
end

local M = {}
core.trace = M

--- function|false: called with each event.  Set by child_process.debug.
M.on = false

local NS = 1e6 -- nanoseconds of a millisecond
local loaded_at = core.hrtime()

local function ms_since(start)
  return (core.hrtime() - start) / NS
end

local function tell(name, event)
  event.event, event.process, event.time = name, core.pid(), ms_since(loaded_at)
  M.on(event)
end

-- Where things come from ----------------------------------------------------------------

-- What the names of our own files begin with.
local SOURCE = debug.getinfo(1, 'S').source
local OWN = SOURCE:match '^(.*)trace' or SOURCE

--- trace.where() -> `file:line` of the program's code that called us; nil if none did.
function M.where()
  local level, info = 2, debug.getinfo(2, 'Sl')
  while info do
    if info.what ~= 'C' and info.source:sub(1, #OWN) ~= OWN then
      return ('%s:%d'):format(info.short_src, info.currentline)
    end
    level = level + 1
    info = debug.getinfo(level, 'Sl')
  end
end

--- handle of the core -> where it was made; only of what was made while somebody looked.
M.origins = setmetatable({}, { __mode = 'k' })

-- Children ------------------------------------------------------------------------------

-- What all events of one start have in common.
local function start_of(plan, child)
  return {
    pid = child and child.pid,
    file = plan.file,
    args = plan.args,
    cwd = plan.cwd or core.cwd(),
    at = child and M.origins[child] or M.where(),
  }
end

--- A child has been started.
function M.spawn(child, plan)
  child._traced = { plan = plan, started = core.hrtime() }
  tell('spawn', start_of(plan, child))
end

--- It could not be started.
function M.failed(child, plan, err)
  local event = start_of(plan, child)
  event.reason, event.error = child._reason, err
  tell('exit', event)
end

--- It has ended.  One that was started before somebody looked has no `duration`.
function M.exit(child, code, signal)
  local traced = child._traced
  local plan = traced and traced.plan
  local event =
    start_of(plan or { file = child.spawnfile, args = child.spawnargs }, child)
  event.code, event.signal = code, signal
  event.reason = child._reason or signal and 'signal' or 'exit'
  event.error = child._error
  event.duration = traced and ms_since(traced.started)
  tell('exit', event)
end

--- A call that waits is about to start a program.  Returns what `exit_sync` wants.
function M.spawn_sync(plan)
  local event = start_of(plan)
  event.sync = true
  tell('spawn', event)
  return core.hrtime()
end

local LIMITS = { ETIMEDOUT = 'timeout', ENOBUFS = 'maxBuffer' }

--- It is over; `result` is that of cp.spawnSync.
function M.exit_sync(plan, result, started)
  local event, err = start_of(plan), result.error
  local is_start = result.pid == 0
  event.sync, event.pid = true, not is_start and result.pid or nil
  event.code, event.signal, event.error = result.status, result.signal, err
  event.reason = is_start and 'spawn' or err and LIMITS[err.code]
  event.reason = event.reason or result.signal and 'signal' or 'exit'
  event.duration = ms_since(started)
  tell('exit', event)
end

--- A signal was sent, or could not be (`errno`).
-- @param reason string|nil: why the library sent it: `timeout`, `maxBuffer`, `abort`
function M.kill(pid, signo, errno, reason)
  tell('kill', {
    pid = pid,
    signal = signals.name(signo),
    delivered = errno == nil,
    code = errno and core.errname(errno),
    reason = reason,
  })
end

-- Channels ------------------------------------------------------------------------------

--- The id of the process on the other side.
function M.peer(ipc)
  return ipc.owner == core.process and core.ppid() or ipc.owner.pid
end

--- A channel is open.
function M.connect(ipc)
  tell('connect', { pid = M.peer(ipc), serialization = ipc.codec.name })
end

--- A message was queued to be written; `pending`: the bytes that wait with it.
function M.send(ipc, payload, pending)
  tell('send', { pid = M.peer(ipc), size = #payload, pending = pending })
end

--- A message was lost.
function M.lost(ipc, err)
  tell('send', { pid = M.peer(ipc), error = err })
end

--- A message has come.
function M.receive(ipc, payload)
  tell('receive', { pid = M.peer(ipc), size = #payload })
end

--- The channel is closed.
function M.disconnect(ipc, err)
  local reason = err and 'error' or ipc.disconnecting and 'local' or 'peer'
  tell('disconnect', { pid = M.peer(ipc), reason = reason, error = err })
end

--- Something became of a handle on its way: `sent`, `waiting` (behind another one),
-- `acknowledged`, `refused` or `received`.
function M.handle(ipc, kind, state)
  tell('handle', { pid = M.peer(ipc), type = kind, state = state })
end

return M
