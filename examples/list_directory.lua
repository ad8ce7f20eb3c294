-- Lists a directory with `ls -l` and shows everything a child process tells: the lines of
-- its standard output and standard error as they arrive, then how it ended.  `exit` comes
-- when the process has ended, `close` when its streams have ended too: nothing is printed
-- after `close`.
--
--   list_directory.lua [PATH]
local cp = require 'child_process'

local ls = cp.spawn('ls', { '-l', arg[1] or '/' })

local function show(name, stream)
  for line in stream:lines() do
    print(('%s: %s'):format(name, line))
  end
end

-- lines() waits for the next line; in a coroutine the rest of the program goes on
cp.async(show, 'stdout', ls.stdout)
cp.async(show, 'stderr', ls.stderr)

ls:on('exit', function(code, signal)
  print(('exit: code %s, signal %s'):format(code, signal))
end)

ls:on('close', function(code, signal)
  print(('close: code %s, signal %s'):format(code, signal))
end)

cp.run()
