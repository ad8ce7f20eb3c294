--- cp.serve: a worker's side of cp.pool.  The messages are in pool/frames.lua.
--
-- Requests are answered one after the other in one coroutine, which waits where there is
-- none.  A reply is in the socket before the next request begins, so a worker that is
-- killed loses the reply of no request but the one in progress.
local await = require 'child_process.await'
local channel = require 'child_process.ipc.channel'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local frames = require 'child_process.pool.frames'
local loop = require 'child_process.loop'
local process = require 'child_process.process'

local M = {}

local traceback = debug.traceback

-- Requests that have arrived ------------------------------------------------------------

-- `server.first` .. `server.last`: the messages, with `handle`.  With tickets, those in
-- front of the one that a ticket is for have been taken back, and without a ticket all.

local function shift(server)
  local message = server[server.first]
  server[server.first] = nil
  server.first = server.first + 1
  return message
end

local function discard(message)
  local handle = message.handle
  if type(handle) == 'table' and handle.destroy then
    handle:destroy()
  elseif handle ~= nil then
    handle:close()
  end
end

local function is_empty(server)
  return server.first > server.last
end

-- The next request to begin | nil: it has not arrived yet, or there is none.
local function next_message(server)
  while not is_empty(server) do
    if server.tickets and not server.ticket then
      server.ticket = server.tickets:take()
    end
    local message = shift(server)
    if not server.tickets or message.run == server.ticket then
      server.ticket = nil
      return message
    end
    discard(message)
  end
end

-- Answering -----------------------------------------------------------------------------

local function on_raise(err)
  return frames.describe(err, traceback(nil, 2))
end

-- What cannot be sent is an error of the request's.
local function send(server, frame)
  local owner = server.owner
  if not owner.connected then
    return
  end
  local ok, problem = pcall(owner.send, owner, frame)
  if not ok and frame.done then
    problem.message = problem.message:gsub('^message%.', '')
    frame = { failed = frame.done, error = frames.describe(problem, traceback()) }
    ok = pcall(owner.send, owner, frame)
  end
  if not ok then
    frame.error = frames.plain(frame.error)
    owner:send(frame)
  end
end

local function is_written(server)
  return channel.push(server.owner)
end

local function write(server, frame)
  send(server, frame)
  if not is_written(server) then
    await.await('cp.serve()', function()
      return is_written(server)
    end, function(registrations)
      channel.when_written(server.owner, registrations.wake)
    end)
  end
end

local function answer(server, message)
  local begun = core.hrtime()
  server.in_progress = message.run
  local ok, reply = xpcall(server.fn, on_raise, message.request, message.handle)
  server.in_progress = nil
  local us = (core.hrtime() - begun) // 1000
  if ok then
    write(server, { done = message.run, reply = reply, us = us })
  else
    write(server, { failed = message.run, error = reply, us = us })
  end
end

-- The time that one coroutine serves.  It ends only when that is closed, for instance by
-- the request in progress, from a timer: the request fails, and a new coroutine goes on.
local Shift = {}

local function serve_all(server)
  local _ <close> = setmetatable({ server = server }, Shift)
  local function is_ready()
    return not is_empty(server)
  end
  local function register(registrations)
    server.wake = registrations.wake
  end
  while true do
    local message = next_message(server)
    if message then
      answer(server, message)
    else
      await.await('cp.serve()', is_ready, register)
    end
  end
end

local function serve_on(server)
  local id = server.in_progress
  server.in_progress = nil
  if id then
    local err =
      errors.new('Error', 'ECANCELED', 'the coroutine of the request was closed')
    send(server, { failed = id, error = frames.describe(err, traceback()) })
  end
  await.async(serve_all, server)
end

function Shift:__close()
  loop.nextTick(serve_on, self.server)
end

-- Messages ------------------------------------------------------------------------------

local function adopt(server, fd)
  local tickets, errno = core.tickets(fd)
  if not tickets then
    error(errors.system(errno, 'fstat'), 0)
  end
  server.tickets = tickets
end

local function on_message(server, message, handle)
  if type(message) ~= 'table' then
    return
  elseif message.run ~= nil then
    server.last = server.last + 1
    message.handle = handle
    server[server.last] = message
    server.wake()
  elseif message.tickets and not server.tickets then
    adopt(server, message.tickets)
  end
end

local GONE = { ERR_IPC_CHANNEL_CLOSED = true, EPIPE = true, ECONNRESET = true }

-- The pool may go while replies are on their way.  The worker then ends as one that has
-- nothing to do.
local function on_error(err)
  if not (errors.is_error(err) and GONE[err.code]) then
    error(err, 0)
  end
end

local function refuse(text)
  error(errors.coded('ERR_INVALID_STATE', text), 0)
end

local served = false

--- cp.serve(fn): in a worker of a pool: answers requests with what `fn(request, handle)`
-- returns, or with the error that it raises; one at a time, in a coroutine.
-- Raises ERR_INVALID_ARG_TYPE; ERR_INVALID_STATE without a channel, or the second time.
function M.serve(fn)
  local owner = process.get()
  if type(fn) ~= 'function' then
    error(errors.invalid_arg_type('fn', 'of type function', fn), 0)
  elseif not owner.connected then
    refuse 'cp.serve needs a channel: start the program by cp.pool or cp.fork'
  elseif served then
    refuse 'cp.serve has been called already'
  end
  served = true
  local server = { owner = owner, fn = fn, first = 1, last = 0, wake = function() end }
  owner:on('message', function(message, handle)
    on_message(server, message, handle)
  end)
  owner:on('error', on_error)
  channel.widen(owner)
  await.async(serve_all, server)
  owner:send { ready = true, tickets = true }
end

return M
