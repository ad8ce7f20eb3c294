--- The class ChildProcess: what Node documents of each of its members, and one that is
-- made by hand.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

describe('a ChildProcess', function()
  it('has the properties that Node documents', function()
    local child = cp.spawn('sh', { '-c', 'exit 3' })
    assert.equal('integer', math.type(child.pid))
    assert.equal('sh', child.spawnfile)
    assert.same({ 'sh', '-c', 'exit 3' }, child.spawnargs)
    assert.is_false(child.killed)
    assert.is_false(child.connected)
    for _, name in ipairs { 'exitCode', 'signalCode', 'channel' } do
      assert.is_nil(child[name])
    end
    assert.equal(3, child.stdio.n)
    assert.equal(child.stdin, child.stdio[1])
    assert.equal(child.stdout, child.stdio[2])
    assert.equal(child.stderr, child.stdio[3])
    t.once(child, 'close', function()
      assert.equal(3, child.exitCode)
      assert.is_nil(child.signalCode)
      assert.is_false(child.killed)
    end)
  end)

  it('has the methods that Node documents', function()
    local child = cp.spawn 'true'
    local methods = [[kill send disconnect ref unref spawn addListener on once off emit
      prependListener prependOnceListener removeListener removeAllListeners listeners
      rawListeners listenerCount eventNames setMaxListeners getMaxListeners]]
    for name in methods:gmatch '%a+' do
      assert.equal('function', type(child[name]), name)
      assert.equal(cp.ChildProcess.prototype[name], child[name], name)
    end
  end)

  it('tells by `error` that it may not be signalled', function()
    local core = require 'child_process.core'
    local child = cp.spawn('cat')
    local kill = core.kill
    core.kill = function()
      return nil, -1
    end
    local told
    child:on('error', function(err)
      told = err
    end)
    assert.is_false(child:kill())
    core.kill = kill
    assert.equal('EPERM', told.code)
    assert.equal('kill', told.syscall)
    assert.is_false(child.killed)
    child:kill()
  end)
end)

describe('a ChildProcess made by hand', function()
  it('starts what spawn says', function()
    local child = cp.ChildProcess()
    local seen = t.record(child, { 'spawn', 'exit', 'close' })
    child:spawn { file = 'sh', args = { 'sh', '-c', 'echo $A' }, envPairs = { 'A=b c' } }
    assert.equal('integer', math.type(child.pid))
    assert.equal('sh', child.spawnfile)
    assert.same({ 'sh', '-c', 'echo $A' }, child.spawnargs)
    local out = t.collect(child.stdout)
    t.once(child, 'close', function(code)
      assert.equal(0, code)
      assert.equal('b c\n', out())
      assert.same({ 'spawn', 'exit', 'close' }, seen)
    end)
  end)

  it('needs a file only', function()
    local child = cp.ChildProcess()
    child:spawn { file = 'true' }
    assert.same({ 'true' }, child.spawnargs)
    assert.equal(3, child.stdio.n)
  end)

  it('tells a failed start as any other', function()
    local child = cp.ChildProcess()
    child:spawn { file = '/no/such' }
    t.once(child, 'error', function(err)
      assert.equal('ENOENT', err.code)
    end)
  end)

  it('is nothing before that', function()
    local child = cp.ChildProcess()
    assert.is_nil(child.pid)
    assert.is_nil(child.spawnfile)
    assert.is_false(child.killed)
    assert.is_false(child:kill())
    child:ref()
    child:unref()
  end)

  it('starts once', function()
    local child = cp.ChildProcess()
    child:spawn { file = 'cat' }
    local pid = child.pid
    t.raises('ERR_INVALID_STATE', child.spawn, child, { file = 'true' })
    assert.equal(pid, child.pid)
    assert.equal('cat', child.spawnfile)
    child.stdin:finish()
    t.once(child, 'close')
  end)

  it('refuses wrong options, and can be started then', function()
    local child = cp.ChildProcess()
    for _, row in ipairs {
      { nil, 'The "options" argument must be of type table. Received nil' },
      { 5, 'The "options" argument must be of type table. Received type number (5)' },
      { {}, 'The "options.file" property must be of type string. Received nil' },
      {
        { file = {} },
        'The "options.file" property must be of type string. Received a table',
      },
      {
        { file = 'x', args = 'x' },
        'The "options.args" property must be an array. ' .. "Received type string ('x')",
      },
      {
        { file = 'x', args = { x = 1 } },
        'The "options.args" property must be an array. Received a table',
      },
      {
        { file = 'x', args = { 'x', 1 } },
        'The "options.args[2]" property must be of type string. Received type number (1)',
      },
      {
        { file = 'x', envPairs = true, stdio = { 'pipe', 'pipe', 'pipe', 'ipc' } },
        'The "options.envPairs" property must be an array. '
          .. 'Received type boolean (true)',
      },
      {
        { file = 'x', detached = 1 },
        'The "options.detached" property must be of type boolean. '
          .. 'Received type number (1)',
      },
    } do
      local err = t.raises('ERR_INVALID_ARG_TYPE', child.spawn, child, row[1])
      assert.equal(row[2], err.message)
    end
    t.raises('ERR_INVALID_ARG_VALUE', child.spawn, child, { file = 'tr\0ue' })
    assert.same({}, t.children())
    child:spawn { file = 'true' }
    assert.equal('integer', math.type(child.pid))
  end)
end)
