--- cp.loop and cp.run 'nowait': a program that waits by poll(2) drives the loop.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function readable(seconds)
  return require('polling').readable(cp.loop.pollfd(), seconds)
end

-- What was done before is over for whoever polls.
local function settle()
  repeat
    cp.run 'nowait'
  until not readable(0)
end

-- One turn of a program's loop; true if it was an event that woke it.
local function turn()
  local limit = cp.loop.timeout()
  local woken = readable(limit or t.TEST_TIMEOUT / 1000)
  assert.is_true(woken or limit ~= nil, 'nothing came')
  return cp.run 'nowait', woken
end

-- Turns until nothing is left; returns how many it took.
local function turns_to_the_end()
  local count = 0
  repeat
    count = count + 1
  until not turn()
  return count
end

-- A child that says `ready` and then waits for its stdin to end; it has said so.
local function waiting()
  local child = cp.spawn('sh', { '-c', 'echo ready; exec cat' })
  assert.equal('ready', child.stdout:read 'l')
  return child
end

describe('cp.loop', function()
  it('works with and without self', function()
    assert.equal(cp.loop.pollfd(), cp.loop:pollfd())
    assert.equal('r', cp.loop.events())
    assert.equal('r', cp.loop:events())
    assert.is_nil(cp.loop.timeout())
    assert.equal(1, select('#', cp.loop:timeout()))
  end)

  it('gives the time to the next timer in seconds', function()
    local timer <close> = cp.setTimeout(t.never(), 2000)
    assert.is_true(timer:hasRef())
    local limit = cp.loop.timeout()
    assert.is_true(limit > 1 and limit < 3)
  end)

  it('gives 0 when something is to be done at once', function()
    for _, start in ipairs { cp.nextTick, cp.setImmediate } do
      start(t.expect())
      assert.equal(0, cp.loop.timeout())
      cp.run()
    end
  end)

  it('drives timers by their times', function()
    local seen = {}
    cp.setTimeout(table.insert, 10, seen, 'second')
    cp.setTimeout(table.insert, 1, seen, 'first')
    turns_to_the_end()
    assert.same({ 'first', 'second' }, seen)
  end)

  it('drives a child to its end by events alone', function()
    local child = cp.spawn('sh', { '-c', 'read -r line; echo "$line"; exit 3' })
    child.stdin:finish 'text\n'
    local out, code = t.collect(child.stdout), nil
    child:on('close', function(...)
      code = ...
    end)
    -- start, input written, output, its end, exit: each may come by itself
    assert.is_true(turns_to_the_end() <= 10)
    assert.equal('text\n', out())
    assert.equal(3, code)
  end)

  it('is quiet while nothing happens', function()
    local child = waiting()
    local timer <close> = cp.setTimeout(t.never(), 100000)
    settle()
    assert.is_false(readable(0.02))
    assert.is_true(timer:hasRef())
    child.stdin:finish()
  end)
end)

describe('the descriptor of cp.loop becomes readable', function()
  local starts = {
    ['a child'] = function()
      cp.spawn 'true'
    end,
    ['a timer'] = function()
      cp.setTimeout(t.expect(), 1)
    end,
    ['an immediate'] = function()
      cp.setImmediate(t.expect())
    end,
    ['a tick'] = function()
      cp.nextTick(t.expect())
    end,
    ['a server'] = function()
      local server = cp.net.createServer()
      server:listen(t.tmpdir() .. '/socket', function()
        server:close()
      end)
    end,
    ['a look-up'] = function()
      cp.net.connect({ port = 1, host = '127.0.0.1' }):on('error', t.expect())
    end,
  }

  for what, start in pairs(starts) do
    it('when this is started: ' .. what, function()
      settle()
      start()
      assert.is_true(readable(0))
    end)
  end

  it('when something is written that does not fit', function()
    local child = waiting()
    local out = t.collect(child.stdout)
    settle()
    child.stdin:finish(('x'):rep(1000000))
    assert.is_true(readable(0))
    cp.run()
    assert.equal(1000000, #out())
  end)

  it('when reading begins', function()
    local child = waiting()
    child.stdout:pause()
    settle()
    child.stdout:on('data', t.expect())
    child.stdout:resume()
    assert.is_true(readable(0))
    child.stdin:finish 'x'
  end)

  it('when what kept the loop alive is closed or unreferenced', function()
    for _, method in ipairs { 'close', 'unref' } do
      local timer <close> = cp.setTimeout(t.never(), 100000)
      settle()
      assert.is_true(cp.run 'nowait')
      timer[method](timer)
      assert.is_true(readable(0))
      assert.is_false(cp.run 'nowait')
    end
  end)

  it('no longer than it takes to look, also if nothing is referenced', function()
    local child = cp.spawn('true', {}, { stdio = 'ignore' })
    child:unref()
    local ended = false
    child:on('exit', function()
      ended = true
    end)
    repeat
      assert.is_true(readable(t.TEST_TIMEOUT / 1000))
      cp.run 'nowait'
    until ended
    settle()
  end)

  it('when what callbacks have started is to be polled', function()
    for _, options in ipairs { { ref = true }, { ref = false } } do
      local ended = false
      cp.setImmediate(t.expect(function()
        local child = cp.spawn('true', {}, { stdio = 'ignore' })
        child:on('exit', function()
          ended = true
        end)
        if not options.ref then
          child:unref()
        end
      end))
      repeat
        cp.run 'nowait'
        assert.is_true(ended or readable(t.TEST_TIMEOUT / 1000))
      until ended
      settle()
    end
  end)

  it('but not for timers that callbacks have started', function()
    local timer
    cp.setImmediate(t.expect(function()
      timer = cp.setTimeout(t.never(), 100000)
    end))
    repeat
      turn()
    until timer
    settle()
    assert.is_false(readable(0))
    timer:close()
  end)
end)

describe("cp.run 'nowait' in another loop", function()
  it('raises what a callback raised, and goes on at the next call', function()
    local child = cp.spawn 'true'
    child:on('exit', function()
      error({ 'mine' }, 0)
    end)
    t.once(child, 'close')
    local raised = {}
    repeat
      local ok, alive = pcall(turn)
      raised[#raised + 1] = not ok and alive or nil
    until ok and not alive
    assert.same({ { 'mine' } }, raised)
  end)

  it('raises one error a call, without waiting for more', function()
    for i = 1, 3 do
      cp.setImmediate(error, i, 0)
    end
    assert.same({ false, 1 }, { pcall(cp.run, 'nowait') })
    for i = 2, 3 do
      assert.is_true(readable(0))
      assert.same({ false, i }, { pcall(cp.run, 'nowait') })
    end
    assert.is_false(cp.run 'nowait')
  end)

  it('runs ticks before immediates, those that were queued outside too', function()
    local seen = {}
    cp.setImmediate(table.insert, seen, 'immediate')
    cp.nextTick(table.insert, seen, 'tick')
    turns_to_the_end()
    assert.same({ 'tick', 'immediate' }, seen)
  end)
end)
