-- Children in a program that lives in cqueues.
--
-- A coroutine of cqueues simply waits: for lines, for a child.  For callbacks one more of
-- them drives our loop; `cp.loop` is an object that cqueues.poll takes.
local cqueues = require 'cqueues'
local cp = require 'child_process'

local queue = cqueues.new()

queue:wrap(function()
  local sort = cp.spawn('sort', { '-n' })
  sort.stdin:finish '10\n9\n1\n'
  for line in sort.stdout:lines() do
    print('sorted', line)
  end
  print('exit code', sort:wait().code)
end)

cp.exec('sleep 0.1; echo from the shell', function(_, stdout)
  io.write('callback\t', stdout)
end)

queue:wrap(function()
  while cp.run 'nowait' do
    cqueues.poll(cp.loop)
  end
  -- cqueues must forget the descriptor before it is closed, at the end of the program
  cqueues.cancel(cp.loop.pollfd())
end)

queue:wrap(function()
  for i = 1, 3 do
    cqueues.sleep(0.02)
    print('cqueues', 'tick ' .. i)
  end
end)

assert(queue:loop())
