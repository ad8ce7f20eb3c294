-- Run by scripts/cross on another processor: what differs between them most, as one
-- program.  Its argument is the interpreter for the workers that it forks from itself.
-- Prints `N passed, N failed, N skipped`.
local cp = require 'child_process'

if cp.process.connected then
  cp.process:on('message', function(message)
    cp.process:send(message)
    cp.process:disconnect()
  end)
  cp.run()
  return
end

local passed, failed, skipped = 0, 0, 0

local function check(title, fn, ...)
  local ok, err = pcall(fn, ...)
  passed, failed = passed + (ok and 1 or 0), failed + (ok and 0 or 1)
  if not ok then
    print(('%s: %s'):format(title, err))
  end
end

local function equal(expected, seen)
  if expected ~= seen then
    error(('%s expected, %s seen'):format(expected, seen), 2)
  end
end

local is_root = cp.execFileSync('id', { '-u' }, { encoding = 'utf8' }) == '0\n'
local LARGE = ('0123456789abcde\n'):rep(20000)

check('exec', function()
  cp.exec('echo out; echo err >&2; exit 3', function(err, stdout, stderr)
    equal(3, err.code)
    equal('out\n', stdout)
    equal('err\n', stderr)
  end)
  cp.run()
end)

check('many bytes both ways', function()
  local result = cp.spawnSync('cat', { input = LARGE })
  equal(LARGE, result.stdout)
  local child = cp.spawn 'cat'
  child.stdin:finish(LARGE)
  equal(LARGE, child:wait().stdout)
end)

check('a signal', function()
  local child = cp.spawn('sleep', { '100' })
  child:kill 'SIGUSR1'
  equal('SIGUSR1', child:wait().signal)
end)

check('a timeout', function()
  local result = cp.spawnSync('sleep', { '100' }, { timeout = 100 })
  equal('ETIMEDOUT', result.error.code)
  equal('SIGTERM', result.signal)
end)

check('a program that is not there', function()
  local result = cp.spawnSync '/no/such/program'
  equal('ENOENT', result.error.code)
end)

check('limits and usage', function()
  local limits = { rlimits = { nofile = 20, fsize = 2 ^ 40 // 1 | 0 } }
  local result = cp.spawnSync('sh', { '-c', 'ulimit -n; ulimit -f' }, limits)
  equal(('20\n%d\n'):format((1 << 40) // 512), result.stdout)
  assert(result.usage == nil or result.usage.userCPUTime >= 0)
end)

for _, id in ipairs { 65534, 65536, 2 ^ 31 // 1 | 0, 2 ^ 32 - 2 | 0 } do
  if is_root then
    check('user ' .. id, function()
      local options = { uid = id, gid = id, cwd = '/' }
      local result = cp.spawnSync('sh', { '-c', 'id -u; id -g; id -G' }, options)
      equal(('%d\n%d\n%d\n'):format(id, id, id), result.stdout)
    end)
  else
    skipped = skipped + 1
  end
end

local MESSAGES = { 'text', 1 << 53, -0.5, true, LARGE, { 1, { key = 'value' } } }

for _, serialization in ipairs { 'json', 'advanced' } do
  for i, message in ipairs(MESSAGES) do
    check(('message %d, %s'):format(i, serialization), function()
      local options = { execPath = arg[1], serialization = serialization }
      local child = cp.fork(arg[0], {}, options)
      local answer
      child:on('message', function(value)
        answer = value
      end)
      child:send(message)
      cp.run()
      equal(0, child.exitCode)
      if type(message) == 'table' then
        message, answer = message[2].key, answer[2].key
      end
      equal(message, answer)
    end)
  end
end

print(('%d passed, %d failed, %d skipped'):format(passed, failed, skipped))
os.exit(failed == 0 and 0 or 1, true)
