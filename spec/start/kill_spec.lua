local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- Ignores SIGTERM: says `ready`, and then `yes` to every line.
local STUBBORN = 'trap "" TERM; echo ready; while read line; do echo yes; done'

describe('child:kill', function()
  it('sends SIGTERM by default', function()
    local child = cp.spawn 'cat'
    child.stderr:on('data', t.never 'stderr')
    t.once(child.stdout, 'end')
    t.once(child.stderr, 'end')
    child.stdout:resume()
    assert.is_nil(child.signalCode)
    assert.is_false(child.killed)
    assert.is_true(child:kill())
    assert.is_true(child.killed)
    assert.is_nil(child.signalCode)
    t.once(child, 'exit', function(code, signal)
      assert.is_nil(code)
      assert.equal('SIGTERM', signal)
      assert.equal('SIGTERM', child.signalCode)
      assert.is_nil(child.exitCode)
    end)
  end)

  it('takes names in any case and numbers', function()
    local cases = {
      SIGKILL = 'SIGKILL',
      sigint = 'SIGINT',
      SigHup = 'SIGHUP',
      [10] = 'SIGUSR1',
      [15.0] = 'SIGTERM',
    }
    for given, expected in pairs(cases) do
      local child = cp.spawn 'cat'
      assert.is_true(child:kill(given))
      t.once(child, 'exit', function(_, signal)
        assert.equal(expected, signal)
      end)
    end
  end)

  it('only tests with 0', function()
    local child = cp.spawn 'cat'
    assert.is_true(child:kill(0))
    assert.is_false(child.killed)
    t.once(child, 'exit', function(code, signal)
      assert.equal(0, code)
      assert.is_nil(signal)
      assert.is_false(child:kill(0))
      assert.is_false(child.killed)
    end)
    child.stdin:finish()
  end)

  it('refuses what is no signal, and sends nothing', function()
    local child = cp.spawn 'cat'
    local bad = { 'foo', '', 'TERM', '15', 99, -1, 1.5, 65, 0 / 0, true, {} }
    for _, signal in ipairs(bad) do
      local err = t.raises('ERR_UNKNOWN_SIGNAL', child.kill, child, signal)
      assert.equal('TypeError', err.name)
      if type(signal) == 'string' then
        local text = 'Unknown signal: ' .. signal
        assert.equal(text, err.message:match '^[^;]*')
      end
    end
    assert.is_false(child.killed)
    t.once(child, 'exit', function(code)
      assert.equal(0, code)
    end)
    child.stdin:finish()
  end)

  it('suggests the signal that was probably meant', function()
    local child = cp.spawn 'cat'
    local meant = { TERM = 'SIGTERM', kill = 'SIGKILL', SIGTREM = 'SIGTERM' }
    for wrong, right in pairs(meant) do
      local err = t.raises('ERR_UNKNOWN_SIGNAL', child.kill, child, wrong)
      local text = "Unknown signal: %s; did you mean '%s'?"
      assert.equal(text:format(wrong, right), err.message)
      err = t.raises('ERR_UNKNOWN_SIGNAL', cp.process.kill, cp.process, child.pid, wrong)
      assert.equal(text:format(wrong, right), err.message)
    end
    local err = t.raises('ERR_UNKNOWN_SIGNAL', child.kill, child, 'SIGNONE')
    assert.equal('Unknown signal: SIGNONE', err.message)
    child.stdin:finish()
  end)

  it('says false once the child is gone', function()
    local child = cp.spawn 'true'
    t.once(child, 'exit', function()
      assert.is_false(child:kill())
      assert.is_false(child:kill 'SIGKILL')
      assert.is_false(child.killed)
    end)
    t.once(child, 'close', function()
      assert.is_false(child:kill())
    end)
  end)

  it('leaves killed as it was after the end', function()
    local child = cp.spawn 'cat'
    child:kill 'SIGHUP'
    t.once(child, 'exit', function()
      assert.is_false(child:kill())
      assert.is_true(child.killed)
    end)
  end)

  it('says false, and reaches nobody, where no process was started', function()
    local child = cp.spawn 'does_not_exist_lcp'
    t.once(child, 'error', function()
      assert.is_false(child:kill())
    end)
    assert.is_nil(child.pid)
    assert.is_false(child:kill(0))
    assert.is_false(child:kill())
    assert.is_false(child.killed)
  end)

  it('does not end a child that ignores SIGTERM, SIGKILL does', function()
    local child = cp.spawn('sh', { '-c', STUBBORN })
    t.on_line(child.stdout, function(line)
      if line == 'ready' then
        assert.is_true(child:kill())
        child.stdin:write 'still there?\n'
      else
        assert.equal('yes', line)
        assert.is_nil(child.signalCode)
        assert.is_true(child:kill 'SIGKILL')
      end
    end)
    t.once(child, 'exit', function(code, signal)
      assert.is_nil(code)
      assert.equal('SIGKILL', signal)
    end)
  end)

  it('runs the handler of a child that has one', function()
    local script =
      'trap "echo caught; exit 5" HUP; echo ready; while :; do read line; done'
    local child = cp.spawn('sh', { '-c', script })
    local lines = {}
    t.on_line(child.stdout, function(line)
      lines[#lines + 1] = line
      if line == 'ready' then
        child:kill 'SIGHUP'
        child.stdin:write '\n'
      end
    end)
    t.once(child, 'close', function(code, signal)
      assert.same({ 'ready', 'caught' }, lines)
      assert.equal(5, code)
      assert.is_nil(signal)
    end)
  end)

  it('stops and continues', function()
    local child = cp.spawn 'cat'
    local exited = false
    child:on('exit', function()
      exited = true
    end)
    assert.is_true(child:kill 'SIGSTOP')
    repeat
      cp.run 'nowait'
    until t.status_field(child.pid, 'State'):sub(1, 1) == 'T'
    cp.run 'nowait'
    assert.is_false(exited)
    assert.is_nil(child.signalCode)
    assert.is_true(child:kill 'SIGCONT')
    t.once(child, 'exit', function(code)
      assert.equal(0, code)
    end)
    child.stdin:finish()
  end)

  it('ends a child that prints without end', function()
    local child = cp.spawn('sh', { '-c', 'while :; do echo hi; done' })
    child.stdout:once('data', function()
      child:kill 'SIGINT'
    end)
    t.once(child, 'exit', function(code, signal)
      assert.is_nil(code)
      assert.equal('SIGINT', signal)
    end)
  end)

  it('leaves the end of a child as it was that has ended already', function()
    local child = cp.spawn('sh', { '-c', 'exit 4' })
    repeat
      local state = t.status_field(child.pid, 'State')
    until state == nil or state:sub(1, 1) == 'Z'
    assert.equal('boolean', type(child:kill 'SIGKILL'))
    t.once(child, 'exit', function(code, signal)
      assert.equal(4, code)
      assert.is_nil(signal)
    end)
  end)
end)

describe('a pid that is used again', function()
  -- Asks the kernel for the same pid once more; others may be quicker.
  local function spawn_with_pid(pid)
    for _ = 1, 50 do
      local file = io.open('/proc/sys/kernel/ns_last_pid', 'w')
      if not (file and file:write(pid - 1) and file:close()) then
        return nil
      end
      local child = cp.spawn 'cat'
      if child.pid == pid then
        return child
      end
      child.stdin:finish()
      cp.run()
    end
  end

  it('is out of reach of the child that had it before', function()
    local old = cp.spawn 'true'
    cp.run()
    local new = spawn_with_pid(old.pid)
    if not new then
      pending 'this system does not let us choose the next pid'
    end
    assert.is_false(old:kill 'SIGKILL')
    assert.is_false(old:kill(0))
    t.once(new, 'exit', function(code, signal)
      assert.equal(0, code)
      assert.is_nil(signal)
    end)
    new.stdin:finish()
  end)
end)

describe('local child <close>', function()
  it('sends SIGTERM when the scope is left', function()
    local seen
    do
      local child <close> = cp.spawn 'cat'
      child.stderr:on('data', t.never 'stderr')
      t.once(child.stdout, 'end')
      t.once(child.stderr, 'end')
      child.stdout:resume()
      t.once(child, 'exit', function(code, signal)
        assert.is_nil(code)
        assert.equal('SIGTERM', signal)
        assert.equal('SIGTERM', seen.signalCode)
      end)
      assert.is_nil(child.signalCode)
      assert.is_false(child.killed)
      seen = child
    end
    assert.is_true(seen.killed)
  end)

  it('leaves alone a child that has ended', function()
    local seen
    do
      local child <close> = cp.spawn 'true'
      cp.run()
      seen = child
    end
    assert.is_false(seen.killed)
    assert.equal(0, seen.exitCode)
  end)

  it('sends no second signal', function()
    local child <const> = cp.spawn('sh', { '-c', STUBBORN })
    t.on_line(child.stdout, function(line)
      if line == 'ready' then
        do
          local scoped <close> = child
          scoped:kill 'SIGTERM'
        end
        child.stdin:write 'still there?\n'
      else
        child:kill 'SIGKILL'
      end
    end)
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGKILL', signal)
    end)
  end)

  it('lets the error pass that leaves the scope', function()
    local seen
    local ok, err = pcall(function()
      local child <close> = cp.spawn 'cat'
      seen = child
      error('on purpose', 0)
    end)
    assert.is_false(ok)
    assert.equal('on purpose', err)
    assert.is_true(seen.killed)
  end)

  it('may hold a child that failed to start', function()
    do
      local child <close> = cp.spawn 'does_not_exist_lcp'
      t.once(child, 'error', function(err)
        assert.equal('ENOENT', err.code)
      end)
    end
  end)
end)
