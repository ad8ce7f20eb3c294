-- Every system call of a call that waits fails once, at every place where it is made: the
-- result has one error that tells what failed, or none and all is well, and no process
-- or descriptor is left.
local faults = require 'spec.support.faults'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- Notes the error of a result; a failed start has nothing else.
local function noted(r, errs)
  errs[#errs + 1] = r.error
  if r.pid == 0 then
    assert.is_nil(r.output)
    assert.is_string(r.error.stage)
  end
  return r.pid ~= 0
end

local calls = {}

calls['small input'] = function(errs)
  local options = { input = 'text', cwd = '/', timeout = t.TEST_TIMEOUT }
  local r = cp.spawnSync('cat', {}, options)
  return noted(r, errs) and r.status == 0 and r.stdout == 'text'
end

calls['large input'] = function(errs)
  local options = { input = ('x'):rep(300000), timeout = t.TEST_TIMEOUT }
  local r = cp.spawnSync('cat', {}, options)
  return noted(r, errs) and r.status == 0 and r.stdout == options.input
end

calls['further pipes'] = function(errs)
  local stdio = { 'ignore', 'ignore', 'ignore', { input = 'text' }, 'pipe' }
  local options = { stdio = stdio, timeout = t.TEST_TIMEOUT }
  local r = cp.spawnSync('sh', { '-c', 'cat <&3 >&4' }, options)
  return noted(r, errs) and r.status == 0 and r.output[5] == 'text'
end

local is_linux = t.backend() == 'linux'
local is_old = os.getenv 'LCP_OLD_KERNEL' ~= nil

local by_call = {
  ['small input'] = {
    { name = 'pipe2', errno = 'EMFILE' },
    { name = 'calloc', errno = 'ENOMEM' },
    { name = 'fcntl', errno = 'EMFILE', only = not is_old },
    { name = 'clone', errno = 'EAGAIN', only = is_linux },
    { name = 'syscall', errno = 'ENOMEM', syscall = 'execve', only = is_linux },
    { name = 'syscall', errno = 'EMFILE', syscall = 'pidfd_open', only = not is_linux },
    { name = 'pthread_create', errno = 'EAGAIN', only = is_old },
    { name = 'pwritev2', errno = 'EIO', only = not is_old },
    { name = 'realloc', errno = 'ENOMEM' },
    { name = 'poll', errno = 'ENOMEM' },
    { name = 'poll', errno = 'EINTR' },
    { name = 'read', errno = 'EIO' },
    { name = 'syscall', syscall = 'waitid', errno = 'EINTR' },
  },
  ['large input'] = {
    { name = 'realloc', errno = 'ENOMEM' },
    { name = 'poll', errno = 'ENOMEM' },
    { name = 'poll', errno = 'EINTR' },
    { name = 'pwritev2', errno = 'EIO', only = not is_old },
    { name = 'read', errno = 'EIO', calls = 4 },
    { name = 'read', errno = 'EINTR', calls = 4 },
  },
  ['further pipes'] = {
    { name = 'socketpair', errno = 'EMFILE' },
    { name = 'open', errno = 'EMFILE', only = is_linux },
    { name = 'fcntl', errno = 'EMFILE', only = not is_old },
    { name = 'recv', errno = 'ENOBUFS' },
    { name = 'recv', errno = 'EINTR' },
    { name = 'sendmsg', errno = 'ENOBUFS' },
    { name = 'shutdown', errno = 'ENOBUFS' },
  },
}

for call, list in pairs(by_call) do
  describe('spawnSync with ' .. call, function()
    for _, how in ipairs(list) do
      if how.only ~= false then
        local name = how.syscall or how.name
        it(('survives %s failing with %s'):format(name, how.errno), function()
          faults.each(how, calls[call])
        end)
      end
    end
  end)
end

describe('a program that we are not allowed to kill', function()
  it('is given up killAfter after SIGKILL, and reaped when it ends', function()
    local begin, result = cp.process:hrtime(), nil
    local refused = {
      { name = 'syscall', syscall = 'pidfd_send_signal', errno = 'EPERM', last = 0 },
      { name = 'kill', errno = 'EPERM', last = 0 },
    }
    faults.with(refused, function()
      result = cp.spawnSync('sleep', { '30' }, { timeout = 50, killAfter = 50 })
    end)
    assert.equal('ETIMEDOUT', result.error.code)
    assert.same({ nil, '', '', n = 3 }, result.output)
    assert.is_nil(result.status)
    assert.is_nil(result.signal)
    assert.is_true(cp.process:hrtime() - begin >= 150 * 1000000)
    assert.is_true(t.pid_alive(result.pid))
    cp.process:kill(result.pid, 'SIGKILL')
    while #t.children() > 0 do -- a thread reaps it
      cp.spawnSync 'true'
    end
  end)
end)
