-- Mistakes that are easily made: the message says what to write instead.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local TYPE = 'ERR_INVALID_ARG_TYPE'

-- Every call that must raise: the code, what the message ends with, the function and its
-- arguments.
local function all_raise(cases)
  for _, case in ipairs(cases) do
    local err = t.raises(case[1], table.unpack(case, 3))
    local ending = case[2]
    assert.equal(ending, err.message:sub(-#ending))
  end
  assert.same({}, t.children())
end

describe('a message says what to write instead', function()
  it('of a function of the module with a colon', function()
    local advice = 'Received the module itself: its functions are called with a dot, '
      .. 'as in cp.spawn(…)'
    all_raise {
      { TYPE, advice, cp.exec, cp, 'ls' },
      { TYPE, advice, cp.spawn, cp, 'ls' },
      { TYPE, advice, cp.execSync, cp, 'ls' },
      { TYPE, advice, cp.setTimeout, cp, print, 10 },
      { TYPE, advice, cp.await, cp, print },
      { TYPE, advice, cp.wait, cp, {} },
      { 'ERR_INVALID_ARG_VALUE', advice, cp.run, cp },
    }
  end)

  it('of a command line in a table', function()
    all_raise {
      { TYPE, "; write cp.execFile('ls', { '-l' })", cp.exec, { 'ls', '-l' } },
      { TYPE, "; write cp.execFileSync('ls', { '-l' })", cp.execSync, { 'ls', '-l' } },
      { TYPE, "; write cp.spawn('ls', { '-l' })", cp.spawn, { 'ls', '-l' } },
      { TYPE, "; write cp.spawn('ls')", cp.spawn, { 'ls' } },
      { TYPE, 'Received a table', cp.spawn, { cwd = '/' } },
    }
  end)

  it('of arguments that are not in a table', function()
    all_raise {
      { TYPE, "; write cp.spawn('ls', { '-l' })", cp.spawn, 'ls', '-l' },
      { TYPE, "; write cp.execFile('ls', { '-l' })", cp.execFile, 'ls', '-l', print },
      { TYPE, "; write cp.execFile('ls', { '-l' })", cp.exec, 'ls', { '-l' } },
    }
  end)

  it('of a callback for a call that has none', function()
    local later = "; spawn takes no callback: listen for 'close', or use cp.execFile"
    local sync = '; spawnSync takes no callback: it returns the result'
    all_raise {
      { TYPE, later, cp.spawn, 'ls', print },
      { TYPE, later, cp.spawn, 'ls', { '-l' }, print },
      { TYPE, sync, cp.spawnSync, 'ls', print },
      { TYPE, sync, cp.spawnSync, 'ls', { '-l' }, print },
    }
  end)

  it('of a misspelled word for stdio, and at which place it stands', function()
    local code = 'ERR_INVALID_SYNC_FORK_INPUT'
    local err = t.raises(code, cp.spawn, 'ls', { stdio = { 'pipe', 'pip' } })
    assert.equal(
      "options.stdio[2] must be 'pipe', 'overlapped', 'ignore', 'inherit', 'ipc', "
        .. "a descriptor, a file or a stream. Received 'pip'; did you mean 'pipe'?",
      err.message
    )
    all_raise {
      { code, "did you mean 'inherit'?", cp.spawnSync, 'ls', { stdio = { 'inherits' } } },
      {
        'ERR_INVALID_ARG_VALUE',
        "; did you mean 'pipe'?",
        cp.fork,
        'x',
        {
          stdio = 'pip',
        },
      },
      {
        'ERR_INVALID_ARG_VALUE',
        "; did you mean 'ignore'?",
        cp.spawn,
        'x',
        {
          stdio = 'ignored',
        },
      },
    }
  end)

  it('of children that are not in an array', function()
    local a, b = cp.spawn 'true', cp.spawn 'true'
    local err = t.raises(TYPE, cp.wait, a, b)
    assert.equal(
      'The "children" argument must be an array. Received an instance of ChildProcess; '
        .. 'write cp.wait { a, b }',
      err.message
    )
  end)

  it('of a file of Lua as the end of a pipe', function()
    local child = cp.spawn 'true'
    local err = t.raises(TYPE, child.stdout.pipe, child.stdout, io.stdout)
    assert.equal(
      'The "dest" argument must be a writable stream. Received an instance of FILE*; '
        .. 'for io.stdout there is cp.process.stdout',
      err.message
    )
    for _, dest in ipairs { 5, 'text', true, cp.null, print, {}, child } do
      err = t.raises(TYPE, child.stdout.pipe, child.stdout, dest)
      assert.is_nil(err.message:find 'io.stdout')
    end
  end)

  it('of a command line in the place of a program', function()
    local text = "spawn%s ls -l 'a' ENOENT: there is no program 'ls -l \\'a\\''; pass "
      .. "its arguments in a table: 'ls', { '-l', '\\'a\\'' }, or the whole line "
      .. 'to cp.exec'
    local command = "ls -l 'a'"
    local err = cp.spawn(command):wait().error
    assert.equal(text:format '', err.message)
    assert.equal(command, err.path)
    assert.equal('ENOENT', err.code)
    assert.equal(text:format 'Sync', cp.spawnSync(command).error.message)
    err = cp.spawn('/bin/ls -l'):wait().error
    assert.truthy(err.message:find("'/bin/ls', { '-l' }", 1, true), err.message)
  end)

  it('of nothing else that is not found', function()
    for _, name in ipairs { 'no-such', '/no/such place', './no such', ' ', 'no-such ' } do
      assert.equal(('spawn %s ENOENT'):format(name), cp.spawn(name):wait().error.message)
    end
  end)
end)
