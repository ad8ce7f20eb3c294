local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- A function that notes its name.
local function noting(list)
  return function(name)
    return function()
      list[#list + 1] = name
    end
  end
end

describe('timers', function()
  it('call with their arguments, nil included', function()
    cp.setTimeout(
      t.expect(function(...)
        assert.same({ 'a', nil, 3, nil, n = 4 }, table.pack(...))
      end),
      1,
      'a',
      nil,
      3,
      nil
    )
  end)

  it('come in the order of their times, then of their making', function()
    local seen = {}
    local note = noting(seen)
    cp.setTimeout(note 'thirty', 30)
    cp.setTimeout(note 'one', 1)
    cp.setTimeout(note 'one again', 1)
    cp.setTimeout(note 'ten', 10)
    cp.run()
    assert.same({ 'one', 'one again', 'ten', 'thirty' }, seen)
  end)

  it('are never early', function()
    local core = require 'child_process.core'
    if not core.hrtime then
      pending 'no clock to measure with'
    end
    local start = core.hrtime()
    cp.setTimeout(
      t.expect(function()
        assert.is_true(core.hrtime() - start >= 19000000)
      end),
      20
    )
  end)

  it('take what is no duration for one millisecond', function()
    for _, ms in ipairs { 0, -5, 0 / 0, math.huge, 2 ^ 31, 'x', 0.5 } do
      cp.setTimeout(t.expect(), ms)
    end
    cp.setTimeout(t.expect())
  end)

  it('can be cleared, also twice and after they have fired', function()
    local cleared = cp.setTimeout(t.never 'cleared', 1)
    cp.clearTimeout(cleared)
    cp.clearTimeout(cleared)
    cp.clearTimeout(nil)
    cp.setTimeout(t.never 'closed', 1):close()
    local fired
    fired = cp.setTimeout(
      t.expect(function()
        cp.clearTimeout(fired)
      end),
      1
    )
    cp.run()
    cp.clearTimeout(fired)
  end)

  it('can clear one another in the same turn', function()
    local second
    cp.setTimeout(
      t.expect(function()
        cp.clearTimeout(second)
      end),
      1
    )
    second = cp.setTimeout(t.never 'the second', 1)
  end)

  it('repeat until they are cleared', function()
    local count = 0
    local interval
    interval = cp.setInterval(function(step)
      count = count + step
      if count == 6 then
        cp.clearInterval(interval)
      end
    end, 1, 2)
    cp.run()
    assert.equal(6, count)
  end)

  it('that are due already are all that cp.run once waits for', function()
    local late = cp.setTimeout(t.never 'the loop has waited', t.TEST_TIMEOUT)
    cp.setTimeout(t.expect(), 1)
    local start = cp.process:hrtime()
    repeat
    until cp.process:hrtime() - start > 10 * 1000 * 1000
    cp.run 'once'
    late:close()
  end)

  it('fire though nobody holds them', function()
    cp.setTimeout(t.expect(), 1)
    collectgarbage()
    collectgarbage()
  end)

  it('let the loop end when they are unreferenced', function()
    local timer = cp.setTimeout(t.never 'unreferenced', 100000)
    assert.is_true(timer:hasRef())
    timer:unref()
    assert.is_false(timer:hasRef())
    assert.is_false(cp.run())
    timer:ref()
    assert.is_true(timer:hasRef())
    assert.is_true(cp.run 'nowait')
    timer:close()
  end)

  it('fire unreferenced while something else holds the loop', function()
    cp.setTimeout(t.expect(), 1):unref()
    cp.setTimeout(t.expect(), 20)
  end)

  it('are closed where their scope ends, and harmless after that', function()
    local seen = {}
    do
      local timer <close> = cp.setTimeout(t.never 'closed', 1)
      local interval <close> = cp.setInterval(t.never 'closed', 1)
      seen[1], seen[2] = timer, interval
    end
    collectgarbage()
    for _, timer in ipairs(seen) do
      assert.is_false(timer:hasRef())
      timer:ref()
      timer:unref()
      timer:close()
      cp.clearTimeout(timer)
      assert.equal('string', type(tostring(timer)))
    end
  end)

  it('need a function', function()
    for _, name in ipairs { 'setTimeout', 'setInterval', 'setImmediate', 'nextTick' } do
      for _, bad in ipairs { 'text', 5, false, {} } do
        t.raises('ERR_INVALID_ARG_TYPE', cp[name], bad, 1)
      end
      t.raises('ERR_INVALID_ARG_TYPE', cp[name])
    end
  end)
end)

describe('ticks and immediates', function()
  it('come before timers: ticks first, all of them', function()
    local seen = {}
    local note = noting(seen)
    cp.setImmediate(note 'immediate')
    cp.nextTick(function()
      note 'tick'()
      cp.nextTick(note 'tick of the tick')
    end)
    cp.nextTick(note 'second tick')
    assert.same({}, seen)
    cp.run()
    assert.same({ 'tick', 'second tick', 'tick of the tick', 'immediate' }, seen)
  end)

  it('pass their arguments', function()
    local function check(...)
      assert.same({ nil, 'b', nil, n = 3 }, table.pack(...))
    end
    cp.nextTick(t.expect(check), nil, 'b', nil)
    cp.setImmediate(t.expect(check), nil, 'b', nil)
  end)

  it('run also where a finalizer queues one while another is being queued', function()
    local function of_finalizer() end
    local meta = {
      __gc = function()
        cp.nextTick(of_finalizer)
      end,
    }
    local queued, run = 0, 0
    local function count()
      run = run + 1
    end

    for _ = 1, 20000 do
      setmetatable({}, meta)
      queued = queued + 1
      cp.nextTick(count)
      cp.run 'nowait'
    end
    assert.equal(queued, run)
  end)

  it('run ticks between two timers and between two immediates', function()
    local seen = {}
    local note = noting(seen)
    local function with_tick(name)
      return function()
        note(name)()
        cp.nextTick(note(name .. "'s tick"))
      end
    end
    cp.setTimeout(with_tick 'A', 1)
    cp.setTimeout(with_tick 'B', 1)
    cp.run()
    cp.setImmediate(with_tick 'C')
    cp.setImmediate(with_tick 'D')
    cp.run()
    assert.same(
      { 'A', "A's tick", 'B', "B's tick", 'C', "C's tick", 'D', "D's tick" },
      seen
    )
  end)

  it('put an immediate of an immediate off to the next turn', function()
    local seen = {}
    local note = noting(seen)
    cp.setImmediate(function()
      note 'first'()
      cp.setImmediate(note 'nested')
    end)
    cp.setImmediate(note 'second')
    cp.run()
    assert.same({ 'first', 'second', 'nested' }, seen)
  end)

  it('run immediates before timers that are due later', function()
    local seen = {}
    local note = noting(seen)
    cp.setTimeout(function()
      note 'timer'()
      cp.setImmediate(note 'immediate')
      cp.setTimeout(note 'next timer', 1)
    end, 1)
    cp.run()
    assert.same({ 'timer', 'immediate', 'next timer' }, seen)
  end)

  it('can be cleared, unreferenced and closed', function()
    local cleared = cp.setImmediate(t.never 'cleared')
    assert.is_true(cleared:hasRef())
    cp.clearImmediate(cleared)
    cp.clearImmediate(cleared)
    cp.clearImmediate(nil)
    assert.is_false(cleared:hasRef())
    cp.setImmediate(t.never 'closed'):close()
    local other
    cp.setImmediate(t.expect(function()
      cp.clearImmediate(other)
    end))
    other = cp.setImmediate(t.never 'cleared by its neighbour')
    cp.run()
    local idle = cp.setImmediate(function() end)
    idle:unref()
    assert.is_false(cp.run())
    cp.clearImmediate(idle)
  end)
end)

describe('cp.run', function()
  it('says false when nothing is left', function()
    assert.is_false(cp.run())
    assert.is_false(cp.run 'default')
    assert.is_false(cp.run 'once')
    assert.is_false(cp.run 'nowait')
  end)

  it('"nowait" does not wait', function()
    local timer = cp.setTimeout(t.never 'too late', 100000)
    assert.is_true(cp.run 'nowait')
    timer:close()
    assert.is_false(cp.run 'nowait')
  end)

  it('"once" waits for one round of callbacks', function()
    local count = 0
    local interval = cp.setInterval(function()
      count = count + 1
    end, 1)
    while count == 0 do
      assert.is_true(cp.run 'once')
    end
    assert.equal(1, count)
    interval:close()
  end)

  for _, mode in ipairs { 'nowait', 'once' } do
    it(('%q calls what is due though nothing is referenced'):format(mode), function()
      local fired, heard = false, false
      local timer = cp.setTimeout(function()
        fired = true
      end, 1)
      timer:unref()
      local function listener()
        heard = true
      end
      cp.process:on('SIGUSR1', listener)
      cp.process:kill(cp.process.pid, 'SIGUSR1')
      repeat
        assert.is_false(cp.run(mode))
      until fired and heard
      cp.process:off('SIGUSR1', listener)
      assert.is_false(cp.run(mode))
    end)
  end

  it('knows no other mode', function()
    assert.is_false(pcall(cp.run, 'for ever'))
    assert.is_false(pcall(cp.run, 5))
  end)

  it('ends at cp.stop() and goes on at the next call', function()
    local seen = {}
    local note = noting(seen)
    cp.setImmediate(function()
      note 'first'()
      cp.setTimeout(note 'second', 1) -- not due in the turn that ends
      cp.stop()
    end)
    assert.is_true(cp.run())
    assert.same({ 'first' }, seen)
    assert.is_false(cp.run())
    assert.same({ 'first', 'second' }, seen)
  end)

  it('runs the ticks of the callback that stops it', function()
    local ticked = false
    cp.setTimeout(function()
      cp.nextTick(function()
        ticked = true
      end)
      cp.stop()
    end, 1)
    cp.run()
    assert.is_true(ticked)
  end)

  it('is refused inside a callback, in every mode', function()
    local function refused()
      for _, mode in ipairs { 'default', 'once', 'nowait' } do
        t.raises('ERR_WOULD_BLOCK', cp.run, mode)
      end
      t.raises('ERR_WOULD_BLOCK', cp.run)
      coroutine.wrap(function()
        t.raises('ERR_WOULD_BLOCK', cp.run)
      end)()
    end
    cp.setTimeout(t.expect(refused), 1)
    cp.setImmediate(t.expect(refused))
    cp.nextTick(t.expect(refused))
    t.once(cp.spawn 'true', 'exit', refused)
  end)

  it('may be called in a coroutine of the program', function()
    local done = false
    coroutine.wrap(function()
      cp.setTimeout(t.expect(), 1)
      t.once(cp.spawn 'true', 'close')
      assert.is_false(cp.run())
      done = true
    end)()
    assert.is_true(done)
  end)
end)

describe('an error in a callback', function()
  local places = {
    ['a timer'] = function(fn)
      cp.setTimeout(fn, 1)
    end,
    ['an immediate'] = function(fn)
      cp.setImmediate(fn)
    end,
    ['a tick'] = function(fn)
      cp.nextTick(fn)
    end,
    ['a listener'] = function(fn)
      cp.spawn('true'):on('exit', fn)
    end,
    ['a stream'] = function(fn)
      cp.spawn('echo', { 'x' }).stdout:on('data', fn)
    end,
  }

  for place, start in pairs(places) do
    it('leaves cp.run() as it is: ' .. place, function()
      for _, value in ipairs { 'text', 42, false, { code = 'MINE' } } do
        start(function()
          error(value, 0)
        end)
        local ok, err = pcall(cp.run)
        assert.is_false(ok)
        assert.equal(value, err)
        cp.run()
      end
    end)
  end

  it('may even be nil', function()
    cp.setTimeout(function()
      error(nil)
    end, 1)
    local result = table.pack(pcall(cp.run))
    assert.is_false(result[1])
    assert.equal(t.NO_ERROR, result[2])
  end)

  it('leaves the loop usable', function()
    cp.setTimeout(function()
      error 'on purpose'
    end, 1)
    cp.setTimeout(t.expect(), 5)
    t.once(cp.spawn 'true', 'close')
    assert.is_false(pcall(cp.run))
    assert.is_false(cp.run())
  end)

  it('comes one at a time where there are several', function()
    for i = 1, 3 do
      cp.nextTick(error, 'tick ' .. i, 0)
      cp.setImmediate(error, 'immediate ' .. i, 0)
      cp.setTimeout(error, 1, 'timer ' .. i, 0)
    end
    local seen = {}
    for _ = 1, 20 do
      local ok, err = pcall(cp.run)
      if ok then
        break
      end
      local text = err:match '^[^\n]*'
      seen[text] = (seen[text] or 0) + 1
    end
    for i = 1, 3 do
      for _, place in ipairs { 'tick ', 'immediate ', 'timer ' } do
        assert.equal(1, seen[place .. i], place .. i)
      end
    end
  end)

  it('loses no tick that the callback has queued', function()
    cp.setTimeout(function()
      cp.nextTick(t.expect())
      error('on purpose', 0)
    end, 1)
    assert.is_false(pcall(cp.run))
  end)

  it('stops no interval', function()
    local count = 0
    local interval
    interval = cp.setInterval(function()
      count = count + 1
      if count == 3 then
        interval:close()
      end
      error(count, 0)
    end, 1)
    for i = 1, 3 do
      assert.same({ false, i }, { pcall(cp.run) })
    end
    assert.is_false(cp.run())
  end)

  it('ends a program, with its message, like any other error', function()
    local code = [[
      local cp = require 'child_process'
      cp.setTimeout(function() error 'in a callback' end, 1)
      cp.run()]]
    local child = cp.spawn(t.lua(code))
    local err = t.collect(child.stderr)
    t.once(child, 'close', function(status)
      assert.equal(1, status)
      assert.truthy(err():find('in a callback', 1, true))
    end)
  end)
end)
