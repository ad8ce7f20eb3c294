local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local process = cp.process
local fork = forked.fork

describe('a signal', function()
  -- Whether this process catches, or ignores, a signal.
  local function state(signo)
    local function bit(field)
      return tonumber(t.status_field('self', field), 16) >> (signo - 1) & 1 == 1
    end
    return bit 'SigCgt', bit 'SigIgn'
  end
  local SIGUSR2 = require('child_process.core').signals.SIGUSR2

  -- The listener does not keep the loop alive.
  local function wait_for(seen)
    local timer = cp.setInterval(function() end, 5)
    return function(...)
      timer:close()
      return seen(...)
    end
  end

  it('is an event with its name and number', function()
    process:once(
      'SIGUSR2',
      t.expect(wait_for(function(...)
        assert.same({ 'SIGUSR2', SIGUSR2 }, { ... })
      end))
    )
    process:kill(process.pid, 'SIGUSR2')
  end)

  it('is installed by the first listener, and undone with the last', function()
    if t.watched_by() == 'valgrind' then
      return pending 'valgrind catches every signal itself'
    end
    local function f() end
    assert.is_false(state(SIGUSR2))
    process:on('SIGUSR2', f)
    process:on('SIGUSR2', print)
    assert.is_true(state(SIGUSR2))
    process:off('SIGUSR2', f)
    assert.is_true(state(SIGUSR2))
    process:off('SIGUSR2', print)
    assert.is_false(state(SIGUSR2))
    process:once('SIGUSR2', f)
    assert.is_true(state(SIGUSR2))
    process:removeAllListeners 'SIGUSR2'
    assert.is_false(state(SIGUSR2))
    process:prependOnceListener('SIGUSR2', f)
    assert.is_true(state(SIGUSR2))
    process:removeAllListeners()
    assert.is_false(state(SIGUSR2))
  end)

  it('goes back to what the host had', function()
    local code = [[
      local process = require('child_process').process
      local function ignored()
        local file <close> = io.open '/proc/self/status'
        return tonumber(file:read('a'):match 'SigIgn:%s*(%x+)', 16) >> (12 - 1) & 1 == 1
      end
      print(ignored())
      process:on('SIGUSR2', print)
      print(ignored())
      process:removeAllListeners()
      print(ignored())]]
    local exe, args = t.lua(code)
    table.move(args, 1, #args, 3)
    args[1], args[2] = '--ignore-signal=USR2', exe
    cp.execFile(
      'env',
      args,
      t.expect(function(err, out)
        assert.is_nil(err)
        assert.equal('true\nfalse\ntrue\n', out)
      end)
    )
  end)

  it('ends a process whose listener has gone', function()
    local code = [[
      local function f() end
      process:on('SIGUSR2', f)
      process:off('SIGUSR2', f)
      process:on('message', f)
      process:send 'ready']]
    local child = fork(code)
    t.once(child, 'message', function()
      child:kill 'SIGUSR2'
    end)
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGUSR2', signal)
    end)
  end)

  it('does not keep the loop alive', function()
    forked.run "process:on('SIGINT', print)"
  end)

  it('is told to a forked child, again and again', function()
    local code = [[
      local count = 0
      process:on('SIGINT', function(name, number)
        count = count + 1
        process:send { count, name, number }
        if count == 3 then process:disconnect() end
      end)
      process:on('message', print)
      process:send 'ready']]
    local child = fork(code)
    local seen = {}
    child:on('message', function(message)
      seen[#seen + 1] = message
      if #seen <= 3 then
        child:kill 'SIGINT'
      end
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal(0, exit_code)
      assert.same(
        { 'ready', { 1, 'SIGINT', 2 }, { 2, 'SIGINT', 2 }, { 3, 'SIGINT', 2 } },
        seen
      )
    end)
  end)

  it('may be listened for again', function()
    for _ = 1, 3 do
      process:once('SIGUSR2', t.expect(wait_for(function() end)))
      process:kill(process.pid, 'SIGUSR2')
      cp.run()
    end
  end)

  it('stays with the children as it was', function()
    process:on('SIGUSR2', print)
    cp.exec(
      'kill -USR2 $$',
      t.expect(function(err)
        assert.equal('SIGUSR2', err.signal)
        process:removeAllListeners 'SIGUSR2'
      end)
    )
  end)

  it('that raises in its listener leaves cp.run(), and stays listened for', function()
    local count = 0
    process:on('SIGUSR2', function()
      count = count + 1
      error('on purpose', 0)
    end)
    local timer = cp.setInterval(function() end, 5)
    for i = 1, 2 do
      process:kill(process.pid, 'SIGUSR2')
      local ok, err = pcall(cp.run)
      assert.is_false(ok)
      assert.truthy(tostring(err):find 'on purpose', err)
      assert.equal(i, count)
    end
    timer:close()
    process:removeAllListeners 'SIGUSR2'
  end)

  it('that cannot be caught raises, and is not listened for', function()
    for _, name in ipairs { 'SIGKILL', 'SIGSTOP' } do
      local err = t.raises('EINVAL', process.on, process, name, print)
      assert.equal('uv_signal_start', err.syscall)
      assert.equal(0, process:listenerCount(name))
    end
  end)

  it('of no signal is an event like any other', function()
    process:on('SIGNO', t.expect())
    process:emit('SIGNO')
    process:removeAllListeners 'SIGNO'
  end)
end)
