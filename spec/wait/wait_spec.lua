--- child:wait(), stream:lines(), readAll(), read('l'), cp.async.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- A child that prints what `printf` makes of a format.
local function printing(format)
  return cp.spawn('printf', { (format:gsub('\n', '\\n'):gsub('%%', '%%%%')) })
end

-- A child that says `ready` and then waits for its stdin to end.
local function waiting(options)
  return cp.spawn('sh', { '-c', 'echo ready; exec cat' }, options)
end

-- Runs `fn` in a callback of the loop, outside a coroutine.
local function in_callback(fn)
  cp.setImmediate(t.expect(fn))
  cp.run()
end

describe('child:wait()', function()
  it('returns how the child ended and what it printed', function()
    local child = cp.spawn('sh', { '-c', 'echo out; echo err >&2; exit 3' })
    local result = child:wait()
    assert.is_true(result.duration > 0)
    assert.equal(child.usage, result.usage)
    assert.is_true(result.usage.userCPUTime + result.usage.systemCPUTime > 0)
    result.duration, result.usage = nil, nil
    assert.same({
      pid = child.pid,
      code = 3,
      status = 3,
      stdout = 'out\n',
      stderr = 'err\n',
      output = { nil, 'out\n', 'err\n', n = 3 },
      reason = 'exit',
      ok = false,
      forced = false,
      truncated = false,
    }, result)
  end)

  it('is ok after exit code 0', function()
    local result = cp.spawn('true'):wait()
    assert.is_true(result.ok)
    assert.equal('exit', result.reason)
  end)

  it('tells the signal', function()
    local child = cp.spawn 'cat'
    child:kill 'SIGKILL'
    local result = child:wait()
    assert.equal('SIGKILL', result.signal)
    assert.is_nil(result.code)
    assert.equal('signal', result.reason)
    assert.is_false(result.ok)
  end)

  it('returns the failure to start instead of letting it out', function()
    local result = cp.spawn('does-not-exist'):wait()
    assert.equal('ENOENT', result.error.code)
    assert.equal('spawn', result.reason)
    assert.is_false(result.ok)
    assert.is_nil(result.pid)
  end)

  it('returns the same again', function()
    local child = printing 'text'
    local first = child:wait()
    assert.same(first, child:wait())
    assert.equal('text', first.stdout)
  end)

  it('returns at once when the child has closed, even in a callback', function()
    local child = printing 'text'
    child:wait()
    in_callback(function()
      assert.equal('text', child:wait().stdout)
    end)
  end)

  it('leaves no listener behind', function()
    local child = waiting()
    local before = child:eventNames()
    assert.same({ nil, 'timeout' }, { child:wait(1) })
    assert.same(before, child:eventNames())
    child.stdin:finish()
    child:wait()
    assert.equal(0, child:listenerCount 'error')
  end)

  it('runs the other callbacks of the loop meanwhile', function()
    local child = waiting()
    cp.setImmediate(t.expect(function()
      child.stdin:finish 'more'
    end))
    assert.equal('ready\nmore', child:wait().stdout)
  end)

  it('lets the error of another callback out, and can be called again', function()
    local child = waiting()
    cp.setImmediate(function()
      error({ 'mine' }, 0)
    end)
    local ok, err = pcall(child.wait, child)
    assert.is_false(ok)
    assert.same({ 'mine' }, err)
    child.stdin:finish()
    assert.equal('ready\n', child:wait().stdout)
  end)

  it('raises in a callback outside a coroutine', function()
    local child = waiting()
    in_callback(function()
      local err = t.raises('ERR_WOULD_BLOCK', child.wait, child)
      assert.truthy(tostring(err):find('wait()', 1, true))
      child.stdin:finish()
    end)
  end)

  it('returns nil and an error when nothing keeps the loop alive', function()
    local child = cp.spawn('cat', {}, { stdio = { 'pipe', 'ignore', 'ignore' } })
    child:unref()
    local result, err = child:wait()
    assert.is_nil(result)
    assert.equal('ERR_WOULD_BLOCK', err.code)
    child:ref()
    child.stdin:finish()
    assert.is_true(child:wait().ok)
  end)

  it('takes a number of milliseconds only', function()
    local child = cp.spawn 'true'
    t.raises('ERR_INVALID_ARG_TYPE', child.wait, child, '10')
    t.raises('ERR_OUT_OF_RANGE', child.wait, child, -1)
    t.raises('ERR_OUT_OF_RANGE', child.wait, child, 0 / 0)
    assert.is_true(child:wait(math.huge).ok)
  end)
end)

describe('child:wait(timeout)', function()
  it('returns nil and timeout, and the child goes on', function()
    local child = waiting()
    local result, why = child:wait(1)
    assert.is_nil(result)
    assert.equal('timeout', why)
    assert.is_nil(child.exitCode)
    child.stdin:finish()
    assert.is_true(child:wait().ok)
  end)

  it('keeps for the next call what has been collected', function()
    local child = waiting()
    repeat
      local _, why = child:wait(10)
    until child.stdout.bytesRead > 0 or why == nil
    child.stdin:finish 'more'
    assert.equal('ready\nmore', child:wait().stdout)
  end)

  it('does not hold the loop when the child closes in time', function()
    assert.is_true(cp.spawn('true'):wait(2 ^ 40).ok)
  end)
end)

describe('the output in the result of wait()', function()
  it('is nil where there is no pipe', function()
    local result = cp.spawn('echo', { 'x' }, { stdio = 'ignore' }):wait()
    assert.is_nil(result.stdout)
    assert.is_nil(result.stderr)
  end)

  it('is nil where somebody else reads', function()
    local child = cp.spawn('sh', { '-c', 'echo out; echo err >&2' })
    local out = t.collect(child.stdout)
    local result = child:wait()
    assert.is_nil(result.stdout)
    assert.equal('out\n', out())
    assert.equal('err\n', result.stderr)
  end)

  it('is nil where it was piped elsewhere', function()
    local source, sink = printing 'text', cp.spawn 'cat'
    source.stdout:pipe(sink.stdin)
    assert.is_nil(source:wait().stdout)
    assert.equal('text', sink:wait().stdout)
  end)

  it('is complete whatever its size', function()
    local result = cp.spawn('head', { '-c', 3000000, '/dev/zero' }):wait()
    assert.equal(3000000, #result.stdout)
  end)

  it('is there also if the child ended before anybody waited', function()
    local first, second = waiting(), printing 'second'
    second:once('close', function()
      first.stdin:finish()
    end)
    assert.equal('ready\n', first:wait().stdout)
    assert.equal('second', second:wait().stdout)
  end)

  it('is bounded by maxBuffer, which ends the child', function()
    local child = cp.spawn('sh', { '-c', 'echo hello; exec cat' }, { maxBuffer = 3 })
    local result = child:wait()
    assert.equal('hel', result.stdout)
    assert.equal('maxBuffer', result.reason)
    assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', result.error.code)
    assert.is_false(result.ok)
    assert.is_true(child.killed)
  end)

  it('follows the encoding of the stream', function()
    local child = printing 'text'
    child.stdout:setEncoding 'hex'
    assert.equal('74657874', child:wait().stdout)
  end)
end)

describe('the reason in the result of wait()', function()
  it('is timeout when the time limit of spawn was over', function()
    local result = cp.spawn('cat', {}, { timeout = 1 }):wait()
    assert.equal('timeout', result.reason)
    assert.equal('SIGTERM', result.signal)
  end)

  it('is abort when the signal was aborted', function()
    local controller = cp.AbortController()
    local child = waiting { signal = controller.signal }
    child.stdout:once('readable', function()
      controller:abort 'enough'
    end)
    local result = child:wait()
    assert.equal('abort', result.reason)
    assert.equal('ABORT_ERR', result.error.code)
    assert.equal('enough', result.error.cause)
  end)

  it('is abort when the signal was aborted before', function()
    local result = cp.spawn('true', { signal = cp.AbortSignal.abort() }):wait()
    assert.equal('abort', result.reason)
    assert.is_nil(result.code)
    assert.is_nil(result.signal)
  end)

  it('is the first of several', function()
    local options = { timeout = 1, killSignal = 'SIGKILL', signal = nil }
    local controller = cp.AbortController()
    options.signal = controller.signal
    local child = cp.spawn('cat', {}, options)
    child:on('exit', function()
      controller:abort()
    end)
    assert.equal('timeout', child:wait().reason)
  end)
end)

describe('wait() after cp.exec', function()
  it('returns what exec collected, with or without a callback', function()
    local result = cp.exec('echo out; echo err >&2; exit 3', t.expect()):wait()
    assert.equal('out\n', result.stdout)
    assert.equal('err\n', result.stderr)
    assert.equal(3, result.code)
    assert.is_nil(result.error)
    assert.equal('out\n', cp.exec('echo out'):wait().stdout)
  end)

  it('tells the time limit, with the output so far', function()
    local result = cp.exec('echo ready; exec cat', { timeout = 500 }):wait()
    assert.equal('timeout', result.reason)
    assert.equal('ready\n', result.stdout)
  end)

  it('tells an overflow', function()
    local result = cp.exec('echo hello; exec cat', { maxBuffer = 3 }):wait()
    assert.equal('maxBuffer', result.reason)
    assert.equal('hel', result.stdout)
    assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', result.error.code)
  end)

  it('tells a failure to start', function()
    local result = cp.execFile('does-not-exist'):wait()
    assert.equal('spawn', result.reason)
    assert.equal('ENOENT', result.error.code)
    assert.equal('', result.stdout)
  end)
end)

describe('cp.async', function()
  it('runs a function in a coroutine at once, until it waits', function()
    local steps = {}
    cp.async(function(first, second)
      steps[#steps + 1] = first .. second
      assert.is_true(coroutine.isyieldable())
      steps[#steps + 1] = cp.spawn('echo', { 'out' }):wait().stdout
    end, 'a', 'b')
    assert.same({ 'ab' }, steps)
    cp.run()
    assert.same({ 'ab', 'out\n' }, steps)
  end)

  it('takes a function only', function()
    t.raises('ERR_INVALID_ARG_TYPE', cp.async)
    t.raises('ERR_INVALID_ARG_TYPE', cp.async, 'x')
  end)

  it('works in a callback', function()
    local result
    in_callback(function()
      cp.async(function()
        result = cp.spawn('true'):wait()
      end)
    end)
    assert.is_true(result.ok)
  end)

  it('lets several wait at the same time', function()
    local done = {}
    local children = { waiting(), waiting(), waiting() }
    for i, child in ipairs(children) do
      cp.async(function()
        assert.equal('ready\n', child:wait().stdout)
        done[#done + 1] = i
        if children[i - 1] then
          children[i - 1].stdin:finish()
        end
      end)
    end
    children[3].stdin:finish()
    cp.run()
    assert.same({ 3, 2, 1 }, done)
  end)

  it('lets several wait for one child', function()
    local child, count = printing 'text', 0
    for _ = 1, 3 do
      cp.async(function()
        assert.equal('text', child:wait().stdout)
        count = count + 1
      end)
    end
    cp.run()
    assert.equal(3, count)
  end)

  it('gives each of them its own time', function()
    local child = waiting()
    cp.async(t.expect(function()
      assert.same({ nil, 'timeout' }, { child:wait(1) })
      child.stdin:finish()
    end))
    cp.async(t.expect(function()
      assert.is_true(child:wait().ok)
    end))
  end)

  it('lets an error out of cp.run() as it is', function()
    cp.async(function()
      cp.spawn('true'):wait()
      error 'mine'
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.truthy(err:find 'wait_spec.lua:%d+: mine$')
  end)

  it('lets an error before the first wait out of cp.run() as well', function()
    local mine = {}
    cp.async(function()
      error(mine, 0)
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal(mine, err)
  end)

  it('wakes the others also if one of them fails', function()
    local child = cp.spawn 'true'
    cp.async(function()
      child:wait()
      error({}, 0)
    end)
    cp.async(t.expect(function()
      assert.is_true(child:wait().ok)
    end))
    assert.is_false((pcall(cp.run)))
  end)

  it('closes what a failed coroutine had open', function()
    local child = cp.spawn 'cat'
    cp.async(function()
      local _ <close> = child
      cp.spawn('true'):wait()
      error({}, 0)
    end)
    assert.is_false((pcall(cp.run)))
    assert.equal('SIGTERM', child:wait().signal)
  end)

  it('returns the coroutine, which may be closed while it waits', function()
    local child = waiting()
    local before = child:eventNames()
    local thread = cp.async(function()
      child:wait(2 ^ 30)
    end)
    assert.is_true(coroutine.close(thread))
    assert.same(before, child:eventNames())
    child.stdin:finish()
  end)

  it('is not disturbed by others who resume the coroutine', function()
    local child, result = waiting(), nil
    local thread = coroutine.create(function()
      result = child:wait()
    end)
    for _ = 1, 3 do
      assert.is_true(coroutine.resume(thread))
    end
    assert.is_nil(result)
    child.stdin:finish()
    cp.run()
    assert.is_true(result.ok)
  end)
end)
