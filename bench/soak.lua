-- bench/soak.lua [SECONDS]
--
-- Starts, forks and passes sockets for a time (default 600 s), round after round, and
-- prints what grew meanwhile: resident memory, the Lua heap, descriptors, children and
-- zombies, as a slope over the samples (least squares, without the first third, in which
-- malloc finds its size).  Exits with 1 if anything grew.  Needs the module on Lua's
-- paths, as `scripts/run bench/soak.lua` gives it.
-- SPDX-License-Identifier: MIT
local cp = require 'child_process'

local CHILD = arg[0]:gsub('soak%.lua$', 'child.lua')
local SECONDS = tonumber(arg[1]) or 600

-- What is done in a round ---------------------------------------------------------------

local counts = { starts = 0, forks = 0, messages = 0, sockets = 0, restarts = 0 }

local function count(what)
  counts[what] = counts[what] + 1
end

local function start_mix()
  local list = {}
  for _, command in ipairs { 'true', 'no-such-program', 'cat' } do
    local child = cp.spawn(command, { input = command == 'cat' and 'text' or nil })
    list[#list + 1] = child:on('error', function() end)
    count 'starts'
  end
  list[#list + 1] = cp.exec('echo out; echo err >&2; exit 3')
  list[#list + 1] = cp.spawn('sleep', { '60' }, { timeout = 5, killSignal = 'SIGKILL' })
  cp.spawnSync('cat', {}, { input = ('x'):rep(100000) })
  counts.starts = counts.starts + 3
  local aborted = cp.AbortController()
  list[#list + 1] = cp.execFile('sleep', { '60' }, { signal = aborted.signal })
  count 'starts'
  aborted:abort()
  for line in list[4].stdout:lines() do
    assert(line == 'out')
  end
  cp.wait(list)
end

local MESSAGES = 20

local function fork_and_talk(serialization)
  local child = cp.fork(CHILD, { 'answer' }, { serialization = serialization })
  local left = MESSAGES + 1 -- the first says that it is ready
  child:on('message', function()
    count 'messages'
    left = left - 1
    if left == 0 then
      child:disconnect()
    end
  end)
  for i = 1, MESSAGES do
    child:send { id = i, text = ('x'):rep(i * 50) }
  end
  count 'forks'
  return child
end

-- The child answers every message, and drops what it is sent with it.
local function pass_sockets()
  local server = cp.net.createServer()
  cp.await(function(done)
    server:listen(0, '127.0.0.1', done)
  end)
  local child = cp.fork(CHILD, { 'answer' })
  server:on('connection', function(socket)
    count 'sockets'
    child:send('take it', socket)
  end)
  local answers = 0
  child:on('message', function()
    answers = answers + 1
    if answers == 5 + 1 then
      child:disconnect()
      server:close()
    end
  end)
  for _ = 1, 5 do
    local client = cp.net.connect(server:address().port, '127.0.0.1')
    client:on('error', function() end)
    client:on('close', function() end)
    client:resume()
  end
  count 'forks'
  return child
end

-- A worker that dies is replaced.
local function restart_workers()
  local workers = {}
  for i = 1, 3 do
    workers[i] = cp.fork(CHILD, { 'answer' })
    count 'forks'
  end
  for i = 1, 3 do
    cp.await(function(done)
      workers[i]:once('message', function()
        done()
      end)
    end)
    workers[i]:kill 'SIGKILL'
    workers[i]:wait()
    workers[i] = cp.fork(CHILD, { 'answer' })
    count 'restarts'
  end
  for _, worker in ipairs(workers) do
    worker:disconnect()
  end
  return table.unpack(workers)
end

local function round()
  start_mix()
  cp.wait { fork_and_talk 'json', fork_and_talk 'advanced' }
  cp.wait { pass_sockets() }
  cp.wait { restart_workers() }
  cp.run()
end

-- Samples -------------------------------------------------------------------------------

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read 'a'
end

local function children_and_zombies()
  local pid, children, zombies = cp.process.pid, 0, 0
  for child in slurp(('/proc/%d/task/%d/children'):format(pid, pid)):gmatch '%d+' do
    children = children + 1
    local file = io.open(('/proc/%s/stat'):format(child))
    if file then
      zombies = zombies + (file:read('a'):find '%) Z ' and 1 or 0)
      file:close()
    end
  end
  return children, zombies
end

local function sample()
  for _ = 1, 2 do
    collectgarbage()
    cp.run 'nowait'
  end
  local children, zombies = children_and_zombies()
  return {
    rss = tonumber(slurp '/proc/self/status':match 'VmRSS:%s*(%d+) kB'),
    heap = collectgarbage 'count',
    open = #cp.execFileSync('ls', { ('/proc/%d/fd'):format(cp.process.pid) })
      :gsub('%d', ''),
    children = children,
    zombies = zombies,
  }
end

-- Growth from the first of the samples to the last, by their least squares.
local function growth(samples, what)
  local n, sx, sy, sxx, sxy = 0, 0, 0, 0, 0
  for i = #samples // 3 + 1, #samples do
    local y = samples[i][what]
    n, sx, sy, sxx, sxy = n + 1, sx + i, sy + y, sxx + i * i, sxy + i * y
  end
  local spread = n * sxx - sx * sx
  return spread > 0 and (n * sxy - sx * sy) / spread * n or 0
end

-- What may be noise.
local LIMITS = { rss = 2048, heap = 64, open = 4, children = 1, zombies = 1 }
local ORDER = { 'rss', 'heap', 'open', 'children', 'zombies' }

local samples, rounds, started = {}, 0, cp.process:hrtime()
local function elapsed()
  return (cp.process:hrtime() - started) / 1e9
end

-- A hundred or two of them: when there are too many, every other one goes, and they are
-- taken half as often.
local MOST, every = 200, 1

local function keep(taken)
  samples[#samples + 1] = taken
  if #samples == MOST then
    for i = 1, MOST // 2 do
      samples[i] = samples[2 * i]
    end
    for i = MOST // 2 + 1, MOST do
      samples[i] = nil
    end
    every = 2 * every
  end
end

repeat
  round()
  rounds = rounds + 1
  if rounds % every == 0 then
    keep(sample())
  end
until elapsed() >= SECONDS and #samples >= 9

print(('%d rounds in %.0f s'):format(rounds, elapsed()))
for _, what in ipairs { 'starts', 'forks', 'restarts', 'messages', 'sockets' } do
  print(('  %-10s %d'):format(what, counts[what]))
end
print(('  %-10s %10s %10s %10s'):format('', 'first', 'last', 'growth'))
local is_flat = true
for _, what in ipairs(ORDER) do
  local grown = growth(samples, what)
  is_flat = is_flat and grown <= LIMITS[what]
  local first, last = samples[1][what], samples[#samples][what]
  print(('  %-10s %10.0f %10.0f %10.1f'):format(what, first, last, grown))
end
print(is_flat and 'flat' or 'it grows')
os.exit(is_flat and 0 or 1, true)
