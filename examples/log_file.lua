-- Gives a child a log file as its standard output and standard error.  The child writes
-- to the file itself: no data passes through this program, which could even end first.
-- An item of `stdio` may be 'pipe', 'ignore', 'inherit', a stream, a descriptor's number,
-- or a Lua file as here.
--
--   log_file.lua [FILE]
local cp = require 'child_process'

local path = arg[1] or os.tmpname()
local log = assert(io.open(path, 'a'))

local child = cp.spawn(
  'sh',
  { '-c', 'echo "a line for stdout"; echo "a line for stderr" >&2' },
  { stdio = { 'ignore', log, log } }
)
log:close() -- the child has its own copy of the descriptor

child:on('close', function(code)
  print(('exit code %d, %s holds:'):format(code, path))
  for line in io.lines(path) do
    print('  ' .. line)
  end
end)

cp.run()
