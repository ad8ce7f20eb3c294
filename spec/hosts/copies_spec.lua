-- A host program calls fork(2) while our loop lives (csrc/loop.h): whatever the copy
-- does, the parent's loop, children and channels stay whole.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- In front of each program: `copy(fn)` runs fn in a copy of the process, which ends with
-- 0 unless fn raises, and waits for it.
local HEAD = [[
  local cp = require 'child_process'
  local forking = require 'forking'
  local raw = arg[1] == 'raw'
  local function fork_off(fn, ...)
    local pid = forking.fork(raw)
    if pid > 0 then
      return pid
    end
    local ok, err = xpcall(fn, debug.traceback, ...)
    if not ok then
      io.stderr:write('in the copy: ', tostring(err), '\n')
    end
    io.stdout:flush()
    os.exit(ok and 0 or 1, true)
  end
  local function copy(fn, ...)
    local code = forking.wait(fork_off(fn, ...))
    assert(code == 0, 'the copy ended with ' .. code)
  end
]]

-- Runs it; nothing may come on stderr.  Returns stdout.
local function output(code, ...)
  local file, args = t.lua(HEAD .. code, ...)
  local result = cp.spawnSync(file, args, { timeout = t.TEST_TIMEOUT })
  assert.equal('', result.stderr)
  assert.equal(0, result.status)
  return result.stdout
end

-- The same where the copy cannot free what only a thread of its parent, or a loop that it
-- does not get, would free.
local function output_and_leaks(code, ...)
  local file, args = t.lua(code, ...)
  table.insert(args, 1, file)
  table.insert(args, 1, 'ASAN_OPTIONS=detect_leaks=0')
  local result = cp.spawnSync('env', args, { timeout = t.TEST_TIMEOUT })
  assert.equal('', result.stderr)
  assert.equal(0, result.status)
end

-- What a copy may do with what is its parent's: `child`, with a line to read; `worker`, a
-- forked one; `server`, `timer`.
local USES = {
  ['ends'] = '',
  ['ends without closing the state'] = 'forking.exit(0)',
  ['collects garbage'] = [[
    child, worker, server, timer = nil, nil, nil, nil
    collectgarbage()
    collectgarbage() ]],
  ['destroys streams'] = [[
    child.stdin:destroy()
    child.stdout:destroy()
    child.stderr:destroy() ]],
  ['runs the loop'] = 'timer:close() server:close() cp.run()',
  ['runs turns of the loop'] = 'for _ = 1, 5 do cp.run "nowait" end',
  ['waits for the child'] = [[
    timer:close()
    server:close()
    local result, err = child:wait()
    assert(result == nil and err.code == 'ERR_WOULD_BLOCK')
    assert(select(2, worker:wait()).code == 'ERR_WOULD_BLOCK') ]],
  ['signals the child'] = [[
    assert(child:kill 'SIGKILL' == false)
    assert(worker:kill(0) == false) ]],
  ['leaves the scope of the child'] = [[
    do
      local _ <close> = child
      local _ <close> = worker
    end ]],
  ['reads from the child'] = [[
    timer:close()
    server:close()
    local ok, err = pcall(child.stdout.read, child.stdout, 'l')
    assert(not ok and err.code == 'ERR_WOULD_BLOCK') ]],
  ['writes to the child'] = [[
    child.stdin:on('error', function() end)
    child.stdin:write('from the copy\n') ]],
  ['sends to the worker'] = [[
    worker:on('error', function() end)
    worker:send 'from the copy' ]],
  ['disconnects from the worker'] = 'worker:disconnect()',
  ['closes what listens'] = 'server:close() timer:close()',
  ['asks what is active'] = 'assert(#cp.active() > 0)',
  ['starts children of its own'] = [[
    timer:close()
    server:close()
    assert(cp.spawn('sh', { '-c', 'echo own; exit 7' }):wait().code == 7)
    local own = cp.fork(program, { "process:send(1) process:on('disconnect', print)" })
    own:on('message', function() own:disconnect() end)
    local code
    own:on('exit', function(c) code = c end)
    cp.run()
    assert(code == 0) ]],
  ['has an error of its own'] = [[
    timer:close()
    server:close()
    cp.nextTick(error, 'x')
    assert(not pcall(cp.run)) ]],
  ['polls for another loop'] = [[
    assert(cp.loop.pollfd() > 2)
    cp.setTimeout(function() end, 1)
    cp.run 'nowait'
    assert(cp.loop.timeout() ~= nil) ]],
  ['has closed its standard descriptors'] = [[
    io.stdin:close()
    io.stdout:close()
    io.stderr:close() ]],
}

local RUNS_THE_LOOP = {
  ['runs the loop'] = true,
  ['runs turns of the loop'] = true,
  ['waits for the child'] = true,
  ['reads from the child'] = true,
  ['starts children of its own'] = true,
  ['has an error of its own'] = true,
  ['polls for another loop'] = true,
}

local PARENT = [[
  local program = arg[2]
  local child = cp.spawn('sh', {
    '-c', 'read a; echo "out $a"; exec >&-; read b; exit 3' })
  local worker = cp.fork(program, { [=[
    process:on('message', function(m)
      process:send('got ' .. m)
      process:disconnect()
    end)]=] })
  local path = arg[3] .. '/server'
  local server = cp.net.createServer(function(s) s:destroy() end):listen(path)
  local timer = cp.setInterval(function() end, 1000)
  local text, message = '', nil
  child.stdout:on('data', function(chunk) text = text .. chunk end)
  worker:on('message', function(m) message = m end)
  local function use()
    local child, worker, server, timer = child, worker, server, timer
    %s
  end
  %s
  child.stdin:write 'one\n'
  child.stdout:once('end', function() child.stdin:write 'two\n' end)
  worker:send 'two'
  local codes = cp.wait { child, worker }
  assert(codes[1].code == 3, codes[1].reason)
  assert(codes[2].code == 0, codes[2].reason)
  assert(text == 'out one\n', text)
  assert(message == 'got two', message)
  local connected = false
  cp.net.connect(path, function() connected = true end):on('close', function()
    server:close()
    timer:close()
  end)
  cp.run()
  assert(connected)]]

describe('a copy of the process by fork(2)', function()
  local WHEN = {
    ['outside of the loop'] = 'copy(use)',
    ['in a callback'] = [[
      cp.setTimeout(function() copy(use) cp.stop() end, 1)
      cp.run()]],
    ['before the loop has run'] = 'copy(use) cp.run "nowait"',
  }
  for title, use in pairs(USES) do
    it(('that %s costs its parent nothing'):format(title), function()
      for when, how in pairs(WHEN) do
        if when ~= 'in a callback' or not RUNS_THE_LOOP[title] then
          for _, kind in ipairs { 'libc', 'raw' } do
            output(PARENT:format(use, how), kind, t.fixture 'program.lua', t.tmpdir())
          end
        end
      end
    end)
  end

  it('runs its own timers, ticks and immediates, and what it inherits of them', function()
    local out = output [[
      for _, set in ipairs { 'setTimeout', 'setImmediate', 'nextTick' } do
        cp[set](function() print(set) end, 1)
      end
      local pid = fork_off(function()
        cp.setTimeout(function() print 'own' end, 20)
        cp.run()
      end)
      forking.wait(pid)
      print 'parent'
      cp.run()]]
    local each = 'nextTick\nsetTimeout\nsetImmediate\n'
    local other = 'nextTick\nsetImmediate\nsetTimeout\n'
    out = out:gsub(other, each)
    assert.equal(each .. 'own\nparent\n' .. each, out)
  end)

  it('goes on when it was made in a callback of cp.run()', function()
    local out = output [[
      local pid
      cp.setTimeout(function()
        pid = forking.fork()
        cp.setTimeout(function() print(pid == 0 and 'copy' or 'parent') end, 1)
        if pid > 0 then
          forking.wait(pid)
        end
      end, 1)
      cp.run()
      if pid == 0 then
        assert(cp.exec('echo of the copy'):wait().stdout == 'of the copy\n')
      end]]
    assert.equal('copy\nparent\n', out)
  end)

  it('does not take the exit that its parent was about to report', function()
    output [[
      local codes = {}
      for i = 1, 3 do
        cp.spawn('sh', { '-c', 'exit ' .. i }):on('exit', function(code)
          codes[#codes + 1] = code
          copy(function() end)
        end)
      end
      cp.run()
      table.sort(codes)
      assert(table.concat(codes) == '123')]]
  end)

  it('may be made again by the copy', function()
    output [[
      local child = cp.spawn 'cat'
      child.stdout:on('data', function() end)
      copy(function()
        local own = cp.spawn 'cat'
        own.stdout:on('data', function() end)
        copy(function()
          assert(own:kill() == false and child:kill() == false)
          assert(cp.exec('exit 5'):wait().code == 5)
        end)
        own.stdin:finish 'x'
        assert(own:wait().ok)
        assert(child:kill() == false)
      end)
      child.stdin:finish 'x'
      assert(child:wait().ok)]]
  end)

  it('serves a socket that both have', function()
    local out = output [[
      local server
      server = cp.net.createServer(function(s)
        s:finish 'hello'
        server:close()
      end)
      server:listen(0, '127.0.0.1')
      cp.run 'nowait'
      local port = server:address().port
      local pid = fork_off(cp.run)
      server:close()
      cp.net.connect(port, '127.0.0.1'):on('data', print)
      cp.run()
      assert(forking.wait(pid) == 0)]]
    assert.equal('hello\n', out)
  end)

  it('made in the middle of a burst of messages gets none of the rest', function()
    local out = output [[
      local order, pid = {}
      local child = cp.spawn('sh', { '-c', 'printf "1\\n2\\n3\\n4\\n" >&3' }, {
        stdio = { 'ignore', 'inherit', 'inherit', 'ipc' },
      })
      child:on('message', function(message)
        order[#order + 1] = message
        if message == 2 then
          pid = forking.fork()
        end
      end)
      cp.run()
      if pid == 0 then
        io.write 'copy: '
      else
        assert(forking.wait(pid) == 0)
      end
      print(table.concat(order, ' '))
      io.stdout:flush()
      if pid == 0 then
        forking.exit(0)
      end]]
    assert.equal('copy: 1 2\n1 2 3 4\n', out)
  end)

  it('of a forked worker has no channel', function()
    local child = cp.fork(t.fixture 'program.lua', {
      [[
        package.cpath = ...
        local forking = require 'forking'
        process:on('message', function(m)
          local pid = forking.fork()
          if pid == 0 then
            process:on('error', function() end)
            process:send 'from the copy'
            process:disconnect()
            forking.exit(0)
          end
          forking.wait(pid)
          process:send(m)
          process:disconnect()
        end)]],
      select(2, t.module_paths()),
    })
    child:send 'question'
    local seen = {}
    child:on('message', function(m)
      seen[#seen + 1] = m
    end)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.same({ 'question' }, seen)
    end)
  end)

  it('does not reach what a child of its parent has left behind', function()
    if require('child_process.core').backend == 'uv' then
      pending 'uv_spawn makes no groups'
    end
    output [[
      local child = cp.spawn('sh', { '-c', 'sleep 1000 >&- 2>&- & exit 0' },
        { killDescendants = true })
      assert(child:wait().ok)
      copy(function()
        assert(child:kill 'SIGKILL' == false)
        do
          local _ <close> = child
        end
        child = nil
        collectgarbage()
      end)
      assert(child:kill 'SIGKILL')]]
  end)

  it('ends as it should after a look-up of its parent, whichever way', function()
    output_and_leaks(HEAD .. [[
      cp.net.connect(1, 'localhost'):on('error', function() end)
      cp.run()
      copy(function() end)
      copy(function() os.exit(0) end)
      copy(function() cp.run 'nowait' os.exit(0) end)]])
  end)

  it('is not held by a look-up of its parent', function()
    output_and_leaks(HEAD .. [[
      local found = 0
      local socket = cp.net.connect(1, 'localhost')
      socket:on('error', function() found = found + 1 end)
      copy(function()
        cp.run()
        assert(found == 0)
      end)
      cp.run()
      assert(found == 1)]])
  end)
end)

describe('a signal to a copy of a process that listens for it', function()
  it('before the copy uses the module does what it did before', function()
    output_and_leaks(HEAD .. [[
      local heard = 0
      cp.process:on('SIGTERM', function() heard = heard + 1 end)
      local pid = forking.fork()
      if pid == 0 then
        while true do end
      end
      cp.process:kill(pid, 'SIGTERM')
      assert(forking.wait(pid) == 128 + 15)
      cp.run 'nowait'
      assert(heard == 0)
      cp.process:kill(cp.process.pid, 'SIGTERM')
      repeat cp.run 'nowait' until heard == 1]])
  end)

  it('is heard by the copy that uses the module, and only there', function()
    output [[
      local heard = 0
      cp.process:on('SIGUSR1', function() heard = heard + 1 end)
      copy(function()
        cp.run 'nowait'
        cp.process:kill(cp.process.pid, 'SIGUSR1')
        repeat cp.run 'nowait' until heard == 1
      end)
      cp.run 'nowait'
      assert(heard == 0)
      cp.process:removeAllListeners 'SIGUSR1']]
  end)
end)

describe('a copy of the process', function()
  -- Calls of the module fail before it is opened.
  local FAULTS = [[
    local fault = assert(package.loadlib(arg[2], 'luaopen_fault'))()
    local core = package.searchpath('child_process.core', package.cpath)
    assert(package.loadlib(core, '*'))
    for call, result in arg[3]:gmatch '([%w_]+)=(%S+)' do
      local rule = { name = call, result = tonumber(result), errno = 12 }
      fault.arm('child_process/core.so', rule)
    end
  ]]
  local USE = [[
    local child = cp.spawn 'cat'
    child.stdout:on('data', function() end)
    copy(function()
      assert(child:kill() == false)
      assert(cp.exec('exit 5'):wait().code == 5)
    end)
    child.stdin:finish 'x'
    assert(child:wait().ok)]]

  for _, call in ipairs { 'madvise', 'mmap' } do
    it(('is known by its id where %s is refused'):format(call), function()
      local file, args =
        t.lua(FAULTS .. HEAD .. USE, 'libc', t.built 'fault.so', call .. '=-1')
      local result = cp.spawnSync(file, args)
      assert.equal('', result.stderr)
      assert.equal(0, result.status)
    end)
  end

  it('that cannot have a loop says so, and costs its parent nothing', function()
    local code = FAULTS
      .. HEAD
      .. [[
      local child = cp.spawn 'cat'
      child.stdout:on('data', function() end)
      copy(function()
        for _ = 1, 2 do
          local ok, err = pcall(cp.run)
          assert(not ok and err:find 'loop is closed', err)
        end
        assert(child:kill() == false)
        assert(not pcall(cp.spawn, 'true'))
        assert(cp.execFileSync('echo', { 'x' }) == 'x\n')
      end)
      copy(function() end)
      child.stdin:finish 'x'
      assert(child:wait().ok)]]
    output_and_leaks(code, 'libc', t.built 'fault.so', 'uv_loop_fork=-12')
  end)

  it('ends nothing by a scope that it leaves or collects', function()
    assert.equal(
      'goes on\n',
      output [[
      local scope = cp.scope()
      local child = scope:spawn('sh', { '-c', 'echo ready; exec cat' })
      child.stdout:read 'l'
      copy(function() local _ <close> = scope end)
      copy(function() scope, child = nil, nil collectgarbage() collectgarbage() end)
      child.stdin:finish 'goes on'
      print(child.stdout:readAll()) ]]
    )
  end)
end)
