local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- What descriptor `fd` of a shell started with that stdio is connected to.
local function target_of(fd, stdio, check)
  local child = cp.spawn('readlink', { '/proc/self/fd/' .. fd }, { stdio = stdio })
  local out = t.collect(child.stdout)
  t.once(child, 'close', function(code)
    check(out():gsub('\n$', ''), code)
  end)
  return child
end

-- Runs a Lua program with the module and checks all it printed.
local function program(code, stdio, check)
  local exe, args = t.lua(code)
  local child = cp.spawn(exe, args, { stdio = stdio })
  local out = child.stdout and t.collect(child.stdout)
  local err = child.stderr and t.collect(child.stderr)
  t.once(child, 'close', function(status, signal)
    check(out and out(), err and err(), status, signal)
  end)
  return child
end

describe('stdio, the words', function()
  it('makes three pipes by default and for "pipe"', function()
    for _, stdio in ipairs { false, 'pipe', 'overlapped', { 'pipe' }, {} } do
      local child = cp.spawn('cat', {}, { stdio = stdio or nil })
      assert.equal(3, child.stdio.n)
      assert.is_true(child.stdin.writable)
      assert.is_false(child.stdin.readable or false)
      assert.is_true(child.stdout.readable)
      assert.is_false(child.stdout.writable or false)
      local out = t.collect(child.stdout)
      child.stdin:finish 'through'
      t.once(child, 'close', function(code)
        assert.equal(0, code)
        assert.equal('through', out())
      end)
    end
  end)

  it('makes no stream for "ignore" and gives /dev/null to the child', function()
    local child = cp.spawn('true', {}, { stdio = 'ignore' })
    assert.is_nil(child.stdin)
    assert.is_nil(child.stdout)
    assert.is_nil(child.stderr)
    assert.is_nil(child.stdio[1])
    assert.is_nil(child.stdio[3])
    assert.equal(3, child.stdio.n)
    for fd, stdio in pairs { [0] = { 'ignore' }, [2] = { 'pipe', 'pipe', 'ignore' } } do
      target_of(fd, stdio, function(target)
        assert.equal('/dev/null', target)
      end)
    end
  end)

  it('hands our own descriptors on for "inherit"', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.spawn('sh', { '-c', 'cat; echo err >&2' }, { stdio = 'inherit' })
      assert(not child.stdin and not child.stdout and not child.stderr)
      child:on('close', function(...) print('closed', ...) end)
      cp.run()]]
    local child = program(code, 'pipe', function(out, err, status)
      assert.equal('from outside\nclosed\t0\tnil\n', out)
      assert.equal('err\n', err)
      assert.equal(0, status)
    end)
    child.stdin:finish 'from outside\n'
  end)

  it('hands on the descriptor of the same number for "inherit" beyond fd 2', function()
    local code = [[
      local cp = require 'child_process'
      local stdio = { 'ignore', 'inherit', 'inherit', 'inherit' }
      local child = cp.spawn('sh', { '-c', 'cat <&3' }, { stdio = stdio })
      assert(child.stdio.n == 4 and not child.stdio[4])
      cp.run()]]
    local path = t.write_file(t.tmpdir() .. '/three', 'from the third')
    local file <close> = assert(io.open(path))
    program(code, { 'ignore', 'pipe', 'pipe', file }, function(out, err, status)
      assert.same({ 'from the third', '', 0 }, { out, err, status })
    end)
  end)

  it('mixes the words', function()
    local child = cp.spawn('cat', {}, { stdio = { 'pipe', 'pipe', 'ignore' } })
    assert.is_nil(child.stderr)
    local out = t.collect(child.stdout)
    child.stdin:finish 'x'
    t.once(child, 'close', function()
      assert.equal('x', out())
    end)
  end)

  it('takes false, cp.null and a hole for the default', function()
    local child = cp.spawn('cat', {}, { stdio = { false, cp.null, 'ignore', false } })
    assert.is_truthy(child.stdin)
    assert.is_truthy(child.stdout)
    assert.is_nil(child.stderr)
    assert.equal(4, child.stdio.n)
    assert.is_nil(child.stdio[4])
    child.stdin:finish()
    local other = cp.spawn('cat', {}, { stdio = { [3] = 'ignore' } })
    assert.is_truthy(other.stdin)
    assert.is_truthy(other.stdout)
    assert.is_nil(other.stderr)
    other.stdin:finish()
  end)

  it('leaves a hole beyond fd 2 closed in the child', function()
    local script = 'for n in 3 4 5; do [ -e /proc/self/fd/$n ] && echo $n; done; :'
    local stdio = { 'ignore', 'pipe', 'inherit', [6] = 'pipe' }
    local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
    assert.equal(6, child.stdio.n)
    assert.is_nil(child.stdio[4])
    assert.is_nil(child.stdio[5])
    assert.is_truthy(child.stdio[6])
    child.stdio[6]:resume()
    child.stdio[6]:finish()
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      assert.equal('5\n', out())
    end)
  end)

  it('refuses what is none of the forms', function()
    local INVALID = 'ERR_INVALID_ARG_VALUE'
    for _, stdio in ipairs { 'foo', '33', 5, true, cp.exec } do
      t.raises(INVALID, cp.spawn, 'true', {}, { stdio = stdio })
    end
    for _, item in ipairs { {}, true, cp.exec, coroutine.create(print), 1.5 } do
      t.raises(INVALID, cp.spawn, 'true', {}, { stdio = { item } })
    end
    local text = { stdio = { 'pipe', 'foo' } }
    t.raises('ERR_INVALID_SYNC_FORK_INPUT', cp.spawn, 'true', {}, text)
    local closed = io.open('/dev/null')
    closed:close()
    t.raises(INVALID, cp.spawn, 'true', {}, { stdio = { closed } })
    t.raises('ERR_IPC_ONE_PIPE', cp.spawn, 'true', {}, { stdio = { 'ipc', 'ipc' } })
  end)
end)

describe('stdio, descriptors and files', function()
  it('takes a Lua file', function()
    local path = t.tmpdir() .. '/log'
    local file = assert(io.open(path, 'wb'))
    local child = cp.spawn('echo', { 'logged' }, { stdio = { 'ignore', file, file } })
    assert.is_nil(child.stdout)
    t.once(child, 'close', function()
      file:write 'still mine\n'
      file:close()
      assert.equal('logged\nstill mine\n', t.slurp(path))
    end)
  end)

  it('takes a Lua file to read from', function()
    local path = t.write_file(t.tmpdir() .. '/in', 'content\n')
    local file <close> = assert(io.open(path, 'rb'))
    local child = cp.spawn('cat', {}, { stdio = { file } })
    assert.is_nil(child.stdin)
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      assert.equal('content\n', out())
    end)
  end)

  it('takes numbers, also crosswise', function()
    local code = [[
      local cp = require 'child_process'
      local script = 'echo to one; echo to two >&2; echo to three >&3'
      cp.spawn('sh', { '-c', script }, { stdio = { 'ignore', 2, 1, 1 } })
      cp.run()]]
    program(code, 'pipe', function(out, err)
      assert.equal('to two\nto three\n', out)
      assert.equal('to one\n', err)
    end)
  end)

  it('puts every order of three files where it belongs', function()
    local folder = t.tmpdir()
    local orders =
      { { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } }
    for round, order in ipairs(orders) do
      local files, paths = {}, {}
      for i = 1, 3 do
        paths[i] = ('%s/%d-%d'):format(folder, round, i)
        files[i] = assert(io.open(paths[i], 'wb'))
      end
      local script = 'for n in 3 4 5 6; do echo at $n >&$n; done'
      local stdio = { 'ignore', 'ignore', 'inherit', [7] = files[order[1]] }
      for slot, i in ipairs(order) do
        stdio[slot + 3] = files[i]
      end
      local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
      t.once(child, 'close', function(code)
        assert.equal(0, code)
        for slot, i in ipairs(order) do
          local first = slot == 1 and 'at 3\nat 6\n' or ('at %d\n'):format(slot + 2)
          assert.equal(first, t.slurp(paths[i]))
          files[i]:close()
        end
      end)
    end
  end)

  it('gives one file to two descriptors', function()
    local path = t.tmpdir() .. '/both'
    local file <close> = assert(io.open(path, 'wb'))
    local args = { '-c', 'echo out; echo err >&2' }
    local child = cp.spawn('sh', args, { stdio = { 'ignore', file, file } })
    t.once(child, 'close', function()
      assert.equal('out\nerr\n', t.slurp(path))
    end)
  end)

  it('takes the place of a pipe for a negative number', function()
    local child = cp.spawn('cat', {}, { stdio = { -1, -1, 'ignore' } })
    local out = t.collect(child.stdout)
    child.stdin:finish 'new pipes'
    t.once(child, 'close', function()
      assert.equal('new pipes', out())
    end)
  end)

  it('reports a descriptor that is not open as a failed start', function()
    local child = cp.spawn('true', {}, { stdio = { 'ignore', 'ignore', 9999 } })
    local seen, arguments = t.record(child, { 'spawn', 'error', 'exit', 'close' })
    cp.run()
    assert.same({ 'error', 'close' }, seen)
    assert.equal('EBADF', arguments[1][1].code)
    assert.equal('stdio', arguments[1][1].stage)
  end)

  it('takes customFds of old, where -1 means a new pipe', function()
    local code = [[
      local cp = require 'child_process'
      local options = { customFds = { -1, 1, 2 } }
      local child = cp.spawn('cat', {}, options)
      assert(child.stdin and not child.stdout and not child.stderr)
      assert(#options.customFds == 3 and options.stdio == nil)
      child.stdin:finish 'piped in\n'
      cp.run()]]
    program(code, 'pipe', function(out, err, status)
      assert.equal('', err)
      assert.equal('piped in\n', out)
      assert.equal(0, status)
    end)
    local child = cp.spawn('true', {}, { customFds = { -1, -1, -1 } })
    assert.is_truthy(child.stdin and child.stdout and child.stderr)
  end)
end)

describe('stdio, streams of ours', function()
  it('joins two children without passing through us', function()
    local consumer = cp.spawn('wc', { '-c' })
    local stdio = { 'ignore', consumer.stdin, 'inherit' }
    local producer = cp.spawn('head', { '-c', '1000000', '/dev/zero' }, { stdio = stdio })
    assert.is_nil(producer.stdout)
    consumer.stdin:destroy()
    local out = t.collect(consumer.stdout)
    t.once(producer, 'exit', function(code)
      assert.equal(0, code)
    end)
    t.once(consumer, 'close', function()
      assert.equal('1000000\n', out())
    end)
  end)

  it('gives the output of one as the input of another', function()
    local producer = cp.spawn('echo', { 'direct' })
    local consumer = cp.spawn('cat', {}, { stdio = { producer.stdout } })
    assert.is_nil(consumer.stdin)
    local out = t.collect(consumer.stdout)
    t.once(consumer, 'close', function()
      assert.equal('direct\n', out())
    end)
  end)

  it('refuses a stream that is closed', function()
    local child = cp.spawn 'true'
    t.once(child, 'close', function()
      local stdio = { child.stdin }
      t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, 'true', {}, { stdio = stdio })
    end)
  end)

  it('takes process.stdin, stdout and stderr', function()
    local code = [[
      local cp = require 'child_process'
      local p = cp.process
      for i = 1, 5 do
        local script = ('echo out %d; echo err %d >&2'):format(i, i)
        local stdio = { p.stdin, p.stdout, p.stderr }
        cp.spawn('sh', { '-c', script }, { stdio = stdio })
        cp.run()
      end]]
    local child = program(code, 'pipe', function(out, err, status)
      assert.equal('out 1\nout 2\nout 3\nout 4\nout 5\n', out)
      assert.equal('err 1\nerr 2\nerr 3\nerr 4\nerr 5\n', err)
      assert.equal(0, status)
    end)
    child.stdin:finish()
  end)
end)

describe('stdio, extra pipes', function()
  it('reads from a child at fd 3', function()
    local stdio = { 'ignore', 'ignore', 'inherit', 'pipe' }
    local child = cp.spawn('sh', { '-c', 'echo three >&3' }, { stdio = stdio })
    assert.equal(4, child.stdio.n)
    local out = t.collect(child.stdio[4])
    t.once(child, 'close', function()
      assert.equal('three\n', out())
    end)
  end)

  it('writes and reads both ways through one of them', function()
    local stdio = { 'ignore', 'ignore', 'inherit', 'pipe' }
    local child = cp.spawn('sh', { '-c', 'cat <&3 >&3' }, { stdio = stdio })
    local extra = child.stdio[4]
    assert.is_true(extra.readable)
    assert.is_true(extra.writable)
    local text = ('both ways '):rep(30000)
    local out = t.collect(extra)
    t.once(extra, 'end')
    extra:finish(text)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal(text, out())
    end)
  end)

  it('counts up to a dozen and keeps them apart', function()
    local stdio, script = { 'ignore', 'ignore', 'inherit' }, {}
    for fd = 3, 9 do
      stdio[fd + 1] = fd % 2 == 0 and 'overlapped' or 'pipe'
      script[#script + 1] = ('echo pipe %d >&%d'):format(fd, fd)
    end
    local args = { '-c', table.concat(script, '; ') }
    local child = cp.spawn('sh', args, { stdio = stdio })
    assert.equal(10, child.stdio.n)
    local outs = {}
    for fd = 3, 9 do
      outs[fd] = t.collect(child.stdio[fd + 1])
    end
    t.once(child, 'close', function()
      for fd = 3, 9 do
        assert.equal(('pipe %d\n'):format(fd), outs[fd]())
      end
    end)
  end)

  it('holds back close until the last of them has ended', function()
    local stdio = { 'pipe', 'ignore', 'inherit', 'pipe' }
    -- the shell ends, its cat keeps fd 3 until we finish stdin
    local script = 'exec 4<&0; cat <&4 >/dev/null & echo $!; exit 0'
    stdio[2] = 'pipe'
    local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
    local seen = t.record(child, { 'exit', 'close' })
    t.record(child.stdio[4], { 'end' }, seen)
    child.stdout:resume()
    child.stdio[4]:resume()
    cp.run()
    assert.equal('close', seen[#seen])
    table.sort(seen)
    assert.same({ 'close', 'end', 'exit' }, seen)
  end)
end)
