-- Bad days of a terminal: it cannot be had, programs leave it in odd states, hosts are
-- odd themselves.
local faults = require 'spec.support.faults'
local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local it = machine.wrap('terminals', it, pending)

if t.backend() == 'uv' then
  pending 'uv_spawn gives no terminals: pty_spec has what it says'
  return
end

-- What a program of ours prints; it must end well and say nothing on stderr.
local function output_of(command, args)
  local result = cp.execFile(command, args):wait()
  assert(result.ok and result.stderr == '', result.stderr .. tostring(result.error))
  return result.stdout
end

-- A start that fails with a terminal: what is told, and what is left.
local function expect_failure(code, child)
  local seen = t.record(child, { 'spawn', 'error', 'exit', 'close' })
  t.record(child.pty, { 'end' }, seen, 'pty ')
  local result = child:wait()
  assert.same({ 'error', 'pty end', 'close' }, seen)
  assert.is_nil(child.pid)
  local err = result.error
  assert.same({ code, 'stdio', '/dev/ptmx' }, { err.code, err.stage, err.path })
  local text = "spawn cat %s: cannot open a terminal '/dev/ptmx'"
  assert.equal(text:format(code), err.message)
end

describe('a terminal that cannot be had', function()
  for _, errno in ipairs { 'ENOENT', 'ENOSPC', 'EIO', 'EACCES' } do
    it('is a start error: ' .. errno, function()
      local child
      faults.with({ name = 'open', errno = errno }, function()
        child = cp.spawn('cat', { pty = true })
      end)
      expect_failure(errno, child)
    end)
  end

  for _, errno in ipairs { 'ENOTTY', 'EINVAL', 'EPERM', 'EACCES', 'ENOSYS', 'EIO' } do
    it('is opened by its name where TIOCGPTPEER gives ' .. errno, function()
      local child
      -- the second call of ioctl
      faults.with({ name = 'ioctl', errno = errno, first = 2 }, function()
        child = cp.spawn('tty', { pty = true })
      end)
      assert.matches('^/dev/pts/%d+\r\n$', child:wait().stdout)
    end)
  end

  it('is a start error where its name is unknown as well', function()
    local child
    faults.with({ name = 'ioctl', errno = 'ENOTTY', first = 2, last = 3 }, function()
      child = cp.spawn('cat', { pty = true })
    end)
    expect_failure('ENOTTY', child)
  end)

  it('is a start error beyond the limit of the system', function()
    local script = [[
      mount -t devpts -o newinstance,ptmxmode=0666,max=1 devpts /dev/pts &&
        mount --bind /dev/pts/ptmx /dev/ptmx && exec "$@"]]
    local probe = { '-m', 'sh', '-c', script, 'sh', 'true' }
    if not cp.spawn('unshare', probe):wait().ok then
      pending 'devpts cannot be mounted here'
    end
    local program = [[
      local cp = require 'child_process'
      local first = cp.spawn('cat', { pty = { echo = false } })
      local err = cp.spawn('cat', { pty = true }):wait().error
      print(err.code, err.stage, err.path)
      first.pty:finish 'text'
      print(first:wait().stdout)
      print(cp.spawn('true', { pty = true }):wait().ok)]]
    local args = { '-m', 'sh', '-c', script, 'sh', t.lua('program.lua', program) }
    local command, rest = t.lua('program.lua', program)
    args[6] = command
    table.move(rest, 1, #rest, 7, args)
    local said = output_of('unshare', args)
    assert.equal('ENOSPC\tstdio\t/dev/ptmx\ntext\ntrue\n', said)
  end)

  it('is a start error for want of descriptors, and leaves none behind', function()
    local command, args = t.lua 'out_of_terminals.lua'
    table.move(args, 1, #args, 4)
    args[1], args[2], args[3] = '-c', 'ulimit -n 64; exec "$0" "$@"', command
    assert.equal('done\n', output_of('sh', args))
  end)

  it('is closed again when the program cannot be started', function()
    for _, options in ipairs { { pty = true }, { pty = true, cwd = '/no/such/place' } } do
      local before = t.fds()
      local child = cp.spawn('lcp_nope', options)
      local open = t.fds()
      assert.same(before, open)
      assert.equal('spawn', child:wait().reason)
    end
  end)

  it('takes what is typed all the same', function()
    local child = cp.spawn('lcp_nope', { pty = true, input = 'text' })
    child.pty:write(
      'more',
      t.expect(function(err)
        assert.truthy(err)
      end)
    )
    assert.same({ 'spawn', 'ENOENT' }, { child:wait().reason, child:wait().error.code })
  end)

  it('is not opened for a child that is aborted before', function()
    local controller = cp.AbortController()
    controller:abort()
    local child = cp.spawn('cat', { pty = true, signal = controller.signal })
    local result = child:wait()
    assert.same({ 'abort', '' }, { result.reason, result.stdout })
  end)
end)

describe('a job in a terminal', function()
  it('that is stopped because it reads in the background ends with its shell', function()
    local script = 'set -m; cat & echo $!; read line'
    local child = cp.spawn('sh', { '-c', script }, { pty = { echo = false } })
    local pid = math.tointeger(tonumber((child.pty:read('l'):gsub('%s', ''))))
    t.when(function()
      return (t.status_field(pid, 'State') or ''):find '^T'
    end, function()
      assert.is_nil(child.signalCode)
      child:kill()
    end)
    t.once(child, 'close', function(_, signal)
      assert.equal('SIGTERM', signal)
      t.when(function()
        return not t.pid_alive(pid)
      end)
    end)
    child.pty:resume()
  end)

  it('that is stopped by ^Z goes on when it is continued', function()
    local script = 'set -m; cat; echo stopped; fg >/dev/null; echo over'
    local child = cp.spawn('sh', { '-c', script }, { pty = { echo = false } })
    child.pty:write 'one\n'
    assert.equal('one\r', child.pty:read 'l')
    child.pty:write '\26'
    assert.matches('stopped\r$', child.pty:read 'l')
    child.pty:write 'two\n'
    assert.equal('two\r', child.pty:read 'l')
    child.pty:finish()
    assert.equal('over\r', child.pty:read 'l')
    assert.is_true(child:wait().ok)
  end)
end)

describe('many terminals', function()
  it('work at the same time', function()
    local children = {}
    for i = 1, 40 do
      local pty = { cols = i, rows = 1, echo = false }
      children[i] = cp.spawn('sh', { '-c', 'read x; stty size; echo $x' }, { pty = pty })
      children[i].pty:write(('%d\n'):format(i))
    end
    for i, result in ipairs(cp.wait(children)) do
      assert.equal(('1 %d\r\n%d\r\n'):format(i, i), result.stdout)
    end
  end)

  it('lose nothing of what was written right before the end', function()
    local script = 'printf %05000d 0; exit 3'
    for _ = 1, 60 do
      local result = cp.spawn('sh', { '-c', script }, { pty = true }):wait()
      assert.same({ 3, ('0'):rep(5000) }, { result.code, result.stdout })
    end
  end)

  it('are closed when nobody holds them any more', function()
    for _ = 1, 20 do
      cp.spawn('sh', { '-c', 'echo text' }, { pty = true }):unref().pty:unref()
    end
    collectgarbage()
    collectgarbage()
    repeat
      cp.setTimeout(function() end, 1)
      cp.run()
    until #t.children() == 0
  end)

  it('survive a collector that hardly pauses', function()
    t.with_eager_gc(function()
      for _ = 1, 5 do
        local child = cp.spawn('cat', { pty = { echo = false }, input = 'text\n' })
        assert.equal('text\r\n', child:wait().stdout)
      end
    end)
  end)
end)

describe('a host', function()
  it('gets no controlling terminal by those of its children', function()
    local program = [[
      local cp = require 'child_process'
      print(cp.spawn('tty', { pty = true }):wait().ok)
      local stat = io.open('/proc/self/stat'):read 'a'
      print(stat:match '%) %S+ %S+ %S+ %S+ (%S+)')]]
    local command, args = t.lua('program.lua', program)
    -- leads a session without one
    assert.equal('true\n0\n', output_of('setsid', { '-w', command, table.unpack(args) }))
  end)

  it('without standard descriptors gives its children terminals', function()
    local program = [[
      local path = ...
      local cp = require 'child_process'
      local child = cp.spawn('sh', { '-c', 'tty; ls /proc/$$/fd' }, { pty = true })
      local said = child:wait().stdout
      io.open(path, 'w'):write(said):close()]]
    local path = t.tmpdir() .. '/said'
    local command, args = t.lua('program.lua', program, path)
    table.move(args, 1, #args, 4)
    args[1], args[2], args[3] = '-c', 'exec "$0" "$@" <&- >&- 2>&-', command
    assert.is_true(cp.spawn('sh', args):wait().ok)
    assert.matches('^/dev/pts/%d+\r\n0%s+1%s+2%s*$', t.slurp(path))
  end)

  it('that ends hangs its children up', function()
    local program = [[
      local cp = require 'child_process'
      local child = cp.spawn('cat', { pty = true })
      child:unref()
      child.pty:unref()
      print(child.pid)]]
    local pid = math.tointeger(tonumber(output_of(t.lua('program.lua', program))))
    t.when(function()
      return not t.pid_alive(pid)
    end)
  end)
end)
