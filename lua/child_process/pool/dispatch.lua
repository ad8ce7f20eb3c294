--- What follows when the workers of a pool are ready, answer and end, and when requests
-- reach their limits.  Each place, a number from 1 to `size`, has one worker, or a timer
-- before the next one.  giving.lua decides who gets which request.
--
--   open --close, or three failed starts in a row--> closing --last end--> closed
local advanced = require 'child_process.ipc.advanced'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local giving = require 'child_process.pool.giving'
local json = require 'child_process.ipc.json'
local loop = require 'child_process.loop'
local queues = require 'child_process.pool.queue'
local requests = require 'child_process.pool.request'
local workers = require 'child_process.pool.worker'

local M = {}

local CODECS = { json = json, advanced = advanced }

local FAILED_STARTS <const> = 3
local FIRST_PAUSE, LAST_PAUSE = 100, 5000 -- ms, between two starts
local GRACE <const> = 5000 -- ms, for workers that have nothing to do

local FOREVER <const> = 2 ^ 31 - 1 -- ms

local settle, settle_later = giving.settle, giving.settle_later
local make_idle, taken_off = giving.make_idle, giving.taken_off
local accept, dispatch = giving.accept, giving.dispatch

local function refuse(err)
  error(err, 0)
end

local function do_nothing() end

-- What workers report -------------------------------------------------------------------

local on = {}

function on.ready(worker)
  local pool = worker.pool
  pool.failed_starts = 0
  table.insert(pool.ready, worker)
  if make_idle(pool, worker) then
    dispatch(pool)
  end
end

-- One long request counts until many short ones have followed.
local function measure(pool, us)
  if us then
    local before = pool.us == math.huge and us or pool.us
    pool.us = us > before and us or before - (before - us) // 8
  end
end

local function after_answer(pool, worker)
  if worker.state ~= 'ready' then
    return
  elseif worker.count == 0 then
    if not make_idle(pool, worker) then
      return
    end
    dispatch(pool)
  elseif pool.queue.first then
    giving.feed(pool, worker)
  end
  if pool.waiting.first then
    giving.admit(pool)
  end
end

function on.answered(worker, request, err, reply)
  local pool = worker.pool
  taken_off(pool, worker, 1)
  worker.has_answered = true
  measure(pool, worker.us)
  after_answer(pool, worker)
  local is_found_out = worker.state == 'leaving' -- by `cancel`
  (is_found_out and giving.settle_soon or settle)(pool, request, err, reply)
end

on.leaving = giving.leaving

-- The end of the pool -------------------------------------------------------------------

local function fail_all(pool, list, err)
  for request in list.shift, list do
    settle_later(pool, request, err)
  end
end

-- What it was given ahead is taken back.  If it has not even begun the first request,
-- that counts as begun.
local function keep_first(pool, worker)
  local unbegun = worker.count > 1 and workers.take_all_back(worker) or {}
  taken_off(pool, worker, #unbegun)
  local first = worker.count == 0 and table.remove(unbegun, 1)
  if first then
    pool.queue:push(first) -- nothing else is in it any more
    giving.give_queued(pool, worker)
  end
  for _, request in ipairs(unbegun) do
    settle_later(pool, request, pool.refusal)
  end
end

local function close_worker(pool, worker, grace)
  keep_first(pool, worker)
  if worker.state == 'starting' or grace == 0 then
    workers.kill(worker)
  elseif worker.state == 'ready' and worker.count == 0 then
    workers.leave(worker, math.min(grace, GRACE))
  else
    workers.kill_within(worker, grace)
  end
end

local function finished(pool)
  local closers = pool.closers
  pool.closers = {}
  pool.keeper:close()
  for _, on_closed in ipairs(closers) do
    on_closed()
  end
end

--- dispatch.close(pool, grace, err): takes no more requests, and ends all workers; those
-- that have one in progress after `grace` ms.  A later call can only shorten that.
-- @param err error value: what queued and later requests get
local function close(pool, grace, err)
  pool.closing, pool.refusal = true, pool.refusal or err
  pool.keeper:ref()
  fail_all(pool, pool.queue, pool.refusal)
  fail_all(pool, pool.waiting, pool.refusal)
  pool.idle, pool.ready = {}, {}
  for number = 1, pool.settings.size do
    local worker = pool.workers[number]
    if core.is_timer(worker) then
      loop.clearTimeout(worker)
      pool.workers[number] = nil
    elseif worker then
      close_worker(pool, worker, grace)
    end
  end
  if not next(pool.workers) then
    finished(pool)
  end
end

-- Its workers end by themselves, if the program goes on for long enough.
function on.unused(pool)
  if not pool.closing then
    close(pool, GRACE, errors.coded 'ERR_POOL_CLOSED')
    pool.keeper:unref()
  end
end

--- dispatch.abandon(pool): no more requests will be made.  It is closed when all of them
-- have been answered.
function M.abandon(pool)
  pool.abandoned = true
  if pool.pending == 0 then
    on.unused(pool)
  end
end

local function fail(pool, cause)
  local text = ('%d workers in a row have ended before they were ready'):format(
    FAILED_STARTS
  )
  local fields = { cause = cause }
  close(pool, FOREVER, errors.new('Error', 'ERR_POOL_FAILED', text, fields))
end

-- Replacing -----------------------------------------------------------------------------

local replace

-- What raises now although it did not at first, such as a stream for its stdio that has
-- been closed since, counts as a failed start.
local function start_worker(pool, number)
  local ok, worker = pcall(workers.start, pool, number)
  if ok then
    pool.workers[number] = worker
  else
    pool.workers[number] = nil
    replace(pool, { number = number, was_ready = false }, worker)
  end
end

-- One that has answered or died of a request is replaced immediately, others after a
-- pause that grows.
function replace(pool, worker, err)
  local number, pause = worker.number, 0
  if not worker.was_ready then
    pool.failed_starts = pool.failed_starts + 1
    if pool.failed_starts == FAILED_STARTS then
      return fail(pool, err)
    end
  end
  if worker.has_answered or worker.has_failed then
    pool.pause = FIRST_PAUSE
  else
    pause, pool.pause = pool.pause, math.min(2 * pool.pause, LAST_PAUSE)
  end
  if pause == 0 then
    start_worker(pool, number)
  else
    local timer = loop.setTimeout(start_worker, pause, pool, number)
    pool.workers[number] = timer:unref()
  end
end

function on.ended(worker, unbegun, lost, err)
  local pool = worker.pool
  on.leaving(worker)
  pool.workers[worker.number] = nil
  local number = #unbegun
  for _, request in pairs(lost) do
    number, worker.has_failed = number + 1, true
    settle_later(pool, request, err)
  end
  taken_off(pool, worker, number)
  giving.put_back(pool, unbegun, err)
  if not pool.closing then
    replace(pool, worker, err)
    dispatch(pool)
  end
  if pool.closing then
    fail_all(pool, pool.queue, pool.refusal)
    if not next(pool.workers) then
      finished(pool)
    end
  end
end

-- Limits of a request -------------------------------------------------------------------

-- Takes back what the worker has not begun, and reads its replies; it gets nothing new
-- meanwhile.  After that only one request can be in progress, or none.
local function find_out(pool, worker, err)
  local state = worker.state
  on.leaving(worker)
  worker.state = 'leaving'
  local unbegun = workers.take_all_back(worker)
  taken_off(pool, worker, #unbegun)
  giving.put_back(pool, unbegun, err)
  workers.drain(worker)
  return state
end

local function resume(pool, worker, state)
  if not worker.child.connected then
    return workers.kill(worker)
  end
  worker.state = state
  if state == 'ready' then
    table.insert(pool.ready, worker)
    if worker.count == 0 then
      make_idle(pool, worker)
    end
  end
end

-- The request in progress cannot be stopped but with its worker.
local function cancel(pool, request, err)
  local worker = request.worker
  if worker then
    local state = find_out(pool, worker, err)
    if request.worker then
      worker.has_failed = true
      workers.forget(worker, request)
      taken_off(pool, worker, 1)
      workers.kill(worker)
    else
      resume(pool, worker, state)
    end
  end
  giving.settle_soon(pool, request, err)
  dispatch(pool)
end

-- Requests ------------------------------------------------------------------------------

--- dispatch.new_request(pool, value, options, done) -> request, see request.lua.
function M.new_request(pool, value, options, done)
  pool.last_id = pool.last_id + 1
  return requests.new(pool.last_id, value, options, done)
end

--- dispatch.submit(pool, request, options) -> boolean: false if there is no room for it;
-- then it is in no list yet, but its limits run.  Raises if the pool takes no requests,
-- or this one cannot be sent.
function M.submit(pool, request, options)
  if pool.refusal then
    refuse(pool.refusal)
  elseif options.signal and options.signal.aborted then
    refuse(errors.abort(options.signal.reason))
  end
  local accepted = not pool.waiting.first and accept(pool, request)
  giving.count(pool, 1)
  requests.limit(request, options, cancel, pool)
  return accepted
end

--- dispatch.wait_for_room(pool, request): after `submit` has returned false.
function M.wait_for_room(pool, request)
  pool.waiting:push(request)
end

-- The first that a worker has been given is in progress, or about to be.
local function withdraw(pool, request)
  local worker = request.worker
  if worker and worker.count > 1 then
    resume(pool, worker, find_out(pool, worker))
  end
  if request.worker then
    request.done = do_nothing
  else
    giving.finish(pool, request)
  end
end

--- dispatch.withdraw(pool, list): the caller no longer waits for these requests.  Those
-- without an answer do not begin, or their reply is ignored.
function M.withdraw(pool, list)
  local is_changed = false
  for i = pool.pid == core.pid() and #list or 0, 1, -1 do
    if list[i].done then
      withdraw(pool, list[i])
      is_changed = true
    end
  end
  if is_changed then
    dispatch(pool)
  end
end

--- dispatch.is_closed(pool) -> boolean: no worker is left, and none will come.
function M.is_closed(pool)
  return pool.closing and not next(pool.workers)
end

M.settle_later, M.not_begun, M.close = settle_later, giving.not_begun, close

-- A pool --------------------------------------------------------------------------------

--- dispatch.new(settings) -> the state of a pool, whose workers it starts.
function M.new(settings)
  local pool = {
    settings = settings,
    on = on,
    pid = core.pid(),
    codec = CODECS[settings.plans[1].serialization or 'json'],
    frame = {}, -- of the request that is being encoded
    workers = {}, -- number -> worker, or the timer before its start
    ready = {}, -- those that can be given requests
    idle = {}, -- those of them that have none
    turn = 0, -- the last one that was fed
    queue = queues.new(),
    waiting = queues.new(),
    pending = 0, -- requests that are not settled
    given = 0, -- those of them that workers have
    busy = 0, -- workers that have some
    us = math.huge, -- what a request takes
    last_id = 0,
    failed_starts = 0, -- in a row
    pause = FIRST_PAUSE, -- ms, before the next start after one that was of no use
    sharing = false,
    closing = false,
    abandoned = false, -- the public object has been collected
    refusal = nil, -- what later requests get
    closers = {},
    keeper = loop.setInterval(do_nothing, FOREVER):unref(),
  }
  pool.workers[1] = workers.start(pool, 1) -- what it raises, the others would as well
  for number = 2, settings.size do
    start_worker(pool, number)
  end
  return pool
end

return M
