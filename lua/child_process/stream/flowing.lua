--- The modes of a reading side: flowing, paused, pulled; and its encoding.
--
-- `readableFlowing` is nil until the stream is used, then true or false.  A listener for
-- `data` and resume() make the stream flow; pause() stops it; while there is a listener
-- for `readable` it is pulled with read().  A change of mode takes effect on the next
-- tick.
local encoding = require 'child_process.encoding'
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local guard = require 'child_process.guard'
local loop = require 'child_process.loop'
local readable = require 'child_process.stream.readable'

local has = events.has

local M = {}
local methods = {}

--- The methods, to be copied into a class that is an emitter with a reading side.
M.methods = methods

local emitter = events.methods
local nextTick, tick = loop.nextTick, loop.tick

-- Flowing and paused --------------------------------------------------------------------

local function resume_now(self)
  if not self._reading and (self.readableFlowing or not self._shared) then
    readable.poke(self)
  end
  self._resume_scheduled = false
  if has(self, 'resume') then
    local _ <close> = guard.new(self, readable.flow)
    self:emit 'resume'
  end
  readable.flow(self)
  if self.readableFlowing and not self._reading then
    readable.poke(self)
  end
end

--- stream:resume() -> stream: lets data flow; without a listener for `data` it is
-- discarded.  The mode does not change while there is a listener for `readable`.
-- Node: readable.resume.
function methods:resume()
  errors.check_self(self, 'stream:resume(…)', 'setEncoding')
  if not self.readableFlowing then
    self.readableFlowing = not self._readable_listening
    readable.goes_on(self)
    if not self._resume_scheduled then
      self._resume_scheduled = true
      tick(resume_now, 1, self)
    end
  end
  self._paused = false
  return self
end

--- stream:pause() -> stream: no `data` until resume(); arriving bytes are buffered, up to
-- the high-water mark, but nothing more is read from process.stdin.
-- Node: readable.pause.
function methods:pause()
  errors.check_self(self, 'stream:pause(…)', 'setEncoding')
  local flowing = self.readableFlowing
  self._paused = true
  if flowing ~= false then
    self.readableFlowing = false
    self:emit 'pause'
  end
  if self._shared then
    readable.stop(self)
  end
  return self
end

--- stream:isPaused() -> boolean.  Node: readable.isPaused.
function methods:isPaused()
  errors.check_self(self, 'stream:isPaused(…)', 'setEncoding')
  return self._paused == true or self.readableFlowing == false
end

-- Encoding ------------------------------------------------------------------------------

local function set_decoder(self, name)
  if name == 'buffer' then
    self._decoder, self.readableEncoding = false, nil
  else
    self._decoder, self.readableEncoding = encoding.decoder(name), name
  end
end

-- Buffered bytes become text; text from an earlier decoder stays as it is.
local function decode_buffered(self, old)
  local content = self._chunks:take()
  if old then
    content = content .. old:finish()
  elseif self._decoder then
    content = self._decoder:write(content) .. (self._eof and self._decoder:finish() or '')
  end
  if content ~= '' then
    self._chunks:append(content)
  else
    self._need_readable = true
    readable.end_if_drained(self)
  end
end

--- stream:setEncoding([name]) -> stream: from now on chunks are text of that encoding,
-- including buffered ones; no character is split between two chunks.  Without a name
-- `utf8`; `buffer` is raw bytes again.  Raises ERR_UNKNOWN_ENCODING.
-- Node: readable.setEncoding.
function methods:setEncoding(name)
  errors.check_self(self, 'stream:setEncoding(…)', 'setEncoding')
  name = name == nil and 'utf8' or encoding.check(name)
  if name ~= (self.readableEncoding or 'buffer') then
    local old = self._decoder
    set_decoder(self, name)
    if self.readableLength > 0 or old and not self._eof then
      decode_buffered(self, old)
    end
  end
  return self
end

-- Listeners -----------------------------------------------------------------------------

-- Unless it has been lent meanwhile: the listener was added before that.
local function poke(self, loans)
  if self._loans == loans then
    readable.poke(self)
  end
end

-- A listener for `data` makes the stream flow, unless it was paused; one for `readable`
-- stops the flow, since such a listener calls read().
local function listening(self, name)
  if name == 'data' then
    if has(self, 'readable') then
      self._readable_listening = true
    end
    if self.readableFlowing ~= false then
      self:resume()
    end
  elseif
    name == 'readable'
    and not self.readableEnded
    and not self._readable_listening
  then
    self._readable_listening, self._need_readable = true, true
    self.readableFlowing, self._emitted_readable = false, false
    if self.readableLength > 0 then
      readable.emit_readable_soon(self)
    elseif not self._reading then
      nextTick(poke, self, self._loans)
    end
  end
  return self
end

-- A tick after a listener for `readable` was removed: repeated once() must not change the
-- mode.
local function not_listening(self)
  self._readable_listening = has(self, 'readable')
  if self._resume_scheduled and self._paused == false then
    -- the scheduled resume() must make it flow
    self.readableFlowing = true
  elseif has(self, 'data') then
    self:resume()
  elseif not self._readable_listening then
    readable.withdraw(self)
    self.readableFlowing = nil
  end
end

--- As in EventEmitter; listeners for `data` and `readable` set the mode.
-- Node: readable.on.
function methods:on(name, listener)
  emitter.on(self, name, listener)
  return listening(self, name)
end

--- The same as `on`.
methods.addListener = methods.on

--- As `on`, for one event.
function methods:once(name, listener)
  emitter.once(self, name, listener)
  return listening(self, name)
end

--- As in EventEmitter; without a listener for `readable` data may flow again.
function methods:off(name, listener)
  emitter.off(self, name, listener)
  if name == 'readable' then
    nextTick(not_listening, self)
  end
  return self
end

--- The same as `off`.
methods.removeListener = methods.off

--- As in EventEmitter; without a listener for `readable` data may flow again.
function methods:removeAllListeners(name)
  emitter.removeAllListeners(self, name)
  if name == nil or name == 'readable' then
    nextTick(not_listening, self)
  end
  return self
end

-- Listeners for `data` also get the bytes that are taken from the queue.
methods[events.LISTENING] = function(self, name)
  if name == 'data' then
    self._chunks:tap(has(self, 'data'))
  end
end

return M
