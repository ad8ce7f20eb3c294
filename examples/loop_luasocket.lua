-- Children in a program that waits in LuaSocket's select.
--
-- select takes any object with getfd() and dirty().  Here the program has a server of its
-- own, and the child that it starts is its client.
local socket = require 'socket'
local cp = require 'child_process'

local children = {
  getfd = cp.loop.pollfd,
  dirty = function()
    return false
  end,
}

local server = assert(socket.bind('127.0.0.1', 0))
local _, port = server:getsockname()

local function answer(client)
  client:send('you said ' .. client:receive '*l' .. '\n')
  client:close()
end

local CLIENT = [[
  local client = assert(require 'socket'.connect('127.0.0.1', tonumber(arg[1])))
  client:send 'hello\n'
  print((client:receive '*l'))]]

-- `lua5.4 - PORT` runs what comes by its standard input
cp.execFile('lua5.4', { '-', port }, { input = CLIENT }, function(err, stdout, stderr)
  io.write('the client: ', stdout, stderr)
  print('exit code', err and err.code or 0)
end)

while cp.run 'nowait' do
  local ready = socket.select({ server, children }, nil, cp.loop.timeout())
  if ready[server] then
    answer(server:accept())
  end
end
