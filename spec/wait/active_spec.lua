-- cp.active: the answer to "why does my program not end?".
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local HERE = 'spec/wait/active_spec%.lua:%d+$'

-- Other specs leave timers that keep nothing alive (AbortSignal.timeout): so many entries
-- are not of the running one.
local before = 0

local function active()
  local list = cp.active()
  return table.move(list, before + 1, #list, 1, {})
end

-- The entries of one type.
local function of_type(kind)
  local list = {}
  for _, entry in ipairs(active()) do
    if entry.type == kind then
      list[#list + 1] = entry
    end
  end
  return list
end

-- The only one of its type.
local function the(kind)
  local list = of_type(kind)
  assert.equal(1, #list, tostring(cp.active()))
  return list[1]
end

-- Lets go what was only to be looked at: ticks, `spawn` events.
local function turn()
  cp.run 'nowait'
end

describe('cp.active', function()
  before_each(function()
    before = #cp.active()
  end)

  it('lists nothing that keeps the loop alive when cp.run would return', function()
    for _, entry in ipairs(cp.active()) do
      assert.is_false(entry.ref)
    end
  end)

  it('is a text for people as a whole', function()
    local file, args = t.lua [[
      local cp = require 'child_process'
      print(cp.active())
      cp.setTimeout(print, 1000)
      cp.setTimeout(print, 2000)
      print(cp.active())
      os.exit()]]
    local out = cp.execFileSync(file, args)
    assert.matches('^nothing\ntimer: in %d+ ms, calls [^\n]+\ntimer: in [^\n]+\n$', out)
  end)

  it('can be asked for in the middle of a start, as a finalizer would', function()
    local file, args = t.lua [[
      local cp = require 'child_process'
      local asked = 0
      debug.sethook(function()
        asked = asked + #tostring(cp.active())
      end, 'l')
      cp.spawn('true')
      debug.sethook()
      print(asked > 0)
      cp.run()]]
    assert.equal('true\n', cp.execFileSync(file, args))
  end)

  it('can be asked for by the function of cp.debug', function()
    local texts = {}
    cp.debug(function(event)
      texts[event.event] = tostring(cp.active())
    end)
    local child = cp.fork(t.fixture 'echo.lua')
    child:disconnect()
    cp.run()
    cp.debug(nil)
    assert.matches('child %d+: ', texts.spawn)
    assert.matches('channel: to process %d+', texts.disconnect)
  end)

  it('shows a child', function()
    local child = cp.spawn('sh', { '-c', 'cat >&2' }, { stdio = 'ignore' })
    local entry = the 'child'
    assert.equal(child.pid, entry.pid)
    assert.equal("sh -c 'cat >&2'", entry.command)
    assert.is_true(entry.ref)
    assert.equal(("child %d: sh -c 'cat >&2'"):format(child.pid), tostring(entry))
    assert.same({}, entry.hints)
    cp.run()
    assert.same({}, of_type 'child')
  end)

  it('says that a child may wait for the end of its input', function()
    local child = cp.spawn('cat', { stdio = { 'pipe', 'ignore', 'ignore' } })
    assert.same({ 'its stdin is open' }, the('child').hints)
    assert.matches('cat %(its stdin is open%)$', tostring(the 'child'))
    child.stdin:finish()
    assert.same({}, the('child').hints)
  end)

  it('says that nobody reads what a child writes', function()
    local child = cp.spawn('cat', { '/dev/zero' }, { stdio = { 'ignore', 'pipe' } })
    local function look()
      local hints = the('child').hints
      if #hints == 0 then
        return cp.setImmediate(look)
      end
      assert.same({ 'nobody reads its stdout' }, hints)
      child:kill()
      child.stdout:destroy()
    end
    look()
  end)

  it('shows that a child does not keep the loop alive after unref', function()
    local child = cp.spawn('cat', { stdio = { 'pipe', 'ignore', 'ignore' } })
    child:unref()
    local entry = the 'child'
    assert.is_false(entry.ref)
    assert.matches('does not keep the loop alive', tostring(entry))
    child:ref()
    assert.is_true(the('child').ref)
    child.stdin:finish()
  end)

  it('shows the streams of a child by name', function()
    local child = cp.spawn('cat')
    turn()
    local names = {}
    for _, entry in ipairs(of_type 'stream') do
      assert.equal(child.pid, entry.pid)
      assert.is_true(entry.reading)
      assert.equal('number', type(entry.fd))
      names[#names + 1] = entry.name
    end
    assert.same({ 'stdout', 'stderr' }, names)
    child.stdin:finish()
  end)

  it('shows how much of a write has not been taken', function()
    local child = cp.spawn('sleep', { '60' }, { stdio = { 'pipe', 'ignore', 'ignore' } })
    child.stdin:write(('x'):rep(2 ^ 20))
    local entry = the 'stream'
    assert.equal('stdin', entry.name)
    assert.equal(2 ^ 20, entry.unwritten)
    assert.is_false(entry.reading)
    assert.matches('1048576 bytes to write', entry.text)
    child:kill 'SIGKILL'
    child.stdin:on('error', function() end)
  end)

  it('says that a pipe is held open by others when its child has ended', function()
    local child = cp.spawn('sh', { '-c', 'cat <&3 & exit 0' }, {
      stdio = { 'ignore', 'pipe', 'ignore', 'pipe' },
    })
    t.once(child, 'exit', function()
      cp.setImmediate(function()
        assert.same({}, of_type 'child')
        local found
        for _, entry in ipairs(of_type 'stream') do
          found = found or entry.name == 'stdout' and entry
        end
        local text = 'stdout of child %d, which has ended: '
          .. 'another process may have the other end open'
        assert.is_truthy(found.text:find(text:format(child.pid), 1, true), found.text)
        child.stdio[4]:finish()
      end)
    end)
  end)

  it('shows timers: what is left, how often, and which function', function()
    local function fire() end
    local once, again = cp.setTimeout(fire, 60000), cp.setInterval(fire, 30000)
    again:unref()
    local list = of_type 'timer'
    assert.is_true(list[1].left > 50000 and list[1].left <= 60001)
    assert.is_nil(list[1].interval)
    assert.matches(HERE, list[1].callback)
    assert.is_true(list[1].ref)
    assert.is_true(list[2].left > 20000 and list[2].left <= 30001)
    assert.equal(30000, list[2].interval)
    assert.is_false(list[2].ref)
    once:close()
    again:close()
    assert.same({}, of_type 'timer')
  end)

  it('shows immediates and ticks', function()
    local immediate = cp.setImmediate(function() end)
    immediate:unref()
    cp.nextTick(function() end)
    cp.nextTick(function() end)
    assert.matches(HERE, the('immediate').callback)
    assert.is_false(the('immediate').ref)
    assert.equal(2, the('tick').count)
    assert.is_true(the('tick').ref)
    cp.clearImmediate(immediate)
    assert.same({}, of_type 'immediate')
    turn()
    assert.same({}, of_type 'tick')
  end)

  it('shows servers and sockets', function()
    local server = cp.net.createServer()
    server:listen(
      0,
      '127.0.0.1',
      t.expect(function()
        local port = server:address().port
        local entry = the 'server'
        assert.equal(('127.0.0.1 port %d'):format(port), entry.address)
        assert.equal(0, entry.connections)
        local socket = cp.net.connect(port, '127.0.0.1')
        cp.setImmediate(t.expect(function()
          assert.is_true(#of_type 'socket' > 0)
        end))
        server:on(
          'connection',
          t.expect(function(peer)
            cp.setImmediate(t.expect(function()
              assert.equal(1, the('server').connections)
              local list = of_type 'socket'
              assert.equal(2, #list)
              assert.matches(
                'from 127%.0%.0%.1 port %d+ to 127%.0%.0%.1 port %d+',
                list[2].text
              )
              server:close()
              socket:destroy()
              peer:destroy()
            end))
          end)
        )
      end)
    )
  end)

  it('shows a socket that connects', function()
    local server = cp.net.createServer()
    server:listen(
      0,
      '127.0.0.1',
      t.expect(function()
        local port = server:address().port
        local socket = cp.net.connect(port, '127.0.0.1')
        socket:on('lookup', function() end)
        socket:on(
          'connect',
          t.expect(function()
            socket:destroy()
            server:close()
          end)
        )
        -- the numeric address is a tick, the attempt one more
        cp.nextTick(
          cp.nextTick,
          cp.nextTick,
          t.expect(function()
            local entry = the 'socket'
            assert.is_true(entry.connecting)
            assert.equal(('127.0.0.1 port %d'):format(port), entry.address)
          end)
        )
      end)
    )
  end)

  it('shows the path of a local server, and its sockets', function()
    local path = t.tmpdir() .. '/socket'
    local server = cp.net.createServer():listen(path)
    assert.equal(path, the('server').address)
    local socket = cp.net.connect(path)
    server:on(
      'connection',
      t.expect(function(peer)
        peer:resume()
        cp.setImmediate(t.expect(function()
          for _, entry in ipairs(of_type 'socket') do
            assert.matches('^socket fd %d+: local, reading$', entry.text)
          end
          socket:destroy()
          peer:destroy()
          server:close()
        end))
      end)
    )
  end)

  it('shows datagram sockets', function()
    local socket = cp.dgram.createSocket 'udp4'
    socket:bind(
      0,
      '127.0.0.1',
      t.expect(function()
        local entry = the 'dgram'
        assert.equal(('127.0.0.1 port %d'):format(socket:address().port), entry.address)
        assert.equal(0, entry.unsent)
        socket:close()
      end)
    )
  end)

  it('shows a lookup', function()
    local socket = cp.net.connect(1, 'localhost')
    local entry = the 'lookup'
    assert.equal('localhost', entry.host)
    assert.is_true(entry.ref)
    socket:destroy()
  end)

  it('shows a signal that is listened for', function()
    local function listener() end
    cp.process:on('SIGUSR2', listener)
    local entry = the 'signal'
    assert.equal('SIGUSR2', entry.signal)
    assert.is_false(entry.ref)
    cp.process:off('SIGUSR2', listener)
    assert.same({}, of_type 'signal')
  end)

  it('shows a channel, and what holds it up', function()
    local child = cp.spawn('cat', { stdio = { 'pipe', 'ignore', 'ignore', 'ipc' } })
    local entry = the 'channel'
    assert.equal(child.pid, entry.pid)
    assert.is_false(entry.blocked)
    assert.is_nil(entry.unanswered)
    local file <close> = assert(io.open '/dev/null')
    child:send('first', file)
    child:send 'second'
    entry = the 'channel'
    assert.equal('lua.File', entry.unanswered)
    assert.equal(1, entry.heldBack)
    assert.matches('lua.File not acknowledged, 1 messages behind it', entry.text)
    child.stdin:finish()
  end)

  it('says that the other side of a channel does not read', function()
    local child = cp.spawn('cat', { stdio = { 'pipe', 'ignore', 'ignore', 'ipc' } })
    child:send(('x'):rep(2 ^ 20), function() end)
    assert.is_true(the('channel').blocked)
    assert.matches('the other side does not read', the('channel').text)
    child.stdin:finish()
  end)

  it('tells where things were made while cp.debug was on', function()
    cp.debug(function() end)
    local child = cp.spawn('cat', { stdio = { 'pipe', 'pipe', 'ignore' } })
    local timer = cp.setTimeout(function() end, 60000)
    cp.debug(nil)
    local later = cp.setTimeout(function() end, 60000)
    turn()
    assert.matches(HERE, the('child').at)
    assert.equal(the('child').at, the('stream').at)
    local timers = of_type 'timer'
    assert.matches(HERE, timers[1].at)
    assert.matches(
      'calls .*spec/wait/active_spec%.lua:%d+, at .*wait/active',
      tostring(timers[1])
    )
    assert.is_nil(timers[2].at)
    timer:close()
    later:close()
    child.stdin:finish()
  end)

  it('shows who waits, and where, while cp.debug is on', function()
    cp.debug(function() end)
    local child = cp.spawn('cat', { stdio = { 'pipe', 'pipe', 'ignore' } })
    cp.async(function()
      child:wait()
    end)
    cp.setImmediate(t.expect(function()
      local list = of_type 'wait'
      assert.equal('wait()', list[1].what)
      assert.matches(HERE, list[1].at)
      assert.is_false(list[1].ref)
      assert.equal("read('l')", list[2].what)
      assert.matches('^wait: in read%(.l.%), at .*active_spec', tostring(list[2]))
      assert.is_nil(list[3])
      child.stdin:finish 'line\n'
    end))
    assert.equal('line', child.stdout:read 'l')
    cp.run()
    cp.debug(nil)
    assert.same({}, of_type 'wait')
  end)

  it('forgets a coroutine that is closed while it waits', function()
    cp.debug(function() end)
    local child = cp.spawn('cat', { stdio = { 'pipe', 'ignore', 'ignore' } })
    local thread = cp.async(function()
      child:wait()
    end)
    assert.equal(1, #of_type 'wait')
    assert(coroutine.close(thread))
    cp.debug(nil)
    assert.same({}, of_type 'wait')
    child.stdin:finish()
  end)

  it('shows what a program reads from standard input', function()
    local file, args = t.lua [[
      local cp = require 'child_process'
      cp.process.stdin:on('data', function() end)
      cp.setImmediate(function()
        print(cp.active())
      end)
      cp.run()]]
    local child = cp.spawn(file, args)
    child.stdout:on(
      'data',
      t.expect(function(text)
        assert.equal('stream fd 0: process.stdin, reading\n', text)
        child.stdin:finish()
      end)
    )
  end)

  it('knows every class of handles', function()
    local known = t.slurp(t.root .. '/lua/child_process/active.lua')
    for path in t.files(t.root .. '/csrc', '%.c$') do
      local text = t.slurp(path)
      for macro in text:gmatch 'lcp__handle_class%(L, (LCP_%u+)' do
        local class = text:match('#define ' .. macro .. ' "([%w_.]+)"')
        assert.is_truthy(known:find(("'%s'"):format(class), 1, true), class)
      end
    end
  end)
end)
