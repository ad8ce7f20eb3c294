-- The forms of `stdio` in the calls that wait.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function sh(script, stdio, options)
  options = options or {}
  options.stdio = stdio
  return cp.spawnSync('sh', { '-c', script }, options)
end

describe('stdio of spawnSync', function()
  it('may be nil, false, cp.null or `pipe` for pipes', function()
    for _, stdio in ipairs { 'pipe', 'overlapped', cp.null, {}, { cp.null, false } } do
      assert.equal('x\n', sh('echo x', stdio).stdout)
    end
    assert.equal('x\n', sh('echo x', false).stdout)
  end)

  it('may be `ignore`', function()
    local r = sh('echo x; readlink /proc/$$/fd/0 >&3', {
      'ignore',
      'ignore',
      'ignore',
      'pipe',
    })
    assert.same({ nil, nil, nil, '/dev/null\n', n = 4 }, r.output)
    assert.is_nil(r.stdout)
    assert.is_nil(r.stderr)
    assert.same({ n = 3 }, sh('echo x', 'ignore').output)
  end)

  it('may be `inherit`', function()
    local program = [[
      local cp = require 'child_process'
      local r = cp.spawnSync('sh', { '-c', 'cat; echo err >&2' }, { stdio = 'inherit' })
      assert(r.stdout == nil and r.stderr == nil and r.output.n == 3)
      cp.spawnSync('echo', { 'b' }, { stdio = { 'pipe', 'inherit', 'pipe' } })
      cp.spawnSync('echo', { 'c' }, { stdio = { 0, 1, 2 } })
    ]]
    local file, args = t.lua(program)
    local r = cp.spawnSync(file, args, { input = 'a\n' })
    assert.equal('a\nb\nc\n', r.stdout)
    assert.equal('err\n', r.stderr)
    assert.equal(0, r.status)
  end)

  it('may hold a file, which is written where it stands', function()
    local path = t.tmpdir() .. '/file'
    local file = assert(io.open(path, 'w'))
    local r = sh('echo out; echo err >&2', { 'pipe', file, file })
    file:close()
    assert.same({ n = 3 }, r.output)
    assert.equal('out\nerr\n', t.slurp(path))
    local input <close> = assert(io.open(path))
    assert.equal('out\nerr\n', sh('cat', { input }).stdout)
  end)

  it('may hold a stream of an asynchronous child', function()
    local first = cp.spawn('cat')
    first.stdin:finish 'from the first'
    assert.equal('from the first', sh('cat', { first.stdout }).stdout)
    local last = cp.spawn('cat')
    local out = t.collect(last.stdout)
    assert.equal(0, sh('echo to the last', { 'pipe', last.stdin }).status)
    last.stdin:finish()
    cp.run()
    assert.equal('to the last\n', out())
  end)

  it('leaves a socket that it has lent non-blocking, as the loop needs it', function()
    local function flags_of(fd)
      local text = t.slurp('/proc/self/fdinfo/' .. fd)
      return tonumber(text:match 'flags:%s*(%d+)', 8)
    end
    local child = cp.spawn('sh', { '-c', 'exec cat <&3' }, { stdio = { [4] = 'pipe' } })
    local socket = child.stdio[4]
    local before = flags_of(socket._handle:fileno())
    assert.equal(2048, before & 2048)
    assert.equal(0, sh('echo through', { 'ignore', socket }).status)
    assert.equal(before, flags_of(socket._handle:fileno()))
    cp.spawn('lcp_nope', { stdio = { 'ignore', socket } }):on('error', function() end)
    assert.equal(before, flags_of(socket._handle:fileno()))
    child:kill()
    cp.run()
  end)

  it('gives real pipes, which can be opened again', function()
    assert.equal('a\n', sh('cat /dev/stdin', nil, { input = 'a\n' }).stdout)
    assert.equal('a\n', sh('echo a > /dev/stdout').stdout)
    assert.equal('a\n', sh('echo a | tee /dev/stderr >/dev/null').stderr)
  end)
end)

describe('a further pipe of spawnSync', function()
  it('is read', function()
    local r = sh('echo three >&3; echo five >&5', {
      'pipe',
      'pipe',
      'pipe',
      'pipe',
      'ignore',
      'pipe',
    })
    assert.same({ nil, '', '', 'three\n', nil, 'five\n', n = 6 }, r.output)
  end)

  it('is at its end when the program reads it, where Node hangs', function()
    local r = sh('cat <&3; echo end', { 'pipe', 'pipe', 'pipe', 'pipe' })
    assert.equal('end\n', r.stdout)
  end)

  it('carries bytes both ways if it has input', function()
    local bytes = ('0123456789'):rep(100000)
    local stdio = { 'pipe', 'pipe', 'pipe', { input = bytes }, { input = '' } }
    local r = sh('cat <&3 >&3; cat <&4', stdio, { maxBuffer = math.huge })
    assert.is_true(bytes == r.output[4])
    assert.equal('', r.output[5])
    assert.equal('', r.stdout)
  end)

  it('may stay unread', function()
    local stdio = { 'pipe', 'pipe', 'pipe', { input = ('x'):rep(1000000) } }
    local r = sh('exit 0', stdio)
    assert.equal(0, r.status)
    assert.is_nil(r.error)
    assert.equal('EPIPE', sh('exit 1', stdio).error.code)
  end)

  it('may take the place of stdin', function()
    assert.equal('in', sh('cat', { { input = 'in' } }).stdout)
  end)
end)

describe('spawnSync refuses in stdio', function()
  it('a channel', function()
    for _, call in ipairs { cp.spawnSync, cp.execSync, cp.execFileSync } do
      local err = t.raises('ERR_IPC_SYNC_FORK', call, 'true', { stdio = { 'ipc' } })
      assert.equal('IPC cannot be used with synchronous forks', err.message)
    end
    t.raises('ERR_INVALID_ARG_VALUE', cp.spawnSync, 'true', { stdio = 'ipc' })
  end)

  it('a word that means nothing', function()
    t.raises('ERR_INVALID_SYNC_FORK_INPUT', cp.spawnSync, 'true', { stdio = { 'foo' } })
    t.raises('ERR_INVALID_ARG_VALUE', cp.spawnSync, 'true', { stdio = 'foo' })
  end)

  it('input for what the program writes, and input that is no string', function()
    for _, stdio in ipairs { { 'pipe', { input = 'x' } }, { 1, 1, { input = 'x' } } } do
      t.raises('ERR_INVALID_ARG_VALUE', cp.spawnSync, 'true', { stdio = stdio })
    end
    local err = t.raises('ERR_INVALID_ARG_TYPE', cp.spawnSync, 'true', {
      stdio = { [4] = { input = 5 } },
    })
    assert.matches('options.stdio%[3%].input', err.message)
  end)

  it('the same in asynchronous calls', function()
    t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, 'true', {
      stdio = { { input = 'x' } },
    })
  end)

  it('an encoding that is none, before anything is started', function()
    local path = t.tmpdir() .. '/started'
    for _, call in ipairs { cp.spawnSync, cp.execFileSync } do
      t.raises('ERR_UNKNOWN_ENCODING', call, 'touch', { path }, { encoding = 'nope' })
    end
    assert.is_nil(t.slurp(path))
  end)
end)
