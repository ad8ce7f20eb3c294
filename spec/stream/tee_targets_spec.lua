-- Targets of what a child writes that are slow, full, closed, or break.
local t = require 'spec.helper'
local targets = require 'spec.support.targets'
local cp = t.cp
local it = t.wrap(it)

local SIZE = targets.SIZE

local numbers, when_behind = targets.numbers, targets.when_behind
local pipe, full_pipe, broken_pipe = targets.pipe, targets.full_pipe, targets.broken_pipe
local sh, writer = targets.sh, targets.writer

describe('what a target of several belongs to', function()
  for kind, make in pairs {
    pipe = full_pipe,
    socket = targets.full_socket,
    terminal = targets.full_terminal,
  } do
    it('keeps its flags while it is waited for: a ' .. kind, function()
      local reader, writing = make()
      local child = writer { stdout = { 'ignore', writing } }
      local seen
      when_behind(child, function()
        seen = targets.is_nonblocking(writing)
        targets.close(writing)
        local options = { stdio = { reader, 'pipe', 'ignore' } }
        local cat = cp.spawn('cat', options)
        targets.close(reader)
        cp.async(function()
          local text = cat:wait().stdout:gsub('\r', '')
          assert.is_true(text:sub(-SIZE) == numbers())
        end)
      end)
      local result = child:wait()
      assert.is_nil(result.error)
      assert.is_false(seen)
      cp.run()
    end)
  end
end)

describe('a target of several that is slow', function()
  it('does not keep the loop alive after child:unref()', function()
    local reader, writing = full_pipe()
    local options = { stdio = { 'ignore', { writing }, 'ignore' } }
    local child = cp.spawn('echo', { 'text' }, options)
    targets.close(writing)
    child:once('exit', cp.stop)
    cp.run()
    child:unref()
    assert.is_false(cp.run())
    child:ref()
    targets.close(reader)
    local result = child:wait()
    assert.is_true(result.ok)
    assert.equal('EPIPE', result.error.code)
  end)

  it('holds back close, not exit, and nothing else', function()
    local reader, writing = full_pipe()
    local file = t.tmpdir() .. '/log'
    local child = writer({ stdout = { writing, { file = file } } }, 5000)
    targets.close(writing)
    local seen = {}
    child:on('exit', function()
      seen[#seen + 1] = 'exit'
      -- so the loop goes on meanwhile
      local ticks = 0
      local timer
      timer = cp.setInterval(function()
        ticks = ticks + 1
        if ticks == 3 then
          seen[#seen + 1] = 'ticks'
          cp.clearInterval(timer)
          local _, out = targets.read(reader)
          child:on('close', function()
            seen[#seen + 1] = 'close'
            cp.setTimeout(function()
              assert.equal(numbers(5000), out():sub(-5000))
            end, 1)
          end)
        end
      end, 1)
    end)
    child:on('close', function()
      assert.equal('ticks', seen[2])
    end)
    cp.run()
    assert.same({ 'exit', 'ticks', 'close' }, seen)
    assert.equal(numbers(5000), t.slurp(file))
  end)

  it(
    'sets the pace of the child, so that little of what it writes is in memory',
    function()
      local reader, writing = full_pipe()
      local path = t.tmpdir() .. '/log'
      local size = 16 << 20
      local child = cp.spawn('head', { '-c', size, '/dev/zero' }, {
        stdout = { writing, { file = path }, 'pipe' },
      })
      targets.close(writing)
      child.stdout:resume()
      cp.setTimeout(function()
        assert.is_nil(child.exitCode)
        local written = #t.slurp(path)
        assert.is_true(written > 0 and written < 1 << 20, written)
        assert.is_true(child.stdout.bytesRead <= written)
        local socket = cp.net.Socket { fd = reader, writable = false }
        socket:resume()
      end, 300)
      child:wait()
      assert.equal(size, #t.slurp(path))
    end
  )

  it('may be a stream of ours', function()
    local stdio = { 'pipe', 'pipe', 'pipe', 'pipe' }
    local slow = cp.spawn('sh', { '-c', 'read go <&3; exec wc -c' }, { stdio = stdio })
    local child = writer { stdout = { slow.stdin } }
    t.when(function()
      return slow.stdin.writableLength > 0
    end, function()
      assert.is_nil(child.exitCode)
      slow.stdio[4]:finish 'go\n'
      slow.stdio[4]:resume()
    end)
    assert.is_true(child:wait().ok)
    assert.is_true(slow.stdin.writable)
    slow.stdin:finish()
    assert.equal(SIZE .. '\n', slow:wait().stdout)
  end)

  it('does not keep idleTimeout from counting bytes, nor count itself', function()
    local reader, writing = full_pipe()
    local idle = t.TEST_TIMEOUT // 30
    local child = writer({ stdout = { writing }, idleTimeout = idle }, 1 << 20)
    targets.close(writing)
    when_behind(child, function()
      cp.setTimeout(function()
        local socket = cp.net.Socket { fd = reader, writable = false }
        socket:resume()
      end, idle * 3 // 2)
    end)
    assert.equal('exit', child:wait().reason)
    child = sh('echo x; exec sleep 60', { stdout = { 'ignore' }, idleTimeout = 50 })
    child.stderr:destroy()
    assert.equal('idleTimeout', child:wait().reason)
    child = sh('exec >&-; exec sleep 60', { stdout = { 'ignore' }, idleTimeout = 50 })
    assert.equal('idleTimeout', child:wait().reason)
  end)

  it('is given up when waitDelay is over', function()
    local reader, writing = full_pipe()
    local path = t.tmpdir() .. '/log'
    local child = writer({ stdout = { writing, { file = path } }, waitDelay = 50 }, 5000)
    targets.close(writing)
    local result = child:wait()
    assert.same({ true, true, {} }, { result.ok, result.truncated, result.heldBy })
    assert.equal(numbers(5000), t.slurp(path))
    targets.close(reader)
  end)

  it('is given up also when a listener raises for what the others still get', function()
    local reader, writing = full_pipe()
    local path = t.tmpdir() .. '/log'
    local held, holding = pipe()
    local child = sh('echo one; read go; echo two; (read end <&3) & exit 0', {
      stdio = { nil, { writing, 'pipe', { file = path } }, 'pipe', held },
      waitDelay = 10,
    })
    targets.close(writing)
    targets.close(held)
    when_behind(child, function()
      child.stdin:finish 'go\n'
    end)
    local seen = t.record(child, { 'close' })
    child.stdout:on('data', function(chunk)
      assert(chunk == 'one\n', 'raised for ' .. chunk)
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find 'raised for two')
    cp.run()
    assert.same({ 'close' }, seen)
    assert.equal('one\ntwo\n', t.slurp(path))
    targets.close(holding)
    targets.close(reader)
  end)

  it('may break afterwards, a stream, without an unhandled error', function()
    local stdio = { 'ignore', 'ignore', 'ignore', 'pipe' }
    local slow = sh('exec sleep 60', { stdio = stdio })
    local both = slow.stdio[4]
    both:write(('x'):rep(1 << 20))
    local result = sh('echo x', { stdout = { both }, waitDelay = 10 }):wait()
    assert.same({ true, true }, { result.ok, result.truncated })
    slow:kill()
    cp.run()
    assert.is_true(both.destroyed)
  end)

  it('does not keep a limit of exec from ending the call', function()
    local reader, writing = full_pipe()
    local options = { stdout = { 'pipe', writing }, timeout = 100 }
    local done
    cp.exec('seq 1 1000000', options, function(err)
      done = err
    end)
    cp.run()
    assert.is_true(done.killed)
    targets.close(writing)
    targets.close(reader)
  end)

  it('is shown by cp.active, with what it has not taken', function()
    local reader, writing = full_pipe()
    local child = writer({ stdout = { 'ignore', writing } }, 1000)
    child:on('exit', function()
      local text = tostring(cp.active())
      local wanted = ('options.stdout[2] of child %d, 1000 bytes to write'):format(
        child.pid
      )
      assert.is_truthy(text:find(wanted, 1, true), text)
      targets.close(writing)
      targets.close(reader)
    end)
    child:wait()
  end)

  it('does not keep a state from being closed', function()
    local reader, writing = full_pipe()
    local program = [[
      local cp = require 'child_process'
      local child = cp.spawn('yes', { stdout = { 3, 'pipe', { file = arg[1] } } })
      repeat
        cp.run 'once'
      until tostring(cp.active()):find 'to write'
      child:kill 'SIGKILL'
      os.exit(7, true)]]
    local file, args = t.lua(program, t.tmpdir() .. '/log')
    local stdio = { 'ignore', 'pipe', 'pipe', writing }
    local result = cp.spawnSync(file, args, { stdio = stdio, timeout = t.TEST_TIMEOUT })
    assert.same({ '', '', 7 }, { result.stdout, result.stderr, result.status })
    targets.close(writing)
    targets.close(reader)
  end)

  it('gets nothing from a copy of the process', function()
    local reader, writing = full_pipe()
    local path = t.tmpdir() .. '/log'
    local program = [[
      local cp = require 'child_process'
      local forking = require 'forking'
      local cat = cp.spawn 'cat'
      local child = cp.spawn('seq', { '1', '10' }, { stdout = { 3, { file = arg[1] } } })
      repeat
        cp.run 'once'
      until tostring(cp.active()):find 'to write'
      local pid = forking.fork()
      if pid == 0 then
        local ok, err = pcall(cp.spawnSync, 'true', { stdout = { cat.stdin } })
        assert(not ok and err.message:find 'is a stream that is closed')
        cp.run()
        os.exit(0, true)
      end
      assert(forking.wait(pid) == 0)
      cat.stdin:finish()
      print 'go'
      io.stdout:flush()
      assert(child:wait().error == nil)]]
    local file, args = t.lua(program, path)
    -- a copy cannot free what a thread of its parent would (copies_spec)
    local host = cp.spawn(file, args, {
      stdio = { 'ignore', 'pipe', 'pipe', writing },
      env = { ASAN_OPTIONS = 'detect_leaks=0' },
      extendEnv = true,
    })
    targets.close(writing)
    assert.equal('go', host.stdout:read 'l')
    local _, text = targets.read(reader)
    local result = host:wait()
    assert.same({ true, '' }, { result.ok, result.stderr })
    cp.run()
    local expected = cp.execSync 'seq 1 10'
    assert.equal(expected, (text():gsub('\0', '')))
    assert.equal(expected, t.slurp(path))
  end)
end)

describe('a target of several that breaks', function()
  it('is dropped: the others get all, and the result says what it was', function()
    local path = t.tmpdir() .. '/log'
    local writing = broken_pipe()
    local child = writer { stdout = { writing, 'pipe', { file = path } } }
    targets.close(writing)
    local result = child:wait()
    assert.is_true(result.ok)
    local err = result.error
    assert.same({ 'EPIPE', 'write' }, { err.code, err.syscall })
    assert.equal('write EPIPE: options.stdout[1]', err.message)
    local expected = numbers()
    assert.is_true(result.stdout == expected)
    assert.is_true(t.slurp(path) == expected)
  end)

  it('may be a full disk, of which the path is told', function()
    local full = { file = '/dev/full' }
    local child = writer { stdout = { 'pipe', full }, stderr = 'ignore' }
    local result = child:wait()
    local err = result.error
    assert.same({ 'ENOSPC', '/dev/full' }, { err.code, err.path })
    assert.equal(SIZE, #result.stdout)
    local stdio = { 'ignore', { full, 'pipe' } }
    err = writer({ stdio = stdio }):wait().error
    assert.equal('write ENOSPC: options.stdio[2][1]', err.message)
  end)

  it('may break while a write is under way', function()
    local reader, writing = full_pipe()
    local child = writer { stdout = { 'pipe', writing } }
    targets.close(writing)
    when_behind(child, function()
      targets.close(reader)
    end)
    local result = child:wait()
    assert.same({ 'EPIPE', SIZE }, { result.error.code, #result.stdout })
  end)

  it('may be a terminal that hangs up', function()
    local shown, terminal = targets.full_terminal()
    local child = writer { stdout = { 'pipe', terminal } }
    targets.close(terminal)
    when_behind(child, function()
      targets.close(shown)
    end)
    local result = child:wait()
    assert.same({ 'EIO', SIZE }, { result.error.code, #result.stdout })
  end)

  it('may be a file beyond the limit for files, which ends no program', function()
    local path = t.tmpdir() .. '/log'
    local program = [[
      local cp = require 'child_process'
      local options = { stdout = { 'pipe', { file = arg[1] } }, maxBuffer = math.huge }
      local wait = cp.exec('head -c 5000000 /dev/zero', options):wait()
      local sync = cp.spawnSync('head', { '-c', '5000000', '/dev/zero' }, options)
      for _, result in ipairs { wait, sync } do
        print(result.ok, #result.stdout, result.error.code)
      end
      print(io.open(arg[1]):seek 'end')]]
    local file, args = t.lua(program, path)
    local script = 'ulimit -f 8192; exec "$@"' -- dash counts in units of 512 bytes
    local result = cp.spawnSync('dash', { '-c', script, 'sh', file, table.unpack(args) })
    local line = 'true\t5000000\tEFBIG\n'
    assert.equal(line .. line .. '4194304\n', result.stdout)
    assert.equal(0, result.status)
  end)

  it('may be one for which no descriptor is left when it has to wait', function()
    local reader, writing = full_pipe()
    local program = [[
      local cp = require 'child_process'
      local options = { stdout = { 3, 'pipe' }, waitDelay = 20 }
      local child = cp.spawn('sh', { '-c', 'echo x; read go' }, options)
      child.stdout:once('data', function() -- only then may descriptors become free
        child.stdin:finish 'go\n'
      end)
      local taken = {}
      repeat
        local file = io.open '/dev/null'
        taken[#taken + 1] = file
      until not file
      if arg[1] == 'garbage' then
        taken = nil
      end
      local result = child:wait()
      print(result.error and result.error.message, result.truncated)]]
    local script = 'ulimit -n 64; exec "$@"'
    local expected = {
      kept = 'write EMFILE: options.stdout[1]\tfalse\n',
      garbage = 'nil\ttrue\n',
    }
    for what, said in pairs(expected) do
      local file, args = t.lua(program, what)
      local words = { '-c', script, 'sh', file, table.unpack(args) }
      local stdio = { 'ignore', 'pipe', 'inherit', writing }
      assert.equal(said, cp.spawnSync('sh', words, { stdio = stdio }).stdout)
    end
    targets.close(writing)
    targets.close(reader)
  end)

  it('may be a file that is only read', function()
    local file <close> = assert(io.open '/dev/null')
    local result = sh('echo x', { stdout = { file, 'pipe' } }):wait()
    assert.same({ 'x\n', 'EBADF' }, { result.stdout, result.error.code })
  end)

  it('is no error of the call, and hides none', function()
    local options = { stdout = { 'pipe', { file = '/dev/full' } } }
    local seen
    local child = cp.exec('echo x', options, function(...)
      seen = { ... }
    end)
    assert.equal('ENOSPC', child:wait().error.code)
    assert.same({ nil, 'x\n', '' }, seen)
    options.maxBuffer = 2
    local result = cp.exec('echo 12345', options):wait()
    assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', result.error.code)
    assert.equal('maxBuffer', result.reason)
  end)

  it('leaves the child with a broken pipe when it was the last', function()
    local writing = broken_pipe()
    local child = cp.spawn('yes', { stdout = { { file = '/dev/full' }, writing } })
    targets.close(writing)
    local result = child:wait()
    assert.equal('SIGPIPE', result.signal)
    assert.equal('ENOSPC', result.error.code)
  end)

  it('may be a stream that is destroyed, or finished, by somebody else', function()
    local codes =
      { destroy = 'ERR_STREAM_DESTROYED', finish = 'ERR_STREAM_WRITE_AFTER_END' }
    for how, code in pairs(codes) do
      local stdio = { 'ignore', 'ignore', 'ignore', 'pipe' }
      local cat = cp.spawn('sh', { '-c', 'exec sleep 60' }, { stdio = stdio })
      local both = cat.stdio[4]
      local child = sh('echo 1; read go; echo 2', { stdout = { 'pipe', both } })
      assert.equal('1', child.stdout:read 'l')
      both[how](both)
      child.stdin:finish 'go\n'
      local rest = child.stdout:readAll()
      assert.same({ '2\n', code }, { rest, child:wait().error.code })
      both:destroy()
      cat:kill()
    end
  end)

  it('may be a stream whose reader goes: no error event is left unhandled', function()
    local server = cp.net.createServer(function(socket)
      socket:destroy()
    end)
    local result, socket
    server:listen(0, '127.0.0.1', function()
      socket = cp.net.connect(server:address().port, '127.0.0.1')
      cp.async(function()
        local child = writer({ stdout = { socket, 'pipe' } }, 16 << 20)
        child.stdout:resume()
        result = child:wait()
        server:close()
      end)
    end)
    cp.run()
    assert.is_truthy(result.error)
    assert.is_true(result.ok)
    assert.is_true(socket.destroyed)
  end)

  it('leaves to a stream the listeners that it has', function()
    local quit = sh 'exec <&-; echo gone; exec sleep 60'
    quit.stdout:read 'l'
    local err
    quit.stdin:on('error', function(e)
      err = e
    end)
    local child = sh('echo x', { stdout = { quit.stdin } })
    assert.equal(child:wait().error, err)
    assert.equal('EPIPE', err.code)
    quit:kill()
  end)

  it('takes its listeners from a stream that is still good', function()
    local cat = cp.spawn('cat', {}, { stdout = 'ignore' })
    sh('echo x', { stdout = { cat.stdin } }):wait()
    assert.equal(0, cat.stdin:listenerCount 'error')
    cat.stdin:finish()
  end)
end)
