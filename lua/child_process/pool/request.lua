--- One request of a pool: its limits, and its one answer.
--
--   new -> waiting (for room) -> queued -> given to a worker -> settled
--                                   ^--------------'
-- It goes back to the queue when a worker has not begun it.  Whatever comes first settles
-- it: the reply, an error, `timeout`, `signal`, the end of the worker or of the pool;
-- later ones are ignored.  The lists and the worker are pool.lua's and worker.lua's.
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'

local M = {}

--- request.new(id, value, options, done) -> request
-- @param options table: `timeout` (ms), `signal`, `handle`, or nil each
-- @param done function: done(err, reply), called once
function M.new(id, value, options, done)
  local request = {
    id = id,
    value = value,
    done = done, -- nil: it is settled
    payload = nil, -- the encoded frame, of one that has to wait
    list = nil, -- the queue that it is in
    before = nil,
    behind = nil,
    worker = nil, -- the worker that it is given to
  }
  if options.handle ~= nil then
    request.handle = options.handle
  end
  return request
end

--- request.limit(request, options, cancel, pool): calls `cancel(pool, request, err)` at
-- the first of its limits.
function M.limit(request, options, cancel, pool)
  local ms, signal = options.timeout, options.signal
  if ms then
    request.timer = loop.setTimeout(function()
      local text = ('the request was not answered within %d ms'):format(ms)
      cancel(pool, request, errors.new('Error', 'ETIMEDOUT', text))
    end, ms)
  end
  if signal then
    request.signal = signal
    request.on_abort = function()
      cancel(pool, request, errors.abort(signal.reason))
    end
    signal:addEventListener('abort', request.on_abort, { once = true })
  end
end

--- request.settle(request) -> done: it is over; the caller is to call that.
function M.settle(request)
  local done = request.done
  request.done, request.worker, request.payload = nil, nil, nil
  if request.timer then
    loop.clearTimeout(request.timer)
  end
  if request.on_abort then
    request.signal:removeEventListener('abort', request.on_abort)
    request.on_abort = nil
  end
  return done
end

return M
