-- bench/many_children.lua [CHILDREN [MESSAGES [ROUNDS]]]
--
-- Forks many children (default 1000) that are alive at the same time and each answer
-- messages (default 20), in two rounds or more.  Descriptors and children must then be
-- what they were before, and memory what it was after the first round: malloc keeps what
-- that needed.  If not, it says so and exits with 1.
--
-- What must not grow with the number of children is printed for comparison: the time of
-- a start in the first and the last quarter, the memory of a child and what the parent
-- needs for it, messages a second.  A start copies the table of descriptors, of which
-- there are two a child; that part of its time is the kernel's.  Needs the module on
-- Lua's paths, as `scripts/run bench/many_children.lua` gives it.
-- SPDX-License-Identifier: MIT
local cp = require 'child_process'

local CHILD = arg[0]:gsub('many_children%.lua$', 'child.lua')
local COUNT, MESSAGES = tonumber(arg[1]) or 1000, tonumber(arg[2]) or 20
local ROUNDS = math.max(2, tonumber(arg[3]) or 2)
local MAX_GROWTH = 4096 -- KiB, from the first round to the last: malloc varies

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read 'a'
end

-- Two descriptors a child: the channel, and the watch for its end.
local function raise_limit()
  local wanted = 2 * COUNT + 100
  local limit = tonumber(slurp '/proc/self/limits':match 'Max open files%s+(%d+)')
  if limit and limit < wanted and not os.getenv 'LIMIT_RAISED' then
    local command = 'ulimit -n %d && LIMIT_RAISED=1 exec %s %s %d %d %d'
    local exe = cp.process.execPath
    local _, _, code =
      os.execute(command:format(wanted, exe, arg[0], COUNT, MESSAGES, ROUNDS))
    os.exit(code, true)
  end
end

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

local function resident()
  return tonumber(slurp '/proc/self/status':match 'VmRSS:%s*(%d+) kB')
end

local function state()
  for _ = 1, 2 do
    collectgarbage()
    cp.run 'nowait'
  end
  local lua = collectgarbage 'count' // 1 | 0
  return { fds = descriptors(), children = children(), rss = resident(), lua = lua }
end

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

local function quarter(times, n)
  local first = (n - 1) * COUNT // 4
  return (times[first + COUNT // 4] - times[first]) / (COUNT // 4) / 1e6
end

-- In KiB, of a child: what is its own, and its part of what it shares.
local function memory_of(pid)
  local text = slurp(('/proc/%d/smaps_rollup'):format(pid))
  local own = text:match 'Private_Clean:%s*(%d+)' + text:match 'Private_Dirty:%s*(%d+)'
  return own, tonumber(text:match '\nPss:%s*(%d+)')
end

local function start_all(list)
  local begin, ready = cp.process:hrtime(), 0
  local times, rss = { [0] = begin }, resident()
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
    times[i] = cp.process:hrtime()
  end
  cp.run()
  assert(ready == COUNT and list.alive == COUNT and children() == COUNT)
  print(('%d children ready and alive after %.2f s'):format(COUNT, seconds_since(begin)))
  local text = 'a start: %.2f ms in the first quarter, %.2f ms in the last'
  print(text:format(quarter(times, 1), quarter(times, 4)))
  local of_ours = (resident() - rss) / COUNT
  text = 'memory: a child %d KiB of its own (%d with its share), %.1f KiB here'
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
  raise_limit()
  local text = '%-8s %4d descriptors, %d children, %6d KiB resident, %5d KiB of Lua'
  local function look(when)
    local s = state()
    print(text:format(when, s.fds, s.children, s.rss, s.lua))
    return s
  end
  local before, first, last = look 'before', nil, nil
  for i = 1, ROUNDS do
    round()
    last = look('round ' .. i)
    first = first or last
  end
  local clean = last.fds == before.fds
    and last.children == 0
    and last.rss - first.rss <= MAX_GROWTH
    and last.lua - first.lua <= MAX_GROWTH // 20
  print(clean and 'nothing is left' or 'SOMETHING IS LEFT')
  os.exit(clean, true)
end

main()
