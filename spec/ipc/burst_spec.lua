-- Many messages at once: the core hands them to the listener, and takes them from send(),
-- by a short way (csrc/channel_in.c, csrc/channel_out.c).  Whatever closes that way in
-- the middle of a burst, nothing must be lost, doubled or overtaken.
local forked = require 'spec.support.forked'
local raw_peer = require 'spec.support.raw_peer'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- A child that writes all of them in one go, and ends.
local function burst(list, serialization)
  local peer = raw_peer.spawn { serialization = serialization }
  local frames = {}
  for i, message in ipairs(list) do
    frames[i] = raw_peer.encode(message, serialization)
  end
  peer:bytes(table.concat(frames)):finish()
  return peer.child
end

-- Calls `at[i]()` in the listener for message i; `check(seen)` at the end.
local function hear(child, at, check)
  local seen = {}
  local function listener(message)
    seen[#seen + 1] = message
    if at[message] then
      at[message](listener, seen)
    end
  end
  child:on('message', listener)
  t.once(child, 'close', function()
    check(seen)
  end)
end

local FIVE = { 1, 2, 3, 4, 5 }

for _, serialization in ipairs { 'json', 'advanced' } do
  describe('a burst of messages in ' .. serialization, function()
    it('comes whole and in order, of any size', function()
      local sizes = { 0, 1, 60000, 2, 1000, 1020, 1024, 70000, 3, 300000, 4 }
      local list = {}
      for i, size in ipairs(sizes) do
        list[i] = { n = i, body = ('x'):rep(size) }
      end
      local child = cp.fork(t.fixture 'echo.lua', { serialization = serialization })
      for _, message in ipairs(list) do
        child:send(message)
      end
      local seen = {}
      child:on('message', function(message)
        seen[#seen + 1] = message
        if #seen == #list then
          child:disconnect()
        end
      end)
      t.once(child, 'close', function()
        assert.is_true(#seen == #list)
        for i, message in ipairs(list) do
          assert.is_true(seen[i].n == i and seen[i].body == message.body, i)
        end
      end)
    end)

    it('ends with a broken frame, and what came before it is heard', function()
      local peer = raw_peer.spawn { serialization = serialization }
      local good = raw_peer.encode(1, serialization)
      local bad = raw_peer.frame('{', serialization)
      peer:bytes(good .. good .. bad .. good):finish()
      local seen = {}
      peer.child:on('message', function(message)
        seen[#seen + 1] = message
      end)
      t.once(peer.child, 'error', function()
        assert.same({ 1, 1 }, seen)
      end)
      t.once(peer.child, 'close', function()
        assert.same({ 1, 1 }, seen)
      end)
    end)
  end)
end

describe('in the middle of a burst', function()
  it('another listener may take the place of the first', function()
    local child, others = burst(FIVE), {}
    hear(child, {
      [3] = function(listener)
        child:off('message', listener)
        child:on('message', function(message)
          others[#others + 1] = message
        end)
      end,
    }, function(seen)
      assert.same({ 1, 2, 3 }, seen)
      assert.same({ 4, 5 }, others)
    end)
  end)

  it('a second listener may join, and leave again', function()
    local child, others = burst(FIVE), {}
    local function other(message)
      others[#others + 1] = message
    end
    hear(child, {
      [2] = function()
        child:on('message', other)
      end,
      [4] = function()
        child:off('message', other)
      end,
    }, function(seen)
      assert.same(FIVE, seen)
      assert.same({ 3, 4 }, others) -- emit calls all that were there when it began
    end)
  end)

  it('a listener of once() gets one message, and the rest is kept', function()
    local child, seen = burst(FIVE), {}
    child:once('message', function(message)
      assert.equal(1, message)
    end)
    t.once(child, 'close', function()
      child:on('message', function(message)
        seen[#seen + 1] = message
        if message == 5 then
          assert.same({ 2, 3, 4, 5 }, seen)
          child = nil
        end
      end)
    end)
    cp.run()
    assert.is_nil(child)
  end)

  it('the only listener may go, and the rest waits, in order, for the next', function()
    local child, late = burst(FIVE), {}
    hear(child, {
      [2] = function(listener)
        child:off('message', listener)
        cp.nextTick(function()
          child:on('message', function(message)
            late[#late + 1] = message
          end)
        end)
      end,
    }, function(seen)
      assert.same({ 1, 2 }, seen)
      assert.same({ 3, 4, 5 }, late)
    end)
  end)

  it('disconnect() drops the rest', function()
    local child = burst(FIVE)
    hear(child, {
      [3] = function()
        child:disconnect()
      end,
    }, function(seen)
      assert.same({ 1, 2, 3 }, seen)
    end)
  end)

  it(
    'what a listener leaves for the next tick is done before the next message',
    function()
      local child, order = burst(FIVE), {}
      child:on('message', function(message)
        order[#order + 1] = message
        if message % 2 == 0 then
          cp.nextTick(table.insert, order, 'tick')
        end
      end)
      t.once(child, 'close', function()
        assert.same({ 1, 2, 'tick', 3, 4, 'tick', 5 }, order)
      end)
    end
  )

  it('a listener that raises is reported before the next message', function()
    local child = forked.run [[
      local order = {}
      process:on('uncaughtException', function(err)
        order[#order + 1] = err
      end)
      process:on('message', function(message)
        order[#order + 1] = message
        if message == 2 or message == 3 then
          error('on purpose ' .. message, 0)
        elseif message == 5 then
          process:send(order)
          process:disconnect()
        end
      end)]]
    for _, message in ipairs(FIVE) do
      child:send(message)
    end
    t.once(child, 'message', function(order)
      assert.same({ 1, 2, 'on purpose 2', 3, 'on purpose 3', 4, 5 }, order)
    end)
  end)

  it('the rest goes through an emit() that a program puts there', function()
    local child, emitted = burst(FIVE), {}
    hear(child, {
      [2] = function()
        local emit = child.emit
        child.emit = function(self, name, ...)
          if name == 'message' then
            emitted[#emitted + 1] = (...)
          end
          return emit(self, name, ...)
        end
      end,
      [4] = function()
        child.emit = nil
      end,
    }, function(seen)
      assert.same(FIVE, seen)
      assert.same({ 3, 4 }, emitted)
    end)
  end)

  it('messages are traced from when cp.debug is on', function()
    local child, sizes = burst { 1, 2, 'abc', 4 }, {}
    hear(child, {
      [2] = function()
        cp.debug(function(event)
          if event.event == 'receive' then
            sizes[#sizes + 1] = event.size
          end
        end)
      end,
      [4] = function()
        cp.debug(nil)
      end,
    }, function(seen)
      assert.same({ 1, 2, 'abc', 4 }, seen)
      assert.same({ 5, 1 }, sizes)
    end)
  end)

  it('an internal message does not go to the listener', function()
    local internal = { cmd = 'NODE_X', n = 3 }
    local child, order = burst { 1, { cmd = 'NODE_' }, internal, { cmd = 'x' } }, {}
    for _, name in ipairs { 'message', 'internalMessage' } do
      child:on(name, function(message)
        order[#order + 1] = { name, message }
      end)
    end
    t.once(child, 'close', function()
      assert.same({
        { 'message', 1 },
        { 'message', { cmd = 'NODE_' } },
        { 'internalMessage', internal },
        { 'message', { cmd = 'x' } },
      }, order)
    end)
  end)

  it('a handle comes in its place', function()
    local peer = raw_peer.spawn()
    local handle = { cmd = 'NODE_HANDLE', type = 'lua.Fd', msg = 'handle' }
    local frames = raw_peer.encode(1) .. raw_peer.encode(handle) .. raw_peer.encode(2)
    peer:attach('open 0 /dev/null'):bytes(frames):receive():finish()
    local order = {}
    peer.child:on('message', function(message, object)
      order[#order + 1] = message
      if message == 'handle' then
        object:close()
      else
        assert.is_nil(object)
      end
    end)
    t.once(peer.child, 'close', function()
      assert.same({ 1, 'handle', 2 }, order)
    end)
  end)

  it('the program may wait, and the rest is heard meanwhile', function()
    local child, order = burst(FIVE), {}
    child:on('message', function(message)
      order[#order + 1] = message
      if message == 2 then
        child:ref()
        cp.spawnSync('true')
        order[#order + 1] = 'waited'
      end
    end)
    t.once(child, 'close', function()
      assert.same({ 1, 2, 'waited', 3, 4, 5 }, order)
    end)
  end)

  it('a collection that ends the channel ends the burst', function()
    local child, seen = burst(FIVE), {}
    child:on('message', function(message)
      seen[#seen + 1] = message
      if message == 2 then
        setmetatable({}, {
          __gc = function()
            child:disconnect()
          end,
        })
        collectgarbage()
      end
    end)
    t.once(child, 'close', function()
      assert.same({ 1, 2 }, seen)
    end)
  end)
end)

-- The messages that a child gets, as text, in its order.
local COUNTING = [[
  local seen, null = {}, require 'child_process'.null
  process:on('message', function(message, handle)
    seen[#seen + 1] = message == null and 'null' or tostring(message)
    if handle then
      handle:close()
      seen[#seen] = seen[#seen] .. ' with a handle'
    end
    if message == 'end' then
      process:send(table.concat(seen, ', '))
      process:disconnect()
    end
  end)]]

-- `send(child)` sends, and 'end' comes last; `expected` is what the child has seen.
local function sends(expected, send)
  local child = forked.run(COUNTING)
  send(child)
  child:send 'end'
  t.once(child, 'message', function(seen)
    assert.equal(expected .. ', end', seen)
  end)
end

describe('in a burst of send()', function()
  it('callbacks come in order, after the call', function()
    local order = {}
    local function note(name)
      return function(err)
        assert.is_nil(err)
        order[#order + 1] = name
      end
    end
    sends('1, 2, 3, 4, 5', function(child)
      child:send(1)
      child:send(2)
      child:send(3, note 'three')
      child:send(4)
      child:send(5, nil, nil, note 'five')
      assert.same({}, order)
      t.once(child, 'close', function()
        assert.same({ 'three', 'five' }, order)
      end)
    end)
  end)

  it('a handle is not overtaken, and holds back what comes after it', function()
    sends('1, 2, 3 with a handle, 4, 5', function(child)
      child:send(1)
      child:send(2)
      child:send(3, 0 + 2) -- stderr
      child:send(4)
      child:send(5)
    end)
  end)

  it('arguments that are nil, false or too many change nothing', function()
    sends('1, 2, 3, 4, 5', function(child)
      assert.is_true(child:send(1, nil))
      assert.is_true(child:send(2, nil, nil))
      assert.is_true(child:send(3, nil, nil, nil))
      assert.is_true(child:send(4, nil, nil, nil, 'ignored'))
      assert.is_true(child:send(5, false))
    end)
  end)

  it('a message that cannot be sent raises, and the others are whole', function()
    sends('1, 2, 3', function(child)
      child:send(1)
      child:send(2)
      for _ = 1, 2 do
        local err = t.raises('ERR_INVALID_ARG_VALUE', child.send, child, { x = print })
        assert.equal('message.x: a function cannot be sent', err.message)
      end
      t.raises('ERR_MISSING_ARGS', child.send, child)
      t.raises('ERR_INVALID_ARG_TYPE', child.send, child, print)
      child:send(3)
    end)
  end)

  it('null is a message', function()
    sends('1, null, 2', function(child)
      child:send(1)
      assert.is_true(child:send(cp.null))
      child:send(2)
    end)
  end)

  it('the method of one child sends to another if that is its self', function()
    local first = forked.run(COUNTING)
    sends('1, 2, 3', function(child)
      child:send(1)
      first.send(child, 2)
      child:send(3)
      t.raises('ERR_INVALID_THIS', child.send, 'no child')
      t.raises('ERR_INVALID_THIS', child.send)
    end)
    first:send 'end'
    t.once(first, 'message', function(seen)
      assert.equal('end', seen)
    end)
  end)

  it('a program may put a send() of its own there, and take it away', function()
    local own = {}
    sends('1, 2, 3', function(child)
      child:send(1)
      local send = child.send
      child.send = function(self, message)
        own[#own + 1] = message
        return send(self, message)
      end
      child:send(2)
      child.send = nil
      child:send(3)
      child.send = send
      assert.same({ 2 }, own)
    end)
  end)

  it('messages are traced from when cp.debug is on', function()
    local sizes = {}
    sends('1, 2, abc, 4, 5', function(child)
      child:send(1)
      child:send(2)
      cp.debug(function(event)
        if event.event == 'send' then
          sizes[#sizes + 1] = event.size
        end
      end)
      child:send 'abc'
      child:send(4)
      cp.debug(nil)
      child:send(5)
      assert.same({ 5, 1 }, sizes)
    end)
  end)

  it('nothing more is taken after disconnect()', function()
    local child = forked.run [[
      local seen = {}
      process:on('message', function(message) seen[#seen + 1] = message end)
      process:on('disconnect', function()
        assert(table.concat(seen, ' ') == '1 2 3')
      end)]]
    child:send(1)
    child:send(2)
    child:send(3)
    child:disconnect()
    local called = false
    assert.is_false(child:send(4, function(err)
      called = err.code
    end))
    t.once(child, 'error', function(err)
      assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
    end)
    assert.is_false(child:send(5))
    assert.is_false(called)
    t.once(child, 'close', function()
      assert.equal('ERR_IPC_CHANNEL_CLOSED', called)
    end)
  end)

  it('answers go on their way message by message', function()
    local child = forked.run [[
      process:on('message', function(message)
        process:send(message)
        process:send(-message)
        if message == 5 then
          process:disconnect()
        end
      end)]]
    for i = 1, 5 do
      child:send(i)
    end
    forked.messages(child, function(list)
      list.n = nil
      assert.same({ 1, -1, 2, -2, 3, -3, 4, -4, 5, -5 }, list)
    end)
  end)

  -- Sends deep messages, each of which needs memory to be encoded, until a collection in
  -- the middle of that has called `fn()`; returns how many.
  local function send_collecting(child, fn)
    local deep, sending, found = {}, false, false
    for _ = 1, 300 do
      deep = { deep }
    end
    local function collected()
      if sending and not found then
        found = true
        fn()
      elseif not found then
        setmetatable({}, { __gc = collected })
      end
    end
    setmetatable({}, { __gc = collected })
    local count = 0
    t.with_eager_gc(function()
      repeat
        count, sending = count + 1, true
        child:send(deep)
        sending = false
      until found or count == 10000
    end)
    assert(found, 'no collection in the middle')
    return count
  end

  it('a collection while one is encoded may send others', function()
    local child, before = forked.run(COUNTING), nil
    child:send(1)
    child:send(2)
    local sent = send_collecting(child, function()
      child:send 'collected'
      before = true
    end)
    assert.is_true(before)
    child:send 'end'
    t.once(child, 'message', function(seen)
      local tables = select(2, seen:gsub('table: ', ''))
      assert.equal(sent, tables)
      assert.equal('1, 2, ', seen:sub(1, 6))
      assert.truthy(seen:find('collected, table: %w+, end$'))
    end)
  end)

  it('a collection that closes the channel while one is encoded loses it', function()
    local child = forked.run [[
      process:on('message', function() end)]]
    child:send(1)
    child:send(2)
    send_collecting(child, function()
      child:disconnect()
      assert.is_nil(child.channel)
    end)
    t.once(child, 'error', function(err)
      assert.equal('EPIPE', err.code)
    end)
  end)
end)
