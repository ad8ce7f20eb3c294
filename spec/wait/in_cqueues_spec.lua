--- Waiting in coroutines of cqueues.
local t = require 'spec.helper'
local cp = t.cp

local found, cqueues = pcall(require, 'cqueues')

-- An `it` whose body gets a controller, which is closed at the end.
local function it_in(title, body)
  it(title, function()
    if not found then
      pending 'cqueues is not installed'
    end
    t.run(function()
      local queue = cqueues.new()
      body(queue)
      cqueues.cancel(cp.loop.pollfd())
      queue:close()
    end)()
  end)
end

local function waiting()
  return cp.spawn('sh', { '-c', 'echo ready; exec cat' })
end

-- Runs the controller to its end; returns how often our loop was asked for its time-out,
-- which is once for each time that somebody polls it.
local function polls_of(queue)
  local timeout, count = cp.loop.timeout, 0
  cp.loop.timeout = function()
    count = count + 1
    return timeout()
  end
  local ok, err = queue:loop()
  cp.loop.timeout = timeout
  assert(ok, err)
  return count
end

describe('a coroutine of cqueues', function()
  it_in('waits for a child while others go on', function(queue)
    local child, ticks = waiting(), 0
    queue:wrap(t.expect(function()
      assert.equal('ready\n', child:wait().stdout)
      assert.equal(100, ticks)
    end))
    queue:wrap(function()
      repeat
        cqueues.sleep(0.001)
        ticks = ticks + 1
      until ticks == 100
      child.stdin:finish()
    end)
    -- output, what is written to it, its end: no more for all the ticks
    assert.is_true(polls_of(queue) <= 20)
  end)

  it_in('waits for lines, for all of a stream, for an answer', function(queue)
    queue:wrap(t.expect(function()
      local child, lines = cp.spawn('cat', { input = 'a\nb\nc' }), {}
      for line in child.stdout:lines() do
        lines[#lines + 1] = line
        assert.equal('out\n', (cp.await(cp.exec, 'echo out')))
      end
      assert.same({ 'a', 'b', 'c' }, lines)
      assert.equal('all', cp.spawn('printf', { 'all' }).stdout:readAll())
    end))
    assert(queue:loop())
  end)

  it_in('is one of many, each waking at its own event', function(queue)
    local children, order = {}, {}
    for i = 1, 20 do
      children[i] = waiting()
      queue:wrap(function()
        assert.equal('ready\n', children[i]:wait().stdout)
        table.insert(order, i)
        if children[i - 1] then
          children[i - 1].stdin:finish()
        end
      end)
    end
    children[20].stdin:finish()
    -- a few for each child, though twenty wait
    assert.is_true(polls_of(queue) <= 20 * 8)
    for i = 1, 20 do
      assert.equal(21 - i, order[i])
    end
  end)

  it_in('gives up after its time', function(queue)
    local child = waiting()
    queue:wrap(t.expect(function()
      assert.same({ nil, 'timeout' }, { child:wait(1) })
      child.stdin:finish()
      assert.equal(0, cp.wait({ child })[1].code)
    end))
    assert(queue:loop())
  end)

  it_in('waits beside one that drives the loop', function(queue)
    local child = waiting()
    queue:wrap(t.expect(function()
      while cp.run 'nowait' do
        cqueues.poll(cp.loop)
      end
      assert.equal(0, child.exitCode)
    end))
    queue:wrap(t.expect(function()
      child.stdin:finish()
      assert.is_true(child:wait().ok)
    end))
    assert(queue:loop())
  end)

  it_in('raises what a callback raises, and another one drives on', function(queue)
    local first, second, raised = waiting(), waiting(), {}
    first:on('exit', function()
      error({ 'mine' }, 0)
    end)
    local function wait(child)
      local ok, result = pcall(child.wait, child)
      if not ok then
        table.insert(raised, result)
        result = child:wait()
      end
      return result
    end
    queue:wrap(t.expect(function()
      assert.is_true(wait(first).ok)
      second.stdin:finish()
    end))
    queue:wrap(t.expect(function()
      first.stdin:finish()
      assert.is_true(wait(second).ok)
    end))
    queue:wrap(t.expect(function()
      assert.is_true(wait(second).ok)
    end))
    assert(queue:loop())
    assert.same({ { 'mine' } }, raised)
  end)

  it_in('hears that nothing keeps the loop alive', function(queue)
    local child = cp.spawn('cat', {}, { stdio = { 'pipe', 'ignore', 'ignore' } })
    child:unref()
    for _ = 1, 2 do
      queue:wrap(t.expect(function()
        local result, err = child:wait()
        assert.is_nil(result)
        assert.equal('ERR_WOULD_BLOCK', err.code)
      end))
    end
    assert(queue:loop())
    child:ref()
    child.stdin:finish()
  end)

  it_in('may start others by cp.async', function(queue)
    queue:wrap(t.expect(function()
      local code
      cp.async(function()
        code = cp.spawn('sh', { '-c', 'exit 3' }):wait().code
      end)
      while cp.run 'nowait' do
        cqueues.poll(cp.loop)
      end
      assert.equal(3, code)
    end))
    assert(queue:loop())
  end)

  it_in('waits also when a callback of ours steps the controller', function(queue)
    local child, done = waiting(), false
    queue:wrap(function()
      assert.equal('ready\n', child:wait().stdout)
      done = true
    end)
    local interval
    interval = cp.setInterval(function()
      assert(queue:step(0))
      child.stdin:finish()
      if done then
        interval:close()
      end
    end, 1)
    cp.run()
    assert.is_true(done)
  end)

  it_in('cannot poll inside cp.async, and hears so', function(queue)
    queue:wrap(t.expect(function()
      cp.async(cqueues.poll, 0)
      local ok, err = pcall(cp.run)
      assert.is_false(ok)
      assert.equal('ERR_INVALID_STATE', err.code)
    end))
    assert(queue:loop())
  end)
end)
