--- A stream of one child that is lent to another: who has it when.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local HEAD = { '-n', '1' }

local function yes()
  return cp.spawn('yes', { stdio = { 'ignore', 'pipe', 'inherit' } })
end

local function from(child)
  return { stdio = { child.stdout, 'pipe', 'inherit' } }
end

describe('a stream that is lent to a child', function()
  it('is closed when that has ended and nobody else reads', function()
    local writer = yes()
    local reader = cp.spawn('head', HEAD, from(writer))
    cp.wait { reader, writer }
    assert.equal('y\n', reader.stdout:readAll())
    assert.equal('SIGPIPE', writer.signalCode)
    assert.is_true(writer.stdout.destroyed)
  end)

  it('is closed after a Sync call, too', function()
    local writer = yes()
    local result = cp.spawnSync('head', HEAD, from(writer))
    assert.equal('y\n', result.stdout)
    assert.equal('SIGPIPE', writer:wait().signal)
  end)

  it('is closed when the child cannot be started', function()
    local writer = yes()
    t.once(cp.spawn('no_such_program_lcp', {}, from(writer)), 'error', function(err)
      assert.equal('ENOENT', err.code)
    end)
    assert.equal('SIGPIPE', writer:wait().signal)
  end)

  it('may be lent to the next one by who has waited for the first', function()
    local function two_in_turn()
      local writer = cp.spawn('sh', { '-c', 'read a; echo 1; read a; echo 2' })
      writer.stdin:write '\n'
      local first = cp.spawn('head', HEAD, from(writer)):wait()
      writer.stdin:write '\n'
      local second = cp.spawn('head', HEAD, from(writer)):wait()
      assert.equal('1\n2\n', first.stdout .. second.stdout)
      assert.is_true(writer:wait().ok)
    end
    two_in_turn()
    cp.async(t.expect(two_in_turn))
  end)

  it('may be read by who has waited for the child', function()
    local function the_rest()
      local writer = cp.spawn('sh', { '-c', 'echo 1; read a; echo 2' })
      cp.spawn('head', HEAD, from(writer)):wait()
      writer.stdin:finish '\n'
      assert.equal('2\n', writer.stdout:readAll())
    end
    the_rest()
    cp.async(t.expect(the_rest))
  end)

  it('is open until the last of several children has ended', function()
    local writer = cp.spawn 'cat'
    local long = cp.spawn('sh', { '-c', 'read a <&3; cat' }, {
      stdio = { writer.stdout, 'pipe', 'inherit', 'pipe' },
    })
    cp.spawn('true', {}, from(writer)):wait()
    cp.wait { cp.spawn 'true' } -- some turns of the loop
    assert.is_false(writer.stdout.destroyed)
    long.stdio[4]:write '\n'
    writer.stdin:finish 'text'
    assert.equal('text', long.stdout:readAll())
  end)

  it('flows again to a listener that it had before', function()
    local writer = cp.spawn('sh', { '-c', 'read a; echo 1; read a; echo 2' })
    local text = t.collect(writer.stdout)
    t.once(cp.spawn('head', HEAD, from(writer)), 'exit', function()
      writer.stdin:finish '\n'
    end)
    writer.stdin:write '\n'
    t.once(writer, 'close', function()
      assert.equal('2\n', text())
    end)
  end)

  it('stays open where it can be written', function()
    local writer = cp.spawn('cat', { stdio = { 'pipe', 'pipe', 'inherit' } })
    cp.spawn('echo', { 'one' }, { stdio = { 'ignore', writer.stdin, 'inherit' } }):wait()
    cp.wait { cp.spawn 'true' }
    writer.stdin:finish 'two'
    assert.equal('one\ntwo', writer.stdout:readAll())
  end)

  it('is not read ahead here: a line is a line', function()
    local writer = cp.spawn('sh', { '-c', 'echo 1; read a; echo 2; read a; echo 3' })
    local reader = cp.spawn('sh', { '-c', 'read go <&3; cat' }, {
      stdio = { writer.stdout, 'pipe', 'inherit', 'pipe' },
    })
    assert.equal('1', writer.stdout:read 'l') -- as somebody asks here
    writer.stdin:finish '\n\n'
    writer:wait()
    reader.stdio[4]:write '\n'
    assert.equal('2\n3\n', reader.stdout:readAll())
  end)

  it('is closed when it was sent to a worker that has ended', function()
    local writer = yes()
    local worker = cp.fork(t.fixture 'program.lua', {
      [[
      local process = require('child_process').process
      process:once('message', function(_, pipe)
        pipe:once('data', function() process:disconnect() pipe:destroy() end)
      end)]],
    })
    worker:send('read it', writer.stdout)
    assert.equal('SIGPIPE', writer:wait().signal)
    assert.is_true(worker:wait().ok)
  end)
end)
