-- cp.serve, and who can use a pool.
local forked = require 'spec.support.forked'
local node = require 'spec.support.node'
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it_with_node = node.wrap(it, pending)
local it = t.wrap(it)

describe('cp.serve', function()
  it('raises without a channel, or for anything but a function', function()
    local err = t.raises('ERR_INVALID_STATE', cp.serve, print)
    assert.matches('cp.serve needs a channel', err.message)
    t.raises('ERR_INVALID_ARG_TYPE', cp.serve, 'function')
    t.raises('ERR_INVALID_ARG_TYPE', cp.serve)
  end)

  it('raises the second time', function()
    local pool <close> = pools.program(
      [[
      local function serve() return require('child_process').serve(function()
        local ok, err = pcall(cp.serve, print)
        return { ok, err.code }
      end) end
      serve() ]],
      { size = 1 }
    )
    assert.same({ false, 'ERR_INVALID_STATE' }, pool:run())
  end)

  it('serves one request at a time', function()
    local pool <close> = pools.new(
      [[
      running = (running or 0) + 1
      sleep(1)
      running = running - 1
      return running ]],
      { size = 1 }
    )
    for _, running in ipairs(pool:map { 1, 2, 3, 4, 5, 6 }) do
      assert.equal(0, running)
    end
  end)

  it('lets a request wait for children of its own', function()
    local pool <close> = pools.new "return cp.exec('echo ' .. request):wait().stdout"
    assert.same({ 'a\n', 'b\n' }, pool:map { 'a', 'b' })
  end)

  it('does not disturb what a request prints', function()
    local code = [[
      local cp = require 'child_process'
      local pool <close> = cp.pool(arg[1], { arg[2] }, { size = 1 })
      pool:run 'one'
      pool:run 'two' ]]
    local serve = [[require('child_process').serve(print)]]
    local child = cp.fork(
      t.fixture 'program.lua',
      { code, t.fixture 'program.lua', serve },
      {
        silent = true,
      }
    )
    assert.equal('one\tnil\ntwo\tnil\n', child:wait().stdout)
  end)

  it('answers whoever has forked the program', function()
    local child =
      forked.run "require('child_process').serve(function(n) return n + 1 end)"
    local list = {}
    child:on('message', function(message)
      message.us = nil
      list[#list + 1] = message
      if #list == 3 then
        child:disconnect()
      end
    end)
    child:send { run = 'a', request = 1 }
    child:send 'stray'
    child:send { stray = true }
    child:send { run = 2, request = 2 }
    cp.run()
    local ready = { ready = true, tickets = true }
    assert.same({ ready, { done = 'a', reply = 2 }, { done = 2, reply = 3 } }, list)
  end)

  it('ends the worker when the tickets it is told of are none', function()
    local child = forked.fork("require('child_process').serve(print)", { silent = true })
    child:send { tickets = 3 }
    local result = child:wait()
    assert.equal(1, result.code)
    assert.matches('EINVAL', result.stderr)
    child = forked.fork("require('child_process').serve(print)", { silent = true })
    child:send { tickets = 99 }
    assert.matches('EBADF', child:wait().stderr)
  end)

  it('answers nobody any more when the parent is gone', function()
    local child = forked.run [[
      local cp = require 'child_process'
      cp.serve(function()
        process:disconnect()
        cp.await(function(done) cp.setTimeout(done, 10) end)
        return 1
      end) ]]
    child:on('message', function(message)
      assert.is_true(message.ready)
    end)
    child:send { run = 1 }
  end)

  it('ends quietly when the parent goes while replies are on their way', function()
    local child = forked.run(
      "require('child_process').serve(function() return ('x'):rep(10000) end)",
      { stdio = { 'ignore', 'ignore', 'pipe', 'ipc' } }
    )
    local errors = t.collect(child.stderr)
    child:on('message', function(message)
      if message.done and child.connected then
        child:disconnect()
      end
    end)
    child:on('close', function()
      assert.equal('', errors())
    end)
    for i = 1, 400 do
      child:send { run = i }
    end
  end)

  it('hides no other error of the channel', function()
    local pool <close> = pools.new("process:emit('error', 'mine')", { size = 1 })
    assert.equal('mine', pools.raised(pool, 1).cause)
  end)
end)

describe('a pool', function()
  it_with_node('can have workers in Node', function()
    local script = node.script [[
      process.on('message', async ({ run, request, tickets }) => {
        if (run === undefined) return;
        if (request === 'fail') {
          const { name, message, stack } = new RangeError('no');
          process.send({ failed: run, error: { name, message, stack, code: 'E_NO' } });
        } else {
          process.send({ done: run, reply: request * 2 });
        }
      });
      process.send({ ready: true }); ]]
    local options = { size = 2, execPath = 'node', execArgv = {} }
    local pool <close> = cp.pool(script, {}, options)
    assert.same({ 2, 4, 6, 8 }, pool:map { 1, 2, 3, 4 })
    local err = pools.raised(pool, 'fail')
    assert.equal('E_NO', err.code)
    assert.equal('RangeError', err.name)
    assert.matches('^RangeError: no\n', err.stack)
  end)

  it('can be used in a worker of another', function()
    local pool <close> = pools.new(
      [[
      inner = inner or cp.pool(request.file, { request.code }, { size = 1 })
      return inner:run(request.n) + 1 ]],
      { size = 1 }
    )
    local code = "require('child_process').serve(function(n) return n * 10 end)"
    local request = { file = t.fixture 'program.lua', code = code, n = 4 }
    assert.equal(41, pool:run(request))
    assert.equal(41, pool:run(request))
  end)

  it('leaves nothing behind in a process with several Lua states', function()
    local _, args = t.lua('one_pool_of_many.lua', t.fixture 'program.lua', t.lua_exe)
    local result = cp.spawnSync(t.built 'state_host', { '4', table.unpack(args) })
    assert.equal('', result.stderr)
    assert.equal('children 0, descriptors +0\n', result.stdout)
  end)

  it('takes nothing in a copy of its process, which leaves it whole', function()
    local forking = t.built 'forking.so'
    local program = ([[
      local forking = assert(package.loadlib(%q, 'luaopen_forking'))()
      local cp = require 'child_process'
      local pool = cp.pool(arg[1], { arg[2] }, { size = 1 })
      assert(pool:run(1) == 1)
      local reply
      local thread = cp.async(function() reply = pool:run(5) end)
      local pid = forking.fork()
      if pid == 0 then
        local ok, err = pcall(pool.run, pool, 2)
        pool:close()
        local called
        pool:close(function() called = true end)
        do local _ <close> = pool end
        assert(coroutine.close(thread))
        pool = nil
        collectgarbage()
        collectgarbage()
        cp.run 'nowait'
        os.exit(called and not ok and err.code == 'ERR_POOL_CLOSED' and 0 or 1, true)
      end
      assert(forking.wait(pid) == 0)
      while not reply do cp.run 'once' end
      assert(reply == 5)
      assert(pool:run(3) == 3)
      pool:close()
      print 'whole' ]]):format(forking)
    local serve = "require('child_process').serve(function(n) return n end)"
    local file, args = t.lua(program, t.fixture 'program.lua', serve)
    local result = cp.spawnSync(file, args, { timeout = t.TEST_TIMEOUT })
    assert.equal('', result.stderr)
    assert.equal('whole\n', result.stdout)
  end)
end)
