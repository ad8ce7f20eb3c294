--- cp.limit: at most so many calls at a time.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- A function that runs until it is let go, and the list of those that run.
local function gate()
  local running, waiting = {}, {}
  local function enter(name)
    running[#running + 1] = name
    cp.await(function(callback)
      waiting[name] = callback
    end)
    return name
  end
  local function let_go(name)
    waiting[name]()
  end
  return enter, let_go, running
end

describe('cp.limit', function()
  it('runs a call at once while there is a place, and returns its results', function()
    local limit = cp.limit(1)
    assert.same(
      { 1, nil, 3, n = 3 },
      table.pack(limit(function(...)
        return ...
      end, 1, nil, 3))
    )
  end)

  it(
    'lets no more than so many run at a time, in the order in which they came',
    function()
      local limit, enter, let_go, running = cp.limit(2), gate()
      for i = 1, 5 do
        limit:run(enter, i)
      end
      assert.same({ 1, 2 }, running)
      cp.setImmediate(let_go, 2)
      cp.run()
      assert.same({ 1, 2, 3 }, running)
      for _, i in ipairs { 3, 1, 4, 5 } do
        cp.setImmediate(let_go, i)
        cp.run()
      end
      assert.same({ 1, 2, 3, 4, 5 }, running)
    end
  )

  it(
    'gives a place to the one who waits, and not to who asks when it is freed',
    function()
      local limit, enter, let_go, running = cp.limit(1), gate()
      limit:run(enter, 'first')
      limit:run(enter, 'second')
      cp.setImmediate(function()
        let_go 'first'
        cp.nextTick(function()
          limit:run(enter, 'third')
        end)
      end)
      cp.run()
      assert.same({ 'first', 'second' }, running)
      cp.setImmediate(let_go, 'second')
      cp.run()
      cp.setImmediate(let_go, 'third')
      cp.run()
    end
  )

  it('waits outside coroutines by running the loop', function()
    local limit, enter, let_go = cp.limit(1), gate()
    limit:run(enter, 'first')
    cp.setTimeout(let_go, 1, 'first')
    assert.equal(
      'done',
      limit(function()
        return 'done'
      end)
    )
  end)

  it('starts real commands, no more than so many', function()
    local limit, most, now = cp.limit(2), 0, 0
    for _ = 1, 6 do
      limit:run(function()
        now = now + 1
        most = math.max(most, now)
        assert.is_true(cp.exec('true'):wait().ok)
        now = now - 1
      end)
    end
    cp.run()
    assert.equal(2, most)
    assert.equal(0, now)
  end)

  it('frees the place after an error, which goes to the caller unchanged', function()
    local limit, boom = cp.limit(1), {}
    for _, value in ipairs { boom, 'boom' } do
      local ok, err = pcall(limit, error, value, 0)
      assert.is_false(ok)
      assert.equal(value, err)
    end
    limit:run(error, boom, 0)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal(boom, err)
    assert.equal(
      1,
      limit(function()
        return 1
      end)
    )
  end)

  it('frees the place of a coroutine that is closed while it has one', function()
    local limit, enter, _, running = cp.limit(1), gate()
    local thread = limit:run(enter, 'first')
    limit:run(function()
      running[#running + 1] = 'second'
    end)
    assert.is_true(coroutine.close(thread))
    cp.run()
    assert.same({ 'first', 'second' }, running)
  end)

  it('skips a coroutine that is closed while it waits', function()
    local limit, enter, let_go, running = cp.limit(1), gate()
    limit:run(enter, 'first')
    local second = limit:run(enter, 'second')
    limit:run(enter, 'third')
    coroutine.close(second)
    cp.setImmediate(let_go, 'first')
    cp.run()
    assert.same({ 'first', 'third' }, running)
    cp.setImmediate(let_go, 'third')
  end)

  it('passes on the place of one that is closed before it has noticed', function()
    local limit, enter, let_go, running = cp.limit(1), gate()
    limit:run(enter, 'first')
    local second = limit:run(enter, 'second')
    limit:run(enter, 'third')
    cp.setImmediate(function()
      let_go 'first'
      -- the tick in which `first` ends comes before this one
      cp.nextTick(coroutine.close, second)
    end)
    cp.run()
    assert.same({ 'first', 'third' }, running)
    cp.setImmediate(let_go, 'third')
  end)

  it(
    'frees the place of a coroutine that is never resumed, when it is collected',
    function()
      local limit = cp.limit(1)
      coroutine.wrap(function()
        limit(coroutine.yield)
      end)()
      collectgarbage()
      collectgarbage()
      assert.equal(
        1,
        limit(function()
          return 1
        end)
      )
    end
  )

  it('keeps nothing of those that gave up', function()
    local limit, enter, let_go = cp.limit(1), gate()
    limit:run(enter, 'first')
    collectgarbage()
    local before = collectgarbage 'count'
    for _ = 1, 2000 do
      coroutine.close(limit:run(print))
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage 'count' - before < 100)
    cp.setImmediate(let_go, 'first')
  end)

  it(
    'raises in a bare callback even while there is a place, and calls nothing',
    function()
      local limit = cp.limit(1)
      cp.setImmediate(t.expect(function()
        t.raises('ERR_WOULD_BLOCK', limit, t.never())
        limit:run(t.expect())
      end))
      cp.run()
      assert.equal(
        1,
        limit(function()
          return 1
        end)
      )
    end
  )

  it('raises when nothing could free a place', function()
    local limit = cp.limit(1)
    limit(function()
      t.raises('ERR_WOULD_BLOCK', limit, t.never())
    end)
    assert.equal(
      1,
      limit(function()
        return 1
      end)
    )
  end)

  it('may be without a limit', function()
    local limit, running = cp.limit(math.huge), 0
    for _ = 1, 100 do
      limit:run(function()
        running = running + 1
        cp.exec('true'):wait()
      end)
    end
    assert.equal(100, running)
  end)

  it('takes a whole number from 1 on, also as a float', function()
    for _, n in ipairs { 0, -1, 1.5, 0.5, -math.huge, 0 / 0 } do
      t.raises('ERR_OUT_OF_RANGE', cp.limit, n)
    end
    for _, n in ipairs { '2', {}, true, print } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.limit, n)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.limit)
    assert.equal(
      1,
      cp.limit(2.0)(function()
        return 1
      end)
    )
  end)

  it('takes functions only', function()
    local limit = cp.limit(1)
    for _, fn in ipairs { 'print', 5, {}, setmetatable({}, { __call = print }) } do
      t.raises('ERR_INVALID_ARG_TYPE', limit, fn)
      t.raises('ERR_INVALID_ARG_TYPE', limit.run, limit, fn)
    end
    t.raises('ERR_INVALID_ARG_TYPE', limit)
    t.raises('ERR_INVALID_THIS', limit.run, print)
  end)

  it('does not keep a state from being closed', function()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local limit = cp.limit(1)
      coroutine.wrap(function() limit(coroutine.yield) end)()
      limit:run(print, 'never')
      local held = coroutine.create(function() limit(coroutine.yield) end)
      coroutine.resume(held)
    ]]
    local result = cp.spawnSync(exe, args)
    assert.equal('', result.stderr)
    assert.equal(0, result.code)
  end)
end)
