--- The option cgroup: where the kernel has cgroups of version 2 that we may write to.
local lfs = require 'lfs'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

if t.backend() ~= 'linux' then
  describe('cgroup', function()
    it('is refused by uv_spawn', function()
      local code = 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM'
      t.raises(code, cp.spawn, 'true', { cgroup = '/sys/fs/cgroup' })
    end)
  end)
  return
end

local count = 0

-- A cgroup for one test, to be removed by the caller.
local function make_group()
  local mounts = t.slurp '/proc/self/mounts' or ''
  local root = mounts:match '\n%S+ (%S+) cgroup2 ' or mounts:match '^%S+ (%S+) cgroup2 '
  count = count + 1
  local path = root and ('%s/lcp-spec-%d-%d'):format(root, t.pid(), count)
  if not path or not lfs.mkdir(path) then
    pending 'no cgroup2 here that we may write to'
  end
  return path
end

-- The names of the groups below.
local function leaves(group)
  local list = {}
  for name in lfs.dir(group) do
    if
      not name:find '^%.'
      and lfs.attributes(group .. '/' .. name, 'mode') == 'directory'
    then
      list[#list + 1] = name
    end
  end
  return list
end

local function remove(group)
  assert.same({}, leaves(group))
  local ok, err
  local deadline = os.time() + 10
  repeat -- its last process is reaped by others
    ok, err = lfs.rmdir(group)
  until ok or os.time() > deadline
  assert(ok, err)
end

local function group_of(pid)
  return (t.slurp(('/proc/%d/cgroup'):format(pid)) or ''):match '0::([^\n]*)'
end

-- Leaves every process group and session, says its pid, and ignores SIGTERM.
local DAEMON = [[setsid sh -c 'trap "" TERM; echo $$; exec sleep 600' &]]

describe('cgroup', function()
  it('is where the child starts', function()
    local group = make_group()
    local child = cp.spawn('cat', { cgroup = group })
    local own = group_of(child.pid)
    assert.equal(group:match '[^/]+$', own:match '[^/]+$')
    child.stdin:finish()
    child:wait()
    assert.equal('', t.slurp(group .. '/cgroup.procs'))
    remove(group)
  end)

  it('is the same in a Sync call', function()
    local group = make_group()
    local out = cp.execFileSync('cat', { '/proc/self/cgroup' }, { cgroup = group })
    assert.equal(group:match '[^/]+$', out:match '0::(%S+)':match '[^/]+$')
    remove(group)
  end)

  it('with killDescendants is a leaf, which is removed at the end', function()
    local group = make_group()
    local child = cp.spawn('cat', { cgroup = group, killDescendants = true })
    local leaf = leaves(group)[1]
    assert.equal(leaf, group_of(child.pid):match '[^/]+$')
    child.stdin:finish()
    assert.is_true(child:wait().ok)
    cp.run()
    remove(group)
  end)

  it('reaches what has left the process group', function()
    local group = make_group()
    local options = { cgroup = group, killDescendants = true }
    local child = cp.spawn('sh', { '-c', DAEMON .. ' wait' }, options)
    local pid = tonumber((child.stdout:read 'l'))
    assert.is_true(child:kill 'SIGTERM') -- sh ends, the daemon does not
    assert.is_nil((child:wait(50)))
    assert.is_true(child:kill 'SIGKILL')
    child:wait()
    cp.run()
    assert.is_false(t.pid_alive(pid))
    assert.is_false(child:kill(0))
    remove(group)
  end)

  it('is emptied when the child has closed', function()
    local group = make_group()
    local command = [[setsid sh -c 'exec sleep 600' >/dev/null 2>&1 & echo $!]]
    local options = { cgroup = group, killDescendants = true }
    local result = cp.spawn('sh', { '-c', command }, options):wait()
    assert.is_true(result.ok)
    cp.run()
    assert.is_false(t.pid_alive(tonumber(result.stdout)))
    remove(group)
  end)

  it('is emptied by a Sync call', function()
    local group = make_group()
    local options =
      { cgroup = group, killDescendants = true, timeout = 200, killAfter = 50 }
    local result = cp.spawnSync('sh', { '-c', DAEMON .. ' wait' }, options)
    assert.equal('timeout', result.reason)
    assert.is_true(result.forced)
    assert.is_false(t.pid_alive(tonumber(result.stdout)))
    remove(group)
  end)

  it('that is none is an error of that step, with its path', function()
    local group = make_group()
    local folder = t.tmpdir()
    for path, code in pairs {
      [group .. '/none'] = 'ENOENT',
      [folder] = 'ENOENT', -- no cgroup.procs
      ['/dev/null'] = 'ENOTDIR',
    } do
      for _, kill in ipairs { true, false } do
        local err =
          cp.spawnSync('true', {}, { cgroup = path, killDescendants = kill }).error
        assert.equal(code, err.code)
        assert.equal('cgroup', err.stage)
        assert.equal(path, err.path)
      end
    end
    assert.same({}, leaves(folder))
    remove(group)
  end)

  it('leaves nothing when the program cannot be started', function()
    local group = make_group()
    local options = { cgroup = group, killDescendants = true }
    assert.equal('ENOENT', cp.spawn('no-such', {}, options):wait().error.code)
    remove(group)
  end)

  it('is a path', function()
    t.raises('ERR_INVALID_ARG_TYPE', cp.spawn, 'true', { cgroup = 5 })
    t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, 'true', { cgroup = '' })
  end)
end)
