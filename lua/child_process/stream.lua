--- Streams: Node's Readable, Writable and Duplex over a handle of the core.
--
-- One class for all three.  A missing side looks like a finished one.  This file has what
-- both sides share: creation, destruction and the handle; the sides are in readable.lua,
-- flowing.lua and unread.lua, writable.lua, and piping.lua.
--
-- Public state is in plain fields with Node's names.  Fields with a leading underscore
-- belong to this class, whose files are stream.lua and those in stream/; other files of
-- the library use the functions below.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local facts = require 'child_process.facts'
local flowing = require 'child_process.stream.flowing'
local guard = require 'child_process.guard'
local lending = require 'child_process.stream.lending'
local loop = require 'child_process.loop'
local piping = require 'child_process.stream.piping'
local lost = require 'child_process.stream.lost'
local readable = require 'child_process.stream.readable'
local unread = require 'child_process.stream.unread'
local writable = require 'child_process.stream.writable'

local has = events.has

local M = {}

local nextTick, tick = loop.nextTick, loop.tick

local FIELDS = 24 -- of a stream that has closed: its table need not grow meanwhile

local READABLE_HIGH_WATER_MARK = 65536
local WRITABLE_HIGH_WATER_MARK = 16384

local ECANCELED = -125

-- The errors caused by a reader that is gone.
local BROKEN_PIPE = { EPIPE = true, ECONNRESET = true }

local Stream = events.extend { __name = 'child_process.Stream' }
for _, part in ipairs { unread, flowing, writable, piping } do
  for name, method in pairs(part.methods) do
    Stream[name] = method
  end
end
Stream.__index = Stream
Stream[Stream] = true -- marks subclasses as well

--- The class, to be extended: `setmetatable(Sub, { __index = stream.Stream })`.
M.Stream = Stream

local defaults = {
  destroyed = false,
  closed = false,
  allowHalfOpen = false,
  _manual_start = false,
  -- progress of the end: 'open', 'destroyed'; then 'failed' (`error` has been emitted) or
  -- 'passed' (no error); then 'closed' (`close` has been emitted)
  _end_state = 'open',
}

local parts = {
  defaults,
  readable.defaults,
  writable.defaults,
  lending.defaults,
}
for _, fields in ipairs(parts) do
  for key, value in next, fields do
    Stream[key] = value
  end
end

-- Fields that a new stream does not have.
local OPTIONAL = { 'errored', '_handle', '_failed', '_unread' }

-- Nil if there is none of that name.
local function call_hook(self, name, value)
  local hooks = self._hooks
  local hook = hooks and hooks[name]
  if hook then
    hook(self, value)
  end
  return hook
end

-- Creation ------------------------------------------------------------------------------

--- stream.init(self, handle, options [, owner]): makes `self` a stream; for new() and for
-- subclasses.  See new() for the arguments.  With `options.connecting` there is no handle
-- yet: writes wait for `attach`.
function M.init(self, handle, options, owner)
  self._has_readable = options.readable == true
  self._has_writable = options.writable == true
  if self._has_readable then
    readable.init(self, options.readableHighWaterMark or READABLE_HIGH_WATER_MARK)
  end
  if self._has_writable then
    writable.init(self, options.writableHighWaterMark or WRITABLE_HIGH_WATER_MARK)
    self._writing = options.connecting == true
  end
  self.allowHalfOpen = options.allowHalfOpen == true or nil
  self._hooks = options.hooks
  self._manual_start = options.manualStart or nil
  self._shared, self._is_standard = options.shared or nil, options.standard or nil
  self._quiet_epipe, self._owner = options.quiet or nil, owner
  if handle then
    M.attach(self, handle)
  end
end

--- stream.new(handle, options [, owner]) -> Stream
-- @param handle core.stream|nil: the handle to read and write, owned by the stream from
-- now on;
--   nil for a start that failed, see `fail_start`
-- @param options table: `readable`, `writable`: the sides it has; `allowHalfOpen`: false
--   finishes the writing side at the end of the reading side; `manualStart`: nothing is
--   read before it is requested; `shared`: nor more than is requested, see readable.lua;
--   `standard`: it is process.stdin, stdout or stderr; `quiet`: the error of a reader
--   that is gone needs no listener; `readableHighWaterMark` (65536),
--   `writableHighWaterMark` (16384): bytes.
--   `hooks`: a table of functions for special streams, each optional: `attached(stream)`;
--   `destroyed(stream, err)`, when the handle has been closed; `taken(stream)`, see
--   take_handle; `drop(stream)` and `hang_up(stream)`, instead of the default actions
-- @param owner ChildProcess|nil: the child it belongs to
function M.new(handle, options, owner)
  local self = setmetatable(core.record(FIELDS), Stream)
  M.init(self, handle, options, owner)
  return self
end

--- stream.reset(self, handle, options): makes a destroyed stream a new one, as init()
-- does.  Kept: listeners, the user's choice of flowing and encoding, and all fields that
-- do not belong to this class.
function M.reset(self, handle, options)
  local encoding = self.readableEncoding
  for _, fields in ipairs(parts) do
    for key in next, fields do
      self[key] = nil
    end
  end
  for _, key in ipairs(OPTIONAL) do
    self[key] = nil
  end
  self.readableEncoding, self._readable_listening = nil, has(self, 'readable')
  M.init(self, handle, options)
  if encoding then
    self:setEncoding(encoding)
  end
end

--- True for a Stream or an object of a subclass.
function M.is_stream(value)
  return type(value) == 'table' and value[Stream] == true
end

-- The handle ----------------------------------------------------------------------------

--- stream.handle(stream) -> core.stream | nil: it has none yet, or no longer.
function M.handle(self)
  return self._handle
end

--- stream.set_handle(stream, handle): sets the handle, without using it before it is
-- attached.
function M.set_handle(self, handle)
  self._handle = handle
end

--- stream.is_terminal(stream) -> boolean: whether it is the terminal of a child.
function M.is_terminal(self)
  return self._is_terminal == true
end

--- stream.is_standard(stream) -> boolean: whether it is process.stdin, stdout or stderr.
function M.is_standard(self)
  return self._is_standard == true
end

--- stream.is_fed(stream) -> boolean: whether it has no descriptor of its own, but gets
-- what another object reads (tee.lua).
function M.is_fed(self)
  return type(self._handle) == 'table'
end

--- stream.sides(stream) -> boolean, boolean: whether it was made readable, and writable.
function M.sides(self)
  return self._has_readable, self._has_writable
end

--- stream.attach(stream, handle): takes over a handle: starts to read and, if the stream
-- was connecting, to write.
function M.attach(self, handle)
  self._handle = handle
  handle:bind(self, readable.on_read, writable.on_written)
  if not self._manual_start and not self._paused then
    readable.start(self)
  end
  if self._writing then
    writable.on_written(self)
  end
  call_hook(self, 'attached')
end

--- stream.take_handle(stream) -> handle, unread: gives up the handle without closing it:
-- the stream is then like one not connected yet, and no event is emitted.  The handle is
-- nil if there is none any more, `unread` the bytes read from it and not taken.  A
-- pending write continues as long as the handle is open; the code that closes it calls
-- `lose_handle`.
function M.take_handle(self)
  local handle = self._handle
  if not handle then
    return nil
  end
  handle:read_stop()
  self._handle, self._reading = nil, false
  self._writing = self._has_writable
  call_hook(self, 'taken')
  return handle, self._chunks:take()
end

--- stream.lose_handle(stream): the taken handle has been closed: its unwritten bytes are
-- lost.
function M.lose_handle(self)
  if self._write_size > 0 then
    writable.on_written(self, ECANCELED)
  end
end

--- stream.fail_start(stream): for one without a handle whose child could not be started:
-- `end`, `close`.
function M.fail_start(self)
  if self._has_readable then
    readable.on_read(self, nil)
  else
    self:destroy()
  end
end

--- stream:ref() -> stream: an open stream that reads or writes keeps the loop alive,
-- which is the default.
function Stream:ref()
  errors.check_self(self, 'stream:ref(…)', 'setEncoding')
  if self._handle then
    self._handle:ref()
  end
  return self
end

--- stream:unref() -> stream: it no longer keeps the loop alive.  Nothing more is read
-- from process.stdin then, unless there is a listener for `data` or `readable`.
function Stream:unref()
  errors.check_self(self, 'stream:unref(…)', 'setEncoding')
  if self._handle then
    self._handle:unref()
  end
  readable.withdraw(self)
  return self
end

-- Destruction ---------------------------------------------------------------------------

-- True for an error that is not raised without a listener: that of a child's stdin.
function Stream:_is_quiet(err)
  return self._quiet_epipe == true
    and type(err) == 'table'
    and BROKEN_PIPE[err.code] == true
    and not has(self, 'error')
end

-- A socket that reconnects immediately is a new stream ('open') when the last events of
-- the old one are emitted.
local function emit_error(self, err)
  if self._end_state == 'destroyed' then
    self._end_state = err and 'failed' or 'passed'
  end
  if err and not self:_is_quiet(err) then
    self:emit('error', err)
  end
end

-- Once, whatever listeners raise: pending callbacks, then `close`.
local function emit_close(self, had_error)
  if self._end_state == 'open' then
    self:emit('close', had_error)
    return
  end
  if lost.has_pending(self) or self._failed then
    local _ <close> = guard.new(self, function()
      emit_close(self, had_error)
    end)
    lost.fail_pending(self)
  end
  if self._end_state ~= 'closed' then
    self._end_state = 'closed'
    self:emit('close', had_error)
  end
end

local function close_handle(self)
  local handle = self._handle
  self._handle, self._reading = nil, false
  if handle then
    handle:close()
  end
end

--- stream:destroy([err]) -> stream: closes it immediately.  Unwritten chunks are lost,
-- and their callbacks get `err` or ERR_STREAM_DESTROYED.  Then come `error(err)`, if
-- there is one, and `close(hadError)`.  No effect on a destroyed stream.  Node:
-- stream.destroy.
function Stream:destroy(err)
  errors.check_self(self, 'stream:destroy(…)', 'setEncoding')
  if self.destroyed then
    return self
  end
  self.errored = self.errored or err or nil
  self.destroyed, self.closed, self._end_state = true, true, 'destroyed'
  self.readable, self.writable, self.writableNeedDrain = false, false, false
  -- the callback of a pending write comes last, when the handle is closed
  if not self._writing and lost.has_pending(self) then
    nextTick(lost.fail_pending, self)
  end
  close_handle(self)
  tick(emit_error, 2, self, err)
  loop.setImmediate(emit_close, self, err and true or false)
  call_hook(self, 'destroyed', err)
  return self
end

--- stream.drop(stream): discards further output of a child, whichever processes hold the
-- other end.
function M.drop(self)
  if not call_hook(self, 'drop') then
    self:destroy()
  end
end

-- Ends it with `rest`, the last bytes read, or with the error.
function Stream:_end_with(rest, errno)
  local function finish()
    readable.on_read(self, nil, errno)
  end
  local _ <close> = guard.new(self, finish)
  if rest ~= '' then
    readable.on_read(self, rest)
  end
  finish()
end

--- stream.quiet(stream), for the silence of a child: see readable.lua.
M.quiet = readable.quiet

--- stream.holders(stream) -> array of { pid, command, fd } | nil: the other processes
-- that have the other end; nil: no process has.
function M.holders(self)
  return self._handle and core.holders(self._handle)
end

--- stream.cut(stream [, fn]): it ends with the bytes that can be read now, with which
-- `fn` is called before.
function M.cut(self, fn)
  local rest, errno = self._handle:drain()
  close_handle(self)
  self.writable = false
  if fn then
    fn(rest)
  end
  self:_end_with(rest, errno)
end

--- stream.tap(stream, fn): `fn(bytes)` is called with all that is read, before anything
-- is done with it.
function M.tap(self, fn)
  self._tapped = true
  self._handle:bind(self, function(_, bytes, errno)
    if bytes then
      fn(bytes)
    end
    readable.on_read(self, bytes, errno)
  end, writable.on_written)
end

--- stream.push(stream, bytes): as if they had been read; lost once it has ended.
function M.push(self, bytes)
  if self._handle then
    readable.on_read(self, bytes)
  end
end

--- stream.hang_up(stream): the child has ended.  A pipe continues, as other processes may
-- have its other end.
function M.hang_up(self)
  call_hook(self, 'hang_up')
end

--- stream:close(…): `destroy` for a readable stream, otherwise `finish`, with the same
-- arguments.
function Stream:close(...)
  errors.check_self(self, 'stream:close(…)', 'setEncoding')
  if self._has_readable then
    return self:destroy(...)
  end
  return self:finish(...)
end

Stream.__close = function(self)
  self:destroy()
end

function Stream:__tostring()
  local sides = self._has_readable and (self._has_writable and 'duplex' or 'readable')
  local fd = self._handle and self._handle:fileno()
  local state = fd and ('fd %d'):format(fd) or 'closed'
  return ('%s (%s, %s)'):format(self.__name, sides or 'writable', state)
end

facts.add('child_process.core.Stream', function(self)
  return {
    reading = self._reading,
    standard = self._is_standard,
    owner = self._owner,
  }
end)

return M
