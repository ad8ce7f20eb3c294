--- A system that refuses: calls that the module makes fail (spec/host/fault.c).  A sweep
-- has every call of an attempt fail once; each time there is to be a clear error or none,
-- and nothing may be left over.
local assert = require 'luassert'
local core = require 'child_process.core'
local system_calls = require 'spec.support.system_calls'
local t = require 'spec.helper'

local M = {}

local CORE = 'child_process/core.so'
local IS_OLD = os.getenv 'LCP_OLD_KERNEL' ~= nil
local MOST = 8 -- calls of a function that fail, unless LCP_SWEEP is `full`

-- Those that libuv names, and some.
local ERRNO = { ECHILD = 10, ENOEXEC = 8, EOPNOTSUPP = 95, ETOOMANYREFS = 109 }
for number = 1, 133 do
  ERRNO[core.errname(-number)] = number
end
ERRNO.EAI_AGAIN = 3001

--- faults.errno('EMFILE') -> 24; nil for a name that this system does not have.
function M.errno(name)
  return ERRNO[name]
end

-- What says that a function has failed, where it is not -1.
local RETURNS = {
  aligned_alloc = 0,
  calloc = 0,
  fdopen = 0,
  isatty = 0,
  malloc = 0,
  realloc = 0,
  realpath = 0,
  strdup = 0,
}

local function failure_value(name, errno)
  if name:find '^pthread_' or name:find '^get.*_r$' then
    return errno
  end
  return RETURNS[name] or name:find '^uv_' and -errno or -1
end

-- Whether the call has done what it does also when it fails: a descriptor is closed in
-- any case, and a child that is not there has been reaped.
local function is_done(name, errno)
  return name == 'close' or name == 'fclose' or errno == 'ECHILD'
end

local fault -- the module of spec/host/fault.c

local function load_fault()
  if not fault then
    fault = assert(package.loadlib(t.built 'fault.so', 'luaopen_fault'))()
  end
  return fault
end

--- faults.imports() -> the names of what the module imports.
function M.imports()
  return load_fault().imports(CORE)
end

local is_import -- name -> true

-- What the C library has no function for, in musl, is called by its number.
local function as_called(name)
  if not is_import then
    is_import = {}
    for _, import in ipairs(M.imports()) do
      is_import[import] = true
    end
  end
  local is_number = not is_import[name] and load_fault().numbers[name]
  return is_number and 'syscall:' .. name or name
end

--- faults.rule(how) -> what fault.arm takes.  `how` is as for `with`; `fcntl:COMMAND` and
-- `syscall:NAME` are one kind of call of that function.
function M.rule(how)
  local errno = assert(ERRNO[how.errno], how.errno)
  local called = how.library and how.name or as_called(how.name)
  local name, kind = called:match '^([^:]+):(.+)$'
  name = name or called
  return {
    name = name,
    first = how.first or 1,
    last = how.last or how.first or 1,
    result = failure_value(name, errno),
    errno = errno,
    only = kind and assert(load_fault().numbers[kind], kind),
    which = kind and (name == 'fcntl' and 2 or 1),
    done = is_done(name, how.errno) and 1 or 0,
  }
end

--- Runs `attempt` while calls of a function fail; returns how many calls there were.
-- @param how table: `name`, as in system_calls; `errno`, its name; `first`, the number of
-- the call that fails, and `last`, of the last one (0: all that follow); `library`, part
-- of the file name of the one whose calls are meant (default: our own).  Or a list of
-- such tables; then there are as many results.
function M.with(how, attempt)
  load_fault()
  local ok, err = pcall(function()
    for _, one in ipairs(how.name and { how } or how) do
      fault.arm(one.library or CORE, M.rule(one))
    end
    attempt()
  end)
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

-- An error may also be raised.  Memory that is short is, as everywhere in Lua.
local function run(attempt, errs)
  local ok, result = pcall(attempt, errs)
  if ok then
    return result
  elseif tostring(result):find('not enough memory', 1, true) then
    result = { code = 'ENOMEM' }
  elseif not (type(result) == 'table' and result.code) then
    error(result, 0)
  end
  errs[#errs + 1] = result
  return false
end

-- One call fails: then there is an error, or all is well, and nothing is left.
local function try(how, attempt, before)
  local which = ('%s gives %s, call %d'):format(how.name, how.errno, how.first)
  if os.getenv 'LCP_SWEEP_LOG' then
    io.stderr:write(which, '\n') -- the last one is that of a crash
  end
  local errs, well = {}, nil
  local function late()
    error(('%s: still not idle:\n%s'):format(which, t.cp.active()), 0)
  end
  local deadline = t.cp.setTimeout(late, t.TEST_TIMEOUT):unref()
  local ok, problem = pcall(M.with, how, function()
    well = run(attempt, errs)
  end)
  assert(ok, ('%s: %s'):format(which, tostring(problem)))
  check_nothing_left(before, which)
  deadline:close()
  for _, err in ipairs(errs) do
    assert.is_string(err.code, which .. ': ' .. tostring(err))
  end
  assert.is_true(#errs > 0 or well, which .. ': lost without an error')
end

--- faults.possible([library [, names]]) -> list: each kind of call that the library
-- makes, as `with` takes it, far beyond what is called.
function M.possible(library, names)
  local imported, rules = {}, {}
  for _, name in ipairs(load_fault().imports(library or CORE)) do
    imported[name] = true
  end
  for name in pairs(system_calls.fails) do
    if imported[name:match '^[^:]+'] and (not names or names[name]) then
      rules[#rules + 1] =
        { name = name, errno = 'EIO', first = 1 << 40, library = library }
    end
  end
  table.sort(rules, function(one, other)
    return one.name < other.name
  end)
  return rules
end

-- The calls of an attempt that goes well, a rule for each function that is called.
local function count(attempt, library, names)
  local rules = M.possible(library, names)
  local errs, well = {}, nil
  local counts = table.pack(M.with(rules, function()
    well = run(attempt, errs)
  end))
  assert.same({}, errs)
  assert.is_true(well)
  for i, rule in ipairs(rules) do
    rule.calls = counts[i]
  end
  return rules
end

--- faults.points(rule, options) -> list of { errno, first }: how calls of a function fail
-- of which `rule.calls` are made.  All errnos at the first call (unless `sparse`) and one
-- at each of the others, by turns; with LCP_SWEEP=full all at all of them.
function M.points(rule, options)
  local except = (options.except or {})[rule.name] or ''
  local is_watched = t.watched_by() == 'valgrind'
  if IS_OLD then
    except = except .. ' ECHILD' -- then nobody knows how a child has ended
  elseif rule.name == 'write' and is_watched then
    except = system_calls.fails.write -- a new process tells by a pipe there what failed
  end
  local errnos, list = {}, {}
  for errno in system_calls.fails[rule.name]:gmatch '%S+' do
    if not except:find(errno, 1, true) then
      errnos[#errnos + 1] = errno
    end
  end
  local is_full = os.getenv 'LCP_SWEEP' == 'full'
  local is_sparse = options.sparse or IS_OLD or is_watched
  for n = 1, is_full and rule.calls or math.min(rule.calls, MOST) do
    for i, errno in ipairs(errnos) do
      if is_full or n == 1 and not is_sparse or n % #errnos == i - 1 then
        list[#list + 1] = { errno = errno, first = n }
      end
    end
  end
  return list
end

--- faults.open_things() -> list, to be closed: what an attempt puts into it is closed
-- then, also if memory has ended in a callback, which leaves cp.run().
function M.open_things()
  return setmetatable({}, {
    __close = function(list)
      for _, thing in ipairs(list) do
        pcall(thing.destroy or thing.close, thing)
      end
    end,
  })
end

--- Each call that an attempt makes fails once, in the ways that the table of system calls
-- has for it.
-- @param attempt function(errs): runs the loop to its end, puts the errors that come into
-- the list and returns whether all went well
-- @param options table|nil: `sparse`: fewer points, for what takes its time, unless
-- LCP_SWEEP is `full`; `except`: name -> errnos that are no errors there; `library`, as
-- for `with`, and the set `names` of those functions whose calls fail
function M.sweep(attempt, options)
  options = options or {}
  attempt {}
  settle()
  local before = t.fds()
  local n = 0
  for _, rule in ipairs(count(attempt, options.library, options.names)) do
    for _, point in ipairs(M.points(rule, options)) do
      point.name, point.library = rule.name, options.library
      try(point, attempt, before)
      n = n + 1
    end
  end
  assert.is_true(n > 0)
  return n
end

return M
