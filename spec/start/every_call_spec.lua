--- Each option that goes beyond Node's, in each call: it works, or the call raises.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local is_linux = t.backend() == 'linux'
local UNAVAILABLE = 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM'

local SILENT = 'exec sleep 600'

-- A forked program that runs a shell command and ends as that does, or waits for ever.
local WORKER = [[
  if process.argv[2] == 'exec sleep 600' then
    return process:on('message', print)
  end
  local result = require('child_process').spawnSync('sh', { '-c', process.argv[2] },
    { stdio = 'inherit' })
  process:exit(result.status)]]

-- call -> what it does with a shell command: run(command, options) -> result
local CALLS = {
  spawn = function(command, options)
    return cp.spawn('sh', { '-c', command }, options):wait()
  end,
  exec = function(command, options)
    return cp.exec(command, options):wait()
  end,
  execFile = function(command, options)
    return cp.execFile('sh', { '-c', command }, options):wait()
  end,
  fork = function(command, options)
    local program = t.tmpdir() .. '/worker.lua'
    t.write_file(program, WORKER)
    options.silent = options.stdout == nil and options.stderr == nil
    return cp.fork(program, { command }, options):wait()
  end,
  spawnSync = function(command, options)
    return cp.spawnSync('sh', { '-c', command }, options)
  end,
  execSync = function(command, options)
    local ok, value = pcall(cp.execSync, command, options)
    return ok and { ok = true, stdout = value } or value
  end,
  execFileSync = function(command, options)
    local ok, value = pcall(cp.execFileSync, 'sh', { '-c', command }, options)
    return ok and { ok = true, stdout = value } or value
  end,
}

-- Each row: the option and its value, further options, a shell command, what it prints
-- then, and whether uv_spawn can do it.
local ROWS = {
  {
    'extendEnv',
    true,
    { env = { NEW = 'here' } },
    'echo $NEW ${PATH:+path}',
    'here path\n',
    uv = true,
  },
  { 'umask', '027', {}, 'umask', '0027\n' },
  { 'nice', 9, {}, 'nice', '9\n' },
  {
    'rlimits',
    { core = 0, nofile = { 100, 200 } },
    {},
    'ulimit -n; ulimit -Hn',
    '100\n200\n',
  },
  { 'noNewPrivs', true, {}, 'grep NoNewPrivs /proc/self/status', 'NoNewPrivs:\t1\n' },
  { 'processGroup', true, {}, 'echo', '\n' },
  { 'parentDeathSignal', 'SIGKILL', {}, 'echo', '\n' },
  { 'killDescendants', true, {}, 'echo', '\n' },
  { 'killAfter', 60000, {}, 'echo', '\n', uv = true },
  { 'waitDelay', 60000, {}, 'echo', '\n', uv = true },
  { 'idleTimeout', 60000, {}, 'echo', '\n', uv = true },
  { 'stdin', { file = '/etc/passwd' }, {}, 'head -c 5', 'root:', uv = true },
  { 'stdin', 'ignore', {}, 'cat; echo end', 'end\n', uv = true },
  { 'stdout', 'pipe', {}, 'echo', '\n', uv = true },
  { 'stdout', { 'pipe', 'ignore', { file = '/dev/null' } }, {}, 'echo', '\n', uv = true },
  { 'stderr', 'stdout', { stdout = 'pipe' }, 'echo 1; echo 2 >&2', '1\n2\n', uv = true },
  {
    'stderr',
    { { file = '/dev/null' } },
    { stdout = 'pipe' },
    'echo 1; echo 2 >&2',
    '1\n',
    uv = true,
  },
}

local function options_of(row)
  local options = { [row[1]] = row[2] }
  for name, value in pairs(row[3]) do
    options[name] = value
  end
  return options
end

-- What a call raises; the calls that raise for any failure have it as their result.
local function refusal(run, command, options)
  local ok, value = pcall(run, command, options)
  assert.is_truthy(not ok or value.name, 'nothing was raised')
  return value
end

describe('every call', function()
  for call, run in pairs(CALLS) do
    for _, row in ipairs(ROWS) do
      local name, command, expected = row[1], row[4], row[5]
      it(('has %s, as in `%s`: %s'):format(name, command, call), function()
        if name == 'rlimits' and t.watched_by() == 'valgrind' then
          pending 'valgrind has limits of its own'
        end
        if is_linux or row.uv then
          local result = run(command, options_of(row))
          assert.is_true(result.ok, tostring(result))
          assert.equal(expected, result.stdout)
          return
        end
        local err = refusal(run, command, options_of(row))
        assert.equal(UNAVAILABLE, err.code)
        assert.matches('options%.' .. name, err.message)
      end)
    end

    it('ends a silent child: ' .. call, function()
      local options = { idleTimeout = 200, killAfter = 5000 }
      local result = run(SILENT, options)
      if result.reason then
        assert.equal('idleTimeout', result.reason)
      else
        assert.equal('ETIMEDOUT', result.code)
      end
    end)

    it('has a user and a group by name: ' .. call, function()
      local id = io.popen('id -un; id -gn')
      local user, group = id:read('l', 'l')
      id:close()
      local result = run('id -un; id -gn', { uid = user, gid = group })
      assert.equal(('%s\n%s\n'):format(user, group), result.stdout)
      local err = refusal(run, 'true', { uid = 'no-such-user' })
      assert.equal('ERR_INVALID_ARG_VALUE', err.code)
    end)

    it('refuses what does not fit a descriptor: ' .. call, function()
      for _, case in ipairs {
        { "'options.stdin' cannot be an array", { stdin = { 'ignore' } } },
        { "can be 'stdout' for descriptor 2", { stdin = 'stdout' } },
        { "'options.stdout[2]' is a second pipe", { stdout = { 'pipe', 'pipe' } } },
        { "'options.stdout[1]' cannot be one of several", { stdout = { 'stdout' } } },
        { "'options.stderr[1]' is missing", { stderr = { false } } },
        { "'options.stderr' cannot be empty", { stderr = {} } },
      } do
        local err = refusal(run, 'true', case[2])
        assert.equal('ERR_INVALID_ARG_VALUE', err.code)
        assert.is_truthy(err.message:find(case[1], 1, true), err.message)
      end
    end)

    it('refuses a name that no call has: ' .. call, function()
      local err = refusal(run, 'true', { timout = 5 })
      assert.equal('ERR_INVALID_ARG_VALUE', err.code)
      assert.matches("did you mean 'timeout'", err.message)
    end)
  end
end)
