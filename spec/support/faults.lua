--- A system that refuses: the n-th call that the module makes of one function fails, for
-- n = 1, 2, 3, … until no call is left to fail.  Each time there is to be one clear error
-- or none, and nothing may be left over.
local assert = require 'luassert'
local t = require 'spec.helper'

local M = {}

local CORE = 'child_process/core.so'
local MOST = 200 -- calls of one function in one attempt

local ERRNO = {
  EPERM = 1,
  ENOENT = 2,
  EINTR = 4,
  EIO = 5,
  EAGAIN = 11,
  ENOMEM = 12,
  EACCES = 13,
  EBUSY = 16,
  EINVAL = 22,
  EMFILE = 24,
  ENOTTY = 25,
  ENOSPC = 28,
  ENOSYS = 38,
  EOPNOTSUPP = 95,
  EAFNOSUPPORT = 97,
  ENOBUFS = 105,
  ETOOMANYREFS = 109,
}

local COMMANDS = { F_DUPFD_CLOEXEC = 1030 } -- of fcntl

-- What says that a function has failed, where it is not -1.
local GIVES_POINTER =
  { calloc = true, malloc = true, realloc = true, strdup = true, fdopen = true }

local function failure_value(name, errno)
  if GIVES_POINTER[name] then
    return 0
  elseif name:find '^pthread_' then
    return errno
  end
  return name:find '^uv_' and -errno or -1
end

local fault -- the module of spec/host/fault.c

local function load_fault()
  if not fault then
    fault = assert(package.loadlib(t.built 'fault.so', 'luaopen_fault'))()
  end
  return fault
end

local function arm(how)
  local errno = assert(ERRNO[how.errno], how.errno)
  fault.arm(
    how.library or CORE,
    how.name,
    how.first or 1,
    how.last or how.first or 1,
    failure_value(how.name, errno),
    errno,
    how.command and COMMANDS[how.command] or fault.syscalls[how.syscall],
    how.command and 2 or how.syscall and 1 or nil
  )
end

--- Runs `attempt` while calls of a function fail; returns how many calls there were.
-- @param how table: `name`; `errno`, its name; `first`, the number of the call that
-- fails, and `last`, of the last one (0: all that follow); `syscall`, the name of the one
-- that is meant when `name` is 'syscall', `command`, when it is 'fcntl'; `library`, part
-- of the file name of the one whose calls are meant (default: our own).  Or a list of
-- such tables; then there are as many results.
function M.with(how, attempt)
  load_fault()
  for _, one in ipairs(how.name and { how } or how) do
    arm(one)
  end
  local ok, err = pcall(attempt)
  local calls = table.pack(fault.disarm())
  if not ok then
    error(err, 0)
  end
  return table.unpack(calls, 1, calls.n)
end

local function settle()
  collectgarbage()
  collectgarbage()
  t.cp.run()
end

local function check_nothing_left(before, which)
  settle()
  assert.same({}, t.children(), which)
  for fd, target in pairs(t.fds()) do
    assert.equal(before[fd], target, which)
  end
end

-- Memory that is short is raised, as everywhere in Lua.
local function run(attempt, errs)
  local ok, result = pcall(attempt, errs)
  if ok then
    return result
  elseif tostring(result):find('not enough memory', 1, true) then
    errs[#errs + 1] = { code = 'ENOMEM' }
    return false
  end
  error(result, 0)
end

--- Each call in turn fails once.
-- @param how table: as for `with`, without `first` and `last`; `calls`: no more than the
-- first so many
-- @param attempt function(errs): runs the loop to its end, puts the errors that come into
-- the list and returns whether all went well
function M.each(how, attempt)
  attempt {}
  local before = t.fds()
  for n = 1, how.calls or MOST do
    local errs, well = {}, nil
    local deadline = t.cp.setTimeout(error, t.TEST_TIMEOUT, 'still not idle'):unref()
    how.first, how.last = n, n
    local calls = M.with(how, function()
      well = run(attempt, errs)
    end)
    local which = ('%s, call %d of %d'):format(how.name, n, calls)
    check_nothing_left(before, which)
    deadline:close()
    for _, err in ipairs(errs) do
      assert.equal(how.errno, err.code, which .. ': ' .. tostring(err))
    end
    if calls < n then
      assert.same({}, errs, which)
      assert.is_true(well, which)
      assert.is_true(n > 1, how.name .. ' was not called')
      return
    end
    assert.is_true(#errs == 1 or #errs == 0 and well, which .. ': no single outcome')
  end
  assert.is_truthy(how.calls, how.name .. ' is called for ever')
end

return M
