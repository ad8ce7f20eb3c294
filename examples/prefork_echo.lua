-- A pre-forked echo server: prefork_echo.lua [PORT [WORKERS]]
--
-- All share the listening socket.  The workers echo; what the parent happens to accept it
-- hands over to one of them, and one that has died it replaces.  SIGTERM or Ctrl-C ends
-- it: the workers stop when their channel closes, which it also does if the parent dies.
local cp = require 'child_process'

local function echo(socket)
  socket:on('error', function() end) -- a client that went away
  socket:pipe(socket)
end

if process then
  process:on('message', function(what, handle)
    if what == 'server' then
      handle:on('connection', echo)
      process:send 'ready'
    elseif handle then
      echo(handle)
    end
  end)
  process:on('SIGINT', function() end) -- the parent says when to end
  process:on('disconnect', function()
    process:exit()
  end)
  return
end

local PORT, WORKERS = tonumber(arg[1]) or 0, tonumber(arg[2]) or 2
local workers, turn = {}, 0

local server = cp.net.createServer(function(socket)
  turn = turn % WORKERS + 1
  workers[turn]:send('socket', socket)
end)

local function say(...)
  print(string.format(...))
  io.stdout:flush()
end

local function start_worker(i)
  local worker = cp.fork(arg[0])
  workers[i] = worker
  worker:send('server', server)
  worker:once('message', function()
    say('worker %d, process %d, serves port %d', i, worker.pid, server:address().port)
  end)
  worker:on('exit', function(code, signal)
    if server.listening then
      say('worker %d has ended: %s', i, signal or code)
      start_worker(i)
    end
  end)
end

local function stop()
  server:close()
  for _, worker in ipairs(workers) do
    worker:disconnect()
  end
end

cp.process:once('SIGTERM', stop)
cp.process:once('SIGINT', stop)

server:listen(PORT, '127.0.0.1', function()
  for i = 1, WORKERS do
    start_worker(i)
  end
end)

cp.run()
