--- ChildProcess: one child, its streams, and the order of its events.
--
-- `spawn`, data, `exit`, `close`.  `close` is counted: it comes when the process has
-- ended and every stream that we read from it has closed.  A failed start goes the same
-- way, with `error` instead of `exit`.  Steps that must follow an event are guarded, so
-- that `close` comes even if a listener raises.
--
-- The core has the userdata, the signals and the watch for the exit (csrc/child.c).
local channel = require 'child_process.ipc.channel'
local core = require 'child_process.core'
local ending = require 'child_process.ending'
local environment = require 'child_process.environment'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local facts = require 'child_process.facts'
local guard = require 'child_process.guard'
local item = require 'child_process.stdio.item'
local lazy = require 'child_process.lazy'
local lending = require 'child_process.stream.lending'
local loop = require 'child_process.loop'
local options = require 'child_process.options'
local output = require 'child_process.output'
local pty = require 'child_process.options.pty'
local signals = require 'child_process.signals'
local stdio = require 'child_process.stdio'
local stream = require 'child_process.stream'
local trace = require 'child_process.trace'

local start_error = lazy.module 'child_process.start_error'
local terminal = lazy.module 'child_process.stream.terminal'

local load_advanced = lazy.load 'child_process.ipc.advanced'
local load_json = lazy.load 'child_process.ipc.json'
local load_tee = lazy.load 'child_process.tee'
local load_trace_file = lazy.load 'child_process.trace_file'

local M = {}

-- The core's table: its own ref and unref are there already.
local methods = core.child_methods
events.extend(methods)
for name, method in pairs(channel.methods) do
  methods[name] = method
end

--- The methods of ChildProcess; a change here applies to all children.
M.methods = methods

--- cp.ChildProcess() -> a ChildProcess that has not been started, see `child:spawn`.
function M.new()
  local child = core.new_child()
  child.killed = false
  child.connected = false
  return child
end

-- The end -------------------------------------------------------------------------------

-- One of the things `close` waits for is done.
local function count_down(child)
  local open = child._open - 1
  child._open = open
  if open == 0 then
    ending.closed(child)
    child:emit('close', child.exitCode, child.signalCode)
  end
end

local function after_end(child)
  if not child._end_handled then
    child._end_handled = true
    channel.ended(child)
    loop.tick(output.run_out, 1, child)
    lending.give_back_soon(child._borrowed)
    count_down(child)
  end
end

-- A launcher whose worker has never come has two events.
local function emit_end(child, failure, name, ...)
  local rest = table.pack(name, ...)
  local _ <close> = guard.new(child, function()
    child:emit(table.unpack(rest, 1, rest.n))
  end)
  child:emit('error', failure)
  child:emit(name, ...)
end

-- The process has ended, or never started: `name` is 'exit' or 'error'.
local function finish(child, code, signal, name, ...)
  child.exitCode, child.signalCode = code, signal
  local failure = child._launch and child._launch:failure()
  if trace.on and name == 'exit' then
    trace.exit(child, ending.how(child))
  end
  ending.exited(child)
  local stdin = child.stdin
  if stdin and stdin ~= child.pty then
    stdin:destroy()
  end
  local _ <close> = guard.new(child, after_end)
  if failure then
    emit_end(child, failure, name, ...)
  else
    child:emit(name, ...)
  end
  after_end(child)
end

-- Messages sent before the end are delivered before `exit`.
local function on_exit(child, code, signal, duration)
  ending.took(child, duration)
  if channel.exists(child) then
    local _ <close> = guard.new(child, function()
      finish(child, code, signal, 'exit', code, signal)
    end)
    channel.drain(child)
    if child._launch then
      child._launch:drain()
    end
  end
  finish(child, code, signal, 'exit', code, signal)
end

-- The start -----------------------------------------------------------------------------

local CODECS = { json = load_json, advanced = load_advanced }

-- The slot of the channel, or nil.
local function channel_slot(entries)
  for i = 1, #entries do
    if entries[i] == 'ipc' then
      return i
    end
  end
end

-- Over a launcher's standard input and output, the channel is two pipes.
local LAUNCHED = { 'channel', 'channel', 'out' }
local LAUNCHED_FOR_CORE = { 'in', 'out', 'out' }

-- To the core, the channel is one more socket pair; `text` is for the child to read, on
-- the descriptor after the last.
local function for_core(entries, ipc, text)
  if entries == LAUNCHED then
    return LAUNCHED_FOR_CORE
  elseif not ipc and not text then
    return entries
  end
  local list = table.move(entries, 1, #entries, 1, {})
  if ipc then
    list[ipc] = 'duplex'
  end
  list[#list + 1] = text and { text }
  return list
end

-- Node's two variables tell the child the channel's descriptor and serialization.
-- A trace that we write has the child's events too.
local function channel_env(env, slot, codec)
  local list = environment.without_channel(env)
  list[#list + 1] = ('NODE_CHANNEL_FD=%d'):format(slot - 1)
  list[#list + 1] = 'NODE_CHANNEL_SERIALIZATION_MODE=' .. codec.name
  if trace.on then
    load_trace_file().join(list)
  end
  return list
end

-- Passed handles are kept until the process has ended, for later listeners.
local function on_channel_closed(child)
  if child._end_handled then
    channel.ended(child)
  end
  count_down(child)
end

local function open_channel(child, handles, ipc, codec, launch)
  child._open = child._open + 1
  if launch then
    child._launch = launch
    return launch:attach(child, handles, codec, on_channel_closed)
  end
  local handle = assert(core.channel(handles[ipc], codec.name))
  channel.open(child, handle, codec, { on_closed = on_channel_closed })
end

local NAMES = { nil, 'stdout', 'stderr' }

-- The options of the streams; that of `in` is stdin: the error of a child that does not
-- read it needs no listener.
local ROLES = {
  ['in'] = { writable = true, quiet = true },
  out = { readable = true },
  duplex = { readable = true, writable = true },
}

-- A terminal is used for all three; stderr cannot be told apart on it.
local TERMINAL = { 'pty', 'same', 'same' }

-- `close` waits for the streams that we read.
local function await_close(child, s)
  child._open = child._open + 1
  s:on('close', function()
    count_down(child)
  end)
  return s
end

local function new_stream(child, handle, role)
  local s = stream.new(handle, role, child)
  return role.readable and await_close(child, s) or s
end

-- `close` waits for the targets as well.  Returns the stream that is read here, if any.
local function open_tee(child, slot, source, entry, sinks)
  child._open = child._open + 1
  local tee = load_tee()
  local made = tee.new(source, entry, sinks, {
    owner = child,
    name = NAMES[slot] or ('stdio[%d]'):format(slot),
    on_broken = function(err)
      ending.mishap(child, err)
    end,
    on_settled = function()
      count_down(child)
    end,
  })
  ending.set_reader(child, slot, made, tee)
  if made.stream then
    return await_close(child, made.stream)
  end
  child._tees = child._tees or {}
  table.insert(child._tees, made)
end

local ref, unref = methods.ref, methods.unref

-- A tee that has no stream is part of the child.
local function set_ref(child, on, call)
  if not core.is_child(child) then
    error(errors.no_self(call), 0)
  end
  for _, made in ipairs(child._tees or {}) do
    load_tee().set_ref(made, on)
  end
  return on and ref(child) or unref(child)
end

--- child:ref() -> child, child:unref() -> child: whether it keeps the loop alive.  Its
-- streams and its channel have their own.  Node: subprocess.unref.
function methods:ref()
  return set_ref(self, true, 'child:ref()')
end

function methods:unref()
  return set_ref(self, false, 'child:unref()')
end

-- `handles` is nil after a failed start: the streams exist, but end immediately.
local function make_streams(child, plan, entries, handles, sinks)
  local list = { n = #entries }
  child.stdio = list
  for i = 1, #entries do
    local entry = entries[i]
    local is_several = item.has_targets(entry)
    local role = ROLES[is_several and entry.piped and 'out' or entry]
    if is_several and handles then
      list[i] = open_tee(child, i, handles[i], entry, sinks and sinks[i] or {})
    elseif role then
      list[i] = new_stream(child, handles and handles[i], role)
    end
  end
  if entries == TERMINAL then
    child.pty = await_close(child, terminal.new(handles and handles[1], plan.pty, child))
    list[1], list[2] = child.pty, child.pty
  end
  child.stdin, child.stdout, child.stderr = list[1], list[2], list[3]
end

local function end_streams(child)
  for i = 1, child.stdio.n do
    if child.stdio[i] then
      stream.fail_start(child.stdio[i])
    end
  end
end

-- As in Node, there are no streams if we ran out of descriptors.
local function fail_start(child, plan, entries, code, err)
  ending.note(child, nil, err)
  if trace.on then
    trace.failed(child, plan, ending.how(child))
  end
  local exhausted = err.code == 'EMFILE' or err.code == 'ENFILE'
  make_streams(child, plan, exhausted and not plan.pty and {} or entries)
  loop.nextTick(function()
    end_streams(child)
    finish(child, code, nil, 'error', err)
  end)
end

local function emit_spawn(child)
  child:emit 'spawn'
end

-- A failure after the start (out of memory) must not leave the process running: no caller
-- has the object to end it.
local function or_kill(child, fn, ...)
  local ok, err = pcall(fn, child, ...)
  if not ok then
    core.kill(child, core.signals.SIGKILL)
    error(err, 0)
  end
end

local function set_up(child, plan, entries, handles, sinks, ipc, codec)
  make_streams(child, plan, entries, handles, sinks)
  if trace.on then
    trace.spawn(child, plan)
  end
  if ipc or plan.launch then
    open_channel(child, handles, ipc, codec, plan.launch)
  end
  if not plan.launch then
    loop.tick(emit_spawn, 1, child)
  end
end

--- child:spawn(options): starts a ChildProcess made by hand.
--
-- `options` has `file`, `args` (argv, with argv[0]), `envPairs` (array of `NAME=value`),
-- `cwd`, `stdio`, `serialization`, `detached`, `uid`, `gid`; limits are cp.spawn's, which
-- is usually the better choice.
-- Raises what cp.spawn raises, and ERR_INVALID_STATE the second time.
-- Node: ChildProcess.prototype.spawn.
function methods:spawn(plan)
  if not core.is_child(self) then
    error(errors.no_self 'child:spawn(…)', 2)
  end
  if self.spawnfile then
    local why = 'the ChildProcess has been started already'
    error(errors.coded('ERR_INVALID_STATE', why), 2)
  end
  plan = options.is_plan(plan) and plan or options.by_hand(plan)
  local entries, lent = plan.pty and TERMINAL or plan.launch and LAUNCHED, {}
  if plan.entries then
    entries, lent = plan.entries, stdio.lend(plan, plan.entries)
  elseif not entries then
    entries, lent = stdio.resolve(plan)
  end
  local ipc = channel_slot(entries)
  local codec = (ipc or plan.launch) and CODECS[plan.serialization or 'json']()
  plan.stdio = for_core(entries, ipc, plan.text)
  if ipc then
    plan.env = channel_env(plan.env, ipc, codec)
  end
  self.spawnfile, self.spawnargs = plan.file, plan.args
  self._open, self._borrowed = 1, lent
  if plan.signal and plan.signal.aborted then
    ending.note(self, 'abort')
    return fail_start(self, plan, entries, nil, errors.abort(plan.signal.reason))
  end
  if plan.refused then
    return fail_start(self, plan, entries, nil, plan.refused)
  end
  local pid, handles, sinks, file = core.spawn(self, plan, on_exit)
  if not pid then
    local errno, stage = handles, sinks
    local err = start_error.new('spawn', plan, errno, stage, file)
    return fail_start(self, plan, entries, errno, err)
  end
  self.pid = pid
  plan.link = entries[2] == 'link' and handles[2] or nil
  or_kill(self, set_up, plan, entries, handles, sinks, ipc, codec)
end

local function attend(child, plan, prepare)
  if child.pid then
    ending.watch(child, plan)
  end
  if plan.input and child.stdin then
    child.stdin:finish(plan.input)
  end
  if prepare then
    prepare(child)
  end
end

--- child.spawn(plan [, prepare]) -> ChildProcess, from a plan of options.lua.
-- `prepare(child)` is the caller's set-up: if it fails, the process is killed.
--
-- For pipeline.lua: `plan.entries` are what stdio.prepare has returned; `plan.refused` is
-- the error with which the start is to fail.  If descriptor 1 is a 'link', `plan.link` is
-- set to the object that owns the end which the next child reads.
function M.spawn(plan, prepare)
  local child = M.new()
  ending.prepare(child, plan)
  output.prepare(child, plan.maxBuffer)
  child:spawn(plan)
  or_kill(child, attend, plan, prepare)
  return child
end

-- Methods -------------------------------------------------------------------------------

--- child:kill([signal]) -> boolean: sends a signal (name or number, default SIGTERM; 0
-- only tests).  True if it was delivered, false if the child is gone: it cannot hit
-- another process, even one with the same pid.  Sets `killed`.  With killDescendants it
-- applies to the group: false if that is empty.  Raises ERR_UNKNOWN_SIGNAL.  A lack of
-- permission is reported as an event `error`.
-- Node: subprocess.kill; pidfd_send_signal(2).
function methods:kill(signal)
  if not core.is_child(self) then
    error(errors.no_self 'child:kill(…)', 2)
  end
  local signo = core.signals.SIGTERM
  if signal ~= nil then
    signo = signals.number(signal, true)
  end
  local ok, errno = core.kill(self, signo)
  if trace.on then
    trace.kill(self.pid, signo, errno, not self.killed and ending.cause(self) or nil)
  end
  if ok then
    self.killed = self.killed or signo ~= 0
    ending.signalled(self, signo)
    return true
  end
  local code = core.errname(errno)
  if code ~= 'ESRCH' then
    self:emit('error', errors.system(errno, 'kill'))
  end
  return false
end

--- child:resize(cols, rows): sets the size of its terminal; programs in it get SIGWINCH.
-- No effect after its end.
-- Raises ERR_INVALID_STATE without a terminal, ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
function methods:resize(cols, rows)
  if not core.is_child(self) then
    error(errors.no_self 'child:resize(…)', 2)
  elseif not self.pty then
    local why = "the child has no terminal; start it with the option 'pty'"
    error(errors.coded('ERR_INVALID_STATE', why), 2)
  end
  core.resize(self, pty.size(cols, 'cols'), pty.size(rows, 'rows'))
end

facts.add('child_process.ChildProcess', function(self)
  return { ended = self._end_handled == true }
end)

return M
