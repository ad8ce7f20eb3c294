--- Why, how and with what error a child has ended: what results, cp.debug and exec say.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local MINE = { 'mine' }
local IPC = { 'pipe', 'pipe', 'pipe', 'ipc' }

-- A child with a `kill` of the user's, which raises when it has done its work.
local function with_raising_kill(child)
  local kill = child.kill
  function child:kill(signal)
    kill(self, signal)
    error(MINE, 0)
  end
  return child
end

local function waiting(options)
  return cp.spawn('sh', { '-c', 'echo ready; exec cat' }, options)
end

describe('the result of a child', function()
  it('says exit when it was the channel that broke', function()
    local command = 'echo not-json >&3; exit 0'
    local child = cp.spawn('sh', { '-c', command }, { stdio = IPC })
    local result = child:wait()
    assert.equal('exit', result.reason)
    assert.equal(0, result.code)
    assert.equal(child.pid, result.pid)
    assert.is_not_nil(result.error)
    assert.is_true(result.ok)
  end)

  it('says exit when a message was sent too late', function()
    local child = cp.spawn('cat', {}, { stdio = IPC })
    cp.setImmediate(function()
      child:disconnect()
      child:send 'late'
      child.stdin:finish()
    end)
    local result = child:wait()
    assert.equal('exit', result.reason)
    assert.equal('ERR_IPC_CHANNEL_CLOSED', result.error.code)
    assert.is_true(result.ok)
  end)

  it('has no code when it could not be started', function()
    for _, start in ipairs { cp.spawn, cp.execFile, cp.fork } do
      local options = { cwd = '/no/such/folder' }
      local result = start('true', {}, options):wait()
      assert.equal('spawn', result.reason)
      assert.is_nil(result.code)
      assert.is_nil(result.pid)
      assert.equal('ENOENT', result.error.code)
    end
    assert.is_nil(cp.exec('true', { cwd = '/no/such/folder' }):wait().code)
  end)

  it('agrees with what cp.debug reports', function()
    local seen = {}
    cp.debug(function(event)
      if event.event == 'exit' then
        seen[#seen + 1] = { event.reason, event.code, event.error }
      end
    end)
    local results = {
      cp.spawn('sh', { '-c', 'echo not-json >&3' }, { stdio = IPC }):wait(),
      cp.spawn('no-such-program'):wait(),
      cp.exec('exec cat', { timeout = 1 }):wait(),
      cp.exec('echo out', { maxBuffer = 1 }):wait(),
      cp.spawn('true', { signal = cp.AbortSignal.abort() }):wait(),
    }
    cp.debug(nil)
    for i, result in ipairs(results) do
      assert.same({ result.reason, result.code, result.error }, seen[i])
    end
    assert.equal(#results, #seen)
  end)
end)

describe('a kill of the user that raises', function()
  it('becomes the error event after a timeout', function()
    local child = with_raising_kill(waiting { timeout = 1 })
    t.once(child, 'error', function(err)
      assert.equal(MINE, err)
    end)
    assert.equal('timeout', child:wait().reason)
  end)

  it('becomes the error event after an abort', function()
    local controller = cp.AbortController()
    local child = with_raising_kill(waiting { signal = controller.signal })
    t.once(child, 'error', function(err)
      assert.equal(MINE, err)
    end)
    controller:abort()
    local result = child:wait()
    assert.equal('abort', result.reason)
  end)

  it('becomes the error event when wait() meets too much output', function()
    local child = with_raising_kill(waiting { maxBuffer = 1 })
    t.once(child, 'error', function(err)
      assert.equal(MINE, err)
    end)
    local result = child:wait()
    assert.equal('maxBuffer', result.reason)
    assert.equal('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', result.error.code)
  end)

  it('becomes the error event, and the error, of exec', function()
    for _, options in ipairs { { maxBuffer = 1 }, { timeout = 1 } } do
      local child = cp.exec(
        'echo ready; exec cat',
        options,
        t.expect(function(err)
          assert.equal(MINE, err)
        end)
      )
      with_raising_kill(child)
      t.once(child, 'error', function(err)
        assert.equal(MINE, err)
      end)
    end
  end)

  it('leaves cp.run() when nobody listens', function()
    local child = with_raising_kill(cp.spawn('cat', {}, { timeout = 1 }))
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.equal(MINE, err)
    assert.equal('timeout', child:wait().reason)
  end)
end)

describe('timeout', function()
  it('of exec counts until the output has ended', function()
    local child = cp.exec('sleep 1000 & echo $!', { timeout = 300 })
    local result = child:wait()
    os.execute('kill ' .. result.stdout)
    assert.equal('timeout', result.reason)
    assert.equal(0, result.code)
  end)

  it('of 0 is none, in every call', function()
    local function works(start, ...)
      local result = start(...):wait()
      assert.is_true(result.ok)
    end
    works(cp.spawn, 'true', {}, { timeout = 0 })
    works(cp.execFile, 'true', {}, { timeout = 0 })
    works(cp.exec, 'true', { timeout = 0 })
    assert.equal(0, cp.spawnSync('true', {}, { timeout = 0 }).status)
  end)
end)
