--- cp.limit: at most so many calls at a time.
--
-- A place is either free, held by a call, or promised to a call that waits.  It is
-- promised to the one that has waited longest, by the call that gives it up, so that
-- nobody who comes later can take it first.
local await = require 'child_process.await'
local errors = require 'child_process.errors'

local M = {}

-- `_places`: places that nobody has; `_seekers`: ticket -> Place, where those from
-- `_head` to `_tail` may be missing.
local Limit = { __name = 'child_process.Limit' }
Limit.__index = Limit

-- Of one call: `limit`; `ticket`, while it waits; `is_held`: held by it or promised to
-- it; `wake`.
local Place = {}

local function refuse(err)
  error(err, 0)
end

--- limit.check(n, name) -> n: how many calls; raises ERR_INVALID_ARG_TYPE,
-- ERR_OUT_OF_RANGE.
function M.check(n, name)
  if type(n) ~= 'number' then
    refuse(errors.invalid_arg_type(name, 'of type number', n))
  elseif n ~= math.huge and n % 1 ~= 0 then
    refuse(errors.out_of_range(name, 'an integer', n))
  elseif n < 1 then
    refuse(errors.out_of_range(name, '>= 1', n))
  end
  return n
end

-- Places --------------------------------------------------------------------------------

local function next_seeker(limit)
  local place
  while not place and limit._head <= limit._tail do
    local ticket = limit._head
    place = limit._seekers[ticket]
    limit._head, limit._seekers[ticket] = ticket + 1, nil
  end
  return place
end

local function enter(limit)
  local place = setmetatable({ limit = limit, is_held = limit._places > 0 }, Place)
  if place.is_held then
    limit._places = limit._places - 1
  else
    limit._tail = limit._tail + 1
    place.ticket, limit._seekers[limit._tail] = limit._tail, place
  end
  return place
end

-- However the call ends: it returns, raises, or is closed with its coroutine while it
-- waits; and if that coroutine is never resumed, when it is collected.
local function leave(place)
  local limit = place.limit
  if place.is_held then
    place.is_held = false
    local heir = next_seeker(limit)
    if heir then
      heir.is_held = true
      heir.wake()
    else
      limit._places = limit._places + 1
    end
  elseif place.ticket then
    limit._seekers[place.ticket] = nil
  end
end

Place.__close, Place.__gc = leave, leave

local function await_place(place)
  local came = await.await('limit(…)', function()
    return place.is_held
  end, function(registrations)
    place.wake = registrations.wake
  end)
  if not came then
    refuse(await.never 'limit(…)')
  end
end

-- Calls ---------------------------------------------------------------------------------

local function check_function(fn)
  if type(fn) ~= 'function' then
    refuse(errors.invalid_arg_type('fn', 'of type function', fn))
  end
end

--- limit(fn, …) -> …: waits for a place, and returns what `fn(…)` returns.  Calls get
-- their places in the order in which they asked.  An error of `fn` frees the place and is
-- raised, unchanged.
-- Waits as child:wait() does.  Raises ERR_INVALID_ARG_TYPE; ERR_WOULD_BLOCK in a bare
-- callback, even if there is a place, and if nothing could free one.
function Limit:__call(fn, ...)
  check_function(fn)
  await.check 'limit(…)'
  local place <close> = enter(self)
  await_place(place)
  return fn(...)
end

--- limit:run(fn, …) -> thread: the same in a coroutine of its own, as cp.async has it;
-- works anywhere, and never waits.  Raises ERR_INVALID_ARG_TYPE.
function Limit:run(fn, ...)
  errors.check_self(self, 'limit:run(…)', 'run')
  check_function(fn)
  return await.async(Limit.__call, self, fn, ...)
end

--- cp.limit(n) -> limit, an object to be called: at most `n` calls at a time (math.huge:
-- any number).  Raises ERR_INVALID_ARG_TYPE; ERR_OUT_OF_RANGE below 1 and for a fraction.
function M.new(n)
  local places = { _places = M.check(n, 'n'), _seekers = {}, _head = 1, _tail = 0 }
  return setmetatable(places, Limit)
end

return M
