local abort = require 'child_process.abort'
local core = require 'child_process.core'
local loop = require 'child_process.loop'

local AbortController, AbortSignal = abort.AbortController, abort.AbortSignal

local function noop() end

local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

-- A log, and a maker of listeners that write to it.
local function recorder()
  local log = {}
  return log,
    function(name)
      return function()
        log[#log + 1] = name
      end
    end
end

-- Runs the loop until `signal` is aborted; it alone would not keep the loop alive.
local function run_until_aborted(signal)
  local guard = loop.setTimeout(noop, 15000)
  signal:addEventListener('abort', function()
    guard:close()
  end)
  core.run()
  assert.is_true(signal.aborted)
end

-- True when the table that `make` returns is collected although nothing else was done.
local function is_collected(make)
  local weak = setmetatable({ make() }, { __mode = 'v' })
  collectgarbage()
  collectgarbage()
  return weak[1] == nil
end

describe('AbortController', function()
  it('has a signal that is not aborted at first', function()
    local signal = AbortController().signal
    assert.is_true(abort.is_signal(signal))
    assert.is_false(signal.aborted)
    assert.is_nil(signal.reason)
    assert.is_nil(signal.onabort)
  end)

  it('aborts with an AbortError by default', function()
    local ac = AbortController()
    ac:abort()
    assert.is_true(ac.signal.aborted)
    assert.equal('AbortError', ac.signal.reason.name)
    assert.equal('ABORT_ERR', ac.signal.reason.code)
    assert.equal('This operation was aborted', ac.signal.reason.message)
  end)

  it('keeps any reason that is not nil', function()
    for _, reason in ipairs { 'boom', 5, {}, core.null, false } do
      local ac = AbortController()
      ac:abort(reason)
      assert.equal(reason, ac.signal.reason)
      assert.is_true(ac.signal.aborted)
    end
  end)

  it('ignores a second abort', function()
    local log, note = recorder()
    local ac = AbortController()
    ac.signal:addEventListener('abort', note 'a')
    ac:abort 'first'
    ac:abort 'second'
    assert.equal('first', ac.signal.reason)
    assert.same({ 'a' }, log)
  end)

  it('raises ERR_INVALID_THIS when abort is called without a colon', function()
    local ac = AbortController()
    assert.equal('ERR_INVALID_THIS', raised(ac.abort).code)
    assert.equal('ERR_INVALID_THIS', raised(ac.signal.throwIfAborted, {}).code)
  end)
end)

describe('AbortSignal: listeners', function()
  it('get an event with type and target', function()
    local ac, got = AbortController(), nil
    ac.signal:addEventListener('abort', function(...)
      got = table.pack(...)
    end)
    ac:abort()
    assert.equal(1, got.n)
    assert.equal('abort', got[1].type)
    assert.equal(ac.signal, got[1].target)
  end)

  it('run inside abort, after the signal became aborted', function()
    local ac, seen = AbortController(), nil
    ac.signal:addEventListener('abort', function()
      seen = { ac.signal.aborted, ac.signal.reason }
    end)
    ac:abort 'why'
    assert.same({ true, 'why' }, seen)
  end)

  it('run in order of registration, onabort among them', function()
    local log, note = recorder()
    local ac = AbortController()
    ac.signal:addEventListener('abort', note 'a')
    ac.signal.onabort = note 'on'
    ac.signal:addEventListener('abort', note 'b')
    ac:abort()
    assert.same({ 'a', 'on', 'b' }, log)
  end)

  it('onabort can be replaced and taken away, and keeps its place', function()
    local log, note = recorder()
    local ac = AbortController()
    ac.signal.onabort = note 'old'
    ac.signal:addEventListener('abort', note 'a')
    ac.signal.onabort = nil
    assert.is_nil(ac.signal.onabort)
    assert.equal(1, abort.listener_count(ac.signal))
    local new = note 'new'
    ac.signal.onabort = new
    assert.equal(new, ac.signal.onabort)
    ac:abort()
    assert.same({ 'new', 'a' }, log)
  end)

  it('are registered once, however often they are added', function()
    local log, note = recorder()
    local ac = AbortController()
    local a = note 'a'
    ac.signal:addEventListener('abort', a)
    ac.signal:addEventListener('abort', a)
    ac.signal:addEventListener('abort', a, { once = true })
    assert.equal(1, abort.listener_count(ac.signal))
    ac:abort()
    assert.same({ 'a' }, log)
    assert.equal(1, abort.listener_count(ac.signal))
  end)

  it('may be the same function as onabort', function()
    local log, note = recorder()
    local ac = AbortController()
    local a = note 'a'
    ac.signal.onabort = a
    ac.signal:addEventListener('abort', a, { once = true })
    ac:abort()
    assert.same({ 'a', 'a' }, log)
    assert.equal(a, ac.signal.onabort)
  end)

  it('with once are removed before they run', function()
    local ac, count = AbortController(), nil
    ac.signal:addEventListener('abort', function()
      count = abort.listener_count(ac.signal)
    end, { once = true })
    ac:abort()
    assert.equal(0, count)
  end)

  it('do not run when they were removed, even by an earlier one', function()
    local log, note = recorder()
    local ac = AbortController()
    local a, b = note 'a', note 'b'
    ac.signal:addEventListener('abort', a)
    ac.signal:removeEventListener('abort', a)
    ac.signal:addEventListener('abort', function()
      ac.signal:removeEventListener('abort', b)
    end)
    ac.signal:addEventListener('abort', b)
    ac:abort()
    assert.same({}, log)
    assert.equal(1, abort.listener_count(ac.signal))
  end)

  it('do not run when they are added too late', function()
    local log, note = recorder()
    local ac = AbortController()
    ac.signal:addEventListener('abort', function()
      ac.signal:addEventListener('abort', note 'late')
    end)
    ac:abort()
    ac.signal:addEventListener('abort', note 'later')
    ac:abort()
    assert.same({}, log)
  end)

  it('for other events are accepted and never run', function()
    local ac = AbortController()
    ac.signal:addEventListener('close', error)
    ac.signal:removeEventListener('close', error)
    ac:abort()
    assert.equal(0, abort.listener_count(ac.signal))
  end)

  it('must be functions', function()
    local signal = AbortController().signal
    for _, value in ipairs { 'f', 5, {}, false } do
      local err = raised(signal.addEventListener, signal, 'abort', value)
      assert.equal('ERR_INVALID_ARG_TYPE', err.code)
      err = raised(signal.removeEventListener, signal, 'abort', value)
      assert.equal('ERR_INVALID_ARG_TYPE', err.code)
      assert.equal(
        'ERR_INVALID_ARG_TYPE',
        raised(function()
          signal.onabort = value
        end).code
      )
    end
    local err = raised(signal.addEventListener, signal, 'abort', noop, 'once')
    assert.equal('ERR_INVALID_ARG_TYPE', err.code)
  end)
end)

describe('AbortSignal: a listener that raises', function()
  it('stops no other one, and its error leaves abort', function()
    local log, note = recorder()
    local ac, boom = AbortController(), {}
    ac.signal:addEventListener('abort', function()
      error(boom)
    end)
    ac.signal:addEventListener('abort', note 'second')
    assert.equal(boom, raised(ac.abort, ac))
    assert.same({ 'second' }, log)
  end)

  it('loses no error when there are several: the others leave the loop', function()
    local ac = AbortController()
    for _, text in ipairs { 'one', 'two', 'three' } do
      ac.signal:addEventListener('abort', function()
        error(text, 0)
      end)
    end
    assert.equal('one', raised(ac.abort, ac))
    local ok, second = pcall(core.run)
    assert.is_false(ok)
    assert.matches('two', tostring(second))
    local third
    ok, third = pcall(core.run)
    assert.is_false(ok)
    assert.matches('three', tostring(third))
    assert.is_true((pcall(core.run)))
  end)
end)

describe('AbortSignal: properties', function()
  it('aborted and reason cannot be set', function()
    local signal = AbortController().signal
    for _, key in ipairs { 'aborted', 'reason' } do
      local err = raised(function()
        signal[key] = true
      end)
      assert.equal('TypeError', err.name)
    end
    assert.is_false(signal.aborted)
  end)

  it('other fields are free', function()
    local signal = AbortController().signal
    signal.note = 'mine'
    assert.equal('mine', signal.note)
  end)

  it('throwIfAborted raises the reason', function()
    local ac = AbortController()
    ac.signal:throwIfAborted()
    ac:abort 'why'
    assert.equal('why', raised(ac.signal.throwIfAborted, ac.signal))
  end)

  it('is_signal tells signals from everything else', function()
    local ac = AbortController()
    assert.is_true(abort.is_signal(ac.signal))
    for _, value in ipairs { ac, {}, 'signal', 5, noop, AbortSignal } do
      assert.is_false(abort.is_signal(value))
    end
    assert.is_false(abort.is_signal(nil))
  end)

  it('cannot be made by calling AbortSignal', function()
    assert.equal('ERR_ILLEGAL_CONSTRUCTOR', raised(AbortSignal).code)
  end)
end)

describe('AbortSignal.abort', function()
  it('gives a signal that is aborted already', function()
    assert.is_true(AbortSignal.abort().aborted)
    assert.equal('AbortError', AbortSignal.abort().reason.name)
    assert.equal('why', AbortSignal.abort('why').reason)
  end)
end)

describe('AbortSignal.timeout', function()
  it('is aborted in time, with a TimeoutError', function()
    local started = core.hrtime()
    local signal = AbortSignal.timeout(20)
    assert.is_false(signal.aborted)
    run_until_aborted(signal)
    assert.is_true(core.hrtime() - started >= 19 * 1000000)
    assert.equal('TimeoutError', signal.reason.name)
    assert.equal('TIMEOUT_ERR', signal.reason.code)
    assert.equal('The operation was aborted due to timeout', signal.reason.message)
  end)

  it('does not keep the loop alive', function()
    local signal = AbortSignal.timeout(1000000)
    signal.onabort = noop
    core.run()
    assert.is_false(signal.aborted)
  end)

  it('takes delays that are longer than a timer can be', function()
    local signal = AbortSignal.timeout(4294967295)
    local done
    loop.setTimeout(function()
      done = true
    end, 5)
    core.run()
    assert.is_true(done)
    assert.is_false(signal.aborted)
  end)

  it('raises for a wrong type or range', function()
    assert.equal('ERR_INVALID_ARG_TYPE', raised(AbortSignal.timeout).code)
    assert.equal('ERR_INVALID_ARG_TYPE', raised(AbortSignal.timeout, '5').code)
    for _, value in ipairs { -1, 1.5, 2 ^ 53, 0 / 0, math.huge } do
      assert.equal('ERR_OUT_OF_RANGE', raised(AbortSignal.timeout, value).code)
    end
  end)

  it('still comes for listeners when nobody else holds the signal', function()
    local log, note = recorder()
    local guard = loop.setTimeout(noop, 15000)
    AbortSignal.timeout(1):addEventListener('abort', function()
      guard:close()
      note 'came'()
    end)
    collectgarbage()
    core.run()
    assert.same({ 'came' }, log)
  end)

  it('is collected before its time when nobody holds it or listens', function()
    assert.is_true(is_collected(function()
      return AbortSignal.timeout(1000000)
    end))
  end)
end)

describe('AbortSignal.any', function()
  it('is aborted with the first of its signals, for the same reason', function()
    local a, b = AbortController(), AbortController()
    local any = AbortSignal.any { a.signal, b.signal }
    assert.is_false(any.aborted)
    b:abort 'b'
    a:abort 'a'
    assert.is_true(any.aborted)
    assert.equal('b', any.reason)
  end)

  it('is aborted at once when one of them is', function()
    local any = AbortSignal.any {
      AbortController().signal,
      AbortSignal.abort 'x',
      AbortSignal.abort(),
    }
    assert.is_true(any.aborted)
    assert.equal('x', any.reason)
  end)

  it('of nothing is never aborted', function()
    assert.is_false(AbortSignal.any({}).aborted)
  end)

  it('runs its listeners after those of the signal, when all are aborted', function()
    local log = {}
    local ac = AbortController()
    local first = AbortSignal.any { ac.signal }
    local second = AbortSignal.any { first, ac.signal }
    local function look(name)
      return function()
        assert.is_true(ac.signal.aborted and first.aborted and second.aborted)
        log[#log + 1] = name
      end
    end
    second.onabort = look 'second'
    first.onabort = look 'first'
    ac.signal.onabort = look 'source'
    ac:abort()
    assert.same({ 'source', 'first', 'second' }, log)
  end)

  it('can be built on a timeout', function()
    local any = AbortSignal.any { AbortSignal.timeout(1), AbortController().signal }
    collectgarbage()
    run_until_aborted(any)
    assert.equal('TimeoutError', any.reason.name)
  end)

  it('still comes for listeners when nobody else holds the signal', function()
    local log, note = recorder()
    local ac = AbortController()
    AbortSignal.any({ AbortSignal.any { ac.signal } })
      :addEventListener('abort', note 'came')
    collectgarbage()
    ac:abort()
    assert.same({ 'came' }, log)
  end)

  it('is collected while its signals live, when nobody listens any more', function()
    local ac = AbortController()
    assert.is_true(is_collected(function()
      local any = AbortSignal.any { ac.signal }
      any:addEventListener('abort', noop)
      any:removeEventListener('abort', noop)
      any.onabort = noop
      any.onabort = nil
      return any
    end))
  end)

  it('raises for what is no array of signals', function()
    local signal = AbortController().signal
    local not_arrays = { { x = signal }, { signal, x = signal }, { [0] = signal } }
    for _, value in ipairs { 5, 'x', signal, { signal, 5 }, { {} } } do
      assert.equal('ERR_INVALID_ARG_TYPE', raised(AbortSignal.any, value).code)
    end
    for _, value in ipairs(not_arrays) do
      local err = raised(AbortSignal.any, value)
      assert.equal('ERR_INVALID_ARG_TYPE', err.code)
      assert.matches('^The "signals" argument must be an array', err.message)
    end
    for _, value in ipairs { { nil, signal }, { signal, [5] = signal } } do
      local err = raised(AbortSignal.any, value)
      assert.matches('^The "signals%[%d%]".* Received nil', err.message)
    end
    assert.equal('ERR_INVALID_ARG_TYPE', raised(AbortSignal.any).code)
    assert.matches('^The "signals%[2%]"', raised(AbortSignal.any, { signal, 5 }).message)
  end)
end)
