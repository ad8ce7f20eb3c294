--- Resolves names to addresses.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'

local M = {}

-- The codes for which Node says ENOTFOUND.
local NOT_FOUND = { EAI_NONAME = true, EAI_NODATA = true }

local function not_resolved(errno, host)
  local err = errors.system(errno, 'getaddrinfo', { hostname = host })
  if NOT_FOUND[err.code] then
    err.code = 'ENOTFOUND'
  end
  err.message = ('getaddrinfo %s %s'):format(err.code, errors.escaped(host))
  return err
end

--- lookup.resolve(host, options, callback) -> an object; closing it cancels the callback.
-- `callback(err, addresses)` comes in a later tick or turn, with at least one numeric
-- address; a numeric host resolves to itself.  Errors: ENOTFOUND, EAI_AGAIN, …
-- @param options table: `family` (4, 6, or 0 for both), `datagram` (boolean)
function M.resolve(host, options, callback)
  if core.ip_family(host) ~= 0 then
    local pending = {}
    function pending.close()
      pending.closed = true
    end
    loop.nextTick(function()
      if not pending.closed then
        callback(nil, { host })
      end
    end)
    return pending
  end
  local function done(errno, addresses)
    if errno or not addresses[1] then
      callback(not_resolved(errno or -3008, host))
    else
      callback(nil, addresses)
    end
  end
  local handle, errno =
    core.lookup(host, options.family or 0, options.datagram == true, done)
  if not handle then
    loop.nextTick(done, errno)
  end
  return handle or { close = function() end }
end

return M
