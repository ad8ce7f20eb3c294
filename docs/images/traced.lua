-- traced.lua - the program whose trace is docs/images/trace.svg.
local cp = require 'child_process'

if cp.process.connected then
  cp.process:on('message', function(n)
    cp.process:send(n * n)
  end)
  return cp.run()
end

local worker = cp.fork(arg[0])
worker:on('message', function(square)
  if square == 9 then
    worker:disconnect()
  end
end)
for n = 1, 3 do
  worker:send(n)
end
cp.exec 'gzip </bin/sh | wc -c'
cp.exec 'sleep 0.02; exit 3'
cp.execFile('sleep', { '10' }, { timeout = 40 })
cp.run()
