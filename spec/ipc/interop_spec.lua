-- The channel with a Node that nobody here wrote, at either end.
local forked = require 'spec.support.forked'
local node = require 'spec.support.node'
local t = require 'spec.helper'
local cp = t.cp

local it = node.wrap(it, pending)
local node_child, node_parent = node.child, node.parent

local ECHO_JS = [[
  process.on('message', (message) => {
    if (message === 'end') process.disconnect()
    else process.send(message)
  })]]

local ECHO_LUA = [[
  local cp = require 'child_process'
  cp.process:on('message', function(message)
    cp.process:send(message)
  end)
  cp.run()]]

for _, serialization in ipairs { 'json', 'advanced' } do
  describe('a Lua parent and a Node child in ' .. serialization, function()
    local function options()
      return { serialization = serialization }
    end

    it('exchange values', function()
      local values = {
        true,
        false,
        0,
        -1,
        1.5,
        1e300,
        5e-324,
        (1 << 53) - 1,
        -(1 << 53),
        '',
        'text',
        'ß€😀\0\n"\\\u{2028}',
        cp.null,
        { 1, { 2, { cp.null, false } }, 'x' },
        { a = { b = { c = 'd' } }, [''] = 0, ['1'] = 'one' },
      }
      local child = node_child(ECHO_JS, options())
      for _, value in ipairs(values) do
        child:send(value)
      end
      child:send 'end'
      forked.messages(child, function(seen)
        for i, value in ipairs(values) do
          assert.same(value, seen[i])
          assert.equal(math.type(value), math.type(seen[i]))
        end
        assert.equal(#values, seen.n)
      end)
    end)

    it('exchange what is longer than any buffer', function()
      local child = node_child(ECHO_JS, options())
      local sent = { ('ß'):rep(399996), ('x'):rep(1 << 24), '"\n' }
      for _, text in ipairs(sent) do
        child:send(text)
      end
      local count = 0
      child:on('message', function(message)
        count = count + 1
        assert.is_true(message == sent[count])
        if count == #sent then
          child:disconnect()
        end
      end)
      t.once(child, 'exit', function()
        assert.equal(#sent, count)
      end)
    end)

    it('hear all that was sent right before the end', function()
      local code =
        "process.send('x'.repeat(219263)); process.send(2, () => process.exit())"
      local child = node_child(code, options())
      forked.messages(child, function(seen)
        assert.equal(2, seen.n)
        assert.equal(219263, #seen[1])
      end)
    end)

    it('end when the parent disconnects', function()
      local code =
        "process.on('message', m => process.on('disconnect', () => console.log(m)))"
      local wanted = options()
      wanted.silent = true
      local child = node_child(code, wanted)
      local out = t.collect(child.stdout)
      child:send(('y'):rep(1 << 20))
      child:disconnect()
      assert.is_false(child.connected)
      t.once(child, 'disconnect')
      t.once(child, 'close', function()
        assert.equal((1 << 20) + 1, #out())
      end)
    end)

    it('know internal messages of the other', function()
      local code = [[
        process.on('message', () => assert.fail())
        process.once('internalMessage', (m) => {
          process.send({ cmd: 'NODE_test', got: m.x })
          process.disconnect()
        })]]
      local child = node_child(code, options())
      child:send { cmd = 'NODE_mine', x = 1 }
      child:on('message', t.never 'message')
      t.once(child, 'internalMessage', function(message)
        assert.same({ cmd = 'NODE_test', got = 1 }, message)
      end)
    end)
  end)

  describe('a Node parent and a Lua child in ' .. serialization, function()
    it('exchange values', function()
      local code = [=[
        const values = [true, false, 0, -1, 1.5, 1e300, 5e-324, 2 ** 53 - 1, '', 'text',
          'ß€😀\0\n"\\\u2028', [1, [2, [null, false]], 'x'],
          { a: { b: 'd' }, '': 0, 1: 'one' }]
        let n = 0
        child.on('message', (message) => {
          assert.deepStrictEqual(message, values[n])
          if (++n === values.length) child.disconnect()
        })
        for (const value of values) child.send(value)]=]
      node_parent(ECHO_LUA, code, function(out)
        assert.equal('exit 0 null\n', out)
      end, serialization)
    end)

    it('exchange what is longer than any buffer', function()
      local code = [[
        const values = ['ß'.repeat(399996), 'x'.repeat(1 << 24), '"\n']
        let n = 0
        child.on('message', (message) => {
          assert(message === values[n])
          if (++n === values.length) child.disconnect()
        })
        for (const value of values) child.send(value)]]
      node_parent(ECHO_LUA, code, function(out)
        assert.equal('exit 0 null\n', out)
      end, serialization)
    end)

    it('hear all that was sent right before the end', function()
      local lua = [[
        local cp = require 'child_process'
        cp.process:send(('x'):rep(219263))
        cp.process:send(#arg, function(err) assert(err == nil) end)
        cp.run()]]
      local code = [[
        child.on('message', (m) => console.log(m.length || m))
        child.on('disconnect', () => console.log('disconnect'))]]
      node_parent(lua, code, function(out)
        -- which of the last two comes first is as Node finds them
        local disconnect, exit = 'disconnect\n', 'exit 0 null\n'
        local head = '219263\n2\n'
        if out ~= head .. exit .. disconnect then
          assert.equal(head .. disconnect .. exit, out)
        end
      end, serialization)
    end)

    it('tell each other the end', function()
      local lua = [[
        local cp = require 'child_process'
        cp.process:on('disconnect', function() io.write 'child: disconnect\n' end)
        cp.process:send { cmd = 'NODE_mine', x = 1 }
        cp.process:send(1)
        cp.run()]]
      local code = [[
        child.on('internalMessage', (m) => console.log(m.cmd, m.x))
        child.on('disconnect', () => console.log('parent: disconnect'))
        child.on('message', () => child.disconnect())]]
      node_parent(lua, code, function(out)
        for line in ('NODE_mine 1,child: disconnect,parent: disconnect'):gmatch '[^,]+' do
          assert.truthy(out:find(line, 1, true), out)
        end
      end, serialization)
    end)

    it('agree on what a child sees that loses its parent', function()
      local lua = [[
        local cp = require 'child_process'
        cp.process:on('disconnect', function() print(cp.process.connected) end)
        cp.process:send 'ready'
        cp.run()]]
      local code = "child.on('message', () => process.exit())"
      node_parent(lua, code, function(out)
        assert.equal('false\n', out)
      end, serialization)
    end)
  end)
end

describe('only the advanced serialization', function()
  it('brings Node all that Lua has', function()
    local code = [[
      process.on('message', (m) => {
        const kinds = {
          infinity: m.infinity === -Infinity, nan: Number.isNaN(m.nan),
          zero: Object.is(m.zero, -0), big: m.big === 9223372036854775807n,
          bytes: Buffer.isBuffer(m.bytes) && m.bytes.equals(Buffer.from([0xff, 0, 0xfe])),
          cycle: m.cycle === m, shared: m.shared[0] === m.shared[1],
          map: m.map instanceof Map && m.map.get(1.5) === 'x' && m.map.get(true) === 'y',
        }
        process.send(Object.keys(kinds).filter((name) => !kinds[name]))
        process.disconnect()
      })]]
    local child = node_child(code, { serialization = 'advanced' })
    local shared = {}
    local message = {
      infinity = -math.huge,
      nan = 0 / 0,
      zero = -0.0,
      big = math.maxinteger,
      bytes = '\xff\0\xfe',
      shared = { shared, shared },
      map = { [1.5] = 'x', [true] = 'y' },
    }
    message.cycle = message
    child:send(message)
    t.once(child, 'message', function(failed)
      assert.same({}, failed)
    end)
  end)

  it('brings Lua what only Node has', function()
    local code = [[
      process.send({
        buffer: Buffer.from([0xff, 0, 10]), array: new Uint16Array([1, 0x1234]),
        map: new Map().set('k', true).set(1, 'x'), set: new Set(['a', 'b']),
        big: 123456789012345678n, date: new Date(5), error: new RangeError('on purpose'),
        nothing: undefined, infinity: Infinity, cycle: null,
      })
      process.disconnect()]]
    local child = node_child(code, { serialization = 'advanced' })
    t.once(child, 'message', function(message)
      assert.equal('\xff\0\n', message.buffer)
      assert.equal('\1\0\x34\x12', message.array)
      assert.same({ 'x', k = true }, { message.map[1], k = message.map.k })
      assert.same({ 'a', 'b' }, { message.set[1], message.set[2] })
      assert.equal(123456789012345678, message.big)
      assert.equal(5, message.date.time)
      assert.equal('RangeError', message.error.name)
      assert.equal('on purpose', message.error.message)
      assert.is_nil(message.nothing)
      assert.equal(math.huge, message.infinity)
      assert.equal(cp.null, message.cycle)
    end)
  end)

  it('takes four times 8 MiB of bytes from Node', function()
    local code = [[
      for (let i = 0; i < 4; i++) process.send(Buffer.alloc(8 << 20, i))]]
    local child = node_child(code, { serialization = 'advanced' })
    forked.messages(child, function(seen)
      assert.equal(4, seen.n)
      for i = 1, 4 do
        assert.is_true(seen[i] == string.char(i - 1):rep(8 << 20))
      end
    end)
  end)
end)

describe('a broken frame', function()
  it('from Node gives one error, then `disconnect`', function()
    local code = [[
      const fs = require('fs')
      fs.writeSync(3, '{no JSON\n')
      setInterval(() => 0, 1000)
      process.on('disconnect', () => process.exit())]]
    local child = node_child(code)
    local events = t.record(child, { 'error', 'disconnect', 'exit' })
    t.once(child, 'close', function()
      assert.same({ 'error', 'disconnect', 'exit' }, events)
    end)
  end)
end)

describe('a Node child', function()
  it('is started as Node would', function()
    local code = 'process.send([process.argv.slice(2), process.execArgv])'
    local path = node.script(code)
    local options = { execPath = 'node', execArgv = { '--no-warnings' } }
    local child = cp.fork(path, { 'a', 'b c' }, options)
    t.once(child, 'message', function(message)
      assert.same({ 'a', 'b c' }, message[1])
      assert.same({ '--no-warnings' }, message[2])
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal(0, exit_code)
    end)
  end)
end)
