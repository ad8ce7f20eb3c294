--- child_process: Node's child processes for Lua 5.4 and 5.5.
--
--   local cp = require 'child_process'
--   local child = cp.spawn('ls', { '-l' })
--   child.stdout:on('data', io.write)
--   cp.run()
--
-- Misuse raises immediately; everything else is an event or a callback's argument.
local core = require 'child_process.core'

-- One module per Lua state, even if `package.loaded` is emptied between uses (busted does
-- that): so all files can recognise the library's objects by identity.
if core.module then
  return core.module
end

local lazy = require 'child_process.lazy'
local require = lazy.require

local arguments = require 'child_process.options.arguments'
local child = require 'child_process.child'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local loop = require 'child_process.loop'
local options = require 'child_process.options'
local stream = require 'child_process.stream'
local trace = require 'child_process.trace'
local unread = require 'child_process.stream.unread'

local abort = lazy.module 'child_process.abort'
local co = lazy.module 'child_process.co'
local exec = lazy.module 'child_process.exec'
local fork = lazy.module 'child_process.fork'
local lines = lazy.module 'child_process.lines'
local process = lazy.module 'child_process.process'
local sync = lazy.module 'child_process.sync'

local load_active = lazy.load 'child_process.active'
local load_debug = lazy.load 'child_process.debug'
local load_dgram = lazy.load 'child_process.dgram'
local load_limit = lazy.load 'child_process.limit'
local load_map = lazy.load 'child_process.map'
local load_net = lazy.load 'child_process.net'
local load_pipeline = lazy.load 'child_process.pipeline'
local load_pool = lazy.load 'child_process.pool'
local load_quote = lazy.load 'child_process.quote'
local load_scope = lazy.load 'child_process.scope'
local load_serve = lazy.load 'child_process.serve'
local load_trace_file = lazy.load 'child_process.trace_file'

lazy.remember()

-- Before there is anything to report.
trace.from_environment(load_debug, load_trace_file)

-- A function of a file that is loaded by the first call.
local function late(module, name)
  return function(...)
    return module[name](...)
  end
end

local function add_methods(class, module, names)
  for name in names:gmatch '%a+' do
    class[name] = function(...)
      return module.methods[name](...)
    end
  end
end

add_methods(child.methods, co, 'wait terminate')
add_methods(stream.Stream, lines, 'chunks lines readAll readExactly readUntil')
unread.read_format = late(lines, 'read_format')

-- A channel that we were started with is opened now.
if os.getenv 'NODE_CHANNEL_FD' then
  process.get()
end

local M = {
  _VERSION = 'child_process ' .. core.version,
  null = core.null,
  exec = late(exec, 'exec'),
  execFile = late(exec, 'execFile'),
  fork = late(fork, 'fork'),
  async = late(co, 'async'),
  await = late(co, 'await'),
  wait = late(co, 'wait'),
  setTimeout = loop.setTimeout,
  setInterval = loop.setInterval,
  setImmediate = loop.setImmediate,
  nextTick = loop.nextTick,
  clearTimeout = loop.clearTimeout,
  clearInterval = loop.clearInterval,
  clearImmediate = loop.clearImmediate,
  EventEmitter = events.EventEmitter,
}

core.module = M

--- cp.active() -> array of the things the loop waits for, see active.lua.
function M.active()
  return load_active().active()
end

--- cp.debug(target) -> the previous target: reports the activity of children and channels
-- to a function, or with `true` to stderr; see debug.lua.
M.debug = setmetatable({}, {
  __call = function(_, target)
    return load_debug().debug(target)
  end,
})

--- cp.debug.trace(path | false): the same as a file for Perfetto or chrome://tracing, see
-- trace_file.lua.
function M.debug.trace(path)
  return load_trace_file().trace(path)
end

--- cp.pipeline(stages [, options]) -> pipeline: programs of which each reads what the one
-- before it writes, see pipeline.lua.
function M.pipeline(stages, opts)
  return load_pipeline().new(stages, opts)
end

--- cp.scope([options]) -> scope, for `local s <close> = cp.scope()`: its children end
-- when the block is left, see scope.lua.
function M.scope(opts)
  return load_scope().new(opts)
end

--- cp.limit(n) -> limit: at most `n` calls at a time, see limit.lua.
function M.limit(n)
  return load_limit().new(n)
end

--- cp.map(list, fn [, options]) -> results, errors: a function, or a command, for each
-- item of a list, so many at a time; see map.lua.
function M.map(list, what, opts)
  return load_map().map(list, what, opts)
end

--- cp.quote(words) -> string: words for a command line of /bin/sh, see quote.lua.
function M.quote(words)
  return load_quote().quote(words)
end

--- cp.availableParallelism() -> integer: how many processors this process may use, by its
-- affinity and the quotas of its cgroups; at least 1.  Node: os.availableParallelism.
M.availableParallelism = core.processors

--- cp.pool(file [, args] [, options]) -> Pool of workers, see pool.lua.
function M.pool(file, args, opts)
  return load_pool().pool(file, args, opts)
end

--- cp.serve(fn): answers requests of a pool with `fn(request, handle)`, see serve.lua.
function M.serve(fn)
  return load_serve().serve(fn)
end

-- Fields that most programs do not use.
local later = {
  AbortController = function()
    return abort.AbortController
  end,
  AbortSignal = function()
    return abort.AbortSignal
  end,
  dgram = load_dgram,
  net = load_net,
  process = late(process, 'get'),
}

setmetatable(M, {
  __index = function(self, key)
    local get = later[key]
    if get then
      self[key] = get()
      return rawget(self, key)
    end
  end,
})

--- cp.ChildProcess() -> a ChildProcess that has not been started.  `prototype` has the
-- methods of all children.  Node: class ChildProcess.
M.ChildProcess = setmetatable({ prototype = child.methods }, { __call = child.new })

--- cp.spawn(command [, args] [, options]) -> ChildProcess: starts a program.
--
-- Options: the rows of options.lua that name this call, described in docs/reference.md.
-- Raises on a wrong argument: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
-- ERR_OUT_OF_RANGE, ERR_UNKNOWN_SIGNAL, ERR_IPC_ONE_PIPE.  A start that fails is an event
-- `error`.  Node: child_process.spawn.
function M.spawn(command, args, opts)
  return child.spawn(
    options.normalize('spawn', arguments.shuffle('spawn', command, args, opts))
  )
end

--- cp.spawnSync(command [, args] [, options]) -> result: starts a program and waits until
-- it has ended and its pipes are closed.
--
-- The result is that of wait() (result.lua), but `pid` is 0 if it was not started; fields
-- are nil where Node has null.  `error` has Node's
-- `code`, `errno`, `syscall`, `path`, `spawnargs` and our `stage` and is about the call:
-- a start that failed, ETIMEDOUT, ENOBUFS, and EPIPE if the program failed without having
-- read all of `input`.  Output read before is in the result in any case.
--
-- Options: the rows of options.lua that name this call, among them `input` (bytes for
-- stdin, which is otherwise at end of file); `stdio` in every form except `ipc`, and an
-- entry may be `{ input = bytes }`, a pipe whose reader gets these; at 3 and above pipes
-- carry bytes both ways; `encoding` of the output (raw bytes if it is missing or
-- `buffer`); and the limits:
--
-- * `timeout` (ms): reading stops and the program gets `killSignal` (default
--   SIGTERM); if it is not gone `killAfter` ms later (default 1000) it gets SIGKILL.  The
--   call returns whatever happens: a process not gone even then (five seconds later if it
--   is stuck in the kernel, `killAfter` later if we may not kill it) continues, and
--   `status` and `signal` are nil.  (Node waits for a program that ignores `killSignal`
--   for as long as it runs.)  `error.stage` is 'stdio' if the program had ended and only
--   others kept its pipes open.
-- * `maxBuffer` (bytes of all pipes together, default 1024 * 1024; math.huge or 0: none):
--   when more has been read, it is ended in the same way, with ENOBUFS.
--
-- No event loop runs meanwhile and no callback is called.  Ctrl-C and Ctrl-\ in a
-- terminal go to the program while it runs, as with os.execute: this thread blocks SIGINT
-- and SIGQUIT, and `signal` shows whether they ended the program; a `detached` program
-- does not get them, so they remain ours.  A listener for them is called afterwards;
-- without any handler, one that a process sent and that did not end the program ends us
-- afterwards.  Other signals are handled as the host has arranged; none shortens the
-- wait.
--
-- Raises on a wrong argument, before anything is started, as cp.spawn does, and
-- ERR_IPC_SYNC_FORK, ERR_UNKNOWN_ENCODING.  Node: child_process.spawnSync.
M.spawnSync = late(sync, 'spawnSync')

--- cp.execFileSync(file [, args] [, options]) -> stdout: spawnSync of a program that must
-- succeed.
--
-- Unless `options.stdio` is given, the program's stderr is written to ours when it has
-- ended.  If it was not started, was ended by a limit, or its exit code is not 0, raises
-- an error value with all fields of the result: `result.error`, or one with the message
-- `Command failed: FILE ARGUMENTS` and its stderr.
-- Returns nil if stdout is not a pipe.  Options: see cp.spawnSync.
-- Node: child_process.execFileSync.
M.execFileSync = late(sync, 'execFileSync')

--- cp.execSync(command [, options]) -> stdout: execFileSync of a shell (`options.shell`,
-- default /bin/sh) that runs `command`.  Node: child_process.execSync.
M.execSync = late(sync, 'execSync')

local MODES = { default = true, once = true, nowait = true }

--- cp.run([mode]) -> boolean: whether anything still keeps the loop alive.
--
-- `default` runs until nothing is left to wait for or cp.stop() is called, `once` waits
-- for one turn of the loop, `nowait` runs ready callbacks.  Raises an error of a
-- callback; another call continues.  Raises ERR_WOULD_BLOCK inside a callback.
function M.run(mode)
  if mode ~= nil and not MODES[mode] then
    local reason = "must be one of: nil, 'default', 'once', 'nowait'"
    error(errors.invalid_arg_value('mode', reason, mode), 2)
  end
  local alive = core.run(mode)
  if alive == nil then
    error(errors.coded('ERR_WOULD_BLOCK', 'cp.run()'), 2)
  end
  return alive
end

--- cp.stop(): makes cp.run() return after this callback.  In a forked child, whose loop
-- the library runs, it ends the process: pending messages are written, `exit` is emitted,
-- not `beforeExit`, and the exit code is `process.exitCode` or 0, whatever the loop still
-- waits for.
M.stop = core.stop

--- cp.loop: for another event loop that drives this one.  Each function works with and
-- without self.  Poll `pollfd()` for `events()` no longer than `timeout()` seconds (nil:
-- no limit), then call cp.run('nowait').  Anything started, closed or left over by an
-- error between two calls makes the descriptor readable, so it may be polled at any time.
M.loop = loop.pollable

return M
