-- A child that breaks the rules costs its parent at most one `error`.
local hostile = require 'spec.support.hostile'
local raw_peer = require 'spec.support.raw_peer'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- As a program does that expects the right thing.
local function use(handle)
  if io.type(handle) == 'file' then
    handle:close()
  elseif type(handle) == 'userdata' then
    handle:close()
  elseif handle.listen then
    handle:on('error', function() end):close()
  elseif handle.write then
    handle:on('error', function() end)
    handle:resume():write 'x'
    cp.setImmediate(handle.destroy, handle)
  elseif handle.send then
    handle:on('error', function() end):close()
  end
end

-- What came of a row: `errors`, `heard`, `order` of events.
local function play(row, serialization)
  local peer = raw_peer.spawn { serialization = serialization }
  local seen = { errors = 0, heard = 0 }
  for _, kind in ipairs(row.attach or {}) do
    peer:attach(kind)
  end
  local bytes = row.bytes or raw_peer.encode(row.message, serialization)
  peer:bytes(bytes, row.times)
  if not row.unfinished then
    peer:message 'after'
  end
  peer.child:on('message', function(message, handle)
    if message == 'after' then
      seen.after = true
      peer:receive():finish()
      peer.child:send 'answer' -- for a peer that has got none
    else
      seen.heard = seen.heard + 1
    end
    if handle then
      use(handle)
    end
  end)
  peer.child:on('error', function()
    seen.errors = seen.errors + 1
  end)
  seen.order = t.record(peer.child, { 'error', 'disconnect', 'exit', 'close' })
  if row.unfinished then
    peer:finish()
  end
  t.once(peer.child, 'disconnect', function()
    peer:finish()
  end)
  t.once(peer.child, 'close')
  cp.run()
  seen.refused = peer.answers():find('NODE_HANDLE_NACK', 1, true) ~= nil
  return seen
end

local function outcome_of(seen)
  return seen.errors > 0 and 'error' or seen.refused and 'refused' or 'accepted'
end

-- What is not as the row says; nil if all is.
local function fault_of(row, serialization)
  local seen = play(row, serialization)
  local outcome = outcome_of(seen)
  local right = outcome == row.outcome and seen.heard == (row.heard or 0)
  if outcome == 'error' then
    local order = table.concat(seen.order, ' ')
    right = right and seen.errors == 1 and order:find '^error disconnect' ~= nil
  elseif not row.unfinished then
    right = right and seen.after == true
  end
  local text = '%s: %s instead of %s, %d messages, %d errors'
  return not right
    and text:format(row.value, outcome, row.outcome, seen.heard, seen.errors)
end

describe('what a child may send as', function()
  for _, serialization in ipairs { 'json', 'advanced' } do
    for _, field in ipairs(hostile.fields) do
      local title = '%s is accepted, refused, or costs one error, in %s'
      it(title:format(field.name, serialization), function()
        local faults = {}
        for _, row in ipairs(field) do
          if (row.only or serialization) == serialization then
            faults[#faults + 1] = fault_of(row, serialization) or nil
          end
        end
        assert.same({}, faults)
      end)
    end
  end
end)

-- The other way round: all that costs no error to one child, the rest to one each.
describe('what a parent may send', function()
  local CHILD = [[
    local cp = require 'child_process'
    local process, heard = cp.process, 0
    process:on('message', function(message, handle)
      heard = heard + 1
      if message == 'after' then print(heard) process:disconnect() end
      if type(handle) == 'table' then
        handle:on('error', function() end)
        handle = handle.destroy and handle:destroy() or handle:close()
      elseif handle then
        handle:close()
      end
    end)
    process:on('error', function() print 'error' end)
    process:on('disconnect', function() print 'disconnect' end)
    cp.run()]]

  local function send(peer, row)
    for _, kind in ipairs(row.attach or {}) do
      peer:attach(kind)
    end
    peer:bytes(row.bytes or raw_peer.encode(row.message, peer.serialization), row.times)
  end

  -- of what it has got, and what is printed of `times`
  local function printed(peer)
    local lines = {}
    for line in peer.answers():gmatch '[^\n]+' do
      lines[#lines + 1] = not line:find '^sent ' and line or nil
    end
    return table.concat(lines, ' ')
  end

  local function rows(serialization, costs_error)
    local list = {}
    for _, field in ipairs(hostile.fields) do
      for _, row in ipairs(field) do
        local fits = (row.only or serialization) == serialization
        if fits and not row.unfinished and (row.outcome == 'error') == costs_error then
          list[#list + 1] = row
        end
      end
    end
    return list
  end

  for _, serialization in ipairs { 'json', 'advanced' } do
    it(
      ('and is accepted or refused leaves the channel as it is, in %s'):format(
        serialization
      ),
      function()
        local peer, heard = raw_peer.parent(CHILD, serialization), 1
        peer:tell 'relent'
        for _, row in ipairs(rows(serialization, false)) do
          send(peer, row)
          heard = heard + (row.heard or 0)
        end
        peer:message('after'):finish()
        t.once(peer.child, 'close', function(code)
          assert.equal(0, code)
          assert.equal(('%d disconnect'):format(heard), printed(peer))
        end)
      end
    )

    it(('and is wrong costs one error, in %s'):format(serialization), function()
      for _, row in ipairs(rows(serialization, true)) do
        local peer = raw_peer.parent(CHILD, serialization)
        send(peer, row)
        peer:message('after'):finish()
        t.once(peer.child, 'close', function()
          assert.equal('error disconnect', printed(peer), row.value)
        end)
        cp.run()
      end
    end)
  end
end)

describe('a descriptor of a child', function()
  it(
    'opened for neither reading nor writing comes as a file that can do neither',
    function()
      local path = t.write_file(t.tmpdir() .. '/file', 'text')
      local peer = raw_peer.spawn()
      peer:attach('open 3 ' .. path):handle({ type = 'lua.File', msg = 'x' }):finish()
      t.once(peer.child, 'message', function(message, file)
        assert.equal('x', message)
        local text, problem = file:read 'a'
        assert.is_nil(text)
        assert.is_string(problem)
        file:close()
      end)
      t.once(peer.child, 'close')
    end
  )

  -- with bytes that nobody takes, and an hour for them
  for _, row in ipairs {
    { 'net.Socket', 'destroy' },
    { 'lua.Fd', 'close' },
    { 'lua.File', 'close' },
  } do
    local name, close = row[1], row[2]
    it(('that lingers is closed at once, as a %s'):format(name), function()
      local peer = raw_peer.spawn()
      peer:attach('tcp lingering'):handle({ type = name, msg = 'x' }):receive()
      t.once(peer.child, 'message', function(_, handle)
        peer.child.stdout:once('data', function() -- it has the only other one closed
          handle[close](handle)
          peer:finish()
        end)
      end)
      t.once(peer.child, 'close')
    end)
  end
end)

describe('a child that asks and does not read', function()
  it('is not read from when a mebibyte of answers waits', function()
    local peer = raw_peer.spawn()
    local question = { cmd = 'NODE_SOCKET_GET_COUNT', key = ('k'):rep(1000) }
    local times = 20000 -- nearly 20 MiB each way
    peer.child:on('message', t.never())
    peer:on_held(t.expect(function(bytes)
      assert.is_true(bytes < 3 << 20, bytes)
      peer.child:kill()
    end))
    peer:message(question, times):finish()
    t.once(peer.child, 'close')
  end)

  it('goes on when it reads them', function()
    local peer = raw_peer.spawn()
    local question = { cmd = 'NODE_SOCKET_GET_COUNT', key = ('k'):rep(1000) }
    peer:tell('relent'):message(question, 20000):message('after'):finish()
    t.once(peer.child, 'message', function(message)
      assert.equal('after', message)
    end)
    t.once(peer.child, 'close')
  end)
end)

describe('a child that passes sockets of a server', function()
  it('leaves nothing of their keys behind when they are closed, or dropped', function()
    local peer, count = raw_peer.spawn(), 0
    local function heap()
      collectgarbage()
      collectgarbage()
      return collectgarbage 'count'
    end
    local before = heap()
    peer.child:on('message', function(message, handle)
      count = count + 1
      if message == 'last' then
        cp.setImmediate(function()
          assert.is_true(heap() - before < 1000, heap() - before)
          peer:finish()
        end)
      elseif count % 2 == 0 then
        handle:destroy()
      end
      if count % 20 == 0 then
        collectgarbage() -- what was dropped has descriptors
      end
    end)
    for i = 1, 1000 do
      local name = i % 2 == 0 and 'net.Socket' or 'lua.Fd'
      local key = ('%d'):format(i):rep(1000)
      peer:attach('pair 1'):handle { type = name, msg = 1, key = key }
    end
    peer:message 'last'
    t.once(peer.child, 'close')
    cp.run()
    assert.equal(1001, count)
  end)
end)

describe('a child that is passed a handle', function()
  local function null()
    return assert(io.open '/dev/null')
  end

  it('and refuses it ten times has not got it, says the callback', function()
    local peer, file <close> = raw_peer.spawn(), null()
    for _ = 1, 11 do
      peer:receive():message { cmd = 'NODE_HANDLE_NACK' }
    end
    peer.child:send(
      'x',
      file,
      t.expect(function(err)
        assert.equal('ERR_IPC_HANDLE_REFUSED', err.code)
        peer:finish()
      end)
    )
    peer.child:send('y', t.expect(assert.is_nil))
    peer.child:on('error', t.never())
    t.once(peer.child, 'close')
  end)

  it('and is silent holds up what follows until it ends', function()
    local peer, file <close> = raw_peer.spawn(), null()
    local order = {}
    peer:receive():message 'got it'
    t.once(peer.child, 'message', function()
      peer:finish()
    end)
    for i = 1, 3 do
      peer.child:send(
        i,
        i == 1 and file or nil,
        t.expect(function(err)
          order[i] = err and err.code or 'went'
        end)
      )
    end
    t.once(peer.child, 'close', function()
      local closed = 'ERR_IPC_CHANNEL_CLOSED'
      assert.same({ 'went', closed, closed }, order)
    end)
  end)

  it('and refuses it before it has gone gets it once', function()
    local peer, file <close> = raw_peer.spawn(), null()
    local large = ('x'):rep(2 << 20)
    for _ = 1, 5 do
      peer:message { cmd = 'NODE_HANDLE_NACK' }
    end
    peer:message 'refused'
    t.once(peer.child, 'message', function()
      peer:receive(#large + 4):message({ cmd = 'NODE_HANDLE_ACK' }):finish()
    end)
    peer.child:send(large)
    peer.child:send('h', file, t.expect(assert.is_nil))
    t.once(peer.child, 'close', function()
      local _, times = peer.answers():gsub('NODE_HANDLE', '')
      assert.equal(1, times)
    end)
  end)
end)

describe('a child that has sockets of a server of ours', function()
  for value, count in pairs {
    ['less than none'] = -5,
    ['no number'] = 'x',
    ['1e300'] = 1e300,
  } do
    it(('and says that they are %s has none'):format(value), function()
      local peer, server = raw_peer.spawn(), nil
      server = cp.net.createServer(function(socket)
        peer:receive():message { cmd = 'NODE_HANDLE_ACK' }
        peer.child:send(
          'x',
          socket,
          t.expect(function()
            peer:receive()
            server:getConnections(t.expect(function(err, n)
              assert.is_nil(err)
              assert.equal(0, n)
              peer:finish()
              server:close()
            end))
            peer:message {
              cmd = 'NODE_SOCKET_COUNT',
              key = server._connectionKey,
              count = count,
            }
          end)
        )
      end)
      server:listen(0, '127.0.0.1', function()
        local client = cp.net.connect(server:address().port, '127.0.0.1')
        client:on('error', function() end)
        client:resume()
      end)
      t.once(peer.child, 'close')
    end)
  end
end)

describe('a handle with an internal message of a child', function()
  it('goes to who listens for those', function()
    local peer = raw_peer.spawn()
    local inner = { cmd = 'NODE_X' }
    peer:attach('open 0 /dev/null'):handle({ type = 'lua.Fd', msg = inner }):finish()
    local seen = {}
    peer.child:on('internalMessage', function(message, handle)
      seen[#seen + 1] = message.cmd
      if handle then
        seen[#seen + 1] = 'a handle'
        handle:close()
      end
    end)
    peer.child:on('message', t.never())
    t.once(peer.child, 'close', function()
      assert.same({ 'NODE_X', 'a handle', 'NODE_HANDLE' }, seen)
    end)
  end)
end)
