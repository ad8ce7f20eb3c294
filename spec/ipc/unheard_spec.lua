-- Messages that come while nobody listens: kept up to a bound.
local forked = require 'spec.support.forked'
local raw_peer = require 'spec.support.raw_peer'
local t = require 'spec.helper'
local cp = t.cp
-- With a collection at every one of hundreds of thousands of callbacks they take hours.
local it = os.getenv 'LCP_GC_STRESS' and pending or t.wrap(it)

local MOST = 4 * 1024 * 1024 -- bytes that are kept
local IN_BETWEEN = 1024 * 1024 -- what the kernel may hold, and one read

local function fd_count()
  local n = 0
  for _ in pairs(t.fds()) do
    n = n + 1
  end
  return n
end

local function heap()
  collectgarbage()
  return collectgarbage 'count' * 1024
end

describe('a child that sends and nobody listens to', function()
  for _, serialization in ipairs { 'json', 'advanced' } do
    it(('is held up, and loses nothing, in %s'):format(serialization), function()
      local peer = raw_peer.spawn { serialization = serialization }
      local before, count, wrong = heap(), 0, nil
      peer:on_held(t.expect(function(bytes)
        assert.is_true(bytes < MOST + IN_BETWEEN, bytes)
        assert.is_true(heap() - before < 1.5 * MOST, heap() - before)
        peer.child:on('message', function(message)
          wrong = wrong or message ~= ('%50d'):format(count % 100) and message
          count = count + 1
        end)
      end))
      local hundred = {}
      for i = 1, 100 do
        hundred[i] = raw_peer.encode(('%50d'):format(i - 1), serialization)
      end
      peer:bytes(table.concat(hundred), 1000):finish()
      t.once(peer.child, 'close', function()
        assert.is_falsy(wrong)
        assert.equal(100000, count)
      end)
    end)
  end

  it('is held up in the middle of a large message', function()
    local peer = raw_peer.spawn()
    peer:on_held(t.expect(function(bytes)
      assert.is_true(bytes < MOST + IN_BETWEEN, bytes)
      t.once(peer.child, 'message', function(message)
        assert.equal(('x'):rep(16 << 20), message)
      end)
    end))
    peer:bytes('"'):bytes('x', 16 << 20):bytes('"\n'):finish()
    t.once(peer.child, 'close')
  end)

  it('finds its messages in their order when somebody listens again', function()
    local child = forked.run [[
      for i = 1, 20000 do process:send(i) end
      process:send('end')]]
    local seen = {}
    local function hear()
      child:once('message', function(message)
        seen[#seen + 1] = message
        if message ~= 'end' then
          cp.nextTick(hear)
        end
      end)
    end
    cp.setImmediate(hear)
    t.once(child, 'close', function()
      assert.equal(20001, #seen)
      for i = 1, 20000 do
        assert(seen[i] == i)
      end
    end)
  end)

  it('and ends meanwhile closes, and what it had sent is still heard', function()
    local peer, count = raw_peer.spawn(), 0
    peer:on_held(t.expect(function()
      peer.child:kill 'SIGKILL'
    end))
    peer:message({ text = ('x'):rep(1000) }, 100000):finish()
    t.once(peer.child, 'disconnect')
    t.once(peer.child, 'close', function(_, signal)
      assert.equal('SIGKILL', signal)
      peer.child:on('message', function(message)
        assert.equal(1000, #message.text)
        count = count + 1
      end)
    end)
    cp.run()
    assert.is_true(count * 1000 > MOST / 2, count)
  end)

  it('can be disconnected from', function()
    local peer = raw_peer.spawn()
    peer:on_held(t.expect(function()
      peer.child:disconnect()
    end))
    peer:message(1, 10000000):finish()
    t.once(peer.child, 'disconnect')
    t.once(peer.child, 'close')
  end)

  it('and sends a broken frame gives one error', function()
    local peer = raw_peer.spawn()
    peer:message(1):bytes('{\n'):finish()
    t.once(peer.child, 'error')
    t.once(peer.child, 'close')
  end)
end)

describe('a child that goes on sending from another process', function()
  it('exits all the same', function()
    local peer, count = raw_peer.spawn(), 0
    peer:tell('stay'):message('x', 100000000):finish()
    peer.child:on('message', function()
      count = count + 1
    end)
    t.once(peer.child, 'exit', function()
      peer.child:disconnect()
    end)
    t.once(peer.child, 'close')
  end)
end)

describe('a parent that ends', function()
  -- which a child that has stopped reading learns of as well
  it('is noticed by a child that has not listened', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.fork(arg[1], {
        "process:on('disconnect', function() print 'disconnect' end)" ..
        "process:send 'ready'"
      }, { stdio = { 'ignore', 1, 2, 'ipc' } })
      child:once('message', function()
        local function more()
          while child:send(('x'):rep(10000)) do end
          if child.channel then cp.setImmediate(more) end
        end
        more()
        cp.setTimeout(function() process:kill(process.pid, 'SIGKILL') end, 300)
      end)
      process = cp.process
      cp.run()]]
    forked.program(code, function(out, err, _, signal)
      assert.equal('', err)
      assert.equal('SIGKILL', signal)
      assert.equal('disconnect\n', out)
    end, nil, t.fixture 'program.lua')
  end)
end)

describe('handles that nobody takes', function()
  it('hold up the child after the first 64', function()
    local before = fd_count()
    local peer, seen = raw_peer.spawn(), {}
    local started = fd_count()
    for i = 1, 200 do
      peer:attach('open 0 /dev/null'):handle { type = 'lua.Fd', msg = i }
    end
    -- more than is taken while the handles are
    peer:on_held(t.expect(function()
      assert.equal(started + 64 - 1, fd_count()) -- its stdin is closed
      peer.child:on('message', function(message, handle)
        seen[#seen + 1] = type(message) == 'number' and message or nil
        if handle then
          handle:close()
        end
      end)
    end))
    peer:message('x', 200000):finish()
    t.once(peer.child, 'close', function()
      assert.equal(200, #seen)
      for i = 1, 200 do
        assert.equal(i, seen[i])
      end
    end)
    cp.run()
    assert.equal(before, fd_count())
  end)

  it('are no more than 64 at the end, when all is read', function()
    local peer, before = raw_peer.spawn(), fd_count()
    for i = 1, 150 do
      peer:attach('open 0 /dev/null'):handle { type = 'lua.Fd', msg = i }
    end
    peer:on_held(t.expect(function()
      peer.child:kill 'SIGKILL'
    end))
    peer:message('x', 200000):finish()
    t.once(peer.child, 'disconnect', function()
      assert.is_true(fd_count() <= before + 64, fd_count() - before)
    end)
    t.once(peer.child, 'close')
  end)

  it('are closed when the child has closed, and their messages are left', function()
    local before, seen = fd_count(), {}
    local peer = raw_peer.spawn()
    for i = 1, 5 do
      peer:attach('open 0 /dev/null'):handle { type = 'lua.Fd', msg = i }
    end
    peer:finish()
    t.once(peer.child, 'close', function()
      assert.equal(before, fd_count())
      peer.child:on('message', function(message, handle)
        assert.is_nil(handle)
        seen[#seen + 1] = message
      end)
    end)
    cp.run()
    assert.same({ 1, 2, 3, 4, 5 }, seen)
  end)

  it('are closed in a child whose parent goes', function()
    local code = [[
      local cp = require 'child_process'
      local function count()
        local n = 0
        for _ in require('lfs').dir '/proc/self/fd' do n = n + 1 end
        return n
      end
      local before = count()
      process:on('disconnect', function()
        cp.setImmediate(function()
          io.stdout:write(count() - before, '\n')
        end)
      end)]]
    local child = forked.run(code, { stdio = { 'ignore', 'pipe', 2, 'ipc' } })
    local out = t.collect(child.stdout)
    local file <close> = io.open '/dev/null'
    for i = 1, 5 do
      child:send(i, file)
    end
    child:disconnect()
    cp.run()
    assert.equal('-1\n', out()) -- the channel
  end)

  it('count no longer as sockets of a server', function()
    local peer = raw_peer.spawn()
    local handle = { type = 'net.Socket', msg = 1, key = 'k' }
    peer:attach('pair 1'):handle(handle):receive()
    peer:message { cmd = 'NODE_SOCKET_NOTIFY_CLOSE', key = 'k' }
    local internal = 0
    peer.child:on('internalMessage', function()
      internal = internal + 1
      if internal == 2 then
        peer.child:disconnect() -- what was kept is forgotten
        peer:receive():finish()
      end
    end)
    t.once(peer.child, 'close', function()
      assert.is_truthy(peer.answers():find('NODE_SOCKET_ALL_CLOSED', 1, true))
    end)
  end)

  it('do not keep a channel open that one of them is an end of', function()
    local peer = raw_peer.spawn()
    peer:attach('channel'):handle({ type = 'net.Socket', msg = 1 }):finish()
    t.once(peer.child, 'close')
  end)

  it('nor do those of a message that was cut off', function()
    local peer = raw_peer.spawn()
    peer:attach('channel'):bytes('{"cmd":"NODE_HANDLE"'):finish()
    peer.child:on('message', t.never 'message')
    t.once(peer.child, 'close')
  end)

  it('and no message asks for are closed at once', function()
    local peer, before = raw_peer.spawn(), nil
    peer.child:on('message', function(message)
      before = before or fd_count()
      if message == 100 then
        assert.is_true(fd_count() <= before + 1) -- that of this message
      end
    end)
    peer:message(0)
    for i = 1, 100 do
      peer:attach('open 0 /dev/null'):message(i)
    end
    peer:finish()
    t.once(peer.child, 'close')
  end)
end)
