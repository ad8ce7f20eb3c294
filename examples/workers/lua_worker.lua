-- Worker of node_parent.js: replaces by Lua's patterns.  A script that a Node has forked
-- finds its channel in `cp.process` and runs the loop itself.
local cp = require 'child_process'

cp.process:on('message', function(job)
  local ok, result, count = pcall(string.gsub, job.text, job.pattern, job.replacement)
  if ok then
    cp.process:send { id = job.id, text = result, count = count }
  else
    cp.process:send { id = job.id, problem = result }
  end
end)

cp.run()
