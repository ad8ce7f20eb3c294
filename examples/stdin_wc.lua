-- Feeds this program's own standard input to `wc` and shows what wc counts.  Works alike
-- for a pipe, a file and a terminal (end the input with Ctrl-D):
--
--   stdin_wc.lua < FILE
--   dmesg | stdin_wc.lua
local cp = require 'child_process'

local wc = cp.spawn('wc')

cp.process.stdin:pipe(wc.stdin)

local counts = ''
wc.stdout:on('data', function(chunk)
  counts = counts .. chunk
end)

wc:on('close', function()
  local lines, words, bytes = counts:match '(%d+)%s+(%d+)%s+(%d+)'
  print(('%s lines, %s words, %s bytes'):format(lines, words, bytes))
end)

cp.run()
