--- Pools for specs: workers whose function stands in the spec itself.
local t = require 'spec.helper'
local cp = t.cp

local M = {}

-- What the functions of workers may use: `cp`, and `sleep(ms)`, which waits.
local HEAD = [[
  local cp = require 'child_process'
  local function sleep(ms)
    cp.await(function(done) cp.setTimeout(done, ms) end)
  end
]]

--- pools.program(code, options) -> Pool whose workers run `code`.
function M.program(code, options)
  return cp.pool(t.fixture 'program.lua', { HEAD .. code }, options)
end

--- pools.new(body, options) -> Pool whose workers serve `function(request, handle) BODY
-- end`, two of them unless the options say otherwise.
function M.new(body, options)
  local copy = { size = 2 }
  for name, value in pairs(options or {}) do
    copy[name] = value
  end
  return M.program('cp.serve(function(request, handle) ' .. body .. ' end)', copy)
end

--- pools.raised(pool, request, options) -> the error of that request.
function M.raised(pool, ...)
  local ok, err = pcall(pool.run, pool, ...)
  assert(not ok, 'the request has not failed')
  return err
end

--- pools.begin(pool, requests, options) -> list of { err =, reply =, done = }, filled in
-- when they are answered, and a function that waits for all.
function M.begin(pool, requests, options)
  local list, left = {}, #requests
  for i, request in ipairs(requests) do
    local entry = {}
    list[i] = entry
    pool:run(request, options, function(err, reply)
      entry.err, entry.reply, entry.done = err, reply, true
      left = left - 1
    end)
  end
  return list, function()
    while left > 0 do
      cp.run 'once'
    end
  end
end

--- pools.until_true(check): runs the loop, also where nothing of the program's keeps it
-- alive.
function M.until_true(check)
  local keeper, left = cp.setInterval(function() end, 1), t.TEST_TIMEOUT * 1000000
  local deadline = cp.process:hrtime() + left
  while not check() do
    assert(cp.process:hrtime() < deadline, 'it does not become true')
    cp.run 'once'
  end
  keeper:close()
end

return M
