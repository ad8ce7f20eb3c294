--- Streams: Node's Readable, Writable and Duplex over a handle of the core.
--
-- One class for all three.  A side that a stream does not have looks like one that is
-- over.  This file has what both sides share: creation, destruction and the handle; the
-- sides are in readable.lua, flowing.lua and unread.lua, writable.lua, and piping.lua.
--
-- What the user may look at are plain fields with Node's names, kept up to date.  What
-- begins with an underscore belongs to this class, whose files are stream.lua and those
-- in stream/; others of the library use the functions below.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local facts = require 'child_process.facts'
local flowing = require 'child_process.stream.flowing'
local guard = require 'child_process.guard'
local lending = require 'child_process.stream.lending'
local loop = require 'child_process.loop'
local piping = require 'child_process.stream.piping'
local readable = require 'child_process.stream.readable'
local unread = require 'child_process.stream.unread'
local writable = require 'child_process.stream.writable'

local has = events.has

local M = {}

local nextTick = loop.nextTick

local READABLE_HIGH_WATER_MARK = 65536
local WRITABLE_HIGH_WATER_MARK = 16384

local ECANCELED = -125

-- The errors of a reader that went away.
local BROKEN_PIPE = { EPIPE = true, ECONNRESET = true }

local Stream = events.extend { __name = 'child_process.Stream' }
for _, part in ipairs { unread, flowing, writable, piping } do
  for name, method in pairs(part.methods) do
    Stream[name] = method
  end
end
Stream.__index = Stream
Stream[Stream] = true -- by this a class that inherits from it is known, too

--- The class, to be extended: `setmetatable(Sub, { __index = stream.Stream })`.
M.Stream = Stream

local defaults = {
  destroyed = false,
  closed = false,
  allowHalfOpen = false,
  _manual_start = false,
  -- how far the end has come: 'open', 'destroyed'; then 'failed', its `error` has been
  -- emitted, or 'passed', there was none; 'closed': and so has `close`
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
local OPTIONAL = { 'errored', '_handle', '_failed', '_on_destroy', '_unread' }

-- Creation ------------------------------------------------------------------------------

--- stream.init(self, handle, options): makes `self` a stream; for new() and for
-- subclasses.  See new() for the arguments.  With `options.connecting` there is no
-- handle yet: what is written waits for `attach`.
function M.init(self, handle, options)
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
  self._on_destroy, self._on_attach = options.on_destroy, options.on_attach
  self._on_take, self._on_drop = options.on_take, options.on_drop
  self._on_hang_up = options.on_hang_up
  self._manual_start = options.manualStart or nil
  self._shared, self._is_standard = options.shared or nil, options.standard or nil
  self._quiet_epipe, self._owner = options.quiet or nil, options.owner
  if handle then
    M.attach(self, handle)
  end
end

--- stream.new(handle, options) -> Stream
-- @param handle core.stream|nil: what it reads and writes, owned by the stream from now;
--   nil for a start that failed, see `fail_start`
-- @param options table: `readable`, `writable`: the sides it has; `allowHalfOpen`: false
--   finishes the writing side at the end of the reading side; `manualStart`: nothing is
--   read before somebody asks; `shared`: nor more than is asked for, see readable.lua;
--   `standard`: it is one of process.stdin and its like; `quiet`: nobody need listen for
--   the error of a reader that has gone; `owner`: the child whose it is;
--   `readableHighWaterMark` (65536), `writableHighWaterMark` (16384): bytes.
--   Functions for what is special about a stream, each called with it:
--   `on_destroy(stream, err)`, when the handle has been closed; `on_attach(stream)`;
--   `on_take(stream)`, see take_handle; in the place of what is done otherwise
--   `on_drop(stream)` and `on_hang_up(stream)`
function M.new(handle, options)
  local self = setmetatable({}, Stream)
  M.init(self, handle, options)
  return self
end

--- stream.reset(self, handle, options): makes a destroyed stream a new one, as init()
-- does.  Listeners stay, what the user has said about flowing and the encoding, and all
-- fields that are not of this class.
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

--- stream.handle(stream) -> core.stream | nil: it has none, yet or any more.
function M.handle(self)
  return self._handle
end

--- stream.set_handle(stream, handle): it has one, but does nothing with it before that is
-- attached.
function M.set_handle(self, handle)
  self._handle = handle
end

--- stream.is_terminal(stream) -> boolean: whether it is that of a child.
function M.is_terminal(self)
  return self._is_terminal == true
end

--- stream.sides(stream) -> boolean, boolean: whether it was made to be read, and written.
function M.sides(self)
  return self._has_readable, self._has_writable
end

--- stream.attach(stream, handle): takes a handle over: starts to read and, if the stream
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
  if self._on_attach then
    self:_on_attach()
  end
end

--- stream.take_handle(stream) -> handle, unread: gives the handle up without closing it:
-- the stream is then as one that is not connected yet, without an event.  The handle is
-- nil if there is none any more, `unread` what was read from it and not taken.  A write
-- that is under way goes on as long as the handle does; whoever closes that calls
-- `lose_handle`.
function M.take_handle(self)
  local handle = self._handle
  if not handle then
    return nil
  end
  handle:read_stop()
  self._handle, self._reading = nil, false
  self._writing = self._has_writable
  if self._on_take then
    self:_on_take()
  end
  return handle, self._chunks:take()
end

--- stream.lose_handle(stream): the handle that was taken is closed: what it has not
-- written is lost.
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

--- stream:unref() -> stream: it does not keep the loop alive any more.  Nothing more is
-- read from process.stdin then, unless there is a listener for `data` or `readable`.
function Stream:unref()
  errors.check_self(self, 'stream:unref(…)', 'setEncoding')
  if self._handle then
    self._handle:unref()
  end
  readable.withdraw(self)
  return self
end

-- Destruction ---------------------------------------------------------------------------

-- True for an error that is not raised when nobody listens: of a child's stdin.
function Stream:_is_quiet(err)
  return self._quiet_epipe == true
    and type(err) == 'table'
    and BROKEN_PIPE[err.code] == true
    and not has(self, 'error')
end

-- A socket that connects again at once is a new stream already ('open') when its former
-- self has its last events.
local function emit_error(self, err)
  if self._end_state == 'destroyed' then
    self._end_state = err and 'failed' or 'passed'
  end
  if err and not self:_is_quiet(err) then
    self:emit('error', err)
  end
end

-- Once, whatever listeners raise: callbacks that still wait, then `close`.
local function emit_close(self, had_error)
  if self._end_state == 'open' then
    self:emit('close', had_error)
    return
  end
  if writable.has_pending(self) or self._failed then
    local _ <close> = guard.new(self, function()
      emit_close(self, had_error)
    end)
    writable.fail_pending(self)
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

--- stream:destroy([err]) -> stream: closes it at once.  What is not written is lost, and
-- its callbacks get `err` or ERR_STREAM_DESTROYED.  Then come `error(err)`, if there is
-- one, and `close(hadError)`.  Without effect on a stream that is destroyed.  Node:
-- stream.destroy.
function Stream:destroy(err)
  errors.check_self(self, 'stream:destroy(…)', 'setEncoding')
  if self.destroyed then
    return self
  end
  self.errored = self.errored or err or nil
  self.destroyed, self.closed, self._end_state = true, true, 'destroyed'
  self.readable, self.writable, self.writableNeedDrain = false, false, false
  -- a write that is under way hears of it last, when the handle is closed
  if not self._writing and writable.has_pending(self) then
    nextTick(writable.fail_pending, self)
  end
  close_handle(self)
  nextTick(emit_error, self, err)
  loop.setImmediate(emit_close, self, err and true or false)
  if self._on_destroy then
    self:_on_destroy(err)
  end
  return self
end

--- stream.drop(stream): no more of a child's output is wanted, whoever holds the other
-- end.
function M.drop(self)
  if self._on_drop then
    self:_on_drop()
  else
    self:destroy()
  end
end

-- Nothing comes after `rest`, which was read last, or after the error.
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

--- stream.cut(stream) -> array of { pid, command, fd } | nil: others have the other end,
-- who they are; it ends with what can be read now.
function M.cut(self)
  local handle = self._handle
  local holders = handle and core.holders(handle)
  if not holders then
    return nil
  end
  local rest, errno = handle:drain()
  close_handle(self)
  self.writable = false
  self:_end_with(rest, errno)
  return holders
end

--- stream.hang_up(stream): the child has ended.  A pipe goes on, as others may have the
-- other end.
function M.hang_up(self)
  if self._on_hang_up then
    self:_on_hang_up()
  end
end

--- stream:close(…): `destroy` for what can be read, else `finish`, with the arguments of
-- each.
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
