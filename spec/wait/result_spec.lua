--- The table that wait() and the Sync calls give.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- The result of a shell command by wait() and by spawnSync.
local function both(command, options, check)
  check(cp.spawn('sh', { '-c', command }, options):wait())
  check(cp.spawnSync('sh', { '-c', command }, options))
end

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

describe('a result', function()
  it('has the same fields from wait() and from spawnSync', function()
    local waited = cp.spawn('sh', { '-c', 'exit 3' }):wait()
    local synced = cp.spawnSync('sh', { '-c', 'exit 3' })
    assert.same(sorted_keys(waited), sorted_keys(synced))
    waited.usage.maxRSS, synced.usage.maxRSS = nil, nil -- known only if above our own
    assert.same(sorted_keys(waited.usage), sorted_keys(synced.usage))
  end)

  it('has code and status, which are nil after a signal', function()
    both('exit 3', {}, function(r)
      assert.equal(3, r.code)
      assert.equal(3, r.status)
      assert.is_false(r.ok)
      assert.equal('exit', r.reason)
    end)
    both('kill -KILL $$', {}, function(r)
      assert.is_nil(r.code)
      assert.is_nil(r.status)
      assert.equal('SIGKILL', r.signal)
      assert.equal('signal', r.reason)
    end)
  end)

  it('has all output by descriptor, too', function()
    both('echo out; echo err >&2', {}, function(r)
      assert.same({ nil, 'out\n', 'err\n', n = 3 }, r.output)
    end)
  end)

  it('says which limit ended the child', function()
    both('exec sleep 600', { timeout = 20 }, function(r)
      assert.equal('timeout', r.reason)
      assert.is_false(r.ok)
      assert.is_true(r.duration >= 20)
    end)
    both('exec yes', { maxBuffer = 1000 }, function(r)
      assert.equal('maxBuffer', r.reason)
    end)
  end)

  it('of a child that could not be started has no duration', function()
    for _, r in ipairs { cp.spawn('no-such'):wait(), cp.spawnSync 'no-such' } do
      assert.equal('spawn', r.reason)
      assert.equal('ENOENT', r.error.code)
      assert.is_nil(r.code)
      assert.is_nil(r.duration)
      assert.is_nil(r.usage)
      assert.is_false(r.ok)
    end
    assert.is_nil(cp.spawn('no-such'):wait().pid)
    assert.equal(0, cp.spawnSync('no-such').pid)
  end)

  it('prints as one line', function()
    local shapes = {
      ['echo out; echo err >&2; exit 3'] = '^exit code 3 after %d+%.%d ms, '
        .. 'stdout 4 bytes, stderr 4 bytes$',
      ['kill -TERM $$'] = '^SIGTERM after %d+%.%d ms, stdout 0 bytes, stderr 0 bytes$',
    }
    for command, shape in pairs(shapes) do
      both(command, {}, function(r)
        assert.matches(shape, tostring(r))
      end)
    end
    both('exec sleep 600', { timeout = 20, stdio = 'ignore' }, function(r)
      assert.matches('^SIGTERM by timeout after %d+%.%d ms$', tostring(r))
    end)
    local failed = tostring(cp.spawn('no-such\n'):wait())
    assert.matches('^not started: Error: spawn .*ENOENT', failed)
    assert.is_nil(failed:find '\n')
  end)

  it('becomes a line that says that an AbortSignal has kept it from starting', function()
    local controller = cp.AbortController()
    controller:abort()
    local refused = 'not started: AbortError: The operation was aborted'
    local signal = controller.signal
    local child = cp.spawn('true', { stdio = 'ignore', signal = signal })
    assert.equal(refused, tostring(child:wait()))
    local ended = cp.pipeline({ { 'true' }, { 'true' } }, { signal = signal }):wait()
    assert.equal(refused .. ', stdout 0 bytes', tostring(ended))
  end)
end)

describe('usage', function()
  it('is the time of the child and of what it waited for', function()
    local command = "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; true"
    both(command, {}, function(r)
      assert.is_true(r.usage.userCPUTime > 10000, tostring(r.usage.userCPUTime))
      assert.equal('integer', math.type(r.usage.userCPUTime))
    end)
  end)

  it('has the memory of a child that is larger than we are', function()
    local size = 300 -- MB
    local program = ("local s = ('x'):rep(%d << 20)"):format(size)
    local r = cp.spawnSync('lua5.4', { '-e', program })
    assert.is_true(r.usage.maxRSS > size * 1024, tostring(r.usage.maxRSS))
  end)

  it('has no memory where the figure is ours', function()
    assert.is_nil(cp.spawnSync('true').usage.maxRSS)
  end)

  it('is there after exit and not before', function()
    local child = cp.spawn 'cat'
    assert.is_nil(child.usage)
    t.once(child, 'exit', function()
      assert.equal('table', type(child.usage))
    end)
    child.stdin:finish()
  end)
end)
