-- Servers and sockets to and from a real Node.
local node = require 'spec.support.node'
local t = require 'spec.helper'
local cp = t.cp
local it = node.wrap(it, pending)

local HOST = '127.0.0.1'

local function text_of(port, check)
  local socket = cp.net.connect(port, HOST)
  local text = t.collect(socket)
  t.once(socket, 'close', function()
    check(text())
  end)
end

for _, serialization in ipairs { 'json', 'advanced' } do
  describe('from a Lua parent to a Node child in ' .. serialization, function()
    local function ready(code, then_do)
      local child = node.child(code .. "; process.send('ready')", {
        serialization = serialization,
      })
      child:once('message', function()
        then_do(child)
      end)
    end

    it('a socket', function()
      local code = [[
        process.once('message', (message, socket) => {
          socket.end(message)
          socket.on('close', () => process.disconnect())
        })]]
      ready(code, function(child)
        local server = cp.net.createServer()
        server:on('connection', function(socket)
          child:send('from Node', socket)
          server:close()
        end)
        server:listen(0, HOST, function()
          text_of(server:address().port, function(text)
            assert.equal('from Node', text)
          end)
        end)
      end)
    end)

    it('a server, which both then have', function()
      local code = [[
        process.once('message', (message, server) => {
          server.on('connection', (socket) => socket.end('Node'))
          process.on('message', () => server.close(() => process.disconnect()))
          process.send('serving')
        })]]
      ready(code, function(child)
        local server = cp.net.createServer()
        server:listen(0, HOST, function()
          local port = server:address().port
          child:send('server', server, function()
            server:close()
          end)
          child:once('message', function()
            text_of(port, function(text)
              assert.equal('Node', text)
              child:send 'close'
            end)
          end)
        end)
      end)
    end)

    it('sockets, counted and waited for', function()
      local code = [[
        const sockets = []
        process.on('message', (message, socket) => {
          if (socket) {
            sockets.push(socket)
            process.send(sockets.length)
          } else {
            sockets.forEach((s) => s.end())
            process.disconnect()
          }
        })]]
      ready(code, function(child)
        local server = cp.net.createServer()
        server:on('connection', function(socket)
          child:send('take', socket)
        end)
        server:listen(0, HOST, function()
          for _ = 1, 3 do
            text_of(server:address().port, function() end)
          end
        end)
        child:on('message', function(count)
          if count == 3 then
            server:getConnections(t.expect(function(err, total)
              assert.is_nil(err)
              assert.equal(3, total)
              server:close(t.expect())
              child:send 'let go'
            end))
          end
        end)
      end)
    end)

    it('a UDP socket', function()
      local code = [[
        process.once('message', (message, socket) => {
          socket.on('message', (text) => {
            process.send(text.toString())
            socket.close()
            process.disconnect()
          })
          process.send('bound')
        })]]
      ready(code, function(child)
        local socket = cp.dgram.createSocket 'udp4'
        socket:bind(0, HOST, function()
          local port = socket:address().port
          child:send('socket', socket)
          child:once('message', function()
            socket:close()
            local sender = cp.dgram.createSocket 'udp4'
            sender:send('hello', port, HOST, function()
              sender:close()
            end)
            t.once(child, 'message', function(text)
              assert.equal('hello', text)
            end)
          end)
        end)
      end)
    end)
  end)

  describe('from a Node parent to a Lua child in ' .. serialization, function()
    local function check(out)
      assert.equal('exit 0 null\n', out)
    end

    it('a socket', function()
      local lua = [[
        local cp = require 'child_process'
        cp.process:once('message', function(message, socket)
          socket:finish(message)
          socket:on('close', function() cp.process:disconnect() end)
        end)
        cp.run()]]
      local code = [[
        const server = net.createServer((socket) => {
          child.send('from Lua', socket)
          server.close()
        })
        server.listen(0, '127.0.0.1', () => {
          let text = ''
          const client = net.connect(server.address().port, '127.0.0.1')
          client.on('data', (chunk) => text += chunk)
          client.on('close', () => assert.strictEqual(text, 'from Lua'))
        })]]
      node.parent(lua, code, check, serialization)
    end)

    it('a server, and back a socket', function()
      local lua = [[
        local cp = require 'child_process'
        cp.process:once('message', function(message, server)
          server:on('connection', function(socket)
            cp.process:send('socket', socket)
            server:close()
          end)
          cp.process:send 'serving'
        end)
        cp.run()]]
      local code = [[
        const server = net.createServer(() => assert.fail())
        server.listen(0, '127.0.0.1', () => {
          const { port } = server.address()
          child.send('server', server, () => server.close())
          child.on('message', (message, socket) => {
            if (socket) return socket.end('back in Node')
            let text = ''
            const client = net.connect(port, '127.0.0.1')
            client.on('data', (chunk) => text += chunk)
            client.on('close', () => assert.strictEqual(text, 'back in Node'))
          })
        })]]
      node.parent(lua, code, check, serialization)
    end)

    it('sockets, counted and waited for', function()
      local lua = [[
        local cp = require 'child_process'
        local sockets = {}
        cp.process:on('message', function(message, socket)
          if socket then
            sockets[#sockets + 1] = socket
            cp.process:send(#sockets)
          else
            for _, s in ipairs(sockets) do s:finish() end
            cp.process:disconnect()
          end
        end)
        cp.run()]]
      local code = [[
        const server = net.createServer((socket) => child.send('take', socket))
        server.listen(0, '127.0.0.1', () => {
          for (let i = 0; i < 3; i++) {
            net.connect(server.address().port, '127.0.0.1').resume()
          }
        })
        child.on('message', (count) => {
          if (count !== 3) return
          server.getConnections((err, total) => {
            assert.strictEqual(total, 3)
            server.close(() => console.log('closed'))
            child.send('let go')
          })
        })]]
      node.parent(lua, code, function(out)
        assert.truthy(out:find('closed\n', 1, true), out)
        assert.truthy(out:find('exit 0 null\n', 1, true), out)
      end, serialization)
    end)

    it('handles from both sides at once', function()
      local lua = [[
        local cp = require 'child_process'
        local count = 0
        cp.process:on('message', function(message, socket)
          cp.process:send(message, socket)
          count = count + 1
          if count == 10 then cp.process:disconnect() end
        end)
        cp.run()]]
      local code = [[
        let back = 0
        const server = net.createServer((socket) => child.send('there', socket))
        server.listen(0, '127.0.0.1', () => {
          for (let i = 0; i < 10; i++) {
            net.connect(server.address().port, '127.0.0.1').resume()
          }
        })
        child.on('message', (message, socket) => {
          socket.end()
          if (++back === 10) server.close()
        })]]
      node.parent(lua, code, check, serialization)
    end)
  end)
end
