local core = require 'child_process.core'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local MIB = 1024 * 1024

local function shell(script, options)
  return cp.spawn('sh', { '-c', script }, options)
end

-- Whether libuv watches the descriptor of a stream.
local function is_watched(stream)
  for _, found in ipairs(core.handles()) do
    if found.subject == stream then
      return true
    end
  end
  return false
end

describe('stdin', function()
  it('echoes several writes and the end', function()
    local child = cp.spawn 'cat'
    assert.is_true(child.stdin.writable)
    assert.is_false(child.stdin.readable or false)
    local out = t.collect(child.stdout)
    child.stdin:write 'hello'
    child.stdin:write ' '
    child.stdin:write 'world'
    child.stdin:finish()
    t.once(child.stdout, 'end')
    child.stderr:on('data', t.never 'stderr')
    t.once(child.stderr, 'end')
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('hello world', out())
    end)
  end)

  it('talks with the child line by line', function()
    local child = cp.spawn 'cat'
    local lines = {}
    t.on_line(child.stdout, function(line)
      lines[#lines + 1] = line
      if #lines == 3 then
        child.stdin:finish()
      else
        child.stdin:write(('again %d\r\n'):format(#lines))
      end
    end)
    child.stdin:write 'hello world\r\n'
    t.once(child, 'close', function()
      assert.same({ 'hello world\r', 'again 1\r', 'again 2\r' }, lines)
    end)
  end)

  it('is watched while a write is pending, and not after it', function()
    local child = cp.spawn('cat', {}, { stdio = { 'pipe', 'ignore', 'ignore' } })
    assert.is_false(child.stdin:write(('x'):rep(MIB)))
    assert.is_true(is_watched(child.stdin))
    t.once(child.stdin, 'drain', function()
      cp.setImmediate(function()
        assert.is_false(is_watched(child.stdin))
        child.stdin:finish()
      end)
    end)
  end)

  it('is not watched after a listener of drain that raised', function()
    local child = cp.spawn('cat', {}, { stdio = { 'pipe', 'ignore', 'ignore' } })
    child.stdin:write(('x'):rep(MIB))
    t.once(child.stdin, 'drain', function()
      error('boom', 0)
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal('boom', err)
    assert.is_false(is_watched(child.stdin))
    child.stdin:finish()
  end)

  it('takes a last write after a while', function()
    local child = cp.spawn 'cat'
    local out = t.collect(child.stdout)
    child.stdin:write 'Hel'
    child.stdin:write 'lo, '
    cp.setTimeout(function()
      child.stdin:write 'wor'
      child.stdin:finish 'ld\n'
    end, 10)
    t.once(child.stdout, 'close', function()
      assert.equal('Hello, world\n', out())
    end)
  end)

  it('passes a megabyte there and back without a deadlock', function()
    local child = cp.spawn 'cat'
    local bytes = 0
    child.stdout:on('data', function(chunk)
      bytes = bytes + #chunk
    end)
    child.stdin:finish(('x'):rep(MIB))
    t.once(child.stdout, 'end', function()
      assert.equal(MIB, bytes)
      assert.equal(MIB, child.stdout.bytesRead)
      assert.equal(MIB, child.stdin.bytesWritten)
    end)
  end)

  it('keeps every byte value', function()
    local all = {}
    for byte = 0, 255 do
      all[#all + 1] = string.char(byte)
    end
    local text = table.concat(all):rep(400)
    local child = cp.spawn 'cat'
    local out = t.collect(child.stdout)
    child.stdin:finish(text)
    t.once(child, 'close', function()
      assert.is_true(text == out())
    end)
  end)

  it('asks the writer to wait and says when to go on', function()
    local child = cp.spawn 'cat'
    local chunk, written, waits, bytes = ('y'):rep(65536), 0, 0, 0
    local function fill()
      while written < 64 do
        written = written + 1
        if not child.stdin:write(chunk) then
          waits = waits + 1
          assert.is_true(child.stdin.writableNeedDrain)
          child.stdin:once('drain', fill)
          return
        end
      end
      child.stdin:finish()
    end
    fill()
    child.stdout:on('data', function(piece)
      bytes = bytes + #piece
    end)
    t.once(child, 'close', function()
      assert.equal(64 * 65536, bytes)
      assert.is_true(waits > 0)
    end)
  end)

  it('is destroyed when the child has ended', function()
    local child = cp.spawn 'true'
    t.once(child, 'exit', function()
      assert.is_true(child.stdin.destroyed)
      child.stdin:write(
        'late',
        t.expect(function(err)
          assert.equal('ERR_STREAM_DESTROYED', err.code)
        end)
      )
    end)
  end)

  it('is fed by `input` and then finished', function()
    local child = cp.spawn('cat', {}, { input = 'fed\0in' })
    local out = t.collect(child.stdout)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('fed\0in', out())
    end)
  end)
end)

describe('stdout and stderr', function()
  it('deliver 500 000 bytes that were written at once', function()
    local child = cp.spawn(t.lua "io.write(('x'):rep(500000))")
    local bytes = 0
    child.stdout:on('data', function(chunk)
      bytes = bytes + #chunk
    end)
    t.once(child, 'close', function(code, signal)
      assert.equal(500000, bytes)
      assert.equal(0, code)
      assert.is_nil(signal)
    end)
  end)

  it('deliver what was written just before the end', function()
    local code = [[
      print 'hello'
      for i = 1, 100 do print(i) io.stderr:write('e', i, '\n') end
      print 'goodbye'
      os.exit(9)]]
    local child = cp.spawn(t.lua(code))
    local out, err = t.collect(child.stdout), t.collect(child.stderr)
    t.once(child, 'close', function(status)
      assert.equal(9, status)
      assert.truthy(out():find '^hello\n1\n2\n.*\n100\ngoodbye\n$')
      assert.truthy(err():find '^e1\ne2\n.*\ne100\n$')
    end)
  end)

  it('end where the child closes them', function()
    local child = shell 'echo foo; exec >&-; read line'
    local out = t.collect(child.stdout)
    child.stderr:on('data', t.never 'stderr')
    t.once(child.stdout, 'end', function()
      assert.is_nil(child.exitCode)
      child.stdin:finish '\n'
    end)
    t.once(child, 'close', function(code, signal)
      assert.equal('foo', out():sub(1, 3))
      assert.equal(0, code)
      assert.is_nil(signal)
    end)
  end)

  it('may be closed by us while the child writes', function()
    local child = shell 'read line; echo to nobody; exit 0'
    child.stdout:destroy()
    t.once(child.stdout, 'close', function()
      child.stdin:finish 'go\n'
    end)
    t.once(child, 'close', function(_, signal)
      assert.equal('SIGPIPE', signal)
    end)
  end)

  it('hold back close, not exit, while a grandchild has them', function()
    -- the cat in the background ends with the extra pipe, which we finish at exit
    local stdio = { 'ignore', 'pipe', 'pipe', 'pipe' }
    local child = shell('cat <&3 & exit 0', { stdio = stdio })
    local out = t.collect(child.stdout)
    t.once(child, 'exit', function()
      cp.setImmediate(function()
        assert.is_false(child.stdout.destroyed)
        child.stdio[4]:finish 'from the grandchild'
      end)
    end)
    child.stdio[4]:resume()
    t.once(child, 'close', function()
      assert.equal('from the grandchild', out())
    end)
  end)

  it('are joined by hand over three programs', function()
    local echo = cp.spawn('echo', { 'hello\nnode\nand\nworld' })
    local grep = cp.spawn('grep', { 'o' })
    local sed = cp.spawn('sed', { 's/o/O/' })
    local function join(from, to)
      from:on('data', function(chunk)
        if not to:write(chunk) then
          from:pause()
        end
      end)
      to:on('drain', function()
        from:resume()
      end)
      from:on('end', function()
        to:finish()
      end)
    end
    join(echo.stdout, grep.stdin)
    join(grep.stdout, sed.stdin)
    local out = t.collect(sed.stdout)
    for _, child in ipairs { echo, grep, sed } do
      t.once(child, 'exit', function(code)
        assert.equal(0, code)
      end)
    end
    t.once(sed, 'close', function()
      assert.equal('hellO\nnOde\nwOrld\n', out())
    end)
  end)

  it('are joined by pipe', function()
    local find = cp.spawn('printf', { 'a\\nb\\nc\\n' })
    local wc = cp.spawn('wc', { '-l' })
    assert.equal(wc.stdin, find.stdout:pipe(wc.stdin))
    local out = t.collect(wc.stdout)
    t.once(wc, 'close', function()
      assert.equal('3', out():match '%d+')
    end)
  end)
end)

describe('what a child finds', function()
  it('are real pipes at fd 0, 1 and 2', function()
    local child = cp.spawn('cat', { '/dev/stdin' })
    local out = t.collect(child.stdout)
    child.stdin:finish 'opened again'
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('opened again', out())
    end)

    local tee = cp.spawn('tee', { '/dev/stderr' })
    local tee_out, tee_err = t.collect(tee.stdout), t.collect(tee.stderr)
    tee.stdin:finish 'twice'
    t.once(tee, 'close', function(code)
      assert.equal(0, code)
      assert.equal('twice', tee_out())
      assert.equal('twice', tee_err())
    end)

    local echo = shell 'echo by name > /dev/stdout'
    local echoed = t.collect(echo.stdout)
    t.once(echo, 'close', function(code)
      assert.equal(0, code)
      assert.equal('by name\n', echoed())
    end)
  end)

  it('are blocking descriptors', function()
    local script = 'for n in 0 1 2 3; do grep flags /proc/self/fdinfo/$n; done'
    local child = shell(script, { stdio = { 'pipe', 'pipe', 'pipe', 'pipe' } })
    local out = t.collect(child.stdout)
    child.stdio[4]:resume()
    child.stdio[4]:finish()
    t.once(child, 'close', function()
      local count = 0
      for flags in out():gmatch 'flags:%s*(%d+)' do
        count = count + 1
        assert.equal(0, tonumber(flags, 8) & 0x800, 'O_NONBLOCK at fd ' .. count - 1)
      end
      assert.equal(4, count)
    end)
  end)

  it('are blocking also where they are streams of ours', function()
    local consumer = cp.spawn 'cat'
    local stdio = { 'ignore', consumer.stdin, 'pipe' }
    local child = shell('grep flags /proc/self/fdinfo/1 >&2', { stdio = stdio })
    consumer.stdin:destroy()
    local err = t.collect(child.stderr)
    t.once(child, 'close', function()
      local flags = err():match 'flags:%s*(%d+)'
      assert.equal(0, tonumber(flags, 8) & 0x800)
    end)
  end)

  it('is no descriptor but the mapped ones', function()
    if t.backend() == 'uv' then
      pending 'uv_spawn hands on what others left open'
    end
    -- opened by C's stdio without close-on-exec
    local strays = {}
    for i = 1, 5 do
      strays[i] = assert(io.open '/dev/null')
    end
    local child = cp.spawn('ls', { '/proc/self/fd' })
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      assert.equal('0\n1\n2\n3\n', out()) -- 3 is the folder that ls reads
      for _, file in ipairs(strays) do
        file:close()
      end
    end)
  end)

  it('is no end of a pipe that belongs to a sibling', function()
    local children = {}
    for i = 1, 5 do
      children[i] = cp.spawn 'cat'
    end
    -- only if no later sibling holds its stdin does the first one see the end
    local order = {}
    for i = 1, 5 do
      t.once(children[i], 'close', function()
        order[#order + 1] = i
        if children[i + 1] then
          children[i + 1].stdin:finish()
        end
      end)
    end
    children[1].stdin:finish()
    cp.run()
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it('is a shared standard output that stays blocking', function()
    local code = [[
      local cp = require 'child_process'
      cp.spawn('head', { '-c', '100000', '/dev/zero' }, { stdio = 'inherit' })
      cp.run()
      io.write(('y'):rep(100000))]]
    local child = cp.spawn(t.lua(code))
    local bytes = 0
    child.stdout:on('data', function(chunk)
      bytes = bytes + #chunk
    end)
    t.once(child, 'close', function(status)
      assert.equal(0, status)
      assert.equal(200000, bytes)
    end)
  end)

  it('is a file as our stdin, left untouched', function()
    local path = t.write_file(t.tmpdir() .. '/in', ('line\n'):rep(1000))
    local code = [[
      local cp = require 'child_process'
      local child = cp.spawn('cat', {}, { stdio = { 'inherit', 'pipe' } })
      local bytes = 0
      child.stdout:on('data', function(chunk) bytes = bytes + #chunk end)
      child:on('close', function() print(bytes) end)
      cp.run()]]
    local file <close> = assert(io.open(path))
    local exe, args = t.lua(code)
    local child = cp.spawn(exe, args, { stdio = { file, 'pipe', 'inherit' } })
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      assert.equal('5000\n', out())
    end)
  end)
end)
