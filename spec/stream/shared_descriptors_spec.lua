--- Descriptors that another process has, too: it may clear O_NONBLOCK, which belongs to
-- what both descriptors stand for, and it may read what we were woken for.  A call that
-- blocks would stop the whole program, so each of these is one of its own.
local faults = require 'spec.support.faults'
local machine = require 'spec.support.machine'
local stream = require 'child_process.stream'
local t = require 'spec.helper'
local targets = require 'spec.support.targets'
local cp = t.cp
local terminal_it = machine.wrap('terminals', it, pending)
local it = t.wrap(it)

local PRELUDE = [[
  local cp = require 'child_process'
  local path = ...
  local descriptors = assert(package.loadlib(path, 'luaopen_descriptors'))()
  local net = cp.net

  -- The loop goes on: a timer that was started later fires.
  local function goes_on(fn)
    cp.setTimeout(function()
      print 'goes on'
      fn()
    end, 1)
  end
]]

-- Runs a program that prints `expected`; one that blocks is ended.
local function runs(program, expected, ...)
  local exe, args = t.lua(PRELUDE .. program, t.built 'descriptors.so', ...)
  local options = { timeout = t.TEST_TIMEOUT * 2 // 3, killSignal = 'SIGKILL' }
  cp.execFile(
    exe,
    args,
    options,
    t.expect(function(err, stdout, stderr)
      assert.equal('', stderr)
      assert.equal(expected .. '\n', stdout)
      assert.is_nil(err)
    end)
  )
end

describe('a descriptor whose O_NONBLOCK was cleared by another process', function()
  it('never blocks a reader of a pipe', function()
    runs(
      [[
      local reader, writer = descriptors.pipe()
      local from, to = net.Socket { fd = reader }, net.Socket { fd = writer }
      from:on('data', function(chunk)
        print(chunk)
        goes_on(function()
          from:destroy()
          to:destroy()
        end)
      end)
      descriptors.block(reader)
      to:write 'some'
      cp.run()]],
      'some\ngoes on'
    )
  end)

  it('never blocks a writer of a pipe', function()
    runs(
      [[
      local reader, writer = descriptors.pipe()
      local to = net.Socket { fd = writer }
      descriptors.block(writer)
      print(to:write(('x'):rep(1 << 20)))
      goes_on(function()
        local from, bytes = net.Socket { fd = reader }, 0
        from:on('data', function(chunk) bytes = bytes + #chunk end)
        from:on('end', function() print(bytes) end)
        to:finish()
      end)
      cp.run()]],
      'false\ngoes on\n1048576'
    )
  end)

  it('never blocks a reader or a writer of a socket', function()
    runs(
      [[
      local a, b = descriptors.socketpair()
      local here, there = net.Socket { fd = a }, net.Socket { fd = b }
      descriptors.block(a)
      descriptors.block(b)
      there:once('data', function()
        there:pause()
        there:write 'answer'
      end)
      here:on('data', function(chunk)
        print(chunk)
        goes_on(function()
          here:destroy()
          there:destroy()
        end)
      end)
      print(here:write(('x'):rep(8 << 20)))
      cp.run()]],
      'false\nanswer\ngoes on'
    )
  end)

  it('never blocks a server', function()
    runs(
      [[
      local server, client
      server = net.createServer(function(socket)
        print 'accepted'
        goes_on(function()
          socket:destroy()
          client:destroy()
          server:close()
        end)
      end)
      server:listen(0, '127.0.0.1', function()
        descriptors.block(server._acceptor:fileno())
        client = net.connect(server:address().port, '127.0.0.1')
      end)
      cp.run()]],
      'accepted\ngoes on'
    )
  end)

  it('never blocks a UDP socket', function()
    runs(
      [[
      local socket = cp.dgram.createSocket 'udp4'
      socket:bind(0, '127.0.0.1', function()
        descriptors.block(socket._udp:fileno())
        socket:send('some', socket:address().port, '127.0.0.1')
      end)
      socket:on('message', function(message)
        print(message)
        goes_on(function() socket:close() end)
      end)
      cp.run()]],
      'some\ngoes on'
    )
  end)

  -- the child keeps a copy, and clears the flag when we have ours
  local PASSES = [=[
    local cp = require 'child_process'
    local path, program, kind = ...
    local descriptors = assert(package.loadlib(path, 'luaopen_descriptors'))()
    local cat = cp.spawn('cat', { stdio = { 'pipe', 'pipe', 'inherit' } })
    local own = kind == 'reader' and cat.stdout or cat.stdin
    cp.process:send(kind, own)
    cp.process:on('message', function()
      descriptors.block(own._handle:fileno())
      cp.process:send 'cleared'
      if kind == 'reader' then
        cat.stdin:write 'some'
      else
        cat:kill 'SIGSTOP' -- it reads no more
      end
    end)
    cp.process:on('disconnect', function() cat:kill 'SIGKILL' end)
  ]=]

  for kind, use in pairs {
    reader = [[
      passed:on('data', function(chunk)
        print(chunk)
        goes_on(function()
          passed:destroy()
          child:disconnect()
        end)
      end)]],
    writer = [[
      print(passed:write(('x'):rep(8 << 20), function() end))
      goes_on(function()
        passed:destroy()
        child:disconnect()
      end)]],
  } do
    it('that passed the ' .. kind .. ' of a pipe and kept it', function()
      local program = [[
        local child = cp.fork(program, { passes, path, '', '%s' })
        local passed
        child:on('message', function(message, handle)
          if message == 'cleared' then
            %s
          else
            passed = handle
            child:send 'clear it'
          end
        end)
        cp.run()]]
      runs(
        ('local _, passes, program = ...\n' .. program):format(kind, use),
        kind == 'reader' and 'some\ngoes on' or 'false\ngoes on',
        PASSES,
        t.fixture 'program.lua'
      )
    end)
  end
end)

describe("a terminal's master as our stdin", function()
  -- opened again it would be another terminal
  terminal_it('is read as it is', function()
    runs(
      [[
      local master, slave = descriptors.pty()
      descriptors.move(master, 0)
      cp.process.stdin:on('data', function(chunk)
        io.write(chunk)
        goes_on(function() cp.process.stdin:destroy() end)
      end)
      local tty = io.open('/proc/self/fd/' .. slave, 'w')
      tty:write 'some\n'
      tty:close()
      cp.run()]],
      'some\r\ngoes on'
    )
  end)
end)

describe('a socket', function()
  it('that was lent to a child may be written while its peer reads nothing', function()
    runs(
      [[
      local server
      server = net.createServer(function(socket)
        local child = cp.spawn('cat', { stdio = { 'pipe', socket, 'inherit' } })
        print(socket:write(('x'):rep(20 << 20), function() end))
        goes_on(function()
          socket:destroy()
          child.stdin:finish()
          server:close()
        end)
      end)
      server:listen(0, '127.0.0.1', function()
        local client = net.connect(server:address().port, '127.0.0.1'):pause()
        client:on('error', function() end)
        server:on('close', function() client:destroy() end)
      end)
      cp.run()]],
      'false\ngoes on'
    )
  end)

  it('is closed at once, whatever SO_LINGER says', function()
    runs(
      [[
      local server, client
      server = net.createServer(function(socket)
        descriptors.linger(socket._handle:fileno(), 3600)
        print(socket:write(('x'):rep(20 << 20), function() end))
        socket:destroy()
        goes_on(function()
          client:destroy()
          server:close()
        end)
      end)
      server:listen(0, '127.0.0.1', function()
        client = net.connect(server:address().port, '127.0.0.1'):pause()
        client:on('error', function() end)
      end)
      cp.run()]],
      'false\ngoes on'
    )
  end)
end)

describe('a descriptor that a child gets above 2', function()
  it('stays as it is for us', function()
    local cat = cp.spawn 'cat'
    local fd = stream.handle(cat.stdin):fileno()
    assert.is_true(targets.is_nonblocking(fd))
    local stdio = { 'ignore', 'ignore', 'ignore', fd }
    assert.equal(0, cp.spawnSync('true', { stdio = stdio }).status)
    assert.is_true(targets.is_nonblocking(fd))
    cat.stdin:finish()
    cat:wait()
  end)
end)

describe('a pipe that others have, too,', function()
  local descriptors =
    assert(package.loadlib(t.built 'descriptors.so', 'luaopen_descriptors'))()

  -- Without O_NONBLOCK 4 MiB go through it.
  local function copies()
    local reader, writer = descriptors.pipe()
    local from, to = cp.net.Socket { fd = reader }, cp.net.Socket { fd = writer }
    descriptors.block(reader)
    descriptors.block(writer)
    local bytes = 0
    from:on('data', function(chunk)
      bytes = bytes + #chunk
    end)
    to:finish(('x'):rep(4 << 20))
    cp.run()
    assert.equal(4 << 20, bytes)
  end

  for _, errno in ipairs { 'ENOSYS', 'EPERM', 'EACCES', 'EOPNOTSUPP' } do
    local old_kernel = {
      { name = 'preadv2', errno = errno, last = 0 },
      { name = 'pwritev2', errno = errno, last = 0 },
    }

    it('is read and written where RWF_NOWAIT gives ' .. errno, function()
      faults.with(old_kernel, copies)
    end)

    it('and where it cannot be opened again either: ' .. errno, function()
      local closed = { name = 'open', errno = 'EACCES', last = 0 }
      faults.with({ closed, table.unpack(old_kernel) }, copies)
    end)
  end

  it('is written where RWF_NOSIGNAL alone is not known', function()
    faults.with({ name = 'pwritev2', errno = 'EOPNOTSUPP' }, copies)
  end)

  it('says EPIPE when its readers have gone', function()
    for _, call in ipairs { 'preadv2', 'pwritev2' } do -- the first is not concerned
      faults.with({ name = call, errno = 'ENOSYS', last = 0 }, function()
        local reader, writer = descriptors.pipe()
        local to = cp.net.Socket { fd = writer }
        descriptors.close(reader)
        t.once(to, 'error', function(err)
          assert.equal('EPIPE', err.code)
        end)
        to:write 'to nobody'
        cp.run()
      end)
    end
  end)
end)
