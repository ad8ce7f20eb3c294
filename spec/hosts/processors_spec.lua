--- cp.availableParallelism, also where a process may use only some of the processors.
local machine = require 'spec.support.machine'
local sandbox = require 'spec.support.sandbox'
local t = require 'spec.helper'
local cp = t.cp
local in_mounts = machine.wrap('mounts', it, pending)
local it = t.wrap(it)

local PROGRAM = "print(require 'child_process'.availableParallelism())"

-- What a program is told that `words` start, such as taskset.
local function told(words)
  local exe, args = t.lua(PROGRAM)
  table.move(args, 1, #args, #words + 1, words)
  table.insert(words, #words - #args + 1, exe)
  return tonumber(cp.execFileSync(words[1], { table.unpack(words, 2) }))
end

-- Files that say what a system would say, laid over /proc/PID/… of the program in a mount
-- namespace of its own.  `files`: path below the folder -> text.
local function in_cgroups(groups, mounts, files)
  local folder = t.tmpdir()
  for path, text in pairs(files) do
    cp.execFileSync('mkdir', { '-p', (folder .. '/' .. path):match '^(.*)/' })
    t.write_file(folder .. '/' .. path, text)
  end
  t.write_file(folder .. '/groups', groups)
  t.write_file(folder .. '/mounts', (mounts:gsub('FOLDER', folder)))
  local script = [[mount --bind "$1/groups" /proc/$$/cgroup &&
    mount --bind "$1/mounts" /proc/$$/mountinfo && shift && exec "$@"]]
  return told { 'unshare', '-m', 'sh', '-c', script, 'sh', folder }
end

local V2 = '30 23 0:26 / FOLDER/v2 rw - cgroup2 cgroup2 rw,nsdelegate\n'
local V1 = '31 23 0:27 / FOLDER/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n'

describe('cp.availableParallelism', function()
  it('is what nproc says, where nothing limits it', function()
    local count = cp.availableParallelism()
    assert.equal('integer', math.type(count))
    assert.is_true(count >= 1)
    local options = { env = { PATH = os.getenv 'PATH' } }
    assert.is_true(count <= tonumber(cp.execFileSync('nproc', options)))
  end)

  it('counts the processors that the process may run on', function()
    assert.equal(1, told { 'taskset', '-c', '0' })
  end)

  it('counts all of them where a sandbox does not say which', function()
    local words = { 'sched_getaffinity=EPERM' }
    local why = sandbox.obstacle(words)
    if t.slurp('/proc/self/maps'):find('musl', 1, true) then
      why = 'musl knows them by the same call'
    end
    if why then
      return pending(why)
    end
    local count = cp.availableParallelism()
    assert.is_true(count <= tonumber(sandbox.output(words, PROGRAM)))
  end)

  in_mounts('keeps to the quota of its cgroup, in version 2', function()
    local function with(quota)
      return in_cgroups('0::/a/b\n', V2, { ['v2/a/b/cpu.max'] = quota })
    end
    local all = with 'max 100000\n'
    assert.equal(cp.availableParallelism(), all)
    assert.equal(1, with '100000 100000\n')
    assert.equal(1, with '199999 100000\n')
    assert.equal(1, with '5000 100000\n')
    assert.equal(math.min(2, all), with '200000 100000\n')
    assert.equal(all, with '99999999999 100000\n')
    assert.equal(all, with 'nonsense\n')
    assert.equal(all, with '100000 0\n')
  end)

  in_mounts('keeps to the quotas of the groups above its own', function()
    local files =
      { ['v2/a/b/cpu.max'] = 'max 100000\n', ['v2/a/cpu.max'] = '50000 50000\n' }
    assert.equal(1, in_cgroups('0::/a/b\n', V2, files))
    assert.equal(1, in_cgroups('0::/\n', V2, { ['v2/cpu.max'] = '1 1\n' }))
  end)

  in_mounts('keeps to the quota of its cgroup, in version 1', function()
    local function with(groups, mount)
      local files = {
        ['cpu/a/cpu.cfs_quota_us'] = '10000\n',
        ['cpu/a/cpu.cfs_period_us'] = '10000\n',
      }
      return in_cgroups(groups, mount, files)
    end
    assert.equal(1, with('4:cpu,cpuacct:/a\n0::/\n', V1))
    assert.equal(1, with('4:cpuacct,cpu:/a\n', V1))
    local all = with('4:cpuset:/a\n', V1)
    assert.equal(cp.availableParallelism(), all)
    assert.equal(all, with('4:cpu:/a\n', V1:gsub('cpu,cpuacct', 'cpuset')))
    assert.equal(all, with('no group\n:\n', V1 .. 'nothing\n - cgroup\n'))
    local unlimited =
      { ['cpu/a/cpu.cfs_quota_us'] = '-1\n', ['cpu/a/cpu.cfs_period_us'] = '10000\n' }
    assert.equal(all, in_cgroups('4:cpu:/a\n', V1, unlimited))
  end)

  in_mounts('knows its group where a container sees it from outside', function()
    local files = { ['v2/cpu.max'] = '1000 1000\n' }
    local mount = V2:gsub('0:26 /', '0:26 /docker/1')
    assert.equal(1, in_cgroups('0::/docker/1\n', mount, files))
    local all = cp.availableParallelism()
    local below = { ['v2/x/cpu.max'] = '1000 1000\n' }
    assert.equal(1, in_cgroups('0::/docker/1/x\n', mount, below))
    assert.equal(all, in_cgroups('0::/docker/12/x\n', mount, below))
    assert.equal(1, in_cgroups('0::/..\n', mount, files))
  end)
end)
