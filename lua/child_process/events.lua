--- EventEmitter: Node's `events`, for any value that takes fields.
--
-- The whole state of an emitter is one field, `_events`: event name -> list of listeners
-- (listeners.lua).  `emit` calls the listeners registered when it began, whatever they
-- change.  This file knows nothing of loops or processes.
local errors = require 'child_process.errors'
local listeners = require 'child_process.listeners'

local M = {}
local methods = {}

-- Where setMaxListeners keeps its number in `_events`: no event can have this name.
local MAX = {}
local DEFAULT_MAX = 10

-- A listener of once().  A callable table and not a closure, so that rawListeners() shows
-- the user's function as the field `listener`, as Node does.
local Once = { __name = 'child_process.OnceListener' }
Once.__index = Once

function Once.__call(once, ...)
  if once.fired then
    return
  end
  once.fired = true
  once.target:removeListener(once.event, once)
  return once.listener(...)
end

local unwrap = listeners.unwrap

-- `call`: for a message if it was called with a dot, which shifts all arguments.
local function check_listener(listener, self, call)
  if type(self) ~= 'table' then
    errors.check_self(self, call, 'emit')
  end
  if type(listener) ~= 'function' and getmetatable(listener) ~= Once then
    error(errors.invalid_arg_type('listener', 'of type function', listener), 3)
  end
end

local function check_name(name)
  if name == nil or name ~= name then
    error(errors.invalid_arg_type('eventName', 'a value other than nil and NaN', name), 3)
  end
end

local function list_of(self, name)
  local events = self._events
  return events and events[name]
end

--- The key of a method that an emitter may have: emitter[LISTENING](emitter, name).
M.LISTENING = {}

-- Calls the owner's LISTENING method, if it has one, at every change, even if the user
-- removes all listeners.
local function notify(self, name)
  local listening = self[M.LISTENING]
  if listening then
    listening(self, name)
  end
end

local function add(self, name, listener, prepend)
  local events = self._events
  if not events then
    events = {}
    self._events = events
  elseif events.newListener then
    -- before the listener is added, so a listener for 'newListener' does not see itself
    self:emit('newListener', name, unwrap(listener))
    events = self._events
  end
  events[name] = listeners.with(events[name], listener, prepend)
  notify(self, name)
  return self
end

local function new_once(self, name, listener)
  return setmetatable({ target = self, event = name, listener = listener }, Once)
end

-- Adding and removing -------------------------------------------------------------------

--- emitter:on(name, listener) -> emitter: calls `listener(…)` at every `emit(name, …)`.
-- `name` is any value but nil and NaN.  Emits `newListener(name, listener)` first, if
-- that has a listener.  Raises ERR_INVALID_ARG_TYPE.  Node: emitter.on.
function methods:on(name, listener)
  check_name(name)
  check_listener(listener, self, 'emitter:on(…)')
  return add(self, name, listener, false)
end

--- The same as `on`.
methods.addListener = methods.on

--- emitter:prependListener(name, listener) -> emitter: `on`, but in front of the others.
function methods:prependListener(name, listener)
  check_name(name)
  check_listener(listener, self, 'emitter:prependListener(…)')
  return add(self, name, listener, true)
end

--- emitter:once(name, listener) -> emitter: `on` for the next `emit` only; the listener
-- is removed before it is called.  Node: emitter.once.
function methods:once(name, listener)
  check_name(name)
  check_listener(listener, self, 'emitter:once(…)')
  return add(self, name, new_once(self, name, listener), false)
end

--- emitter:prependOnceListener(name, listener) -> emitter: `once` in front of the others.
function methods:prependOnceListener(name, listener)
  check_name(name)
  check_listener(listener, self, 'emitter:prependOnceListener(…)')
  return add(self, name, new_once(self, name, listener), true)
end

--- emitter:off(name, listener) -> emitter: removes one registration, the latest one.
-- `listener` is the function passed to `on` or `once`, or an item of `rawListeners`.
-- Emits `removeListener(name, listener)` afterwards.  Raises ERR_INVALID_ARG_TYPE.
-- Node: emitter.removeListener.
function methods:off(name, listener)
  check_listener(listener, self, 'emitter:off(…)')
  local list, found = list_of(self, name), false
  if list then
    self._events[name], found = listeners.without(list, listener)
  end
  if found then
    notify(self, name)
    if self._events.removeListener then
      self:emit('removeListener', name, unwrap(listener))
    end
  end
  return self
end

--- The same as `off`.
methods.removeListener = methods.off

local function remove_list(self, name)
  local list = list_of(self, name)
  if list and not list_of(self, 'removeListener') then
    self._events[name] = nil
    notify(self, name)
    return
  end
  local entries = self:rawListeners(name)
  for i = #entries, 1, -1 do
    self:removeListener(name, entries[i])
  end
end

-- Listeners for removeListener are removed last, so that they are called for all others.
local function remove_all(self)
  for _, event in ipairs(self:eventNames()) do
    if event ~= 'removeListener' then
      remove_list(self, event)
    end
  end
  remove_list(self, 'removeListener')
end

--- emitter:removeAllListeners([name]) -> emitter: of one event, or of all of them.
-- With a listener for `removeListener` each one is announced, the latest first.
-- Node: emitter.removeAllListeners.
function methods:removeAllListeners(name)
  errors.check_self(self, 'emitter:removeAllListeners(…)', 'emit')
  if name ~= nil then
    remove_list(self, name)
    return self
  end
  remove_all(self)
  if self._events then
    self._events = { [MAX] = self._events[MAX] }
  end
  return self
end

-- Emitting ------------------------------------------------------------------------------

-- The types Lua programs raise as errors; others are wrapped, as Node wraps non-Errors.
local RAISED_AS_IS = { string = true, table = true, userdata = true }

local function raise_unhandled(value)
  if RAISED_AS_IS[type(value)] then
    error(value, 0)
  end
  local text = ('Unhandled error. (%s)'):format(errors.inspect(value))
  error(errors.new('Error', 'ERR_UNHANDLED_ERROR', text, { context = value }), 0)
end

local function nobody_listens(self, events, name, ...)
  if not events and type(self) ~= 'table' then
    errors.check_self(self, 'emitter:emit(…)', 'emit')
  end
  if name == 'error' then
    raise_unhandled((...))
  end
  return false
end

--- emitter:emit(name, …) -> boolean: calls the listeners in order with `…`; true if there
-- are any.  An error in a listener propagates out of `emit`, and the listeners after it
-- are not called.  `emit('error', e)` without a listener raises `e` itself if it is a
-- string, table or userdata, otherwise ERR_UNHANDLED_ERROR with the value as `context`.
-- Node: emitter.emit.
function methods:emit(name, ...)
  local events = self and self._events -- a check of its own is too much for each event
  local list = events and events[name]
  if not list then
    return nobody_listens(self, events, name, ...)
  end
  local first, last = list.first or 1, list.last
  if first == last then
    list[first](...)
    return true
  end
  list.walked = true
  for i = first, last do
    local listener = list[i]
    if listener then
      listener(...)
    end
  end
  return true
end

-- Asking --------------------------------------------------------------------------------

--- emitter:listenerCount(name [, listener]) -> integer: the number of listeners of the
-- event, or how often `listener` is among them.  Node: emitter.listenerCount.
function methods:listenerCount(name, listener)
  if type(self) ~= 'table' then
    errors.check_self(self, 'emitter:listenerCount(…)', 'emit')
  end
  local list = list_of(self, name)
  if not list or listener == nil then
    return list and listeners.count(list) or 0
  end
  local count = 0
  for _, entry in ipairs(methods.rawListeners(self, name)) do
    if entry == listener or unwrap(entry) == listener then
      count = count + 1
    end
  end
  return count
end

--- emitter:listeners(name) -> array: the functions given to `on` and `once`, in order.
function methods:listeners(name)
  errors.check_self(self, 'emitter:listeners(…)', 'emit')
  return listeners.array(list_of(self, name), unwrap)
end

local function as_it_is(entry)
  return entry
end

--- emitter:rawListeners(name) -> array: as `listeners`, but one added by `once` is a
-- callable object whose field `listener` is the function; a call removes it first.
function methods:rawListeners(name)
  errors.check_self(self, 'emitter:rawListeners(…)', 'emit')
  return listeners.array(list_of(self, name), as_it_is)
end

--- emitter:eventNames() -> array: the events that have listeners, in order of first use.
function methods:eventNames()
  errors.check_self(self, 'emitter:eventNames(…)', 'emit')
  local events, names = self._events or {}, {}
  for name in pairs(events) do
    if name ~= MAX then
      names[#names + 1] = name
    end
  end
  table.sort(names, function(a, b)
    return events[a].birth < events[b].birth
  end)
  return names
end

--- emitter:setMaxListeners(n) -> emitter: only stored for `getMaxListeners`.  Node prints
-- a warning above the maximum; this library never prints.  Raises ERR_INVALID_ARG_TYPE,
-- and ERR_OUT_OF_RANGE below 0 and for NaN.
function methods:setMaxListeners(n)
  errors.check_self(self, 'emitter:setMaxListeners(…)', 'emit')
  if type(n) ~= 'number' then
    error(errors.invalid_arg_type('setMaxListeners', 'of type number', n), 2)
  elseif n < 0 or n ~= n then
    error(errors.out_of_range('setMaxListeners', '>= 0', n), 2)
  end
  if not self._events then
    self._events = {}
  end
  self._events[MAX] = n
  return self
end

--- emitter:getMaxListeners() -> number: the value set by `setMaxListeners`, or 10.
function methods:getMaxListeners()
  errors.check_self(self, 'emitter:getMaxListeners(…)', 'emit')
  local events = self._events
  return events and events[MAX] or DEFAULT_MAX
end

-- Module --------------------------------------------------------------------------------

--- events.has(emitter, name) -> boolean: the event has a listener.
function M.has(self, name)
  local events = self._events
  return events ~= nil and events[name] ~= nil
end

--- events.sole(emitter, name) -> listener | nil: the only one of the event, which `emit`
-- then calls, and nothing else.
function M.sole(self, name)
  local list = list_of(self, name)
  return list and listeners.sole(list)
end

--- The methods, for any `self` with a private field `_events`.
M.methods = methods

--- events.extend(class) -> class: copies the methods into a class table.
function M.extend(class)
  for key, method in pairs(methods) do
    class[key] = method
  end
  return class
end

local Emitter = { __name = 'child_process.EventEmitter', __index = methods }

--- events.new() -> a new emitter.
function M.new()
  return setmetatable({}, Emitter)
end

--- cp.EventEmitter() -> a new emitter.  A user's class inherits with `setmetatable(Class,
-- { __index = cp.EventEmitter })`.  Node: class EventEmitter.
M.EventEmitter = setmetatable({}, { __index = methods, __call = M.new })

return M
