local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local EVENTS = { 'spawn', 'error', 'exit', 'close' }

-- Runs a command and hands what it printed to `check` when it has closed.
local function output_of(command, args, options, check)
  local child = cp.spawn(command, args, options)
  local out = t.collect(child.stdout)
  t.once(child, 'close', function(code, signal)
    check(out(), code, signal)
  end)
  return child
end

describe('cp.spawn, the life of a child', function()
  it('delivers output, exit code and end', function()
    output_of('echo', { 'hello, world!' }, nil, function(out, code, signal)
      assert.equal('hello, world!\n', out)
      assert.equal(0, code)
      assert.is_nil(signal)
    end)
  end)

  it('emits spawn, data, end, exit and close in that order', function()
    local child = cp.spawn('sh', { '-c', 'echo hi; read line; exit 3' })
    local seen, arguments = t.record(child, EVENTS)
    t.record(child.stdout, { 'data', 'end' }, seen)
    child.stdout:once('data', function()
      child.stdin:finish('go on\n')
    end)
    t.once(child, 'close', function()
      assert.equal('spawn', seen[1])
      assert.equal('data', seen[2])
      assert.equal('close', seen[#seen])
      local order = {}
      for i, name in ipairs(seen) do
        order[name] = i
      end
      assert.is_true(order.exit > order.data)
      assert.is_true(order['end'] < order.close)
      assert.same({ n = 2, 3, nil }, arguments[order.exit])
      assert.same({ n = 2, 3, nil }, arguments[order.close])
    end)
  end)

  it('emits spawn once, after the call and before everything else', function()
    local child = cp.spawn('sh', { '-c', 'echo out; echo err >&2' })
    local inside = true
    local spawned = false
    t.once(child, 'spawn', function()
      assert.is_false(inside)
      spawned = true
    end)
    local function after_spawn()
      assert.is_true(spawned)
    end
    for _, stream in ipairs { child.stdout, child.stderr } do
      stream:on('data', t.expect(after_spawn))
      stream:on('end', t.expect(after_spawn))
      stream:on('close', t.expect(after_spawn))
    end
    child:on('exit', t.expect(after_spawn))
    child:on('close', t.expect(after_spawn))
    inside = false
  end)

  it('emits spawn before a tick that the caller queues', function()
    local seen = t.record(cp.spawn 'true', { 'spawn' })
    cp.nextTick(t.expect(function()
      assert.same({ 'spawn' }, seen)
    end))
  end)

  it('has its fields from the start', function()
    local child = cp.spawn('sh', { '-c', 'exit 0' })
    assert.equal('integer', math.type(child.pid))
    assert.is_true(child.pid > 1)
    assert.equal('userdata', type(child))
    assert.equal('sh', child.spawnfile)
    assert.same({ 'sh', '-c', 'exit 0' }, child.spawnargs)
    assert.is_nil(child.exitCode)
    assert.is_nil(child.signalCode)
    assert.is_false(child.killed)
    assert.is_false(child.connected)
    assert.is_nil(child.channel)
    assert.equal(3, child.stdio.n)
    assert.equal(child.stdin, child.stdio[1])
    assert.equal(child.stdout, child.stdio[2])
    assert.equal(child.stderr, child.stdio[3])
    assert.is_nil(child.noSuchField)
  end)

  it('keeps its fields after the end', function()
    local child = cp.spawn('sh', { '-c', 'exit 7' })
    local pid = child.pid
    t.once(child, 'exit', function()
      assert.equal(7, child.exitCode)
      assert.is_nil(child.signalCode)
    end)
    t.once(child, 'close', function()
      assert.equal(pid, child.pid)
      assert.equal(7, child.exitCode)
      assert.is_false(child.killed)
    end)
  end)

  it('takes fields of the program that uses it', function()
    local child = cp.spawn 'true'
    child.label = 'mine'
    assert.equal('mine', child.label)
  end)

  it('reports each exit code exactly', function()
    for _, code in ipairs { 0, 1, 2, 23, 126, 127, 128, 137, 254, 255 } do
      local child = cp.spawn('sh', { '-c', 'exit ' .. code })
      t.once(child, 'exit', function(...)
        assert.same({ code, nil, n = 2 }, table.pack(...))
      end)
    end
    local child = cp.spawn(t.lua 'os.exit(256 + 5)')
    t.once(child, 'exit', function(code)
      assert.equal(5, code)
    end)
  end)

  it('reports 1 for a Lua program that ends by an error', function()
    local child = cp.spawn(t.lua 'error "on purpose"')
    local said = t.collect(child.stderr)
    t.once(child, 'close', function(code, signal)
      assert.equal(1, code)
      assert.is_nil(signal)
      assert.truthy(said():find('on purpose', 1, true))
    end)
  end)

  it('reports the signal that ended the child, and no code', function()
    for _, name in ipairs { 'INT', 'TERM', 'KILL', 'USR1', 'SEGV', 'PIPE', 'ALRM' } do
      local child = cp.spawn('sh', { '-c', ('kill -%s $$'):format(name) })
      t.once(child, 'exit', function(...)
        assert.same({ nil, 'SIG' .. name, n = 2 }, table.pack(...))
        assert.is_nil(child.exitCode)
        assert.equal('SIG' .. name, child.signalCode)
      end)
    end
  end)

  it('reports a signal without a name by its number', function()
    local child = cp.spawn('sh', { '-c', 'kill -40 $$' })
    t.once(child, 'close', function(...)
      assert.same({ nil, 40, n = 2 }, table.pack(...))
      assert.equal(40, child.signalCode)
    end)
    local result = cp.spawnSync('sh', { '-c', 'kill -40 $$' })
    assert.is_nil(result.status)
    assert.equal(40, result.signal)
  end)

  it('has reaped the child when exit comes', function()
    local child = cp.spawn 'true'
    t.once(child, 'exit', function()
      for _, pid in ipairs(t.children()) do
        assert.not_equal(child.pid, pid)
      end
      assert.is_false(child:kill(0))
    end)
  end)

  it('ends a chain of five nested children', function()
    local child = cp.spawn(t.lua('nest.lua', '5'))
    local out = t.collect(child.stdout)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('level 1\nlevel 2\nlevel 3\nlevel 4\nlevel 5\n', out())
    end)
  end)

  it('delivers a megabyte from each of 20 children, one after another', function()
    local left = 20
    local function next_one()
      local bytes = 0
      local child = cp.spawn('head', { '-c', '1024001', '/dev/zero' })
      child.stdout:on('data', function(chunk)
        bytes = bytes + #chunk
      end)
      child:on('close', function(code)
        assert.equal(0, code)
        assert.equal(1024001, bytes)
        left = left - 1
        if left > 0 then
          next_one()
        end
      end)
    end
    next_one()
    cp.run()
    assert.equal(0, left)
  end)
end)

describe('cp.spawn, its arguments', function()
  it('passes every byte of every argument', function()
    local args =
      { '%s\\0', '', ' ', 'a b', '"$x"', "it's", 'line\nend', '\xff\xfe', '-n', '*' }
    output_of('printf', args, nil, function(out)
      assert.equal(table.concat(args, '\0', 2) .. '\0', out)
    end)
  end)

  it('takes options where the arguments are nil or left out', function()
    output_of('pwd', nil, { cwd = '/dev' }, function(out)
      assert.equal('/dev\n', out)
    end)
    output_of('pwd', {}, { cwd = '/dev' }, function(out)
      assert.equal('/dev\n', out)
    end)
    local child = cp.spawn('pwd', { cwd = '/dev' })
    local out = t.collect(child.stdout)
    t.once(child, 'close', function()
      assert.equal('/dev\n', out())
      assert.same({ 'pwd' }, child.spawnargs)
    end)
  end)

  it('keeps its own copy of the arguments', function()
    local given = { 'a', 'b' }
    local child = cp.spawn('true', given)
    assert.same({ 'true', 'a', 'b' }, child.spawnargs)
    child.spawnargs[2] = 'changed'
    assert.same({ 'a', 'b' }, given)
  end)

  it('writes neither to the options nor to what they hold', function()
    local refuses = {
      __newindex = function()
        error 'written to'
      end,
    }
    local function sealed(content)
      return setmetatable(content, refuses)
    end
    local stdio, env = sealed { 'pipe' }, sealed { A = '1' }
    local options = sealed { stdio = stdio, env = env, cwd = '/', shell = true }
    local args = sealed { 'a' }
    cp.spawn('true', args, options)
    assert.same({ 'a' }, args)
    assert.same(
      { stdio = { 'pipe' }, env = { A = '1' }, cwd = '/', shell = true },
      options
    )
  end)

  it('takes no option from a metatable', function()
    local tampered = { __index = { cwd = '/dev', shell = true, argv0 = 'x' } }
    local options = setmetatable({ stdio = 'pipe' }, tampered)
    output_of('sh', { '-c', 'pwd; echo $0' }, options, function(out)
      assert.equal(t.root .. '\nsh\n', out)
    end)
  end)

  it('gives argv0 to the program instead of its name', function()
    output_of('cat', { '/proc/self/cmdline' }, nil, function(out)
      assert.equal('cat\0/proc/self/cmdline\0', out)
    end)
    local options = { argv0 = 'withArgv0' }
    local child = output_of('cat', { '/proc/self/cmdline' }, options, function(out)
      assert.equal('withArgv0\0/proc/self/cmdline\0', out)
    end)
    assert.equal('cat', child.spawnfile)
    assert.same({ 'withArgv0', '/proc/self/cmdline' }, child.spawnargs)
  end)

  it('accepts what only Windows knows', function()
    local options = { windowsHide = true, windowsVerbatimArguments = true }
    output_of('echo', { 'a' }, options, function(out)
      assert.equal('a\n', out)
    end)
  end)
end)

describe('cp.spawn, cwd', function()
  it('is ours by default', function()
    output_of('pwd', nil, nil, function(out)
      assert.equal(t.root .. '\n', out)
    end)
  end)

  it('also decides where a relative command is looked for', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/tool', '#!/bin/sh\npwd\n', '+x')
    output_of('./tool', {}, { cwd = folder }, function(out, code)
      assert.equal(0, code)
      assert.equal(folder .. '\n', out)
    end)
  end)

  it('may be a folder that has been removed', function()
    local folder = t.tmpdir()
    local exe, args = t.lua 'spawn_from_removed_folder.lua'
    local child = cp.spawn(exe, args, { cwd = folder })
    local out, said = t.collect(child.stdout), t.collect(child.stderr)
    t.once(child, 'close', function(code)
      assert.equal('', said())
      assert.equal('closed\t0\tnil\n', out())
      assert.equal(0, code)
    end)
  end)
end)

describe('cp.spawn, env', function()
  local function env_of(options, check)
    output_of('/usr/bin/env', {}, options, function(out)
      local found, count = {}, 0
      for name, value in out:gmatch '([^\n=]+)=([^\n]*)\n' do
        found[name] = value
        count = count + 1
      end
      check(found, count)
    end)
  end

  it('is that of this program by default', function()
    for _, options in ipairs { {}, { env = nil, windowsHide = true } } do
      env_of(options, function(found)
        assert.equal(os.getenv 'PATH', found.PATH)
        assert.equal(os.getenv 'HOME', found.HOME)
      end)
    end
  end)

  it('replaces, keeps case apart and keeps an empty value', function()
    local env =
      { HELLO = 'WORLD', dup = 'a', DUP = 'b', EMPTY = '', ['odd name'] = 'x=y' }
    env_of({ env = env }, function(found, count)
      assert.same(env, found)
      assert.equal(5, count)
    end)
  end)

  it('turns numbers and true into text and skips false', function()
    local env = { INT = 42, FLOAT = 1.5, YES = true, NO = false }
    env_of({ env = env }, function(found)
      assert.same({ INT = '42', FLOAT = '1.5', YES = 'true' }, found)
    end)
  end)

  it('follows what this program changes while it runs', function()
    local env = cp.process.env
    env.LCP_SPEC = 'set just now'
    env.hasOwnProperty = 'odd'
    env_of({}, function(found)
      assert.equal('set just now', found.LCP_SPEC)
      assert.equal('odd', found.hasOwnProperty)
    end)
    env.LCP_SPEC, env.hasOwnProperty = nil, nil
    env_of({}, function(found)
      assert.is_nil(found.LCP_SPEC)
      assert.is_nil(found.hasOwnProperty)
    end)
  end)

  it('may be empty', function()
    env_of({ env = {} }, function(_, count)
      assert.equal(0, count)
    end)
  end)

  it('takes nothing from a metatable', function()
    local env = setmetatable({ OWN = '1' }, { __index = { FOREIGN = '2' } })
    env_of({ env = env }, function(found)
      assert.same({ OWN = '1' }, found)
    end)
  end)

  it('without PATH has the command looked for where the system keeps its own', function()
    local child = cp.spawn('env', {}, { env = { A = '1' } })
    local out = t.collect(child.stdout)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('A=1\n', out())
    end)
  end)

  it('may have a folder in PATH whose name is too long, which is passed over', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/lcp-tool', '#!/bin/sh\necho found\n', '+x')
    for _, length in ipairs { 4085, 4096, 70000 } do
      local path = ('/'):rep(length) .. ':' .. folder
      local result = cp.execFile('lcp-tool', {}, { env = { PATH = path } }):wait()
      assert.equal('found\n', result.stdout)
    end
    local result = cp.execFile('no-such', { env = { PATH = ('/'):rep(5000) } }):wait()
    assert.equal('ENOENT', result.error.code)
  end)

  it('finds no command whose own name is too long', function()
    for _, path in ipairs { '/bin', '/bin:/usr/bin' } do
      local result = cp.execFile(('x'):rep(300), { env = { PATH = path } }):wait()
      assert.equal('ENAMETOOLONG', result.error.code)
    end
  end)

  it('says where the command is looked for', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/lcp-tool', '#!/bin/sh\nexit 7\n', '+x')
    local child = cp.spawn('lcp-tool', {}, { env = { PATH = folder } })
    t.once(child, 'close', function(code)
      assert.equal(7, code)
    end)
  end)
end)

describe('cp.spawn, shell', function()
  it('runs /bin/sh -c for true', function()
    local child = output_of('echo foo', {}, { shell = true }, function(out)
      assert.equal('foo\n', out)
    end)
    assert.equal('/bin/sh', child.spawnfile)
    assert.same({ '/bin/sh', '-c', 'echo foo' }, child.spawnargs)
  end)

  it('joins the arguments to the command with spaces, as they are', function()
    local options = { shell = true, env = { X = 'value', PATH = os.getenv 'PATH' } }
    local child = output_of('echo', { 'a', '"b  c"', '$X' }, options, function(out)
      assert.equal('a b  c value\n', out)
    end)
    assert.equal('echo a "b  c" $X', child.spawnargs[3])
  end)

  it('may be another program', function()
    local folder = t.tmpdir()
    local shell = t.write_file(folder .. '/fake', '#!/bin/sh\necho "$#:$1:$2"\n', '+x')
    local child = output_of('a command', {}, { shell = shell }, function(out)
      assert.equal('2:-c:a command\n', out)
    end)
    assert.equal(shell, child.spawnfile)
  end)

  it('reports an unknown command as exit code 127, without an error', function()
    local child = cp.spawn('does_not_exist_lcp', {}, { shell = true })
    child:on('error', t.never 'error')
    local said = t.collect(child.stderr)
    t.once(child, 'close', function(code)
      assert.equal(127, code)
      assert.truthy(said():find 'not found')
    end)
  end)

  it('joins programs by a pipe', function()
    output_of('echo bar | cat', {}, { shell = true }, function(out)
      assert.equal('bar\n', out)
    end)
  end)

  it('is not used unless it is asked for', function()
    output_of('echo', { '$HOME; false' }, { shell = false }, function(out)
      assert.equal('$HOME; false\n', out)
    end)
  end)
end)
