--- cp.pipeline: programs that read each other's output.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local is_linux = t.backend() == 'linux'

local function sh(command, options)
  local stage = { 'sh', '-c', command }
  for name, value in pairs(options or {}) do
    stage[name] = value
  end
  return stage
end

-- Waits until all stages have said `ready` on stderr, which must be a pipe.
local function await_ready(p)
  for _, child in ipairs(p.children) do
    assert.equal('ready', (child.stderr:read 'l'))
  end
  return p
end

local STUBBORN = sh 'trap "" TERM; echo ready >&2; exec sleep 600'
local PLAIN = sh 'echo ready >&2; exec sleep 600'

describe('cp.pipeline', function()
  it('gives what each stage writes to the next one', function()
    local p = cp.pipeline {
      { 'printf', 'b\na\nb\n' },
      { 'sort' },
      { 'uniq', '-c' },
      { 'sed', 's/^ *//' },
    }
    local result = p:wait()
    assert.equal('1 a\n2 b\n', result.stdout)
    assert.is_true(result.ok)
    assert.equal('exit', result.reason)
    assert.equal(0, result.code)
    assert.equal(0, result.status)
    assert.is_nil(result.stderr)
    assert.same({ nil, '1 a\n2 b\n', n = 3 }, result.output)
    assert.equal(4, #result.results)
    assert.matches('^exit code 0 after .* ms, stdout 8 bytes$', tostring(result))
  end)

  it('may have one stage', function()
    local result = cp.pipeline({ { 'echo', 'x' } }):wait()
    assert.equal('x\n', result.stdout)
    assert.equal('x\n', result.results[1].stdout)
  end)

  it('connects them by pipes of the kernel, which block, and keeps no end', function()
    local before, ours = t.fds(), {}
    local show = 'link=$(readlink /proc/$$/fd/1); echo $link >&2;'
    local look = show
      .. [[ flags=$(sed -n 's/^flags:[^0-9]*0*//p' /proc/$$/fdinfo/0)
      echo $((0$flags & 04000)) $(ls /proc/self/fd | wc -l) >&2]]
    local p = cp.pipeline { sh(show .. ' exec cat'), sh(look), { 'cat' } }
    for fd, target in pairs(t.fds()) do
      ours[target] = before[fd] ~= target or nil
    end
    p.stdin:finish()
    local results = p:wait().results
    assert.is_nil(ours[results[1].stderr:match '^(pipe:%[%d+%])\n$'])
    local link, rest = results[2].stderr:match '^(pipe:%[%d+%])\n(.*)$'
    assert.is_nil(ours[link])
    -- ls has its folder open; uv_spawn leaves what is not close-on-exec
    assert.matches(is_linux and '^0 4\n$' or '^0 %d+\n$', rest)
  end)

  it('carries any amount without a byte in Lua', function()
    local p = cp.pipeline {
      { 'head', '-c', '30000000', '/dev/zero' },
      { 'cat' },
      { 'wc', '-c' },
    }
    assert.equal('30000000\n', p:wait().stdout)
    assert.is_nil(p.children[1].stdout)
    assert.is_nil(p.children[2].stdin)
    assert.is_nil(p.children[2].stdout)
    assert.is_nil(p.children[3].stdin)
  end)

  it('has the streams of its two ends', function()
    local p = cp.pipeline { { 'cat' }, { 'tr', 'a-z', 'A-Z' } }
    assert.equal(p.children[1].stdin, p.stdin)
    assert.equal(p.children[2].stdout, p.stdout)
    p.stdin:write 'one\n'
    p.stdin:finish 'two\n'
    local lines = {}
    for line in p.stdout:lines() do
      lines[#lines + 1] = line
    end
    assert.same({ 'ONE', 'TWO' }, lines)
    assert.is_true(p:wait().ok)
  end)

  it('waits in a coroutine as well, and twice', function()
    local p = cp.pipeline { sh 'sleep 0.02; echo x', { 'cat' } }
    for _ = 1, 2 do
      cp.async(t.expect(function()
        assert.equal('x\n', p:wait().stdout)
      end))
    end
    cp.run()
    assert.equal('x\n', p:wait().stdout)
  end)

  it('cannot wait in a bare callback', function()
    local p = cp.pipeline { PLAIN, PLAIN }
    cp.setImmediate(t.expect(function()
      t.raises('ERR_WOULD_BLOCK', p.wait, p)
      t.raises('ERR_WOULD_BLOCK', p.terminate, p)
      assert.is_false(p.children[1].killed)
      p:kill()
    end))
  end)

  it('gives up waiting after a time, and goes on', function()
    local p = cp.pipeline { PLAIN, PLAIN }
    assert.same({ nil, 'timeout' }, { p:wait(1) })
    p:kill()
    assert.equal('SIGTERM', p:wait(60000).signal)
    t.raises('ERR_OUT_OF_RANGE', p.wait, p, -1)
  end)

  it('has nothing of an error of a callback while it waits', function()
    local p = cp.pipeline { PLAIN, { 'cat' } }
    cp.setImmediate(error, 'callback', 0)
    assert.same({ false, 'callback' }, { pcall(p.wait, p) })
    assert.is_true(p:kill())
    assert.is_false(p:wait().ok)
  end)

  it('takes a hundred stages, and the same table for all', function()
    local stages = {}
    for i = 1, 100 do
      stages[i] = { 'cat' }
    end
    local result = cp.pipeline(stages, { input = 'through', stderr = 'ignore' }):wait()
    assert.equal('through', result.stdout)
    for i = 1, 100 do
      stages[i] = stages[1]
    end
    result = cp.pipeline(stages, { input = 'again', stderr = 'ignore' }):wait()
    assert.equal('again', result.stdout)
  end)

  it('leaves its arguments as they are', function()
    local stages = { { 'sh', '-c', 'pwd', cwd = '/' }, { 'cat' } }
    local options = { timeout = 60000, input = '', stdout = 'pipe', encoding = 'hex' }
    cp.pipeline(stages, options):wait()
    assert.same({ { 'sh', '-c', 'pwd', cwd = '/' }, { 'cat' } }, stages)
    assert.same(
      { timeout = 60000, input = '', stdout = 'pipe', encoding = 'hex' },
      options
    )
  end)

  it('that is dropped goes on', function()
    local file = t.tmpdir() .. '/done'
    cp.pipeline({ sh 'sleep 0.02; echo x', { 'cat' } }, { stdout = { file = file } })
    collectgarbage()
    collectgarbage()
    cp.run()
    assert.equal('x\n', t.slurp(file))
  end)

  it('does not keep a state from being closed', function()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local p = cp.pipeline({ { 'cat' }, { 'cat' } }, { timeout = 60000, killAfter = 5 })
      cp.async(p.wait, p)
      cp.run 'nowait'
      p:kill()
    ]]
    local result = cp.spawnSync(exe, args)
    assert.equal('', result.stderr)
    assert.equal(0, result.code)
  end)
end)

describe('the result of a pipeline', function()
  it('is that of the last stage that failed', function()
    local result = cp.pipeline({ sh 'exit 3', sh 'cat; exit 4', { 'cat' } }):wait()
    assert.is_false(result.ok)
    assert.equal(4, result.code)
    assert.equal(3, result.results[1].code)
    assert.is_true(result.results[3].ok)
    result = cp.pipeline({ sh 'kill -9 $$', { 'cat' } }):wait()
    assert.equal('SIGKILL', result.signal)
    assert.equal('signal', result.reason)
    assert.is_nil(result.code)
  end)

  it('is well where a writer was ended by SIGPIPE', function()
    local result = cp.pipeline({ { 'yes' }, { 'head', '-n', '1' } }):wait()
    assert.is_true(result.ok)
    assert.equal('y\n', result.stdout)
    assert.equal('SIGPIPE', result.results[1].signal)
    assert.is_false(result.results[1].ok)
  end)

  it('is not where it exited with 141, or was the last', function()
    local result = cp.pipeline({ sh 'exit 141', { 'true' } }):wait()
    assert.equal(141, result.code)
    result = cp.pipeline({ { 'true' }, sh 'kill -PIPE $$' }):wait()
    assert.is_false(result.ok)
    assert.equal('SIGPIPE', result.signal)
  end)

  it('has stderr of each stage where it belongs', function()
    local result = cp.pipeline({ sh 'echo a >&2', sh 'cat; echo b >&2' }):wait()
    assert.equal('a\n', result.results[1].stderr)
    assert.equal('b\n', result.results[2].stderr)
    assert.is_nil(result.results[1].stdout)
  end)

  it('has the longest time of all', function()
    local result = cp.pipeline({ sh 'exec >&-; sleep 0.05', { 'cat' } }):wait()
    assert.equal(result.results[1].duration, result.duration)
  end)
end)

describe('a stage that cannot start', function()
  it('is told by wait, when the others have got SIGKILL and are reaped', function()
    for index = 1, 3 do
      local stages = { { 'sleep', '600' }, { 'sleep', '600' }, { 'sleep', '600' } }
      stages[index] = { '/no/such/program' }
      local p = cp.pipeline(stages)
      local result = p:wait()
      assert.same({}, t.children())
      assert.is_false(result.ok)
      assert.equal('spawn', result.reason)
      assert.equal('ENOENT', result.error.code)
      assert.equal('exec', result.error.stage)
      assert.equal('/no/such/program', result.error.path)
      assert.equal(index, result.error.index)
      assert.is_nil(result.code)
      for i, one in ipairs(result.results) do
        if i < index then
          assert.equal('SIGKILL', one.signal)
        elseif i > index then
          assert.equal('ECANCELED', one.error.code)
          assert.is_nil(one.pid)
        end
      end
      assert.equal(3, #result.results)
    end
  end)

  it('has streams that end', function()
    local p = cp.pipeline { { '/no/such/program' }, { 'cat' } }
    assert.equal('', p.stdout:readAll())
    p.stdin:write 'lost'
    assert.equal(1, p:wait().error.index)
  end)

  it('does not leave cp.run, and starts nothing behind it', function()
    local file = t.tmpdir() .. '/started'
    local p =
      cp.pipeline { { 'cat' }, { 'ls', cwd = '/no/such/folder' }, { 'touch', file } }
    cp.run()
    local err = p:wait().error
    assert.equal('chdir', err.stage)
    assert.equal('/no/such/folder', err.path)
    assert.equal(2, err.index)
    assert.is_nil(t.slurp(file))
  end)

  it('is not held up by a stranger that holds a pipe', function()
    local holder = t.tmpdir() .. '/holder'
    local first = sh('sleep 600 & echo $! > holder; echo ready >&2; wait', {
      cwd = holder:match '^(.*)/',
    })
    local spawn, methods = cp.ChildProcess.prototype.spawn, cp.ChildProcess.prototype
    function methods.spawn(child, plan)
      if plan.file == '/no/such/program' then
        cp.spawnSync('sh', { '-c', 'until [ -s "$0" ]; do :; done', holder })
      end
      return spawn(child, plan)
    end
    local p = cp.pipeline { first, { '/no/such/program' } }
    methods.spawn = spawn
    local result = p:wait()
    assert.equal(2, result.error.index)
    assert.is_true(result.truncated)
    cp.process:kill(math.tointeger(tonumber(t.slurp(holder))), 'SIGKILL')
  end)

  it('is one for lack of descriptors, too', function()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local stages = {}
      for i = 1, 40 do
        stages[i] = { 'cat' }
      end
      local p = cp.pipeline(stages)
      local result = p:wait()
      print(result.reason, result.error.code, result.error.stage, #result.results)
      print(result.error.index > 5 and result.error.index < 40)
      print(cp.pipeline({ { 'echo', 'x' }, { 'cat' } }):wait().stdout)
    ]]
    local limited = { '-c', 'ulimit -n 40; exec "$@"', 'sh', exe, table.unpack(args) }
    local result = cp.spawnSync('sh', limited)
    assert.equal('', result.stderr)
    assert.equal('spawn\tEMFILE\tstdio\t40\ntrue\nx\n\n', result.stdout)
  end)

  it('raises if there is no memory for it, and the others are killed', function()
    local spawn, methods = cp.ChildProcess.prototype.spawn, cp.ChildProcess.prototype
    local children = {}
    function methods.spawn(child, plan)
      children[#children + 1] = child
      if plan.file == 'wc' then
        error('not enough memory', 0)
      end
      return spawn(child, plan)
    end
    local ok, err =
      pcall(cp.pipeline, { { 'sleep', '600' }, { 'sleep', '600' }, { 'wc' } })
    methods.spawn = spawn
    assert.same({ false, 'not enough memory' }, { ok, err })
    assert.equal('SIGKILL', children[1]:wait().signal)
    assert.equal('SIGKILL', children[2]:wait().signal)
  end)
end)

describe('ending a pipeline', function()
  it('kill sends a signal to all stages', function()
    local p = await_ready(cp.pipeline { PLAIN, PLAIN, PLAIN })
    assert.is_true(p:kill(0))
    assert.is_false(p.children[1].killed)
    assert.is_true(p:kill 'SIGINT')
    local result = p:wait()
    assert.equal('SIGINT', result.signal)
    for _, one in ipairs(result.results) do
      assert.equal('SIGINT', one.signal)
    end
    assert.is_false(p:kill())
    assert.is_false(p:kill(0))
  end)

  it('kill is true if any stage got it', function()
    local p = cp.pipeline { { 'true' }, PLAIN }
    p.children[1]:wait()
    assert.is_true(p:kill())
    assert.is_false(p:wait().ok)
  end)

  it('kill raises for an unknown signal', function()
    local p = cp.pipeline { { 'cat' }, { 'cat' } }
    t.raises('ERR_UNKNOWN_SIGNAL', p.kill, p, 'SIGNO')
    t.raises('ERR_INVALID_THIS', p.kill)
    t.raises('ERR_INVALID_THIS', p.wait, {})
    t.raises('ERR_INVALID_THIS', p.terminate)
    p.stdin:finish()
  end)

  it('terminate sends SIGTERM, then SIGKILL, and waits', function()
    local p = await_ready(cp.pipeline { STUBBORN, PLAIN, STUBBORN })
    t.raises('ERR_OUT_OF_RANGE', p.terminate, p, -1)
    local result = p:terminate(20)
    assert.equal('SIGKILL', result.signal)
    assert.is_true(result.forced)
    assert.equal('SIGTERM', result.results[2].signal)
    assert.same({}, t.children())
    assert.equal('SIGKILL', p:terminate().signal)
  end)

  it('leaving the block of a <close> variable sends SIGTERM', function()
    local result
    do
      local p <close> = await_ready(cp.pipeline { PLAIN, PLAIN })
      result = p
    end
    result = result:wait()
    assert.equal('SIGTERM', result.results[1].signal)
    assert.equal('SIGTERM', result.results[2].signal)
  end)

  it('timeout ends all of them, for the same reason', function()
    local result = cp.pipeline({ PLAIN, { 'cat' }, { 'cat' } }, { timeout = 20 }):wait()
    assert.equal('timeout', result.reason)
    for _, one in ipairs(result.results) do
      assert.equal('timeout', one.reason)
    end
  end)

  it('timeout leaves alone what has ended, and nothing of it remains', function()
    local p = cp.pipeline(
      { { 'echo', 'x' }, PLAIN },
      { timeout = 50, killSignal = 'SIGINT' }
    )
    local results = p:wait().results
    assert.is_true(results[1].ok or results[1].signal == 'SIGPIPE')
    assert.equal('SIGINT', results[2].signal)
    assert.is_true(cp.pipeline({ { 'true' } }, { timeout = 60000 }):wait().ok)
  end)

  it('timeout of one stage is for that alone', function()
    local first = sh('exec sleep 600', { timeout = 20 })
    local result = cp.pipeline({ first, { 'cat' } }):wait()
    assert.equal('timeout', result.reason)
    assert.is_true(result.results[2].ok)
  end)

  it('idleTimeout counts what any stage writes to us', function()
    local busy =
      sh 'for i in 1 2 3 4 5 6; do echo x >&2; sleep 0.05; done; exec sleep 600'
    local p = cp.pipeline({ busy, { 'cat' } }, { idleTimeout = 200 })
    local result = p:wait()
    assert.equal('idleTimeout', result.reason)
    assert.equal(('x\n'):rep(6), result.results[1].stderr)
    assert.is_true(result.duration >= 200)
  end)

  it('idleTimeout does not count time in which nobody reads', function()
    local p = cp.pipeline({ { 'cat' }, { 'cat' } }, { idleTimeout = 10 })
    local is_over = false
    cp.setTimeout(function()
      is_over = true
    end, 50)
    p.stdout:pause()
    while not is_over do
      cp.run 'once'
    end
    p.stdin:finish 'x'
    p.stdout:resume()
    assert.equal('exit', p:wait().reason)
  end)

  it('idleTimeout wants a pipe that is read', function()
    local options = { idleTimeout = 10, stdout = 'ignore', stderr = 'ignore' }
    local err =
      t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls' }, { 'ls' } }, options)
    assert.matches('options.idleTimeout', err.message)
    assert.same({}, t.children())
  end)

  it('an AbortSignal ends all of them', function()
    local controller = cp.AbortController()
    local p = await_ready(cp.pipeline({ PLAIN, PLAIN }, { signal = controller.signal }))
    controller:abort 'why'
    local result = p:wait()
    assert.equal('abort', result.reason)
    assert.equal('ABORT_ERR', result.error.code)
    assert.equal('why', result.error.cause)
    assert.equal('abort', result.results[1].reason)
  end)

  it('an AbortSignal that is aborted already starts nothing', function()
    local options = { signal = cp.AbortSignal.abort() }
    local result = cp.pipeline({ { 'sleep', '600' }, { 'sleep', '600' } }, options):wait()
    assert.equal('abort', result.reason)
    assert.equal('abort', result.results[1].reason)
    assert.is_nil(result.results[1].pid)
    assert.is_nil(result.results[2].pid)
  end)

  it('killAfter is for all of them', function()
    local p = await_ready(cp.pipeline({ STUBBORN, STUBBORN }, { killAfter = 20 }))
    p:kill()
    local result = p:wait()
    assert.equal('SIGKILL', result.results[1].signal)
    assert.equal('SIGKILL', result.results[2].signal)
  end)

  if is_linux then
    it('killDescendants reaches what they have started', function()
      local tree = sh 'sleep 600 & echo $! >&2; echo ready >&2; wait'
      local p = cp.pipeline({ tree, tree }, { killDescendants = true })
      local pids = {}
      for i, child in ipairs(p.children) do
        pids[i] = math.tointeger(tonumber(child.stderr:read 'l'))
        assert.equal('ready', (child.stderr:read 'l'))
      end
      p:terminate()
      for _, pid in ipairs(pids) do
        assert.is_false(t.pid_alive(pid))
      end
    end)
  end

  it('maxBuffer bounds what the last one writes', function()
    local p = cp.pipeline({ { 'yes' }, { 'cat' } }, { maxBuffer = 10 })
    local result = p:wait()
    assert.equal('maxBuffer', result.reason)
    assert.equal(('y\n'):rep(5), result.stdout)
  end)
end)

describe('the options of a pipeline', function()
  it('stdin and input belong to the first stage', function()
    assert.equal(
      'text',
      cp.pipeline({ { 'cat' }, { 'cat' } }, { input = 'text' }):wait().stdout
    )
    local file = t.write_file(t.tmpdir() .. '/in', 'file')
    local p = cp.pipeline({ { 'cat' }, { 'cat' } }, { stdin = { file = file } })
    assert.is_nil(p.stdin)
    assert.equal('file', p:wait().stdout)
    p = cp.pipeline { { 'cat', stdin = { file = file } }, { 'cat' } }
    assert.equal('file', p:wait().stdout)
  end)

  it('stdout and encoding belong to the last', function()
    local file = t.tmpdir() .. '/out'
    local p = cp.pipeline({ { 'echo', 'x' }, { 'cat' } }, { stdout = { file = file } })
    assert.is_nil(p.stdout)
    assert.is_nil(p:wait().stdout)
    assert.equal('x\n', t.slurp(file))
    p = cp.pipeline({ { 'echo', 'x' }, { 'cat' } }, { encoding = 'hex' })
    assert.equal('780a', p:wait().stdout)
    p = cp.pipeline({ { 'echo', 'x' }, { 'cat' } }, { encoding = 'buffer' })
    assert.equal('x\n', p:wait().stdout)
    t.raises('ERR_UNKNOWN_ENCODING', cp.pipeline, { { 'ls' } }, { encoding = 'nonsense' })
  end)

  it('others are defaults of each stage', function()
    local options = { cwd = '/', env = { A = '1' } }
    local show = { '/bin/sh', '-c', 'pwd; echo $A; /bin/cat' }
    local own = { '/bin/sh', '-c', 'pwd; echo $A; /bin/cat', cwd = '/tmp', env = {} }
    local result = cp.pipeline(
      { show, own },
      { cwd = '/', env = { A = '1' }, input = '' }
    )
      :wait()
    assert.equal('/tmp\n\n/\n1\n', result.stdout)
    assert.same({ cwd = '/', env = { A = '1' } }, options)
  end)

  it("stderr = 'stdout' goes to the next stage", function()
    local both = sh('echo a; echo b >&2; echo c', { stderr = 'stdout' })
    assert.equal('a\nb\nc\n', cp.pipeline({ both, { 'cat' } }):wait().stdout)
  end)

  it('shell is one for each stage', function()
    local result = cp.pipeline(
      { { 'echo $((1 + 1))' }, { 'cat; echo $0' } },
      { shell = true }
    )
      :wait()
    assert.matches('^2\n.*sh\n$', result.stdout)
  end)

  it('that are about connections raise', function()
    for name, value in pairs {
      stdio = 'pipe',
      pty = true,
      customFds = { -1 },
      serialization = 'json',
      silent = true,
      execPath = 'lua',
    } do
      t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls' } }, { [name] = value })
      t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls', [name] = value } })
    end
    for _, name in ipairs { 'stdin', 'stdout', 'stderr' } do
      t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls' } }, { [name] = 'ipc' })
      t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls', [name] = 'ipc' } })
    end
    t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls' }, { 'ls', stdin = 'pipe' } })
    t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls' }, { 'ls', input = 'x' } })
    t.raises(
      'ERR_INVALID_ARG_VALUE',
      cp.pipeline,
      { { 'ls', stdout = 'pipe' }, { 'ls' } }
    )
    assert.same({}, t.children())
  end)

  it('are checked by name and value, before anything is started', function()
    local err = t.raises(
      'ERR_INVALID_ARG_VALUE',
      cp.pipeline,
      { { 'ls' } },
      { timout = 1 }
    )
    assert.matches("not an option of pipeline; did you mean 'timeout'", err.message)
    err =
      t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls' }, { 'ls', cvd = '/' } })
    assert.matches("^stages%[2%]: .*did you mean 'cwd'", err.message)
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls' } }, { timeout = '1' })
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls' } }, { cwd = 1 })
    for _, options in ipairs { 5, 'x', true, print } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls' } }, options)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls' } }, { 'ls' })
    err = t.raises(
      'ERR_INVALID_ARG_TYPE',
      cp.pipeline,
      { { 'ls' }, { 'ls', killAfter = '' } }
    )
    assert.matches('^stages%[2%]: The "options.killAfter"', err.message)
    assert.same({}, t.children())
  end)

  it('lend no stream when another argument raises', function()
    local child = cp.spawn('echo', { 'text' })
    local stages = { { 'cat' }, { 'cat', stderr = 'nonsense' } }
    t.raises('ERR_INVALID_SYNC_FORK_INPUT', cp.pipeline, stages, { stdin = child.stdout })
    assert.equal('text\n', child:wait().stdout)
    child = cp.spawn('echo', { 'text' })
    local p = cp.pipeline({ { 'cat' }, { 'cat' } }, { stdin = child.stdout })
    assert.equal('text\n', p:wait().stdout)
    child:wait()
  end)
end)

describe('the stages of a pipeline', function()
  it('are tables with a program and its arguments', function()
    t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, {})
    for _, stages in ipairs { 5, 'ls', true, print, { a = { 'ls' } }, { [0] = {} } } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, stages)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline)
    for _, stage in ipairs { 5, 'ls', true, print, {}, { 5 }, { cwd = '/' }, { {} } } do
      local err = t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls' }, stage })
      assert.matches('^stages%[2%]: ', err.message)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls' }, nil, { 'ls' } })
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls', nil, '-l' } })
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls', {} } })
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls', [0] = 'x' } })
    t.raises('ERR_INVALID_ARG_TYPE', cp.pipeline, { { 'ls', [1.5] = 'x' } })
    t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { '' } })
    t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls' }, { 'a\0b' } })
    t.raises('ERR_INVALID_ARG_VALUE', cp.pipeline, { { 'ls', 'a\0b' } })
    assert.same({}, t.children())
  end)

  it('may have numbers and booleans for arguments', function()
    local result = cp.pipeline({ { 'echo', 1, 2.5, true }, { 'cat' } }):wait()
    assert.equal('1 2.5 true\n', result.stdout)
  end)
end)

describe('a pipeline of a scope', function()
  it('has its defaults, and ends with it', function()
    local p
    do
      local s <close> =
        cp.scope { cwd = '/', silent = true, stdio = 'inherit', killAfter = 20 }
      local result = s:pipeline({ { 'pwd' }, { 'cat' } }):wait()
      assert.equal('/\n', result.stdout)
      s:exec 'echo between'
      p = await_ready(s:pipeline { STUBBORN, PLAIN })
      t.raises('ERR_INVALID_ARG_TYPE', s.pipeline, s, { { 'ls' } }, 5)
      t.raises('ERR_INVALID_ARG_TYPE', s.pipeline, s)
    end
    assert.same({}, t.children())
    assert.equal('SIGKILL', p.children[1].signalCode)
    assert.equal('SIGTERM', p.children[2].signalCode)
  end)

  it('has its result among those of the scope', function()
    local s <close> = cp.scope()
    s:exec 'echo a'
    s:pipeline { { 'echo', 'b' }, { 'cat' } }
    s:pipeline { { '/no/such/program' }, { 'cat' } }
    s:exec 'echo c'
    local results = s:wait()
    assert.equal('a\n', results[1].stdout)
    assert.equal('b\n', results[2].stdout)
    assert.equal(2, #results[2].results)
    assert.equal(1, results[3].error.index)
    assert.equal('c\n', results[4].stdout)
  end)

  it('is not started once it has been left', function()
    local s = cp.scope()
    do
      local _ <close> = s
    end
    t.raises('ERR_SCOPE_CLOSED', s.pipeline, s, { { 'ls' } })
  end)
end)

describe('a link between two programs', function()
  it('is an end that the collector closes, too', function()
    local child = cp.ChildProcess()
    local before = t.fds()
    local plan = require('child_process.options').normalize('spawn', 'true', {}, {})
    plan.slots, plan.entries = { n = 3 }, { 'ignore', 'link', 'ignore' }
    child:spawn(plan)
    assert.equal('userdata', type(plan.link))
    assert.equal('number', type(plan.link:getfd()))
    plan.link = nil
    collectgarbage()
    child:wait()
    assert.same(before, t.fds())
  end)
end)
