-- For the C program host.c: runs commands, and forks the program as a worker of its own.
--   host program.lua
local cp = require 'child_process'
local folder = arg[0]:match '^(.*/)' or './'

cp.exec('echo from the shell; exit 3', function(err, stdout)
  io.write(stdout)
  print('exit code', err.code)
end)

local worker = cp.fork(folder .. 'worker.lua')
worker:send { numbers = { 1, 2, 3 } }
worker:on('message', function(answer)
  print('the sum is', answer.sum)
end)
worker:on('exit', function(code)
  print('the worker ended with', code)
end)
