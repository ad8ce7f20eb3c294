-- An array as an item of stdio: what a child writes goes to several targets at once.
local fake = require 'spec.support.fake_handle'
local stream = require 'child_process.stream'
local t = require 'spec.helper'
local targets = require 'spec.support.targets'
local tee = require 'child_process.tee'
local cp = t.cp
local it = t.wrap(it)

local VALUE = 'ERR_INVALID_ARG_VALUE'
local SIZE = targets.SIZE

local numbers = targets.numbers
local sh, writer, runs = targets.sh, targets.writer, targets.runs

describe('an array for stdout', function()
  it('brings every byte to each of its targets', function()
    local folder = t.tmpdir()
    local file = assert(io.open(folder .. '/lua', 'wb'))
    local reader, writing = targets.pipe()
    local _, from_number = targets.read(reader)
    local cat = cp.spawn('cat', {}, { stdout = { file = folder .. '/cat' } })
    local child = writer {
      stdout = { 'pipe', file, { file = folder .. '/path' }, cat.stdin, writing },
    }
    targets.close(writing)
    local result = child:wait()
    file:close()
    cat.stdin:finish()
    cat:wait()
    cp.run()
    local expected = numbers()
    assert.is_nil(result.error)
    for name, text in pairs {
      result = result.stdout,
      file = t.slurp(folder .. '/lua'),
      path = t.slurp(folder .. '/path'),
      stream = t.slurp(folder .. '/cat'),
      number = from_number(),
    } do
      assert.is_true(text == expected, name)
    end
  end)

  it('shows and collects, of both outputs, in exec and execFile, too', function()
    local program = [[
      local cp = require 'child_process'
      local both = { 'inherit', 'pipe' }
      local options = { stdout = both, stderr = both }
      local script = 'echo out; echo err >&2'
      local result = cp.spawn('sh', { '-c', script }, options):wait()
      assert(result.stdout == 'out\n' and result.stderr == 'err\n')
      cp.exec(script, options, function(err, out, text)
        assert(err == nil and out == 'out\n' and text == 'err\n')
      end)
      cp.run()
      cp.execFile('sh', { '-c', script }, options, function(err, out, text)
        assert(err == nil and out == 'out\n' and text == 'err\n')
      end)
      cp.run()]]
    runs(program, { ('out\n'):rep(3), ('err\n'):rep(3), 0 })
  end)

  it('takes the words and numbers that an item may be', function()
    local program = [[
      local cp = require 'child_process'
      local stdio = { 'ignore', { 1, 2, 'ignore', -1 }, 'ignore' }
      local child = cp.spawn('echo', { 'out' }, { stdio = stdio })
      assert(child.stdout)
      child.stdout:on('data', function(chunk) assert(chunk == 'out\n') end)
      cp.run()]]
    runs(program, { 'out\n', 'out\n', 0 })
  end)

  it('gives no stream to read without a pipe among them', function()
    local path = t.tmpdir() .. '/log'
    local child = sh('echo out; echo err >&2', {
      stdout = { { file = path } },
      stderr = { { file = path .. '2', mode = '600' } },
    })
    assert.is_nil(child.stdout)
    assert.is_nil(child.stdio[2])
    local result = child:wait()
    assert.same({ nil, nil }, { result.stdout, result.stderr })
    assert.equal('out\n', t.slurp(path))
    assert.equal('err\n', t.slurp(path .. '2'))
    assert.equal('', cp.exec('echo x', { stdout = { 'ignore' } }, function(_, out)
      assert.equal('', out)
    end) and '')
  end)

  it('keeps the loop alive with the child, where it has no stream', function()
    local path = t.tmpdir() .. '/log'
    local child = cp.spawn('cat', { stdio = { 'pipe', { { file = path } }, 'ignore' } })
    child.stdin:unref()
    assert.equal(child, child:unref())
    assert.is_false(cp.run()) -- returns, although the child goes on
    assert.equal(child, child:ref())
    child.stdin:finish 'all'
    cp.run()
    assert.equal(0, child.exitCode)
    assert.equal('all', t.slurp(path))
  end)

  it('may be met by stderr = "stdout"', function()
    local path = t.tmpdir() .. '/log'
    local child = sh('echo 1; echo 2 >&2; echo 3', {
      stdout = { 'pipe', { file = path } },
      stderr = 'stdout',
    })
    local result = child:wait()
    assert.same({ '1\n2\n3\n', nil }, { result.stdout, result.stderr })
    assert.equal('1\n2\n3\n', t.slurp(path))
  end)

  it('may stand for any descriptor that is written', function()
    local path = t.tmpdir() .. '/log'
    local stdio = { 'ignore', 'ignore', 'ignore', { 'pipe', { file = path } } }
    local child = sh('echo three >&3', { stdio = stdio })
    local out = t.collect(child.stdio[4])
    assert.is_false(child.stdio[4].writable)
    child:wait()
    assert.equal('three\n', out())
    assert.equal('three\n', t.slurp(path))
  end)

  it('may name one target several times', function()
    local file = assert(io.tmpfile())
    local options = { stdout = { file, file }, stderr = { file } }
    sh('echo out; sleep 0.01; echo err >&2', options):wait()
    file:seek 'set'
    local lines = {}
    for line in file:lines() do
      lines[#lines + 1] = line
    end
    table.sort(lines)
    assert.same({ 'err', 'out', 'out' }, lines)
    file:close()
  end)

  it('writes what Lua has in its buffer first, and lets it go on behind', function()
    local path = t.tmpdir() .. '/log'
    local file = assert(io.open(path, 'w'))
    file:write 'before\n'
    local child = sh('echo it', { stdout = { file } })
    child:wait()
    file:write 'behind\n'
    file:close()
    assert.equal('before\nit\nbehind\n', t.slurp(path))
  end)

  it('needs a file only for the start: it may be closed at once', function()
    local path = t.tmpdir() .. '/log'
    local file = assert(io.open(path, 'w'))
    local child = sh('read line; echo "$line"', { stdout = { file } })
    file:close()
    child.stdin:finish 'late\n'
    child:wait()
    assert.equal('late\n', t.slurp(path))
  end)

  it('is an option of fork, beside the channel', function()
    local code = "print 'out'; process:send 'sent'"
    local path = t.write_file(t.tmpdir() .. '/worker.lua', code)
    local child = cp.fork(path, {}, { stdout = { 'pipe', { file = path .. '.log' } } })
    local sent
    child:on('message', function(message)
      sent = message
    end)
    assert.equal('out\n', child:wait().stdout)
    assert.equal('sent', sent)
    assert.equal('out\n', t.slurp(path .. '.log'))
  end)

  it('takes our closed stdout for /dev/null, as it does alone', function()
    local program = [[
      local cp = require 'child_process'
      local result = cp.exec('echo out', { stdout = { 'inherit', 'pipe' } }):wait()
      io.stderr:write(result.stdout, tostring(result.error))]]
    local exe, args = t.lua(program)
    local words = { cp.process.execPath and exe }
    table.move(args, 1, #args, 2, words)
    local script = 'exec "$@" >&-'
    local result = cp.spawnSync('sh', { '-c', script, 'sh', table.unpack(words) })
    assert.equal('out\nnil', result.stderr)
  end)

  it('takes our own standard streams', function()
    local program = [[
      local cp = require 'child_process'
      local out, err = cp.process.stdout, cp.process.stderr
      cp.exec('echo out', { stdout = { out, err, 'pipe' } }):wait()
      cp.execSync('echo sync', { stdout = { out, err, 'pipe' } })]]
    runs(program, { 'out\nsync\n', 'out\nsync\n', 0 })
  end)

  it('is over with an error where its pipe cannot be read', function()
    local target = stream.new(fake.handle(), { writable = true })
    local streams = { { stream = target, name = 'target' } }
    local seen = {}
    for _, piped in ipairs { true, false } do
      local source = fake.handle()
      source.start_error = -24
      local entry = { targets = {}, names = {}, streams = streams, piped = piped }
      local made = tee.new(source, entry, {}, {
        on_broken = function(err)
          table.insert(seen, err.message)
        end,
        on_settled = function()
          table.insert(seen, 'settled')
        end,
      })
      if piped then
        t.once(made.stream, 'error', function(err)
          table.insert(seen, err.code)
        end)
      end
      cp.run()
    end
    assert.same({ 'settled', 'EMFILE', 'read EMFILE', 'settled' }, seen)
    assert.equal(0, target:listenerCount 'error')
  end)

  it('is there only for children that have one', function()
    local program = [[
      local cp = require 'child_process'
      cp.exec('true', { stdout = 'ignore' }):wait()
      cp.execSync('true')
      assert(not package.loaded['child_process.tee'])
      assert(not package.loaded['child_process.stdio.several'])]]
    runs(program, { '', '', 0 })
  end)
end)

describe('the pipe among several targets', function()
  it('is a stream as any other: encoded, read by lines, paused', function()
    local path = t.tmpdir() .. '/log'
    local child = sh('printf "\\344\\nzwei\\n"', { stdout = { 'pipe', { file = path } } })
    child.stdout:setEncoding 'latin1'
    local lines = {}
    for line in child.stdout:lines() do
      lines[#lines + 1] = line
    end
    assert.same({ 'ä', 'zwei' }, lines)
    child:wait()
    assert.equal('\xe4\nzwei\n', t.slurp(path))
  end)

  it('holds up the others as long as who reads it pauses', function()
    local path = t.tmpdir() .. '/log'
    local size = 8 << 20
    local child = cp.spawn('head', { '-c', size, '/dev/zero' }, {
      stdout = { 'pipe', { file = path } },
    })
    child.stdout:pause()
    t.when(function()
      return child.stdout.readableLength >= child.stdout.readableHighWaterMark
    end, function()
      assert.is_nil(child.exitCode)
      assert.is_true(#t.slurp(path) < 3 << 20)
      child.stdout:resume()
    end)
    t.once(child, 'close', function()
      assert.equal(size, #t.slurp(path))
    end)
  end)

  it('does not hold up the others before a megabyte of it is unread', function()
    local path = t.tmpdir() .. '/log'
    local child = writer { stdout = { 'pipe', { file = path } } }
    t.once(child, 'close', function()
      assert.equal(SIZE, #t.slurp(path))
      assert.equal(SIZE, #child:wait().stdout)
    end)
  end)

  it('holds nobody up when somebody waits, however much that is', function()
    local path = t.tmpdir() .. '/log'
    local child = writer({ stdout = { 'pipe', { file = path } } }, 5 << 20)
    assert.equal(5 << 20, #child:wait().stdout)
    assert.equal(5 << 20, #t.slurp(path))
  end)

  it('is collected by a wait that comes behind the exit', function()
    local child = sh('echo out', { stdout = { 'pipe', 'ignore' } })
    local result
    child:on('exit', function()
      cp.async(function()
        result = child:wait()
      end)
    end)
    cp.run()
    assert.equal('out\n', result.stdout)
  end)

  it('may be left: the others go on', function()
    local path = t.tmpdir() .. '/log'
    local child = writer { stdout = { 'pipe', { file = path } } }
    child.stdout:once('data', function()
      child.stdout:destroy()
    end)
    local result = child:wait()
    assert.is_true(result.ok)
    assert.is_nil(result.error)
    assert.is_true(t.slurp(path) == numbers())
  end)

  it('ends the child as a pipe alone does when it is left as the last', function()
    local child = cp.spawn('yes', { stdout = { 'pipe' } })
    child.stdout:once('data', function()
      child.stdout:destroy()
    end)
    assert.equal('SIGPIPE', child:wait().signal)
  end)

  it('counts alone for maxBuffer', function()
    local path = t.tmpdir() .. '/log'
    local options = { stdout = { 'pipe', { file = path } }, maxBuffer = 1000 }
    local result = cp.exec('yes', options):wait()
    assert.same({ 'maxBuffer', 1000 }, { result.reason, #result.stdout })
    options.stdout = { { file = path } }
    assert.is_true(cp.exec('seq 1 1000', options):wait().ok)
  end)

  it('keeps the loop alive, or not, as it is told', function()
    local program = [[
      local cp = require 'child_process'
      local child = cp.spawn('sleep', { '60' }, { stdout = { 'pipe', 'inherit' } })
      child:unref()
      child.stdin:unref()
      child.stderr:unref()
      child.stdout:unref()
      cp.run()
      print 'not for it'
      child.stdout:ref()
      child.stdout:on('end', function() print 'its end' end)
      child.stdout:resume()
      child:kill()
      cp.run()]]
    runs(program, { 'not for it\nits end\n', '', 0 })
  end)

  it('says what descriptor it reads', function()
    local child = sh('exit', { stdout = { 'pipe', 'ignore' } })
    assert.is_truthy(tostring(child.stdout):find 'readable, fd %d+')
    child:wait()
    assert.is_truthy(tostring(child.stdout):find 'readable, closed')
  end)

  it('cannot be lent to another child, nor sent to one', function()
    local child = sh('echo x', { stdout = { 'pipe', 'ignore' } })
    t.raises(VALUE, cp.spawn, 'cat', { stdin = child.stdout })
    local worker = cp.fork(t.write_file(t.tmpdir() .. '/worker.lua', ''))
    t.raises('ERR_INVALID_HANDLE_TYPE', worker.send, worker, 'take it', child.stdout)
    worker:wait()
    child:wait()
  end)
end)

describe('the start with several targets', function()
  it('fails where one cannot be opened, and leaves nothing behind', function()
    local folder = t.tmpdir()
    local path = folder .. '/no/such'
    local child = sh('true', {
      stdout = { 'pipe', { file = folder .. '/first' }, { file = path } },
    })
    assert.is_truthy(child.stdout)
    local err = child:wait().error
    assert.same({ 'ENOENT', 'stdio', path }, { err.code, err.stage, err.path })
    err = sh('true', { stdout = { 9999, 'pipe' } }):wait().error
    assert.same({ 'EBADF', 'stdio' }, { err.code, err.stage })
    err = cp.spawn('/no/such', { stdout = { 'ignore', { file = folder .. '/x' } } })
    assert.equal('ENOENT', err:wait().error.code)
  end)

  it('raises for what is no array of targets, and says where', function()
    local cat = cp.spawn 'cat'
    local closed = io.tmpfile()
    closed:close()
    local cases = {
      { { stdin = { 'pipe' } }, "'options.stdin' cannot be an array" },
      { { stdio = { { 'ignore' } } }, "'options.stdio[1]' cannot be an array" },
      { { stdout = { 'pipe', 'pipe' } }, "'options.stdout[2]' is a second pipe" },
      { { stdout = { 'pipe', nil, 'ignore' } }, "'options.stdout[2]' is missing" },
      { { stderr = { false } }, "'options.stderr[1]' is missing" },
      { { stdout = { 'ipc' } }, "'options.stdout[1]' cannot be one of several" },
      {
        { stderr = { 'pipe', 'stdout' } },
        "'options.stderr[2]' cannot be one of several",
      },
      { { stdout = { { 'pipe' } } }, "'options.stdout[1]' is invalid" },
      { { stdout = { {} } }, "'options.stdout[1]' cannot be empty" },
      { { stdout = { true } }, "'options.stdout[1]' is invalid" },
      { { stdout = { cat.stdout } }, 'is a stream that cannot be written' },
      { { stdout = { cp.net.Server() } }, "'options.stdout[1]' is no stream" },
      { { stdout = { closed } }, "'options.stdout[1]' is a closed file" },
      { { stdout = { 'pipe', x = 1 } }, 'a key that is no position' },
      { { stdio = { 'pipe', { 'pipe', {} } } }, "'options.stdio[2][2]' cannot be empty" },
      { { stdio = { 'pipe', {} } }, "The argument 'stdio' is invalid" },
      { { stdout = {} }, "'options.stdout' cannot be empty: it names no target" },
      { { stdout = { 'pipe', nil, 'ignore' } }, "'options.stdout[2]' is missing" },
      { { stdout = { [1.5] = 'pipe' } }, 'a key that is no position' },
      { { stdout = { { file = 'x', mod = 1 } } }, 'is not a field of options.stdout[1]' },
    }
    for _, case in ipairs(cases) do
      local err = t.raises(VALUE, cp.spawn, 'true', case[1])
      assert.is_truthy(err.message:find(case[2], 1, true), err.message)
    end
    local err = t.raises('ERR_INVALID_SYNC_FORK_INPUT', cp.spawn, 'true', {
      stdout = { 'pip' },
    })
    assert.is_truthy(err.message:find("options.stdout[1] must be 'pipe'", 1, true))
    cat.stdin:finish()
    cat:wait()
    err = t.raises(VALUE, cp.spawn, 'true', { stdout = { cat.stdin } })
    assert.is_truthy(err.message:find 'is a stream that is closed')
  end)

  it('takes a list with `n`, as table.pack makes it', function()
    local child = sh('echo x', { stdout = table.pack('pipe', 'ignore') })
    assert.equal('x\n', child:wait().stdout)
  end)
end)
