-- `exec` runs a shell command and calls back once, with all of its output.  `err` is nil
-- for exit code 0; otherwise it tells the exit code (or the signal) and the command, and
-- what the command printed is handed over all the same.
local cp = require 'child_process'

local function report(title)
  return function(err, stdout, stderr)
    print(title)
    if err then
      print(('  failed: code %s, signal %s'):format(err.code, err.signal))
    end
    io.write('  stdout: ', stdout, '  stderr: ', stderr, '\n')
  end
end

-- The second command starts when the first has ended; started together they would run at
-- the same time and finish in any order.
cp.exec('echo one two three | wc -w', function(...)
  report 'a command that works'(...)
  cp.exec('echo before; cat missing.txt | wc -l; exit 3', report 'a command that fails')
end)

cp.run()
