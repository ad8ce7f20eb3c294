--- cp.debug and CP_DEBUG: pass the events of trace.lua to a function or to stderr.
local await = require 'child_process.await'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local place = require 'child_process.place'
local show = require 'child_process.show'
local trace = require 'child_process.trace'

local M = {}

-- Lines ---------------------------------------------------------------------------------

local function error_text(err)
  return type(err) == 'table' and err.code or tostring(err)
end

local function command(event)
  local text = show.command(event.file, event.args)
  if event.pty then
    text = ('%s, pty %dx%d'):format(text, event.pty.cols, event.pty.rows)
  end
  return event.cwd and ('%s, cwd %s'):format(text, show.word(event.cwd)) or text
end

local function at(event)
  return event.at and ', at ' .. event.at or ''
end

local function sync(event)
  return event.sync and ' (sync)' or ''
end

local function failed_start(event)
  local err = event.error
  local stage = err.stage and (' at stage %s (%s)'):format(err.stage, err.path) or ''
  local text = 'spawn failed%s: %s: %s%s%s'
  return text:format(sync(event), command(event), error_text(err), stage, at(event))
end

local function how_it_ended(event)
  if event.signal then
    return ('signal %s'):format(event.signal)
  elseif event.code then
    return ('code %d'):format(event.code)
  end
  return 'nobody knows how'
end

-- `exit` and `signal` are shown already.
local function why(reason)
  local plain = reason == nil or reason == 'exit' or reason == 'signal'
  return plain and '' or (' (%s)'):format(reason)
end

local lines = {}

function lines.spawn(event)
  local pid = event.pid and ' ' .. event.pid or ''
  return ('spawn%s%s: %s%s'):format(pid, sync(event), command(event), at(event))
end

function lines.exit(event)
  if not event.pid then
    return failed_start(event)
  end
  local text = ('exit %d%s: '):format(event.pid, sync(event)) .. how_it_ended(event)
  text = text .. why(event.reason)
  if event.duration then
    text = ('%s after %.1f ms'):format(text, event.duration)
  end
  return ('%s: %s'):format(text, show.command(event.file, event.args))
end

function lines.kill(event)
  local pid = event.pid or 'what was not started'
  local text = ('kill %s: %s%s'):format(pid, event.signal, why(event.reason))
  return event.delivered and text or ('%s: not delivered, %s'):format(text, event.code)
end

local function channel(event, text)
  return ('channel %s: %s'):format(event.pid or 'without a process', text)
end

function lines.connect(event)
  return channel(event, 'open, ' .. event.serialization)
end

function lines.send(event)
  if event.error then
    return channel(event, 'message lost: ' .. error_text(event.error))
  end
  local text = channel(event, ('sent %d bytes'):format(event.size))
  local before = event.pending - event.size
  return before > 1 and ('%s behind %d that wait'):format(text, before) or text
end

function lines.receive(event)
  return channel(event, ('received %d bytes'):format(event.size))
end

local ENDS = { ['local'] = 'by disconnect()', peer = 'by the other side' }

function lines.disconnect(event)
  local by = ENDS[event.reason] or 'after ' .. error_text(event.error)
  return channel(event, 'closed ' .. by)
end

function lines.handle(event)
  return channel(event, ('handle %s %s'):format(tostring(event.type), event.state))
end

--- debugging.line(event) -> string: the line that CP_DEBUG writes.
function M.line(event)
  local text = '[child_process %d] %.1f ms %s\n'
  local said = errors.escaped(lines[event.event](event))
  return text:format(event.process, event.time, said)
end

-- Where they go -------------------------------------------------------------------------

local function to_stderr(event)
  core.write_stderr(M.line(event))
end

-- In a separate coroutine: cp.run() raises its errors, as those of any callback.  Events
-- that the function itself causes are not passed to it.
local function to_function(fn)
  local inside = false
  return function(event)
    if not inside then
      inside = true
      await.async(fn, event)
      inside = false
    end
  end
end

local function note_origin(handle)
  trace.origins[handle] = place.where()
end

local function switch(target)
  local before = trace.target
  trace.target = target
  trace.listen('log', target and (target == true and to_stderr or to_function(target)))
  core.on_new(target and note_origin)
  return before
end

--- cp.debug(target) -> the previous target: reports every start, end and signal of a
-- child, and all channel activity, to a function, or with `true` to stderr; nil and false
-- stop it.
--
-- `CP_DEBUG=1` in the environment calls cp.debug(true) when the module is loaded, also in
-- forked children.  The function gets a table: `event`, `process` (the id of the
-- reporting process), `time` (ms since the module was loaded), and depending on `event`
--
--   spawn       pid, file, args (with argv[0]), cwd, at; pty ({ cols, rows }, of a child
--               with a terminal); sync (boolean): a Sync call, which reports this
--               before it starts, without pid
--   exit        the same; code, signal; reason: exit, signal, timeout, maxBuffer, abort,
--               or spawn for a start that failed, which has no pid; error; duration (ms)
--   kill        pid, signal, delivered, code (errno's name if not), reason (timeout,
--               maxBuffer, abort, if that was the cause)
--   connect     pid (of the peer, as in all events below), serialization
--   send        size (bytes), pending (bytes not yet written, including these), id;
--               or error: the message is lost
--   receive     size, id: the same string as in the process that sent it, if both have
--               reported from the beginning of the channel
--   handle      type, state: sent, waiting (for another one's acknowledgement),
--               acknowledged, refused, received
--   disconnect  reason: local, peer or error; error
--
-- `at` is the line of the program that made the call.  The function must not wait; its
-- own activity is not reported; cp.run() raises its errors.  Raises ERR_INVALID_ARG_TYPE.
function M.debug(target)
  if not target then
    return switch(nil)
  elseif target ~= true and type(target) ~= 'function' then
    error(errors.invalid_arg_type('target', 'one of type function or boolean', target), 3)
  end
  return switch(target)
end

--- debugging.from_environment(): follows CP_DEBUG, unless it is empty or 0.
function M.from_environment()
  local wanted = os.getenv 'CP_DEBUG' or ''
  if wanted ~= '' and wanted ~= '0' and not trace.target then
    switch(true)
  end
end

return M
