--- cp.await, cp.wait, and what becomes of coroutines that fail or are given up.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- A child that says `ready` and then waits for its stdin to end.
local function waiting()
  return cp.spawn('sh', { '-c', 'echo ready; exec cat' })
end

local function on_close(fn)
  return setmetatable({}, { __close = fn })
end

-- Calls back in the next turn of the loop.
local function later(...)
  local args = table.pack(...)
  local callback = args[args.n]
  cp.setImmediate(callback, table.unpack(args, 1, args.n - 1))
end

describe('cp.await', function()
  it('returns what follows the error, nil included', function()
    local got = table.pack(cp.await(later, nil, 'a', nil, 'c', nil))
    assert.same({ 'a', nil, 'c', nil, n = 4 }, got)
    assert.equal(0, select('#', cp.await(later)))
  end)

  it('raises the error', function()
    local mine = {}
    local ok, err = pcall(cp.await, later, mine, 'x')
    assert.is_false(ok)
    assert.equal(mine, err)
  end)

  it('takes an answer that comes at once, and only the first', function()
    local answer = cp.await(function(callback)
      callback(nil, 1)
      callback(nil, 2)
    end)
    assert.equal(1, answer)
  end)

  it('waits in a coroutine while others go on', function()
    local steps = {}
    for i = 1, 2 do
      cp.async(function()
        table.insert(steps, 'begin ' .. i)
        table.insert(steps, (cp.await(later, nil, 'end ' .. i)))
      end)
    end
    cp.run()
    assert.same({ 'begin 1', 'begin 2', 'end 1', 'end 2' }, steps)
  end)

  it('works with what takes a callback: exec, write, setTimeout', function()
    local out, err = cp.await(cp.exec, 'echo out; echo err >&2')
    assert.equal('out\n', out)
    assert.equal('err\n', err)
    local failure = t.raises(3, cp.await, cp.exec, 'echo out; exit 3')
    assert.equal('out\n', failure.stdout)
    local child = cp.spawn('wc', { '-c' })
    cp.await(child.stdin.write, child.stdin, ('x'):rep(1000000))
    assert.equal(0, child.stdin.writableLength)
    child.stdin:finish()
    cp.await(function(done)
      cp.setTimeout(done, 1)
    end)
    assert.equal('1000000\n', child:wait().stdout)
  end)

  it('waits until a message is written', function()
    local program = [[
      local cp = require 'child_process'
      cp.process:on('message', function() end)
      cp.run()]]
    local command, args = t.lua(program)
    local child = cp.spawn(command, args, { stdio = { 'ignore', 1, 2, 'ipc' } })
    cp.async(t.expect(function()
      for i = 1, 3 do
        cp.await(child.send, child, { i, ('x'):rep(300000) })
      end
      child:disconnect()
      t.raises('ERR_IPC_CHANNEL_CLOSED', cp.await, child.send, child, 'late')
    end))
  end)

  it('calls nothing where it cannot wait', function()
    cp.setImmediate(t.expect(function()
      t.raises('ERR_WOULD_BLOCK', cp.await, t.never())
    end))
  end)

  it('raises when the answer cannot come any more', function()
    t.raises('ERR_WOULD_BLOCK', cp.await, function() end)
  end)

  it('lets out what the function raises', function()
    local mine = {}
    local ok, err = pcall(cp.await, function()
      error(mine)
    end)
    assert.is_false(ok)
    assert.equal(mine, err)
  end)

  it('takes a function only', function()
    t.raises('ERR_INVALID_ARG_TYPE', cp.await)
    t.raises('ERR_INVALID_ARG_TYPE', cp.await, {})
  end)

  it('is not heard of any more when the coroutine is closed', function()
    local callback
    local thread = cp.async(function()
      cp.await(function(fn)
        callback = fn
      end)
    end)
    assert.is_true(coroutine.close(thread))
    callback(nil, 'late')
    assert.is_false(cp.run())
  end)
end)

describe('cp.wait', function()
  it('returns the result of each child, in their order', function()
    local children = {
      cp.spawn('sh', { '-c', 'read -r line; echo first; exit 1' }),
      cp.spawn('echo', { 'second' }),
      cp.spawn 'does-not-exist',
    }
    children[2]:on('close', function()
      children[1].stdin:finish '\n'
    end)
    local results = cp.wait(children)
    assert.equal(3, #results)
    for i, child in ipairs(children) do
      assert.same(child:wait(), results[i])
    end
    assert.equal('first\n', results[1].stdout)
    assert.equal('second\n', results[2].stdout)
    assert.equal('ENOENT', results[3].error.code)
  end)

  it('takes the output of all of them meanwhile', function()
    local children = {}
    for i = 1, 4 do
      children[i] = cp.spawn('head', { '-c', 500000, '/dev/zero' })
    end
    for _, result in ipairs(cp.wait(children)) do
      assert.equal(500000, #result.stdout)
    end
  end)

  it('returns nil and timeout, and all of it at the next call', function()
    local children = { waiting(), cp.spawn('echo', { 'second' }) }
    assert.same({ nil, 'timeout' }, { cp.wait(children, 1) })
    assert.equal(0, children[1]:listenerCount 'error')
    children[1].stdin:finish 'more'
    local results = cp.wait(children, t.TEST_TIMEOUT)
    assert.equal('ready\nmore', results[1].stdout)
    assert.equal('second\n', results[2].stdout)
  end)

  it('waits in a coroutine for those that the list had at the call', function()
    local list = { cp.spawn 'true', cp.spawn 'false' }
    cp.async(t.expect(function()
      local results = cp.wait(list)
      assert.equal(0, results[1].code)
      assert.equal(1, results[2].code)
    end))
    list[1], list[2] = nil, nil
  end)

  it('returns at once for no children', function()
    cp.setImmediate(t.expect(function()
      assert.same({}, cp.wait {})
    end))
  end)

  it('returns nil and an error when nothing keeps the loop alive', function()
    local child = cp.spawn('cat', {}, { stdio = { 'pipe', 'ignore', 'ignore' } })
    child:unref()
    local results, err = cp.wait { child }
    assert.is_nil(results)
    assert.equal('ERR_WOULD_BLOCK', err.code)
    child:ref()
    child.stdin:finish()
  end)

  it('takes a list of children and milliseconds only', function()
    local child = cp.spawn 'true'
    t.raises('ERR_INVALID_ARG_TYPE', cp.wait)
    t.raises('ERR_INVALID_ARG_TYPE', cp.wait, child)
    local err = t.raises('ERR_INVALID_ARG_TYPE', cp.wait, { child, 'x' })
    assert.truthy(err.message:find('children[2]', 1, true))
    t.raises('ERR_INVALID_ARG_TYPE', cp.wait, { child }, '1')
    t.raises('ERR_OUT_OF_RANGE', cp.wait, { child }, -1)
  end)
end)

describe('an error in cp.async', function()
  local function fail_in_a_coroutine(value)
    cp.spawn('true'):wait()
    error(value)
  end

  local function start(value)
    cp.async(fail_in_a_coroutine, value)
  end

  local function check(text)
    assert.equal(1, select(2, text:gsub('stack traceback:', '')))
    assert.truthy(text:find 'in function <.-await_spec%.lua:%d+>' or text:find 'fail_in')
    local inner, outer = text:match '^(.-)(started by cp%.async.*)$'
    assert.truthy(inner:find('error', 1, true))
    assert.truthy(outer:find("'start'", 1, true))
  end

  it('leaves cp.run() as it is', function()
    start 'mine'
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.truthy(err:find '^[^\n]*await_spec%.lua:%d+: mine$')
  end)

  it('of ours has the way to it, and to the start of the coroutine', function()
    local _, value = pcall(cp.spawn)
    value.traceback = nil
    start(value)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal(value, err)
    check(err.traceback)
  end)

  it('leaves other values as they are, nil included', function()
    for _, value in ipairs { 42, false, { 1 } } do
      start(value)
      assert.same({ false, value }, { pcall(cp.run) })
    end
    start(nil)
    assert.same({ false, t.NO_ERROR }, { pcall(cp.run) })
  end)

  it('is raised also in a coroutine of the user', function()
    for _, value in ipairs { 42, false } do
      coroutine.wrap(fail_in_a_coroutine)(value)
      assert.same({ false, value }, { pcall(cp.run) })
    end
    coroutine.wrap(fail_in_a_coroutine)(nil)
    assert.same({ false, t.NO_ERROR }, { pcall(cp.run) })
  end)
end)

describe('waiting in the __close of something', function()
  it('works when the scope is left', function()
    cp.async(t.expect(function()
      local child = waiting()
      do
        local _ <close> = on_close(function()
          child.stdin:finish()
          assert.equal('ready\n', child:wait().stdout)
        end)
      end
      assert.equal(0, child.exitCode)
    end))
  end)

  it('works when the scope is left by an error', function()
    local result
    cp.async(function()
      local _ <close> = on_close(function()
        result = cp.spawn('echo', { 'out' }):wait()
      end)
      error({ 'mine' }, 0)
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.same({ 'mine' }, err)
    cp.run()
    assert.equal('out\n', result.stdout)
  end)

  it('runs the loop when the coroutine is closed from outside of it', function()
    local result
    local thread = cp.async(function()
      local _ <close> = on_close(function()
        result = cp.spawn('echo', { 'out' }):wait()
      end)
      coroutine.yield()
    end)
    assert.is_true(coroutine.close(thread))
    assert.equal('out\n', result.stdout)
  end)

  it('raises when the coroutine is closed in a callback', function()
    local thread = cp.async(function()
      local _ <close> = on_close(function()
        cp.spawn('true'):wait()
      end)
      coroutine.yield()
    end)
    cp.setImmediate(t.expect(function()
      local ok, err = coroutine.close(thread)
      assert.is_false(ok)
      assert.equal('ERR_WOULD_BLOCK', err.code)
    end))
  end)
end)

describe('a coroutine that waits', function()
  it('leaves no listener behind on a stream when it is closed', function()
    local child = waiting()
    local before = child.stdout:eventNames()
    for _, read in ipairs {
      child.stdout.readAll,
      function(stream)
        return stream:read 'l' and stream:read 'l'
      end,
    } do
      assert.is_true(coroutine.close(cp.async(read, child.stdout)))
      assert.same(before, child.stdout:eventNames())
    end
    child.stdin:finish()
    assert.equal('ready\n', child.stdout:readAll())
  end)

  it('is collected together with what it waits for', function()
    local weak = setmetatable({}, { __mode = 'v' })
    weak[1] = cp.async(function()
      local emitter = cp.EventEmitter()
      weak[2] = emitter
      cp.await(emitter.once, emitter, 'never')
    end)
    collectgarbage()
    collectgarbage()
    assert.same({}, weak)
  end)

  it('may yield to whoever resumes it by hand', function()
    local got
    local thread = cp.async(function()
      cp.spawn('true'):wait()
      got = coroutine.yield()
    end)
    cp.run()
    assert.is_nil(got)
    coroutine.resume(thread, 'by hand')
    assert.equal('by hand', got)
  end)

  it('must not yield values that nobody receives', function()
    cp.async(function()
      cp.spawn('true'):wait()
      coroutine.yield 'lost'
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal('ERR_INVALID_STATE', err.code)
    assert.truthy(err.traceback:find 'await_spec%.lua')
    cp.async(coroutine.yield, 'lost')
    assert.is_false((pcall(cp.run)))
  end)

  it('goes on under a scheduler that resumes all of its coroutines in turn', function()
    local tasks, outputs = {}, {}
    for i = 1, 5 do
      tasks[i] = coroutine.create(function()
        local child = cp.spawn 'cat'
        for _ = 1, i do
          coroutine.yield() -- lets the others go on, in the way of this scheduler
        end
        child.stdin:finish 'text'
        outputs[i] = child:wait().stdout
      end)
    end
    repeat
      for i = #tasks, 1, -1 do
        assert.is_true(coroutine.resume(tasks[i]))
        if coroutine.status(tasks[i]) == 'dead' then
          table.remove(tasks, i)
        end
      end
      cp.run 'nowait'
    until #tasks == 0
    assert.same({ 'text', 'text', 'text', 'text', 'text' }, outputs)
  end)

  -- copas is not among Debian's packages for Lua 5.4; this is all that is used of it.
  it('is refused while copas runs, but in cp.async', function()
    package.loaded.copas = { running = true }
    local child = cp.spawn 'true'
    coroutine.wrap(t.expect(function()
      local err = t.raises('ERR_WOULD_BLOCK', child.wait, child)
      assert.truthy(err.message:find('copas', 1, true))
      assert.same({}, child:eventNames())
    end))()
    cp.async(t.expect(function()
      assert.is_true(child:wait().ok)
    end))
    cp.run()
    package.loaded.copas = nil
  end)
end)

describe('several coroutines', function()
  it('wait for one child by all means', function()
    local child, seen = waiting(), {}
    cp.async(function()
      seen.wait = child:wait().code
    end)
    cp.async(function()
      seen.all = cp.wait({ child, child })[2].code
    end)
    cp.async(function()
      seen.late = select(2, child:wait(1))
      child.stdin:finish()
    end)
    cp.run()
    assert.same({ wait = 0, all = 0, late = 'timeout' }, seen)
  end)

  it('share the pieces of one stream, each getting some', function()
    local child, pieces = cp.spawn('cat'), {}
    for i = 1, 3 do
      cp.async(function()
        table.insert(pieces, i .. child.stdout:read 'L')
      end)
    end
    cp.async(function()
      for _, line in ipairs { 'a\n', 'b\n', 'c\n' } do
        cp.await(child.stdin.write, child.stdin, line)
      end
      child.stdin:finish()
    end)
    cp.run()
    local text = table.concat(pieces):gsub('%d', '')
    assert.equal(3, #pieces)
    assert.equal('a\nb\nc\n', text)
  end)
end)
