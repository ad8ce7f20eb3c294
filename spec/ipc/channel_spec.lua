local channel = require 'child_process.ipc.channel'
local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local fork, run, messages, answer =
  forked.fork, forked.run, forked.messages, forked.answer

local function echo(options)
  local child = cp.fork(t.fixture 'echo.lua', options)
  t.once(child, 'close', function(code)
    assert.equal(0, code)
  end)
  return child
end

-- A peer that reads nothing for as long as nothing comes on its stdin.
local function deaf_peer()
  return cp.spawn('cat', {}, { stdio = { 'pipe', 'ignore', 'inherit', 'ipc' } })
end

for _, serialization in ipairs { 'json', 'advanced' } do
  describe('messages in ' .. serialization, function()
    local options = { serialization = serialization }

    it('of every kind go there and back', function()
      local kinds = {
        true,
        false,
        0,
        -1,
        1.5,
        math.maxinteger,
        math.mininteger,
        '',
        'text',
        'ß\0\n"\\',
        cp.null,
        { 1, { 2, { 3 } }, 'x' },
        { a = { b = { c = 'd' } }, [''] = 0 },
      }
      local child = echo(options)
      for _, value in ipairs(kinds) do
        child:send(value)
      end
      local seen = {}
      child:on('message', function(message)
        seen[#seen + 1] = message
        if #seen == #kinds then
          child:disconnect()
        end
      end)
      t.once(child, 'close', function()
        for i, value in ipairs(kinds) do
          assert.same(value, seen[i])
          assert.equal(math.type(value), math.type(seen[i]))
        end
      end)
    end)

    it('of 800 000 bytes arrive as they are', function()
      local child = echo(options)
      local texts = { ('ß'):rep(399996), ('\n"\0\\'):rep(100000) }
      child:send(texts[1])
      child:send(texts[2])
      local count = 0
      child:on('message', function(message)
        count = count + 1
        assert.is_true(message == texts[count])
        if count == 2 then
          child:disconnect()
        end
      end)
    end)

    it('with several long strings arrive as they are', function()
      local child = echo(options)
      local sent = {
        plain = ('x'):rep(20000),
        again = { ('y'):rep(16384), ('ß'):rep(8192), ('z'):rep(16383) },
        escaped = ('\n"\0\\'):rep(5000),
        [('k'):rep(20000)] = 'a key',
        bytes = serialization == 'advanced' and ('\255'):rep(20000) or nil,
      }
      child:send(sent.plain)
      child:send(sent)
      child:once('message', function(text)
        assert.is_true(text == sent.plain)
        child:once('message', function(message)
          assert.same(sent, message)
          child:disconnect()
        end)
      end)
    end)

    local function come_back_in_order(sizes)
      local child = echo(options)
      for i, size in ipairs(sizes) do
        child:send { i, ('x'):rep(size) }
      end
      local count = 0
      child:on('message', function(message)
        count = count + 1
        assert.same({ count, sizes[count] }, { message[1], #message[2] })
        if count == #sizes then
          child:disconnect()
        end
      end)
    end

    it('of one turn, large and small, stay in order', function()
      come_back_in_order { 1, 10, 70000, 20000, 2, 300000, 300000, 3, 65536, 4 }
    end)

    it('of any size around the buffers of the system are whole and in order', function()
      local sizes = {}
      for _, around in ipairs { 4096, 65536, 131072, 212992, 219263, 1 << 20 } do
        for size = around - 3, around + 1 do
          sizes[#sizes + 1] = size
        end
      end
      come_back_in_order(sizes)
    end)

    it('come in order, 20 000 of them', function()
      local code = [[for i = 1, 20000 do process:send(i) end]]
      messages(fork(code, options), function(list)
        assert.equal(20000, list.n)
        for i = 1, list.n do
          assert.equal(i, list[i])
        end
      end)
    end)

    it('are kept for the first listener, in order', function()
      local code = [[
        local cp = require 'child_process'
        local list = {}
        local function listen()
          process:on('message', function(message)
            list[#list + 1] = message
            if #list == 1000 then process:send(list) process:disconnect() end
          end)
        end
        process:once('disconnect', print) -- keeps it alive
        cp.setTimeout(listen, 30)]]
      local child = run(code, options)
      for i = 1, 1000 do
        child:send(i)
      end
      t.once(child, 'message', function(list)
        for i = 1, 1000 do
          assert.equal(i, list[i])
        end
      end)
    end)

    it('that cannot be sent raise at once and harm no other', function()
      local child = echo(options)
      for _, value in ipairs { print, io.stdout, coroutine.create(print) } do
        t.raises('ERR_INVALID_ARG_TYPE', child.send, child, value)
      end
      local err = t.raises('ERR_INVALID_ARG_VALUE', child.send, child, { a = { print } })
      assert.equal('TypeError', err.name)
      assert.truthy(err.message:find('message.a[1]', 1, true), err.message)
      child:send 'fine'
      t.once(child, 'message', function(message)
        assert.equal('fine', message)
        child:disconnect()
      end)
    end)
  end)
end

describe('a message', function()
  it('is kept in the parent too, until somebody listens', function()
    local child = run 'for i = 1, 100 do process:send(i) end'
    t.once(child, 'exit', function()
      local seen = 0
      child:on('message', function(message)
        seen = seen + 1
        assert.equal(seen, message)
      end)
      cp.setImmediate(t.expect(function()
        assert.equal(100, seen)
      end))
    end)
  end)

  it('is kept also beyond close', function()
    local child = run 'process:send(1) process:send(2)'
    local seen = {}
    t.once(child, 'close', function()
      cp.setImmediate(function()
        child:on('message', function(message)
          seen[#seen + 1] = message
        end)
        cp.setImmediate(t.expect(function()
          assert.same({ 1, 2 }, seen)
        end))
      end)
    end)
  end)

  it('that was kept is delivered after the listener has been added', function()
    local child = run 'process:send(1)'
    t.once(child, 'exit', function()
      local added = false
      t.once(child, 'message', function()
        assert.is_true(added)
      end)
      added = true
    end)
  end)

  it('that was kept goes to one listener of `once`, the next waits again', function()
    local child = run 'process:send(1) process:send(2)'
    t.once(child, 'exit', function()
      child:once('message', function(first)
        assert.equal(1, first)
        cp.setImmediate(function()
          child:once(
            'message',
            t.expect(function(second)
              assert.equal(2, second)
            end)
          )
        end)
      end)
    end)
  end)

  it('is written as it was when it was sent', function()
    local child = echo()
    local message = { 1 }
    child:send(message)
    message[1] = 2
    t.once(child, 'message', function(seen)
      assert.same({ 1 }, seen)
      child:disconnect()
    end)
  end)

  it('is lost by no listener that raises', function()
    local child = run 'for i = 1, 5 do process:send(i) end'
    local seen, errors = {}, 0
    child:on('message', function(message)
      seen[#seen + 1] = message
      error('on purpose', 0)
    end)
    local alive
    repeat
      local ok, err = pcall(cp.run)
      errors = errors + (ok and 0 or 1)
      assert.is_true(ok or tostring(err):find 'on purpose' ~= nil, err)
      alive = not ok or err
    until not alive
    assert.same({ 1, 2, 3, 4, 5 }, seen)
    assert.equal(5, errors)
  end)

  it('that was kept is lost by no listener that raises', function()
    local child = run 'for i = 1, 5 do process:send(i) end'
    local seen = {}
    t.once(child, 'close', function()
      child:on('message', function(message)
        seen[#seen + 1] = message
        error('on purpose', 0)
      end)
    end)
    for _ = 1, 20 do
      pcall(cp.run)
    end
    assert.same({ 1, 2, 3, 4, 5 }, seen)
  end)

  it('whose `cmd` begins with NODE_ and goes on is internal', function()
    local code = [[
      process:send { cmd = 'NODE_' }
      process:send { cmd = 'NODE_foo', x = 1 }
      process:send { cmd = 'NODEfoo' }
      process:send { cmd = 'xNODE_foo' }
      process:send { cmd = 5 }
      process:send { 'NODE_foo' }
      process:send 'NODE_foo']]
    local child = run(code)
    t.once(child, 'internalMessage', function(message)
      assert.same({ cmd = 'NODE_foo', x = 1 }, message)
    end)
    messages(child, function(list)
      local wanted = { { cmd = 'NODE_' }, { cmd = 'NODEfoo' }, { cmd = 'xNODE_foo' } }
      wanted[4], wanted[5], wanted[6] = { cmd = 5 }, { 'NODE_foo' }, 'NODE_foo'
      wanted.n = 6
      assert.same(wanted, list)
    end)
  end)
end)

describe('a large message', function()
  it('leaves no memory with its channel', function()
    for _, serialization in ipairs { 'json', 'advanced' } do
      local children, echoed = {}, 0
      local function lua_memory()
        collectgarbage()
        collectgarbage()
        return collectgarbage 'count'
      end
      local before
      for i = 1, 10 do
        children[i] = echo { serialization = serialization }
        children[i]:once('message', function()
          children[i]:on('message', function(message)
            assert.equal(200000, #message)
            message = nil -- luacheck: ignore
            echoed = echoed + 1
            if echoed == #children then
              -- one encoder's memory is kept for all, and the message is on the stack
              assert.is_true(lua_memory() - before < 700, lua_memory() - before)
              for _, child in ipairs(children) do
                child:disconnect()
              end
            end
          end)
          echoed = echoed + 1
          if echoed == #children then
            echoed, before = 0, lua_memory()
            for _, child in ipairs(children) do
              child:send(('x'):rep(200000))
            end
          end
        end)
        children[i]:send 'ready'
      end
      cp.run()
    end
  end)
end)

describe('send', function()
  it('raises without a message', function()
    local child = echo()
    local err = t.raises('ERR_MISSING_ARGS', child.send, child)
    assert.equal('TypeError', err.name)
    assert.equal('The "message" argument must be specified', err.message)
    t.raises('ERR_MISSING_ARGS', child.send, child, nil, nil, t.never 'callback')
    child:disconnect()
  end)

  it('raises for a message of another type', function()
    local child = echo()
    local err = t.raises('ERR_INVALID_ARG_TYPE', child.send, child, print)
    local text = 'The "message" argument must be one of type string, table, number or '
      .. 'boolean. Received a function'
    assert.equal(text, err.message)
    child:disconnect()
  end)

  it('raises at once for a callback that is no function, and sends nothing', function()
    local child = echo()
    child:send 'first' -- so that another would be sent at the end of the turn
    for _, callback in ipairs { 5, 'x', {}, true } do
      for _, options in ipairs { false, { keepOpen = true } } do
        local call = { child, 'lost', nil, options or nil, callback }
        local err = t.raises('ERR_INVALID_ARG_TYPE', child.send, table.unpack(call, 1, 5))
        assert.truthy(err.message:find('"callback"', 1, true))
      end
    end
    child:send('last', nil, nil, false)
    messages(child, function(list)
      assert.same({ n = 2, 'first', 'last' }, list)
    end)
    child:on('message', function(message)
      if message == 'last' then
        child:disconnect()
      end
    end)
  end)

  it('raises for options that are no table, and for what is no handle', function()
    local child = echo()
    for _, options in ipairs { 'foo', '', 0, 0 / 0, true, cp.null } do
      local call = { child, 'x', nil, options, t.never 'callback' }
      t.raises('ERR_INVALID_ARG_TYPE', child.send, table.unpack(call, 1, 5))
    end
    local none = { 'meow', {}, true, 1.5, -1, 1 << 40, coroutine.create(print) }
    for _, handle in ipairs(none) do
      local err = t.raises('ERR_INVALID_HANDLE_TYPE', child.send, child, 'x', handle)
      assert.equal('This handle type cannot be sent', err.message)
      assert.equal('TypeError', err.name)
    end
    child:send 'fine'
    t.once(child, 'message', function(message)
      assert.equal('fine', message)
      child:disconnect()
    end)
  end)

  it('raises the same in the child', function()
    local code = [[
      local function code(...)
        local ok, err = pcall(process.send, process, ...)
        return not ok and err.code
      end
      process:send {
        code(), code(print), code('x', 'meow'), code('x', nil, 'foo'), code({ print }),
      }]]
    answer(fork(code), function(list)
      assert.same({
        'ERR_MISSING_ARGS',
        'ERR_INVALID_ARG_TYPE',
        'ERR_INVALID_HANDLE_TYPE',
        'ERR_INVALID_ARG_TYPE',
        'ERR_INVALID_ARG_VALUE',
      }, list)
    end)
  end)

  it('takes nil, false, 0, the empty string as no handle', function()
    local child = echo()
    for _, handle in ipairs { false, 0, '' } do
      child:send(1, handle)
    end
    child:send(2, nil, {})
    local count = 0
    child:on('message', function(message, handle)
      count = count + 1
      assert.is_nil(handle)
      if message == 2 then
        assert.equal(4, count)
        child:disconnect()
      end
    end)
  end)

  it('calls back later, once, with nothing, in order', function()
    local child = echo()
    local order, returned = {}, false
    for i = 1, 4 do
      local function callback(...)
        assert.is_true(returned)
        assert.same({ nil, n = select('#', ...) }, table.pack(...))
        order[#order + 1] = i
      end
      local forms = {
        { callback },
        { nil, callback },
        { nil, nil, callback },
        { nil, { keepOpen = false }, callback },
      }
      assert.is_true(child:send({ i, ('x'):rep(30000) }, table.unpack(forms[i], 1, 3)))
    end
    returned = true
    child:on('message', function(message)
      if message[1] == 4 then
        assert.same({ 1, 2, 3, 4 }, order)
        child:disconnect()
      end
    end)
  end)

  it('keeps the child alive until it is written, and calls back', function()
    local code = [[
      process:send(('x'):rep(1 << 20), function(err)
        process:send { 'called', tostring(err) }
      end)]]
    messages(run(code), function(list)
      assert.equal(2, list.n)
      assert.same({ 'called', 'nil' }, list[2])
    end)
  end)

  it('keeps the parent alive until it is written', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.spawn('sh', { '-c', 'sleep 0.05; wc -c <&3' },
        { stdio = { 'ignore', 'inherit', 'inherit', 'ipc' } })
      child:unref()
      child.channel:unref()
      child:send(('x'):rep(4 << 20), function(err) print(err) end)
      cp.run()]]
    forked.program(code, function(out, err)
      assert.equal('', err)
      -- the parent ends when all is written, not before
      assert.equal('nil\n', out:match '^nil\n')
      assert.equal((4 << 20) + 3, tonumber(out:match '(%d+)\n$'))
    end)
  end)

  it('returns false when 128 KiB wait, and `drain` follows', function()
    local child = deaf_peer()
    local first
    for i = 1, 60 do
      if not child:send(('x'):rep(10000)) and not first then
        first = i
      end
    end
    -- what the socket takes at once does not count
    assert.is_true(first >= 13 and first < 45, tostring(first))
    t.once(child, 'close')
    child:on('drain', t.never 'drain')
    child.stdin:finish() -- it ends, with everything unread
    cp.run()

    child = echo()
    child:kill 'SIGSTOP' -- lest it read as quickly as we write
    local sent = 0
    repeat
      sent = sent + 1
    until not child:send(('x'):rep(10000))
    child:kill 'SIGCONT'
    local received, drained = 0, 0
    child:on('message', function()
      received = received + 1
      if received == sent then
        child:disconnect()
      end
    end)
    t.once(child, 'drain', function()
      drained = drained + 1
    end)
    t.once(child, 'close', function()
      assert.equal(1, drained)
      assert.equal(sent, received)
    end)
  end)

  it('hands more to the system in one go, on the channel of a pool', function()
    local file <close> = assert(io.open '/proc/sys/net/core/wmem_max')
    local is_allowed = file:read 'n' >= 2 * 212992
    local plain, wide = deaf_peer(), deaf_peer()
    channel.widen(wide)
    assert.is_false(plain:send(('x'):rep(600000)))
    assert.equal(is_allowed, wide:send(('x'):rep(600000)))
    plain.stdin:finish()
    wide.stdin:finish()
    t.once(plain, 'close')
    t.once(wide, 'close')
    cp.run()
    channel.widen(wide) -- closed: nothing happens
  end)

  it('says so in every callback when the peer has gone', function()
    local child = deaf_peer()
    local calls, failed = 0, 0
    for _ = 1, 60 do
      child:send(
        ('x'):rep(10000),
        t.expect(function(err)
          calls = calls + 1
          if err then
            failed = failed + 1
            assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
          end
        end)
      )
    end
    child:kill 'SIGKILL'
    t.once(child, 'disconnect')
    t.once(child, 'close', function(_, signal)
      assert.equal('SIGKILL', signal)
      assert.is_true(failed > 0)
    end)
  end)

  it('without a channel fails as on a closed one', function()
    local child = cp.spawn 'true'
    assert.is_false(child.connected)
    assert.is_nil(child.channel)
    local returned = false
    local result = child:send(
      'x',
      t.expect(function(err)
        assert.is_true(returned)
        assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
        assert.equal('Channel closed', err.message)
      end)
    )
    assert.is_false(result)
    returned = true
    t.once(child, 'error', function(err)
      assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
    end)
    assert.is_false(child:send 'y')
  end)

  it('in a process without a channel fails in the same way', function()
    local code = [[
      local cp = require 'child_process'
      assert(cp.process.connected == false and cp.process.channel == nil)
      print(cp.process:send('x', function(err) print(err) end))
      cp.process:on('error', function(err) print(err.code) end)
      cp.process:send 'y'
      cp.process:disconnect()
      cp.run()]]
    forked.program(code, function(out, err)
      assert.equal('', err)
      local closed = 'Error [ERR_IPC_CHANNEL_CLOSED]: Channel closed\n'
      local wanted = 'false\nERR_IPC_DISCONNECTED\n'
        .. closed
        .. 'ERR_IPC_CHANNEL_CLOSED\n'
      assert.equal(wanted, out)
    end)
  end)

  it('after the end of the child tells the callback', function()
    local child = run ''
    t.once(child, 'close', function()
      assert.is_false(child:send(
        'late',
        t.expect(function(err)
          assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
        end)
      ))
    end)
  end)
end)
