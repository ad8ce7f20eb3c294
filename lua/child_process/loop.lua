--- Ticks, immediates and timers over the loop of the core.
--
-- A tick runs when the callback that queued it has returned and before the loop
-- continues; an immediate runs after the loop has polled; timers count milliseconds.
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local M = {}

local select, type, unpack = select, type, table.unpack
local want_ticks = core.want_ticks

local function check_callback(fn)
  if type(fn) ~= 'function' then
    error(errors.invalid_arg_type('callback', 'of type function', fn), 3)
  end
end

-- Opening the loop fails if no descriptors are left.
local function opened(value, errno)
  if not value then
    error(errors.system(errno, 'uv_loop_init'), 3)
  end
  return value
end

--- cp.loop, for another loop that drives this one, see init.lua.
M.pollable = {
  pollfd = function()
    return opened(core.pollfd())
  end,
  events = function()
    return 'r'
  end,
  timeout = function()
    return core.timeout()
  end,
}

-- Ticks ---------------------------------------------------------------------------------

-- The queue, from `first` on; a tick takes four places: the function, the number of its
-- arguments, and two of them, or one table if there are more.  So most ticks need no
-- table of their own.
local ticks, first, last = {}, 1, 0
local WIDTH = 4
local FEW = 1000 * WIDTH

local function run_tick(fn, count, a, b)
  if count == 0 then
    fn()
  elseif count == 2 then
    fn(a, b)
  else
    fn(unpack(a, 1, count))
  end
end

-- Called by the core after each outermost callback, and again if it raised: a tick is
-- removed from the queue before it runs, so one that raises does not lose the others.
--
-- Whatever allocates may run a finalizer, which may queue a tick: here and in tick(),
-- nothing is allocated between a look at `first` and `last` and what follows from it.
local function drain_ticks()
  local fresh
  while first <= last do
    local i, fn = first, ticks[first]
    local count, a, b = ticks[i + 1], ticks[i + 2], ticks[i + 3]
    ticks[i], ticks[i + 2], ticks[i + 3] = false, false, false
    first = i + WIDTH
    if count == 1 then -- as nearly all
      fn(a)
    else
      run_tick(fn, count, a, b)
    end
    if first > last and last > FEW and not fresh then
      fresh = {} -- do not keep the large table of a burst
    end
  end
  ticks, first, last = fresh or ticks, 1, 0
end

core.on_ticks(drain_ticks)

--- loop.tick(fn, count, a, b): nextTick for our own functions: unchecked, with `count`
-- arguments, at most two.
local function tick(fn, count, a, b)
  local i = last
  ticks[i + 1], ticks[i + 2], ticks[i + 3], ticks[i + 4] = fn, count, a, b
  last = i + WIDTH
  if i < first then
    want_ticks()
  end
end

M.tick = tick

--- cp.nextTick(fn, …): runs `fn(…)` once the current callback has returned.
-- Node: process.nextTick.  Raises ERR_INVALID_ARG_TYPE.
function M.nextTick(fn, ...)
  check_callback(fn)
  local count = select('#', ...)
  if count > 2 then
    tick(fn, count, { ... })
  else
    tick(fn, count, ...)
  end
end

-- Immediates ----------------------------------------------------------------------------

local Immediate = { __name = 'child_process.Immediate' }
Immediate.__index = Immediate

-- A ring in order of creation, so that a cleared one is removed immediately.
local ring = {}
ring.before, ring.behind = ring, ring

local pending, referenced = 0, 0

local function insert(node)
  node.before, node.behind = ring.before, ring
  node.before.behind, ring.before = node, node
end

local function unlink(node)
  if node.behind then
    node.before.behind, node.behind.before = node.behind, node.before
    node.before, node.behind = nil, nil
  end
end

local function update_check()
  core.want_check(pending > 0, referenced > 0)
end

local function retire(immediate)
  unlink(immediate)
  immediate.fn = nil
  pending = pending - 1
  if immediate.refed then
    referenced = referenced - 1
  end
end

-- Immediates set meanwhile are behind it, and wait for the next turn.
local mark = {}

core.on_check(function()
  unlink(mark)
  insert(mark)
  while ring.behind ~= mark do
    local immediate = ring.behind
    local fn = immediate.fn
    retire(immediate)
    -- each is a separate callback: ticks run in between, and an error does not stop the
    -- rest
    core.call(fn, table.unpack(immediate, 1, immediate.n))
  end
  unlink(mark)
  update_check()
end)

--- cp.setImmediate(fn, …): runs `fn(…)` after this turn of the loop has polled.
-- Returns an object with `ref`, `unref`, `hasRef`, `close`.  Node: setImmediate.
function M.setImmediate(fn, ...)
  check_callback(fn)
  local immediate = setmetatable({
    n = select('#', ...),
    fn = fn,
    refed = true,
    before = false, -- room for insert()
    behind = false,
    ...,
  }, Immediate)
  insert(immediate)
  pending, referenced = pending + 1, referenced + 1
  if referenced == 1 then -- with the second one, nothing changes for the core
    update_check()
  end
  return immediate
end

--- cp.clearImmediate(immediate): it will not run; nil and one that has run are ignored.
function M.clearImmediate(immediate)
  if getmetatable(immediate) == Immediate and immediate.fn then
    retire(immediate)
    update_check()
  end
end

Immediate.close = M.clearImmediate

--- loop.waiting() -> number of waiting ticks, array of waiting immediates.
function M.waiting()
  local list, node = {}, ring.behind
  while node ~= ring do
    if node ~= mark then
      list[#list + 1] = node
    end
    node = node.behind
  end
  return (last - first + 1) // WIDTH, list
end

local function set_ref(immediate, refed)
  if immediate.fn and immediate.refed ~= refed then
    immediate.refed = refed
    referenced = referenced + (refed and 1 or -1)
    update_check()
  end
  return immediate
end

function Immediate:ref()
  errors.check_self(self, 'immediate:ref()', 'hasRef')
  return set_ref(self, true)
end

function Immediate:unref()
  errors.check_self(self, 'immediate:unref()', 'hasRef')
  return set_ref(self, false)
end

function Immediate:hasRef()
  errors.check_self(self, 'immediate:hasRef()', 'hasRef')
  return self.fn ~= nil and self.refed
end

-- Timers --------------------------------------------------------------------------------

-- Node's rule: anything outside 1 … 2^31-1 ms counts as 1.
local function duration(ms)
  ms = tonumber(ms) or 1
  if not (ms >= 1 and ms <= 2147483647) then
    return 1
  end
  return math.floor(ms)
end

--- cp.setTimeout(fn, ms, …): runs `fn(…)` once, not before `ms` milliseconds have passed.
-- Returns a timer with `ref`, `unref`, `hasRef`, `close`.  Node: setTimeout.
function M.setTimeout(fn, ms, ...)
  check_callback(fn)
  return opened(core.timer(duration(ms), false, fn, ...))
end

--- cp.setInterval(fn, ms, …): runs `fn(…)` every `ms` milliseconds.  Node: setInterval.
function M.setInterval(fn, ms, ...)
  check_callback(fn)
  return opened(core.timer(duration(ms), true, fn, ...))
end

--- cp.clearTimeout(timer): the timer will not fire (again); nil is ignored.
function M.clearTimeout(timer)
  if timer ~= nil and core.is_timer(timer) then
    timer:close()
  end
end

M.clearInterval = M.clearTimeout

-- The end of the state ------------------------------------------------------------------

local counted = {}

--- loop.count_at_end(name, fn): `fn()` returns how many of them never ran.
function M.count_at_end(name, fn)
  counted[#counted + 1] = { name = name, fn = fn }
end

M.count_at_end('immediate', function()
  return core.runs() == 0 and referenced or 0
end)

local function add(list, count, name)
  if count > 0 then
    list[#list + 1] = ('%d %s%s'):format(count, name, count > 1 and 's' or '')
  end
end

core.on_end(function(children, timers, servers)
  local list = {}
  add(list, children, 'child')
  add(list, timers, 'timer')
  add(list, servers, 'server')
  for _, kind in ipairs(counted) do
    add(list, kind.fn(), kind.name)
  end
  if #list > 0 then
    local what = table.concat(list, ', '):gsub('childs', 'children')
    warn('child_process: the program ends, but cp.run() was never called for ', what)
  end
end)

return M
