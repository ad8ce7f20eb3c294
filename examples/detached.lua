-- Starts a process that outlives this program.  `detached` gives it a session of its own,
-- so that neither Ctrl-C nor the end of the terminal reaches it; `stdio` must not tie it
-- to our streams; and `unref` lets our loop end while it runs.  The process waits until
-- this program is gone and then says so in a file.
--
--   detached.lua FILE
local cp = require 'child_process'

local file = arg[1] or error('usage: detached.lua FILE', 0)

local script = [[
  while kill -0 "$1" 2>/dev/null; do sleep 0.05; done
  echo "process $1 is gone, process $$ goes on" >> "$2"
]]

local child = cp.spawn(
  'sh',
  { '-c', script, 'sh', tostring(cp.process.pid), file },
  { detached = true, stdio = 'ignore' }
)

child:on('spawn', function()
  print(('process %d starts process %d and ends'):format(cp.process.pid, child.pid))
end)

child:unref()
cp.run()
