--- Who a child is and what it may use: groups, limits, rights, names of users.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local is_root = io.popen('id -u'):read 'n' == 0
local is_linux = t.backend() == 'linux'

local function need_root()
  if not is_root then
    pending 'only root may change ids'
  end
end

-- What uv_spawn cannot do; that it says so is the last spec but one.
local linux_it = is_linux and it or function() end

local function run(command, options)
  local r = cp.spawnSync('/bin/sh', { '-c', command }, options)
  assert.is_nil(r.error, tostring(r.error))
  assert.equal('', r.stderr)
  return (r.stdout:gsub('\n$', ''))
end

local function failed(options)
  local err = cp.spawnSync('true', {}, options).error
  assert.is_truthy(err, 'it was started')
  return err.code, err.stage
end

local function refused(options)
  local ok, err = pcall(cp.spawn, 'true', {}, options)
  assert.is_false(ok)
  return err.code, err.message
end

describe('uid and gid', function()
  it('may be names', function()
    need_root()
    local options = { uid = 'nobody', gid = 'nogroup' }
    assert.equal('nobody nogroup', run('echo $(id -un) $(id -gn)', options))
  end)

  it('are looked up before anything is started', function()
    local code, message = refused { uid = 'no-such-user' }
    assert.equal('ERR_INVALID_ARG_VALUE', code)
    assert.matches("'options.uid' is not a user here. Received 'no%-such%-user'", message)
    code, message = refused { gid = 'no-such-group' }
    assert.equal('ERR_INVALID_ARG_VALUE', code)
    assert.matches("'options.gid' is not a group here", message)
  end)

  it('are names whenever they are strings', function()
    assert.equal('ERR_INVALID_ARG_VALUE', (refused { uid = '0' }))
    assert.equal('ERR_INVALID_ARG_VALUE', (refused { gid = '' }))
  end)

  it('keep our group if only the user is given', function()
    need_root()
    assert.equal(run 'id -g', run('id -g', { uid = 'nobody' }))
  end)
end)

describe('groups', function()
  linux_it('are the supplementary groups, by name or number', function()
    need_root()
    local options = { uid = 65534, gid = 65534, groups = { 'adm', 4321 } }
    assert.equal('65534 4 4321', run('id -G', options))
  end)

  linux_it('may be none', function()
    need_root()
    assert.equal('0', run('id -G', { groups = {} }))
  end)

  linux_it('are those of the user when they are init', function()
    need_root()
    local wanted = run 'id -G games'
    assert.equal(wanted, run('id -G', { uid = 'games', gid = 'games', groups = 'init' }))
  end)

  linux_it('can be init only with a user that has an entry', function()
    local code, message = refused { groups = 'init' }
    assert.equal('ERR_INVALID_ARG_VALUE', code)
    assert.matches("only together with 'uid'", message)
    code, message = refused { groups = 'init', uid = 4000000 }
    assert.equal('ERR_INVALID_ARG_VALUE', code)
    assert.matches('has no entry', message)
  end)

  linux_it('that may not be set are an error of that step', function()
    need_root()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local r = cp.spawnSync('true', {}, { groups = { 1 } })
      print(r.error and r.error.code, r.error and r.error.stage)]]
    local out =
      cp.execFileSync('setpriv', { '--bounding-set=-setgid', exe, table.unpack(args) })
    assert.equal('EPERM\tsetgroups\n', out)
  end)

  it('are an array or init, and each of them a group', function()
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { groups = 5 }))
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { groups = 'adm' }))
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { groups = { true } }))
    local code, message = refused { groups = { 1, 'no-such-group' } }
    assert.equal('ERR_INVALID_ARG_VALUE', code)
    assert.matches('options%.groups%[2%]', message)
  end)
end)

describe('umask', function()
  linux_it('is an integer or octal digits', function()
    assert.equal('0027', run('umask', { umask = tonumber('27', 8) }))
    assert.equal('0077', run('umask', { umask = '077' }))
    assert.equal('0000', run('umask', { umask = 0 }))
  end)

  linux_it('of ours stays as it is', function()
    local before = cp.process:umask()
    run('umask', { umask = '0123' })
    assert.equal(before, cp.process:umask())
  end)

  it('is no more than 777, and digits are octal', function()
    assert.equal('ERR_OUT_OF_RANGE', (refused { umask = 512 }))
    assert.equal('ERR_OUT_OF_RANGE', (refused { umask = -1 }))
    assert.equal('ERR_INVALID_ARG_VALUE', (refused { umask = '1000' }))
    assert.equal('ERR_INVALID_ARG_VALUE', (refused { umask = '8' }))
    assert.equal('ERR_INVALID_ARG_VALUE', (refused { umask = '' }))
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { umask = true }))
  end)
end)

describe('nice', function()
  linux_it('is absolute', function()
    assert.equal('7', run('nice', { nice = 7 }))
  end)

  linux_it('below what we may have is an error of that step', function()
    need_root()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local r = cp.spawnSync('true', {}, { nice = -5 })
      print(r.error and r.error.code, r.error and r.error.stage)]]
    local words = { '--bounding-set=-sys_nice', exe, table.unpack(args) }
    assert.equal('EACCES\tnice\n', cp.execFileSync('setpriv', words))
  end)

  it('is from -20 to 19', function()
    assert.equal('ERR_OUT_OF_RANGE', (refused { nice = 20 }))
    assert.equal('ERR_OUT_OF_RANGE', (refused { nice = -21 }))
    assert.equal('ERR_OUT_OF_RANGE', (refused { nice = 0.5 }))
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { nice = '5' }))
  end)
end)

-- Valgrind keeps limits for itself.
local function need_own_limits()
  if t.watched_by() == 'valgrind' then
    pending 'valgrind has limits of its own'
  end
end

describe('rlimits', function()
  linux_it('are a number for both limits, or a pair', function()
    need_own_limits()
    local options = { rlimits = { nofile = 256, cpu = { 60, 120 }, core = 0 } }
    local command = 'ulimit -Sn; ulimit -Hn; ulimit -St; ulimit -Ht; ulimit -Sc'
    assert.equal('256\n256\n60\n120\n0', run(command, options))
  end)

  linux_it('may be lower than the descriptors that are open here', function()
    need_own_limits()
    local r = cp.spawnSync('cat', {}, { rlimits = { nofile = 4 }, input = 'through' })
    assert.equal('through', r.stdout)
  end)

  linux_it('are lifted by math.huge', function()
    need_own_limits()
    need_root()
    local options = { rlimits = { stack = math.huge, core = { 0, math.huge } } }
    assert.equal(
      'unlimited\n0\nunlimited',
      run('ulimit -s; ulimit -Sc; ulimit -Hc', options)
    )
  end)

  linux_it('end a child that needs more', function()
    local options = { rlimits = { cpu = { 1, 2 }, core = 0 } }
    local r = cp.spawnSync('sh', { '-c', 'while :; do :; done' }, options)
    assert.equal('SIGXCPU', r.signal)
  end)

  linux_it('too small for the program itself end it by a signal', function()
    local r = cp.spawnSync('true', {}, { rlimits = { as = 4096, core = 0 } })
    assert.is_nil(r.status)
    assert.is_truthy(r.signal)
  end)

  linux_it('above the hard limit are an error of that step', function()
    need_root()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      local r = cp.spawnSync('true', {}, { rlimits = { nproc = math.huge } })
      print(r.error and r.error.code, r.error and r.error.stage)]]
    local words = { '--nproc=5000', 'setpriv', '--bounding-set=-sys_resource', exe }
    table.move(args, 1, #args, #words + 1, words)
    assert.equal('EPERM\trlimits\n', cp.execFileSync('prlimit', words))
  end)

  it('are refused when the soft one is above the hard one', function()
    local code, message = refused { rlimits = { cpu = { 5, 4 } } }
    assert.equal('ERR_OUT_OF_RANGE', code)
    assert.matches('options%.rlimits%.cpu%[1%]', message)
    assert.equal('ERR_OUT_OF_RANGE', (refused { rlimits = { cpu = { math.huge, 4 } } }))
  end)

  it('are refused when the name or the value is none', function()
    local code, message = refused { rlimits = { files = 5 } }
    assert.equal('ERR_INVALID_ARG_VALUE', code)
    assert.matches('there are as, core, cpu,', message)
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { rlimits = 5 }))
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { rlimits = { cpu = '5' } }))
    assert.equal('ERR_OUT_OF_RANGE', (refused { rlimits = { cpu = -1 } }))
    assert.equal('ERR_OUT_OF_RANGE', (refused { rlimits = { cpu = 0 / 0 } }))
    assert.equal('ERR_INVALID_ARG_VALUE', (refused { rlimits = { cpu = { 1 } } }))
    assert.equal('ERR_INVALID_ARG_VALUE', (refused { rlimits = { cpu = { 1, 2, 3 } } }))
    assert.equal('ERR_INVALID_ARG_VALUE', (refused { rlimits = { 5 } }))
  end)
end)

describe('noNewPrivs', function()
  local command = 'grep NoNewPrivs /proc/self/status'

  linux_it('is for ever', function()
    assert.equal('NoNewPrivs:\t1', run(command, { noNewPrivs = true }))
  end)

  it('is off unless it is asked for', function()
    local ours = t.slurp('/proc/self/status'):match 'NoNewPrivs:\t%d'
    assert.equal(ours, run(command, {}))
    assert.equal(ours, run(command, { noNewPrivs = false }))
  end)
end)

-- process group and session of a child, and its own pid
local function groups_of(options)
  local out = cp.execFileSync('cat', { '/proc/self/stat' }, options)
  local pid, pgid, sid = out:match '^(%d+) %(cat%) %S %d+ (%d+) (%d+) '
  return tonumber(pid), tonumber(pgid), tonumber(sid)
end

describe('processGroup', function()
  linux_it('is a group of its own in our session', function()
    local _, _, ours = groups_of {}
    local pid, pgid, sid = groups_of { processGroup = true }
    assert.equal(pid, pgid)
    assert.equal(ours, sid)
  end)

  linux_it('is the number of a group to join', function()
    local first = cp.spawn('cat', { processGroup = true })
    local _, pgid = groups_of { processGroup = first.pid }
    assert.equal(first.pid, pgid)
    first.stdin:finish()
    first:wait()
  end)

  linux_it('that is not there is an error of that step', function()
    local code, stage = failed { processGroup = 2 ^ 22 + 1 }
    assert.equal('EPERM', code)
    assert.equal('setpgid', stage)
  end)

  linux_it('does not go together with what makes a group, too', function()
    local code, message = refused { processGroup = true, detached = true }
    assert.equal('ERR_INVALID_ARG_VALUE', code)
    assert.matches("cannot be given with 'detached'", message)
  end)

  it('is true or a positive number', function()
    assert.equal('ERR_OUT_OF_RANGE', (refused { processGroup = 0 }))
    assert.equal('ERR_OUT_OF_RANGE', (refused { processGroup = -5 }))
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { processGroup = 'own' }))
  end)
end)

describe('parentDeathSignal', function()
  -- Kills a parent whose child has the options and holds its stdout.
  -- @return the child's pid, and the stream, which ends with it
  local function orphan(options)
    local exe, args = t.lua(([[
      local cp = require 'child_process'
      local options = %s
      options.stdio = { 'ignore', 'inherit', 'inherit' }
      cp.spawn('sh', { '-c', 'echo $$; exec sleep 600' }, options)
      cp.run()]]):format(options))
    local parent = cp.spawn(exe, args, { stdio = { 'ignore', 'pipe', 'inherit' } })
    local pid = tonumber((parent.stdout:read 'l'))
    parent:kill 'SIGKILL'
    t.once(parent, 'exit')
    return pid, parent.stdout
  end

  linux_it('ends the child when its parent has been killed', function()
    local _, stdout = orphan "{ parentDeathSignal = 'SIGKILL' }"
    assert.equal('', stdout:readAll())
  end)

  linux_it('is set after the ids, which would undo it', function()
    need_root()
    local _, stdout = orphan '{ parentDeathSignal = 9, uid = 65534, gid = 65534 }'
    assert.equal('', stdout:readAll())
  end)

  -- The first child is of the thread that goes on, four are of threads that end.
  linux_it('comes when the thread that started the child ends', function()
    local code = [[
      local cp = require 'child_process'
      local options = { parentDeathSignal = 'SIGKILL' }
      options.stdio = { 'ignore', 'pipe', 'inherit' }
      child = cp.spawn('sh', { '-c', 'echo $$; exec sleep 600' }, options)
      io.write(child.stdout:read 'l', '\n')]]
    local last = "print 'over' io.read 'l' child:kill 'SIGKILL' child:wait()"
    local steps = { 'own', 'lua', code, 'threads', code, 'lua', last }
    local host = cp.spawn(t.built 'embed_host', steps)
    local pids = {}
    for i = 1, 5 do
      pids[i] = tonumber((host.stdout:read 'l'))
    end
    assert.equal('over', (host.stdout:read 'l'))
    local function is_over()
      local lives = false
      for i = 2, 5 do
        lives = lives or t.pid_alive(pids[i])
      end
      return not lives
    end
    cp.await(function(done)
      t.when(is_over, function()
        done()
      end)
    end)
    assert.is_true(t.pid_alive(pids[1]))
    assert.is_nil(host.exitCode)
    host.stdin:finish '\n'
    host:wait()
  end)

  it('is none unless it is given', function()
    local pid, stdout = orphan '{}'
    assert.is_true(cp.process:kill(pid, 'SIGKILL'))
    assert.equal('', stdout:readAll())
  end)

  it('is a signal by name or number', function()
    assert.equal('ERR_UNKNOWN_SIGNAL', (refused { parentDeathSignal = 'SIGNONE' }))
    assert.equal('ERR_INVALID_ARG_TYPE', (refused { parentDeathSignal = true }))
  end)
end)

describe('what uv_spawn cannot do', function()
  if is_linux then
    return
  end

  it('is refused before anything is started', function()
    local options = {
      groups = {},
      nice = 1,
      noNewPrivs = true,
      parentDeathSignal = 'SIGTERM',
      processGroup = true,
      rlimits = { core = 0 },
      umask = 0,
    }
    for name, value in pairs(options) do
      local code, message = refused { [name] = value }
      assert.equal('ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', code)
      assert.matches('options%.' .. name, message)
    end
  end)
end)

describe('these options', function()
  linux_it('are the same in every call', function()
    local options = { umask = '027' }
    assert.equal('0027\n', cp.execSync('umask', options))
    assert.equal('0027\n', cp.execFileSync('sh', { '-c', 'umask' }, options))
    assert.equal('0027\n', cp.spawnSync('sh', { '-c', 'umask' }, options).stdout)
    assert.equal('0027\n', cp.exec('umask', options):wait().stdout)
    assert.equal('0027\n', cp.execFile('sh', { '-c', 'umask' }, options):wait().stdout)
    assert.equal('0027\n', cp.spawn('sh', { '-c', 'umask' }, options):wait().stdout)
    local program = t.tmpdir() .. '/worker.lua'
    t.write_file(program, 'process:send(process:umask()) process:disconnect()')
    local child, mask = cp.fork(program, options), nil
    child:on('message', function(message)
      mask = message
    end)
    child:wait()
    assert.equal(tonumber('27', 8), mask)
  end)
end)
