local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- Calls fn(...), which must raise; returns the error value.
local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal('table', type(err))
  return err
end

-- What a Lua program leaves on its two outputs.
local function outputs_of(program)
  local r = cp.spawnSync(t.lua(program))
  assert.equal(0, r.status, r.stderr)
  return r.stdout, r.stderr
end

describe('execSync', function()
  it('returns what the command has written', function()
    assert.equal('a b\n', cp.execSync 'echo a | sed "s/$/ b/"')
    assert.equal('', cp.execSync 'true')
  end)

  it('takes the options of spawnSync', function()
    assert.equal('/\n', cp.execSync('pwd', { cwd = '/' }))
    assert.equal('IN', cp.execSync('tr a-z A-Z', { input = 'in' }))
    assert.equal('610a', cp.execSync('echo a', { encoding = 'hex' }))
    assert.is_nil(cp.execSync('true', { stdio = 'ignore' }))
  end)

  it('uses another shell if it is told to, and always one', function()
    local shell = t.write_file(t.tmpdir() .. '/shell', '#!/bin/sh\necho "$@"\n', '+x')
    assert.equal('-c echo x\n', cp.execSync('echo x', { shell = shell }))
    assert.equal('x\n', cp.execSync('echo x', { shell = false }))
  end)

  it('raises when the command fails, with all that there is', function()
    local err =
      error_of(cp.execSync, 'echo out; echo err >&2; exit 3', { stdio = 'pipe' })
    assert.equal('Command failed: echo out; echo err >&2; exit 3\nerr\n', err.message)
    assert.equal('Error: ' .. err.message, tostring(err))
    assert.equal(3, err.status)
    assert.is_nil(err.signal)
    assert.is_nil(err.code)
    assert.is_nil(err.error)
    assert.equal('out\n', err.stdout)
    assert.equal('err\n', err.stderr)
    assert.same({ nil, 'out\n', 'err\n', n = 3 }, err.output)
    assert.equal('number', type(err.pid))
  end)

  it('raises when a signal ends the command', function()
    local err = error_of(cp.execSync, 'kill -KILL $$')
    assert.equal('Command failed: kill -KILL $$', err.message)
    assert.is_nil(err.status)
    assert.equal('SIGKILL', err.signal)
  end)

  it('raises the error of the call after a timeout, with the output so far', function()
    local err = error_of(cp.execSync, 'echo a; exec sleep 30', { timeout = 300 })
    assert.equal('spawnSync /bin/sh ETIMEDOUT', err.message)
    assert.equal('ETIMEDOUT', err.code)
    assert.equal('/bin/sh', err.path)
    assert.same({ '-c', 'echo a; exec sleep 30' }, err.spawnargs)
    assert.equal('SIGTERM', err.signal)
    assert.equal('a\n', err.stdout)
    assert.equal(err, err.error)
  end)

  it('raises ENOBUFS beyond maxBuffer, with the output so far', function()
    local err = error_of(cp.execSync, 'echo 123456', { maxBuffer = 2 })
    assert.equal('ENOBUFS', err.code)
    assert.equal('123456\n', err.stdout)
    local all = cp.execSync 'head -c 1048575 /dev/zero; echo'
    assert.equal(1048576, #all)
  end)

  it('raises when the shell is missing', function()
    local err = error_of(cp.execSync, 'true', { shell = '/nowhere/sh' })
    assert.equal('spawnSync /nowhere/sh ENOENT', err.message)
    assert.equal(0, err.pid)
    assert.is_nil(err.stdout)
  end)
end)

describe('execFileSync', function()
  it('returns what the program has written, of arguments as they are', function()
    assert.equal('$HOME *\n', cp.execFileSync('echo', { '$HOME', '*' }))
    assert.equal('x', cp.execFileSync('cat', { input = 'x' }))
    assert.equal('', cp.execFileSync 'true')
  end)

  it('raises with the command line in the message', function()
    local err = error_of(cp.execFileSync, 'sh', { '-c', 'exit 2' })
    assert.equal('Command failed: sh -c exit 2', err.message)
    assert.equal(2, err.status)
    err = error_of(cp.execFileSync, 'sh', { '-c', 'exit 2' }, { argv0 = 'zz' })
    assert.equal('Command failed: zz -c exit 2', err.message)
    err = error_of(cp.execFileSync, 'exit', { 2 }, { shell = true })
    assert.equal('Command failed: exit 2', err.message)
  end)

  it('raises when the program is missing', function()
    local err = error_of(cp.execFileSync, 'lcp_nope', { 'a' })
    assert.equal('spawnSync lcp_nope ENOENT', err.message)
    assert.equal('ENOENT', err.code)
    assert.same({ 'a' }, err.spawnargs)
    assert.equal('exec', err.stage)
    assert.equal(err, err.error)
    assert.equal(0, err.pid)
  end)
end)

describe("the program's stderr", function()
  it('is shown on ours, and is in the error', function()
    local out, err = outputs_of [[
      local cp = require 'child_process'
      cp.execFileSync('sh', { '-c', 'echo seen >&2; echo unseen' })
      local ok, e = pcall(cp.execSync, 'echo also >&2; exit 1')
      print(ok, e.stderr)
    ]]
    assert.equal('seen\nalso\n', err)
    assert.equal('false\talso\n\n', out)
  end)

  it('is not shown if stdio is given, nor by spawnSync', function()
    local out, err = outputs_of [[
      local cp = require 'child_process'
      cp.execSync('echo a >&2', { stdio = 'pipe' })
      cp.execSync('echo b >&2', { stdio = { 'pipe', 'pipe', 'ignore' } })
      cp.spawnSync('sh', { '-c', 'echo c >&2' })
    ]]
    assert.equal('', out .. err)
  end)

  -- How many of 900000 bytes come out behind a slow reader, after `prepare` in a shell.
  local function shown_slowly(prepare)
    local program = ([[
      os.execute %q
      require('child_process').execSync('head -c 900000 /dev/zero >&2')
    ]]):format(prepare)
    local file, args = t.lua(program)
    local script = '{ "$0" "$@" 2>&1 >&3 | { sleep 0.1; wc -c; }; } 3>&1'
    local r = cp.spawnSync('sh', { '-c', script, file, table.unpack(args) })
    return r.stdout:match '%d+'
  end

  it('is shown whole, whoever reads ours how slowly', function()
    assert.equal('900000', shown_slowly 'true')
  end)

  it('is shown whole also where ours does not block', function()
    local prepare = 'dd if=/dev/null oflag=nonblock status=none >&2'
    assert.equal('900000', shown_slowly(prepare))
  end)

  it('that nobody reads any more is no reason to die', function()
    local program = [[
      local cp = require 'child_process'
      io.read 'l'
      cp.execSync 'echo lost >&2'
      print 'done'
    ]]
    local child = cp.spawn(t.lua(program))
    local out = t.collect(child.stdout)
    child.stderr:destroy()
    child.stderr:on('close', function()
      child.stdin:finish '\n'
    end)
    t.once(child, 'close', function(code, signal)
      assert.equal('done\n', out())
      assert.equal(0, code)
      assert.is_nil(signal)
    end)
  end)
end)
