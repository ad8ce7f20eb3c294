-- `find DIRECTORY -type f | wc -l`, with `pipe` between the two children.  `pipe` moves
-- the data, makes find wait while wc is behind, and finishes wc's input when find ends.
--
--   find_wc.lua [DIRECTORY]
local cp = require 'child_process'

local directory = arg[1] or '.'
local find = cp.spawn('find', { directory, '-type', 'f' })
local wc = cp.spawn('wc', { '-l' })

find.stdout:pipe(wc.stdin)

wc.stdout:on('data', function(chunk)
  print(('%d files in %s'):format(chunk:match '%d+', directory))
end)

find.stderr:on('data', function(chunk)
  io.stderr:write(chunk)
end)

cp.run()
