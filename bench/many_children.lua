-- bench/many_children.lua [CHILDREN [MESSAGES [ROUNDS]]]
--
-- Forks many children (default 1000) that are alive at the same time and each answer
-- messages (default 20), in two rounds or more.  Then nothing may be left: descriptors
-- and children are what they were before, and what malloc has handed out and the heap of
-- Lua what they were after the first round, which has made tables large enough.  (What
-- malloc keeps for later, and with it resident memory, differs from round to round.)  If
-- something is left, it says so and exits with 1; if so many children are too many for
-- this machine, it says for which limit, and exits with 2.
--
-- What must not grow with the number of children is printed for comparison: the time of
-- a start in the first and the last quarter, the memory of a child and what the parent
-- needs for it, messages a second.  A start copies the table of descriptors, of which
-- there are two a child; so the time in the kernel is printed beside that in the program.
-- Needs the module on Lua's paths, as `scripts/run bench/many_children.lua` gives it, and
-- a C compiler.
-- SPDX-License-Identifier: MIT
local cp = require 'child_process'

local FOLDER = arg[0]:match '^(.*/)' or './'
local CHILD = FOLDER .. 'child.lua'
local COUNT, MESSAGES = math.max(4, tonumber(arg[1]) or 1000), tonumber(arg[2]) or 20
local ROUNDS = math.max(2, tonumber(arg[3]) or 2)
local MAX_GROWTH <const> = 16 -- KiB, from the first round to the last

local function slurp(path)
  local file = io.open(path)
  local text = file and file:read 'a'
  return text, file and file:close()
end

local function load_process()
  local library = FOLDER .. '../build/bench/process.so'
  local command =
    'mkdir -p %s && cc -O2 -shared -fPIC $(pkg-config --cflags lua5.4) -o %s %s'
  local folder = cp.quote(FOLDER .. '../build/bench')
  command = command:format(folder, cp.quote(library), cp.quote(FOLDER .. 'process.c'))
  cp.execSync(command, { stdio = 'inherit' })
  return assert(package.loadlib(library, 'luaopen_process'))()
end

local process_info = load_process()

-- Limits --------------------------------------------------------------------------------

local NO_CACHE <const> = 'glibc.malloc.tcache_count=0'
local SPARE <const> = 40 -- descriptors and processes for everything else
local CHILD_KIB <const>, SPARE_KIB <const> = 750, 2 << 20 -- memory, the kernel's included

local function number_in(path, pattern)
  return tonumber((slurp(path) or ''):match(pattern or '%d+'))
end

-- Two descriptors a child: the channel, and the watch for its end.
local function limits()
  local cgroup = (slurp '/proc/self/cgroup' or ''):match '0::(%C*)' or ''
  local own = '/proc/self/limits'
  local list = {
    { 2, SPARE, number_in(own, 'Max open files%s+%d+%s+(%d+)'), 'ulimit -Hn' },
    { 1, SPARE, number_in '/proc/sys/kernel/pid_max', 'kernel.pid_max' },
    { 1, SPARE, number_in '/proc/sys/kernel/threads-max', 'kernel.threads-max' },
    { 1, SPARE, number_in('/sys/fs/cgroup' .. cgroup .. '/pids.max'), 'pids.max' },
    {
      CHILD_KIB,
      SPARE_KIB,
      number_in('/proc/meminfo', 'MemAvailable:%s*(%d+)'),
      'KiB free',
    },
  }
  if number_in('/proc/self/status', 'Uid:%s*(%d+)') ~= 0 then
    list[#list + 1] = { 1, SPARE, number_in(own, 'Max processes%s+(%d+)'), 'ulimit -u' }
  end
  return list
end

local function check_limits()
  for _, limit in ipairs(limits()) do
    local each, spare, value, name = table.unpack(limit, 1, 4)
    if value and COUNT * each + spare > value then
      local text = '%d children are too many here: %s is %d, enough for %d'
      print(text:format(COUNT, name, value, (value - spare) // each))
      os.exit(2)
    end
  end
end

-- Runs this program once more with enough descriptors, and without malloc's caches of
-- freed blocks, which would count as in use.
local function prepare()
  local env = cp.process.env
  if env.GLIBC_TUNABLES == NO_CACHE then
    env.GLIBC_TUNABLES = nil -- the children are to have what every program has
    return
  end
  local command = ('ulimit -n %d && exec "$@"'):format(2 * COUNT + SPARE)
  local words = { '-c', command, 'sh', cp.process.execPath, arg[0] }
  table.move({ COUNT, MESSAGES, ROUNDS }, 1, 3, #words + 1, words)
  env.GLIBC_TUNABLES = NO_CACHE
  os.exit(cp.spawnSync('sh', words, { stdio = 'inherit' }).status)
end

-- What is left --------------------------------------------------------------------------

local function descriptors()
  local count = 0
  for fd = 0, 3 * COUNT + 100 do
    local file = io.open('/proc/self/fdinfo/' .. fd)
    if file then
      file:close()
      count = count + 1
    end
  end
  return count - 1 -- that of the file itself
end

local function children()
  local pid = cp.process.pid
  local list = slurp(('/proc/%d/task/%d/children'):format(pid, pid))
  return select(2, list:gsub('%d+', ''))
end

-- Memory first: looking at the rest makes garbage.
local function state()
  for _ = 1, 2 do
    collectgarbage()
    cp.run 'nowait'
  end
  collectgarbage()
  local s = { lua = collectgarbage 'count' // 1 | 0, used = process_info.used() >> 10 }
  s.rss = number_in('/proc/self/status', 'VmRSS:%s*(%d+)')
  s.fds, s.children = descriptors(), children()
  return s
end

-- -> what there is more of than before, or after the first round
local function left_over(before, first, last)
  local list = {}
  local function compare(what, was, is, most)
    if is - was > most then
      list[#list + 1] = ('%d %s instead of %d'):format(is, what, was)
    end
  end
  compare('descriptors', before.fds, last.fds, 0)
  compare('children', before.children, last.children, 0)
  compare('KiB in use', first.used, last.used, MAX_GROWTH)
  compare('KiB of Lua', first.lua, last.lua, MAX_GROWTH)
  return list
end

-- A round -------------------------------------------------------------------------------

local function seconds_since(begin)
  return (cp.process:hrtime() - begin) / 1e9
end

local function start(on_ready, on_end)
  local child = cp.fork(CHILD, { 'answer' })
  child:once('message', on_ready)
  child:on('error', function(err)
    error(err)
  end)
  child:on('close', function(code)
    assert(code == 0, code)
    on_end()
  end)
  return child
end

-- `borders[n]`: the times at the end of the quarter `n`.
local function print_quarter(borders, n, name)
  local from, to, ms = borders[n - 1], borders[n], {}
  for i = 1, 3 do
    ms[i] = (to[i] - from[i]) / (COUNT // 4) * 1e3
  end
  local text = '%s quarter, ms a start: %.2f; %.2f of our program, %.2f of the kernel'
  print(text:format(name, table.unpack(ms)))
end

local function now()
  return { cp.process:hrtime() / 1e9, process_info.times() }
end

-- In KiB, of a child: what is its own, and its part of what it shares.
local function memory_of(pid)
  local text = slurp(('/proc/%d/smaps_rollup'):format(pid))
  local own = text:match 'Private_Clean:%s*(%d+)' + text:match 'Private_Dirty:%s*(%d+)'
  return own, tonumber(text:match '\nPss:%s*(%d+)')
end

local function start_all(list)
  local begin, ready = cp.process:hrtime(), 0
  local borders, used = { [0] = now() }, process_info.used()
  list.alive = COUNT
  for i = 1, COUNT do
    list[i] = start(function()
      ready = ready + 1
      if ready == COUNT then
        cp.stop()
      end
    end, function()
      list.alive = list.alive - 1
    end)
    if i % (COUNT // 4) == 0 then
      borders[i // (COUNT // 4)] = now()
    end
  end
  cp.run()
  assert(ready == COUNT and list.alive == COUNT and children() == COUNT)
  print(('%d children ready and alive after %.2f s'):format(COUNT, seconds_since(begin)))
  print_quarter(borders, 1, 'first')
  print_quarter(borders, 4, 'last')
  local of_ours = (process_info.used() - used) / 1024 / COUNT
  local text = 'memory: a child %d KiB of its own (%d with its share), %.1f KiB here'
  local own, pss = memory_of(list[COUNT].pid)
  print(text:format(own, pss, of_ours))
end

-- Each child answers one message after the other; all of them at the same time.
local function talk(list)
  local begin, answered = cp.process:hrtime(), 0
  for i, child in ipairs(list) do
    local left = MESSAGES
    local function send()
      child:send { from = i, left = left }
    end
    child:on('message', function(message)
      assert(message.from == i and message.left == left)
      left, answered = left - 1, answered + 1
      if left > 0 then
        send()
      elseif answered == COUNT * MESSAGES then
        cp.stop()
      end
    end)
    send()
  end
  cp.run()
  assert(answered == COUNT * MESSAGES)
  local seconds = seconds_since(begin)
  local text = '%d messages there and back in %.2f s: %.0f a second'
  print(text:format(answered, seconds, answered / seconds))
end

local function stop_all(list)
  local begin = cp.process:hrtime()
  for _, child in ipairs(list) do
    child:disconnect()
  end
  cp.run()
  assert(list.alive == 0)
  print(('all of them ended after %.2f s'):format(seconds_since(begin)))
end

local function round()
  local list = {}
  start_all(list)
  talk(list)
  stop_all(list)
end

local function main()
  check_limits()
  prepare()
  local text = '%-8s %d descriptors, %d children, %d KiB in use, %d of Lua; %d resident'
  local function look(when)
    local s = state()
    print(text:format(when, s.fds, s.children, s.used, s.lua, s.rss))
    return s
  end
  local before, first, last = look 'before', nil, nil
  for i = 1, ROUNDS do
    round()
    last = look('round ' .. i)
    first = first or last
  end
  local left = left_over(before, first, last)
  print(#left == 0 and 'nothing is left' or 'left over: ' .. table.concat(left, ', '))
  os.exit(#left == 0, true)
end

main()
