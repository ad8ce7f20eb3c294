-- cp.net and cp.dgram: what is rarely used, and a system that refuses once.
local faults = require 'spec.support.faults'
local machine = require 'spec.support.machine'
local t = require 'spec.helper'

local named_it = machine.wrap('localhost', it, pending)
local it = t.wrap(it)
local net, dgram = t.cp.net, t.cp.dgram

local NO_NAME = 'x..y' -- of which the resolver says at once that it is none

-- A server for one connection; `ready(port)` runs when it listens.
local function serve_one(on_connection, ready, options)
  local server = net.createServer(options or {})
  t.once(server, 'connection', function(socket)
    server:close()
    on_connection(socket)
  end)
  server:listen(0, '127.0.0.1', function()
    ready(server:address().port)
  end)
  return server
end

local function finish(socket)
  socket:resume():finish()
end

local function expect_error(emitter, code)
  t.once(emitter, 'error', function(err)
    assert.equal(code, err.code, tostring(err))
  end)
end

describe('a server', function()
  it('accepts again a little later when accepting has failed', function()
    local server
    server = serve_one(finish, function(port)
      finish(net.connect(port, '127.0.0.1'))
    end)
    local failed
    server:on('error', function(err)
      failed = err
    end)
    local calls = faults.with({ name = 'accept4', errno = 'ENOBUFS' }, t.cp.run)
    assert.equal('ENOBUFS', failed.code)
    assert.equal('accept', failed.syscall)
    assert.is_true(calls >= 2)
  end)

  it('that could not accept can be closed before it tries again', function()
    local server
    server = net.createServer(t.never()):listen(0, '127.0.0.1', function()
      net.connect(server:address().port, '127.0.0.1'):on('error', function() end)
    end)
    t.once(server, 'error', function()
      server:close(t.expect())
    end)
    faults.with({ name = 'accept4', errno = 'ENOBUFS' }, t.cp.run)
  end)

  it('listens on IPv4 everywhere where there is no IPv6', function()
    faults.with({ name = 'socket', errno = 'EAFNOSUPPORT' }, function()
      local server = net.createServer()
      server:listen(0, function()
        assert.equal('0.0.0.0', server:address().address)
        finish(net.connect(server:address().port, '127.0.0.1'))
      end)
      t.once(server, 'connection', function(socket)
        finish(socket)
        server:close()
      end)
      t.cp.run()
    end)
  end)

  it('says that the name it was to listen on is none', function()
    local server = net.createServer():listen(0, NO_NAME, t.never())
    t.once(server, 'error', function(err)
      assert.equal('ENOTFOUND', err.code)
      assert.equal(NO_NAME, err.hostname)
    end)
  end)

  it('can be closed while it looks up where to listen', function()
    local server = net.createServer():listen(0, 'localhost', t.never())
    server:close(t.expect(function(err)
      assert.is_nil(err)
    end))
  end)

  it('does not listen on what is no place', function()
    local server = net.createServer()
    t.raises('ERR_INVALID_ARG_VALUE', server.listen, server, true)
    t.raises('ERR_INVALID_ARG_VALUE', server.listen, server, io.stdout)
  end)

  it('is closed with its scope', function()
    do
      local server <close> = net.createServer():listen(0)
      assert.is_true(server.listening)
    end
    assert.is_false(t.cp.run())
  end)

  it('does not listen on a descriptor that is none', function()
    local server = net.createServer():listen { fd = 1000000 }
    expect_error(server, 'EBADF')
  end)

  it('that is closed says so to a further close', function()
    local server = net.createServer()
    server:close(t.expect(function(err)
      assert.equal('ERR_SERVER_NOT_RUNNING', err.code)
    end))
  end)

  it('keeps the loop alive only while it is referenced', function()
    local server = net.createServer():listen(0, '127.0.0.1')
    assert.equal(server, server:unref())
    assert.is_false(t.cp.run())
    assert.equal(server, server:ref())
    assert.is_true(t.cp.run 'nowait')
    server:close()
  end)

  it('gives its sockets the options for them', function()
    local options = { noDelay = true, keepAlive = true, keepAliveInitialDelay = 5000 }
    local set = {}
    serve_one(function(socket)
      set.no_delay, set.keep_alive = socket._no_delay, socket._keep_alive
      finish(socket)
    end, function(port)
      finish(net.connect(port, '127.0.0.1'))
    end, options)
    local calls =
      faults.with({ name = 'setsockopt', errno = 'EINVAL', first = 1000 }, t.cp.run)
    assert.same({ no_delay = true, keep_alive = 5 }, set)
    assert.is_true(calls >= 5, 'no delay, keep alive, its delay, interval and count')
  end)
end)

describe('net.connect', function()
  it('takes the options of the socket, too', function()
    serve_one(function(socket)
      socket:resume()
    end, function(port)
      local client = net.connect {
        port = port,
        host = '127.0.0.1',
        timeout = 1,
        noDelay = true,
        keepAlive = true,
      }
      assert.equal(1, client.timeout)
      client:resume()
      client:once(
        'timeout',
        t.expect(function()
          client:finish()
        end)
      )
    end)
  end)

  it('says that a name is none', function()
    local client = net.connect(1, NO_NAME)
    t.once(client, 'lookup', function(err)
      assert.equal('ENOTFOUND', err.code)
    end)
    t.once(client, 'error', function(err)
      assert.equal('ENOTFOUND', err.code)
      assert.equal('getaddrinfo', err.syscall)
    end)
  end)

  it('of a socket that is connected already destroys it', function()
    serve_one(function(socket)
      socket:resume():on('error', function() end)
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      t.once(client, 'connect', function()
        client:connect(port, '127.0.0.1')
      end)
      t.once(client, 'error', function(err)
        assert.equal('EISCONN', err.code)
        assert.equal('connect', err.syscall)
      end)
    end)
  end)

  it('of a destroyed socket decodes as before', function()
    local heard = {}
    local server = net.createServer(function(socket)
      socket:finish 'é'
      socket:resume()
    end)
    server:listen(0, '127.0.0.1', function()
      local port = server:address().port
      local client = net.connect(port, '127.0.0.1')
      client:setEncoding 'hex'
      client:on('data', function(text)
        heard[#heard + 1] = text
      end)
      client:once('close', function()
        client:connect(port, '127.0.0.1')
        client:once('close', function()
          server:close()
        end)
      end)
    end)
    t.cp.run()
    assert.same({ 'c3a9', 'c3a9' }, heard)
  end)
end)

describe('a socket', function()
  it('has no address that the system cannot tell', function()
    serve_one(function(socket)
      faults.with({ name = 'getpeername', errno = 'ENOBUFS' }, function()
        assert.is_nil(socket.remoteAddress)
      end)
      assert.equal('127.0.0.1', socket.remoteAddress)
      finish(socket)
    end, function(port)
      finish(net.connect(port, '127.0.0.1'))
    end)
  end)

  it('keeps the loop alive only while it is referenced', function()
    serve_one(function(socket)
      socket:unref()
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      client:on('connect', function()
        client:unref()
      end)
      t.cp.setTimeout(function()
        assert.equal(client, client:ref())
        client:destroy()
      end, 1)
    end)
  end)

  it('forgets the listener for a time-out that is taken back', function()
    local socket = net.Socket()
    local listener = t.never()
    socket:setTimeout(1, listener)
    assert.equal(1, socket:listenerCount 'timeout')
    socket:setTimeout(0, listener)
    assert.equal(0, socket:listenerCount 'timeout')
  end)

  it('that is being written to is not idle', function()
    serve_one(function(socket)
      t.cp.setTimeout(function()
        finish(socket)
      end, 5)
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      client:setTimeout(60000, t.never())
      client:finish(('x'):rep(4 << 20), t.expect())
      client:resume()
    end)
  end)

  it('is reset after it has been connected, when that was asked for before', function()
    serve_one(function(socket)
      socket:resume()
      expect_error(socket, 'ECONNRESET')
    end, function(port)
      local client = net.connect(port, '127.0.0.1')
      assert.equal(client, client:resetAndDestroy())
    end)
  end)

  it('that was never connected cannot be reset', function()
    local socket = net.Socket()
    expect_error(socket, 'ERR_SOCKET_CLOSED')
    socket:resetAndDestroy()
  end)

  it('of a path cannot be reset', function()
    local server
    server = net.createServer(function(socket)
      finish(socket)
      server:close()
    end)
    server:listen(t.tmpdir() .. '/socket', function()
      local client = net.connect(server:address())
      t.once(client, 'connect', function()
        client:resetAndDestroy()
      end)
      expect_error(client, 'ERR_INVALID_HANDLE_TYPE')
    end)
  end)

  it('is destroyed at once by destroySoon when nothing is left to be written', function()
    serve_one(function(socket)
      socket:resume():finish(t.expect(function()
        socket:destroySoon()
        assert.is_true(socket.destroyed)
      end))
    end, function(port)
      net.connect(port, '127.0.0.1'):resume()
    end)
  end)
end)

describe('a dgram socket', function()
  local function bound(ready)
    local socket = dgram.createSocket 'udp4'
    socket:bind(0, '127.0.0.1', function()
      ready(socket, socket:address().port)
    end)
    return socket
  end

  it('keeps the loop alive only while it is referenced', function()
    local socket = dgram.createSocket 'udp4'
    socket:bind(0, '127.0.0.1', function()
      socket:unref()
    end)
    assert.is_false(t.cp.run())
    assert.equal(socket, socket:ref())
    assert.is_true(t.cp.run 'nowait')
    socket:close()
  end)

  it('is closed with its scope', function()
    do
      local socket <close> = dgram.createSocket 'udp4'
      socket:bind(0, '127.0.0.1')
    end
    assert.is_false(t.cp.run())
  end)

  it('says that a name is none, to whom it concerns', function()
    bound(function(socket)
      socket:send(
        'x',
        1,
        NO_NAME,
        t.expect(function(err)
          assert.equal('ENOTFOUND', err.code)
          socket:connect(
            1,
            NO_NAME,
            t.expect(function(problem)
              assert.equal('ENOTFOUND', problem.code)
              socket:close()
            end)
          )
        end)
      )
    end)
    local nowhere = dgram.createSocket 'udp4'
    nowhere:bind(0, NO_NAME, t.never())
    t.once(nowhere, 'error', function(err)
      assert.equal('ENOTFOUND', err.code)
      nowhere:close()
    end)
  end)

  named_it('sends to itself by name, and a part of what is given', function()
    local socket
    socket = bound(function(_, port)
      socket:send('0123456789', 2, 5, port, 'localhost')
    end)
    t.once(socket, 'message', function(data)
      assert.equal('23456', data)
      socket:close()
    end)
  end)

  it('sends a part to its peer', function()
    local receiver
    receiver = bound(function(_, port)
      local sender = dgram.createSocket 'udp4'
      sender:connect(
        port,
        t.expect(function()
          sender:send(
            '0123456789',
            2,
            5,
            t.expect(function(err, size)
              assert.is_nil(err)
              assert.equal(5, size)
              sender:close()
            end)
          )
          t.raises('ERR_SOCKET_DGRAM_IS_CONNECTED', sender.send, sender, 'x', 0, 1, port)
          t.raises('ERR_SOCKET_DGRAM_IS_CONNECTED', sender.connect, sender, port)
        end)
      )
    end)
    t.once(receiver, 'message', function(data)
      assert.equal('23456', data)
      receiver:close()
    end)
  end)

  it('made by the class sends to this machine where no address is given', function()
    local receiver
    receiver = bound(function(_, port)
      local sender = dgram.Socket 'udp4'
      sender:send(
        'here',
        port,
        t.expect(function(err)
          assert.is_nil(err)
          sender:close()
        end)
      )
    end)
    t.once(receiver, 'message', function(data)
      assert.equal('here', data)
      receiver:close()
    end)
  end)

  it('that is closed cancels what the system did not take', function()
    local socket
    socket = bound(function(_, port)
      socket:send(
        'unsent',
        port,
        '127.0.0.1',
        t.expect(function(err)
          assert.equal('ECANCELED', err.code)
        end)
      )
      t.cp.nextTick(socket.close, socket)
    end)
    faults.with({ name = 'sendto', errno = 'ENOBUFS', last = 0 }, t.cp.run)
  end)

  it('refuses a part that is none', function()
    local socket = dgram.createSocket 'udp4'
    t.raises('ERR_INVALID_ARG_TYPE', socket.send, socket, {}, 0, 1, 1)
    t.raises('ERR_BUFFER_OUT_OF_BOUNDS', socket.send, socket, 'abc', 2, 2, 1)
    socket:close()
  end)

  it('joins a group before it is bound', function()
    local socket = dgram.createSocket 'udp4'
    socket:addMembership('239.1.2.4', '127.0.0.1')
    t.raises('EINVAL', socket.addMembership, socket, '239.1.2.5', 'nonsense')
    socket:dropMembership('239.1.2.4', '127.0.0.1')
    socket:close()
  end)

  it('joins a group of IPv6 on an interface by its name', function()
    local socket = dgram.createSocket 'udp6'
    socket:addMembership('ff01::1:2', '::%lo')
    socket:dropMembership('ff01::1:2', '::%lo')
    t.raises('ENODEV', socket.addMembership, socket, 'ff01::1:2', '::%nonsense')
    socket:close()
  end)
end)

-- 3 and 1 in the low 32 bits: an open descriptor, a time to live.
describe('a number that no int of C holds', function()
  local BEYOND = 1 << 32

  it('is not cut down to a descriptor to listen on', function()
    local server = net.createServer()
    expect_error(server, 'EBADF')
    server:listen { fd = BEYOND + 3 }
  end)

  it('is not cut down to a datagram socket', function()
    local socket = dgram.createSocket 'udp4'
    t.raises('EBADF', socket.bind, socket, { fd = BEYOND + 3 })
    socket:close()
  end)

  it('is not cut down to an option', function()
    local socket = dgram.createSocket 'udp4'
    socket:bind(0, '127.0.0.1', function()
      t.raises('EINVAL', socket.setTTL, socket, BEYOND + 1)
      socket:close()
    end)
  end)

  it('is no handle to be sent', function()
    local child = t.cp.fork('/dev/null')
    t.once(child, 'close')
    t.raises('ERR_INVALID_HANDLE_TYPE', child.send, child, 'x', BEYOND + 1)
    local object = {
      getfd = function()
        return BEYOND + 1
      end,
    }
    t.raises('ERR_INVALID_HANDLE_TYPE', child.send, child, 'x', object)
  end)

  it('is as many waiting connections as there may be', function()
    local server
    server = net.createServer():listen(0, '127.0.0.1', BEYOND, function()
      server:close()
    end)
  end)
end)

describe('what address() returns', function()
  it('is what connect takes, whatever the family', function()
    for _, host in ipairs { '127.0.0.1', '127.0.0.2', '0.0.0.0' } do
      local server = net.createServer(finish)
      server:listen(0, host, function()
        local address = server:address()
        assert.equal('IPv4', address.family)
        local socket = net.Socket():connect(address)
        t.once(socket, 'connect', function()
          assert.equal(address.port, socket.remotePort)
          if host ~= '0.0.0.0' then
            assert.equal(host, socket.remoteAddress)
          end
          finish(socket)
          server:close()
        end)
      end)
    end
  end)

  it('is that of a random port if listen got nothing', function()
    local server = net.createServer(finish)
    assert.equal(server, server:listen())
    t.once(server, 'listening', function()
      local address = server:address()
      assert.truthy(address.port > 0)
      finish(net.connect(address))
      server:once('connection', function()
        server:close()
      end)
    end)
  end)
end)

describe('the family of connect', function()
  named_it('is a number or a word', function()
    for _, family in ipairs { 0, 4, 'IPv4' } do
      local server = net.createServer(finish)
      server:listen(0, '127.0.0.1', function()
        local options =
          { port = server:address().port, host = 'localhost', family = family }
        local socket = net.connect(options)
        t.once(socket, 'connect', function()
          assert.equal('IPv4', socket.remoteFamily)
          finish(socket)
          server:close()
        end)
      end)
    end
  end)

  it('is nothing else', function()
    for _, family in ipairs { 5, 'ipv4', 'text', true, {}, 4.5, 0 / 0, print } do
      local err =
        t.raises('ERR_INVALID_ARG_VALUE', net.connect, { port = 1, family = family })
      assert.truthy(err.message:find "must be one of: 0, 4, 6, 'IPv4', 'IPv6'")
    end
  end)
end)

describe('a socket that is destroyed before it is connected', function()
  -- Chunks to write, what finish() gets, error -> the codes, in the order of the calls.
  local function codes(chunks, last, err)
    local socket, order = net.Socket(), {}
    socket:on('error', function() end)
    socket:connect(1, '127.0.0.1')
    local function note(failure)
      order[#order + 1] = failure.code
    end
    for _, chunk in ipairs(chunks) do
      socket:write(chunk, note)
    end
    if last == '' then
      socket:finish(note)
    elseif last then
      socket:finish(last, note)
    end
    socket:destroy(err)
    t.cp.run()
    return order
  end

  local EARLY = 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION'

  it('says so to everything that waited to be written', function()
    assert.same({ EARLY }, codes { 'a' })
    assert.same({ EARLY, EARLY }, codes { 'a', 'b' })
    assert.same({ EARLY, EARLY }, codes({ 'a' }, ''))
    assert.same({ EARLY }, codes({}, 'c'))
    assert.same({ 'ERR_STREAM_DESTROYED' }, codes({}, ''))
  end)

  it(
    'says so to the first of it, and to the others the error that destroyed it',
    function()
      local mine = { code = 'MINE' }
      assert.same({ EARLY }, codes({ 'a' }, nil, mine))
      assert.same({ EARLY, 'MINE', 'MINE' }, codes({ 'a', 'b' }, '', mine))
      assert.same({ 'MINE' }, codes({}, '', mine))
    end
  )

  it('may be connected again, and then says what is true then', function()
    local server = net.createServer(finish)
    server:listen(0, '127.0.0.1', function()
      local socket = net.Socket():connect(1, '127.0.0.1')
      socket:on('error', function() end)
      socket:write 'lost'
      socket:once('close', function()
        socket:connect(server:address())
        socket:once('connect', function()
          socket:destroy()
          socket:finish(t.expect(function(err)
            assert.equal('ERR_STREAM_DESTROYED', err.code)
          end))
          server:close()
        end)
      end)
      socket:destroy()
    end)
  end)
end)

describe('a socket that is paused before it is connected', function()
  it('does not keep the loop alive, and reads when it is resumed', function()
    local accepted
    local server = net.createServer(function(socket)
      accepted = socket:unref():finish 'text'
    end)
    server:once('connection', function()
      server:unref()
    end)
    local socket
    server:listen(0, '127.0.0.1', function()
      socket = net.connect(server:address()):pause()
    end)
    t.cp.run() -- until nothing is left to wait for
    assert.is_false(socket.connecting)
    assert.equal(0, socket.bytesRead)
    local text = t.collect(socket)
    socket:resume()
    t.once(socket, 'close', function()
      assert.equal('text', text())
      accepted:destroy()
      server:close()
    end)
  end)
end)

describe('the error of an address with port 0', function()
  -- no address of this machine
  local ELSEWHERE = '203.0.113.1'

  local function expect_no_port(emitter)
    t.once(emitter, 'error', function(err)
      assert.equal('EADDRNOTAVAIL', err.code)
      assert.equal(ELSEWHERE, err.address)
      assert.is_nil(err.port)
    end)
  end

  it('has no port', function()
    expect_no_port(net.createServer():listen(0, ELSEWHERE))
    expect_no_port(t.cp.dgram.createSocket('udp4'):bind(0, ELSEWHERE))
    local from = { port = 1, host = '127.0.0.1', localAddress = ELSEWHERE }
    expect_no_port(net.connect(from))
  end)
end)

describe('isIP', function()
  it('takes a zone of letters, digits, dots, colons and hyphens only', function()
    for _, zone in ipairs { 'eth0', '1', '-.:', 'a.b' } do
      assert.equal(6, net.isIP('fe80::2008%' .. zone), zone)
      assert.is_true(net.isIPv6('fe80::2008%' .. zone), zone)
    end
    for _, zone in ipairs { 'eth0@1', '', 'eth_0', 'a%b', 'a\0', ' ' } do
      assert.equal(0, net.isIP('fe80::2008%' .. zone), zone)
    end
    assert.equal(0, net.isIP '127.0.0.1%eth0')
  end)
end)
