-- Several targets for an output, in the calls that wait.
local t = require 'spec.helper'
local targets = require 'spec.support.targets'
local cp = t.cp
local it = t.wrap(it)

local SIZE, numbers = targets.SIZE, targets.numbers
local full_pipe, broken_pipe = targets.full_pipe, targets.broken_pipe

local function writer(options, size)
  options.maxBuffer = options.maxBuffer or math.huge
  return cp.spawnSync('sh', { '-c', targets.command(size) }, options)
end

describe('several targets in spawnSync', function()
  it('get every byte', function()
    local folder = t.tmpdir()
    local file = assert(io.open(folder .. '/lua', 'wb'))
    file:write 'before\n'
    local cat = cp.spawn('cat', {}, { stdout = { file = folder .. '/stream' } })
    local path = { file = folder .. '/path' }
    local result = writer { stdout = { file, 'pipe', path, cat.stdin, 'ignore' } }
    file:write 'behind\n'
    file:close()
    assert.is_true(cat.stdin.writable)
    cat.stdin:finish()
    cat:wait()
    local expected = numbers()
    assert.is_nil(result.error)
    assert.is_true(result.stdout == expected)
    assert.is_true(t.slurp(folder .. '/lua') == 'before\n' .. expected .. 'behind\n')
    assert.is_true(t.slurp(path.file) == expected)
    assert.is_true(t.slurp(folder .. '/stream') == expected)
  end)

  it('show and collect, in execSync and execFileSync, too', function()
    local program = [[
      local cp = require 'child_process'
      local both = { 'inherit', 'pipe' }
      local options = { stdout = both, stderr = both }
      local script = 'echo out; echo err >&2'
      local result = cp.spawnSync('sh', { '-c', script }, options)
      assert(result.stdout == 'out\n' and result.stderr == 'err\n')
      assert(cp.execSync(script, options) == 'out\n')
      assert(cp.execFileSync('sh', { '-c', script }, options) == 'out\n')]]
    local file, args = t.lua(program)
    local result = cp.spawnSync(file, args)
    assert.same({ ('out\n'):rep(3), ('err\n'):rep(3) }, { result.stdout, result.stderr })
  end)

  it('leave nothing to collect without a pipe among them', function()
    local path = t.tmpdir() .. '/log'
    local result = writer { stdout = { { file = path } }, maxBuffer = 10 }
    assert.is_true(result.ok)
    assert.is_nil(result.stdout)
    assert.same({ [3] = '', n = 3 }, result.output)
    assert.equal(SIZE, #t.slurp(path))
  end)

  it('are joined by stderr = "stdout"', function()
    local path = t.tmpdir() .. '/log'
    local result = cp.spawnSync('sh', { '-c', 'echo 1; echo 2 >&2; echo 3' }, {
      stdout = { 'pipe', { file = path } },
      stderr = 'stdout',
    })
    assert.same({ '1\n2\n3\n', nil }, { result.stdout, result.stderr })
    assert.equal('1\n2\n3\n', t.slurp(path))
  end)

  it('have an encoding only where they are read', function()
    local path = t.tmpdir() .. '/log'
    local options = { stdout = { 'pipe', { file = path } }, encoding = 'hex' }
    assert.equal('c3a4', cp.execSync('printf "\\303\\244"', options))
    assert.equal('ä', t.slurp(path))
  end)

  it('take a closed stdout of ours for /dev/null', function()
    local program = [[
      local cp = require 'child_process'
      local result = cp.spawnSync('echo', { 'out' }, { stdout = { 'inherit', 'pipe' } })
      io.stderr:write(result.stdout, tostring(result.error))]]
    local exe, args = t.lua(program)
    local words = { '-c', 'exec "$@" >&-', 'sh', exe, table.unpack(args) }
    assert.equal('out\nnil', cp.spawnSync('sh', words).stderr)
  end)

  it('may be a stream that has something to write yet, which comes first', function()
    local path = t.tmpdir() .. '/log'
    local stdio = { 'pipe', { file = path }, 'inherit', 'pipe' }
    local cat = cp.spawn('sh', { '-c', 'read go <&3; exec cat' }, { stdio = stdio })
    local much = ('x'):rep(1 << 20)
    assert.is_false(cat.stdin:write(much))
    local result = writer({ stdout = { cat.stdin, 'pipe' } }, 1000)
    assert.equal(1000, #result.stdout)
    result = writer({ stdout = { cat.stdin } }, 500)
    assert.is_nil(result.stdout)
    cat.stdio[4]:finish 'go\n'
    cat.stdio[4]:resume()
    cat.stdin:finish()
    assert.is_true(cat:wait().ok)
    local text = t.slurp(path)
    assert.equal(#much + 1500, #text)
    assert.is_true(text == much .. numbers(1000) .. numbers(500))
  end)

  it('are not limited by maxBuffer, which is for what is collected', function()
    local cat = cp.spawn('wc', { '-c' })
    assert.is_false(cat.stdin:write(('x'):rep(1 << 20)))
    local options = { stdout = { cat.stdin }, maxBuffer = 10 }
    assert.is_nil(writer(options, 1000).error)
    options.stdout[2] = 'pipe'
    assert.equal('ENOBUFS', writer(options, 1000).error.code)
    options.stdout[2] = nil
    cat.stdin:finish()
    local bytes = tonumber(cat:wait().stdout)
    assert.equal((1 << 20) + 2000, bytes)
  end)

  it('are opened before the start, which fails without them', function()
    local path = t.tmpdir() .. '/no/such'
    local err = writer({ stdout = { 'pipe', { file = path } } }).error
    assert.same({ 'ENOENT', 'stdio', path }, { err.code, err.stage, err.path })
    err = writer({ stdout = { 9999 } }).error
    assert.same({ 'EBADF', 'stdio' }, { err.code, err.stage })
    err = t.raises('ERR_INVALID_ARG_VALUE', cp.execSync, 'true', { stdin = { 'pipe' } })
    assert.is_truthy(err.message:find("'options.stdin' cannot be an array", 1, true))
    t.raises('ERR_IPC_SYNC_FORK', cp.execSync, 'true', { stdout = 'ipc' })
  end)
end)

describe('a target of spawnSync that is slow', function()
  it('sets the pace, and is waited for', function()
    local path = t.tmpdir() .. '/log'
    local stdio = { 'pipe', { file = path }, 'inherit' }
    local script = 'exec 3<&0; (sleep 0.1; exec cat <&3) & wait'
    local slow = cp.spawn('sh', { '-c', script }, { stdio = stdio })
    local size = 4 << 20
    local result = writer({ stdout = { slow.stdin, { file = path .. '2' } } }, size)
    assert.is_true(result.ok)
    slow.stdin:finish()
    slow:wait()
    assert.equal(size, #t.slurp(path))
    assert.equal(size, #t.slurp(path .. '2'))
  end)

  it('is given up by timeout and by waitDelay', function()
    local reader, writing = full_pipe()
    local path = t.tmpdir() .. '/log'
    local list = { writing, { file = path }, 'pipe' }
    local result = writer({ stdout = list, timeout = 300 }, 1 << 20)
    assert.same({ 'timeout', 'ETIMEDOUT' }, { result.reason, result.error.code })
    result = writer({ stdout = list, waitDelay = 50 }, 5000)
    assert.same({ true, true, {} }, { result.ok, result.truncated, result.heldBy })
    assert.equal(5000, #t.slurp(path))
    assert.equal(5000, #result.stdout)
    assert.is_false(targets.is_nonblocking(writing))
    targets.close(writing)
    targets.close(reader)
  end)

  it('may be a socket or a terminal, and keeps its flags', function()
    for _, full in ipairs { targets.full_socket, targets.full_terminal } do
      local reader, writing = full()
      local result = writer { stdout = { writing, 'pipe' }, timeout = 100 }
      assert.equal('timeout', result.reason)
      assert.is_false(targets.is_nonblocking(writing))
      targets.close(writing)
      targets.close(reader)
    end
  end)

  it('is no silence for idleTimeout, which counts the bytes', function()
    local reader, writing = full_pipe()
    local idle = t.TEST_TIMEOUT // 30
    local script = 'sleep ' .. idle * 2 / 1000 .. '; exec cat'
    local slow = cp.spawn('sh', { '-c', script }, { stdio = { reader, 'ignore' } })
    targets.close(reader)
    local result = writer({ stdout = { writing }, idleTimeout = idle }, 1 << 20)
    targets.close(writing)
    assert.equal('exit', result.reason)
    slow:wait()
    result = cp.spawnSync('sleep', { '60' }, {
      stdio = { 'ignore', { 'ignore' }, 'ignore' },
      idleTimeout = 50,
    })
    assert.equal('idleTimeout', result.reason)
  end)

  it('costs no time of the processor meanwhile', function()
    local reader, writing = full_pipe()
    local before = os.clock()
    writer({ stdout = { writing }, waitDelay = 500 }, 5000)
    assert.is_true(os.clock() - before < 0.25)
    targets.close(writing)
    targets.close(reader)
  end)
end)

describe('a target of spawnSync that breaks', function()
  it('is dropped: the others get all, and the result says what it was', function()
    local path = t.tmpdir() .. '/log'
    local writing = broken_pipe()
    local result = writer { stdout = { { file = path }, writing, 'pipe' } }
    targets.close(writing)
    assert.is_true(result.ok)
    assert.same({ 'EPIPE', 'write' }, { result.error.code, result.error.syscall })
    assert.equal('write EPIPE: options.stdout[2]', result.error.message)
    assert.equal(SIZE, #result.stdout)
    assert.equal(SIZE, #t.slurp(path))
  end)

  it('is nothing that execSync and execFileSync raise', function()
    local options = { stdout = { 'pipe', { file = '/dev/full' } } }
    assert.equal('x\n', cp.execSync('echo x', options))
    assert.equal('x\n', cp.execFileSync('echo', { 'x' }, options))
    local ok, err = pcall(cp.execSync, 'echo x; exit 3', options)
    assert.is_false(ok)
    assert.equal(3, err.status)
    assert.equal('Command failed: echo x; exit 3\n', err.message .. '\n')
  end)

  it('hides no other error', function()
    local options = { stdout = { 'pipe', { file = '/dev/full' } }, maxBuffer = 10 }
    local result = writer(options)
    assert.same({ 'maxBuffer', 'ENOBUFS' }, { result.reason, result.error.code })
  end)

  it('names the path that it had', function()
    local stdio = { 'pipe', 'pipe', { 'pipe', { file = '/dev/full' } } }
    local err = cp.spawnSync('sh', { '-c', 'echo x >&2' }, { stdio = stdio }).error
    assert.same({ 'ENOSPC', '/dev/full' }, { err.code, err.path })
    assert.equal('write ENOSPC: options.stdio[3][2]', err.message)
  end)

  it('leaves the child with a broken pipe when it was the last', function()
    local result = cp.spawnSync('yes', { stdout = { { file = '/dev/full' } } })
    assert.equal('SIGPIPE', result.signal)
    assert.equal('ENOSPC', result.error.code)
  end)

  it('may break while it is waited for', function()
    local reader, writing = full_pipe()
    local script = 'sleep 0.1'
    local other = cp.spawn('sh', { '-c', script }, { stdio = { reader, 'ignore' } })
    targets.close(reader)
    local result = writer { stdout = { writing, 'pipe' } }
    targets.close(writing)
    assert.same({ 'EPIPE', SIZE }, { result.error.code, #result.stdout })
    other:wait()
  end)
end)
