-- Children in a program that lives in luv.
--
-- luv's loop cannot hold our handles; it watches the descriptor of ours, and a timer of
-- luv's stands for the next of our timers.  Both keep luv's loop alive only while there
-- is something in ours.
local uv = require 'luv'
local cp = require 'child_process'

local watch, timer = uv.new_poll(cp.loop.pollfd()), uv.new_timer()

-- luv ends the program at an error in a callback; here they are printed.
local function turn()
  local ok, alive = pcall(cp.run, 'nowait')
  if not ok then
    io.stderr:write(tostring(alive), '\n')
  end
  if alive then
    watch:ref()
  else
    watch:unref()
  end
  timer:stop()
  local seconds = cp.loop.timeout()
  if seconds then
    timer:start(math.ceil(seconds * 1000), 0, turn)
  end
end

watch:start('r', turn)

cp.exec('sleep 0.01; echo from the shell', function(_, stdout)
  io.write('callback\t', stdout)
end)

cp.async(function()
  local sort = cp.spawn('sort', { '-n' })
  sort.stdin:finish '10\n9\n1\n'
  for line in sort.stdout:lines() do
    print('sorted', line)
  end
  print('exit code', sort:wait().code)
end)

local ticks, ticker = 0, uv.new_timer()
ticker:start(50, 50, function()
  ticks = ticks + 1
  print('luv', 'tick ' .. ticks)
  if ticks == 5 then
    ticker:close()
    -- All children have ended; one more may be started at any time.  Since luv has
    -- nothing else left, it would end before it looks at the descriptor: a turn at once.
    cp.execFile('echo', { 'at the end' }, function(_, stdout)
      io.write('callback\t', stdout)
    end)
    turn()
  end
end)

uv.run()
