-- A server sorts its connections: some are special and go to a child of their own, the
-- others to a normal one.  With `pauseOnConnect` nothing is read before the child reads.
-- Here those from 127.0.0.2 are special.
local cp = require 'child_process'

if process then
  local kind = process.argv[2]
  process:on('message', function(_, socket)
    if socket then -- it is nil when the client has gone meanwhile
      socket:on('data', function(name)
        socket:finish(('hello %s, you are %s'):format(name, kind))
      end)
      socket:resume()
    end
  end)
  return
end

local normal = cp.fork(arg[0], { 'normal' })
local special = cp.fork(arg[0], { 'special' })

local server = cp.net.createServer({ pauseOnConnect = true }, function(socket)
  if socket.remoteAddress == '127.0.0.2' then
    special:send('socket', socket)
  else
    normal:send('socket', socket)
  end
end)

local function visit(name, address)
  local port = server:address().port
  local client =
    cp.net.connect { port = port, host = '127.0.0.1', localAddress = address }
  client:write(name)
  print(client:readAll())
end

server:listen(0, '127.0.0.1', function()
  cp.async(function()
    visit('Ann', '127.0.0.1')
    visit('Bob', '127.0.0.2')
    visit('Cleo', '127.0.0.1')
    normal:disconnect()
    special:disconnect()
    server:close()
  end)
end)

cp.run()
