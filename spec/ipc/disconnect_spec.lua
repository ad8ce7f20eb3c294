local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local fork, run, messages, answer =
  forked.fork, forked.run, forked.messages, forked.answer

local function echo(options)
  local child = cp.fork(t.fixture 'echo.lua', options)
  t.once(child, 'close', function(code)
    assert.equal(0, code)
  end)
  return child
end

describe('disconnect', function()
  it('by the parent: at once closed here, then told on both sides', function()
    local code = [[
      process:on('disconnect', function()
        print(process.connected, process.channel)
      end)]]
    local child = run(code, { silent = true })
    local out = t.collect(child.stdout)
    t.once(child, 'spawn', function()
      child:disconnect()
      assert.is_false(child.connected)
      assert.is_nil(child.channel)
    end)
    t.once(child, 'disconnect', function()
      assert.is_false(child.connected)
    end)
    local names = { 'disconnect', 'exit', 'close' }
    local events = t.record(child, names)
    t.once(child, 'close', function()
      assert.same(names, events)
      assert.equal('false\tnil\n', out())
    end)
  end)

  it('is an event, not told inside the call', function()
    local child = echo()
    local inside = true
    t.once(child, 'disconnect', function()
      assert.is_false(inside)
    end)
    child:disconnect()
    inside = false
  end)

  it('closes the channel immediately where all that was sent can be written', function()
    local child = run [[
      local seen = {}
      process:on('message', function(message) seen[#seen + 1] = message end)
      process:on('disconnect', function()
        assert(table.concat(seen, ' ') == '1 2 3')
      end)]]
    child:send(1)
    child:send(2)
    child:send(3)
    child:disconnect()
    assert.is_nil(child.channel)
    t.once(child, 'disconnect')
  end)

  it('by the child: what it has sent arrives before', function()
    local code = [[
      process:on('disconnect', function() print 'told' end)
      process:send(('x'):rep(1 << 20))
      process:disconnect()
      print(process.connected)
      print(process:send('x', function(err) print(err.code) end))]]
    local child = run(code, { silent = true })
    local out = t.collect(child.stdout)
    t.once(child, 'message', function(message)
      assert.equal(1 << 20, #message)
      assert.is_true(child.connected)
    end)
    t.once(child, 'close', function()
      local lines = {}
      for line in out():gmatch '[^\n]+' do
        lines[#lines + 1] = line
      end
      assert.same({ 'false', 'false' }, { lines[1], lines[2] })
      table.sort(lines)
      assert.same({ 'ERR_IPC_CHANNEL_CLOSED', 'false', 'false', 'told' }, lines)
    end)
  end)

  it('lets all that was sent before arrive, with callbacks and at any size', function()
    local code = [[
      local sizes = {}
      process:on('message', function(message)
        sizes[#sizes + 1] = #message
      end)
      process:on('disconnect', function()
        print(table.concat(sizes, ' '))
      end)]]
    local child = run(code, { silent = true })
    local out = t.collect(child.stdout)
    local called = 0
    for _, size in ipairs { 1, 1 << 22, 3 } do
      child:send(
        ('x'):rep(size),
        t.expect(function(err)
          assert.is_nil(err)
          called = called + 1
        end)
      )
    end
    child:disconnect()
    assert.is_false(child.connected)
    t.once(child, 'disconnect', function()
      assert.equal(3, called)
      assert.is_nil(child.channel)
    end)
    t.once(child, 'close', function()
      assert.equal('1 4194304 3\n', out())
    end)
  end)

  it('twice is an error', function()
    local child = echo()
    child:disconnect()
    t.raises('ERR_IPC_DISCONNECTED', child.disconnect, child)
    t.once(child, 'error', function(err)
      assert.equal('ERR_IPC_DISCONNECTED', err.code)
      assert.equal('IPC channel is already disconnected', err.message)
    end)
    child:disconnect()
  end)

  it('without a channel is an error', function()
    local child = cp.spawn 'true'
    t.raises('ERR_IPC_DISCONNECTED', child.disconnect, child)
  end)

  it('may be called by a listener for `message`', function()
    local child = run('for i = 1, 100 do process:send(i) end')
    local seen = 0
    child:on('message', function(message)
      seen = seen + 1
      assert.equal(seen, message)
      if message == 3 then
        child:disconnect()
      end
    end)
    t.once(child, 'disconnect', function()
      assert.equal(3, seen)
    end)
  end)

  it('may be called by a listener for a message that was kept', function()
    local code = [[
      local cp = require 'child_process'
      process:once('disconnect', print)
      cp.setTimeout(function()
        process:on('message', function(message)
          process:send(message)
          process:disconnect()
        end)
      end, 20)]]
    local child = fork(code)
    for i = 1, 3 do
      child:send(i)
    end
    messages(child, function(list, exit_code)
      assert.equal(0, exit_code)
      assert.equal(1, list[1])
    end)
  end)

  it('may be called where a message has just been sent', function()
    local child = echo()
    child:on('message', function(message)
      child:send('last', function(err)
        assert.is_nil(err)
      end)
      assert.equal('first', message)
      child:disconnect()
    end)
    child:send 'first'
    t.once(child, 'disconnect')
  end)

  it('ends a child that listens for messages', function()
    local child = run "process:on('message', print)"
    child:disconnect()
  end)

  it('lets a child go on that has something else to do', function()
    local code = [[
      process:on('disconnect', function()
        require('child_process').setTimeout(function() process:exit(7) end, 5)
      end)]]
    local child = fork(code)
    child:disconnect()
    t.once(child, 'exit', function(exit_code)
      assert.equal(7, exit_code)
    end)
  end)

  it('by the child lets the parent live on', function()
    local child = fork("process:disconnect() io.read 'a'", { silent = true })
    t.once(child, 'disconnect', function()
      assert.is_true(t.pid_alive(child.pid))
      child.stdin:finish()
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal(0, exit_code)
    end)
  end)
end)

describe('the channel of a child', function()
  local ENDS_BY_ITSELF = {
    { 'nobody listens', '' },
    {
      'the listener was for once',
      "process:once('message', print) process:emit 'message'",
    },
    {
      'the listener has gone',
      "process:on('message', print) process:off('message', print)",
    },
    {
      'all listeners have gone',
      "process:on('message', print) process:removeAllListeners()",
    },
    { 'it is unref', "process:on('message', print) process.channel:unref()" },
  }
  for _, row in ipairs(ENDS_BY_ITSELF) do
    it('does not keep it alive when ' .. row[1], function()
      run(row[2], { stdio = 'ignore' })
    end)
  end

  local GOES_ON = {
    { 'somebody listens for `message`', "process:on('message', function() end)" },
    { 'somebody listens for `disconnect`', "process:on('disconnect', function() end)" },
    { 'it is ref', 'process.channel:ref()' },
    {
      'there is a listener again',
      [[process:removeAllListeners()
        local function f() end
        process:on('message', f):off('message', f)
        process:on('message', f)]],
    },
  }
  for _, row in ipairs(GOES_ON) do
    it('keeps it alive when ' .. row[1], function()
      local code = row[2]
        .. [[
          local cp = require 'child_process'
          local count = 0
          process:on('exit', function() process:send(count) end)
          cp.setTimeout(function() count = count + 1 end, 10):unref()
          cp.setTimeout(function() count = count + 1 end, 20):unref()
          cp.setTimeout(function()
            count = count + 1
            process.channel:unref()
          end, 30):unref()]]
      answer(fork(code), function(count)
        assert.equal(3, count)
      end)
    end)
  end

  it('tells whether it keeps it alive', function()
    local code = [[
      local list = { process.channel:hasRef() }
      local function f() end
      process:on('message', f)
      list[2] = process.channel:hasRef()
      process:on('disconnect', f)
      process:off('message', f)
      list[3] = process.channel:hasRef()
      process:off('disconnect', f)
      list[4] = process.channel:hasRef()
      process.channel:ref()
      list[5] = process.channel:hasRef()
      process:send(list)
      process.channel:unref()]]
    answer(fork(code), function(list)
      assert.same({ false, true, true, false, true }, list)
    end)
  end)

  it('closes with its last parent', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.fork(arg[1], {
        "process:on('disconnect', function() io.write 'told' end)" })
      child:once('spawn', function() os.exit(0, false) end)
      cp.run()]]
    forked.program(code, function(out)
      assert.equal('told', out)
    end, nil, t.fixture 'program.lua')
  end)
end)

describe('what is left of a channel', function()
  it('is nothing, whoever ends it', function()
    local before = t.fds()
    for _ = 1, 30 do
      local child = echo()
      child:send 'x'
      child:once('message', function()
        child:disconnect()
      end)
    end
    for _ = 1, 10 do
      local child = cp.fork(t.fixture 'echo.lua')
      child:once('spawn', function()
        child:kill 'SIGKILL'
      end)
    end
    cp.run()
    collectgarbage()
    collectgarbage()
    assert.same(before, t.fds())
  end)

  it('is nothing in the child either', function()
    local code = [[
      local path = ...
      local function list()
        -- not by io.popen: its own pipes are there at times
        os.execute(('ls -l /proc/%d/fd >%s'):format(process.pid, path))
        local names <close> = io.open(path)
        return (names:read('a'):gsub('[^\n]-(%S+ %->)', '%1'):gsub('%[%d+%]', ''))
      end
      local before = list()
      process:once('message', function()
        process:send { before, list() }
      end)]]
    local child = run(code, nil, t.tmpdir() .. '/list')
    child:send 'x'
    t.once(child, 'message', function(lists)
      assert.equal(lists[1], lists[2])
    end)
  end)

  it('can be collected, with what waits in it', function()
    local child = run 'process:send(1)'
    local weak = setmetatable({ child }, { __mode = 'v' })
    child = nil -- luacheck: ignore
    cp.run()
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end)
end)
