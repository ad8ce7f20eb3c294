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

calls['several targets'] = function(errs)
  local path = t.tmpdir() .. '/log'
  local file <close> = assert(io.tmpfile())
  local stdio = { 'ignore', { 'pipe', { file = path }, file }, 'ignore' }
  local r = cp.spawnSync('echo', { 'text' }, { stdio = stdio, timeout = t.TEST_TIMEOUT })
  return noted(r, errs) and r.stdout == 'text\n' and t.slurp(path) == 'text\n'
end

for call, attempt in pairs(calls) do
  describe('spawnSync with ' .. call, function()
    it('survives each call failing #slow', function()
      faults.sweep(attempt)
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end)
end

describe('a program that we are not allowed to kill', function()
  it('is given up killAfter after SIGKILL, and reaped when it ends', function()
    local begin, result = cp.process:hrtime(), nil
    local refused = {
      { name = 'syscall:pidfd_send_signal', errno = 'EPERM', last = 0 },
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

describe('a large output', function()
  -- How often pages are asked for, which the kernel refuses, while `size` bytes are read.
  local function read(size)
    local result
    local refused = { name = 'madvise', errno = 'EINVAL', last = 0 }
    local asked = faults.with(refused, function()
      result = cp.spawnSync('head', { '-c', tostring(size), '/dev/zero' }, {
        maxBuffer = math.huge,
      })
    end)
    assert.is_true(result.stdout == ('\0'):rep(size))
    return asked
  end

  it('comes without the pages that are asked for in advance', function()
    assert.is_true(read(8 << 20) >= 16)
  end)

  it('has no pages in advance before it is large', function()
    assert.equal(0, read(1 << 20))
  end)
end)
