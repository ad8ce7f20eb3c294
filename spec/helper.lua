--- What every spec stands on: a body is run, then the loop until it is idle, and then
-- nothing may be left over: no expected call missing, no descriptor, no child process
-- (zombies included), nothing that keeps the loop alive.
--
--   local t = require 'spec.helper'
--   local it = t.wrap(it)
--   it('says so when it ends', function()
--     local child = t.cp.spawn('true')
--     t.once(child, 'close', function(code) assert.equal(0, code) end)
--   end)
local lfs = require 'lfs'

local cp = require 'child_process'
local core = require 'child_process.core'

local M = { cp = cp }

local function factor()
  local wanted = tonumber(os.getenv 'LCP_TEST_TIMEOUT_FACTOR') or 1
  return os.getenv 'LCP_GC_STRESS' and wanted * 5 or wanted
end

--- The one deadline of a test in milliseconds; LCP_TEST_TIMEOUT_FACTOR stretches it.
M.TEST_TIMEOUT = math.floor(15000 * factor())

--- The folder of the project; the specs are run there.
M.root = lfs.currentdir()

-- Looking at this process --------------------------------------------------------------

local function slurp(path)
  local file = io.open(path, 'rb')
  if not file then
    return nil
  end
  local text = file:read 'a'
  file:close()
  return text
end

M.slurp = slurp

--- The process id of this program.
function M.pid()
  return math.tointeger(slurp('/proc/self/stat'):match '^%d+')
end

--- Open descriptors of this process (or of `pid`): number -> what it stands for.
function M.fds(pid)
  local folder = ('/proc/%s/fd'):format(pid or 'self')
  local open = {}
  for name in lfs.dir(folder) do
    local target = name:find '^%d+$'
      and lfs.symlinkattributes(folder .. '/' .. name, 'target')
    -- the descriptor of this very listing is not one of them
    if target and not target:find '^/proc/%d+/fd$' then
      open[math.tointeger(name)] = target
    end
  end
  return open
end

-- pid, name, state, ppid from a line of /proc/*/stat; the name may hold anything
local function read_stat(pid)
  local text = slurp(('/proc/%s/stat'):format(pid))
  local name, state, ppid = (text or ''):match '%((.*)%) (%S) (%d+)'
  return state, math.tointeger(ppid), name
end

local function children_by_task()
  local found = {}
  for task in lfs.dir '/proc/self/task' do
    if task:find '^%d+$' then
      local text = slurp(('/proc/self/task/%s/children'):format(task))
      if not text then
        return nil
      end
      for pid in text:gmatch '%d+' do
        found[#found + 1] = math.tointeger(pid)
      end
    end
  end
  return found
end

local function children_by_scan()
  local found, own = {}, M.pid()
  for name in lfs.dir '/proc' do
    if name:find '^%d+$' then
      local _, ppid = read_stat(name)
      if ppid == own then
        found[#found + 1] = math.tointeger(name)
      end
    end
  end
  return found
end

--- The process ids of all children of this process, zombies included, in ascending order.
function M.children()
  local found = children_by_task() or children_by_scan()
  table.sort(found)
  return found
end

--- True while a process with that id exists and is not a zombie.
function M.pid_alive(pid)
  local state = read_stat(pid)
  return state ~= nil and state ~= 'Z' and state ~= 'X'
end

--- The value of one field of /proc/PID/status, e.g. `SigBlk`; nil when it is gone.
function M.status_field(pid, field)
  local text = slurp(('/proc/%s/status'):format(pid))
  return text and text:match('\n' .. field .. ':%s*([^\n]*)')
end

local function add_files(folder, pattern, list)
  for name in lfs.dir(folder) do
    local path = folder .. '/' .. name
    if name:find(pattern) then
      list[#list + 1] = path
    elseif name:sub(1, 1) ~= '.' and lfs.attributes(path, 'mode') == 'directory' then
      add_files(path, pattern, list)
    end
  end
  return list
end

--- The paths of all files below a folder whose names match a pattern, in order.
function M.files(folder, pattern)
  local list, i = add_files(folder, pattern, {}), 0
  table.sort(list)
  return function()
    i = i + 1
    return list[i]
  end
end

-- What is being tested --------------------------------------------------------------

-- Of each path in a list like package.path.
local function absolute(path_list)
  return (
    path_list:gsub('[^;]+', function(entry)
      if entry:sub(1, 1) ~= '/' then
        entry = M.root .. '/' .. entry
      end
      return entry
    end)
  )
end

--- The shared library of the module, and the build folder it lies in.
M.core_path = absolute(assert(package.searchpath('child_process.core', package.cpath)))
M.build = M.core_path:match '^(.*)/child_process/core%.so$'

--- The path of a program or module that is built for the specs, by name.  Every build
-- that scripts/test makes has them all (BUILD_TESTING), so one without is an error.
function M.built(name)
  local path = ('%s/%s'):format(M.build, name)
  assert(lfs.attributes(path), 'not built: ' .. path)
  return path
end

--- The path of a spec by its name, such as 'exec_spec'; nil if there is none.
function M.spec_file(name)
  for path in M.files(M.root .. '/spec', '_spec%.lua$') do
    if path:match '([^/]+)%.lua$' == name then
      return path
    end
  end
end

--- What a compiler needs besides to link with the build.
function M.build_flags()
  if M.watched_by() == 'asan' then
    return '-fsanitize=address,undefined'
  end
  return M.build:find '/coverage[^/]*$' and '--coverage' or ''
end

--- Which code starts the processes: 'linux' or 'uv'.
function M.backend()
  return core.backend
end

--- Whether this program may become another user, and that one can get at the project:
-- the folder of a user may be closed to others.
function M.others_can_read()
  local command =
    'setpriv --reuid=54321 --regid=54322 --clear-groups test -r %s/README.md'
  return os.execute((command):format(M.root) .. ' 2>/dev/null') == true
end

--- Whether valgrind or AddressSanitizer runs this program: 'valgrind', 'asan' or nil.
function M.watched_by()
  local maps = slurp '/proc/self/maps'
  return maps:find('vgpreload', 1, true) and 'valgrind'
    or maps:find('libasan', 1, true) and 'asan'
    or nil
end

--- What a program said, without what gcov says: it cannot write what a child that runs
-- as another user has counted.
function M.without_gcov(text)
  return (text:gsub('profiling:[^\n]*\n+', ''))
end

-- Programs of ours ---------------------------------------------------------------------

--- The interpreter that runs the specs (also where it is a host of our own).
M.lua_exe = os.getenv 'LCP_TEST_HOST'
  or lfs.symlinkattributes('/proc/self/exe', 'target')
  or 'lua5.4'

--- Values for LUA_PATH_5_4 and LUA_CPATH_5_4 with which a program finds this module.
function M.module_paths()
  return absolute(package.path), absolute(package.cpath)
end

--- The path of a file in spec/fixtures.
function M.fixture(name)
  return M.root .. '/spec/fixtures/' .. name
end

--- Command and arguments that run a Lua program with this module on its path:
-- `cp.spawn(t.lua('fixture.lua', 'argument'))`.  In there `require 'again'` is this
-- function once more.
-- @param program string: a fixture's name, an absolute path, or the program itself
function M.lua(program, ...)
  if program:find '^[%w_]+%.lua$' then
    program = M.fixture(program)
  end
  local boot = M.fixture 'with_module.lua'
  local path, cpath = M.module_paths()
  return M.lua_exe, { boot, M.lua_exe, path, cpath, program, ... }
end

-- Scope of one test --------------------------------------------------------------------

local scope -- what the running test has asked for

-- The line of the spec that called into this file.
local function caller()
  local own = debug.getinfo(1, 'S').source
  for level = 2, 10 do
    local info = debug.getinfo(level, 'Sl')
    if info and info.source ~= own and info.what ~= 'C' then
      return ('%s:%d'):format(info.short_src, info.currentline)
    end
  end
end

--- Wraps a callback that must be called exactly `n` times (default 1).
function M.expect(fn, n)
  local slot = { want = n or 1, got = 0, at = caller() }
  table.insert(scope.expected, slot)
  return function(...)
    slot.got = slot.got + 1
    if fn then
      return fn(...)
    end
  end
end

--- A callback that must never be called.
function M.never(message)
  local slot = { want = 0, got = 0, at = caller() }
  table.insert(scope.expected, slot)
  return function(...)
    slot.got = slot.got + 1
    local shown = table.pack(...)
    for i = 1, shown.n do
      shown[i] = tostring(shown[i])
    end
    local text = '%s: called with (%s)'
    error(text:format(message or slot.at, table.concat(shown, ', ')), 0)
  end
end

local function remove_tree(path)
  -- an empty one may be removed though it cannot be read
  if lfs.symlinkattributes(path, 'mode') == 'directory' and not lfs.rmdir(path) then
    for name in lfs.dir(path) do
      if name ~= '.' and name ~= '..' then
        remove_tree(path .. '/' .. name)
      end
    end
    lfs.rmdir(path)
  else
    os.remove(path)
  end
end

local folders = 0

--- A fresh folder, removed after the test.
function M.tmpdir()
  folders = folders + 1
  local base = os.getenv 'TMPDIR' or '/tmp'
  local path = ('%s/lcp-spec-%d-%d-%d'):format(base, M.pid(), os.time(), folders)
  assert(lfs.mkdir(path))
  table.insert(scope.folders, path)
  return path
end

--- Writes a file; `mode` is what chmod takes, e.g. `+x`.  Returns its path.
function M.write_file(path, text, mode)
  local file = assert(io.open(path, 'wb'))
  file:write(text)
  file:close()
  if mode then
    assert(os.execute(("chmod %s '%s'"):format(mode, path)))
  end
  return path
end

-- Running a test -----------------------------------------------------------------------

local function describe_children()
  local lines = {}
  for _, pid in ipairs(M.children()) do
    local state, _, name = read_stat(pid)
    local command = (slurp(('/proc/%d/cmdline'):format(pid)) or ''):gsub('%z', ' ')
    lines[#lines + 1] = ('  %d %s %s: %s'):format(pid, state, name, command:sub(1, 200))
  end
  return #lines > 0 and table.concat(lines, '\n') or '  none'
end

local function describe_expected()
  local lines = {}
  for _, slot in ipairs(scope.expected) do
    if slot.got ~= slot.want then
      local text = '  the callback of %s: %d calls expected, %d seen'
      lines[#lines + 1] = text:format(slot.at, slot.want, slot.got)
    end
  end
  return #lines > 0 and table.concat(lines, '\n')
end

local function hang_report(limit)
  local text = 'still not idle after %d ms\nchildren:\n%s\nopen calls:\n%s'
  return text:format(limit, describe_children(), describe_expected() or '  none')
end

-- Runs the loop until it is idle; an error or the deadline ends it.
local function drive(limit)
  local deadline = cp.setTimeout(function()
    error(hang_report(limit), 0)
  end, limit)
  deadline:unref()
  local ok, err
  repeat
    ok, err = pcall(cp.run)
  until not ok or not err
  deadline:close()
  return ok, err
end

-- After a failure: nothing may disturb the next test.
local function abandon()
  for _ = 1, 20 do
    local pids = M.children()
    if #pids > 0 then
      os.execute('kill -9 ' .. table.concat(pids, ' ') .. ' 2>/dev/null')
    end
    if drive(math.max(M.TEST_TIMEOUT // 10, 500)) and #M.children() == 0 then
      break
    end
  end
  collectgarbage()
  collectgarbage()
end

local function new_fds(before)
  local lines = {}
  for fd, target in pairs(M.fds()) do
    if before[fd] ~= target then
      lines[#lines + 1] = ('  %d -> %s'):format(fd, target)
    end
  end
  table.sort(lines)
  return #lines > 0 and table.concat(lines, '\n')
end

local function settle()
  collectgarbage()
  collectgarbage()
  return cp.run 'nowait'
end

local function check_leftovers(before)
  local missed = describe_expected()
  if missed then
    error('expected calls:\n' .. missed, 0)
  end
  assert(not settle(), 'the loop is still alive')
  settle() -- delivers what the collection has closed
  if #M.children() > 0 then
    error('children left:\n' .. describe_children(), 0)
  end
  local fds = new_fds(before)
  if fds then
    error('descriptors left open:\n' .. fds, 0)
  end
end

local function with_traceback(err)
  return type(err) == 'string' and debug.traceback(err, 2) or err
end

local function attempt(body, options)
  local ok, err = xpcall(body, with_traceback)
  if ok then
    ok, err = drive(options.timeout or M.TEST_TIMEOUT)
  end
  if not ok then
    abandon()
    error(err, 0)
  end
end

local function clean_up()
  for _, path in ipairs(scope.folders) do
    remove_tree(path)
  end
  scope = nil
end

--- The function for `it`: runs `body`, then the loop until it is idle, then the checks.
-- @param options table|nil: `timeout`, in milliseconds, instead of TEST_TIMEOUT
function M.run(body, options)
  return function()
    scope = { expected = {}, folders = {} }
    collectgarbage()
    collectgarbage()
    local before = M.fds()
    local ok, err = pcall(attempt, body, options or {})
    if ok then
      ok, err = pcall(check_leftovers, before)
    end
    clean_up()
    if not ok then
      error(err, 0)
    end
  end
end

--- `local it = t.wrap(it)`: an `it` that takes the body itself.
function M.wrap(it)
  return function(title, body, options)
    it(title, M.run(body, options))
  end
end

-- Small conveniences -------------------------------------------------------------------

--- What pcall(error, nil) has as its second result.
M.NO_ERROR = select(2, pcall(error, nil)) -- a text in Lua 5.5

--- Calls `fn(…)`, which must raise an error value with that code; returns the value.
function M.raises(code, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then
    error(('nothing raised where %s was expected'):format(code), 2)
  end
  if type(err) ~= 'table' or err.code ~= code then
    error(('%s expected, raised: %s'):format(code, tostring(err)), 2)
  end
  return err
end

local function set_collector(name, value)
  if _VERSION == 'Lua 5.4' then
    return collectgarbage('set' .. name, value)
  end
  return collectgarbage('param', name, value)
end

--- Runs `fn` while the collector hardly pauses, so that finalizers run in the middle of
-- it however large the heap of all specs is.
function M.with_eager_gc(fn)
  local pause = set_collector('pause', 1)
  local step = set_collector('stepmul', 1000)
  local ok, err = pcall(fn)
  set_collector('pause', pause)
  set_collector('stepmul', step)
  if not ok then
    error(err, 0)
  end
end

--- Listens to an event that must come exactly once.
function M.once(emitter, event, fn)
  emitter:on(event, M.expect(fn))
end

--- Collects what a stream gives; the returned function tells all so far.
function M.collect(stream)
  local chunks = {}
  stream:on('data', function(chunk)
    chunks[#chunks + 1] = chunk
  end)
  return function()
    return table.concat(chunks)
  end
end

--- Calls `fn(line)` for each line that a stream gives, without the line end.
function M.on_line(stream, fn)
  local rest = ''
  stream:on('data', function(chunk)
    rest = rest .. chunk
    while true do
      local line, tail = rest:match '^([^\n]*)\n(.*)$'
      if not line then
        break
      end
      rest = tail
      fn(line)
    end
  end)
end

--- Calls `fn(result)` as soon as `check()` gives a true result: for what no event tells.
function M.when(check, fn)
  fn = M.expect(fn)
  local timer
  timer = cp.setInterval(function()
    local result = check()
    if result then
      timer:close()
      fn(result)
    end
  end, 1)
end

--- Notes the events of an emitter in the order in which they come.
-- @param names table: the events
-- @param list table|nil: append to this one
-- @param prefix string|nil: put in front of each name
-- @return the list of names, and a list of their packed arguments
function M.record(emitter, names, list, prefix)
  list = list or {}
  local arguments = {}
  for _, name in ipairs(names) do
    emitter:on(name, function(...)
      list[#list + 1] = (prefix or '') .. name
      arguments[#list] = table.pack(...)
    end)
  end
  return list, arguments
end

-- The loop and whatever else is made once must not look like a leak of the first test.
local function warm_up()
  cp.spawn('true'):on('error', function() end)
  cp.setTimeout(function() end, 1)
  cp.setImmediate(function() end)
  cp.run()
end

warm_up()

return M
