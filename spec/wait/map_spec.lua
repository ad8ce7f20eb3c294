--- cp.map: a function or a command for each item.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function wait_ms(ms)
  cp.await(function(callback)
    cp.setTimeout(callback, ms)
  end)
end

describe('cp.map with a function', function()
  it('returns the results in the order of the list', function()
    local results, errors = cp.map({ 30, 1, 10 }, function(ms, index)
      wait_ms(ms)
      return ms * 2 + index
    end, { limit = 3 })
    assert.same({ 61, 4, 23 }, results)
    assert.same({}, errors)
  end)

  it('takes an empty list', function()
    assert.same({ {}, {} }, { cp.map({}, t.never()) })
  end)

  it('runs no more than so many at a time, and that many', function()
    local now, most = 0, 0
    cp.map({ 1, 2, 3, 4, 5, 6 }, function()
      now = now + 1
      most = math.max(most, now)
      wait_ms(2)
      now = now - 1
    end, { limit = 2 })
    assert.equal(2, most)
    most = 0
    cp.map({ 1, 2, 3, 4, 5, 6 }, function()
      now = now + 1
      most = math.max(most, now)
      wait_ms(2)
      now = now - 1
    end, { limit = math.huge })
    assert.equal(6, most)
  end)

  it('runs as many as there are processors, by default', function()
    local list, now, most = {}, 0, 0
    for i = 1, cp.availableParallelism() + 2 do
      list[i] = i
    end
    cp.map(list, function()
      now = now + 1
      most = math.max(most, now)
      wait_ms(2)
      now = now - 1
    end)
    assert.equal(cp.availableParallelism(), most)
  end)

  it('has what was raised in errors, unchanged, and a hole in results', function()
    local boom = {}
    local values = { 1, boom, 3, 'text', 5 }
    local results, errors = cp.map(values, function(value)
      if math.type(value) then
        return value
      end
      error(value, 0)
    end)
    assert.same({ 1, nil, 3, nil, 5 }, results)
    assert.equal(boom, errors[2])
    assert.equal('text', errors[4])
    assert.is_nil(errors[1])
  end)

  it('has an entry in errors for an error that is nil', function()
    local results, errors = cp.map({ 1 }, error, {})
    assert.same({ {}, { 1 } }, { results, errors })
    results, errors = cp.map({ 1 }, function()
      error(nil)
    end)
    assert.same({ {}, { t.NO_ERROR or 'nil' } }, { results, errors })
  end)

  it('takes a result that is not ok for a failure', function()
    local results, errors = cp.map({ 'true', 'exit 3' }, function(command)
      return cp.exec(command):wait()
    end)
    assert.is_true(results[1].ok)
    assert.is_nil(results[2])
    assert.equal(3, errors[2].code)
  end)

  it('keeps the stack of an error value of ours', function()
    local _, errors = cp.map({ 1 }, function()
      cp.spawn(5)
    end)
    assert.matches('map_spec', errors[1].traceback)
  end)

  it('tries again as often as it may', function()
    local tries = { 0, 0, 0 }
    local results, errors = cp.map({ 1, 2, 3 }, function(needed, index)
      tries[index] = tries[index] + 1
      if tries[index] < needed then
        error(tries[index], 0)
      end
      return 'done'
    end, { retries = 1 })
    assert.same({ 'done', 'done' }, results)
    assert.same({ [3] = 2 }, errors)
    assert.same({ 1, 2, 2 }, tries)
  end)

  it('waits before it tries again', function()
    local times = {}
    cp.map({ 1 }, function()
      times[#times + 1] = cp.process:hrtime()
      error 'again'
    end, { retries = 2, delay = 10 })
    assert.equal(3, #times)
    assert.is_true(times[3] - times[1] >= 2 * 10 * 1000000)
  end)

  it('does not try again what an AbortSignal has stopped', function()
    local tries = 0
    local _, errors = cp.map({ 1 }, function()
      tries = tries + 1
      return cp.exec('true', { signal = cp.AbortSignal.abort() }):wait()
    end, { retries = 5 })
    assert.equal(1, tries)
    assert.equal('abort', errors[1].reason)
  end)

  it('raises the first error with stopOnError, and begins nothing more', function()
    local boom, begun = {}, {}
    local ok, err = pcall(cp.map, { 1, 2, 3, 4 }, function(i)
      begun[#begun + 1] = i
      if i == 2 then
        error(boom)
      end
    end, { stopOnError = true, limit = 1 })
    assert.is_false(ok)
    assert.equal(boom, err)
    assert.same({ 1, 2 }, begun)
  end)

  it('closes the coroutines that still run, with stopOnError', function()
    local child
    local ok, err = pcall(cp.map, { 1, 2 }, function(i)
      if i == 1 then
        local own <close> = cp.spawn('sleep', { '600' })
        child = own
        own:wait()
      end
      error('boom', 0)
    end, { stopOnError = true, limit = 2 })
    assert.same({ false, 'boom' }, { ok, err })
    assert.equal('SIGTERM', child:wait().signal)
  end)

  it('does not lose an error of a to-be-closed variable there', function()
    local ok, err = pcall(cp.map, { 1, 2 }, function(i)
      if i == 1 then
        local _ <close> = setmetatable({}, {
          __close = function()
            error('closing', 0)
          end,
        })
        cp.await(function() end)
      end
      error('boom', 0)
    end, { stopOnError = true, limit = 2 })
    assert.same({ false, 'boom' }, { ok, err })
    assert.same({ false, 'closing' }, { pcall(cp.run) })
  end)

  it('waits in a coroutine, where others go on', function()
    local done
    cp.async(function()
      local results = cp.map({ 1, 2 }, function(i)
        wait_ms(1)
        return i
      end)
      done = results
    end)
    assert.is_nil(done)
    cp.run()
    assert.same({ 1, 2 }, done)
  end)

  it('may be used within itself', function()
    local results = cp.map({ 1, 2, 3 }, function(i)
      return cp.map({ 1, 2 }, function(j)
        wait_ms(1)
        return i * j
      end)
    end)
    assert.same({ { 1, 2 }, { 2, 4 }, { 3, 6 } }, results)
  end)

  it('ends what it has begun when an error of a callback leaves it', function()
    local thread
    cp.setTimeout(error, 1, 'callback', 0)
    local ok, err = pcall(cp.map, { 1 }, function()
      thread = coroutine.running()
      local child <close> = cp.spawn('sleep', { '600' })
      child:wait()
    end)
    assert.same({ false, 'callback' }, { ok, err })
    assert.equal('dead', coroutine.status(thread))
  end)

  it('raises in a bare callback, and calls nothing', function()
    cp.setImmediate(t.expect(function()
      t.raises('ERR_WOULD_BLOCK', cp.map, { 1 }, t.never())
      t.raises('ERR_WOULD_BLOCK', cp.map, {}, t.never())
    end))
  end)

  it('raises when nothing can end it', function()
    t.raises('ERR_WOULD_BLOCK', cp.map, { 1 }, function()
      cp.await(function() end)
    end)
  end)

  it('goes on when one of its coroutines is closed, whose item has failed', function()
    for limit = 1, 3 do
      local begun = {}
      local results, errors = cp.map({ 1, 2, 3, 4 }, function(i)
        begun[#begun + 1] = i
        if i == 1 then
          cp.setImmediate(coroutine.close, coroutine.running())
          cp.await(function() end)
        end
        return i
      end, { limit = limit })
      assert.same({ nil, 2, 3, 4 }, results)
      assert.equal('ECANCELED', errors[1].code)
      assert.matches('item 1 was closed', errors[1].message)
      assert.same({ 1, 2, 3, 4 }, begun)
    end
  end)

  it('goes on when an item closes the coroutine of another', function()
    local threads = {}
    local results, errors = cp.map({ 1, 2, 3 }, function(i)
      threads[i] = coroutine.running()
      if i == 1 then
        cp.await(function() end)
      end
      assert(i == 3 or coroutine.close(threads[1]))
      return i
    end, { limit = 2 })
    assert.same({ nil, 2, 3 }, results)
    assert.equal('ECANCELED', errors[1].code)
  end)

  it('does not try an item again whose coroutine is closed between two', function()
    local tries = 0
    local _, errors = cp.map({ 1 }, function()
      tries = tries + 1
      cp.setTimeout(coroutine.close, 1, coroutine.running())
      error 'again'
    end, { retries = 3, delay = 1e6 })
    assert.equal(1, tries)
    assert.equal('ECANCELED', errors[1].code)
  end)

  it('has what a to-be-closed variable raises then in errors', function()
    local closed
    local results, errors = cp.map({ 1, 2 }, function(i)
      if i == 2 then
        return 2
      end
      local _ <close> = setmetatable({}, {
        __close = function()
          error('closing', 0)
        end,
      })
      cp.setImmediate(function(thread)
        closed = table.pack(coroutine.close(thread))
      end, coroutine.running())
      cp.await(function() end)
    end, { limit = 1 })
    assert.same({ nil, 2 }, results)
    assert.same({ 'closing' }, errors)
    assert.same({ false, 'closing', n = 2 }, closed)
  end)

  it('takes a closed coroutine for the first error, with stopOnError', function()
    local err = t.raises('ECANCELED', cp.map, { 1, 2 }, function()
      cp.setImmediate(coroutine.close, coroutine.running())
      cp.await(function() end)
    end, { limit = 1, stopOnError = true })
    assert.matches('item 1', err.message)
  end)

  it('is over when its own coroutine is closed, and ends what it has begun', function()
    local threads, child = {}, nil
    local outer = cp.async(function()
      cp.map({ 1, 2, 3 }, function(i)
        threads[i] = coroutine.running()
        local own <close> = cp.spawn('sleep', { '600' })
        child = own
        own:wait()
      end, { limit = 2 })
    end)
    assert.is_true(coroutine.close(outer))
    assert.equal(2, #threads)
    assert.equal('dead', coroutine.status(threads[1]))
    assert.equal('dead', coroutine.status(threads[2]))
    assert.equal('SIGTERM', child:wait().signal)
  end)

  it('is over when an item closes the coroutine that has called it', function()
    local begun, ended, outer = {}, {}, nil
    outer = cp.async(function()
      cp.map({ 1, 2, 3 }, function(i)
        begun[#begun + 1] = i
        local _ <close> = setmetatable({}, {
          __close = function()
            ended[#ended + 1] = i
          end,
        })
        wait_ms(i)
        assert(coroutine.close(outer))
        if i == 1 then
          cp.await(function() end)
        end
      end, { limit = 2 })
    end)
    cp.run()
    assert.same({ 1, 2 }, begun)
    assert.same({ 2, 1 }, ended)
  end)

  it('begins no other item then, either', function()
    local begun, outer = 0, nil
    outer = cp.async(function()
      wait_ms(1)
      cp.map({ 1, 2 }, function()
        begun = begun + 1
        wait_ms(1)
        assert(coroutine.close(outer))
      end, { limit = 1 })
    end)
    cp.run()
    assert.equal(1, begun)
  end)
end)

describe('cp.map with a command', function()
  it('puts the item where {} is, in any word', function()
    local results = cp.map({ 'a', 'b c', '%1' }, { 'printf', '%s|', 'x{}y', '{}{}', 'z' })
    local printed = {}
    for i, result in ipairs(results) do
      printed[i] = result.stdout
    end
    assert.same({ 'xay|aa|z|', 'xb cy|b cb c|z|', 'x%1y|%1%1|z|' }, printed)
  end)

  it('appends it where no word has that', function()
    local results = cp.map({ 'a', 5, 2.5 }, { 'echo', '-n' })
    assert.same(
      { 'a', '5', '2.5' },
      { results[1].stdout, results[2].stdout, results[3].stdout }
    )
    assert.equal('', cp.map({ 'true', '/bin/true' }, { '{}' })[2].stdout)
  end)

  it('uses no shell', function()
    local results = cp.map({ '$HOME', '`id`', '; id' }, { 'echo', '{}' })
    assert.equal('$HOME\n', results[1].stdout)
    assert.equal('`id`\n', results[2].stdout)
    assert.equal('; id\n', results[3].stdout)
  end)

  it('has the results of wait, and in errors those of what failed', function()
    local results, errors = cp.map({ '0', '3' }, { 'sh', '-c', 'echo out; exit {}' })
    assert.is_true(results[1].ok)
    assert.equal('out\n', results[1].stdout)
    assert.is_nil(results[2])
    assert.equal(3, errors[2].code)
    assert.equal('out\n', errors[2].stdout)
    local _, missing = cp.map({ 1 }, { '/no/such/program' })
    assert.equal('spawn', missing[1].reason)
    assert.equal('ENOENT', missing[1].error.code)
  end)

  it('gives its options to each of them', function()
    local options = { cwd = '/', env = { A = '1' }, limit = 2, timeout = 60000 }
    local results = cp.map({ 'x', 'y' }, { '/bin/sh', '-c', 'pwd; echo ${A}{}' }, options)
    assert.equal('/\n1x\n', results[1].stdout)
    assert.equal('/\n1y\n', results[2].stdout)
    local _, errors = cp.map({ '600' }, { 'sleep' }, { timeout = 10 })
    assert.equal('timeout', errors[1].reason)
  end)

  it('gives them an empty stdin, unless the options say otherwise', function()
    assert.equal('', cp.map({ '-' }, { 'cat' })[1].stdout)
    assert.equal('text', cp.map({ '-' }, { 'cat' }, { input = 'text' })[1].stdout)
  end)

  it('tries a command again', function()
    local file = t.tmpdir() .. '/count'
    local command = 'echo x >> "$0"; test $(wc -l < "$0") = 3'
    local results = cp.map({ file }, { 'sh', '-c', command }, { retries = 4 })
    assert.is_true(results[1].ok)
    assert.equal('x\nx\nx\n', t.slurp(file))
  end)

  it('raises the failed result with stopOnError, when all have been reaped', function()
    local folder = t.tmpdir()
    local command = [[[ $0 != 2 ] && >ready && exec sleep 600
          until [ -e ready ]; do :; done; exit 3]]
    local ok, err = pcall(cp.map, { 1, 2, 3 }, { 'sh', '-c', command }, {
      limit = 2,
      stopOnError = true,
      cwd = folder,
    })
    assert.is_false(ok)
    assert.equal(3, err.code)
    assert.equal('exit', err.reason)
    assert.same({}, t.children())
  end)

  it('ends and reaps them when an error of a callback leaves it', function()
    cp.setTimeout(error, 20, 'callback', 0)
    local ok, err = pcall(cp.map, { '600', '600' }, { 'sleep' }, { limit = 2 })
    assert.same({ false, 'callback' }, { ok, err })
    assert.same({}, t.children())
  end)

  if t.backend() == 'linux' then
    it('leaves alone what a command that has ended has started', function()
      local options = { killDescendants = true, stdio = { 'ignore', 'pipe', 'ignore' } }
      local command = { 'sh', '-c', 'sleep 600 >&- & echo $!', '{}' }
      local pid = tonumber(cp.map({ 'x' }, command, options)[1].stdout)
      assert.is_true(cp.process:kill(pid, 'SIGKILL'))
    end)
  end

  it('sends the commands that it ends one SIGTERM', function()
    local folder = t.tmpdir()
    local command = [[trap 'echo x >>signals; sleep 0.1; exit' TERM; [ $0 = 2 ] || >ready
      while [ $0 = 1 ]; do sleep 0.01; done
      until [ -e ready ]; do :; done; exit 3]]
    local options = { limit = 2, stopOnError = true, cwd = folder }
    assert.is_false(pcall(cp.map, { 1, 2 }, { 'sh', '-c', command }, options))
    assert.equal('x\n', t.slurp(folder .. '/signals'))
  end)

  it('ends the command of a coroutine that is closed', function()
    local methods, threads, children = cp.ChildProcess.prototype, {}, {}
    local spawn, first = methods.spawn, nil
    function methods.spawn(child, ...)
      threads[#threads + 1], children[#children + 1] = coroutine.running(), child
      if #children == 3 then
        first = children[1].signalCode
      end
      return spawn(child, ...)
    end
    cp.setImmediate(function()
      assert.is_true(coroutine.close(threads[1]))
    end)
    local results, errors = cp.map({ '600', '0.2', '0' }, { 'sleep' }, { limit = 1 })
    methods.spawn = spawn
    assert.equal('ECANCELED', errors[1].code)
    assert.is_true(results[2].ok and results[3].ok)
    assert.equal('SIGTERM', first)
  end)

  it('keeps nothing of those that have ended but their results', function()
    local list, methods = {}, cp.ChildProcess.prototype
    for i = 1, 40 do
      list[i] = i
    end
    local started, alive, spawn = 0, setmetatable({}, { __mode = 'k' }), methods.spawn
    function methods.spawn(child, ...)
      started, alive[child] = started + 1, true
      return spawn(child, ...)
    end
    cp.async(cp.map, list, { 'true' }, { limit = 1 })
    while started < 30 do
      cp.run 'once'
    end
    methods.spawn = spawn
    collectgarbage()
    collectgarbage()
    local count = 0
    for _ in pairs(alive) do
      count = count + 1
    end
    assert.is_true(count < 10)
  end)
end)

describe('the arguments of cp.map', function()
  it('are checked before anything begins', function()
    local fn = t.never()
    for _, list in ipairs { 5, 'x', true, print, { a = 1 } } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.map, list, fn)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, nil, fn)
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1, nil, 3 }, fn)
    for _, what in ipairs { 5, 'gzip {}', true, io.stdout } do
      t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 }, what)
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 })
    for _, limit in ipairs { 0, -1, 1.5, 0 / 0 } do
      t.raises('ERR_OUT_OF_RANGE', cp.map, { 1 }, fn, { limit = limit })
    end
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 }, fn, { limit = '2' })
    t.raises('ERR_OUT_OF_RANGE', cp.map, { 1 }, fn, { retries = -1 })
    t.raises('ERR_OUT_OF_RANGE', cp.map, { 1 }, fn, { delay = -1 })
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 }, fn, { delay = '1' })
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 }, fn, { stopOnError = 1 })
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 }, fn, 5)
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 }, fn, { 5 })
  end)

  it('are checked by name', function()
    local err = t.raises('ERR_INVALID_ARG_VALUE', cp.map, { 1 }, { 'x' }, { limt = 1 })
    assert.matches(
      "options.limt is not an option of map; did you mean 'limit'",
      err.message
    )
    t.raises('ERR_INVALID_ARG_VALUE', cp.map, { 1 }, { 'x' }, { silent = true })
    err = t.raises('ERR_INVALID_ARG_VALUE', cp.map, { 1 }, t.never(), { cwd = '/' })
    assert.matches('not of map with a function', err.message)
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 }, { 'x' }, { timeout = '1' })
  end)

  it('are words and items that a command can have', function()
    t.raises('ERR_INVALID_ARG_VALUE', cp.map, { 1 }, {})
    t.raises('ERR_INVALID_ARG_VALUE', cp.map, { 1 }, { '' })
    t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 1 }, { 'echo', {} })
    t.raises('ERR_INVALID_ARG_VALUE', cp.map, { 1 }, { 'echo', 'a\0' })
    local err = t.raises('ERR_INVALID_ARG_TYPE', cp.map, { 'a', {} }, { 'echo' })
    assert.matches('list%[2%]', err.message)
    err = t.raises('ERR_INVALID_ARG_VALUE', cp.map, { 'a', 'b', 'c\0' }, { 'echo' })
    assert.matches('list%[3%]', err.message)
  end)

  it('are left as they are', function()
    local list, words, options = { 5 }, { 'echo', '{}' }, { limit = 1 }
    cp.map(list, words, options)
    assert.same({ { 5 }, { 'echo', '{}' }, { limit = 1 } }, { list, words, options })
  end)
end)
