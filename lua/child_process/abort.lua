--- AbortController and AbortSignal, as Node has them.
--
-- A signal is aborted either by its own controller or along with a source: another signal
-- (any) or the clock (timeout).  A source has weak references to its dependent signals
-- and strong ones to those with listeners: a dropped signal without listeners is
-- collected, however long its sources live.
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'

local M = {}

-- Key of a signal's private fields.  `aborted` and `reason` are read-only and assigning
-- to `onabort` adds a listener, so they cannot be plain fields.
local STATE = {}

local methods = {}
local Signal = { __name = 'child_process.AbortSignal' }
local Controller = { __name = 'child_process.AbortController' }
Controller.__index = Controller

local function check_self(self, class, call)
  if getmetatable(self) ~= class then
    error(errors.no_self(call), 3)
  end
end

local function check_listener(what, listener)
  if type(listener) ~= 'function' then
    error(errors.invalid_arg_type(what, 'of type function', listener), 3)
  end
end

-- Sources -------------------------------------------------------------------------------

-- `dependents`: signal -> its number, in order of creation.  `held`: those with
-- listeners.
local function as_source(fields)
  fields.dependents = setmetatable({}, { __mode = 'k' })
  fields.held = {}
  return fields
end

local created = 0

local function new_signal(sources)
  local state = as_source {
    aborted = false,
    sources = sources,
    listeners = {},
    entries = {},
    count = 0,
  }
  local signal = setmetatable({ [STATE] = state }, Signal)
  created = created + 1
  for _, source in ipairs(sources) do
    source.dependents[signal] = created
  end
  return signal
end

-- Clocks whose signals have listeners; the timer alone does not keep a clock alive.  Held
-- only for the collector.
local ticking = {} -- luacheck: ignore 241

local function hold(source, signal, wanted)
  source.held[signal] = wanted or nil
  if source.is_clock then
    ticking[source] = next(source.held) and true or nil
  end
end

local function detach(signal)
  for _, source in ipairs(signal[STATE].sources) do
    source.dependents[signal] = nil
    hold(source, signal, false)
  end
end

-- The signals that end together with `source`, the oldest first.
local function dependents_of(source)
  local signals, number = {}, source.dependents
  for signal in pairs(number) do
    signals[#signals + 1] = signal
  end
  table.sort(signals, function(a, b)
    return number[a] < number[b]
  end)
  return signals
end

-- Listeners -----------------------------------------------------------------------------

-- A listener is an entry { fn, once }; without `fn` it is not called: an onabort set back
-- to nil keeps its place in the order, and removed entries stay until there are too many
-- of them, or in a copy.  `entries` maps a function to its entry.

--- abort.listener_count(signal) -> integer: for specs that look for forgotten listeners.
function M.listener_count(signal)
  return signal[STATE].count
end

local function update_hold(signal)
  local state = signal[STATE]
  local wanted = not state.aborted and state.count > 0
  for _, source in ipairs(state.sources) do
    hold(source, signal, wanted)
  end
end

local function add_count(signal, change)
  local state = signal[STATE]
  local before = state.count
  state.count = before + change
  if before == 0 or state.count == 0 then
    update_hold(signal)
  end
end

local FEW = 16

local function compact(state)
  local listeners = {}
  for _, entry in ipairs(state.listeners) do
    if entry.fn or entry == state.onabort then
      listeners[#listeners + 1] = entry
    end
  end
  state.listeners = listeners
end

local function add_entry(signal, entry)
  local state = signal[STATE]
  if #state.listeners > 2 * state.count + FEW then
    compact(state)
  end
  table.insert(state.listeners, entry)
  state.entries[entry.fn] = entry
  add_count(signal, 1)
end

local function remove_entry(signal, entry)
  signal[STATE].entries[entry.fn] = nil
  entry.fn = nil
  add_count(signal, -1)
end

local function set_onabort(signal, fn)
  local state = signal[STATE]
  if fn ~= nil then
    check_listener('onabort', fn)
  end
  if not state.onabort then
    state.onabort = {}
    table.insert(state.listeners, state.onabort)
  end
  local before = state.onabort.fn
  state.onabort.fn = fn
  add_count(signal, (fn and 1 or 0) - (before and 1 or 0))
end

local function run_entry(signal, entry, event, failures)
  local fn = entry.fn
  if entry.once then
    remove_entry(signal, entry)
  end
  local ok, err = pcall(fn, event)
  if not ok then
    failures.n = failures.n + 1
    failures[failures.n] = err
  end
end

local function dispatch(signal, failures)
  local event = { type = 'abort', target = signal }
  local listeners = signal[STATE].listeners
  for _, entry in ipairs(table.move(listeners, 1, #listeners, 1, {})) do
    if entry.fn then
      run_entry(signal, entry, event, failures)
    end
  end
end

-- Every listener runs, whatever the others raise.  Then abort() or the timer's callback
-- raises the first error; the other errors are raised on ticks of their own.
local function raise_failures(failures)
  for i = 2, failures.n do
    loop.nextTick(error, failures[i], 0)
  end
  if failures.n > 0 then
    error(failures[1], 0)
  end
end

local function abort_all(signals, reason)
  -- all of them before the first listener runs, so that listeners see a consistent state
  for _, signal in ipairs(signals) do
    local state = signal[STATE]
    state.aborted, state.reason = true, reason
    detach(signal)
  end
  local failures = { n = 0 }
  for _, signal in ipairs(signals) do
    dispatch(signal, failures)
  end
  raise_failures(failures)
end

local function default_reason()
  return errors.new('AbortError', 'ABORT_ERR', 'This operation was aborted')
end

local function abort(signal, reason)
  if signal[STATE].aborted then
    return
  end
  if reason == nil then
    reason = default_reason()
  end
  local signals = dependents_of(signal[STATE])
  table.insert(signals, 1, signal)
  abort_all(signals, reason)
end

-- AbortSignal ---------------------------------------------------------------------------

function Signal.__index(signal, key)
  local state = signal[STATE]
  if key == 'aborted' or key == 'reason' then
    return state[key]
  elseif key == 'onabort' then
    return state.onabort and state.onabort.fn
  end
  return methods[key]
end

function Signal.__newindex(signal, key, value)
  if key == 'onabort' then
    set_onabort(signal, value)
  elseif key == 'aborted' or key == 'reason' then
    local text = ("signal.%s is read-only: use a controller's abort()"):format(key)
    error(errors.new('TypeError', nil, text), 2)
  else
    rawset(signal, key, value)
  end
end

local function is_once(options)
  if options == nil or type(options) == 'boolean' then
    return false
  elseif type(options) ~= 'table' then
    error(errors.invalid_arg_type('options', 'of type table', options), 3)
  end
  return rawget(options, 'once') and true or false
end

--- signal:addEventListener('abort', listener [, { once = true }]): calls
-- `listener({ type = 'abort', target = signal })` when the signal is aborted; once even
-- if it was added twice, never if it was aborted before.  There are no other events.
-- Raises ERR_INVALID_ARG_TYPE.  Node: EventTarget.
function methods:addEventListener(event, listener, options)
  check_self(self, Signal, 'signal:addEventListener(…)')
  check_listener('listener', listener)
  local once = is_once(options)
  if event == 'abort' and not self[STATE].entries[listener] then
    add_entry(self, { fn = listener, once = once })
  end
end

--- signal:removeEventListener('abort', listener).  Node: EventTarget.
function methods:removeEventListener(event, listener)
  check_self(self, Signal, 'signal:removeEventListener(…)')
  check_listener('listener', listener)
  local entry = event == 'abort' and self[STATE].entries[listener]
  if entry then
    remove_entry(self, entry)
  end
end

--- signal:throwIfAborted(): raises `signal.reason` if the signal is aborted.
function methods:throwIfAborted()
  check_self(self, Signal, 'signal:throwIfAborted(…)')
  if self.aborted then
    error(self.reason, 0)
  end
end

--- abort.is_signal(value) -> boolean
function M.is_signal(value)
  return getmetatable(value) == Signal
end

local AbortSignal = {}

--- AbortSignal.abort([reason]) -> a signal that is aborted already.
function AbortSignal.abort(reason)
  local signal = new_signal {}
  abort(signal, reason)
  return signal
end

local LONGEST_TIMER = 2147483647

-- The timer does not keep the program running, and goes with the clock, once no signal
-- needs that any more.
local Clock = {
  __gc = function(clock)
    loop.clearTimeout(clock.timer)
  end,
}

local function start_clock(clock, ms)
  local part = math.min(ms, LONGEST_TIMER)
  local weak = setmetatable({ clock = clock }, { __mode = 'v' })
  clock.timer = loop.setTimeout(function()
    local late = weak.clock
    if late and part < ms then
      start_clock(late, ms - part)
    elseif late then
      local text = 'The operation was aborted due to timeout'
      abort_all(dependents_of(late), errors.new('TimeoutError', 'TIMEOUT_ERR', text))
    end
  end, part)
  clock.timer:unref()
end

local function check_delay(ms)
  if type(ms) ~= 'number' then
    error(errors.invalid_arg_type('delay', 'of type number', ms), 3)
  end
  local delay = math.tointeger(ms)
  if not delay then
    error(errors.out_of_range('delay', 'an integer', ms), 3)
  elseif delay < 0 or delay > 4294967295 then
    error(errors.out_of_range('delay', '>= 0 && <= 4294967295', ms), 3)
  end
  return delay
end

--- AbortSignal.timeout(ms) -> a signal that is aborted after `ms` milliseconds, with a
-- reason named `TimeoutError`, code `TIMEOUT_ERR`.  It does not keep the program running.
-- Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
function AbortSignal.timeout(ms)
  local delay = check_delay(ms)
  local clock = setmetatable(as_source { is_clock = true }, Clock)
  local signal = new_signal { clock }
  start_clock(clock, delay)
  return signal
end

-- The number of positions that a table has; nil if it has other keys, or is not a table.
local function count_positions(list)
  local n = type(list) == 'table' and 0 or nil
  for key in next, n and list or {} do
    if math.type(key) ~= 'integer' or key < 1 then
      return nil
    end
    n = n + 1
  end
  return n
end

local function check_signals(signals)
  local count = not M.is_signal(signals) and count_positions(signals)
  if not count then
    error(errors.invalid_arg_type('signals', 'an array', signals), 3)
  end
  for i = 1, count do
    local signal = rawget(signals, i)
    if not M.is_signal(signal) then
      local what = ('signals[%d]'):format(i)
      error(errors.invalid_arg_type(what, 'an instance of AbortSignal', signal), 3)
    end
  end
end

--- AbortSignal.any(signals) -> a signal that is aborted as soon as one of the array is,
-- for the same reason.  Raises ERR_INVALID_ARG_TYPE.
function AbortSignal.any(signals)
  check_signals(signals)
  local sources = {}
  for _, signal in ipairs(signals) do
    local state = signal[STATE]
    if state.aborted then
      return AbortSignal.abort(state.reason)
    end
    -- a dependent signal is replaced by its sources, so there are no chains
    table.move(state.sources, 1, #state.sources, #sources + 1, sources)
    if #state.sources == 0 then
      table.insert(sources, state)
    end
  end
  return new_signal(sources)
end

--- cp.AbortSignal: `abort`, `timeout` and `any` make signals; it cannot be called.
M.AbortSignal = setmetatable(AbortSignal, {
  __call = function()
    error(errors.new('TypeError', 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor'), 2)
  end,
})

-- AbortController -----------------------------------------------------------------------

--- controller:abort([reason]): aborts `controller.signal`; a second call does nothing.
-- The default reason is an AbortError, code `ABORT_ERR`.  The listeners run inside the
-- call; an error in one does not stop the others, and is raised when all have run.
function Controller:abort(reason)
  check_self(self, Controller, 'controller:abort(…)')
  abort(self.signal, reason)
end

--- cp.AbortController() -> controller, with the field `signal` and the method `abort`.
M.AbortController = setmetatable({}, {
  __call = function()
    return setmetatable({ signal = new_signal {} }, Controller)
  end,
})

return M
