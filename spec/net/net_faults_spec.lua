-- Each system call of a server, a socket or a datagram fails once: one error that tells,
-- at the side where it happened, or none; then nothing is left.
local faults = require 'spec.support.faults'
local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local net, dgram = cp.net, cp.dgram
local named_it = machine.wrap('localhost', it, pending)
local it = t.wrap(it)

local function noting(errs, close)
  return function(err)
    errs[#errs + 1] = err
    if close then
      close()
    end
  end
end

-- The server says hello, the client answers; `listen(server)`, `connect(server)`.
local function converse(errs, listen, connect)
  local said, heard
  local server = net.createServer()
  local opened <close> = faults.open_things()
  table.insert(opened, server)
  local function stop()
    server:close()
  end
  server:on('error', noting(errs, stop))
  server:on('connection', function(socket)
    table.insert(opened, socket)
    socket:on('error', noting(errs))
    socket:on('data', function(data)
      heard = data
    end)
    socket:on('close', stop)
    socket:finish 'hello'
  end)
  server:on('listening', function()
    local client = connect(server)
    table.insert(opened, client)
    client:on('error', noting(errs))
    client:on('close', function()
      -- an unheard connection may have been turned away
      if not said then
        stop()
      end
    end)
    client:on('data', function(data)
      said = data
      client:finish 'thanks'
    end)
  end)
  listen(server)
  cp.run()
  return said == 'hello' and heard == 'thanks'
end

local meetings = {}

meetings['over TCP'] = function(errs)
  return converse(errs, function(server)
    server:listen(0, '127.0.0.1')
  end, function(server)
    return net.connect(server:address().port, '127.0.0.1')
  end)
end

meetings['over a local socket'] = function(errs)
  local path = t.tmpdir() .. '/socket'
  return converse(errs, function(server)
    server:listen(path)
  end, function()
    return net.connect(path)
  end)
end

meetings['at a name'] = function(errs)
  return converse(errs, function(server)
    server:listen(0)
  end, function(server)
    return net.connect { port = server:address().port, host = 'localhost', family = 4 }
  end)
end

meetings['by datagram'] = function(errs)
  local got
  local opened <close> = faults.open_things()
  local socket = dgram.createSocket('udp4', function(message)
    got = message
  end)
  table.insert(opened, socket)
  local function stop()
    socket:close()
  end
  socket:on('error', noting(errs, stop))
  socket:on('message', stop)
  socket:bind(0, '127.0.0.1', function()
    socket:send('text', socket:address().port, '127.0.0.1')
  end)
  cp.run()
  return got == 'text'
end

meetings['by connected datagram'] = function(errs)
  local got
  local to, from = dgram.createSocket 'udp6', dgram.createSocket 'udp6'
  local opened <close> = faults.open_things()
  table.move({ to, from }, 1, 2, 1, opened)
  local function stop()
    to:close()
    from:close()
  end
  to:on('error', noting(errs, stop))
  from:on('error', noting(errs, stop))
  to:on('message', function(message)
    got = message
    stop()
  end)
  to:bind(0, '::1', function()
    from:connect(to:address().port, '::1', function(err)
      if err then
        return noting(errs, stop)(err)
      end
      from:send 'text'
    end)
  end)
  cp.run()
  return got == 'text'
end

for meeting, attempt in pairs(meetings) do
  local run = meeting == 'at a name' and named_it or it
  describe('a meeting ' .. meeting, function()
    run('survives each call failing #slow', function()
      -- without descriptors a connection is closed unheard, as in Node
      faults.sweep(attempt, { except = { accept4 = 'EMFILE ENFILE' } })
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end)
end
