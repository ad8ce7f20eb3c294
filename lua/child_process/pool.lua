--- cp.pool: requests for a fixed number of workers, forked processes that call cp.serve.
--
-- This file is the public object.  pool/dispatch.lua decides who gets which request,
-- pool/request.lua has the states of a request, pool/worker.lua those of a worker,
-- pool/frames.lua what they say to each other; serve.lua is the worker's side.
local await = require 'child_process.await'
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local dispatch = require 'child_process.pool.dispatch'
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'
local settings = require 'child_process.pool.settings'

local M = {}

local new_request, submit, close = dispatch.new_request, dispatch.submit, dispatch.close
local settle_later, wait_for_room = dispatch.settle_later, dispatch.wait_for_room
local is_closed = dispatch.is_closed

local GRACE <const> = 5000 -- ms
local WHAT <const> = 'closing a pool'

local function refuse(err)
  error(err, 0)
end

local function closed_error()
  return errors.coded 'ERR_POOL_CLOSED'
end

-- Submitting ----------------------------------------------------------------------------

local LIMITS = {
  timeout = checks.limit,
  signal = checks.abort_signal,
  handle = checks.anything,
}

local NONE = {}

local function read_options(options)
  if options == nil then
    return NONE
  elseif type(options) ~= 'table' then
    refuse(errors.invalid_arg_type('options', 'of type table', options))
  end
  return checks.fields(options, LIMITS, 'options')
end

-- -> whether it has been accepted; otherwise the callback gets an error.
local function run_callback(pool, value, options, callback)
  local request = new_request(pool, value, options, callback)
  local ok, accepted = pcall(submit, pool, request, options)
  if not ok then
    loop.nextTick(callback, accepted)
    return false
  elseif not accepted then
    settle_later(pool, request, errors.coded 'ERR_POOL_FULL')
  end
  return accepted
end

-- The requests that a waiting call has made: `pool`, and an array.  The call can be left
-- before they are answered: its coroutine is closed, or a callback raises.
local Asked = {}

function Asked:__close()
  dispatch.withdraw(self.pool, self)
end

local function run_waiting(pool, value, options)
  local asked <close> = setmetatable({ pool = pool }, Asked)
  local err, reply
  local function is_ready()
    return asked[1] and not asked[1].done
  end
  local came = await.await('pool:run()', is_ready, function(registrations)
    local request = new_request(pool, value, options, function(...)
      err, reply = ...
      registrations.wake()
    end)
    if not submit(pool, request, options) then
      wait_for_room(pool, request)
    end
    asked[1] = request
  end)
  assert(came, 'a pool with requests keeps the loop alive')
  if err then
    refuse(err)
  end
  return reply
end

-- The public object ---------------------------------------------------------------------

local methods = {}

--- The methods of all pools.
M.methods = methods

local Pool = { __name = 'child_process.Pool' }

local function state_of(self, call)
  local pool = getmetatable(self) == Pool and rawget(self, '_pool')
  if not pool then
    refuse(errors.no_self(('pool:%s(…)'):format(call)))
  end
  return pool
end

local function check_callback(callback)
  if callback ~= nil and type(callback) ~= 'function' then
    refuse(errors.invalid_arg_type('callback', 'of type function', callback))
  end
end

-- In a copy of the process, made by fork(2), the workers are not ours.
local function check_owner(pool)
  if pool.pid ~= core.pid() then
    refuse(closed_error())
  end
end

function Pool:__index(key)
  local pool = rawget(self, '_pool')
  if methods[key] then
    return methods[key]
  elseif key == 'size' then
    return pool.settings.size
  elseif key == 'idle' then
    return #pool.idle
  elseif key == 'queued' then
    return dispatch.not_begun(pool)
  end
end

--- pool:run(request [, options]) -> reply, from a worker.  Waits as `wait` does, and with
-- `maxQueue` also for room.
-- pool:run(request [, options], callback) -> boolean: calls `callback(err, reply)` later;
-- false if the request is not accepted, and then `err` says why.
--
-- The request is anything that `send` takes, or nil.  Options: `timeout` (ms from the
-- call; 0: no limit), `signal`, `handle`, which goes along.
-- Errors: the worker's, with `stack`, `pid` and `cause`; ERR_WORKER_DIED (`exitCode`,
-- `signalCode`, `pid`), ETIMEDOUT, ABORT_ERR, ERR_POOL_FULL, ERR_POOL_CLOSED,
-- ERR_POOL_FAILED (`cause`), and those of `send`.
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_WOULD_BLOCK.
function methods:run(request, options, callback)
  local pool = state_of(self, 'run')
  if type(options) == 'function' then
    options, callback = nil, options
  end
  check_callback(callback)
  options = read_options(options)
  check_owner(pool)
  if callback then
    return run_callback(pool, request, options, callback)
  end
  return run_waiting(pool, request, options)
end

local function submit_list(asked, list, options, wake)
  local pool, results = asked.pool, { left = #list, errors = {}, replies = {} }
  for i = 1, #list do
    local request = new_request(pool, list[i], options, function(err, reply)
      results.left = results.left - 1
      results.errors[i], results.replies[i] = err, reply
      if results.left == 0 then
        wake()
      end
    end)
    local ok, accepted = pcall(submit, pool, request, options)
    if not ok then
      loop.nextTick(request.done, accepted)
    else
      asked[#asked + 1] = request
      if not accepted then
        wait_for_room(pool, request)
      end
    end
  end
  return results
end

--- pool:map(list [, options]) -> array of the replies, in the order of the list.  Raises
-- the first error in that order, when all are done.  Waits, and has options, as `run`.
function methods:map(list, options)
  local pool = state_of(self, 'map')
  if type(list) ~= 'table' then
    refuse(errors.invalid_arg_type('list', 'an array', list))
  end
  options = read_options(options)
  check_owner(pool)
  local asked <close> = setmetatable({ pool = pool }, Asked)
  local results
  local function is_ready()
    return results ~= nil and results.left == 0
  end
  local came = await.await('pool:map()', is_ready, function(registrations)
    results = submit_list(asked, list, options, registrations.wake)
  end)
  assert(came, 'a pool with requests keeps the loop alive')
  local _, err = next(results.errors)
  for i = 1, err ~= nil and #list or 0 do
    if results.errors[i] ~= nil then
      refuse(results.errors[i])
    end
  end
  return results.replies
end

local function begin_close(pool, grace, on_closed)
  table.insert(pool.closers, on_closed)
  close(pool, grace or GRACE, closed_error())
end

local function await_close(pool, grace)
  local function is_ready()
    return is_closed(pool)
  end
  local came = await.await('pool:close()', is_ready, function(registrations)
    begin_close(pool, grace, registrations.wake)
  end)
  assert(came, 'a pool that is closing keeps the loop alive')
end

--- pool:close([grace]): no more requests; those that wait fail with ERR_POOL_CLOSED,
-- those in progress have `grace` ms (default 5000), then their workers are killed.
-- Waits until all workers have ended; joins a call that is under way.
-- pool:close([grace], callback): does not wait; calls `callback()` then.
-- Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_WOULD_BLOCK.
function methods:close(grace, callback)
  local pool = state_of(self, 'close')
  if type(grace) == 'function' then
    grace, callback = nil, grace
  end
  grace = grace ~= nil and checks.milliseconds(grace, 'grace') or nil
  check_callback(callback)
  local is_ours = pool.pid == core.pid()
  if is_ours and callback then
    begin_close(pool, grace, function()
      loop.nextTick(callback)
    end)
  elseif callback then
    loop.nextTick(callback)
  elseif is_ours then
    await_close(pool, grace)
  end
end

-- Where nothing can wait, the workers are killed, and end later.
function Pool:__close()
  local pool = state_of(self, 'close')
  if await.can_wait_in_close(WHAT) then
    methods.close(self)
  elseif pool.pid == core.pid() then
    close(pool, 0, closed_error())
  end
end

-- Without this object no more requests can be made.
function Pool:__gc()
  local pool = rawget(self, '_pool')
  if pool.pid == core.pid() then
    loop.nextTick(dispatch.abandon, pool)
  end
end

--- cp.pool(file [, args] [, options]) -> Pool of workers that run `file`, which calls
-- cp.serve.  Fields: `size`, `idle` (workers without a request), `queued` (requests that
-- have not begun).
--
-- Options: those of cp.fork for each worker, and `size` (default: availableParallelism),
-- `startTimeout` (ms, default 30000), `maxQueue`, `maxRequests` (of one worker; both
-- without a limit by default), `launchers`.
-- Raises on a wrong argument.
function M.pool(file, args, opts)
  return setmetatable({ _pool = dispatch.new(settings.read(file, args, opts)) }, Pool)
end

return M
