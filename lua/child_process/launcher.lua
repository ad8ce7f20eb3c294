--- fork's option `launcher`: the words of a program that starts the worker elsewhere, for
-- another user or on another machine, and connects its standard input and output to ours.
--
-- They are two pipes, on which the channel runs.  The child is the launcher; the worker
-- says hello (ipc/hello.lua), and nothing is sent to it before.
--
--   waiting --hello--> said: `spawn`
--      |
--      +--the launcher ends, or is ended: `problem`--> failed: `error`, reason 'spawn'
--
-- The launcher's standard error is read here and copied, since its end is in the error.
local channel = require 'child_process.ipc.channel'
local copying = require 'child_process.copying'
local core = require 'child_process.core'
local ending = require 'child_process.ending'
local environment = require 'child_process.environment'
local errors = require 'child_process.errors'
local guard = require 'child_process.guard'
local hello = require 'child_process.ipc.hello'
local item = require 'child_process.stdio.item'
local lazy = require 'child_process.lazy'
local loop = require 'child_process.loop'
local quote = require 'child_process.quote'
local stream = require 'child_process.stream'
local trace = require 'child_process.trace'

local load_trace_file = lazy.load 'child_process.trace_file'

local M = {}

local START_TIMEOUT = 30000 -- ms

-- More than that before the hello is not a banner.
local MOST_BANNER = 1024 * 1024

-- Of its last output, for the error.
local TAIL = 2048

-- A launcher that has closed its output is about to end; if not, it is ended.
local GRACE = 1000 -- ms

-- One that does not obey killSignal before it has done its work is not waited for.
local PATIENCE = 5000 -- ms

-- Options -------------------------------------------------------------------------------

local function refuse(name, reason, value)
  error(errors.invalid_arg_value('options.' .. name, reason, value), 0)
end

local NEEDED = { 'stdio', 'customFds', 'stdin', 'stdout' }

local COPIES =
  { pipe = 'pipe', overlapped = 'pipe', inherit = 'inherit', ignore = 'ignore' }

-- What becomes of its standard error: a word.
local function check_stdio(plan)
  for _, name in ipairs(NEEDED) do
    if not item.is_open(plan[name]) then
      refuse(name, "cannot be given with 'launcher': the channel needs it", plan[name])
    end
  end
  local asked = plan.stderr
  if item.is_open(asked) then
    return plan.silent and 'pipe' or 'inherit'
  elseif not COPIES[asked] then
    refuse('stderr', "with 'launcher' must be 'pipe', 'inherit' or 'ignore'", asked)
  end
  return COPIES[asked]
end

local function check_program(path)
  local name = path:match '[^/]*$'
  if name == 'node' or name == 'nodejs' then
    refuse('execPath', 'cannot be Node: a launched worker is Lua', path)
  end
  return path
end

-- ssh gives its words to the user's shell, separated by spaces; others pass them on.
local function is_quoted(plan)
  if plan.quote ~= nil then
    return plan.quote
  end
  return plan.launcher[1]:match '[^/]*$' == 'ssh'
end

-- The words after those of the launcher, for the worker whose hello has this word.
local function far_words(plan, word)
  local options, far = plan.execArgv or {}, { plan.execPath or core.interpreter }
  table.move(options, 1, #options, 2, far)
  local boot = { '-l', 'child_process.far', '-l', 'child_process.boot', word }
  table.move(boot, 1, #boot, #far + 1, far)
  table.move(plan.program, 1, #plan.program, #far + 1, far)
  return plan.quoted and { quote.quote(far) } or far
end

--- launcher.plan(plan, module_path, args): makes a fork's plan one for `prepare`.
-- `plan.slots[3]`: what becomes of the launcher's stderr: 'inherit', 'pipe' or 'ignore'.
-- Raises ERR_INVALID_ARG_VALUE.
function M.plan(plan, module_path, args)
  plan.slots = { 'ipc', 'ipc', check_stdio(plan), n = 3 }
  check_program(plan.execPath or '')
  plan.program = table.move(args, 1, #args, 2, { module_path })
  plan.quoted = is_quoted(plan)
  plan.file = plan.launcher[1]
  plan.own_env = environment.without_channel(plan.env)
end

-- The launch ----------------------------------------------------------------------------

-- Fields: `child`; `source`: its stderr; `copies`: a word, see check_stdio; `hello`: its
-- text; `kept`: bytes that may begin it; `before`: those that cannot, see pass_on;
-- `said`; `banner`: the number of bytes before it; `tail`: the end of the output;
-- `problem`: why it was ended by us; `timeout`, `timer`.
local Launch = { __name = 'child_process.Launch' }
Launch.__index = Launch

-- A trace that we write has the worker's events too, if the launcher passes this on.
local function environment_of(plan)
  local list = table.move(plan.own_env, 1, #plan.own_env, 1, {})
  if trace.on then
    load_trace_file().join(list)
  end
  return list
end

--- launcher.prepare(plan): for one more start.  `plan.launch` is then what child.lua
-- calls.
function M.prepare(plan)
  local word = hello.word(plan.serialization or 'json')
  local far, words = far_words(plan, word), plan.launcher
  plan.args = table.move(far, 1, #far, #words + 1, table.move(words, 1, #words, 1, {}))
  plan.args[1] = plan.argv0 or plan.file
  plan.env = environment_of(plan)
  plan.launch = setmetatable({
    hello = hello.text(word),
    timeout = plan.startTimeout or START_TIMEOUT,
    copies = plan.slots[3],
    kept = '',
    before = '',
    banner = 0,
    tail = '',
    said = false,
  }, Launch)
end

-- Ends it: `problem` says why.
local function give_up(launch, problem)
  local child = launch.child
  if not launch.problem and not launch.said then
    launch.problem = problem
    ending.by(child, 'spawn')
    ending.escalate(child, PATIENCE) -- if killAfter is not shorter
  end
end

local function limit(launch, ms, problem)
  loop.clearTimeout(launch.timer)
  launch.timer = ms > 0 and loop.setTimeout(give_up, ms, launch, problem):unref() or nil
end

-- Standard error ------------------------------------------------------------------------

local function note(launch, bytes)
  if not launch.said then
    launch.tail = (launch.tail .. bytes):sub(-TAIL)
  end
end

local function copy_stderr(launch, source)
  stream.tap(source, function(bytes)
    note(launch, bytes)
  end)
  if launch.copies ~= 'pipe' then
    source:unref() -- the child keeps the loop alive, unless the user says otherwise
  end
  if launch.copies == 'inherit' then
    copying.to_stderr(source, launch.child)
  elseif launch.copies == 'ignore' then
    source:resume()
  end
end

-- The hello -----------------------------------------------------------------------------

--- launch:take(bytes) -> nil | how many bytes come after the hello: for channel.lua.
function Launch:take(bytes)
  if self.problem then
    return nil
  end
  local before, rest, kept = hello.find(self.kept .. bytes, self.hello)
  self.kept, self.before = kept, before
  self.banner = self.banner + #before
  note(self, before)
  if rest then
    self.said, self.tail = true, ''
    limit(self, 0)
  elseif self.banner > MOST_BANNER then
    give_up(self, 'it wrote more than a banner')
  end
  return rest
end

--- launch:pass_on(): what came before the hello, or instead of it, goes to stderr.
function Launch:pass_on()
  local bytes = self.before
  self.before = ''
  if bytes ~= '' then
    stream.push(self.source, bytes)
  end
end

local function emit_spawn(child)
  child:emit 'spawn'
end

--- launch:begun(): the channel is open.
function Launch:begun()
  do
    local _ <close> = guard.new(self.child, emit_spawn)
    self:pass_on()
  end
  emit_spawn(self.child)
end

--- launch:ended(): no hello can come any more, since the launcher has closed its output.
function Launch:ended()
  limit(self, GRACE, 'it closed its standard output')
end

--- launch:attach(child, handles, codec, on_closed): the launcher has been started, with
-- these streams of the core.
function Launch:attach(child, handles, codec, on_closed)
  local reader = assert(core.pipe_channel(handles[2], codec.name))
  local writer = assert(core.pipe_channel(handles[1], codec.name))
  self.child, self.source = child, child.stderr
  writer:set_framing()
  copy_stderr(self, self.source)
  channel.open(child, reader, codec, {
    on_closed = on_closed,
    writer = writer,
    greeting = self,
  })
  limit(self, self.timeout, ('it did not within %d ms'):format(self.timeout))
end

-- Failure -------------------------------------------------------------------------------

-- The worker has never come, and not because the user has ended the launcher.
local function has_failed(launch)
  return not launch.said and (launch.problem or not launch.child.killed)
end

--- launch:drain(): the launcher has ended, and with it the channel: a worker that it has
-- left behind sees `disconnect`.  If it has failed, what it has left behind may hold its
-- standard error for long, and has nothing to say.
function Launch:drain()
  self.source:ref()
  channel.shut(self.child)
  if has_failed(self) and stream.handle(self.source) then
    stream.cut(self.source, function(rest)
      note(self, rest)
    end)
  end
end

local function ends_as(code, signal)
  return signal and 'signal ' .. signal or ('exit code %d'):format(code)
end

local function describe(launch, child)
  local how = ends_as(child.exitCode, child.signalCode)
  local why = launch.problem and launch.problem .. ', and was ended: ' .. how or how
  local text = "launcher '%s' failed before its worker said hello (%s)"
  return text:format(child.spawnfile, why)
end

--- launch:failure() -> error value | nil: whether the launcher, which has ended, has
-- failed.
function Launch:failure()
  local child = self.child
  limit(self, 0)
  if not has_failed(self) then
    return nil
  end
  local err = errors.launch_failed(describe(self, child), self.tail, {
    path = child.spawnfile,
    spawnargs = table.move(child.spawnargs, 2, #child.spawnargs, 1, {}),
    exitCode = child.exitCode,
    signalCode = child.signalCode,
  })
  ending.note(child, 'spawn', err)
  return err
end

return M
