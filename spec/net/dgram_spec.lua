-- cp.dgram: UDP sockets.
local core = require 'child_process.core'
local machine = require 'spec.support.machine'
local t = require 'spec.helper'

local named_it = machine.wrap('localhost', it, pending)
local it = t.wrap(it)
local dgram = t.cp.dgram

-- A socket bound to 127.0.0.1; `ready(socket, port)` runs when it is.
local function bound(ready, on_message)
  local socket = dgram.createSocket('udp4', on_message)
  socket:bind(0, '127.0.0.1', function()
    ready(socket, socket:address().port)
  end)
  return socket
end

describe('dgram.createSocket', function()
  it('takes a type or options, and a listener', function()
    local function listener() end
    assert.same({ listener }, dgram.createSocket('udp4', listener):listeners 'message')
    assert.equal('udp6', dgram.createSocket({ type = 'udp6' }).type)
    local err = t.raises('ERR_SOCKET_BAD_TYPE', dgram.createSocket, 'udp5')
    assert.equal('TypeError', err.name)
    t.raises('ERR_SOCKET_BAD_TYPE', dgram.createSocket)
  end)

  it('sends and receives', function()
    local receiver
    receiver = bound(function(_, port)
      local sender = dgram.createSocket 'udp4'
      sender:send(
        'a datagram',
        port,
        '127.0.0.1',
        t.expect(function(err, bytes)
          assert.is_nil(err)
          assert.equal(10, bytes)
          sender:close()
        end)
      )
    end)
    t.once(receiver, 'message', function(data, rinfo)
      assert.equal('a datagram', data)
      assert.equal('127.0.0.1', rinfo.address)
      assert.equal('IPv4', rinfo.family)
      assert.equal(10, rinfo.size)
      assert.is_true(rinfo.port > 0)
      receiver:close()
    end)
  end)

  it('sends parts of a string, several strings, and nothing', function()
    local wanted = { 'ell', 'hello', '' }
    local receiver
    receiver = bound(
      function(_, port)
        local sender = dgram.createSocket 'udp4'
        sender:send('hello', 1, 3, port)
        sender:send({ 'he', 'llo' }, port)
        sender:send('', port)
        sender:close()
      end,
      t.expect(function(data)
        assert.equal(table.remove(wanted, 1), data)
        if not wanted[1] then
          receiver:close()
        end
      end, 3)
    )
  end)

  it('works over IPv6', function()
    local receiver = dgram.createSocket { type = 'udp6', ipv6Only = true }
    receiver:on('error', function()
      receiver:close() -- there is no IPv6 here
    end)
    receiver:on('message', function(_, rinfo)
      assert.equal('IPv6', rinfo.family)
      assert.equal('::1', rinfo.address)
      receiver:close()
    end)
    receiver:bind(0, '::1', function()
      local sender = dgram.createSocket 'udp6'
      sender:send('x', receiver:address().port)
      sender:close()
    end)
  end)

  it('emits listening, message and close, and does not lose them to an error', function()
    local order = {}
    local socket
    socket = bound(function(_, port)
      socket:send('x', port, '127.0.0.1')
      error { 'in listening' }
    end, function()
      order[#order + 1] = 'message'
      socket:close(function()
        order[#order + 1] = 'close'
      end)
    end)
    local ok, err = pcall(t.cp.run)
    assert.is_false(ok)
    assert.same({ 'in listening' }, err)
    t.cp.run()
    assert.same({ 'message', 'close' }, order)
  end)

  it('does not keep the loop alive after unref()', function()
    local socket = bound(function(socket)
      socket:unref()
    end)
    t.cp.run()
    socket:close()
  end)
end)

describe('socket:bind', function()
  it('binds everywhere, to a port of the choice of the system', function()
    local socket = dgram.createSocket 'udp4'
    t.raises('EBADF', socket.address, socket)
    assert.equal(socket, socket:bind())
    t.raises('ERR_SOCKET_ALREADY_BOUND', socket.bind, socket)
    t.once(socket, 'listening', function()
      local address = socket:address()
      assert.equal('0.0.0.0', address.address)
      assert.equal('IPv4', address.family)
      assert.is_true(address.port > 0)
      socket:close()
    end)
  end)

  named_it('takes a table', function()
    local socket = dgram.createSocket 'udp4'
    local options = { port = 0, address = 'localhost', exclusive = true }
    socket:bind(
      options,
      t.expect(function()
        assert.equal('127.0.0.1', socket:address().address)
        socket:close()
      end)
    )
  end)

  it('is not needed for a handle that is bound already', function()
    bound(function(first, port)
      local handle = first:_take_udp()
      t.raises('ERR_SOCKET_DGRAM_NOT_RUNNING', first.address, first)
      assert.equal(port, select(2, core.sockname(handle:fileno())))
      handle:close()
    end)
  end)

  it('takes a descriptor over', function()
    bound(function(first, port)
      local fd = core.take_fd(core.copy_fd(first._udp:fileno()))
      first:close()
      local second = dgram.createSocket 'udp4'
      second:bind({ fd = fd }, function()
        assert.equal(port, second:address().port)
        second:send('to myself', port, '127.0.0.1')
      end)
      t.once(second, 'message', function(message, from)
        assert.equal('to myself', message)
        assert.equal(port, from.port)
        second:close()
        assert.is_nil(t.fds()[fd])
      end)
    end)
  end)

  it('says what is wrong with a descriptor', function()
    local socket = dgram.createSocket 'udp4'
    local file <close> = assert(io.open '/dev/null')
    local fd = core.file_fd(file)
    t.raises('ERR_INVALID_FD_TYPE', socket.bind, socket, { fd = fd })
    t.raises('EBADF', socket.bind, socket, { fd = 1000000 })
    t.raises('ERR_OUT_OF_RANGE', socket.bind, socket, { fd = -1 })
    socket:close()
  end)

  it('emits an error for an address that is taken', function()
    bound(function(first, port)
      local second = dgram.createSocket 'udp4'
      second:bind(port, '127.0.0.1', t.never())
      t.once(second, 'error', function(err)
        assert.equal(('bind EADDRINUSE 127.0.0.1:%d'):format(port), err.message)
        assert.equal('bind', err.syscall)
        assert.equal(port, err.port)
        first:close()
        second:close()
      end)
    end)
  end)

  it('shares an address with reuseAddr', function()
    local options = { type = 'udp4', reuseAddr = true }
    local first = dgram.createSocket(options)
    first:bind(0, function()
      local second = dgram.createSocket(options)
      second:bind(
        first:address().port,
        t.expect(function()
          first:close()
          second:close()
        end)
      )
    end)
  end)

  it('raises on what is no port', function()
    local socket = dgram.createSocket 'udp4'
    t.raises('ERR_SOCKET_BAD_PORT', socket.bind, socket, -1)
    t.raises('ERR_SOCKET_BAD_PORT', socket.bind, socket, 'x')
    socket:close()
  end)
end)

describe('socket:send', function()
  it('raises on wrong arguments', function()
    local socket = dgram.createSocket 'udp4'
    local function raises(code, ...)
      return t.raises(code, socket.send, socket, ...)
    end
    local err = raises('ERR_SOCKET_BAD_PORT', 'x')
    assert.equal('Port should be > 0 and < 65536. Received nil.', err.message)
    raises('ERR_SOCKET_BAD_PORT', 'x', 0)
    raises('ERR_INVALID_ARG_TYPE', 5, 1)
    raises('ERR_INVALID_ARG_TYPE', { 5 }, 1)
    raises('ERR_INVALID_ARG_TYPE', 'x', 1, 5)
    raises('ERR_BUFFER_OUT_OF_BOUNDS', 'xyz', 5, 1, 1)
    raises('ERR_BUFFER_OUT_OF_BOUNDS', 'xyz', 1, 5, 1)
    raises('ERR_BUFFER_OUT_OF_BOUNDS', 'xyz', -1, 2, 1)
    socket:close()
    raises('ERR_SOCKET_DGRAM_NOT_RUNNING', 'x', 1)
    t.raises('ERR_SOCKET_DGRAM_NOT_RUNNING', socket.close, socket)
    t.raises('ERR_SOCKET_DGRAM_NOT_RUNNING', socket.address, socket)
  end)

  it('tells a failure to its callback, or else as an event', function()
    local socket = dgram.createSocket 'udp4'
    local large = ('x'):rep(70000)
    socket:send(
      large,
      9,
      '127.0.0.1',
      t.expect(function(err)
        assert.equal('send EMSGSIZE 127.0.0.1:9', err.message)
        socket:send(large, 9, '127.0.0.1')
        t.once(socket, 'error', function(event)
          assert.equal('EMSGSIZE', event.code)
          socket:close()
        end)
      end)
    )
  end)

  it('gives up when the socket cannot be bound', function()
    local socket = dgram.createSocket 'udp4'
    socket:bind(0, '192.0.2.1')
    socket:send('x', 9, '127.0.0.1', t.never())
    t.once(socket, 'error', function(err)
      assert.equal('EADDRNOTAVAIL', err.code)
      socket:close()
    end)
  end)

  it('delivers many datagrams at once', function()
    local count = 0
    local receiver
    receiver = bound(function(_, port)
      local sender = dgram.createSocket 'udp4'
      local left = 100
      for i = 1, 100 do
        sender:send(tostring(i), port, '127.0.0.1', function()
          left = left - 1
          if left == 0 then
            sender:close()
          end
        end)
      end
    end, function(data)
      count = count + 1
      assert.equal(tostring(count), data)
      if count == 100 then
        receiver:close()
      end
    end)
  end)
end)

describe('socket:connect', function()
  it('sends to and hears from one peer', function()
    local peer
    peer = bound(function(_, port)
      local socket = dgram.createSocket 'udp4'
      t.raises('ERR_SOCKET_DGRAM_NOT_CONNECTED', socket.remoteAddress, socket)
      t.raises('ERR_SOCKET_DGRAM_NOT_CONNECTED', socket.disconnect, socket)
      socket:connect(
        port,
        '127.0.0.1',
        t.expect(function()
          assert.equal(port, socket:remoteAddress().port)
          t.raises('ERR_SOCKET_DGRAM_IS_CONNECTED', socket.connect, socket, 1)
          socket:send { 'a', 'b' }
        end)
      )
      t.once(socket, 'message', function(data)
        assert.equal('ba', data)
        socket:disconnect()
        t.raises('ERR_SOCKET_DGRAM_NOT_CONNECTED', socket.remoteAddress, socket)
        socket:close()
      end)
    end, function(data, rinfo)
      assert.equal('ab', data)
      peer:send('ba', rinfo.port, rinfo.address)
      peer:close()
    end)
  end)

  it('reports a peer that is not there, and goes on', function()
    bound(function(first, port)
      first:close(t.expect(function()
        local socket = dgram.createSocket 'udp4'
        local errors = 0
        socket:on('error', function(err)
          assert.equal('recvmsg ECONNREFUSED', err.message)
          errors = errors + 1
          if errors == 2 then
            return socket:close()
          end
          socket:send 'again'
        end)
        socket:connect(port, '127.0.0.1', function()
          socket:send 'once'
        end)
      end))
    end)
  end)
end)

describe('a multicast group', function()
  it('is heard by its members, until they leave', function()
    local group = '239.255.77.1'
    local sender = dgram.createSocket 'udp4'
    local receiver = dgram.createSocket { type = 'udp4', reuseAddr = true }
    receiver:bind(0, '0.0.0.0', function()
      receiver:addMembership(group, '127.0.0.1')
      t.raises('EADDRINUSE', receiver.addMembership, receiver, group, '127.0.0.1')
      sender:bind(0, '127.0.0.1', function() -- which chooses the way out
        sender:send('to all', receiver:address().port, group)
      end)
    end)
    local heard = {}
    receiver:on('message', function(message, from)
      heard[#heard + 1] = message
      assert.equal('127.0.0.1', from.address)
      if message == 'to one' then
        assert.same({ 'to all', 'to one' }, heard)
        sender:close()
        receiver:close()
        return
      end
      receiver:dropMembership(group, '127.0.0.1')
      sender:send('to all again', receiver:address().port, group)
      sender:send('to one', receiver:address().port, '127.0.0.1')
    end)
  end)
end)

describe('options of a socket', function()
  it('are set when it is bound', function()
    local socket = dgram.createSocket 'udp4'
    for _, name in ipairs { 'setTTL', 'setMulticastTTL' } do
      t.raises('EBADF', socket[name], socket, 5)
      t.raises('ERR_INVALID_ARG_TYPE', socket[name], socket, 'x')
    end
    t.raises('EBADF', socket.setBroadcast, socket, true)
    socket:bind(
      0,
      t.expect(function()
        socket:setBroadcast(true)
        assert.equal(5, socket:setTTL(5))
        local err = t.raises('EINVAL', socket.setTTL, socket, 0)
        assert.equal('setTTL EINVAL', err.message)
        assert.equal(1, socket:setMulticastTTL(1))
        assert.is_true(socket:setMulticastLoopback(true))
        t.raises('ERR_MISSING_ARGS', socket.addMembership, socket)
        t.raises('EINVAL', socket.addMembership, socket, '1.2.3.4')
        t.raises('EADDRNOTAVAIL', socket.dropMembership, socket, '239.1.2.3')
        socket:close()
      end)
    )
  end)
end)

describe('socket:close', function()
  it('may come at any time', function()
    local never_bound = dgram.createSocket 'udp4'
    never_bound:close(t.expect())
    local binding = dgram.createSocket 'udp4'
    binding:bind(0, t.never())
    binding:close(t.expect())
    local looking_up = dgram.createSocket 'udp4'
    looking_up:bind(0, 'localhost', t.never())
    looking_up:close(t.expect())
  end)

  it('sends first what only waits for the socket to be bound', function()
    local receiver
    receiver = bound(
      function(_, port)
        local sender = dgram.createSocket 'udp4'
        sender:send('last words', port, '127.0.0.1')
        sender:close(t.expect())
      end,
      t.expect(function(data)
        assert.equal('last words', data)
        receiver:close()
      end)
    )
  end)
end)
