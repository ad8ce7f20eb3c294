-- stdin, stdout and stderr by name; what two descriptors share; files by their paths.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local VALUE, TYPE = 'ERR_INVALID_ARG_VALUE', 'ERR_INVALID_ARG_TYPE'

local function sh(script, options)
  return cp.spawn('sh', { '-c', script }, options)
end

local function message(options)
  local ok, err = pcall(cp.spawn, 'true', options)
  assert.is_false(ok)
  return err.code, err.message
end

describe('the options stdin, stdout and stderr', function()
  it('stand for the first three items of stdio', function()
    local path = t.write_file(t.tmpdir() .. '/in', 'from a file\n')
    local file <close> = assert(io.open(path))
    local child = sh('cat; echo err >&2', { stdin = file, stderr = 'ignore' })
    assert.is_nil(child.stdin)
    assert.is_nil(child.stderr)
    assert.equal('from a file\n', child:wait().stdout)
  end)

  it('leave what they do not name as it is by default', function()
    local child = sh('cat', { stdout = 'ignore' })
    assert.is_truthy(child.stdin and child.stderr)
    assert.is_nil(child.stdout)
    child.stdin:finish()
  end)

  it('fill slots of stdio that are open', function()
    local script = 'echo out; echo err >&2; echo three >&3'
    local stdio = { 'ignore', nil, false, 'pipe' }
    local child = sh(script, { stdio = stdio, stdout = 'ignore', stderr = 'pipe' })
    assert.is_nil(child.stdout)
    local three = t.collect(child.stdio[4])
    assert.equal('err\n', child:wait().stderr)
    assert.equal('three\n', three())
    assert.same({ 'ignore', nil, false, 'pipe' }, stdio)
  end)

  it('are as if they were not there when they are false or cp.null', function()
    local child = sh('echo x', { stdio = 'pipe', stdout = false, stderr = cp.null })
    assert.equal('x\n', child:wait().stdout)
  end)

  it('cannot be given together with the same slot of stdio', function()
    local both = {
      stdin = { stdio = { 'ignore' }, stdin = 'ignore' },
      stdout = { stdio = 'pipe', stdout = 'pipe' },
      stderr = { customFds = { -1, -1, 2 }, stderr = 'ignore' },
    }
    for name, options in pairs(both) do
      local code, text = message(options)
      assert.equal(VALUE, code)
      assert.equal(1, (text:find("The property 'options." .. name, 1, true)))
    end
    t.raises(VALUE, cp.execSync, 'true', { stdio = 'inherit', stderr = 'pipe' })
    t.raises(VALUE, cp.fork, 'x.lua', { stdio = 'inherit', stderr = 'pipe' })
  end)

  it('are refused as items of stdio are, by their own names', function()
    for _, value in ipairs { {}, true, cp.exec, 1.5 } do
      local code, text = message { stderr = value }
      assert.equal(VALUE, code)
      assert.equal(1, (text:find("The property 'options.stderr' ", 1, true)))
    end
    local code, text = message { stdout = 'pip' }
    assert.equal('ERR_INVALID_SYNC_FORK_INPUT', code)
    assert.is_truthy(text:find('^options.stdout must be'))
    assert.is_truthy(text:find("did you mean 'pipe'?", 1, true))
    t.raises('ERR_IPC_ONE_PIPE', cp.spawn, 'true', { stdin = 'ipc', stdout = 'ipc' })
  end)

  it('say how a file is named, to who gives a path', function()
    local _, text = message { stdout = 'out.log' }
    local advice = "; for a file of that name write { file = 'out.log' }"
    assert.equal(advice, text:sub(-#advice))
  end)

  it('are options of exec and execFile', function()
    local file = assert(io.tmpfile())
    local options = { stdin = 'ignore', stdout = file }
    local done
    local child = cp.exec('cat; echo out; echo err >&2', options, function(err, out, text)
      done = { err, out, text }
    end)
    assert.is_nil(child.stdout)
    cp.run()
    assert.same({ nil, '', 'err\n' }, done)
    file:seek 'set'
    assert.equal('out\n', file:read 'a')
    file:close()
    assert.equal('x\n', cp.execFile('echo', { 'x' }, { stderr = 'ignore' }):wait().stdout)
  end)

  it('are options of fork, in the place of inherit and of silent', function()
    local code = "print 'out'; io.stderr:write 'err'; process:send 'sent'"
    local path = t.write_file(t.tmpdir() .. '/worker.lua', code)
    local variants = { { stderr = 'pipe' }, { silent = true, stdin = 'ignore' } }
    for _, options in ipairs(variants) do
      options.stdout = 'pipe'
      local child = cp.fork(path, {}, options)
      local messages = {}
      child:on('message', function(m)
        messages[#messages + 1] = m
      end)
      assert.is_nil(child.stdin)
      local result = child:wait()
      assert.same({ 'out\n', 'err' }, { result.stdout, result.stderr })
      assert.same({ 'sent' }, messages)
    end
  end)

  it('fill open slots of a stdio that fork gets', function()
    local path = t.write_file(t.tmpdir() .. '/worker.lua', "io.stderr:write 'err'")
    local stdio = { 'ignore', 'ignore', nil, 'ipc' }
    local child = cp.fork(path, {}, { stdio = stdio, stderr = 'pipe' })
    assert.equal('err', child:wait().stderr)
  end)

  it('are options of the calls that wait', function()
    local result = cp.spawnSync('sh', { '-c', 'cat; echo err >&2' }, {
      stdin = { input = 'given' },
      stderr = 'ignore',
    })
    assert.equal('given', result.stdout)
    assert.is_nil(result.stderr)
    assert.is_nil(cp.execSync('echo x', { stdout = 'ignore' }))
    assert.equal('x\n', cp.execFileSync('echo', { 'x' }, { stdin = 'ignore' }))
    t.raises('ERR_IPC_SYNC_FORK', cp.execSync, 'true', { stdout = 'ipc' })
    t.raises(TYPE, cp.execSync, 'true', { stdin = { input = 1 } })
    t.raises(VALUE, cp.execSync, 'true', { stdout = { input = 'x' } })
  end)

  it(
    'keep stderr of execSync from being shown when they name it, and only then',
    function()
      local program = [[
      local cp = require 'child_process'
      cp.execSync('echo one >&2', { stdout = 'ignore' })
      cp.execSync('echo two >&2', { stderr = 'pipe' })]]
      local file, args = t.lua(program)
      assert.equal('one\n', cp.spawnSync(file, args).stderr)
    end
  )

  it('do not give stdin of ours to a worker that has one by default', function()
    local code = [[
      local cp = require 'child_process'
      cp.process.stdin:once('data', function(text) print('ours ' .. text) end)
      local child = cp.fork(arg[1], {}, { stdin = 'inherit' })
      child:wait()
      cp.process.stdin:pause()]]
    local worker = t.write_file(t.tmpdir() .. '/worker.lua', "print('its ' .. io.read())")
    local file, args = t.lua(code)
    args[#args + 1] = worker
    local result = cp.spawnSync(file, args, { input = 'line\n' })
    assert.equal('its line\n', result.stdout)
  end)

  it('are options of a ChildProcess made by hand', function()
    local child = cp.ChildProcess()
    child:spawn { file = 'sh', args = { 'sh', '-c', 'echo x >&2' }, stderr = 'stdout' }
    assert.equal('x\n', child:wait().stdout)
  end)
end)

describe('stderr = "stdout"', function()
  local script = 'for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done'
  local merged = ''
  for i = 1, 5 do
    merged = merged .. ('out %d\nerr %d\n'):format(i, i)
  end

  it('brings both in the order in which they were written', function()
    local child = sh(script, { stderr = 'stdout' })
    assert.is_nil(child.stderr)
    assert.is_nil(child.stdio[3])
    local result = child:wait()
    assert.equal(merged, result.stdout)
    assert.is_nil(result.stderr)
  end)

  it('is an item of stdio as well', function()
    local child = sh(script, { stdio = { 'ignore', 'pipe', 'stdout' } })
    assert.equal(merged, child:wait().stdout)
  end)

  it('is an option of exec and of the calls that wait', function()
    local seen
    cp.exec(script, { stderr = 'stdout' }, function(err, out, text)
      seen = { err, out, text }
    end)
    cp.run()
    assert.same({ nil, merged, '' }, seen)
    assert.is_nil(cp.exec(script, { stderr = 'stdout' }):wait().stderr)
    local result = cp.spawnSync('sh', { '-c', script }, { stderr = 'stdout' })
    assert.same({ merged, nil }, { result.stdout, result.stderr })
    assert.equal(merged, cp.execSync(script, { stderr = 'stdout' }))
  end)

  it('goes where stdout goes: a file, nowhere, or our own', function()
    local path = t.tmpdir() .. '/log'
    sh(script, { stdout = { file = path }, stderr = 'stdout' }):wait()
    assert.equal(merged, t.slurp(path))
    local code = 'readlink /proc/self/fd/2 >&3'
    local stdio = { 'ignore', 'ignore', 'stdout', 'pipe' }
    local child = sh(code, { stdio = stdio })
    local three = t.collect(child.stdio[4])
    child:wait()
    assert.equal('/dev/null\n', three())
    local program = [[
      local cp = require 'child_process'
      local options = { stdout = 'inherit', stderr = 'stdout' }
      cp.spawnSync('sh', { '-c', 'echo out; echo err >&2' }, options)]]
    local file, args = t.lua(program)
    local result = cp.spawnSync(file, args)
    assert.same({ 'out\nerr\n', '' }, { result.stdout, result.stderr })
  end)

  it('can be said of no other descriptor', function()
    for _, options in ipairs {
      { stdin = 'stdout' },
      { stdout = 'stdout' },
      { stdio = { 'stdout' } },
      { stdio = { 'pipe', 'stdout' } },
      { stdio = { 'pipe', 'pipe', 'pipe', 'stdout' } },
      { stdio = 'stdout' },
    } do
      t.raises(VALUE, cp.spawn, 'true', options)
    end
  end)

  it('cannot be said where stdout is the channel', function()
    local stdio = { 'ignore', 'ipc', 'stdout' }
    t.raises(VALUE, cp.spawn, 'true', { stdio = stdio })
  end)
end)

describe('{ file = path }', function()
  it('is read by the child at descriptor 0', function()
    local path = t.write_file(t.tmpdir() .. '/in', 'content\n')
    local child = sh('cat', { stdin = { file = path } })
    assert.is_nil(child.stdin)
    assert.equal('content\n', child:wait().stdout)
    assert.equal('content\n', cp.execSync('cat', { stdin = { file = path } }))
  end)

  it('is made, or emptied, and written elsewhere', function()
    local path = t.write_file(t.tmpdir() .. '/three', 'what was there before')
    local stdio = { 'ignore', 'ignore', 'ignore', { file = path } }
    local child = sh('echo three >&3', { stdio = stdio })
    assert.is_nil(child.stdio[4])
    child:wait()
    assert.equal('three\n', t.slurp(path))
    cp.execSync('echo out', { stdout = { file = path } })
    assert.equal('out\n', t.slurp(path))
  end)

  it('is added to with `append`, by several children at once', function()
    local path = t.write_file(t.tmpdir() .. '/log', 'before\n')
    local log = { file = path, append = true }
    local children = {}
    for i = 1, 5 do
      children[i] = sh('echo out; echo err >&2', { stdout = log, stderr = log })
    end
    cp.wait(children)
    local text = t.slurp(path)
    assert.equal('before\n', text:sub(1, 7))
    assert.equal(7 + 5 * 8, #text)
    assert.same({ file = path, append = true }, log)
  end)

  it('has the permissions of `mode`, less what our umask takes away', function()
    local folder = t.tmpdir()
    local mask = cp.process:umask(tonumber('022', 8))
    local wanted = { ['666'] = 'rw-r--r--', ['0600'] = 'rw-------', [511] = 'rwxr-xr-x' }
    for mode, shown in pairs(wanted) do
      local path = folder .. '/' .. mode
      cp.execSync('true', { stdout = { file = path, mode = mode } })
      assert.equal(shown, require('lfs').attributes(path, 'permissions'))
    end
    cp.execSync('true', { stdout = { file = folder .. '/default' } })
    local default = require('lfs').attributes(folder .. '/default', 'permissions')
    assert.equal('rw-r--r--', default)
    cp.process:umask(mask)
  end)

  it('is looked for in our directory, not in that of the child', function()
    local folder = t.tmpdir()
    local before = cp.process:cwd()
    cp.process:chdir(folder)
    local ok, err = pcall(cp.execSync, 'pwd', { cwd = '/', stdout = { file = 'here' } })
    cp.process:chdir(before)
    assert.is_true(ok, err)
    assert.equal('/\n', t.slurp(folder .. '/here'))
  end)

  it('that cannot be opened is a start that failed, with its path', function()
    local path = t.tmpdir() .. '/no/such'
    local child = sh('true', { stdout = { file = path } })
    local seen, arguments = t.record(child, { 'spawn', 'error', 'exit', 'close' })
    cp.run()
    assert.same({ 'error', 'close' }, seen)
    local err = arguments[1][1]
    assert.same({ 'ENOENT', 'stdio', path }, { err.code, err.stage, err.path })
    assert.equal(("spawn sh ENOENT: cannot open the file '%s'"):format(path), err.message)
    local result = cp.spawnSync('true', { stdin = { file = path } })
    err = result.error
    assert.equal('spawn', result.reason)
    assert.same({ 'ENOENT', 'stdio', path }, { err.code, err.stage, err.path })
    local folder = t.tmpdir()
    err = sh('true', { stderr = { file = folder } }):wait().error
    assert.same({ 'EISDIR', folder }, { err.code, err.path })
  end)

  it('that cannot be opened leaves nothing open of those before it', function()
    local folder = t.tmpdir()
    local first = { file = folder .. '/first' }
    local options = { stdout = first, stderr = { file = folder .. '/no/such' } }
    assert.equal('spawn', sh('true', options):wait().reason)
    assert.equal('spawn', cp.spawnSync('true', options).reason)
    assert.equal('', t.slurp(first.file))
  end)

  it('never waits for the other side of a named pipe', function()
    local path = t.tmpdir() .. '/fifo'
    cp.execFileSync('mkfifo', { path })
    local err = cp.spawnSync('true', { stdout = { file = path } }).error
    assert.same({ 'ENXIO', path }, { err.code, err.path })
    local reader = cp.spawn('cat', {}, { stdin = { file = path } })
    assert.equal('', reader:wait().stdout)
  end)

  it('is one to wait for, once it is open', function()
    local path = t.tmpdir() .. '/fifo'
    cp.execFileSync('mkfifo', { path })
    local both <close> = assert(io.open(path, 'r+'))
    local child = sh('echo ready; read line; echo "$line"', { stdin = { file = path } })
    assert.equal('ready', child.stdout:read 'l')
    both:write 'late\n'
    both:flush()
    assert.equal('late', child.stdout:read 'l')
    child:wait()
  end)

  it('reaches no other child', function()
    local path = t.tmpdir() .. '/log'
    local child = sh('read line', { stdout = { file = path } })
    local list = cp.execSync 'ls -l /proc/self/fd'
    assert.is_nil(list:find(path, 1, true))
    child.stdin:finish()
  end)

  it('refuses what it does not know, by its name', function()
    for _, case in ipairs {
      { { file = 'x', apend = true }, VALUE, "'apend' is not a field of options.stdout" },
      { { fil = 'x' }, VALUE, "'fil' is not a field of options.stdout; did you mean" },
      { { append = true }, TYPE, 'The "options.stdout.file" property must be' },
      { { file = 5 }, TYPE, 'The "options.stdout.file" property must be of type string' },
      { { file = '' }, VALUE, "The property 'options.stdout.file' cannot be empty" },
      { { file = 'a\0b' }, VALUE, "The property 'options.stdout.file' must be a string" },
      {
        { file = 'x', append = 1 },
        TYPE,
        'The "options.stdout.append" property must be',
      },
      { { file = 'x', mode = '8' }, VALUE, "The property 'options.stdout.mode' must be" },
      {
        { file = 'x', mode = 512 },
        'ERR_OUT_OF_RANGE',
        'The value of "options.stdout.m',
      },
      { { file = 'x', [1] = 'y' }, VALUE, '1 is not a field of options.stdout' },
    } do
      local code, text = message { stdout = case[1] }
      assert.same({ case[2], 1 }, { code, (text:find(case[3], 1, true)) }, text)
    end
    local code, text = message { stdio = { 'pipe', { file = 'x', mod = 1 } } }
    local expected = "'mod' is not a field of options.stdio[2]; did you mean 'mode'?"
    assert.same({ VALUE, expected }, { code, text })
    code, text = message { stdin = { file = 'x', append = true } }
    assert.equal(VALUE, code)
    assert.is_truthy(text:find('options.stdin.append', 1, true))
  end)
end)
