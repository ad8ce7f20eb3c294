-- A pipe() from child to child, whose bytes the kernel moves while nobody looks at them.
local faults = require 'spec.support.faults'
local moves = require 'spec.support.moves'
local stream = require 'child_process.stream'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local MIB = 1024 * 1024
local SIZE = 5000 -- of a block: bulk, but less than a pipe holds
local FOUR = { 'pipe', 'pipe', 'pipe', 'pipe' }

local function block(letter)
  return letter:rep(SIZE)
end

local A, B, C, D = block 'a', block 'b', block 'c', block 'd'

-- A `cat` piped into a `cat`.  `pair.say(text, fn [, size])` sends text through both and
-- calls fn() when so many bytes have come out (default: those of text); `pair.out` is all
-- that has; `pair.close(expected)` ends the first one, and expects that to come out.
local function open_pair(options, stdio)
  local pair = { out = '', want = 0 }
  local from, to = cp.spawn('cat', {}, { stdio = stdio }), cp.spawn 'cat'
  pair.from, pair.to, pair.src, pair.dest = from, to, from.stdout, to.stdin
  to.stdout:on('data', function(chunk)
    pair.out = pair.out .. chunk
    local fn = pair.said
    if fn and #pair.out >= pair.want then
      pair.said = nil
      fn()
    end
  end)
  function pair.say(text, fn, size)
    pair.want, pair.said = #pair.out + (size or #text), t.expect(fn)
    from.stdin:write(text)
  end
  function pair.close(expected)
    from.stdin:finish()
    t.once(to, 'close', function()
      assert.is_true(expected == pair.out)
    end)
  end
  pair.src:pipe(pair.dest, options)
  return pair
end

-- Calls fn(pair, moved) when the kernel moves the bytes of a pair: A was read, B was not.
local function when_moved(fn, options)
  local pair = open_pair(options)
  local moved = moves.watch(pair.src)
  pair.say(A, function()
    assert.equal(0, moved())
    pair.say(B, function()
      assert.equal(SIZE, moved())
      fn(pair, moved)
    end)
  end)
end

describe('pipe() from child to child', function()
  it('moves what comes in bulk without reading it, and counts it', function()
    when_moved(function(pair)
      assert.equal(2 * SIZE, pair.src.bytesRead)
      assert.equal(2 * SIZE, pair.dest.bytesWritten)
      assert.equal(0, pair.src.readableLength)
      assert.equal(0, pair.dest.writableLength)
      pair.close(A .. B)
    end)
  end)

  it('copies small pieces, until they are large', function()
    when_moved(function(pair, moved)
      pair.say('small', function()
        assert.equal(SIZE + 5, moved())
        pair.say('small', function()
          assert.equal(SIZE + 5, moved())
          pair.say(C, function()
            pair.say(D, function()
              assert.equal(2 * SIZE + 5, moved())
              assert.equal(4 * SIZE + 10, pair.src.bytesRead)
              pair.close(A .. B .. 'smallsmall' .. C .. D)
            end)
          end)
        end)
      end)
    end)
  end)

  it('finishes the destination at the end', function()
    when_moved(function(pair)
      local log = t.record(pair.dest, { 'finish', 'unpipe', 'close' })
      t.once(pair.src, 'end')
      t.once(pair.dest, 'close', function()
        assert.same({ 'unpipe', 'finish', 'close' }, log)
      end)
      pair.close(A .. B)
    end)
  end)

  it('leaves the destination open when told so', function()
    when_moved(function(pair)
      t.once(pair.src, 'close', function()
        pair.dest:finish(C)
      end)
      pair.close(A .. B .. C)
    end, { ['end'] = false })
  end)

  it('shows a later listener for data all that comes from then on', function()
    when_moved(function(pair, moved)
      local seen = ''
      local function see(chunk)
        seen = seen .. chunk
      end
      pair.src:on('data', see)
      pair.say(C, function()
        assert.is_true(seen == C)
        assert.equal(SIZE, moved())
        pair.src:off('data', see)
        pair.say(D, function()
          assert.is_true(seen == C)
          assert.equal(2 * SIZE, moved())
          assert.equal(4 * SIZE, pair.src.bytesRead)
          assert.equal(4 * SIZE, pair.dest.bytesWritten)
          pair.close(A .. B .. C .. D)
        end)
      end)
    end)
  end)

  it('leaves the reading to a later listener for readable', function()
    when_moved(function(pair)
      local seen = ''
      pair.src:on('readable', function()
        seen = seen .. (pair.src:read() or '')
      end)
      pair.say(C, function()
        assert.is_true(seen == C)
        pair.close(A .. B .. C)
      end)
    end)
  end)

  it('leaves the reading to a loop over lines', function()
    when_moved(function(pair, moved)
      local lines = {}
      cp.async(function()
        for line in pair.src:lines() do
          lines[#lines + 1] = line
        end
      end)
      pair.say(C .. '\n', function()
        assert.equal(1, #lines)
        assert.equal(SIZE, moved())
        pair.close(A .. B .. C .. '\n')
      end)
    end)
  end)

  it('calls a method emit that is not ours', function()
    when_moved(function(pair, moved)
      local emit, seen = pair.src.emit, ''
      function pair.src:emit(name, ...)
        seen = seen .. (name == 'data' and ... or '')
        return emit(self, name, ...)
      end
      pair.say(C, function()
        assert.is_true(seen == C)
        assert.equal(SIZE, moved())
        pair.close(A .. B .. C)
      end)
    end)
  end)

  it('calls a method write that is not ours', function()
    when_moved(function(pair, moved)
      local write = pair.dest.write
      function pair.dest:write(chunk, ...)
        return write(self, chunk:upper(), ...)
      end
      pair.say(C, function()
        assert.equal(SIZE, moved())
        pair.close(A .. B .. C:upper())
      end)
    end)
  end)

  it('shows the bytes to a tap', function()
    local pair = open_pair()
    local moved, seen = moves.watch(pair.src), ''
    stream.tap(pair.src, function(bytes)
      seen = seen .. bytes
    end)
    pair.say(A, function()
      pair.say(B, function()
        assert.is_true(seen == A .. B)
        assert.equal(0, moved())
        pair.close(A .. B)
      end)
    end)
  end)

  it('leaves the reading to a tap that comes later', function()
    when_moved(function(pair, moved)
      local seen = ''
      stream.tap(pair.src, function(bytes)
        seen = seen .. bytes
      end)
      pair.say(C, function()
        assert.is_true(seen == C)
        assert.equal(SIZE, moved())
        pair.close(A .. B .. C)
      end)
    end)
  end)

  it('copies what other targets of an array get as well', function()
    local path = t.tmpdir() .. '/copy'
    local pair = open_pair(nil, { 'pipe', { 'pipe', { file = path } } })
    local moved = moves.watch(pair.src)
    pair.say(A, function()
      pair.say(B, function()
        assert.equal(0, moved())
        pair.close(A .. B)
      end)
    end)
    t.once(pair.to, 'close', function()
      assert.is_true(t.slurp(path) == A .. B)
    end)
  end)

  it('decodes once an encoding is set', function()
    when_moved(function(pair, moved)
      pair.src:setEncoding 'hex'
      pair.say(C, function()
        assert.equal(SIZE, moved())
        pair.close(A .. B .. ('63'):rep(SIZE))
      end, 2 * SIZE)
    end)
  end)

  it('serves a second destination as well', function()
    when_moved(function(pair, moved)
      local third = cp.spawn 'cat'
      local out = t.collect(third.stdout)
      pair.src:pipe(third.stdin)
      pair.say(C, function()
        assert.equal(SIZE, moved())
        pair.close(A .. B .. C)
      end)
      t.once(third, 'close', function()
        assert.is_true(out() == C)
      end)
    end)
  end)

  it('takes turns with a second source', function()
    local to = cp.spawn('wc', { '-c' })
    local out = t.collect(to.stdout)
    local open = 2
    for _ = 1, 2 do
      local from = cp.spawn('head', { '-c', tostring(MIB), '/dev/zero' })
      from.stdout:pipe(to.stdin, { ['end'] = false })
      t.once(from.stdout, 'end', function()
        assert.equal(MIB, from.stdout.bytesRead)
        open = open - 1
        if open == 0 then
          to.stdin:finish()
        end
      end)
    end
    t.once(to, 'close', function()
      assert.equal(2 * MIB, tonumber(out()))
    end)
  end)

  it('gives nothing more to a destination that was unpiped', function()
    when_moved(function(pair)
      local function read()
        assert.is_true(pair.src:read() == C)
        pair.src:resume()
        pair.dest:finish()
        pair.close(A .. B)
      end
      pair.src:unpipe(pair.dest)
      pair.src:once('readable', t.expect(read))
      pair.from.stdin:write(C)
    end)
  end)

  it('stands still between pause and resume', function()
    when_moved(function(pair)
      pair.src:pause()
      pair.from.stdin:write(C)
      t.when(function()
        return pair.src.readableLength == SIZE
      end, function()
        assert.equal(2 * SIZE, #pair.out)
        pair.src:resume()
        pair.say(D, function()
          pair.close(A .. B .. C .. D)
        end, 2 * SIZE)
      end)
    end)
  end)

  it('keeps the order of what others write to the destination', function()
    when_moved(function(pair)
      pair.dest:write 'mine'
      pair.say(C, function()
        pair.close(A .. B .. 'mine' .. C)
      end, SIZE + 4)
    end)
  end)

  it('waits for a destination that is corked', function()
    when_moved(function(pair, moved)
      pair.dest:cork()
      pair.from.stdin:write(C)
      t.when(function()
        return pair.dest.writableLength == SIZE
      end, function()
        assert.equal(SIZE, moved())
        assert.equal(2 * SIZE, #pair.out)
        pair.dest:uncork()
        pair.say(D, function()
          pair.close(A .. B .. C .. D)
        end, 2 * SIZE)
      end)
    end)
  end)

  it('ends with the source, and leaves the destination open', function()
    when_moved(function(pair)
      pair.src:destroy()
      t.once(pair.src, 'close', function()
        assert.is_true(pair.dest.writable)
        pair.dest:finish(C)
        pair.close(A .. B .. C)
      end)
    end)
  end)

  it('ends with the destination, and pauses the source', function()
    when_moved(function(pair)
      t.once(pair.dest, 'unpipe', function()
        assert.is_true(pair.src:isPaused())
        pair.src:resume()
        pair.close(A .. B)
      end)
      pair.dest:destroy()
    end)
  end)

  it('is an error of a destination without a reader, and no signal', function()
    local from = cp.spawn 'cat'
    local script = 'head -c 10000 >/dev/null; exec <&-; echo closed; read go <&3'
    local to = cp.spawn('sh', { '-c', script }, { stdio = FOUR })
    local moved = moves.watch(from.stdout)
    from.stdout:pipe(to.stdin)
    from.stdin:write(A)
    t.when(function()
      return to.stdin.bytesWritten == SIZE
    end, function()
      from.stdin:write(B)
    end)
    t.once(to.stdout, 'data', function()
      assert.equal(SIZE, moved())
      from.stdin:write(C)
    end)
    t.once(to.stdin, 'error', function(err)
      assert.equal('EPIPE', err.code)
      assert.is_true(from.stdout:isPaused())
      from.stdout:resume()
      from.stdin:finish()
      to.stdio[4]:finish()
    end)
  end)

  -- Whether SIGPIPE is pending, before and after a program that blocks it has an EPIPE.
  local function pending_signals(before)
    local program = before
      .. [[
      local cp = require 'child_process'
      local function is_pending()
        local status = io.open('/proc/self/status'):read 'a'
        for set in status:gmatch '%u%l+Pnd:%s*(%x+)' do
          if tonumber(set, 16) & 1 << 12 ~= 0 then
            return true
          end
        end
        return false
      end
      local first = is_pending()
      local from = cp.spawn('head', { '-c', '5000000', '/dev/zero' })
      local script = 'head -c 1000000 >/dev/null; exec <&-; read go <&3'
      local four = { 'pipe', 'pipe', 'pipe', 'pipe' }
      local to = cp.spawn('sh', { '-c', script }, { stdio = four })
      to.stdin:on('error', function(err)
        print(first, err.code, is_pending())
        to.stdio[4]:finish()
        from.stdout:resume()
      end)
      from.stdout:pipe(to.stdin)
      cp.run()]]
    local exe, args = t.lua(program)
    return cp.spawnSync('env', { '--block-signal=PIPE', exe, table.unpack(args) }).stdout
  end

  it('leaves no signal pending for a host that blocks it', function()
    assert.equal('false\tEPIPE\tfalse\n', pending_signals '')
  end)

  it('leaves a signal pending that was pending before', function()
    local raise = [[
      local file = io.popen('exec <&-', 'w')
      while file:write 'x' and file:flush() do
      end
      file:close()]]
    assert.equal('true\tEPIPE\ttrue\n', pending_signals(raise))
  end)

  it('counts as a sign of life of the source', function()
    local pair = open_pair()
    local handle, quiet = pair.src._handle, nil
    moves.watch(pair.src, function()
      quiet = handle:quiet()
    end)
    pair.say(A, function()
      t.when(function()
        return handle:quiet() >= 20
      end, function()
        pair.say(B, function()
          assert.equal(0, quiet)
          pair.close(A .. B)
        end)
      end)
    end)
  end)

  it('copies to what is not a pipe', function()
    local from = cp.spawn('head', { '-c', tostring(MIB), '/dev/zero' })
    local got = 0
    local server = cp.net.createServer(function(socket)
      socket:on('data', function(chunk)
        got = got + #chunk
      end)
      t.once(socket, 'end')
    end)
    server:listen(t.tmpdir() .. '/socket', function()
      local client = cp.net.connect(server:address())
      t.once(client, 'connect', function()
        from.stdout:pipe(client)
      end)
      t.once(client, 'close', function()
        assert.equal(MIB, got)
        server:close()
      end)
    end)
  end)

  it('copies for good where the kernel does not splice', function()
    for _, errno in ipairs { 'ENOSYS', 'EPERM', 'EINVAL' } do
      local calls = faults.with({ name = 'splice', errno = errno, last = 0 }, function()
        local pair = open_pair()
        pair.say(A, function()
          pair.say(B, function()
            pair.say(C, function()
              pair.close(A .. B .. C)
            end)
          end)
        end)
        cp.run()
      end)
      assert.equal(1, calls)
    end
  end)

  it('goes on after an interrupted or a needless attempt', function()
    for _, errno in ipairs { 'EINTR', 'EAGAIN' } do
      local moved
      local calls = faults.with({ name = 'splice', errno = errno }, function()
        when_moved(function(pair, count)
          moved = count()
          pair.close(A .. B)
        end)
        cp.run()
      end)
      assert.equal(SIZE, moved)
      assert.is_true(calls > 1)
    end
  end)

  it('brings all bytes in their order, whatever happens in between', function()
    local from, to = cp.spawn('seq', { '300000' }), cp.spawn 'cat'
    local src, dest, out = from.stdout, to.stdin, t.collect(to.stdout)
    local function see() end
    local changes = {
      function()
        src:on('data', see)
      end,
      function()
        src:off('data', see)
      end,
      function()
        src:pause()
      end,
      function()
        src:resume()
      end,
      function()
        src:unpipe(dest)
        src:pipe(dest)
      end,
      function()
        dest:cork()
      end,
      function()
        dest:uncork()
      end,
    }
    local count = 0
    local function change()
      if not src.readableEnded then
        count = count + 1
        changes[count % #changes + 1]()
        cp.setTimeout(change, 1)
      end
    end
    src:pipe(dest)
    change()
    t.once(to, 'close', function()
      local numbers = {}
      for i = 1, 300000 do
        numbers[i] = i
      end
      assert.is_true(out() == table.concat(numbers, '\n') .. '\n')
      assert.equal(#out(), src.bytesRead)
      assert.equal(#out(), dest.bytesWritten)
    end)
  end)

  it('may stand when the program ends', function()
    local program = [[
      local cp = require 'child_process'
      local from, to = cp.spawn('cat', { '/dev/zero' }), cp.spawn 'cat'
      local got = 0
      to.stdout:on('data', function(chunk)
        got = got + #chunk
        if got > 1 << 20 then
          from:kill()
          to:kill()
          cp.stop()
        end
      end)
      from.stdout:pipe(to.stdin)
      cp.run()
      print(from.stdout.bytesRead == to.stdin.bytesWritten)
    ]]
    local result = cp.spawnSync(t.lua(program))
    assert.equal('', result.stderr)
    assert.equal('true\n', result.stdout)
    assert.equal(0, result.status)
  end)
end)
