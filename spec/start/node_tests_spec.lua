--- What single tests of Node pin down, and no other spec does; each is named above it.
local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local MIB = 1024 * 1024

describe('a stream that was lent to another child', function()
  -- test-child-process-stdio-reuse-readable-stdio
  it('may be read again when that child has ended', function()
    local first = cp.spawn('cat', {}, { stdio = { 'pipe', 'pipe', 'inherit' } })
    local second = cp.spawn(
      'head',
      { '-n1' },
      { stdio = { first.stdout, 'pipe', 'inherit' } }
    )
    local head, rest = t.collect(second.stdout), nil
    first.stdin:write 'hello\n'
    t.once(second, 'exit', function()
      first.stdin:finish 'world\n'
      rest = t.collect(first.stdout)
    end)
    t.once(second, 'close', function()
      assert.equal('hello\n', head())
    end)
    t.once(first, 'close', function()
      assert.equal('world\n', rest())
    end)
  end)

  -- test-child-process-stdio-merge-stdouts-into-cat
  it('may go to two children, and be ours as well', function()
    local cat = cp.spawn('cat', {}, { stdio = { 'pipe', 'pipe', 'inherit' } })
    local stdio = { 'pipe', cat.stdin, 'inherit' }
    local a, b =
      cp.spawn('cat', {}, { stdio = stdio }), cp.spawn('cat', {}, { stdio = stdio })
    local seen = {}
    local next_step = {
      function()
        b.stdin:finish 'world\n'
      end,
      function()
        cat.stdin:finish 'foobar\n'
      end,
    }
    t.on_line(cat.stdout, function(line)
      seen[#seen + 1] = line
      local step = next_step[#seen]
      return step and step()
    end)
    a.stdin:finish 'hello\n'
    t.once(cat, 'close', function()
      assert.same({ 'hello', 'world', 'foobar' }, seen)
    end)
  end)

  -- test-child-process-pipe-dataflow
  it('brings all of a megabyte through three programs', function()
    local line = ('x'):rep(1023) .. '\n'
    local path = t.write_file(t.tmpdir() .. '/data', line:rep(1024))
    local cat = cp.spawn('cat', { path })
    local grep = cp.spawn('grep', { 'x' }, { stdio = { cat.stdout } })
    local wc = cp.spawn('wc', { '-c' }, { stdio = { grep.stdout } })
    local out = t.collect(wc.stdout)
    for _, child in ipairs { cat, grep, wc } do
      child.stderr:on('data', t.never 'stderr')
      t.once(child, 'exit', function(code)
        assert.equal(0, code)
      end)
    end
    t.once(wc, 'close', function()
      assert.equal(MIB, tonumber(out()))
    end)
  end)
end)

describe('the output of a child that has ended', function()
  -- test-child-process-flush-stdio
  it('holds back no close where it was read once, in vain', function()
    local child = cp.spawn 'echo'
    child.stdout:read()
    t.once(child, 'close', function(code, signal)
      assert.same({ 0, nil }, { code, signal })
    end)
  end)

  it('is not lost to who reads it later than told', function()
    local child = cp.spawn('echo', { '123' })
    local read = {}
    child.stdout:on('readable', function()
      cp.setImmediate(function()
        read[#read + 1] = child.stdout:read()
      end)
    end)
    t.once(child, 'close', function()
      assert.equal('123\n', table.concat(read))
    end)
  end)
end)

describe('a message', function()
  -- test-child-process-ipc-next-tick
  it('is lost by no listener that raises, also where the process goes on', function()
    local child = forked.run [[
      local seen = 0
      process:on('uncaughtException', function(value)
        seen = seen + value
        if seen == 55 then
          process:disconnect()
        end
      end)
      process:on('message', function(value)
        error(value, 0)
      end)
      process:send 'ready']]
    t.once(child, 'message', function()
      for i = 1, 10 do
        child:send(i)
      end
    end)
  end)

  -- test-child-process-send-after-close
  it('after close is an error event, or told to its callback alone', function()
    local child = forked.run ''
    t.once(child, 'close', function()
      local failed = t.expect(function(err)
        assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
      end, 2)
      child:on('error', failed)
      assert.is_false(child:send 'ping')
      assert.is_false(child:send('pong', failed))
    end)
  end)
end)

describe('a child that has disconnected', function()
  -- test-child-process-fork-ref2
  it('is not kept alive by who listens then', function()
    local child = forked.run [[
      process:disconnect()
      require('child_process').setTimeout(function()
        process:on('message', error)
        process:on('disconnect', error)
      end, 20)]]
    t.once(child, 'disconnect')
  end)
end)

describe('a socket', function()
  -- test-child-process-server-close
  it('may be the standard output of a child', function()
    local server = cp.net.createServer()
    server:on('connection', function(socket)
      local stdio = { 'ignore', socket, 'ignore' }
      local child = cp.spawn('echo', { 'from the child' }, { stdio = stdio })
      t.once(child, 'close', function()
        socket:finish()
      end)
    end)
    server:listen(t.tmpdir() .. '/socket', function()
      local client = cp.net.connect(server:address())
      local out = t.collect(client)
      client:once('data', function()
        server:close()
      end)
      t.once(client, 'close', function()
        assert.equal('from the child\n', out())
      end)
    end)
  end)

  -- the documentation of subprocess.send: it may be closed by the time it arrives
  it('or a server that is closed leaves its message without a handle', function()
    local child = forked.run [[
      local list = {}
      process:on('message', function(message, handle)
        assert(handle == nil)
        list[#list + 1] = message
        if message == 'end' then
          process:send(list)
          process:disconnect()
        end
      end)]]
    t.once(child, 'message', function(list)
      assert.same({ 'a server', 'a socket', 'a closed server', 'end' }, list)
    end)
    child:on('error', t.never())
    local sent = t.expect(function(err)
      assert.is_nil(err)
    end, 3)
    assert.is_true(child:send('a server', cp.net.createServer(), sent))
    local server = cp.net.createServer()
    server:on('connection', function(socket)
      socket:destroy()
      assert.is_true(child:send('a socket', socket, sent))
      server:close()
      assert.is_true(child:send('a closed server', server, sent))
      child:send 'end'
    end)
    server:listen(0, '127.0.0.1', function()
      local client = cp.net.connect(server:address().port, '127.0.0.1')
      client:on('error', function() end)
      client:resume()
    end)
  end)

  -- test-child-process-http-socket-leak
  it('that was sent is idle no more for its sender', function()
    local child = forked.run [[
      process:once('message', function(_, socket)
        require('child_process').setTimeout(function()
          socket:finish 'from the child'
        end, 100)
      end)]]
    local server = cp.net.createServer()
    server:on('connection', function(socket)
      socket:setTimeout(30, t.never 'idle')
      child:send('yours', socket)
      server:close()
    end)
    server:listen(0, '127.0.0.1', function()
      local client = cp.net.connect(server:address().port, '127.0.0.1')
      local out = t.collect(client)
      t.once(client, 'close', function()
        assert.equal('from the child', out())
      end)
    end)
  end)
end)

describe('cp.execFile', function()
  -- test-child-process-execfile
  it('takes a negative code for an error of the system', function()
    local child = cp.execFile(
      'cat',
      t.expect(function(err, stdout, stderr)
        assert.equal('EPERM', err.code)
        assert.is_true(err.killed)
        assert.is_nil(err.signal)
        assert.equal('cat', err.cmd)
        assert.equal('Error: Command failed: cat\n', tostring(err))
        assert.same({ '', '' }, { stdout, stderr })
      end)
    )
    child:kill()
    child:emit('close', -1, nil)
  end)

  it('leaves no listener with its signal', function()
    local ac = cp.AbortController()
    local added, removed = 0, 0
    local signal = ac.signal
    local add, remove = signal.addEventListener, signal.removeEventListener
    signal.addEventListener = function(...)
      added = added + 1
      return add(...)
    end
    signal.removeEventListener = function(...)
      removed = removed + 1
      return remove(...)
    end
    cp.execFile(
      'true',
      {},
      { signal = signal },
      t.expect(function(err)
        assert.is_nil(err)
        assert.same({ 1, 1 }, { added, removed })
      end)
    )
  end)
end)

describe('cwd', function()
  -- test-child-process-cwd
  it('may be empty, which asks for none', function()
    local child = cp.spawn('pwd', {}, { cwd = '' })
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      assert.equal(t.root .. '\n', out())
    end)
  end)
end)
