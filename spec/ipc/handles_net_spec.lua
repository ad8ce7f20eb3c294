-- Servers and sockets over the channel.
local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local net, dgram = cp.net, cp.dgram
local fork, run, program = forked.fork, forked.run, forked.program

local HOST = '127.0.0.1'

-- A server on a free port; `ready(server, port)` when it listens.
local function listening(on_connection, ready)
  local server = net.createServer(on_connection)
  server:listen(0, HOST, function()
    ready(server, server:address().port)
  end)
  return server
end

-- Connects and reads to the end; `check(text)` then.
local function client(port, check, first_words)
  local socket = net.connect(port, HOST)
  local text = t.collect(socket)
  if first_words then
    socket:write(first_words)
  end
  t.once(socket, 'close', function()
    check(text())
  end)
  return socket
end

-- A forked program, with `then_do()` when it has said 'ready'.
local function ready_child(code, then_do, options)
  local child = run(code .. " process:send 'ready'", options)
  child:once('message', function(message)
    assert.equal('ready', message)
    then_do(child)
  end)
  return child
end

describe('a socket that was accepted', function()
  it('is served by the child alone', function()
    local code = [[
      process:once('message', function(message, socket)
        socket:finish(message)
        socket:on('close', function() process:disconnect() end)
      end)]]
    for _, serialization in ipairs { 'json', 'advanced' } do
      ready_child(code, function(child)
        listening(function(socket)
          child:send('echo', socket)
          socket:on('close', t.never 'close in the sender')
        end, function(server, port)
          client(port, function(text)
            assert.equal('echo', text)
            server:close()
          end)
        end)
      end, { serialization = serialization })
    end
  end)

  it('takes what was read already with it', function()
    local code = [[
      process:once('message', function(message, socket)
        local text = ''
        socket:on('data', function(chunk)
          text = text .. chunk
          if #text == 200 then
            socket:finish(message .. text)
            process:disconnect()
          end
        end)
      end)]]
    ready_child(code, function(child)
      local sent = ('first'):rep(20)
      local server
      server = listening(function(socket)
        socket:once('readable', function()
          local part = socket:read(10)
          assert.equal('firstfirst', part)
          child:send(part, socket)
          server:close()
        end)
      end, function(_, port)
        local socket = client(port, function(text)
          assert.equal(sent .. ('later'):rep(22), text)
        end, sent)
        cp.setTimeout(function()
          socket:write(('later'):rep(22))
        end, 20)
      end)
    end)
  end)

  it('stays open here with keepOpen', function()
    local code = [[
      process:once('message', function(_, socket)
        socket:write('from the child ', function()
          process:send 'written'
          socket:destroy()
          process:disconnect()
        end)
      end)]]
    ready_child(code, function(child)
      local server
      server = listening(function(socket)
        child:send('x', socket, { keepOpen = true })
        child:once('message', function()
          socket:finish 'from the parent'
          server:close()
        end)
      end, function(_, port)
        client(port, function(text)
          assert.equal('from the child from the parent', text)
        end)
      end)
    end)
  end)

  -- what node 20 shows
  it('is in the sender as one that is not connected, and says nothing', function()
    local code = [[
      process:once('message', function(_, socket)
        socket:finish()
        socket:on('close', function() process:disconnect() end)
      end)]]
    ready_child(code, function(child)
      local server
      server = listening(function(socket)
        local seen = t.record(socket, { 'close', 'end', 'finish', 'error', 'timeout' })
        socket:setTimeout(1)
        assert.equal(HOST, socket.remoteAddress)
        assert.equal(server:address().port, socket.localPort)
        local function check()
          assert.same({
            destroyed = false,
            closed = false,
            readable = true,
            writable = true,
            writableEnded = false,
            pending = true,
            connecting = false,
            readyState = 'open',
            remoteAddress = HOST,
            timeout = 0,
            address = {},
          }, {
            destroyed = socket.destroyed,
            closed = socket.closed,
            readable = socket.readable,
            writable = socket.writable,
            writableEnded = socket.writableEnded,
            pending = socket.pending,
            connecting = socket.connecting,
            readyState = socket.readyState,
            remoteAddress = socket.remoteAddress,
            localPort = socket.localPort,
            timeout = socket.timeout,
            address = socket:address(),
          })
        end
        child:send('x', socket, t.expect(check))
        check()
        t.once(child, 'close', function()
          socket:resume():pause()
          assert.is_nil(socket:read())
          socket:finish() -- waits for a connection
          cp.setImmediate(t.expect(function()
            assert.same({}, seen)
          end))
        end)
        server:close()
      end, function(_, port)
        client(port, function() end)
      end)
    end)
  end)

  it('cannot be written to by the sender any more', function()
    local code = [[
      process:once('message', function(_, socket)
        socket:finish()
        socket:on('close', function() process:disconnect() end)
      end)]]
    ready_child(code, function(child)
      local server
      server = listening(function(socket)
        child:send('x', socket)
        local seen, arguments = t.record(socket, { 'error', 'close' })
        local function refused(err)
          assert.equal('ERR_SOCKET_CLOSED', err.code)
        end
        assert.is_false(socket:write('y', t.expect(refused)))
        t.once(child, 'close', function()
          assert.same({ 'error', 'close' }, seen)
          refused(arguments[1][1])
          assert.is_true(socket.destroyed)
        end)
        server:close()
      end, function(_, port)
        client(port, function(text)
          assert.equal('', text)
        end)
      end)
    end)
  end)

  it('loses what the sender has written and the kernel not taken', function()
    local code = [[
      process:once('message', function(_, socket)
        process:send 'here'
        process:once('message', function()
          socket:destroy()
          process:disconnect()
        end)
      end)]]
    ready_child(code, function(child)
      local server
      server = listening(function(socket)
        local function lost(err)
          assert.equal('ECANCELED', err.code)
        end
        socket:write(('x'):rep(20000000), t.expect(lost))
        socket:write('y', t.expect(lost))
        t.once(socket, 'error', lost)
        t.once(socket, 'close', function()
          child:send 'go'
        end)
        child:send('x', socket)
        server:close()
      end, function(_, port)
        local socket = net.connect(port, HOST)
        child:once('message', function()
          socket:on('error', function() end)
          socket:resume()
        end)
      end)
    end)
  end)

  it('may connect anew in the sender', function()
    local code = [[
      process:once('message', function(_, socket)
        socket:finish 'from the child'
        socket:on('close', function() process:disconnect() end)
      end)]]
    ready_child(code, function(child)
      local server
      server = listening(function(socket)
        socket:once(
          'data',
          t.expect(function(chunk)
            if chunk == 'from the child' then
              socket:finish()
            else
              assert.equal('from the client', chunk)
              socket:finish 'from the parent'
              server:close()
            end
          end)
        )
      end, function(_, port)
        local socket = net.connect(port, HOST)
        socket:once('connect', function()
          child:send('x', socket)
          socket:connect(port, HOST)
          socket:write 'from the client'
        end)
        local text = t.collect(socket)
        t.once(socket, 'close', function()
          assert.equal('from the parent', text())
        end)
      end)
    end)
  end)

  it('goes once: the second message has none', function()
    local code = [[
      local seen = {}
      process:on('message', function(message, socket)
        seen[#seen + 1] = { message, socket ~= nil }
        if socket then
          socket:finish()
        else
          process:send(seen)
          process:disconnect()
        end
      end)]]
    ready_child(code, function(child)
      local server
      server = listening(function(socket)
        child:send(1, socket)
        child:send(2, socket)
        child:once('message', function(seen)
          assert.same({ { 1, true }, { 2, false } }, seen)
          server:close()
        end)
      end, function(_, port)
        client(port, function(text)
          assert.equal('', text)
        end)
      end)
    end)
  end)

  it('is counted with the others, and close() waits for it', function()
    local code = [[
      local sockets = {}
      process:on('message', function(message, socket)
        if socket then
          sockets[#sockets + 1] = socket
          process:send('have ' .. #sockets)
        else
          for _, s in ipairs(sockets) do s:finish() end
          process:disconnect()
        end
      end)]]
    ready_child(code, function(child)
      local server, closed
      server = listening(function(socket)
        child:send('take', socket)
      end, function(_, port)
        for _ = 1, 3 do
          client(port, function() end)
        end
      end)
      child:on('message', function(message)
        if message ~= 'have 3' then
          return
        end
        server:getConnections(t.expect(function(err, count)
          assert.is_nil(err)
          assert.equal(3, count)
          server:close(t.expect(function()
            closed = true
          end))
          cp.setTimeout(function()
            assert.is_nil(closed)
            child:send 'let go'
          end, 20)
        end))
      end)
    end)
  end)

  it('of a child that dies is no longer waited for', function()
    local child = fork [[
      process:on('message', function(_, socket)
        process.socket = socket
        process:send 'have it'
      end)]]
    local server
    server = listening(function(socket)
      child:send('take', socket)
    end, function(_, port)
      client(port, function() end)
    end)
    child:on('message', function()
      server:close(t.expect())
      child:kill 'SIGKILL'
    end)
    t.once(child, 'close')
  end)

  it('cannot be counted in a child that dies', function()
    local child = fork [[
      process:on('message', function(_, socket)
        process.socket = socket
        process:send 'have it'
      end)]]
    local server
    server = listening(function(socket)
      child:send('take', socket)
    end, function(_, port)
      client(port, function() end)
    end)
    child:on('message', function()
      child:kill 'SIGSTOP'
      server:getConnections(t.expect(function(err)
        assert.equal('ERR_CHILD_CLOSED_BEFORE_REPLY', err.code)
        server:close()
      end))
      child:kill 'SIGKILL'
    end)
    t.once(child, 'close')
  end)

  it('resets its client when the child is killed', function()
    local child = fork [[
      process:on('message', function(_, socket)
        process.socket = socket
        socket:write 'hello'
      end)]]
    local server
    server = listening(function(socket)
      child:send('take', socket)
      server:close()
    end, function(_, port)
      local socket = net.connect(port, HOST)
      socket:on('error', function(err)
        assert.equal('ECONNRESET', err.code)
      end)
      socket:once('data', function()
        socket:write 'unread over there'
        child:kill 'SIGKILL'
      end)
      t.once(socket, 'close')
    end)
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGKILL', signal)
    end)
  end)

  it('may be of this machine alone', function()
    local path = t.tmpdir() .. '/socket'
    local code = [[
      process:once('message', function(message, socket)
        socket:finish(message)
        process:disconnect()
      end)]]
    ready_child(code, function(child)
      local server = net.createServer()
      server:on('connection', function(socket)
        child:send('echo', socket)
        server:close()
      end)
      server:listen(path, function()
        local socket = net.connect(path)
        local text = t.collect(socket)
        t.once(socket, 'close', function()
          assert.equal('echo', text())
        end)
      end)
    end)
  end)
end)

describe('sockets', function()
  it('of clients go to the parent too', function()
    local code = [[
      local net = require('child_process').net
      local server
      server = net.createServer(function(socket)
        process:once('message', function() socket:finish 'hello' end)
        server:close()
      end)
      server:listen(0, '127.0.0.1', function()
        local socket
        socket = net.connect(server:address().port, '127.0.0.1', function()
          process:send('socket', socket)
        end)
      end)]]
    local child = run(code)
    t.once(child, 'message', function(message, socket)
      assert.equal('socket', message)
      local text = t.collect(socket)
      child:send 'got it'
      t.once(socket, 'close', function()
        assert.equal('hello', text())
      end)
    end)
  end)

  it('go both ways at once', function()
    local code = [[
      local count = 0
      process:on('message', function(message, socket)
        process:send(message, socket)
        count = count + 1
        if count == 10 then process:disconnect() end
      end)]]
    ready_child(code, function(child)
      local back, ended = 0, 0
      local server
      server = listening(function(socket)
        child:send('there', socket)
      end, function(_, port)
        for _ = 1, 10 do
          client(port, function(text)
            assert.equal('and back', text)
            ended = ended + 1
          end)
        end
      end)
      child:on('message', function(_, socket)
        back = back + 1
        socket:finish 'and back'
        if back == 10 then
          server:close(t.expect())
        end
      end)
      t.once(child, 'close', function()
        assert.equal(10, back)
      end)
    end)
  end)

  it('of 20 children all arrive, with what is in them', function()
    local code = [[
      local net = require('child_process').net
      local socket
      socket = net.connect(tonumber((...)), '127.0.0.1', function()
        process:send('socket', socket)
        socket = nil
      end)
      process:once('message', function() end)]]
    local arrived = 0
    local server
    server = listening(function(socket)
      socket:finish 'hello'
    end, function(_, port)
      for _ = 1, 20 do
        local child = run(code, nil, port)
        t.once(child, 'message', function(_, socket)
          local text = t.collect(socket)
          child:send 'got it'
          t.once(socket, 'close', function()
            assert.equal('hello', text())
            arrived = arrived + 1
            if arrived == 20 then
              server:close()
            end
          end)
        end)
      end
    end)
  end)

  it('need one descriptor each while they wait', function()
    local code = [[
      local cp = require 'child_process'
      local COUNT, fixture = 80, ...
      local child = cp.fork(fixture, {
        "local net, seen = require('child_process').net, 0\n"
          .. "process:on('message', function(message, socket)\n"
          .. "  if not socket then\n"
          .. "    local port, count = message[1], message[2]\n"
          .. "    for _ = 1, count do net.connect(port, '127.0.0.1'):unref() end\n"
          .. "    return\n"
          .. "  end\n"
          .. "  socket:destroy()\n"
          .. "  seen = seen + 1\n"
          .. "  if seen == 80 then process:disconnect() end\n"
          .. "end)" })
      local accepted = {}
      local server
      server = cp.net.createServer({ pauseOnConnect = true }, function(socket)
        accepted[#accepted + 1] = socket
        if #accepted == COUNT then
          server:close()
          for i = 1, COUNT do
            child:send(i, accepted[i], function(err) assert(not err, err) end)
          end
        end
      end)
      server:listen(0, '127.0.0.1', function()
        child:send { server:address().port, COUNT }
      end)
      child:on('close', print)
      cp.run()]]
    local exe, args = t.lua(code, t.fixture 'program.lua')
    local command = { '-c', 'ulimit -n 128; exec "$0" "$@"', exe, table.unpack(args) }
    local child = cp.spawn('sh', command)
    local out, err = t.collect(child.stdout), t.collect(child.stderr)
    t.once(child, 'close', function()
      assert.equal('', err())
      assert.equal('0\tnil\n', out())
    end)
  end)

  -- Sends one of each kind and keeps none.
  local SENDER = [[
    local cp = require 'child_process'
    local function send_all()
      local server = cp.net.createServer()
      server:listen(0, '127.0.0.1', function()
        process:send('server', server)
        server:close()
        local udp = cp.dgram.createSocket 'udp4'
        udp:bind(0, function()
          process:send('udp', udp)
          udp:close()
          local file <close> = io.open '/dev/null'
          process:send('file', file)
        end)
      end)
    end ]]

  it('that nobody heard of are closed by disconnect()', function()
    local child = run(SENDER .. "send_all() process:once('disconnect', print)")
    local arrived = 0
    child:on('internalMessage', function()
      arrived = arrived + 1
      if arrived == 3 then
        child:disconnect()
      end
    end)
  end)

  it('that arrive after disconnect() are closed', function()
    local child = run [[
      local server = require('child_process').net.createServer()
      process:once('message', function()
        server:listen(0, '127.0.0.1', function()
          process:send('server', server)
          server:close()
          process:kill(process.pid, 'SIGSTOP') -- the rest is not read meanwhile
        end)
      end)]]
    child:on('message', t.never 'message')
    t.once(child, 'internalMessage', function()
      child:kill 'SIGCONT'
    end)
    child:send 'go'
    child:send(('x'):rep(1 << 24))
    child:disconnect()
  end)

  it(
    'that nobody hears of keep no program alive, and only their messages are left',
    function()
      local code = [[
      local cp = require 'child_process'
      local child = cp.fork(arg[1], { arg[2] })
      child:on('close', function(code) print('close', code) end)
      cp.run()
      child:on('message', print)
      cp.run() ]]
      program(code, function(out, err)
        assert.equal('', err)
        assert.equal('close\t0\nserver\tnil\nudp\tnil\nfile\tnil\n', out)
      end, nil, t.fixture 'program.lua', SENDER .. 'send_all()')
    end
  )

  it('travel with 800 000 bytes, there and back', function()
    local code = [[
      process:once('message', function(message, socket)
        process:send(message, socket)
      end)]]
    ready_child(code, function(child)
      local payload = ('x'):rep(800004)
      local server
      server = listening(function(socket)
        child:send(payload, socket)
        server:close()
      end, function(_, port)
        client(port, function(text)
          assert.equal('back', text)
        end)
      end)
      t.once(child, 'message', function(message, socket)
        assert.is_true(message == payload)
        socket:finish 'back'
      end)
    end)
  end)
end)

describe('a server', function()
  local SERVE = [[
    local count = 0
    process:once('message', function(_, server)
      server:on('connection', function(socket)
        count = count + 1
        socket:finish 'child'
      end)
      process:on('message', function()
        server:close(function() process:send(count) process:disconnect() end)
      end)
      process:send 'serving'
    end)]]

  it('serves in both processes, and closes in both', function()
    ready_child(SERVE, function(child)
      local served = 0
      listening(function(socket)
        served = served + 1
        socket:finish 'parent'
      end, function(server, port)
        child:send('server', server)
        local by, ended = { parent = 0, child = 0 }, 0
        child:once('message', function()
          for _ = 1, 8 do
            client(port, function(text)
              by[text] = by[text] + 1
              ended = ended + 1
              if ended == 8 then
                server:close(t.expect())
                child:send 'close'
                child:once('message', function(count)
                  assert.equal(by.child, count)
                  assert.equal(by.parent, served)
                  assert.equal(8, served + count)
                end)
              end
            end)
          end
        end)
      end)
    end)
  end)

  it('that the parent has closed goes on in the child', function()
    ready_child(SERVE, function(child)
      listening(t.never 'connection here', function(server, port)
        child:send('server', server, function()
          server:close(t.expect())
        end)
        child:once('message', function()
          client(port, function(text)
            assert.equal('child', text)
            child:send 'close'
          end)
        end)
      end)
    end)
  end)

  it('may stand in `stdio`, and be listened to by its descriptor', function()
    local code = [[
      local net = require('child_process').net
      local server = net.createServer(function(socket) socket:finish 'child' end)
      server:listen({ fd = 3 }, function() process:send 'listening' end)
      process:on('disconnect', function() server:close() end)]]
    listening(t.never 'connection here', function(server, port)
      local stdio = { 'ignore', 'inherit', 'inherit', server, 'ipc' }
      local child = run(code, { stdio = stdio })
      server:close()
      t.once(child, 'message', function()
        client(port, function(text)
          assert.equal('child', text)
          child:disconnect()
        end)
      end)
    end)
  end)

  it('in `stdio` of a detached child outlives the parent', function()
    local code = [[
      local cp = require 'child_process'
      local program = "local net = require('child_process').net;"
        .. "local function serve(s) s:finish(tostring(process.pid)) end;"
        .. "net.createServer(serve):listen { fd = 3 }"
      local server = cp.net.createServer()
      server:listen(0, '127.0.0.1', function()
        local child = cp.fork(arg[1], { program },
          { detached = true, stdio = { 'ignore', 'ignore', 'ignore', server, 'ipc' } })
        child:unref()
        child.channel:unref()
        print(server:address().port)
        server:close()
      end)
      cp.run()]]
    forked.program(code, function(out, err)
      assert.equal('', err)
      client(tonumber(out), function(pid)
        assert.is_true(cp.process:kill(math.tointeger(tonumber(pid)), 'SIGKILL'))
      end)
    end, nil, t.fixture 'program.lua')
  end)
end)

describe('a UDP socket', function()
  it('is used by both processes', function()
    local code = [[
      process:once('message', function(_, socket)
        socket:on('message', function(text, from)
          process:send(text)
          if text == 'end' then
            socket:close()
            process:disconnect()
          end
        end)
        process:send 'listening'
      end)]]
    local here, there = 0, 0
    local socket = dgram.createSocket 'udp4'
    socket:on('message', function()
      here = here + 1
    end)
    ready_child(code, function(child)
      socket:bind(0, HOST, function()
        local port = socket:address().port
        child:send('socket', socket)
        child:once('message', function()
          local sender = dgram.createSocket 'udp4'
          local timer
          timer = cp.setInterval(function()
            sender:send('x', port, HOST)
            if here > 0 and there > 0 then
              timer:close()
              socket:close()
              sender:send('end', port, HOST, function()
                sender:close()
              end)
            end
          end, 1)
          child:on('message', function()
            there = there + 1
          end)
        end)
      end)
    end)
  end)
end)
