-- Sends SIGHUP to a child and shows how the child ended.  `cat` would wait for input for
-- ever; a signal ends it, so `exit` comes with no code and the signal's name.
local cp = require 'child_process'

local cat = cp.spawn 'cat'

cat:on('spawn', function()
  print('kill delivered the signal:', cat:kill 'SIGHUP')
end)

cat:on('exit', function(code, signal)
  print('exit code:', code)
  print('signal:', signal)
  print('a second kill finds nobody:', cat:kill 'SIGHUP')
end)

cp.run()
