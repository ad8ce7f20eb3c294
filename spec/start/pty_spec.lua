-- The option `pty`: a terminal for a child, its stream, its size and its end.
local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local it = machine.wrap('terminals', it, pending)

if t.backend() == 'uv' then
  describe('a terminal where libuv starts processes', function()
    it('is refused before anything is started', function()
      for _, call in ipairs { 'spawn', 'exec', 'execFile' } do
        for _, pty in ipairs { true, {}, { cols = 10 } } do
          local err = t.raises(
            'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM',
            cp[call],
            'true',
            { pty = pty }
          )
          assert.equal('TypeError', err.name)
          assert.matches('^The "options.pty" property is unavailable', err.message)
        end
      end
    end)

    it('is not missed by who does not want one', function()
      assert.is_true(cp.spawn('true', { pty = false }):wait().ok)
    end)
  end)
  return
end

local function shell(script, pty, options)
  options = options or {}
  options.pty = pty
  return cp.spawn('sh', { '-c', script }, options)
end

local function output(script, pty, options)
  local result = shell(script, pty, options):wait()
  assert.is_true(result.ok, tostring(result.error))
  return result.stdout
end

-- What a program says that lives on a terminal, line by line.
local function read_line(child)
  return (child.pty:read('l'):gsub('\r$', ''))
end

describe('a child with a terminal', function()
  it('has one on all three descriptors, which controls its session', function()
    local said =
      output('test -t 0 && test -t 1 && test -t 2 && tty && tty </dev/tty', true)
    assert.matches('^/dev/pts/%d+\r\n/dev/tty\r\n$', said)
  end)

  it('leads a session of its own', function()
    local child = shell('ps -o sid= -o pgid= -p $$', true)
    local said = child:wait().stdout
    local sid, pgid = said:match '^%s*(%d+)%s+(%d+)'
    assert.equal(child.pid, math.tointeger(sid))
    assert.equal(child.pid, math.tointeger(pgid))
  end)

  it('has one stream for what it reads and writes, and none for stderr', function()
    local child = shell('cat', true)
    assert.equal(child.pty, child.stdin)
    assert.equal(child.pty, child.stdout)
    assert.is_nil(child.stderr)
    assert.same({ n = 3, child.pty, child.pty }, child.stdio)
    assert.is_true(child.pty.readable and child.pty.writable)
    assert.matches('^child_process%.Terminal %(duplex, fd %d+%)$', tostring(child.pty))
    child.pty:finish()
    assert.is_true(child:wait().ok)
  end)

  it('has 80 columns and 24 rows, or as many as one wants', function()
    assert.equal('24 80\r\n', output('stty size', true))
    assert.equal('24 80\r\n', output('stty size', {}))
    assert.equal('24 132\r\n', output('stty size', { cols = 132 }))
    assert.equal('65535 1\r\n', output('stty size', { cols = 1, rows = 65535 }))
  end)

  it('writes what it says on stderr there as well, in the same order', function()
    local script = 'i=0; while [ $i -lt 200 ]; do echo o; echo e >&2; i=$((i+1)); done'
    assert.equal(('o\r\ne\r\n'):rep(200), output(script, true))
  end)

  it('gets nothing of our descriptors', function()
    local open = output('ls /proc/$$/fd', true)
    assert.same({ '0', '1', '2' }, { open:match '^(%d+)%s+(%d+)%s+(%d+)%s*$' })
  end)

  it('runs as another user, to whom its terminal belongs', function()
    if io.popen('id -u'):read 'n' ~= 0 then
      pending 'only root may become another user'
    end
    local said = output('stat -Lc %u "$(tty)"; id -u', true, { uid = 54321, cwd = '/' })
    assert.equal('54321\r\n54321\r\n', t.without_gcov(said))
  end)

  it('can be started by hand', function()
    local child = cp.ChildProcess()
    child:spawn { file = 'sh', args = { 'sh', '-c', 'tty; echo $TERM' }, pty = true }
    assert.matches('^/dev/pts/%d+\r\nxterm%-256color\r\n$', child:wait().stdout)
  end)
end)

describe('TERM in a terminal', function()
  it('is what the option says', function()
    assert.equal('xterm-256color\r\n', output('echo $TERM', true))
    assert.equal('dumb\r\n', output('echo $TERM', { term = 'dumb' }))
  end)

  it('is not ours', function()
    local script = [[
      local cp = require 'child_process'
      cp.process.env.TERM = 'vt52'
      io.write(cp.spawn('sh', { '-c', 'echo $TERM' }, { pty = true }):wait().stdout)]]
    local command, args = t.lua(t.write_file(t.tmpdir() .. '/program.lua', script))
    assert.equal('xterm-256color\r\n', cp.execFileSync(command, args))
  end)

  it('is that of an environment which has one', function()
    local env = { TERM = 'vt100', PATH = os.getenv 'PATH' }
    assert.equal('vt100\r\n', output('echo $TERM', true, { env = env }))
    assert.equal('vt100\r\n', output('echo $TERM', { term = 'dumb' }, { env = env }))
  end)

  it('is added to an environment that says nothing of it', function()
    local env = { PATH = os.getenv 'PATH', A = 'b' }
    assert.equal('b dumb\r\n', output('echo $A $TERM', { term = 'dumb' }, { env = env }))
  end)

  it('is not ours either where ours is extended', function()
    local script = [[
      local cp = require 'child_process'
      cp.process.env.TERM, cp.process.env.A = 'vt52', 'a'
      local function show(env)
        local options = { pty = { term = 'dumb' }, env = env, extendEnv = true }
        local result = cp.spawn('sh', { '-c', 'echo $A $B $TERM' }, options):wait()
        io.write((result.stdout:gsub('\r', '')))
      end
      show { B = 'b' }
      show { B = 'b', TERM = 'vt100' }]]
    local command, args = t.lua(t.write_file(t.tmpdir() .. '/program.lua', script))
    assert.equal('a b dumb\na b vt100\n', cp.execFileSync(command, args))
  end)

  it('is missing where the environment says so', function()
    local env = { TERM = false, PATH = os.getenv 'PATH' }
    assert.equal('none\r\n', output('echo ${TERM-none}', true, { env = env }))
  end)

  it('is added to the environment of a child that is started by hand', function()
    local function shown(pairs_of_env)
      local child = cp.ChildProcess()
      local args = { 'sh', '-c', 'echo $A $TERM' }
      child:spawn { file = '/bin/sh', args = args, envPairs = pairs_of_env, pty = true }
      return child:wait().stdout
    end
    assert.equal('a xterm-256color\r\n', shown { 'A=a' })
    assert.equal('a dumb\r\n', shown { 'TERM=dumb', 'A=a' })
  end)
end)

describe('what is typed to a terminal', function()
  it('comes back, and is read by lines with their editing', function()
    local child = shell('read line; echo "got $line"', true)
    child.pty:write 'helo\127lo\n'
    assert.equal('helo\8 \8lo\r\ngot hello\r\n', child:wait().stdout)
  end)

  it('does not come back without echo', function()
    local child = shell('read line; echo "got $line"', { echo = false })
    child.pty:write 'secret\n'
    assert.equal('got secret\r\n', child:wait().stdout)
  end)

  it('takes whole characters back', function()
    local child = shell('read line; echo "$line"', { echo = false })
    child.pty:write 'aé\127b\n'
    assert.equal('ab\r\n', child:wait().stdout)
  end)

  it('is a signal where it is ^C', function()
    local child = shell('echo ready; exec sleep 1000', true)
    assert.equal('ready', read_line(child))
    child.pty:write '\3'
    assert.equal('SIGINT', child:wait().signal)
  end)

  it('is as it is in a raw terminal, both ways and without echo', function()
    local child = shell('printf "a\\nb\\n"; head -c 5 | od -An -c', { raw = true })
    child.pty:write '\3\4\r\127x'
    assert.equal('a\nb\n 003 004  \\r 177   x\n', child:wait().stdout)
  end)

  it('comes back from a raw terminal that is to echo', function()
    local child = shell('head -c 2 >/dev/null', { raw = true, echo = true })
    child.pty:write 'ab'
    assert.equal('ab', child:wait().stdout)
  end)

  it('may be given as any encoding', function()
    local child = shell('head -c 2', { raw = true })
    child.pty:write('6869', 'hex')
    assert.equal('hi', child:wait().stdout)
    t.raises('ERR_UNKNOWN_ENCODING', child.pty.write, child.pty, 'x', 'no-such')
  end)

  it('waits when the program does not read, and goes on when it does', function()
    local size = 1 << 20
    local child = cp.spawn('head', { '-c', size }, { pty = { raw = true } })
    local out = t.collect(child.pty)
    child:kill 'SIGSTOP'
    t.when(function()
      return t.status_field(child.pid, 'State'):find '^T'
    end, function()
      assert.is_false(child.pty:write(('x'):rep(size // 2)))
      assert.is_true(child.pty.writableLength > 0)
      child:kill 'SIGCONT'
    end)
    t.once(child.pty, 'drain', function()
      child.pty:write(('y'):rep(size))
    end)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal(('x'):rep(size // 2) .. ('y'):rep(size // 2), out())
    end)
  end)

  it('may be more than a terminal takes at once', function()
    local line = ('x'):rep(4000) .. '\n'
    local child = cp.spawn('cat', {}, { pty = { echo = false }, input = line:rep(100) })
    assert.equal(line:gsub('\n', '\r\n'):rep(100), child:wait().stdout)
  end)

  it('is cut where a line has more than 4095 bytes', function()
    local pty = { echo = false }
    local child = cp.spawn('wc', { '-c' }, { pty = pty, input = ('x'):rep(6000) .. '\n' })
    assert.equal('4096\r\n', child:wait().stdout)
  end)
end)

describe('finish of a terminal', function()
  -- What cat has read when it sees the end.
  local function read_by_cat(...)
    local child = cp.spawn('cat', {}, { pty = { echo = false } })
    for _, text in ipairs { ... } do
      child.pty:write(text)
    end
    child.pty:finish()
    local result = child:wait(t.TEST_TIMEOUT // 2)
    if not result then
      child:kill()
    end
    return result and result.stdout
  end

  it('is the end of the input at the start of a line', function()
    assert.equal('', read_by_cat())
    assert.equal('one\r\ntwo\r\n', read_by_cat('one\n', 'two\n'))
    assert.equal('one\r\n', read_by_cat 'one\r')
  end)

  it('is the end of the input behind an unfinished line', function()
    assert.equal('one', read_by_cat 'one')
    assert.equal('one\r\ntwo', read_by_cat('one\ntw', 'o'))
    assert.equal('one', read_by_cat('on\127\127\127one'))
  end)

  it('knows what has been taken back', function()
    assert.equal('', read_by_cat 'one\21')
    assert.equal('', read_by_cat('ab\127', '\127', '\127'))
    assert.equal('', read_by_cat 'é\127')
    assert.equal('one', read_by_cat 'one\4')
    assert.equal('a\r\n\r\n', read_by_cat 'a\22\n\n')
  end)

  it('types one ^D for one program', function()
    local child = shell('cat; echo between; cat', { echo = false })
    child.pty:write 'one\n\4'
    assert.equal('one', read_line(child))
    assert.equal('between', read_line(child))
    child.pty:write 'two\n'
    assert.equal('two', read_line(child))
    child.pty:finish()
    assert.is_true(child:wait().ok)
  end)

  it('takes a last chunk, an encoding and a callback', function()
    local child = cp.spawn('cat', {}, { pty = { echo = false } })
    child.pty:finish(
      '6f6e65',
      'hex',
      t.expect(function(err)
        assert.is_nil(err)
        assert.is_true(child.pty.writableFinished)
      end)
    )
    t.once(child.pty, 'finish')
    assert.is_false(child.pty.writable)
    assert.equal('one', child:wait().stdout)
  end)

  it('takes a callback behind the chunk', function()
    local child = cp.spawn('cat', {}, { pty = { echo = false } })
    child.pty:finish('one', t.expect())
    assert.equal('one', child:wait().stdout)
  end)

  it('leaves the output open', function()
    local child = shell('cat; echo after', { echo = false })
    child.pty:finish 'one\n'
    assert.equal('one\r\nafter\r\n', child:wait().stdout)
  end)

  it('is done once', function()
    local child = cp.spawn('cat', {}, { pty = true })
    child.pty:finish()
    child.pty:finish()
    child.pty:finish(t.expect(function(err)
      assert.equal(nil, err and err.code)
    end))
    assert.is_true(child:wait().ok)
    child.pty:finish(t.expect(function(err)
      assert.equal('ERR_STREAM_ALREADY_FINISHED', err.code)
    end))
  end)

  it('refuses what is typed afterwards', function()
    local child = cp.spawn('cat', {}, { pty = true })
    child.pty:finish()
    t.once(child.pty, 'error', function(err)
      assert.equal('ERR_STREAM_WRITE_AFTER_END', err.code)
    end)
    child.pty:write 'more'
    t.once(child, 'close')
  end)

  it('is refused by a raw terminal, as input is', function()
    local child = cp.spawn('cat', {}, { pty = { raw = true } })
    t.raises('ERR_INVALID_STATE', child.pty.finish, child.pty)
    t.raises('ERR_INVALID_STATE', child.pty.finish, child.pty, 'text')
    t.raises('ERR_INVALID_STATE', child.pty['end'], child.pty)
    assert.is_true(child.pty.writable)
    child:kill()
    assert.equal('', child:wait().stdout)
    local options = { pty = { raw = true }, input = 'text' }
    t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, 'cat', {}, options)
  end)

  it('is the input of execFile and exec', function()
    local options = { pty = { echo = false }, input = 'text\n' }
    assert.equal('text\r\n', cp.await(cp.execFile, 'cat', options))
    assert.equal('text\r\n', cp.await(cp.exec, 'cat', options))
  end)

  it('must be called with a colon', function()
    local child = cp.spawn('true', { pty = true })
    t.raises('ERR_INVALID_THIS', child.pty.finish)
    t.raises('ERR_INVALID_THIS', child.pty.write)
    assert.is_true(child:wait().ok)
  end)
end)

describe('resize', function()
  local WATCHER = 'trap "stty size" WINCH; stty size; while :; do read line; done'

  it('tells the programs in the terminal', function()
    local child = shell(WATCHER, { echo = false })
    assert.equal('24 80', read_line(child))
    child:resize(132, 43)
    assert.equal('43 132', read_line(child))
    child:resize(1, 65535)
    assert.equal('65535 1', read_line(child))
    child:kill 'SIGKILL'
    assert.equal('SIGKILL', child:wait().signal)
  end)

  it('does nothing after the end', function()
    local child = cp.spawn('true', { pty = true })
    child:wait()
    child:resize(10, 10)
    local failed = cp.spawn('lcp_nope', { pty = true })
    failed:resize(10, 10)
    assert.equal('spawn', failed:wait().reason)
    failed:resize(10, 10)
  end)

  it('does no harm to a terminal that we have closed', function()
    local child = shell('trap "" HUP; echo ready; while :; do sleep 0.01; done', true)
    assert.equal('ready', read_line(child))
    child.pty:destroy()
    child:resize(10, 10)
    child:kill 'SIGKILL'
    assert.equal('SIGKILL', child:wait().signal)
    child:resize(10, 10)
  end)

  it('wants a terminal', function()
    local child = cp.spawn 'true'
    local err = t.raises('ERR_INVALID_STATE', child.resize, child, 10, 10)
    assert.matches("option 'pty'", err.message)
    t.raises('ERR_INVALID_STATE', cp.ChildProcess().resize, cp.ChildProcess(), 10, 10)
    t.raises('ERR_INVALID_THIS', child.resize, 10, 10)
  end)

  it('wants two sizes that a terminal can have', function()
    local child = cp.spawn('cat', { pty = true, input = '' })
    t.raises('ERR_INVALID_ARG_TYPE', child.resize, child)
    t.raises('ERR_INVALID_ARG_TYPE', child.resize, child, 10)
    t.raises('ERR_INVALID_ARG_TYPE', child.resize, child, '10', 10)
    for _, size in ipairs { 0, -1, 65536, 1.5, 0 / 0, math.huge } do
      t.raises('ERR_OUT_OF_RANGE', child.resize, child, size, 10)
      t.raises('ERR_OUT_OF_RANGE', child.resize, child, 10, size)
    end
    child:resize(10.0, 20)
    assert.is_true(child:wait().ok)
  end)
end)

describe('the end of a terminal', function()
  it('comes after the exit of the child, without an error', function()
    local child = shell('echo text', true)
    local order = t.record(child, { 'spawn', 'exit', 'close' })
    t.record(child.pty, { 'end', 'error' }, order, 'pty ')
    local out = t.collect(child.pty)
    cp.run()
    assert.same({ 'spawn', 'exit', 'pty end', 'close' }, order)
    assert.equal('text\r\n', out())
  end)

  it('comes with all that the child wrote, however late it is read', function()
    local child =
      shell('i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done', true)
    child.pty:pause()
    local lines = 0
    t.once(child, 'exit', function()
      assert.is_false(child.pty.readableEnded)
      t.on_line(child.pty, function(line)
        assert.equal(('line %d\r'):format(lines), line)
        lines = lines + 1
      end)
      cp.setImmediate(child.pty.resume, child.pty)
    end)
    t.once(child.pty, 'end', function()
      assert.equal(500, lines)
    end)
  end)

  it('is not there while nobody has the terminal open', function()
    local script = 'echo one; exec <&- >&- 2>&-; until test -e go; do :; done;'
    local folder = t.tmpdir()
    local options = { cwd = folder }
    script = script .. 'echo two >/dev/tty; exit 3'
    local child = shell(script, { echo = false }, options)
    t.when(function()
      return next(t.fds(child.pid)) == nil
    end, function()
      child.pty:write('typed meanwhile', t.expect())
      cp.setImmediate(t.write_file, folder .. '/go', '')
    end)
    local order = t.record(child, { 'exit' })
    t.record(child.pty, { 'end' }, order)
    local out = t.collect(child.pty)
    cp.run()
    assert.equal('one\r\ntwo\r\n', out())
    assert.same({ 'exit', 'end' }, order)
    assert.equal(3, child.exitCode)
  end)

  it('comes though the child has never opened it', function()
    local result = shell('exec <&- >&- 2>&-; exit 5', true):wait()
    assert.same({ 'exit', 5, '' }, { result.reason, result.code, result.stdout })
  end)

  it('does not wait for what the child leaves behind', function()
    local script = [[
      trap "" HUP
      sleep 1000 & echo $!
      daemon=$(setsid sh -c 'sleep 1000 <&2 >&2 & echo $!'); echo $daemon]]
    local result = shell(script, true):wait()
    assert.is_true(result.ok)
    local first, second = result.stdout:match '^(%d+)\r\n(%d+)\r\n$'
    for _, pid in ipairs { math.tointeger(first), math.tointeger(second) } do
      assert.is_true(t.pid_alive(pid))
      cp.process:kill(pid, 'SIGKILL')
    end
  end)

  it('does not wait for what goes on writing, and hangs it up', function()
    local folder = t.tmpdir()
    local script = 'trap "" HUP; (yes; echo $? >done) & read line; echo last'
    local child = shell(script, true, { cwd = folder })
    local out = t.collect(child.pty)
    child.pty:once('data', function()
      child.pty:write '\n'
    end)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.matches('last\r\n', out())
    end)
    t.when(function()
      return t.slurp(folder .. '/done') == '1\n'
    end)
  end)

  it('ends a call that waits for a line', function()
    local child = shell('printf "one\\ntw"', true)
    local lines = {}
    for line in child.pty:lines '\r\n' do
      lines[#lines + 1] = line
    end
    assert.same({ 'one', 'tw' }, lines)
    assert.is_nil(child.pty:read 'l')
    assert.is_true(child:wait().ok)
  end)

  it('lets what is read go on into what it was piped to', function()
    local child = shell('echo text; exit 3', true)
    local sink = cp.spawn('cat')
    child.pty:pipe(sink.stdin)
    assert.equal('text\r\n', sink:wait().stdout)
    assert.equal(3, child:wait().code)
  end)

  it('loses what is typed afterwards, and says so to the callback only', function()
    local child = shell('exit 0', true)
    t.once(child, 'exit', function()
      cp.nextTick(function()
        cp.nextTick(function()
          assert.is_false(child.pty:write(
            'late',
            t.expect(function(err)
              assert.equal('EPIPE', err.code)
            end)
          ))
          child.pty:finish 'late'
        end)
      end)
    end)
    child.pty:on('error', t.never())
    t.once(child.pty, 'end')
    t.once(child, 'close')
  end)

  it('tells those whose input nobody has read', function()
    local child = shell('echo ready; read line', { raw = true })
    assert.equal('ready', read_line(child))
    child.pty:on('error', t.never())
    child.pty:write(
      'go\n' .. ('x'):rep(1 << 20),
      t.expect(function(err)
        assert.equal('ERR_STREAM_DESTROYED', err.code)
      end)
    )
    assert.is_true(child:wait().ok)
  end)

  it('survives a listener that raises', function()
    local child = shell('echo one; exit 3', true)
    child.pty:once('data', function()
      error 'listener'
    end)
    t.once(child.pty, 'end')
    t.once(child, 'close')
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.matches('listener', tostring(err))
  end)
end)

describe('destroying a terminal', function()
  it('hangs up a child that is writing', function()
    local child = cp.spawn('yes', { pty = true })
    child.pty:once('data', function()
      child.pty:destroy()
    end)
    t.once(child.pty, 'close', function(had_error)
      assert.is_false(had_error)
      assert.is_nil(child.signalCode)
    end)
    t.once(child, 'exit', function(code, signal)
      assert.is_nil(code)
      assert.equal('SIGHUP', signal)
    end)
    t.once(child, 'close')
  end)

  it('hangs up a child that is waiting for input', function()
    local child = shell('echo ready; read line; echo $?', true)
    read_line(child)
    child.pty:destroy()
    assert.equal('SIGHUP', child:wait().signal)
  end)

  it('passes its error on', function()
    local child = cp.spawn('cat', { pty = true })
    t.once(child.pty, 'error', function(err)
      assert.equal('mine', err)
    end)
    child.pty:destroy 'mine'
    t.once(child, 'close')
  end)
end)

describe('the streams of a terminal', function()
  it('collect for exec and execFile as stdout', function()
    cp.exec(
      'echo out; echo err >&2; exit 3',
      { pty = true },
      t.expect(function(err, ...)
        assert.equal(3, err.code)
        assert.same({ 'out\r\nerr\r\n', '' }, { ... })
      end)
    )
    cp.execFile(
      'tty',
      { pty = true },
      t.expect(function(err, out)
        assert.is_nil(err)
        assert.matches('^/dev/pts/%d+\r\n$', out)
      end)
    )
  end)

  it('end a command at maxBuffer by the signal that was asked for', function()
    local options = { pty = true, maxBuffer = 1000, killSignal = 'SIGUSR1' }
    local child = cp.execFile(
      'yes',
      options,
      t.expect(function(err, out)
        assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', err.code)
        assert.equal(1000, #out)
      end)
    )
    t.once(child, 'close', function(_, signal)
      assert.equal('SIGUSR1', signal)
    end)
    local result = cp.spawn('yes', options):wait()
    assert.same({ 'maxBuffer', 'SIGUSR1', 1000 }, {
      result.reason,
      result.signal,
      #result.stdout,
    })
  end)

  it('end a command at its timeout by the signal that was asked for', function()
    local options = { pty = true, timeout = 50, killSignal = 'SIGUSR1' }
    cp.execFile(
      'cat',
      options,
      t.expect(function(err)
        assert.same({ true, 'SIGUSR1' }, { err.killed, err.signal })
      end)
    )
    local result = cp.spawn('cat', options):wait()
    assert.same({ 'timeout', 'SIGUSR1' }, { result.reason, result.signal })
  end)

  it('end a command by an AbortSignal', function()
    local controller = cp.AbortController()
    local options = { pty = true, signal = controller.signal }
    cp.execFile(
      'cat',
      options,
      t.expect(function(err)
        assert.equal('ABORT_ERR', err.code)
      end)
    )
    controller:abort()
  end)

  it('have an encoding', function()
    local child = shell('printf "\\303"; read line; printf "\\251"', { raw = true })
    child.pty:setEncoding 'utf8'
    t.when(function()
      return child.pty.bytesRead == 1
    end, function()
      child.pty:write '\n'
    end)
    local chunks = {}
    child.pty:on('data', function(chunk)
      chunks[#chunks + 1] = chunk
    end)
    cp.run()
    assert.same({ 'é' }, chunks)
  end)

  it('hold the child up when nobody reads', function()
    local child = cp.spawn('yes', { pty = true })
    local mark = child.pty.readableHighWaterMark
    t.when(function()
      return child.pty.readableLength >= mark
    end, function()
      local length = child.pty.readableLength
      assert.is_true(length < 8 * mark)
      cp.setImmediate(function()
        assert.equal(length, child.pty.readableLength)
        child:kill()
      end)
    end)
    t.once(child, 'close')
  end)

  it('do not keep the loop alive where one does not want it', function()
    local child = cp.spawn('cat', { pty = true })
    child:unref()
    child.pty:unref()
    assert.is_false(cp.run())
    child:ref()
    child.pty:ref():finish()
    assert.is_true(child:wait().ok)
  end)

  it('take what is piped into them, to its end', function()
    local source = cp.spawn('printf', { 'one\\ntwo' })
    local child = cp.spawn('cat', { pty = { echo = false } })
    source.stdout:pipe(child.pty)
    assert.equal('one\r\ntwo', child:wait().stdout)
  end)

  it('are not finished by a pipe into a raw terminal', function()
    local source = cp.spawn('printf', { 'one' })
    local child = cp.spawn('cat', { pty = { raw = true } })
    source.stdout:pipe(child.pty)
    local out = t.collect(child.pty)
    t.when(function()
      return source.stdout.readableEnded and out() == 'one'
    end, function()
      assert.is_true(child.pty.writable)
      child:kill()
    end)
    t.once(child, 'close')
  end)

  it('cannot be given to another child', function()
    local child = cp.spawn('cat', { pty = true, input = '' })
    for _, stdio in ipairs { { child.pty }, { 0, child.pty }, { 0, 1, 2, child.pty } } do
      local options = { stdio = stdio }
      t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, 'true', {}, options)
      t.raises('ERR_INVALID_ARG_VALUE', cp.spawnSync, 'true', {}, options)
    end
    assert.is_true(child:wait().ok)
  end)
end)

describe('a terminal with killDescendants', function()
  it('is the session of the child, and every signal goes to its group', function()
    local script = 'trap "" HUP; sleep 1000 & echo $!; wait'
    local child = shell(script, { echo = false }, { killDescendants = true })
    local pid = math.tointeger(tonumber(read_line(child)))
    assert.is_true(child:kill())
    assert.equal('SIGTERM', child:wait().signal)
    t.when(function()
      return not t.pid_alive(pid)
    end)
  end)
end)

describe('the option pty', function()
  it('is nothing when it is false', function()
    local child = cp.spawn('true', { pty = false })
    assert.is_nil(child.pty)
    assert.truthy(child.stderr)
    assert.is_true(child:wait().ok)
  end)

  it('is checked', function()
    local function refused(code, pty, what)
      for _, call in ipairs { 'spawn', 'execFile', 'exec' } do
        local err = t.raises(code, cp[call], 'true', { pty = pty })
        assert.truthy(err.message:find(what, 1, true), err.message)
      end
    end
    for _, pty in ipairs { 'yes', 1, print } do
      refused('ERR_INVALID_ARG_TYPE', pty, '"options.pty" property')
    end
    for _, name in ipairs { 'cols', 'rows' } do
      for _, size in ipairs { 0, -1, 65536, 1.5, 0 / 0, math.huge, -math.huge } do
        refused('ERR_OUT_OF_RANGE', { [name] = size }, 'options.pty.' .. name)
      end
      refused('ERR_INVALID_ARG_TYPE', { [name] = '80' }, 'options.pty.' .. name)
    end
    refused('ERR_INVALID_ARG_TYPE', { term = 5 }, 'options.pty.term')
    refused('ERR_INVALID_ARG_VALUE', { term = '' }, 'options.pty.term')
    refused('ERR_INVALID_ARG_VALUE', { term = 'a\0b' }, 'options.pty.term')
    refused('ERR_INVALID_ARG_TYPE', { echo = 1 }, 'options.pty.echo')
    refused('ERR_INVALID_ARG_TYPE', { raw = 'yes' }, 'options.pty.raw')
    local hint = "'col' is not a field of options.pty; did you mean 'cols'?"
    refused('ERR_INVALID_ARG_VALUE', { col = 80 }, hint)
    refused('ERR_INVALID_ARG_VALUE', { 80, 24 }, 'is not a field of options.pty')
  end)

  it('is for spawn, exec and execFile only', function()
    local file = t.fixture 'echo.lua'
    t.raises('ERR_INVALID_ARG_VALUE', cp.fork, file, {}, { pty = true })
    for _, call in ipairs { 'spawnSync', 'execFileSync', 'execSync' } do
      t.raises('ERR_INVALID_ARG_VALUE', cp[call], 'true', { pty = true })
    end
  end)

  it('goes with no other description of the streams', function()
    for _, options in ipairs {
      { pty = true, stdio = 'pipe' },
      { pty = true, stdio = { 'pipe' } },
      { pty = {}, stdio = 'inherit' },
      { pty = true, customFds = { -1 } },
    } do
      t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, 'true', options)
    end
    assert.is_true(cp.spawn('true', { pty = true, stdio = cp.null }):wait().ok)
  end)

  it('is not changed', function()
    local pty = { cols = 90 }
    assert.is_true(cp.spawn('true', { pty = pty }):wait().ok)
    assert.same({ cols = 90 }, pty)
  end)
end)

describe('a terminal among what is shown', function()
  it('stands in cp.active()', function()
    local child = cp.spawn('cat', { pty = true })
    local text = tostring(cp.active())
    assert.matches('stream fd %d+: pty of child ' .. child.pid .. ', reading', text)
    assert.matches('child ' .. child.pid .. ': cat\n', text .. '\n')
    child.pty:finish()
    child:wait()
  end)

  it('shows in cp.active() that nobody reads it', function()
    local child = cp.spawn('yes', { pty = true })
    t.when(function()
      return tostring(cp.active()):find 'yes %(nobody reads its pty%)'
    end, function()
      child:kill()
    end)
  end)

  it('is told to cp.debug', function()
    local events = {}
    cp.debug(function(event)
      events[#events + 1] = event
    end)
    cp.spawn('true', { pty = { cols = 100 } }):wait()
    cp.spawn('true'):wait()
    cp.debug(false)
    assert.same({ cols = 100, rows = 24 }, events[1].pty)
    assert.equal('exit', events[2].event)
    assert.same({ cols = 100, rows = 24 }, events[2].pty)
    assert.is_nil(events[3].pty)
    local line = require('child_process.debug').line(events[1])
    assert.matches('spawn %d+: true, pty 100x24, cwd', line)
  end)
end)
