-- pool_ours.lua SERIALIZATION small|large COUNT: see measures.lua.  Without arguments it
-- is the worker.
-- SPDX-License-Identifier: MIT
local cp = require 'child_process'

local serialization, what, count = arg[1], arg[2], tonumber(arg[3])

if not serialization then
  cp.serve(function(request)
    return type(request) == 'table' and request.n + 1 or request
  end)
  return
end

local WINDOWS = { small = 1000, large = 16 }
local TEXT = ('x'):rep(1 << 20)

local function answer(n)
  return what == 'small' and n + 1 or TEXT
end

local function batch(pool, total)
  local begun, ended = 0, 0
  local function next_one()
    begun = begun + 1
    local n = begun
    pool:run(what == 'small' and { n = n } or TEXT, function(err, reply)
      assert(not err, err)
      assert(reply == answer(n))
      ended = ended + 1
      if begun < total then
        next_one()
      end
    end)
  end
  for _ = 1, math.min(total, WINDOWS[what]) do
    next_one()
  end
  while ended < total do
    cp.run 'once'
  end
end

local pool <close> = cp.pool(arg[0], { size = 2, serialization = serialization })
batch(pool, count // 5)
local begin = cp.process:hrtime()
batch(pool, count)
print(('%.1f'):format(count / ((cp.process:hrtime() - begin) / 1e9)))
