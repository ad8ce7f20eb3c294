-- Every example is run as a program of its own; what it prints is what its header says.
local lfs = require 'lfs'
local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local terminal_it = machine.wrap('terminals', it, pending)
local it = t.wrap(it)

-- A program and arguments that run an example with English messages.
local function command(name, ...)
  local lua, args = t.lua(t.root .. '/examples/' .. name, ...)
  return 'env', table.move(args, 1, #args, 3, { 'LC_ALL=C', lua })
end

local function finished(child)
  local result = child:wait(t.TEST_TIMEOUT)
  if not result then
    child:kill 'SIGKILL'
    error 'the example did not end in time'
  end
  return result
end

local function run(name, ...)
  local file, args = command(name, ...)
  return finished(cp.execFile(file, args))
end

-- Runs an example that must succeed quietly; returns its output.
local function output_of(name, ...)
  local result = run(name, ...)
  assert.equal('', result.stderr)
  assert.equal(0, result.code)
  return result.stdout
end

local function make_fifo()
  local path = t.tmpdir() .. '/fifo'
  assert.is_true(finished(cp.execFile('mkfifo', { path })).ok)
  return path
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The same as one shell command.
local function shell_command(name, ...)
  local file, args = command(name, ...)
  local words = { file }
  for _, arg in ipairs(args) do
    words[#words + 1] = quote(arg)
  end
  return table.concat(words, ' ')
end

describe('examples/quickstart.lua', function()
  it('shows six things and what came of them', function()
    local out = output_of 'quickstart.lua'
    local expected = {
      '^run a program +[%d.]+ s  uname says Linux %S+, exit code 0$',
      '^write to it, read lines +[%d.]+ s  sort %-n says 1 < 9 < 10$',
      '^join programs by pipes +[%d.]+ s  seq .* gave 6888896 bytes$',
      '^many at the same time +[%d.]+ s  32 times .* ticked %d+ times meanwhile$',
      '^stop one that hangs +[%d.]+ s  sleep 60: timeout, .* SIGTERM, .* "begun"$',
      '^learn what went wrong +[%d.]+ s  .*: chdir failed with ENOENT on /no/such/place$',
    }
    local lines = {}
    for line in out:gmatch '[^\n]+' do
      lines[#lines + 1] = line
      assert.matches(expected[#lines], line)
    end
    assert.equal(#expected, #lines)
  end)
end)

describe('examples/list_directory.lua', function()
  it('shows the lines of standard output and the exit code', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/a file', 'text')
    local out = output_of('list_directory.lua', folder)
    assert.matches('^stdout: total %d+\nstdout: %-rw[^\n]* a file\n', out)
    assert.matches('\nexit: code 0, signal nil\nclose: code 0, signal nil\n$', out)
  end)

  it('shows standard error and the exit code of a failure', function()
    local out = output_of('list_directory.lua', '/no/such/folder')
    assert.matches("stderr: ls: cannot access '/no/such/folder'[^\n]*\n", out)
    assert.matches('exit: code 2, signal nil\nclose: code 2, signal nil\n$', out)
  end)
end)

describe('examples/ps_grep.lua', function()
  it('finds itself among the processes', function()
    local out = output_of('ps_grep.lua', 'ps_grep[.]lua')
    assert.matches('examples/ps_grep.lua', out, 1, true)
  end)

  it('says so when nothing matches', function()
    -- the pattern does not match itself in the lists of arguments
    assert.equal(
      'no process matches\n',
      output_of('ps_grep.lua', '[z]zz no such[.]program')
    )
  end)
end)

describe('examples/find_wc.lua', function()
  it('counts the files below a directory', function()
    local folder = t.tmpdir()
    for i = 1, 3 do
      t.write_file(('%s/%d'):format(folder, i), '')
    end
    assert.equal('3 files in ' .. folder .. '\n', output_of('find_wc.lua', folder))
  end)
end)

describe('examples/README.md', function()
  it('has every example, and nothing else', function()
    local named, there = {}, {}
    for name in t.slurp('examples/README.md'):gmatch '%]%(([%w_.]+)%)' do
      named[name] = true
    end
    for name in lfs.dir 'examples' do
      -- workers is part of others
      there[name] = not name:find '^%.' and name ~= 'README.md' and name ~= 'workers'
        or nil
    end
    assert.same(there, named)
  end)
end)

describe('examples/tasks.lua', function()
  local function run_tasks(tasks, ...)
    local file = t.write_file(t.tmpdir() .. '/tasks', 'return ' .. tasks)
    local args = { ... }
    for i, word in ipairs(args) do
      args[i] = word == 'FILE' and file or word
    end
    return run('tasks.lua', table.unpack(args))
  end

  it('runs each task after those that it needs, and shows what it prints', function()
    local result = run_tasks(
      [[{
      app = { 'echo linking; echo warning >&2', needs = { 'lib', 'doc' } },
      lib = { 'echo compiling' }, doc = { 'sleep 0.05; echo writing' },
      other = { 'echo never' } }]],
      'FILE',
      'app',
      'lib'
    )
    assert.equal('', result.stderr)
    local lines = 'lib | compiling\ndoc | writing\napp | linking\napp | warning\n'
    assert.equal(lines .. '3 tasks done\n', result.stdout)
  end)

  it('runs as many at a time as it may', function()
    local tasks = [[{ a = { 'echo 1; sleep 0.05; echo 2' }, b = { 'echo 3' } }]]
    local result = run_tasks(tasks, '-j', '1', 'FILE', 'a', 'b')
    assert.equal('a | 1\na | 2\nb | 3\n2 tasks done\n', result.stdout)
  end)

  it('ends all of them when one fails', function()
    local tasks = [[{ a = { 'exec sleep 600' }, b = { 'exit 3' },
      c = { 'echo never', needs = { 'b' } } }]]
    local result = run_tasks(tasks, '-j', '2', 'FILE', 'a', 'c')
    assert.equal('tasks.lua: b: exit code 3\n', result.stderr)
    assert.equal('', result.stdout)
    assert.equal(1, result.code)
  end)

  it('says what is wrong with the file', function()
    local result = run_tasks([[{ a = { '', needs = { 'b' } } }]], 'FILE', 'a')
    assert.equal('tasks.lua: there is no task b\n', result.stderr)
    local circle = [[{ a = { '', needs = { 'b' } }, b = { '', needs = { 'a' } } }]]
    result = run_tasks(circle, 'FILE', 'a')
    assert.equal('tasks.lua: a needs itself\n', result.stderr)
  end)
end)

-- Reads lines until one matches.
local function await_line(child, pattern)
  for line in child.stdout:lines() do
    local found = line:match(pattern)
    if found then
      return found
    end
  end
end

describe('examples/watch.lua', function()
  -- groups are there with our own back end only
  local SERVER = t.backend() == 'linux' and 'sleep 600 & echo "serving $!"; wait'
    or 'echo "serving $$"; exec sleep 600'

  it('starts the server again when a file has changed, with its whole tree', function()
    local folder = t.tmpdir()
    local child = cp.spawn(command('watch.lua', folder, 'sh', '-c', SERVER))
    local first = math.tointeger(tonumber(await_line(child, 'serving (%d+)')))
    t.write_file(folder .. '/new', 'text')
    local second = math.tointeger(tonumber(await_line(child, 'serving (%d+)')))
    assert.is_false(t.pid_alive(first))
    child:kill 'SIGINT'
    local result = finished(child)
    assert.equal(0, result.code)
    assert.equal('', result.stderr)
    t.when(function()
      return not t.pid_alive(second)
    end, function() end)
  end)

  it('waits for a change when the server has ended', function()
    local folder = t.tmpdir()
    local child = cp.spawn(command('watch.lua', folder, 'sh', '-c', 'exit 3'))
    assert.equal('3', await_line(child, '^sh: exit code (%d)'))
    t.write_file(folder .. '/new', 'text')
    assert.equal('starting sh', await_line(child, '^starting sh$'))
    child:kill 'SIGTERM'
    assert.equal(0, finished(child).code)
  end)
end)

describe('examples/supervisor.lua', function()
  it('starts a command again, after longer and longer pauses', function()
    local child = cp.spawn(command('supervisor.lua', '-p', '10', 'exit 3'))
    for _, ms in ipairs { '10', '20', '40' } do
      assert.equal(ms, await_line(child, '^exit 3: starts again in (%d+) ms$'))
    end
    child:kill 'SIGTERM'
    assert.equal('SIGTERM', await_line(child, '^stopping: (%w+)$'))
    assert.equal(0, finished(child).code)
  end)

  it('lets a command end well when it is stopped', function()
    local well = [[sleep 600 & trap "kill $! 2>&-; echo bye; exit 0" TERM
      echo ready; wait]]
    local child = cp.spawn(command('supervisor.lua', well, 'exec sleep 600'))
    assert.equal('ready', await_line(child, '^ready$'))
    child:kill 'SIGINT'
    assert.equal('bye', await_line(child, '^bye$'))
    local result = finished(child)
    assert.equal(0, result.code)
    assert.equal('', result.stderr)
  end)
end)

describe('examples/build_steps.lua', function()
  local function build(source)
    local folder = t.tmpdir()
    t.write_file(folder .. '/hello.c', source)
    return run('build_steps.lua', folder)
  end

  it('takes one step after another', function()
    local result = build 'int main(void) { return 0; }\n'
    assert.equal('', result.stderr)
    local steps = 'compile  ok\ntest     ok\npack     ok\npacked: %d+ bytes\n'
    assert.matches('^' .. steps .. '$', result.stdout)
    assert.equal(0, result.code)
  end)

  it('stops at the first step that fails, and says why', function()
    local result = build 'int main(void) { return 3; }\n'
    assert.equal('compile  ok\ntest     exit code 3\n', result.stdout)
    assert.equal(1, result.code)
    result = build 'int main(void) { return *(volatile int *)0; }\n'
    assert.equal('compile  ok\ntest     ended by SIGSEGV\n', result.stdout)
    result = build 'int main(void) { nonsense }\n'
    assert.equal('compile  exit code 1\n', result.stdout)
    assert.matches('nonsense', result.stderr)
  end)

  it('says what could not be started', function()
    local result = run('build_steps.lua', '/no/such/folder')
    assert.matches('^compile  spawnSync cc ENOENT: cannot enter', result.stdout)
    assert.equal(1, result.code)
  end)
end)

describe('examples/stdin_wc.lua', function()
  it('counts what comes by a pipe', function()
    local child = cp.execFile(command 'stdin_wc.lua')
    child.stdin:finish 'one two\nthree\n'
    local result = finished(child)
    assert.equal('2 lines, 3 words, 14 bytes\n', result.stdout)
    assert.equal(0, result.code)
  end)

  it('counts what comes from a file', function()
    local path = t.write_file(t.tmpdir() .. '/text', ('word\n'):rep(50000))
    local result = finished(cp.exec(shell_command 'stdin_wc.lua' .. ' < ' .. path))
    assert.equal('50000 lines, 50000 words, 250000 bytes\n', result.stdout)
    assert.equal(0, result.code)
  end)
end)

describe('examples/exec_callback.lua', function()
  it('shows a command that works and one that fails', function()
    assert.equal(
      table.concat({
        'a command that works',
        '  stdout: 3',
        '  stderr: ',
        'a command that fails',
        '  failed: code 3, signal nil',
        '  stdout: before',
        '0',
        '  stderr: cat: missing.txt: No such file or directory',
        '',
        '',
      }, '\n'),
      output_of 'exec_callback.lua'
    )
  end)
end)

describe('examples/failed_start.lua', function()
  it('tells step and path of each failure', function()
    local out = output_of 'failed_start.lua'
    local function block(title)
      local fields = {}
      local text = out:match(title .. '\n(.-)\n%f[^ \n]') or out:match(title .. '\n(.*)')
      for key, value in text:gmatch '(%w+) +([^\n]+)' do
        fields[key] = value
      end
      return fields
    end
    assert.same({
      message = 'spawn no-such-program ENOENT',
      code = 'ENOENT',
      errno = '-2',
      syscall = 'spawn no-such-program',
      stage = 'exec',
      path = 'no-such-program',
    }, block 'no such program')
    local folder = block 'no such directory'
    assert.equal('chdir', folder.stage)
    assert.equal('/no/such/directory', folder.path)
    local file = block 'not a program'
    assert.equal('EACCES', file.code)
    assert.equal('exec', file.stage)
  end)
end)

describe('examples/kill_sighup.lua', function()
  it('shows the signal that ended the child', function()
    assert.equal(
      'kill delivered the signal:\ttrue\n'
        .. 'exit code:\tnil\n'
        .. 'signal:\tSIGHUP\n'
        .. 'a second kill finds nobody:\tfalse\n',
      output_of 'kill_sighup.lua'
    )
  end)
end)

describe('examples/abort.lua', function()
  it('stops all children by one controller', function()
    local line = 'child %d: AbortError (ABORT_ERR), cause: no longer needed\n'
    local expected = line:format(1) .. line:format(2) .. line:format(3)
    assert.equal(expected, output_of 'abort.lua')
  end)
end)

describe('examples/detached.lua', function()
  it('starts a process that goes on when it has ended', function()
    local fifo = make_fifo()
    local out = output_of('detached.lua', fifo)
    local parent, child = out:match '^process (%d+) starts process (%d+) and ends\n$'
    local said = finished(cp.execFile('cat', { fifo })).stdout
    local expected = 'process %s is gone, process %s goes on\n'
    assert.equal(expected:format(parent, child), said)
  end)
end)

describe('examples/log_file.lua', function()
  it('appends both streams of the child to the file', function()
    local path = t.write_file(t.tmpdir() .. '/log', 'an old line\n')
    local lines = '  an old line\n  a line for stdout\n  a line for stderr\n'
    local expected = ('exit code 0, %s holds:\n%s'):format(path, lines)
    assert.equal(expected, output_of('log_file.lua', path))
  end)
end)

describe('examples/parallel.lua', function()
  local function job_file(text)
    return t.write_file(t.tmpdir() .. '/jobs', text)
  end

  it('keeps the output of jobs apart and shows only that on standard output', function()
    local result = run(
      'parallel.lua',
      '-j',
      '3',
      '-k',
      job_file [[
      # a comment, and an empty line

      printf 'a1\na2\n'; echo a3 >&2     # first
      printf 'b1'                        # second
      printf 'c1\n'; echo c2 >&2; exit 3 # third
    ]]
    )
    assert.equal(1, result.code)
    local blocks = {}
    for line in result.stdout:gmatch '[^\n]*\n' do
      blocks[#blocks + 1] = line:sub(1, 2)
    end
    local text = table.concat(blocks, ' ')
    assert.matches('a1 a2', text)
    table.sort(blocks)
    assert.same({ 'a1', 'a2', 'b1', 'c1' }, blocks)
    assert.matches('first +ok +exit 0 +[%d.]+ s  a3\n', result.stderr)
    assert.matches('second +ok +exit 0 +[%d.]+ s\n', result.stderr)
    assert.matches('third +failed +exit 3 +[%d.]+ s  c2\n', result.stderr)
    assert.matches('\n3 jobs, 3 done, 1 failed, [%d.]+ s\n$', result.stderr)
    assert.matches('%[3/3%] ', result.stderr)
    assert.is_nil(result.stderr:find '[\r\27]')
  end)

  it('reads the jobs from standard input and starts none after a failure', function()
    local child = cp.execFile(command('parallel.lua', '-j1'))
    child.stdin:finish 'echo one\nkill -9 $$\necho three\n'
    local result = finished(child)
    assert.equal(1, result.code)
    assert.equal('one\n', result.stdout)
    assert.matches('kill %-9 %$%$ +failed +SIGKILL ', result.stderr)
    assert.matches('echo three +not run\n', result.stderr)
  end)

  it('runs as many jobs at once as it was told', function()
    local fifo = make_fifo()
    -- each of the two waits for the other
    local jobs = job_file(('cat %s\necho met > %s\n'):format(fifo, fifo))
    local result = run('parallel.lua', '-j', '2', jobs)
    assert.equal(0, result.code)
    assert.equal('met\n', result.stdout)
  end)

  it('stops a job that takes too long', function()
    local result =
      run('parallel.lua', '-t', '0.5', job_file 'echo begun; exec sleep 600\n')
    assert.equal(1, result.code)
    assert.equal('begun\n', result.stdout)
    assert.matches(' failed +timeout +[%d.]+ s\n', result.stderr)
  end)

  it('stops a job that takes too long with all that it has started', function()
    if t.backend() == 'uv' then
      pending 'uv_spawn cannot give a child a group of its own'
    end
    local fifo = make_fifo()
    -- ends when nobody holds the other end any more
    local reader = cp.execFile('cat', { fifo })
    local jobs = job_file(("sh -c 'echo begun; sleep 600' > %s; :\n"):format(fifo))
    local result = run('parallel.lua', '-t', '0.5', jobs)
    assert.equal(1, result.code)
    assert.matches(' failed +timeout +[%d.]+ s\n', result.stderr)
    assert.equal('begun\n', finished(reader).stdout)
  end)

  it('counts the failures in its exit status, up to 100', function()
    local file, args = command('parallel.lua', '-k', '-j8')
    local child = cp.execFile(file, args)
    child.stdin:finish(('false\n'):rep(104))
    assert.equal(100, finished(child).code)
  end)

  it('explains itself', function()
    assert.matches('^usage: parallel.lua %[%-j N%]', output_of('parallel.lua', '--help'))
    for _, args in ipairs {
      { '-j' },
      { '-j', '0' },
      { '-tx' },
      { '--what' },
      { 'a', 'b' },
      { '/no/such/file' },
    } do
      local result = run('parallel.lua', table.unpack(args))
      assert.equal(125, result.code)
      assert.matches('^parallel.lua: [^\n]+\n$', result.stderr)
    end
  end)

  -- script(1) gives it a terminal
  local function on_terminal(columns, ...)
    local shell = ('stty cols %d; exec %s'):format(columns, shell_command(...))
    return cp.execFile('script', { '-qec', shell, '/dev/null' })
  end

  terminal_it('shows its progress in one line of a terminal', function()
    local jobs = job_file 'echo one # first\nsleep 0.3 # second\n'
    local result = finished(on_terminal(50, 'parallel.lua', '-j1', jobs))
    assert.equal(0, result.code)
    local shown = {}
    for text in result.stdout:gmatch '\r([^\r\n\27]*)\27%[K' do
      assert.is_true(#text < 50)
      shown[text:match '%d/%d done, %d running, %d failed' or text] = true
    end
    assert.is_true(shown['0/2 done, 1 running, 0 failed'])
    assert.is_true(shown['1/2 done, 1 running, 0 failed'])
    assert.is_true(shown['']) -- taken away before the output of a job
    assert.matches('\27%[K\r\njob +status ', result.stdout)
  end)

  if t.backend() == 'linux' then
    terminal_it('draws in the width that its terminal has got meanwhile', function()
      local fifo = make_fifo()
      local file, args = command('parallel.lua', '-j1', job_file('cat ' .. fifo))
      local child = cp.spawn(file, args, { pty = { cols = 80 } })
      local shown, widths = '', {}
      child.stdout:on('data', function(chunk)
        shown = shown .. chunk
        for text in shown:gmatch '\r([^\r\n\27]+)\27%[K' do
          widths[#text] = true
        end
        shown = shown:match '[^\r]*$' and shown:match '\r?[^\r]*$'
        if widths[79] and not widths.resized then
          widths.resized = true
          child:resize(50, 24)
        elseif widths[49] and not widths.released then
          widths.released = true
          cp.exec('echo released > ' .. fifo)
        end
      end)
      t.once(child, 'close', function(code)
        assert.equal(0, code)
        assert.is_true(widths[49])
      end)
    end)
  end

  local function interrupted()
    local jobs = job_file(table.concat({
      'echo pid:$$: > /dev/tty; exec sleep 600 # first',
      'trap "" INT; echo pid:$$: > /dev/tty; while :; do sleep 0.05; done # second',
      'echo never # third',
    }, '\n'))
    local child = on_terminal(80, 'parallel.lua', '-j2', jobs)
    local pids, seen, sent = {}, '', false
    child.stdout:on('data', function(chunk)
      seen = seen .. chunk
      seen = seen:gsub('pid:(%d+):', function(pid)
        pids[#pids + 1] = tonumber(pid)
        return ''
      end)
      -- the bar tells that the program has noted both
      if not sent and #pids == 2 and seen:find('2 running', 1, true) then
        sent = true
        child.stdin:write '\3'
      end
    end)
    local result = finished(child)
    assert.equal(130, result.code, result.stdout)
    assert.matches('third +not run', result.stdout)
    assert.equal(2, #pids)
    for _, pid in ipairs(pids) do
      assert.is_false(t.pid_alive(pid))
    end
  end

  if t.watched_by() ~= 'asan' then -- whose host does not know Ctrl-C
    terminal_it('leaves no job behind after Ctrl-C', interrupted)
  end
end)

if t.backend() == 'linux' then
  describe('examples/expect.lua', function()
    local LOGIN = 'printf "name: "; read name; stty -echo; printf "password: "; '
      .. 'read word; stty echo; echo; test "$word" = secret && echo "welcome, $name"'

    terminal_it('answers prompts, hidden ones from the environment', function()
      local file, args = command('expect.lua', LOGIN, '^name: ', 'Lua', 'word: ', '$WORD')
      local env = cp.process.env
      env.WORD = 'secret'
      local result = finished(cp.execFile(file, args))
      env.WORD = nil
      assert.equal('', result.stderr)
      assert.equal('name: Lua\npassword: \nwelcome, Lua\n', result.stdout)
      assert.equal(0, result.code)
    end)

    terminal_it('ends as the command does', function()
      local result =
        run('expect.lua', LOGIN .. '; exit 7', 'name: ', 'Lua', 'word: ', 'no')
      assert.equal(7, result.code)
    end)

    terminal_it('says what was not asked', function()
      local result = run('expect.lua', 'echo something else', 'name: ', 'Lua')
      assert.equal(125, result.code)
      local said = 'expect.lua: the command ended before it said name: \n'
      assert.equal(said, result.stderr)
    end)

    terminal_it('does not wait for ever', function()
      cp.process.env.EXPECT_TIMEOUT = '0.1'
      local result = run('expect.lua', 'exec sleep 1000', 'name: ', 'Lua')
      cp.process.env.EXPECT_TIMEOUT = nil
      assert.equal(125, result.code)
      assert.equal('expect.lua: 0.1 s without name: \n', result.stderr)
    end)
  end)

  describe('examples/terminal.lua', function()
    local function in_terminal(pty, ...)
      local file, args = command('terminal.lua', ...)
      return cp.spawn(file, args, { pty = pty })
    end

    -- The line that matches, and the child goes on.
    local function wait_for(child, pattern)
      for line in child.pty:lines '\r\n' do
        if line:find(pattern) then
          return line
        end
      end
      error('nothing matches ' .. pattern)
    end

    terminal_it('gives the program a terminal like ours, and its exit code', function()
      local pty = { cols = 90, rows = 30, term = 'vt100' }
      local child = in_terminal(pty, 'sh', '-c', 'stty size; echo $TERM; tty; exit 5')
      local result = finished(child)
      assert.matches('^30 90\r\nvt100\r\n/dev/pts/%d+\r\n$', result.stdout)
      assert.equal(5, result.code)
    end)

    terminal_it(
      'passes keys on, ^C included, and leaves our terminal as it was',
      function()
        local inner =
          'trap "echo interrupted; exit 3" INT; echo ready; while :; do read x; done'
        local lua, args = command('terminal.lua', 'sh', '-c', inner)
        local outer = 'before=$(stty -g); "$@"; echo "code $?"; '
          .. 'test "$(stty -g)" = "$before" && echo as before'
        table.move(args, 1, #args, 5)
        args[1], args[2], args[3], args[4] = '-c', outer, 'sh', lua
        local child = cp.spawn('sh', args, { pty = true })
        wait_for(child, '^ready')
        child.pty:write '\3'
        wait_for(child, 'interrupted')
        wait_for(child, '^code 3')
        wait_for(child, '^as before')
        assert.is_true(finished(child).ok)
      end
    )

    terminal_it('passes the size of our terminal on when it changes', function()
      local inner = 'trap "stty size" WINCH; echo ready; while :; do read x; done'
      local child = in_terminal({ cols = 80, rows = 24 }, 'sh', '-c', inner)
      wait_for(child, '^ready')
      child:resize(101, 33)
      wait_for(child, '^33 101')
      child.pty:destroy()
      finished(child)
    end)

    terminal_it('types what comes on standard input where that is no terminal', function()
      local file, args = command('terminal.lua', 'cat')
      local result = finished(cp.spawn(file, args, { input = 'text\n' }))
      assert.equal('text\r\ntext\r\n', result.stdout)
      assert.equal(0, result.code)
    end)

    terminal_it('says what could not be started', function()
      local result = run('terminal.lua', 'lcp_nope')
      assert.equal(125, result.code)
      assert.equal('terminal.lua: Error: spawn lcp_nope ENOENT\n', result.stderr)
    end)
  end)
end

describe('examples/primes_pool.lua', function()
  it('counts on all processors', function()
    local text = '9592 primes below 100000, by %d workers\n'
    local out = output_of('primes_pool.lua', '100000')
    assert.equal(text:format(cp.availableParallelism()), out)
  end)

  it('counts on other machines', function()
    local folder = t.tmpdir()
    -- in place of ssh: runs the words here
    t.write_file(folder .. '/ssh', '#!/bin/sh\nshift\neval "$*"\n', '+x')
    local interpreter = ('#!/bin/sh\nexec "%s" "$@"\n'):format(t.lua_exe)
    t.write_file(folder .. '/lua5.4', interpreter, '+x')
    local file, args = command('primes_pool.lua', '60000', 'one', 'two')
    table.insert(args, 2, ('PATH=%s:%s'):format(folder, cp.process.env.PATH))
    local result = finished(cp.execFile(file, args))
    assert.equal('', result.stderr)
    assert.equal('6057 primes below 60000, by 2 workers\n', result.stdout)
  end)
end)
