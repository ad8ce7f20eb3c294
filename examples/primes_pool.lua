-- Counts primes on all processors, or on those of other machines.
--
--   primes_pool.lua [LIMIT [HOST…]]
--
-- Without hosts there is a worker for each processor; with hosts one for each, started by
-- ssh.  There the module must be installed and this file be in the same place, as with a
-- shared home folder.
local cp = require 'child_process'

local LIMIT, PIECE = tonumber(arg[1]) or 300000, 20000

local function is_prime(n)
  for divisor = 2, math.floor(math.sqrt(n)) do
    if n % divisor == 0 then
      return false
    end
  end
  return n > 1
end

-- A worker: this file once more.
if cp.process.connected then
  cp.serve(function(range)
    local count = 0
    for n = range.first, range.last do
      count = count + (is_prime(n) and 1 or 0)
    end
    return count
  end)
  return
end

local options = {}
for i = 2, #arg do
  options.launchers = options.launchers or {}
  options.launchers[i - 1] = { 'ssh', arg[i] }
end

local ranges = {}
for first = 0, LIMIT - 1, PIECE do
  ranges[#ranges + 1] = { first = first, last = math.min(first + PIECE, LIMIT) - 1 }
end

local pool <close> = cp.pool(arg[0], options)
local sum = 0
for _, count in ipairs(pool:map(ranges)) do
  sum = sum + count
end
print(('%d primes below %d, by %d workers'):format(sum, LIMIT, pool.size))
