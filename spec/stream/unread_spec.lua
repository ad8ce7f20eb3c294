--- Output that nobody has read yet: who gets it, when somebody waits for the child or the
-- child has ended.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function printing(text, options)
  return cp.spawn('printf', { '%s', text }, options)
end

-- A child that prints a, b, a lot, and done.
local function long()
  return cp.spawn('sh', { '-c', 'echo a; echo b; seq 1 100000; echo done' })
end

local function exited(child)
  while not child.exitCode do
    cp.run 'once'
  end
end

describe('read([n]) of a child that has ended', function()
  it('gives what is there, exactly as much as is asked for', function()
    local child = printing 'abcdef'
    cp.run()
    assert.is_nil(child.stdout:read(0))
    assert.equal('abc', child.stdout:read(3))
    assert.equal('d', child.stdout:read(1.5))
    assert.equal('ef', child.stdout:read(10))
    assert.is_nil(child.stdout:read())
    assert.is_nil(child.stdout:read(1))
    assert.equal('', child:wait().stdout)
  end)

  it('gives it wherever it is kept by then', function()
    for _ = 1, 20 do
      local child = printing 'abcdef'
      cp.await(function(done)
        child.stdout:once('readable', done)
      end)
      assert.equal('abc', child.stdout:read(3))
      exited(child)
      assert.equal('de', child.stdout:read(2))
      child:wait()
      assert.equal('f', child.stdout:read())
    end
  end)

  it('gives it also from a descriptor behind stderr', function()
    local stdio = { 'ignore', 'ignore', 'ignore', 'pipe' }
    local child = cp.spawn('sh', { '-c', 'echo extra >&3' }, { stdio = stdio })
    cp.run()
    assert.equal('extra\n', child.stdio[4]:read())
  end)

  it('cuts no character of an encoding', function()
    local child = printing '€€'
    child.stdout:setEncoding 'utf8'
    cp.run()
    assert.equal('€', child.stdout:read(1))
    assert.equal('€', child.stdout:read(5))
  end)

  it('gives each byte once while a wait is given up', function()
    local child = cp.spawn('sh', { '-c', 'echo one; read go; echo two; exec cat' })
    repeat
      child:wait(1)
    until child.stdout.bytesRead > 0
    assert.equal('one\n', child.stdout:read())
    local seen = {}
    child.stdout:on('readable', function()
      seen[#seen + 1] = child.stdout:read()
    end)
    child.stdin:finish 'go\n'
    assert.equal('', child:wait().stdout)
    assert.equal('two\n', table.concat(seen))
  end)
end)

describe('lines() after wait()', function()
  it('costs no more for many lines than for few', function()
    local child = cp.spawn('seq', { '1', '80000' })
    assert.equal('1', child.stdout:read 'l')
    assert.is_true(child:wait().ok)
    local expected = 1
    for line in child.stdout:lines() do
      expected = expected + 1
      assert(line == tostring(expected))
    end
    assert.equal(80000, expected)
  end)

  it('gives what the result would have had', function()
    local child = printing 'a\nb\nc'
    child:wait()
    assert.equal('a', child.stdout:read 'l')
    assert.equal('b\nc', child:wait().stdout)
    assert.equal('b\nc', child.stdout:readAll())
    assert.equal('', child:wait().stdout)
  end)
end)

describe('wait() in a loop over lines()', function()
  local function reads_on(wait)
    local child, count, last = long(), 0, nil
    for line in child.stdout:lines() do
      count, last = count + 1, line
      if line == 'b' then
        wait(child)
      end
    end
    assert.same({ 100003, 'done' }, { count, last })
    assert.is_true(child:wait().ok)
  end

  it('works: the loop then gives the rest', function()
    reads_on(function(child)
      local result = child:wait()
      assert.is_true(result.ok)
      assert.is_nil(result.stdout)
    end)
  end)

  it('works in a coroutine', function()
    cp.async(t.expect(function()
      reads_on(function(child)
        assert.is_true(child:wait().ok)
      end)
    end))
    cp.run()
  end)

  it('works with a timeout, and with cp.wait', function()
    reads_on(function(child)
      assert.is_true(child:wait(t.TEST_TIMEOUT).ok)
    end)
    reads_on(function(child)
      assert.is_true(cp.wait({ child })[1].ok)
    end)
  end)

  it('works over chunks() as well, and behind stderr', function()
    local stdio = { 'ignore', 'ignore', 'ignore', 'pipe' }
    local command = 'echo a >&3; seq 1 100000 >&3'
    local child = cp.spawn('sh', { '-c', command }, { stdio = stdio })
    local size = 0
    for chunk in child.stdio[4]:chunks() do
      size = size + #chunk
      assert.is_true(child:wait().ok)
    end
    assert.equal(588897, size)
  end)

  it('lets a loop that is inside another one run out, too', function()
    local child = long()
    local seen = {}
    for line in child.stdout:lines() do
      seen[#seen + 1] = line
      for inner in child.stdout:lines() do
        seen[#seen + 1] = inner
        if inner == 'b' then
          assert.is_true(child:wait().ok)
        elseif inner == '1' then
          break
        end
      end
    end
    assert.same({ 'a', 'b', '1', '2', '3' }, { table.unpack(seen, 1, 5) })
    assert.same({ 100003, 'done' }, { #seen, seen[#seen] })
  end)

  it('leaves the pace to a loop in another coroutine', function()
    local child, count, ahead = cp.spawn('seq', { '1', '1000000' }), 0, nil
    cp.async(function()
      for _ in child.stdout:lines() do
        count = count + 1
        for _ = 1, count == 1 and 30 or 0 do
          cp.await(cp.setImmediate)
          ahead = child.stdout.bytesRead
        end
      end
    end)
    assert.is_true(child:wait().ok)
    assert.equal(1000000, count)
    assert.is_true(ahead < 1000000)
  end)

  it('keeps as much as maxBuffer allows, and says so when it was more', function()
    local child = cp.spawn('yes', {}, { maxBuffer = 100000 })
    local count = 0
    local ok, err = pcall(function()
      for _ in child.stdout:lines() do
        count = count + 1
        if count == 1 then
          assert.equal('maxBuffer', child:wait().reason)
        end
      end
    end)
    assert.is_false(ok)
    assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', err.code)
    assert.is_true(count >= 50000)
  end)
end)

describe('output that nobody has asked for when the child has ended', function()
  it('is kept as far as it was read already', function()
    local child = cp.spawn('sh', { '-c', 'head -c 5000000 /dev/zero; exec cat' })
    while child.stdout.readableLength < 5000000 do
      assert.same({ nil, 'timeout' }, { child.stdout:readAll(1) })
    end
    child.stdin:finish()
    cp.run()
    assert.equal(5000000, #child.stdout:readAll())
  end)

  it('is an error where others go on to print, and it was too much', function()
    local command = 'head -c 3000000 /dev/zero & exit 0'
    local child = cp.spawn('sh', { '-c', command })
    cp.run()
    assert.is_true(#child.stdout:read() < 3000000)
    t.raises('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', child.stdout.read, child.stdout, 'l')
    local result = child:wait()
    assert.is_true(result.ok)
    assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', result.error.code)
  end)
end)
