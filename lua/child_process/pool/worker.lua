--- One worker of a pool: a forked process, from its start to its end.
--
--   starting --ready--> ready --leave or kill--> leaving --exit--> gone
--       '-------------------------------------------^
-- It owns the child, the tickets and the requests `given` to it, of which the first is in
-- progress and the others are given ahead.  dispatch.lua decides who gets what, and is
-- told by `pool.on`: `ready(worker)`, `answered(worker, request, err, reply)`,
-- `leaving(worker)`, and `ended(worker, unbegun, lost, err)`: the requests that it had
-- not begun, an array, and the one in progress, a table by id.
--
-- The worker is a peer: an id counts only if it is in `given`, everything else is
-- ignored, and handles that it sends are closed.
local channel = require 'child_process.ipc.channel'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local fork = require 'child_process.fork'
local frames = require 'child_process.pool.frames'
local loop = require 'child_process.loop'
local stream = require 'child_process.stream'

local M = {}

local MAX_US <const> = 1 << 40

-- A worker that has closed its channel is about to end; one that has broken it is not.
local LAST_WORDS = 1000 -- ms

-- Ending --------------------------------------------------------------------------------

--- worker.kill(worker): ends it now, whatever it does.
function M.kill(worker)
  worker.state = 'leaving'
  worker.child:kill 'SIGKILL'
end

--- worker.kill_within(worker, ms): kills it in `ms`, unless that is due earlier.
function M.kill_within(worker, ms)
  local due = core.hrtime() + ms * 1000000
  if not worker.kill_timer or due < worker.kill_due then
    loop.clearTimeout(worker.kill_timer)
    worker.kill_timer, worker.kill_due = loop.setTimeout(M.kill, ms, worker):unref(), due
  end
end

--- worker.leave(worker, grace): it has nothing to do and is to end by itself, after
-- `grace` ms it is killed.
function M.leave(worker, grace)
  worker.state = 'leaving'
  M.kill_within(worker, grace)
  if worker.child.connected then
    worker.child:disconnect()
  end
end

-- What has been given -------------------------------------------------------------------

local function take_off(worker, request)
  worker.given[request.id] = nil
  worker.count = worker.count - 1
  request.worker = nil
end

-- More than a pipe holds: a worker that writes tickets itself must not keep us reading.
local MOST_TICKETS <const> = 1 << 16

local function next_ticket(worker)
  for _ = 1, MOST_TICKETS do
    local number = worker.tickets:take()
    local request = number and worker.given[number]
    if request or not number then
      return request
    end
  end
end

--- worker.take_back(worker) -> the request that it would begin next | nil: it has begun
-- all that it was given, or has no tickets.
function M.take_back(worker)
  local request = worker.count > 0 and worker.uses_tickets and next_ticket(worker)
  if request then
    take_off(worker, request)
    worker.left = worker.left + 1
  end
  return request or nil
end

--- worker.take_all_back(worker) -> array: everything that it has not begun, in order.
function M.take_all_back(worker)
  local list = {}
  repeat
    local request = M.take_back(worker)
    list[#list + 1] = request
  until not request
  return list
end

--- worker.drain(worker): delivers the replies that have arrived.
function M.drain(worker)
  channel.drain(worker.child)
end

--- worker.forget(worker, request): its answer does not count any more.
M.forget = take_off

local function send(worker, request)
  if request.payload and not request.handle then
    channel.send_encoded(worker.child, request.payload)
  else
    local frame = { run = request.id, request = request.value }
    worker.child:send(frame, request.handle)
  end
end

local function add(worker, request)
  worker.given[request.id], request.worker = request, worker
  worker.count, worker.left = worker.count + 1, worker.left - 1
end

--- worker.give(worker, request) -> true | false, err: the request or its handle cannot be
-- sent | nil: the worker takes no more tickets.  It has no other request.
-- The ticket goes first: a request without one counts as taken back.
function M.give(worker, request)
  if worker.uses_tickets and not worker.tickets:put(request.id) then
    return nil
  end
  local ok, err = pcall(send, worker, request)
  if not ok then
    if worker.uses_tickets then
      worker.tickets:take()
    end
    return false, err
  end
  add(worker, request)
  worker.is_exclusive, worker.since = request.handle ~= nil, core.hrtime()
  return true
end

--- worker.give_ahead(worker, list) -> boolean: gives it requests, at most 64, that can
-- certainly be sent, while it has one in progress; false, and none, if it takes no more
-- tickets.
function M.give_ahead(worker, list)
  local ids = {}
  for i, request in ipairs(list) do
    ids[i] = request.id
  end
  if not worker.tickets:put(table.unpack(ids)) then
    return false
  end
  for _, request in ipairs(list) do
    send(worker, request)
    add(worker, request)
  end
  return true
end

-- Frames --------------------------------------------------------------------------------

local function on_ready(worker, message)
  if worker.state ~= 'starting' then
    return
  end
  worker.state, worker.was_ready = 'ready', true
  worker.uses_tickets = worker.tickets ~= nil and message.tickets == true
  loop.clearTimeout(worker.start_timer)
  worker.pool.on.ready(worker)
end

-- Microseconds; nil from a worker that does not say.
local function duration(us)
  return math.type(us) == 'integer' and us >= 0 and us < MAX_US and us or nil
end

local function on_answer(worker, id, message)
  local request = worker.given[id]
  if not request then
    return
  end
  take_off(worker, request)
  worker.since = core.hrtime()
  worker.us = duration(message.us)
  local err
  if message.done == nil then
    err = frames.to_error(message.error, worker.child.pid)
  end
  worker.pool.on.answered(worker, request, err, message.reply)
end

local function drop_handle(handle)
  if type(handle) == 'table' and handle.destroy then
    handle:destroy()
  else
    handle:close()
  end
end

local function on_message(worker, message, handle)
  if handle ~= nil then
    drop_handle(handle)
  end
  if type(message) ~= 'table' then
    return
  end
  local id = message.done
  if id == nil then
    id = message.failed
  end
  if id ~= nil then
    on_answer(worker, id, message)
  elseif message.ready ~= nil then
    on_ready(worker, message)
  end
end

-- The end -------------------------------------------------------------------------------

local function describe_end(worker, code, signal)
  if worker.is_late then
    local text = 'the worker has not called serve within %d ms'
    return text:format(worker.is_late)
  end
  local what = worker.was_ready and 'the worker has ended'
    or 'the worker has ended before it called serve'
  return ('%s: %s'):format(what, signal or 'exit code ' .. tostring(code))
end

local function death(worker, code, signal)
  local text = describe_end(worker, code, signal)
  local fields = { exitCode = code, signalCode = signal, pid = worker.child.pid }
  return errors.new('Error', 'ERR_WORKER_DIED', text, fields)
end

local function on_end(worker, err)
  local unbegun = M.take_all_back(worker)
  worker.state = 'gone'
  loop.clearTimeout(worker.start_timer)
  loop.clearTimeout(worker.kill_timer)
  if worker.tickets then
    worker.tickets:close()
  end
  local lost = worker.given
  worker.given, worker.count = {}, 0
  worker.pool.on.ended(worker, unbegun, lost, err)
end

-- What a launcher has left behind may hold its standard error for ever: a master of ssh,
-- or the worker of one that was killed.
local function close_stderr(worker)
  local stderr = worker.child.stderr
  if stderr and stream.handle(stderr) then
    stream.cut(stderr)
  end
end

-- What a launcher says when it fails comes as an error before.
local function on_exit(worker, code, signal)
  close_stderr(worker)
  local err = death(worker, code, signal)
  if not worker.was_ready and worker.err then
    err = worker.err
    err.exitCode, err.signalCode = code, signal
  end
  on_end(worker, err)
end

-- A child that could not be started has no other end.
local function on_error(worker, err)
  worker.err = worker.err or err
  if not worker.child.pid and worker.state ~= 'gone' then
    on_end(worker, err)
  end
end

local function on_disconnect(worker)
  if worker.state ~= 'leaving' and worker.state ~= 'gone' then
    worker.pool.on.leaving(worker)
    worker.state = 'leaving'
    M.kill_within(worker, worker.err and 0 or LAST_WORDS)
  end
end

-- The start -----------------------------------------------------------------------------

local function on_late(worker, ms)
  worker.is_late = ms
  M.kill(worker)
end

local function listen(worker)
  local child = worker.child
  child:on('message', function(message, handle)
    on_message(worker, message, handle)
  end)
  child:on('error', function(err)
    on_error(worker, err)
  end)
  child:on('disconnect', function()
    on_disconnect(worker)
  end)
  child:on('exit', function(code, signal)
    on_exit(worker, code, signal)
  end)
end

--- worker.start(pool, number) -> worker
-- @param pool table: `settings`, `on`
function M.start(pool, number)
  local settings = pool.settings
  local plan = settings.plans[(number - 1) % #settings.plans + 1]
  -- without descriptors for them nothing is fed ahead
  local tickets = plan.spare and core.tickets() or nil
  local child = fork.start(plan, tickets and tickets:fileno())
  local worker = {
    pool = pool,
    number = number,
    child = child,
    tickets = tickets,
    uses_tickets = false,
    state = 'starting',
    was_ready = false,
    given = {}, -- id -> request
    count = 0, -- how many
    left = settings.maxRequests, -- how many it may still be given
    since = 0, -- ns: when it began the one in progress, as far as we know
    us = nil, -- what the last one took
  }
  listen(worker)
  child:unref()
  if child.channel then
    child.channel:unref()
    channel.widen(child)
    if tickets then
      child:send { tickets = plan.spare - 1 }
    end
    local ms = settings.startTimeout
    worker.start_timer = ms and loop.setTimeout(on_late, ms, worker, ms):unref()
  end
  return worker
end

return M
