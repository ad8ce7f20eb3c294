--- exec and execFile: spawn, collect the output under limits, call back once.
local arguments = require 'child_process.options.arguments'
local child_process = require 'child_process.child'
local core = require 'child_process.core'
local ending = require 'child_process.ending'
local encodings = require 'child_process.encoding'
local errors = require 'child_process.errors'
local options = require 'child_process.options'
local output = require 'child_process.output'

local M = {}

local DEFAULT_MAX_BUFFER = 1024 * 1024

-- A job is one call: `child`, its collectors `stdout` and `stderr`, its arguments, and
-- its outcome (`err`, `finished`).

-- A negative code is an errno, as of a `close` that the user emits.
local function failure(job, code, signal, stderr)
  if math.type(code) == 'integer' and code < 0 then
    code = core.errname(code)
  end
  local killed = job.child.killed or ending.cause(job.child) ~= nil
  local fields = { killed = killed, signal = signal }
  return errors.command_failed(code, job.cmd, stderr, fields)
end

-- An error emitted or raised by the user may be of any type; only a table takes the
-- fields.
local function describe(err, fields)
  if type(err) == 'table' then
    for name, value in pairs(fields) do
      rawset(err, name, value)
    end
  end
  return err
end

local function finish(job, code, signal)
  if job.finished then
    return
  end
  job.finished = true
  if not job.callback then
    return
  end
  local stdout, stderr = job.stdout:text(), job.stderr:text()
  local err = job.err
  if err == nil then
    err = ending.error(job.child)
  end
  if err == nil and not (code == 0 and signal == nil) then
    err = failure(job, code, signal, stderr)
  end
  describe(err, { cmd = job.cmd, stdout = stdout, stderr = stderr })
  job.callback(err, stdout, stderr)
end

local function collector(job, name)
  local stream = job.child[name]
  local encoding = job.encoding and encodings.name(job.encoding)
  if stream and encoding and encoding ~= 'buffer' then
    stream:setEncoding(encoding)
  end
  return output.collect(job.child, name, job.max_buffer)
end

local function watch(job, child)
  job.child = child
  job.stdout = collector(job, 'stdout')
  job.stderr = collector(job, 'stderr')
  child:on('close', function(code, signal)
    finish(job, code, signal)
  end)
  child:on('error', function(err)
    job.err = err
    ending.close_pipes(child)
    finish(job)
  end)
end

local function start(plan, cmd, callback)
  plan.closesPipes = true
  local job = {
    cmd = cmd,
    callback = callback,
    encoding = plan.encoding,
    max_buffer = plan.maxBuffer or DEFAULT_MAX_BUFFER,
  }
  return child_process.spawn(plan, function(child)
    watch(job, child)
  end)
end

-- The command as shown in messages.
local function command_line(plan, file)
  if plan.shell then
    return plan.args[3]
  end
  local words = table.move(plan.args, 2, #plan.args, 2, { file })
  return table.concat(words, ' ')
end

--- cp.execFile(file [, args] [, options] [, callback]) -> ChildProcess: runs a program
-- and calls `callback(err, stdout, stderr)` once, when it has closed.
--
-- `err` is nil for exit code 0, otherwise an error value with `code` (exit code or error
-- code), `signal`, `killed`, `cmd`, `stdout`, `stderr`.  Options: the rows of options.lua
-- that name this call, described in docs/reference.md; `timeout` (ms) and `maxBuffer`
-- (bytes a stream, default 1024 * 1024, math.huge for none) end the program with
-- `killSignal` and close its pipes; `encoding`: raw bytes if it is missing, `buffer` or
-- unknown.
-- Raises on a wrong argument, see options.lua.  Node: child_process.execFile.
function M.execFile(...)
  local file, args, opts, callback = arguments.shuffle_exec_file(...)
  local plan = options.normalize('execFile', file, args, opts)
  return start(plan, command_line(plan, file), callback)
end

--- cp.exec(command [, options] [, callback]) -> ChildProcess: execFile of a shell
-- (`options.shell`, default /bin/sh) that runs `command`.  Node: child_process.exec.
function M.exec(...)
  local command, opts, callback = arguments.shuffle_exec(...)
  local plan = options.normalize_exec('exec', command, opts)
  return start(plan, command, callback)
end

return M
