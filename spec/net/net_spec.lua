-- cp.net: servers, what they listen on, and the argument forms of both.
local core = require 'child_process.core'
local machine = require 'spec.support.machine'
local workers = require 'child_process.net.workers'
local t = require 'spec.helper'

local named_it = machine.wrap('localhost', it, pending)
local it = t.wrap(it)
local net = t.cp.net

-- A server on a port of 127.0.0.1; `ready(server, port)` runs when it listens.
local function serve(on_connection, ready)
  local server = net.createServer(on_connection)
  server:listen(0, '127.0.0.1', function()
    ready(server, server:address().port)
  end)
  return server
end

local function has_ip6()
  local handle = core.listen('::1', 0, 1, true)
  if handle then
    handle:close()
  end
  return handle ~= nil
end

describe('net.createServer', function()
  it('takes options, a listener, both or none', function()
    local function listener() end
    assert.same({}, net.createServer():listeners 'connection')
    assert.same({ listener }, net.createServer(listener):listeners 'connection')
    local server = net.createServer({ allowHalfOpen = true }, listener)
    assert.same({ listener }, server:listeners 'connection')
    assert.is_true(server.allowHalfOpen)
    local err = t.raises('ERR_INVALID_ARG_TYPE', net.createServer, 'path')
    local text = 'The "options" argument must be of type table. '
    assert.equal(text .. "Received type string ('path')", err.message)
  end)

  it('echoes to a client and closes when its connections have ended', function()
    serve(
      t.expect(function(socket)
        socket:pipe(socket)
        socket.server:close(t.expect(function(err)
          assert.is_nil(err)
          assert.is_true(socket.destroyed)
        end))
        assert.is_false(socket.server.listening)
      end),
      function(_, port)
        local client = net.connect(port, '127.0.0.1')
        local text = t.collect(client)
        client:finish 'over there'
        t.once(client, 'close', function(had_error)
          assert.is_false(had_error)
          assert.equal('over there', text())
        end)
      end
    )
  end)

  it('counts its connections', function()
    serve(
      t.expect(function(socket)
        local server = socket.server
        server:close()
        server:getConnections(t.expect(function(err, count)
          assert.is_nil(err)
          assert.equal(1, count)
          socket:destroy()
          server:getConnections(t.expect(function(_, after)
            assert.equal(0, after)
          end))
        end))
      end),
      function(_, port)
        net.connect(port, '127.0.0.1'):resume()
      end
    )
  end)

  it('asks the processes that have sockets of its, and waits for them', function()
    local server = net.createServer():listen(0)
    local list = t.cp.EventEmitter()
    local close_there
    function list:getConnections(callback)
      callback(nil, 3)
    end
    function list:close(callback)
      close_there = callback
    end
    workers.add(server, list)
    server:getConnections(t.expect(function(_, count)
      assert.equal(3, count)
    end))
    local closed
    server:close(function()
      closed = true
    end)
    t.cp.setImmediate(t.expect(function()
      assert.is_nil(closed)
      close_there()
      t.once(server, 'close')
    end))
  end)

  it('turns away what is more than maxConnections', function()
    local first
    local server = serve(
      t.expect(function(socket)
        socket:resume()
      end),
      function(server, port)
        server.maxConnections = 1
        first = net.connect(port, '127.0.0.1', function()
          local second = net.connect(port, '127.0.0.1')
          second:resume()
          t.once(second, 'close', function()
            first:destroy()
            server:close()
          end)
        end)
      end
    )
    t.once(server, 'drop', function(data)
      assert.equal('127.0.0.1', data.remoteAddress)
      assert.equal('IPv4', data.localFamily)
      assert.equal(server:address().port, data.localPort)
    end)
  end)

  it('reads nothing with pauseOnConnect before resume()', function()
    local server = net.createServer({ pauseOnConnect = true })
    t.once(server, 'connection', function(socket)
      server:close()
      assert.is_true(socket:isPaused())
      socket:on('data', t.never())
      t.cp.setTimeout(
        t.expect(function()
          assert.equal(0, socket.bytesRead)
          socket:removeAllListeners 'data'
          t.once(socket, 'data', function(chunk)
            assert.equal('early', chunk)
          end)
          socket:resume()
        end),
        20
      )
    end)
    server:listen(0, function()
      net.connect(server:address().port, '127.0.0.1'):finish 'early'
    end)
  end)

  it('leaves the writing side open with allowHalfOpen', function()
    local server = net.createServer({ allowHalfOpen = true })
    t.once(server, 'connection', function(socket)
      server:close()
      socket:resume()
      t.once(socket, 'end', function()
        assert.equal('writeOnly', socket.readyState)
        socket:finish 'after the end'
      end)
    end)
    server:listen(0, function()
      local client = net.connect(server:address().port, '127.0.0.1')
      local text = t.collect(client)
      client:finish()
      t.once(client, 'close', function()
        assert.equal('after the end', text())
      end)
    end)
  end)

  it('goes on accepting when a listener has raised', function()
    local server, count = net.createServer(), 0
    server:on('connection', function(socket)
      socket:destroy()
      count = count + 1
      if count == 1 then
        error { 'the first one' }
      end
      server:close()
    end)
    server:listen(0)
    local port = server:address().port
    net.connect(port, '127.0.0.1'):resume()
    net.connect(port, '127.0.0.1'):resume()
    local ok, err = pcall(t.cp.run)
    assert.is_false(ok)
    assert.same({ 'the first one' }, err)
    t.cp.run()
    assert.equal(2, count)
  end)

  it('does not keep the loop alive after unref()', function()
    local server = net.createServer():listen(0):unref()
    t.cp.run()
    assert.is_true(server.listening)
    server:close()
  end)

  it('turns connections away when there is no descriptor left, and goes on', function()
    local command, arguments = t.lua 'few_descriptors.lua'
    table.move(arguments, 1, #arguments, 4)
    table.move({ '-c', 'ulimit -n 40; exec "$0" "$@"', command }, 1, 3, 1, arguments)
    local child = t.cp.spawn('sh', arguments, { stdio = { 'pipe', 'pipe', 'inherit' } })
    t.once(child, 'close', function(code)
      assert.equal(0, code)
    end)
    local open, greeted, refused = 60, 0, 0
    local function count()
      open = open - 1
      if open == 0 then
        assert.is_true(greeted > 10 and refused > 10)
        child.stdin:finish()
      end
    end
    t.on_line(child.stdout, function(port)
      for _ = 1, 60 do
        local client = net.connect(port, '127.0.0.1')
        client:on('error', function() end)
        client:once('data', function()
          greeted = greeted + 1
          client.greeted = true
          count()
        end)
        client:on('close', function()
          if not client.greeted then
            refused = refused + 1
            count()
          end
        end)
      end
    end)
  end)
end)

describe('server:listen', function()
  it('takes a port, a host, a backlog and a callback', function()
    local server = net.createServer()
    assert.equal(server, server:listen(0, '127.0.0.1', 5, t.expect()))
    assert.is_nil(server:address())
    t.once(server, 'listening', function()
      local address = server:address()
      assert.equal('127.0.0.1', address.address)
      assert.equal('IPv4', address.family)
      assert.is_true(address.port > 0)
      assert.is_true(server.listening)
      server:close()
    end)
  end)

  it('takes a table, which stays as it is, or nothing', function()
    local options = { port = '0', host = '127.0.0.1', backlog = 3, exclusive = true }
    local server = net.createServer():listen(options)
    t.once(server, 'listening', function()
      server:close()
    end)
    assert.same(
      { port = '0', host = '127.0.0.1', backlog = 3, exclusive = true },
      options
    )
    local other = net.createServer()
    other:listen(t.expect(function()
      other:close()
    end))
    assert.is_true(other.listening)
    net.createServer():listen(nil):close()
  end)

  it('listens everywhere without a host', function()
    local server = net.createServer():listen(0)
    assert.equal(has_ip6() and '::' or '0.0.0.0', server:address().address)
    t.once(server, 'connection', function(socket)
      socket:destroy()
      server:close()
    end)
    net.connect(server:address().port, '127.0.0.1'):resume()
  end)

  it('listens on IPv6, and only there with ipv6Only', function()
    if not has_ip6() then
      return pending 'there is no IPv6'
    end
    local server = net.createServer():listen { port = 0, host = '::', ipv6Only = true }
    t.once(server, 'connection', function(socket)
      assert.equal('::1', socket.remoteAddress)
      assert.equal('IPv6', socket.remoteFamily)
      socket:destroy()
      server:close()
    end)
    t.once(server, 'listening', function()
      local port = server:address().port
      local refused = net.connect(port, '127.0.0.1')
      t.once(refused, 'error', function(err)
        assert.equal('ECONNREFUSED', err.code)
        net.connect(port, '::1'):resume()
      end)
    end)
  end)

  it('listens on a path, and removes it', function()
    local path = t.tmpdir() .. '/socket'
    local server = net.createServer(t.expect(function(socket)
      assert.is_nil(socket.remoteAddress)
      assert.same({}, socket:address())
      socket:finish 'local'
    end))
    server:listen(path, function()
      assert.equal(path, server:address())
      local client = net.connect(path)
      local text = t.collect(client)
      t.once(client, 'close', function()
        assert.equal('local', text())
        server:close()
        assert.is_nil(io.open(path))
      end)
    end)
  end)

  it('listens on an abstract name', function()
    local name = ('\0lcp-spec-%d'):format(t.pid())
    local server = net.createServer(t.expect(function(socket)
      socket:finish()
    end))
    server:listen({ path = name }, function()
      assert.equal(name, server:address())
      local client = net.connect({ path = name })
      client:resume()
      t.once(client, 'close', function()
        server:close()
      end)
    end)
  end)

  it('takes a descriptor over', function()
    local first = net.createServer():listen(0)
    local port = first:address().port
    local handle = first:_take_acceptor()
    assert.is_false(first.listening)
    local server = net.createServer(t.expect(function(socket)
      socket:destroy()
    end))
    server:listen(handle, function()
      assert.equal(port, server:address().port)
      local client = net.connect(port, '127.0.0.1'):resume()
      t.once(client, 'close', function()
        server:close()
      end)
    end)
  end)

  it('takes a descriptor over: of a socket that listens, or is only bound', function()
    local first = net.createServer():listen(0, '127.0.0.1')
    t.once(first, 'listening', function()
      local port = first:address().port
      local fd = core.take_fd(core.copy_fd(first._acceptor:fileno()))
      first:close()
      local second = net.createServer(t.expect(function(socket)
        socket:finish 'from the second'
      end))
      second:listen({ fd = fd }, function()
        assert.same(
          { address = '127.0.0.1', family = 'IPv4', port = port },
          second:address()
        )
        local client = net.connect(port, '127.0.0.1')
        local text = t.collect(client)
        t.once(client, 'close', function()
          assert.equal('from the second', text())
          second:close()
          assert.is_nil(t.fds()[fd])
        end)
      end)
    end)
  end)

  it('says what is wrong with a descriptor', function()
    local file = assert(io.open '/dev/null')
    local fd = core.file_fd(file)
    local server = net.createServer():listen { fd = fd }
    t.once(server, 'error', function(err)
      assert.equal('EINVAL', err.code)
      assert.equal('listen', err.syscall)
      assert.is_true(file:close()) -- it is still ours
    end)
  end)

  it('emits an error for an address that is taken', function()
    local first = net.createServer():listen(0, '127.0.0.1')
    t.once(first, 'listening', function()
      local port = first:address().port
      local server = net.createServer():listen(port, '127.0.0.1')
      server:on('listening', t.never())
      t.once(server, 'error', function(err)
        local text = 'listen EADDRINUSE: address already in use 127.0.0.1:%d'
        assert.equal(text:format(port), err.message)
        assert.equal('EADDRINUSE', err.code)
        assert.equal(-98, err.errno)
        assert.equal('listen', err.syscall)
        assert.equal('127.0.0.1', err.address)
        assert.equal(port, err.port)
        first:close()
        server:close(t.expect(function(not_running)
          assert.equal('ERR_SERVER_NOT_RUNNING', not_running.code)
        end))
      end)
    end)
  end)

  it('emits an error for a path or an address that cannot be', function()
    local function fails(code, ...)
      t.once(net.createServer():listen(...), 'error', function(err)
        assert.equal(code, err.code)
      end)
    end
    fails('ENOENT', '/nowhere/at all/socket')
    fails('ENAMETOOLONG', '/tmp/' .. ('x'):rep(200))
    fails('EINVAL', '/tmp/with\0nul')
    fails('EADDRNOTAVAIL', 0, '192.0.2.1')
  end)

  it('may be called again after an error or close()', function()
    local server = net.createServer():listen '/nowhere/at all/socket'
    t.once(server, 'error', function()
      server:listen(0)
      server:close()
      server:listen(
        0,
        t.expect(function()
          server:close()
        end)
      )
    end)
  end)

  it('raises on what can be no address', function()
    local server = net.createServer()
    for _, port in ipairs { -1, 65536, 1.5, 0 / 0 } do
      t.raises('ERR_SOCKET_BAD_PORT', server.listen, server, port)
    end
    local err = t.raises('ERR_SOCKET_BAD_PORT', server.listen, server, { port = 'x' })
    assert.equal(
      "options.port should be >= 0 and < 65536. Received type string ('x').",
      err.message
    )
    t.raises('ERR_INVALID_ARG_VALUE', server.listen, server, {})
    t.raises('ERR_INVALID_ARG_VALUE', server.listen, server, true)
    t.raises('ERR_INVALID_ARG_TYPE', server.listen, server, { port = 0, host = 5 })
    server:listen(0)
    t.raises('ERR_SERVER_ALREADY_LISTEN', server.listen, server, 0)
    server:close()
  end)

  it('does not listen when it is closed while the name is looked up', function()
    local server = net.createServer()
    server:listen(0, 'localhost', t.never())
    t.raises('ERR_SERVER_ALREADY_LISTEN', server.listen, server, 0)
    server:close(t.expect())
  end)

  named_it('looks names up', function()
    local server = net.createServer()
    server:listen(
      0,
      'localhost',
      t.expect(function()
        assert.is_true(net.isIP(server:address().address) > 0)
        server:close()
      end)
    )
  end)
end)

describe('net.isIP', function()
  it('knows numeric addresses', function()
    assert.equal(4, net.isIP '127.0.0.1')
    assert.equal(6, net.isIP '::1')
    assert.equal(6, net.isIP 'fe80::1%lo')
    for _, text in ipairs { '', '127.1', '127.0.0.1\0', '1.2.3.4.5', 'localhost' } do
      assert.equal(0, net.isIP(text))
    end
    assert.equal(0, net.isIP(5))
    assert.is_true(net.isIPv4 '10.0.0.1')
    assert.is_true(net.isIPv6 '::')
    assert.is_false(net.isIPv6 '10.0.0.1')
  end)
end)
