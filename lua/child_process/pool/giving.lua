--- Who gets which request.
--
-- A request (request.lua) is in one of the two lists of the pool, `waiting` for room or
-- `queue`, or is given to a worker (worker.lua), which then owns it.
--
-- It goes to an idle worker, otherwise it waits.  While requests take less than SHORT_US,
-- busy workers are given some ahead, as many as fit into that time; as soon as a worker
-- is idle and nothing is queued, it gets what others have not begun.  So no request waits
-- behind another while a worker is idle.
local core = require 'child_process.core'
local loop = require 'child_process.loop'
local requests = require 'child_process.pool.request'
local workers = require 'child_process.pool.worker'

local M = {}

local SHORT_US <const> = 1000
local MOST_AHEAD <const> = 32 -- requests of one worker
local AHEAD_BYTES <const> = 16 * 1024 -- a larger one is not given ahead

local GRACE <const> = 5000 -- ms, for a worker that has nothing to do

local function refuse(err)
  error(err, 0)
end

-- Requests that are over ----------------------------------------------------------------

--- giving.count(pool, change): of the requests that are not settled.  A pool with such
-- keeps the loop alive, and so does one that is closing.
local function count(pool, change)
  local before = pool.pending
  pool.pending = before + change
  if before == 0 then
    pool.keeper:ref()
  elseif pool.pending == 0 and not pool.closing then
    pool.keeper:unref()
    if pool.abandoned then
      loop.nextTick(pool.on.unused, pool)
    end
  end
end

--- giving.finish(pool, request) -> done | nil: the request is over, and the caller calls
-- `done(err, reply)`, last of all, since it may raise; or it was over before.
local function finish(pool, request)
  if request.list then
    request.list:remove(request)
  end
  if request.done then
    count(pool, -1)
    return requests.settle(request)
  end
end

--- giving.settle(pool, request, err, reply): the same with the call.
local function settle(pool, request, err, reply)
  local done = finish(pool, request)
  if done then
    done(err, reply)
  end
end

--- giving.settle_soon(pool, request, err, reply): the request is over, and the call is
-- on a later tick: whoever has aborted a signal is not to be called back in there.
function M.settle_soon(pool, request, err, reply)
  local done = finish(pool, request)
  if done then
    loop.nextTick(done, err, reply)
  end
end

--- giving.settle_later(pool, request, err): the request fails, on a later tick.
local function settle_later(pool, request, err)
  loop.nextTick(settle, pool, request, err)
end

-- Workers that have nothing to do -------------------------------------------------------

local function remove(list, value)
  for i = #list, 1, -1 do
    if list[i] == value then
      return table.remove(list, i)
    end
  end
end

--- giving.leaving(worker): it gets nothing more.
function M.leaving(worker)
  remove(worker.pool.ready, worker)
  remove(worker.pool.idle, worker)
end

-- It has had all the requests that a worker may have.
local function retire(pool, worker)
  remove(pool.ready, worker)
  workers.leave(worker, GRACE)
end

--- giving.make_idle(pool, worker) -> boolean: whether it can be given requests.
local function make_idle(pool, worker)
  if pool.closing or worker.left == 0 then
    retire(pool, worker)
    return false
  end
  table.insert(pool.idle, worker)
  return true
end

-- Giving --------------------------------------------------------------------------------

local SCALAR = { ['nil'] = true, number = true, boolean = true }

-- A request that has to wait is encoded, since a table may change meanwhile.  Others are
-- encoded when they are sent, large strings because that needs less memory.
local function prepare(pool, request)
  local value = request.value
  local is_large = type(value) == 'string' and #value > AHEAD_BYTES
  if not (request.payload or is_large or SCALAR[type(value)]) then
    local frame = pool.frame
    frame.run, frame.request = request.id, value
    request.payload = pool.codec.encode(frame)
    frame.request = nil
  end
end

-- Whether it may be given to a worker that has one in progress: it is certain that it can
-- be sent, and cheap to do so twice.
local function is_light(request)
  local payload = request.payload
  return not request.handle
    and (
      payload and #payload <= AHEAD_BYTES or not payload and SCALAR[type(request.value)]
    )
end

-- Puts a request that its worker has not begun back in front.  With `err` it has been
-- sent, and so has its handle: such a request fails.
local function put_back(pool, request, err)
  local ok, problem = err == nil or not request.handle, err
  if ok then
    ok, problem = pcall(prepare, pool, request)
  end
  if ok then
    pool.queue:unshift(request)
  else
    settle_later(pool, request, problem)
  end
end

--- giving.put_back(pool, list, err): what a worker has not begun goes back to the front
-- of the queue; what cannot be sent again fails, with `err`.
function M.put_back(pool, list, err)
  for i = #list, 1, -1 do
    put_back(pool, list[i], err)
  end
end

-- A worker that takes no tickets has broken them: it ends.
local function give_up(worker)
  M.leaving(worker)
  workers.kill(worker)
end

-- -> nil | error: the request cannot be sent.
local function give(pool, worker, request)
  local given, err = workers.give(worker, request)
  if given then
    pool.busy, pool.given = pool.busy + 1, pool.given + 1
    return nil
  elseif given == nil then
    give_up(worker)
    put_back(pool, request) -- it has not been sent
    return nil
  end
  make_idle(pool, worker)
  return err
end

--- giving.give_queued(pool, worker): gives it the next request of the queue; it has none.
local function give_queued(pool, worker)
  local request = pool.queue:shift()
  local err = give(pool, worker, request)
  if err then
    settle_later(pool, request, err)
  end
end

-- How many requests a worker may have at once.
local function depth(pool)
  local us = pool.us
  if us >= SHORT_US then
    return 1
  end
  return math.min(MOST_AHEAD, SHORT_US // math.max(us, 1))
end

-- How many more requests a worker that has one in progress may be given: none until half
-- of them is done, since those that are given in one callback leave together.
local function room_for(worker, most)
  local is_due = worker.count > 0 and 2 * worker.count <= most
  local is_able = worker.uses_tickets and not worker.is_exclusive
  if is_due and is_able and core.hrtime() - worker.since < SHORT_US * 1000 then
    return math.min(most - worker.count, worker.left)
  end
  return 0
end

--- giving.feed(pool, worker): gives a busy worker more, if requests are short.
local function feed(pool, worker)
  local queue, room = pool.queue, room_for(worker, depth(pool))
  if room <= 0 or not queue.first then
    return
  end
  local list = {}
  while #list < room and queue.first and is_light(queue.first) do
    list[#list + 1] = queue:shift()
  end
  if #list == 0 then
    return
  elseif workers.give_ahead(worker, list) then
    pool.given = pool.given + #list
  else
    give_up(worker)
    M.put_back(pool, list)
  end
end

-- Beginning with another worker each time.
local function feed_all(pool)
  local ready = pool.ready
  local is_worthwhile = pool.us < SHORT_US and pool.given < #ready * depth(pool)
  for _ = 1, is_worthwhile and #ready or 0 do
    if not pool.queue.first then
      return
    end
    pool.turn = pool.turn % #ready + 1
    feed(pool, ready[pool.turn])
  end
end

--- giving.taken_off(pool, worker, number): so many requests are no longer given to it.
local function taken_off(pool, worker, number)
  pool.given = pool.given - number
  if worker.count == 0 and number > 0 then
    pool.busy = pool.busy - 1
  end
end

-- -> a request that a busy worker has not begun | nil
local function take_back(pool)
  for _, worker in ipairs(pool.ready) do
    local request = worker.count > 1 and workers.take_back(worker)
    if request then
      taken_off(pool, worker, 1)
      return request
    end
  end
end

local function share(pool)
  pool.sharing = false
  while #pool.idle > 0 and pool.given > pool.busy and not pool.queue.first do
    local request = take_back(pool)
    if not request then
      return
    end
    pool.queue:push(request)
    give_queued(pool, table.remove(pool.idle))
  end
end

local function share_soon(pool)
  if not pool.sharing and #pool.idle > 0 and pool.given > pool.busy then
    pool.sharing = true
    loop.nextTick(share, pool)
  end
end

--- giving.not_begun(pool) -> how many requests have not begun, and are not waiting for
-- room.
local function not_begun(pool)
  return pool.queue.length + pool.given - pool.busy
end

--- giving.accept(pool, request) -> boolean: gives it to an idle worker, or queues it;
-- false if there is no room.  Raises if it cannot be sent.
local function accept(pool, request)
  local worker = not pool.queue.first and table.remove(pool.idle)
  if worker then
    local err = give(pool, worker, request)
    return err and refuse(err) or true
  elseif not_begun(pool) >= pool.settings.maxQueue then
    return false
  end
  prepare(pool, request)
  pool.queue:push(request)
  feed_all(pool)
  return true
end

local function has_room(pool)
  return #pool.idle > 0 or not_begun(pool) < pool.settings.maxQueue
end

--- giving.admit(pool): accepts requests that wait for room.
local function admit(pool)
  while pool.waiting.first and has_room(pool) do
    local request = pool.waiting:shift()
    local ok, err = pcall(accept, pool, request)
    if not ok then
      settle_later(pool, request, err)
    end
  end
end

--- giving.dispatch(pool): a worker has become idle, or the queue longer.
local function dispatch(pool)
  while pool.queue.first and #pool.idle > 0 do
    give_queued(pool, table.remove(pool.idle))
  end
  if pool.queue.first then
    feed_all(pool)
  end
  if pool.waiting.first then
    admit(pool)
  end
  share_soon(pool)
end

M.count, M.finish, M.settle, M.settle_later = count, finish, settle, settle_later
M.make_idle, M.give_queued, M.feed = make_idle, give_queued, feed
M.taken_off, M.not_begun = taken_off, not_begun
M.accept, M.admit, M.dispatch = accept, admit, dispatch

return M
