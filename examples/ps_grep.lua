-- `ps ax | grep PATTERN`, joined by hand: every chunk that ps prints is written to grep,
-- and grep's input is finished when ps has ended.  A write that returns false means that
-- grep is behind, so ps is paused until grep has drained.  `pipe` does all this for you
-- (see find_wc.lua); by hand you can look at the data, or change it, on the way.
--
--   ps_grep.lua [PATTERN]
local cp = require 'child_process'

local ps = cp.spawn('ps', { 'ax' })
local grep = cp.spawn('grep', { arg[1] or 'lua' })

ps.stdout:on('data', function(chunk)
  if not grep.stdin:write(chunk) then
    ps.stdout:pause()
  end
end)

grep.stdin:on('drain', function()
  ps.stdout:resume()
end)

ps.stdout:on('end', function()
  grep.stdin:finish()
end)

grep.stdout:on('data', function(chunk)
  io.write(chunk)
end)

for name, child in pairs { ps = ps, grep = grep } do
  child.stderr:on('data', function(chunk)
    io.stderr:write(name, ': ', chunk)
  end)
end

grep:on('close', function(code)
  if code == 1 then
    print 'no process matches'
  end
end)

cp.run()
