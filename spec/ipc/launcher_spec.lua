local forked = require 'spec.support.forked'
local launched = require 'spec.support.launched'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local fork = launched.fork

-- What a worker answers with the launcher in front of it; then it is disconnected.
local ECHO = [[
  local words = { ... }
  process:on('message', function(message)
    process:send { message, table.unpack(words) }
  end)
]]

local function echoes(launcher, options)
  local child = fork(launcher, ECHO, options, 'a b', "it's")
  child:send { text = 'ä\n', number = 1.5 }
  child:on('message', function(message)
    assert.same({ { text = 'ä\n', number = 1.5 }, 'a b', "it's" }, message)
    child:disconnect()
  end)
  t.once(child, 'close', function(code, signal)
    assert.same({ 0, nil }, { code, signal })
  end)
end

local SHELL = { 'sh', '-c', 'exec "$@"', 'sh' }
local PIPES = { 'sh', '-c', 'cat | "$@" | cat', 'sh' }

describe('fork with a launcher', function()
  it('exchanges messages with a worker in an empty environment', function()
    local path, cpath = t.module_paths()
    echoes { 'env', '-i', 'LUA_PATH=' .. path, 'LUA_CPATH=' .. cpath }
  end)

  it('exchanges messages in the advanced serialization', function()
    echoes(SHELL, { serialization = 'advanced' })
  end)

  it('exchanges messages with pipes and programs in between', function()
    echoes(PIPES)
  end)

  it('exchanges messages in the advanced serialization through pipes', function()
    echoes(PIPES, { serialization = 'advanced' })
  end)

  it('exchanges messages with a worker in namespaces of its own', function()
    if not cp.spawnSync('unshare', { '-fp', 'true' }).ok then
      return pending 'no namespaces can be made here'
    end
    echoes { 'unshare', '-fp', '--kill-child' }
  end)

  it('exchanges messages with a worker that is another user', function()
    if not t.others_can_read() then
      return pending 'no other user may read this folder'
    end
    echoes { 'setpriv', '--reuid=54321', '--regid=54322', '--clear-groups' }
  end)

  it('exchanges messages with a worker whose end is a socket', function()
    local code = [[
      local cp = require 'child_process'
      local command = 'exec "$@" <&3 >&3 3>&-'
      local stdio = { 'ignore', 'inherit', 'inherit', 'pipe' }
      local child = cp.spawn('sh', { '-c', command, 'sh', ... }, { stdio = stdio })
      cp.process.stdin:pipe(child.stdio[4])
      child.stdio[4]:pipe(cp.process.stdout)
      cp.run()
    ]]
    local exe, args = t.lua(code)
    echoes { exe, table.unpack(args) }
  end)

  it('carries a message of megabytes both ways', function()
    local child = fork(PIPES, ECHO)
    local text = ('x'):rep(3000000)
    child:send(text)
    child:on('message', function(message)
      assert.equal(text, message[1])
      child:disconnect()
    end)
    t.once(child, 'close')
  end)

  it('has no stdin and stdout, and a stderr to read', function()
    local child = fork(SHELL, "process:send('ready')", { silent = true })
    assert.is_nil(child.stdin)
    assert.is_nil(child.stdout)
    assert.is_true(child.stderr.readable)
    assert.is_true(child.connected)
    local result = child:wait()
    assert.is_true(result.ok)
    assert.equal('', result.stderr)
  end)

  it('tells the end in the order of any fork', function()
    local names = { 'spawn', 'message', 'disconnect', 'exit', 'close', 'error' }
    local child = fork(SHELL, "process:send('a'); process:send('b')")
    local events = t.record(child, names)
    cp.run()
    local order = { 'spawn', 'message', 'message', 'disconnect', 'exit', 'close' }
    assert.same(order, events)
  end)

  it('gives the exit code of the launcher, which is often that of the worker', function()
    t.once(fork(SHELL, 'os.exit(7)'), 'close', function(code)
      assert.equal(7, code)
    end)
  end)

  it('sends what the worker and its children print to stderr', function()
    local code = [[
      print('printed')
      io.stdout:write('no newline')
      io.stdout:flush()
      os.execute('echo by a child')
      process:send('ready')
    ]]
    local result = fork(PIPES, code, { silent = true }):wait()
    assert.equal('printed\nno newlineby a child\n', result.stderr)
  end)

  it('reads nothing of the messages as standard input', function()
    local child = fork(
      SHELL,
      [[
      process:send { io.read('a') or 'nothing' }
    ]]
    )
    child:send 'not for io.read'
    child:on('message', function(message)
      assert.same({ '' }, message)
    end)
    t.once(child, 'close')
  end)

  it('sends what comes before the hello to stderr, and reads on after it', function()
    local banner = 'printf "hello\\0child_process x\\n\\0child_pro"; exec "$@"'
    local code = "process:on('message', function() print 'done' process:disconnect() end)"
    local child = fork({ 'sh', '-c', banner, 'sh' }, code, { silent = true })
    local text = t.collect(child.stderr)
    t.once(child, 'spawn', function()
      child:send 'print'
    end)
    t.once(child, 'close', function()
      assert.equal('hello\0child_process x\n\0child_prodone\n', text())
    end)
  end)

  it('loses nothing if a listener of stderr or of `spawn` raises', function()
    local banner = 'printf \'banner\'; exec "$@"'
    local child = fork(
      { 'sh', '-c', banner, 'sh' },
      "process:send('ready')",
      { silent = true }
    )
    local raised = {}
    child.stderr:once('data', function()
      error('data', 0)
    end)
    child:once('spawn', function()
      error('spawn', 0)
    end)
    t.once(child, 'message')
    t.once(child, 'close')
    repeat
      local ok, err = pcall(cp.run)
      raised[#raised + 1] = not ok and err or nil
    until ok
    table.sort(raised)
    assert.same({ 'data', 'spawn' }, raised)
  end)

  it('is not confused by LUA_INIT that prints', function()
    local env = { LUA_INIT = "print('from LUA_INIT') io.stdout:flush()" }
    env.LUA_INIT_5_4 = env.LUA_INIT
    local child =
      fork(SHELL, "process:send('ready')", { silent = true, env = env, extendEnv = true })
    local text = t.collect(child.stderr)
    t.once(child, 'message')
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      if t.watched_by() ~= 'asan' then -- whose host does not know it
        assert.equal('from LUA_INIT\n', text())
      end
    end)
  end)

  it('copies stderr to that of the program', function()
    forked.program(
      [[
      local cp = require 'child_process'
      local file, exe = ...
      cp.fork(file, { "print('from afar')" }, {
        launcher = { 'sh', '-c', 'exec "$@"', 'sh' }, execPath = exe })
      cp.run()
    ]],
      function(stdout, stderr, code)
        assert.same({ '', 'from afar\n', 0 }, { stdout, stderr, code })
      end,
      nil,
      t.fixture 'program.lua',
      t.lua_exe
    )
  end)

  it('goes on if the stderr of the program is closed or broken', function()
    local code = [[
      local cp = require 'child_process'
      local file, exe = ...
      local child = cp.fork(file, { "print('lost') process:send('ready')" }, {
        launcher = { 'sh', '-c', 'exec "$@"', 'sh' }, execPath = exe })
      child:on('message', print)
      cp.run()
    ]]
    local exe, args = t.lua(code, t.fixture 'program.lua', t.lua_exe)
    for _, how in ipairs { '2>&-', '2>&1 >&3 | true' } do
      local command = '"$@" ' .. how
      local child = cp.spawn('sh', { '-c', command, 'sh', exe, table.unpack(args) }, {
        stdio = { 'ignore', 'pipe', 'inherit', 'pipe' },
      })
      local out, other = t.collect(child.stdout), t.collect(child.stdio[4])
      t.once(child, 'close', function()
        assert.equal('ready\n', out() .. other())
      end)
      cp.run()
    end
  end)

  it('does not stop the program while nobody reads its stderr', function()
    local code = [[
      local cp = require 'child_process'
      local file, exe = ...
      local worker = "io.stderr:write(('x'):rep(200000), 'end') process:send('all')"
      local child = cp.fork(file, { worker }, {
        launcher = { 'sh', '-c', 'exec "$@"', 'sh' }, execPath = exe })
      child:on('message', print)
      cp.setInterval(function()
        print 'turns'
        io.stdout:flush()
        child.stderr:resume() -- nothing is lost if somebody does that
      end, 10):unref()
      cp.run()
    ]]
    local exe, args = t.lua(code, t.fixture 'program.lua', t.lua_exe)
    local child = cp.spawn(exe, args)
    child.stderr:pause()
    local turns, text = 0, nil
    t.on_line(child.stdout, function(line)
      turns = turns + (line == 'turns' and 1 or 0)
      if turns == 5 and not text then
        text = t.collect(child.stderr)
        child.stderr:resume()
      end
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal(0, exit_code)
      assert.equal(200003, #text())
      assert.matches('xend$', text())
    end)
  end)

  it('shows in cp.active() what nobody takes of its stderr', function()
    local code = [[
      local cp = require 'child_process'
      local file, exe = ...
      local worker = "io.stderr:write(('x'):rep(200000)) process:send('all')"
      local child = cp.fork(file, { worker }, {
        launcher = { 'sh', '-c', 'exec "$@"', 'sh' }, execPath = exe })
      child:on('message', function()
        for _, entry in ipairs(cp.active()) do
          if entry.name == 'stderr' and not entry.reading then
            print(entry.pid == child.pid, entry.unwritten > 0)
          end
        end
        io.stdout:flush()
      end)
      cp.run()
    ]]
    local exe, args = t.lua(code, t.fixture 'program.lua', t.lua_exe)
    local child = cp.spawn(exe, args)
    child.stderr:pause()
    t.on_line(child.stdout, function(line)
      assert.equal('true\ttrue', line)
      child.stderr:resume()
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal(0, exit_code)
    end)
  end)

  it("discards stderr with stderr = 'ignore'", function()
    local child =
      fork(SHELL, "print(('x'):rep(300000)) process:send(1)", { stderr = 'ignore' })
    t.once(child, 'message')
    t.once(child, 'close')
  end)

  it('does not pass on the variables of a channel', function()
    local code = [[
      local names = {}
      for name in pairs(process.env) do
        names[#names + 1] = name:match '^NODE_CHANNEL_.*'
      end
      process:send { names = #names, passed = ... }
    ]]
    local env = { NODE_CHANNEL_FD = '3', NODE_CHANNEL_SERIALIZATION_MODE = 'json' }
    local launcher = { 'sh', '-c', 'exec "$@" "fd:$NODE_CHANNEL_FD"', 'sh' }
    local child = fork(launcher, code, { env = env, extendEnv = true })
    t.once(child, 'message', function(message)
      assert.same({ names = 0, passed = 'fd:' }, message)
    end)
    t.once(child, 'close')
  end)

  it('gives cwd, env and argv0 to the launcher', function()
    local launcher = { 'sh', '-c', 'exec "$@" "$PWD $WHO"', 'sh' }
    local folder = t.tmpdir()
    local child = fork(launcher, 'process:send((...))', {
      cwd = folder,
      env = { WHO = 'me' },
      extendEnv = true,
      argv0 = 'me',
    })
    assert.equal('me', child.spawnargs[1])
    t.once(child, 'message', function(message)
      assert.equal(folder .. ' me', message)
    end)
    t.once(child, 'close')
  end)

  it('gives the worker the arguments of any other', function()
    local code = [[
      local words = { arg[1], arg[2] }
      process:send { words, arg[0], process.argv0, process.execArgv, #process.argv }
    ]]
    local child = fork(SHELL, code, { execArgv = { '-e', 'X = 1' } }, 'x', '')
    t.once(child, 'message', function(message)
      local arguments, script, argv0, options, count = table.unpack(message)
      assert.same({ 'x', '' }, arguments)
      assert.equal(t.fixture 'program.lua', script)
      assert.equal(t.lua_exe, argv0)
      assert.same({ '-e', 'X = 1' }, options)
      assert.equal(3, count)
    end)
    t.once(child, 'close')
  end)

  it('counts only messages where they are traced', function()
    local child = fork(
      SHELL,
      [[
      local sizes = {}
      require('child_process').debug(function(event)
        sizes[#sizes + 1] = event.event == 'send' and event.size or nil
      end)
      process:send 'four'
      require('child_process').debug(false)
      process:send(sizes)
    ]]
    )
    local seen = {}
    child:on('message', function(message)
      seen[#seen + 1] = message
    end)
    t.once(child, 'close', function()
      assert.same({ 'four', { 6 } }, seen)
    end)
  end)

  it('has a worker that can fork in turn', function()
    local child = fork(
      SHELL,
      [[
      local cp = require 'child_process'
      local inner = cp.fork(..., { "process:send('inner')" })
      inner:on('message', function(message)
        process:send(message)
        process:disconnect()
      end)
    ]],
      nil,
      t.fixture 'program.lua'
    )
    t.once(child, 'message', function(message)
      assert.equal('inner', message)
    end)
    t.once(child, 'close')
  end)

  it('joins the words into one for a shell with quote = true', function()
    local child = fork(
      { 'sh', '-c' },
      'process:send { ... }',
      { quote = true },
      "it's $HOME",
      ''
    )
    t.once(child, 'message', function(message)
      assert.same({ "it's $HOME", '' }, message)
    end)
    t.once(child, 'close')
  end)

  it('quotes for a launcher with the name ssh, but not with quote = false', function()
    local path =
      t.write_file(t.tmpdir() .. '/ssh', '#!/bin/sh\nshift\nexec sh -c "$*"\n', '+x')
    local child = fork({ path, 'host' }, 'process:send { ... }', nil, 'a  b', "'")
    t.once(child, 'message', function(message)
      assert.same({ 'a  b', "'" }, message)
    end)
    t.once(child, 'close')
    local failed = fork({ path, 'host' }, "'", { quote = false, silent = true }):wait()
    assert.equal('spawn', failed.reason)
  end)
end)

describe('a launched worker', function()
  it('sees `disconnect` and ends when the parent disconnects', function()
    local code = [[
      process:on('message', function() end)
      process:on('disconnect', function() io.stderr:write 'bye' end)
      process:send('ready')
    ]]
    local child = fork(PIPES, code, { silent = true })
    t.once(child, 'message', function()
      child:disconnect()
    end)
    local text = t.collect(child.stderr)
    t.once(child, 'disconnect')
    t.once(child, 'close', function()
      assert.equal('bye', text())
    end)
  end)

  it('gets all messages sent before `disconnect`, even before its hello', function()
    local child = fork(
      PIPES,
      [[
      local count = 0
      process:on('message', function() count = count + 1 end)
      process:on('disconnect', function() os.exit(count) end)
    ]],
      { silent = true }
    )
    for _ = 1, 100 do
      child:send(('x'):rep(1000))
    end
    child:disconnect()
    local worker = fork(
      SHELL,
      [[
      local count = 0
      process:on('message', function() count = count + 1 end)
      process:on('disconnect', function() os.exit(count) end)
    ]]
    )
    for _ = 1, 100 do
      worker:send(('x'):rep(1000))
    end
    worker:disconnect()
    t.once(child, 'close')
    t.once(worker, 'close', function(code)
      assert.equal(100, code)
    end)
  end)

  it('disconnects by itself, and the parent sees it while it goes on', function()
    local child = fork(
      PIPES,
      [[
      process:send 'last'
      process:disconnect()
      io.stdin:close()
      print 'going on'
    ]],
      { silent = true }
    )
    local events = t.record(child, { 'message', 'disconnect', 'close' })
    cp.run()
    assert.same({ 'message', 'disconnect', 'close' }, events)
  end)

  it('sees `disconnect` when the launcher gets SIGKILL', function()
    local path = t.tmpdir() .. '/seen'
    local child = fork(
      { 'sh', '-c', 'cat | "$@"; true', 'sh' },
      [[
      local path = ...
      process:on('message', function() end)
      process:on('disconnect', function() io.open(path, 'w'):close() end)
      process:send('ready')
    ]],
      { silent = true },
      path
    )
    t.once(child, 'message', function()
      child:kill 'SIGKILL'
    end)
    t.once(child, 'close', function(code, signal)
      assert.same({ nil, 'SIGKILL' }, { code, signal })
    end)
    t.when(function()
      return t.slurp(path)
    end)
  end)

  it('sees `disconnect` when the parent is gone', function()
    local path = t.tmpdir() .. '/seen'
    local parent = forked.program(
      [[
      local cp = require 'child_process'
      local file, exe, path = ...
      local code = "local path = ... process:on('message', print) "
        .. "process:on('disconnect', function() io.open(path, 'w'):close() end) "
        .. "process:send('ready')"
      local child = cp.fork(file, { code, path }, {
        launcher = { 'sh', '-c', 'cat | "$@"', 'sh' }, execPath = exe })
      child:on('message', function() cp.process:kill(cp.process.pid, 'SIGKILL') end)
      cp.run()
    ]],
      function(_, _, _, signal)
        assert.equal('SIGKILL', signal)
      end,
      nil,
      t.fixture 'program.lua',
      t.lua_exe,
      path
    )
    assert.is_number(parent.pid)
    t.when(function()
      return t.slurp(path)
    end)
  end)

  it('refuses handles in both directions', function()
    local child = fork(
      SHELL,
      [[
      local ok, err = pcall(process.send, process, 'x', 1)
      process:send { ok, err.code }
    ]]
    )
    t.raises('ERR_INVALID_HANDLE_TYPE', child.send, child, 'x', io.stdout)
    t.once(child, 'message', function(message)
      assert.same({ false, 'ERR_INVALID_HANDLE_TYPE' }, message)
    end)
    t.once(child, 'close')
  end)

  it('gets no signal of its own: `kill` reaches the launcher', function()
    local launcher =
      { 'sh', '-c', 'trap "exit 5" USR1; exec 3<&0; "$@" <&3 3<&- & wait', 'sh' }
    local child = fork(
      launcher,
      [[
      process:on('disconnect', function() end)
      process:send 'ready'
      process.channel:ref()
    ]],
      { silent = true }
    )
    t.once(child, 'message', function()
      child:kill 'SIGUSR1'
    end)
    t.once(child, 'exit', function(code)
      assert.equal(5, code)
    end)
    t.once(child, 'close')
  end)
end)

describe('a launcher that fails', function()
  local function fails(script, options)
    options = options or {}
    options.silent = options.silent == nil or options.silent
    local child = fork({ 'sh', '-c', script, 'sh' }, '', options)
    local events = t.record(child, { 'spawn', 'error', 'exit', 'close' })
    local result = child:wait()
    assert.same({ 'error', 'exit', 'close' }, events)
    assert.is_false(result.ok)
    assert.equal('spawn', result.reason)
    assert.equal('ERR_LAUNCHER_FAILED', result.error.code)
    return result
  end

  it('is a failed start, with its exit code and the end of its stderr', function()
    local result = fails 'echo a banner; echo "no route\27[0m to host" >&2; exit 255'
    assert.equal(255, result.code)
    assert.equal(255, result.error.exitCode)
    assert.matches("launcher 'sh' failed .*exit code 255", result.error.message)
    assert.matches('no route\\x1b[0m to host', result.error.message, 1, true)
    assert.equal('sh', result.error.path)
    assert.equal('-c', result.error.spawnargs[1])
  end)

  it('keeps its stderr for its reader as well', function()
    local result = fails 'echo oops >&2; exit 3'
    assert.equal('oops\n', result.stderr)
  end)

  it('has no more than 2 KiB of its stderr in the message', function()
    local result = fails 'yes a line | head -n 10000 >&2; echo the end >&2; exit 1'
    assert.matches('the end$', result.error.message)
    assert.is_true(#result.error.message < 2300)
  end)

  it('is a failed start if it ends well, but without a hello', function()
    local result = fails 'true'
    assert.same({ 0, false }, { result.code, result.ok })
  end)

  it('is ended after startTimeout', function()
    local result = fails('echo stuck >&2; exec sleep 100', { startTimeout = 100 })
    assert.equal('SIGTERM', result.signal)
    assert.matches('within 100 ms.*stuck', result.error.message)
  end)

  it('does not wait for what it leaves behind', function()
    local path = t.tmpdir() .. '/pid'
    local script = ('sleep 100 & echo $! >%s; exit 1'):format(path)
    fails(script)
    os.execute('kill ' .. t.slurp(path))
  end)

  it('is ended if it closes its output and goes on', function()
    local result = fails 'exec >&-; exec sleep 100'
    assert.matches('closed its standard output', result.error.message)
  end)

  it('is ended if it floods its output', function()
    local child = fork({ 'sh', '-c', 'exec yes', 'sh' }, '', { stderr = 'ignore' })
    local result = child:wait()
    assert.equal('spawn', result.reason)
    assert.matches('more than a banner', result.error.message)
  end)

  it('is reported in an event `error` that needs a listener', function()
    forked.program(
      [[
      local cp = require 'child_process'
      cp.fork('x.lua', { launcher = { 'false' } })
      cp.run()
    ]],
      function(_, stderr, code)
        assert.equal(1, code)
        assert.matches("ERR_LAUNCHER_FAILED.*launcher 'false' failed", stderr)
      end
    )
  end)

  it('is reported as the start of any program if it cannot be started', function()
    local result = fork({ '/nonexistent' }, ''):wait()
    assert.same({ 'spawn', 'ENOENT' }, { result.reason, result.error.code })
  end)

  it('is not a failed start if it was ended by the user or a limit', function()
    local hangs = { 'sh', '-c', 'exec sleep 100', 'sh' }
    local child = fork(hangs, '')
    child:kill()
    assert.equal('signal', child:wait().reason)
    assert.equal('timeout', fork(hangs, '', { timeout = 50 }):wait().reason)
  end)

  it('says how standard input and output must be', function()
    local result = fails 'exec "$@" </dev/null'
    assert.matches('must be pipes or sockets', result.error.message)
    for _, how in ipairs { '>/dev/null', '<&-', '>&-' } do
      result = fails('exec "$@" ' .. how)
      assert.matches('must be pipes or sockets', result.error.message)
    end
  end)

  it('reports a far side without the module', function()
    local child = fork({ 'env', '-i' }, '', { silent = true })
    local result = child:wait()
    assert.equal('spawn', result.reason)
    assert.matches('child_process.far', result.error.message)
  end)

  it('does not wait for a launcher that ignores SIGTERM', function()
    local script = 'trap "" TERM; echo deaf >&2; exec sleep 1000'
    local child = fork({ 'sh', '-c', script, 'sh' }, '', {
      silent = true,
      killAfter = 50,
      startTimeout = 100,
    })
    local result = child:wait()
    assert.same(
      { 'spawn', 'SIGKILL', true },
      { result.reason, result.signal, result.forced }
    )
    assert.is_true(result.duration < 4000)
  end)
end)

-- A launcher that is the worker as well: says hello in its own way, with the word in
-- $WORD, and then reads until the parent closes.
local function fake(script, options)
  local whole = ('WORD=$6; %s; cat >/dev/null'):format(script)
  return fork({ 'sh', '-c', whole, 'sh' }, '', options or { silent = true })
end

local HELLO = 'printf "\\0child_process $WORD\\n"'

describe('a far peer', function()
  it('may say hello byte by byte', function()
    local each = "printf '%s\\n' \"$WORD\" | sed 's/./&\\n/g' | while read -r c; do "
      .. 'printf "%s" "$c"; done'
    local script = ("printf '\\0child_process '; %s; printf '\\n1\\n'"):format(each)
    local child = fake(script)
    t.once(child, 'message', function(message)
      assert.equal(1, message)
      child:disconnect()
    end)
    t.once(child, 'close')
  end)

  it('is not taken for the worker with the hello of another', function()
    local child = fake([[printf '\0child_process v1-json-0\n1\n']], {
      silent = true,
      startTimeout = 100,
    })
    child:on('message', t.never())
    child:on('spawn', t.never())
    assert.equal('spawn', child:wait().reason)
  end)

  it('gets nothing before its hello', function()
    local path = t.tmpdir() .. '/got'
    local script = 'timeout 0.2 dd bs=1 count=1 of=%s 2>/dev/null; exit 9'
    local child = fake(script:format(path))
    child:send 'secret'
    assert.equal(9, child:wait().code)
    assert.equal('', t.slurp(path))
  end)

  it('that sends no message ends the channel with one error', function()
    for _, serialization in ipairs { 'json', 'advanced' } do
      local child = fake(HELLO .. [[; printf 'nonsense\377\n']], {
        silent = true,
        serialization = serialization,
      })
      t.once(child, 'error')
      t.once(child, 'disconnect')
      t.once(child, 'close')
      cp.run()
    end
  end)

  it('cannot make us expect handles', function()
    local message = [[{"cmd":"NODE_HANDLE","type":"net.Socket","msg":1,"key":"k"}]]
    local script = ("%s; printf '%%s\\n' '%s' 2"):format(HELLO, message)
    local child = fake(script)
    t.once(child, 'internalMessage')
    t.once(child, 'message', function(value)
      assert.equal(2, value)
      child:disconnect()
    end)
    t.once(child, 'close')
  end)

  it('can say goodbye, and what comes after that is not heard', function()
    local goodbye = [[{"cmd":"NODE_CHANNEL_FAREWELL"}]]
    local child = fake(("%s; printf '%%s\\n' 1 '%s' 2"):format(HELLO, goodbye))
    t.once(child, 'message', function(message)
      assert.equal(1, message)
    end)
    t.once(child, 'disconnect')
    t.once(child, 'close')
  end)

  it('that does not read makes `send` return false', function()
    local child =
      fork({ 'sh', '-c', 'WORD=$6; ' .. HELLO .. '; exec sleep 100', 'sh' }, '')
    local text, sent = ('x'):rep(100000), 0
    t.once(child, 'spawn', function()
      while child:send(text, function() end) do
        sent = sent + 1
        assert.is_true(sent < 100)
      end
      local channels = 0
      for _, entry in ipairs(cp.active()) do
        channels = channels + (entry.type == 'channel' and 1 or 0)
      end
      assert.equal(1, channels)
      child:kill()
    end)
    t.once(child, 'close')
  end)

  it('that closes its end of the input makes the callbacks of `send` fail', function()
    local script = 'WORD=$6; exec 3<&0 <&- 3<&-; ' .. HELLO .. '; exec sleep 100'
    local child = fork({ 'sh', '-c', script, 'sh' }, '')
    t.once(child, 'spawn', function()
      child:send(
        1,
        t.expect(function(err)
          assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
          child:kill()
        end)
      )
    end)
    t.once(child, 'close')
  end)

  it('is not read any more while nobody listens and enough is kept', function()
    local child = fake(HELLO .. [[; yes '"0123456789abcdef"' 2>/dev/null]])
    local function unheard()
      for _, entry in ipairs(cp.active()) do
        if entry.type == 'channel' then
          return entry.unheard
        end
      end
    end
    local last, same = 0, 0
    t.when(function()
      local now = unheard()
      same = now == last and now > 0 and same + 1 or 0
      last = now
      return same == 20
    end, function()
      assert.is_true(last < 200000)
      child:kill()
    end)
    t.once(child, 'close')
  end)
end)

describe('the module child_process.far', function()
  it('refuses to be loaded by others', function()
    forked.program("require 'child_process.far'", function(_, stderr, code)
      assert.equal(1, code)
      assert.matches('is for cp.fork with a launcher', stderr)
    end)
  end)
end)

describe('the option launcher', function()
  local function refuses(code, options, pattern)
    options.launcher = options.launcher or { 'true' }
    local err = t.raises(code, cp.fork, 'x.lua', options)
    assert.matches(pattern, err.message)
  end

  it('is an array of words, and the first is a program', function()
    refuses('ERR_INVALID_ARG_TYPE', { launcher = 'ssh' }, 'options.launcher')
    refuses('ERR_INVALID_ARG_TYPE', { launcher = {} }, 'options.launcher%[1%]')
    refuses('ERR_INVALID_ARG_VALUE', { launcher = { '' } }, 'options.launcher%[1%]')
    refuses('ERR_INVALID_ARG_TYPE', { launcher = { 'a', 1 } }, 'options.launcher%[2%]')
    refuses('ERR_INVALID_ARG_VALUE', { launcher = { 'a\0' } }, 'null bytes')
  end)

  it('leaves no room for stdio', function()
    for _, name in ipairs { 'stdio', 'stdin', 'stdout', 'customFds' } do
      local value = (name == 'customFds' or name == 'stdio') and { 'pipe' } or 'pipe'
      refuses(
        'ERR_INVALID_ARG_VALUE',
        { [name] = value },
        "cannot be given with 'launcher'"
      )
    end
    refuses('ERR_INVALID_ARG_VALUE', { stderr = 'ipc' }, "'pipe', 'inherit' or 'ignore'")
    refuses(
      'ERR_INVALID_ARG_VALUE',
      { stderr = io.stderr },
      "'pipe', 'inherit' or 'ignore'"
    )
  end)

  it('needs Lua on the far side', function()
    refuses('ERR_INVALID_ARG_VALUE', { execPath = 'node' }, 'cannot be Node')
    refuses('ERR_INVALID_ARG_VALUE', { execPath = '/usr/bin/nodejs' }, 'cannot be Node')
  end)

  it('is missing where quote or startTimeout is given alone', function()
    for name, value in pairs { quote = true, startTimeout = 5 } do
      local err = t.raises('ERR_INVALID_ARG_VALUE', cp.fork, 'x.lua', { [name] = value })
      assert.matches("only with 'launcher'", err.message)
    end
  end)
end)
