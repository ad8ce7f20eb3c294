-- bench/wakeup.lua [ROUNDS [BLOCKS]]
--
-- How long after its death a child's `exit` is called: in cp.run(), and in the loops of
-- cqueues, luv and LuaSocket's select, where they are installed.  The clock runs from
-- child:kill('SIGKILL'), called by a timer of that loop, to the callback, so it has the
-- child's dying in it, which is the same for all.  Median and 90th percentile of ROUNDS
-- (default 100) by BLOCKS (default 5), the loops taking turns.  Needs the module on Lua's
-- paths, as `scripts/run bench/wakeup.lua` gives it.
-- SPDX-License-Identifier: MIT
local cp = require 'child_process'

local ROUNDS, BLOCKS = tonumber(arg[1]) or 100, tonumber(arg[2]) or 5
local PAUSE = 0.002 -- seconds until the kill: the loop sleeps by then

-- One block in a loop: `after(fn)` calls fn in PAUSE seconds, by a timer of that loop.
-- Calls `done` at the end.
local function block(times, after, done)
  local left = ROUNDS
  local function round()
    local child = cp.spawn('sleep', { '1000' }, { stdio = 'ignore' })
    local begin
    child:on('exit', function()
      times[#times + 1] = cp.process:hrtime() - begin
      left = left - 1
      if left > 0 then
        round()
      else
        done()
      end
    end)
    after(function()
      begin = cp.process:hrtime()
      child:kill 'SIGKILL'
    end)
  end
  round()
end

local loops = {}

loops['cp.run()'] = function(times)
  block(times, function(fn)
    cp.setTimeout(fn, PAUSE * 1000 // 1)
  end, function() end)
  cp.run()
end

loops.cqueues = function(times)
  local cqueues = require 'cqueues'
  local queue, ended = cqueues.new(), false
  block(times, function(fn)
    queue:wrap(function()
      cqueues.sleep(PAUSE)
      fn()
    end)
  end, function()
    ended = true
  end)
  queue:wrap(function()
    repeat
      cqueues.poll(cp.loop)
      cp.run 'nowait'
    until ended
  end)
  assert(queue:loop())
  cqueues.cancel(cp.loop.pollfd())
  queue:close()
end

loops.luv = function(times)
  local uv = require 'luv'
  local watch = uv.new_poll(cp.loop.pollfd())
  watch:start('r', function()
    cp.run 'nowait'
  end)
  block(times, function(fn)
    local timer = uv.new_timer()
    timer:start(PAUSE * 1000 // 1, 0, function()
      timer:close()
      fn()
    end)
  end, function()
    watch:close()
  end)
  uv.run()
end

loops.luasocket = function(times)
  local socket = require 'socket'
  local ours = {
    getfd = cp.loop.pollfd,
    dirty = function()
      return false
    end,
  }
  local due, job, ended
  block(times, function(fn)
    due, job = socket.gettime() + PAUSE, fn
  end, function()
    ended = true
  end)
  repeat
    local ready =
      socket.select({ ours }, nil, due and math.max(due - socket.gettime(), 0))
    if ready[ours] then
      cp.run 'nowait'
    end
    if due and socket.gettime() >= due then
      due = nil
      job()
    end
  until ended
end

local NEEDS = { cqueues = 'cqueues', luv = 'luv', luasocket = 'socket' }

local function main()
  local names, times = {}, {}
  for _, name in ipairs { 'cp.run()', 'cqueues', 'luv', 'luasocket' } do
    if not NEEDS[name] or pcall(require, NEEDS[name]) then
      names[#names + 1], times[name] = name, {}
    end
  end
  for _ = 1, BLOCKS do
    for _, name in ipairs(names) do
      loops[name](times[name])
      cp.run()
    end
  end
  for _, name in ipairs(names) do
    local list = times[name]
    table.sort(list)
    local median, late = list[(#list + 1) // 2] / 1000, list[#list * 9 // 10] / 1000
    print(('%-10s %6.0f us, 90%% within %6.0f us'):format(name, median, late))
  end
end

main()
