-- bench/pool.lua [ROUNDS]: requests per second of cp.pool beside piscina and workerpool
-- in Node and Python's ProcessPoolExecutor, two workers each, in one run.
--
-- Small: a table with a number, answered with one; 1 MB: a string, sent back.  As many
-- requests as WINDOWS says are open at any moment.  Each contestant is a program of its
-- own, `pool_*`, which warms up, measures and prints one number; the best of the rounds
-- (default 3), which alternate, counts.  The packages for Node are installed into
-- build/bench-pool; what cannot be had is left out, and that is said.
-- Needs the module on Lua's paths, as `scripts/run bench/pool.lua` gives it.
-- SPDX-License-Identifier: MIT
local cp = require 'child_process'

local FOLDER = arg[0]:gsub('[^/]*$', '')
FOLDER = FOLDER:sub(1, 1) == '/' and FOLDER or cp.process:cwd() .. '/' .. FOLDER
local PACKAGES = FOLDER .. '../build/bench-pool'
local ROUNDS = tonumber(arg[1]) or 3
local TARGET = 2 -- times the best of the others

local MEASURES = { { 'small', 20000 }, { 'large', 200 } }

local function has(command)
  return cp.spawnSync('sh', { '-c', command }, { stdio = 'ignore' }).status == 0
end

local function install(name)
  local path = ('%s/node_modules/%s'):format(PACKAGES, name)
  local command = 'test -d %s || { mkdir -p %s && cd %s && npm install --silent %s; }'
  return has(command:format(path, PACKAGES, PACKAGES, name))
end

local function list_contestants()
  local list = {
    { 'ours', 'lua5.4', FOLDER .. 'pool_ours.lua', 'json' },
    { 'ours, advanced', 'lua5.4', FOLDER .. 'pool_ours.lua', 'advanced' },
  }
  for _, name in ipairs { 'piscina', 'workerpool' } do
    if has 'node --version' and install(name) then
      list[#list + 1] = { name, 'node', FOLDER .. 'pool_node.js', name }
    else
      print(name .. ' is left out: it cannot be installed')
    end
  end
  if has 'python3 --version' then
    list[#list + 1] = { 'Python', 'python3', FOLDER .. 'pool_python.py', 'process' }
  else
    print 'Python is left out: there is none'
  end
  return list
end

local function measure(contestant, what, count)
  local args = { contestant[3], contestant[4], what, count }
  local env = { NODE_PATH = PACKAGES .. '/node_modules' }
  local options = { env = env, extendEnv = true, maxBuffer = math.huge }
  local result = cp.execFile(contestant[2], args, options):wait()
  assert(result.ok, result.stderr)
  return tonumber(result.stdout)
end

local contestants, best = list_contestants(), {}
for _ = 1, ROUNDS do
  for _, row in ipairs(MEASURES) do
    for _, contestant in ipairs(contestants) do
      local key = row[1] .. contestant[1]
      best[key] = math.max(best[key] or 0, measure(contestant, row[1], row[2]))
    end
  end
end

local is_good = true
for _, row in ipairs(MEASURES) do
  local most = 0
  for i, contestant in ipairs(contestants) do
    local rate = best[row[1] .. contestant[1]]
    most = i > 2 and math.max(most, rate) or most
    print(('%-6s %-15s %8.0f requests/s'):format(row[1], contestant[1], rate))
  end
  if most > 0 then
    local times = best[row[1] .. 'ours'] / most
    is_good = is_good and times >= TARGET
    print(('%-6s ours is %.1f times the best of the others'):format(row[1], times))
  end
end
os.exit(is_good, true)
