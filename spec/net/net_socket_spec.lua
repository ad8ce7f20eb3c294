-- net.Socket: connecting, its errors, time-outs, the ends of a connection.
local core = require 'child_process.core'
local machine = require 'spec.support.machine'
local stream = require 'child_process.stream'
local t = require 'spec.helper'

local named_it = machine.wrap('localhost', it, pending)
local it = t.wrap(it)
local net = t.cp.net

-- A server for one connection; `ready(port)` runs when it listens.
local function serve_one(on_connection, ready)
  local server = net.createServer()
  t.once(server, 'connection', function(socket)
    server:close()
    on_connection(socket)
  end)
  server:listen(0, '127.0.0.1', function()
    ready(server:address().port)
  end)
end

local function finish(socket)
  socket:resume():finish()
end

-- A port where nobody listens.
local function free_port()
  local server = net.createServer():listen(0)
  local port = server:address().port
  server:close()
  return port
end

describe('net.connect', function()
  it('is also called createConnection', function()
    assert.equal(net.connect, net.createConnection)
  end)

  it('connects to a port, and tells both ends their names', function()
    serve_one(function(socket)
      assert.equal('127.0.0.1', socket.localAddress)
      assert.is_false(socket.connecting)
      finish(socket)
    end, function(port)
      local client
      client = net.connect(
        port,
        '127.0.0.1',
        t.expect(function()
          assert.equal('127.0.0.1', client.remoteAddress)
          assert.equal(port, client.remotePort)
          assert.equal('IPv4', client.remoteFamily)
          assert.equal('127.0.0.1', client.localAddress)
          assert.equal('IPv4', client.localFamily)
          assert.same({
            address = '127.0.0.1',
            family = 'IPv4',
            port = client.localPort,
          }, client:address())
          assert.equal('open', client.readyState)
          assert.is_false(client.pending)
          client:resume()
        end)
      )
      assert.is_true(client.connecting)
      assert.is_true(client.pending)
      assert.equal('opening', client.readyState)
      assert.is_nil(client.remoteAddress)
    end)
  end)

  it('emits connect, ready and what follows in order', function()
    serve_one(function(socket)
      socket:write 'hello'
      t.once(socket, 'data', function(chunk)
        assert.equal('early', chunk)
        socket:finish()
      end)
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      local events = { 'connect', 'ready', 'data', 'end', 'finish', 'close' }
      local order = t.record(client, events)
      client:write('early', function()
        order[#order + 1] = 'written'
      end)
      client:on('close', function()
        assert.same(
          { 'connect', 'ready', 'written', 'data', 'end', 'finish', 'close' },
          order
        )
        assert.equal('closed', client.readyState)
        assert.is_true(client.pending)
      end)
    end)
  end)

  it('keeps what was written and finished before it is connected', function()
    serve_one(function(socket)
      local text = t.collect(socket)
      t.once(socket, 'end', function()
        assert.equal(('x'):rep(100000) .. 'end', text())
      end)
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      assert.is_false(client:write(('x'):rep(100000)))
      client:resume():finish('end', t.expect())
    end)
  end)

  named_it('goes to localhost if it is not told where', function()
    serve_one(finish, function(port)
      finish(net.connect(port))
    end)
  end)

  named_it('looks a name up', function()
    serve_one(finish, function(port)
      local client = net.connect { port = port, host = 'localhost', family = 4 }
      t.once(client, 'lookup', function(err, address, family, host)
        assert.is_nil(err)
        assert.equal('127.0.0.1', address)
        assert.equal(4, family)
        assert.equal('localhost', host)
      end)
      client:resume()
    end)
  end)

  it('connects from a given address', function()
    local from = free_port()
    serve_one(function(socket)
      assert.equal('127.0.0.2', socket.remoteAddress)
      assert.equal(from, socket.remotePort)
      finish(socket)
    end, function(port)
      net
        .connect({
          port = port,
          host = '127.0.0.1',
          localAddress = '127.0.0.2',
          localPort = from,
        })
        :resume()
    end)
  end)

  it('emits an error and closes when nobody listens', function()
    local port = free_port()
    local client = net.connect(port, '127.0.0.1')
    client:on('connect', t.never())
    client:write(
      'lost',
      t.expect(function(err)
        assert.equal('ERR_SOCKET_CLOSED_BEFORE_CONNECTION', err.code)
      end)
    )
    local order, arguments = t.record(client, { 'error', 'close' })
    t.once(client, 'close', function()
      assert.same({ 'error', 'close' }, order)
      assert.same({ true, n = 1 }, arguments[2])
      local err = arguments[1][1]
      assert.equal(('connect ECONNREFUSED 127.0.0.1:%d'):format(port), err.message)
      assert.equal('connect', err.syscall)
      assert.equal('127.0.0.1', err.address)
      assert.equal(port, err.port)
      assert.equal(-111, err.errno)
    end)
  end)

  it('emits an error for a path or a local address that is not there', function()
    t.once(net.connect '/nowhere/at all', 'error', function(err)
      assert.equal('connect ENOENT /nowhere/at all', err.message)
      assert.equal('/nowhere/at all', err.address)
      assert.is_nil(err.port)
    end)
    local options = { port = 1, host = '127.0.0.1', localAddress = '192.0.2.1' }
    t.once(net.connect(options), 'error', function(err)
      assert.equal('bind EADDRNOTAVAIL 192.0.2.1', err.message)
    end)
  end)

  it('tries the next address, and tells of all that failed', function()
    local port = free_port()
    local client = net.Socket()
    -- as if a name had two addresses
    local connecting = require 'child_process.net.connecting'
    local attempt = connecting.plan { port = port, host = 'two.example' }
    attempt.targets = { '127.0.0.1', '127.0.0.2' }
    connecting.start(client, attempt, t.never())
    t.once(client, 'error', function(err)
      assert.equal('AggregateError', err.name)
      assert.equal('ECONNREFUSED', err.code)
      assert.equal('127.0.0.1', err.errors[1].address)
      assert.equal('127.0.0.2', err.errors[2].address)
    end)
  end)

  it('raises on what can be no address', function()
    local err = t.raises('ERR_SOCKET_BAD_PORT', net.connect, 70000)
    assert.equal(
      'Port should be >= 0 and < 65536. Received type number (70000).',
      err.message
    )
    t.raises('ERR_SOCKET_BAD_PORT', net.connect, { port = 'abc' })
    err = t.raises('ERR_MISSING_ARGS', net.connect)
    assert.equal(
      'The "options" or "port" or "path" argument must be specified',
      err.message
    )
    t.raises('ERR_MISSING_ARGS', net.connect, {})
    t.raises('ERR_INVALID_ARG_TYPE', net.connect, { path = 5 })
    t.raises('ERR_INVALID_ARG_TYPE', net.connect, { port = 1, host = 5 })
    local here = { port = 1, localAddress = 'x' }
    t.raises('ERR_INVALID_IP_ADDRESS', net.connect, here)
    t.raises('ERR_INVALID_ARG_TYPE', net.connect, { port = 1, localPort = 'x' })
  end)

  named_it('can be destroyed at any time', function()
    local port = free_port()
    for _, host in ipairs { '127.0.0.1', 'localhost' } do
      local at_once = net.connect(port, host)
      at_once:on('error', t.never())
      t.once(at_once, 'close', function(had_error)
        assert.is_false(had_error)
      end)
      at_once:destroy()
      assert.is_false(at_once.connecting)
      local next_turn = net.connect(port, host)
      next_turn:on('error', function() end)
      t.once(next_turn, 'close')
      t.cp.setImmediate(next_turn.destroy, next_turn)
    end
  end)

  it('connects again after it was closed', function()
    local port = free_port()
    local client = net.connect(port, '127.0.0.1')
    local closes = 0
    client:on('error', function() end)
    client:on('close', function()
      closes = closes + 1
      if closes == 1 then
        serve_one(function(socket)
          socket:finish 'now'
        end, function(other)
          client:connect(other, '127.0.0.1')
        end)
      end
    end)
    local text = t.collect(client)
    t.once(client, 'connect', function()
      t.once(client, 'end', function()
        assert.equal('now', text())
      end)
    end)
  end)

  it('keeps its encoding and the fields of the user when it connects again', function()
    local port = free_port()
    local client = net.connect(port, '127.0.0.1')
    client._mine, client.mine = 1, 2
    client:setEncoding 'hex'
    client:once('error', function() end)
    t.once(client, 'close', function()
      serve_one(function(socket)
        socket:finish 'text'
      end, function(other)
        client:removeAllListeners()
        client:connect(other, '127.0.0.1')
        assert.same({ 1, 2 }, { client._mine, client.mine })
        assert.equal('hex', client.readableEncoding)
        local text = t.collect(client)
        t.once(client, 'close', function()
          assert.equal('74657874', text())
        end)
      end)
    end)
  end)

  it('ends once for each time it was connected, even if it connects at once', function()
    local log, connections = {}, 0
    local server
    server = net.createServer(function(socket)
      connections = connections + 1
      socket:on('error', function() end)
      socket:finish('text ' .. connections)
      if connections == 2 then
        server:close()
      end
    end)
    server:listen(0, '127.0.0.1', function()
      local port = server:address().port
      local client = net.connect(port, '127.0.0.1')
      t.record(client, { 'connect', 'end', 'close' }, log)
      client:on('data', function(chunk)
        log[#log + 1] = chunk
        if chunk == 'text 1' then
          client:destroy()
          client:connect(port, '127.0.0.1')
        end
      end)
      t.once(client, 'end', function()
        client:removeAllListeners 'data'
      end)
    end)
    t.cp.run()
    assert.same(
      { 'connect', 'text 1', 'close', 'connect', 'text 2', 'end', 'close' },
      log
    )
  end)

  it('goes on when a listener for connect raises', function()
    local got
    serve_one(function(socket)
      got = t.collect(socket)
    end, function(port)
      local client = net.connect(port, '127.0.0.1', function()
        error { 'in connect' }
      end)
      client:resume():finish 'text'
    end)
    local ok, err = pcall(t.cp.run)
    assert.is_false(ok)
    assert.same({ 'in connect' }, err)
    t.cp.run()
    assert.equal('text', got())
  end)
end)

describe('a socket', function()
  it('that was never connected cannot be written', function()
    local socket = net.Socket()
    assert.is_true(socket.pending)
    socket:write(
      'text',
      t.expect(function(err)
        assert.equal('ERR_SOCKET_CLOSED', err.code)
      end)
    )
    t.once(socket, 'error', function(err)
      assert.equal('ERR_SOCKET_CLOSED', err.code)
    end)
  end)

  it('tells when it has been idle, and goes on', function()
    serve_one(function(socket)
      socket:on('data', function(chunk)
        socket:write(chunk)
      end)
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      local idle = 0
      client:setTimeout(20)
      client:on('timeout', function()
        idle = idle + 1
        if idle == 1 then
          client:write 'activity'
        else
          client:setTimeout(0)
          client:finish()
        end
      end)
      t.once(client, 'data', function()
        assert.equal(1, idle)
      end)
      t.once(client, 'close', function()
        assert.equal(2, idle)
      end)
    end)
  end)

  it('is not idle while something happens', function()
    serve_one(function(socket)
      local ticks, timer = 0, nil
      timer = t.cp.setInterval(function()
        ticks = ticks + 1
        socket:write '.'
        if ticks == 10 then
          timer:close()
          finish(socket)
        end
      end, 20)
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      client:setTimeout(150 * (os.getenv 'LCP_GC_STRESS' and 10 or 1), t.never())
      client:resume()
    end)
  end)

  it('checks the time-out', function()
    local socket = net.Socket()
    t.raises('ERR_INVALID_ARG_TYPE', socket.setTimeout, socket, 'x')
    t.raises('ERR_OUT_OF_RANGE', socket.setTimeout, socket, -1)
    t.raises('ERR_OUT_OF_RANGE', socket.setTimeout, socket, 0 / 0)
    t.raises('ERR_INVALID_ARG_TYPE', socket.setTimeout, socket, 1, 'x')
    socket:destroy()
  end)

  it('takes its options before and after it is connected', function()
    serve_one(finish, function(port)
      local client = net.Socket()
      assert.equal(client, client:setNoDelay())
      assert.equal(client, client:setKeepAlive(true, 5000))
      client:connect(port, '127.0.0.1', function()
        client:setNoDelay(false)
        client:setKeepAlive(false)
        client:resume()
      end)
    end)
  end)

  it('does not keep the loop alive after unref()', function()
    local server = net.createServer():listen(0):unref()
    local accepted
    server:on('connection', function(socket)
      accepted = socket:unref()
      t.cp.stop()
    end)
    local client = net.connect(server:address().port, '127.0.0.1'):unref()
    local deadline = t.cp.setTimeout(t.never(), 5000)
    t.cp.run()
    deadline:close()
    t.cp.run()
    assert.is_truthy(accepted)
    client:destroy()
    accepted:destroy()
    server:close()
  end)

  it('resets a connection', function()
    serve_one(function(socket)
      t.once(socket, 'data', function()
        t.once(socket, 'close', function(had_error)
          assert.is_false(had_error)
        end)
        socket:resetAndDestroy()
      end)
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      client:write 'go'
      client:resume()
      t.once(client, 'error', function(err)
        assert.equal('ECONNRESET', err.code)
        assert.equal('read', err.syscall)
      end)
    end)
  end)

  it('is destroyed soon: when all is written', function()
    serve_one(function(socket)
      local text = t.collect(socket)
      t.once(socket, 'end', function()
        assert.equal(1000000, #text())
      end)
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      client:write(('x'):rep(1000000))
      client:destroySoon()
      t.once(client, 'close')
    end)
  end)

  it('takes a descriptor over', function()
    local handle
    serve_one(finish, function(port)
      local first
      first = net.connect(port, '127.0.0.1', function()
        handle = stream.take_handle(first)
        assert.equal('open', first.readyState)
        local second = net.Socket { handle = handle }
        t.once(second:resume(), 'end')
      end)
    end)
  end)

  it('takes the number of a descriptor over', function()
    local function echo(socket)
      socket:pipe(socket)
    end
    serve_one(echo, function(port)
      local first
      first = net.connect(port, '127.0.0.1', function()
        local fd = core.take_fd(core.copy_fd(first._handle:fileno()))
        first:destroy()
        local second = net.Socket { fd = fd }
        assert.equal(port, second.remotePort)
        assert.equal('open', second.readyState)
        assert.is_false(second.pending)
        local text = t.collect(second)
        second:finish 'by number'
        t.once(second, 'close', function()
          assert.equal('by number', text())
          assert.is_nil(t.fds()[fd])
        end)
      end)
    end)
  end)

  it('takes pipes, and nothing that is neither', function()
    local child = t.cp.spawn('cat', {}, { stdio = { 'pipe', 'pipe', 'inherit' } })
    local output =
      net.Socket { handle = (stream.take_handle(child.stdout)), writable = false }
    local text = t.collect(output)
    child.stdin:finish 'through a pipe'
    t.once(output, 'end', function()
      assert.equal('through a pipe', text())
    end)
    local file <close> = assert(io.open '/dev/null')
    local options = { fd = core.file_fd(file) }
    t.raises('ERR_INVALID_FD_TYPE', net.Socket, options)
    t.raises('ERR_OUT_OF_RANGE', net.Socket, { fd = -1 })
    t.raises('EBADF', net.Socket, { fd = 1000000 })
  end)

  it('is collected when nobody can hear of it any more', function()
    local sockets = setmetatable({}, { __mode = 'k' })
    serve_one(function(socket)
      sockets[socket:pause()] = true
      socket:destroy()
    end, function(port)
      local client = net.connect(port, '127.0.0.1'):resume()
      sockets[client] = true
    end)
    t.cp.run()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(sockets))
  end)
end)

describe('the end of the state', function()
  it('closes servers, connections, lookups and datagrams in any state', function()
    local command, arguments = t.lua 'open_sockets.lua'
    local child = t.cp.spawn(command, arguments, { stdio = 'inherit' })
    t.once(child, 'close', function(code)
      assert.equal(7, code)
    end)
  end)
end)
