-- One listening socket, shared by a parent and its children: whoever is free accepts the
-- next connection.  The children get the server by a message and answer by themselves.
-- One more child plays the clients.
local cp = require 'child_process'

local CLIENTS = 30

local function answer(socket)
  socket:finish(tostring(cp.process.pid))
end

local roles = {}

function roles.server()
  process:once('message', function(_, server)
    server:on('connection', answer)
    process:once('disconnect', function()
      server:close()
    end)
    process:send 'ready'
  end)
end

function roles.clients()
  local served = {}
  for _ = 1, CLIENTS do
    local client = cp.net.connect(tonumber(process.argv[3]), '127.0.0.1')
    local pid = client:readAll()
    served[pid] = (served[pid] or 0) + 1
  end
  process:send(served)
end

if process then
  return roles[process.argv[2]]()
end

local server = cp.net.createServer(answer)
local children = {}

local function report(served)
  local function count(pid)
    return served[tostring(pid)] or 0
  end
  print(('of %d connections the parent took %d'):format(CLIENTS, count(cp.process.pid)))
  for i, child in ipairs(children) do
    print(('child %d took %d'):format(i, count(child.pid)))
    child:disconnect()
  end
  server:close()
end

local ready = 0

local function start_clients()
  ready = ready + 1
  if ready == #children then
    local clients = cp.fork(arg[0], { 'clients', server:address().port })
    clients:once('message', report)
  end
end

server:listen(0, '127.0.0.1', function()
  for i = 1, 2 do
    children[i] = cp.fork(arg[0], { 'server' })
    children[i]:send('server', server)
    children[i]:once('message', start_clients)
  end
end)

cp.run()
