--- Programs with many descriptors open.
local assert = require 'luassert'
local t = require 'spec.helper'

local M = {}

-- In front of each program: a first start, which shows what this system can do, and then
-- many files, which fopen(3) leaves inheritable.
M.HEAD = [[
  local cp = require 'child_process'
  local fault = package.loadlib(arg[1], 'luaopen_fault')()
  local lfs = require 'lfs'
  cp.spawn 'true'
  cp.run()
  local files = {}
  for i = 1, 200 do
    files[i] = assert(io.open '/dev/null')
  end
  local function descriptors()
    local open = {}
    for name in lfs.dir '/proc/self/fd' do
      open[name] = lfs.symlinkattributes('/proc/self/fd/' .. name, 'target')
    end
    return open
  end
  local function differences(before, after)
    local n = 0
    for name, target in pairs(after) do
      if not target:find '^/proc/' and before[name] ~= target then
        n = n + 1
      end
    end
    return n
  end
  -- Calls of a function fail, or those of syscall(2) or fcntl(2) that have this name.
  local function arm(name, first, last, errno)
    local rule = { name = name, first = first, last = last, errno = errno }
    if fault.numbers[name] then
      local is_fcntl = name:find '^F_' ~= nil
      rule.name, rule.which = is_fcntl and 'fcntl' or 'syscall', is_fcntl and 2 or 1
      rule.only = fault.numbers[name]
    end
    fault.arm('child_process/core.so', rule)
  end
  -- How many children `fn` starts that receive their descriptors.
  local function received(fn)
    arm('recvmsg', 1 << 40, 1 << 40, 0)
    fn()
    return fault.disarm()
  end
  local function say(...)
    print(...)
    io.stdout:flush()
  end
]]

--- What a program prints; it must end well and say nothing on stderr.
-- @param … its arguments, from arg[2] on
function M.output(code, ...)
  local file, args = t.lua(M.HEAD .. code, t.built 'fault.so', ...)
  local result = t.cp.spawnSync(file, args, { timeout = t.TEST_TIMEOUT })
  assert.equal('', result.stderr)
  assert.equal(0, result.status)
  return result.stdout
end

-- Older kernels may have the fault that csrc/os/table.c looks for.
local function why_not_shared()
  local release = t.slurp '/proc/sys/kernel/osrelease' or '0.0'
  local major, minor = release:match '^(%d+)%.(%d+)'
  local is_new = tonumber(major) * 1000 + tonumber(minor) >= 6011
  return t.backend() ~= 'linux' and 'uv_spawn forks'
    or not is_new and 'the kernel is older than Linux 6.11'
end

--- `local sharing_it = crowd.wrap(it, pending)`: as that of the helper, but pending where
-- a child cannot start on our table.
function M.wrap(it, pending)
  local obstacle = why_not_shared()
  return function(title, ...)
    if obstacle then
      pending(('%s (%s)'):format(title, obstacle))
    else
      t.wrap(it)(title, ...)
    end
  end
end

return M
