--- Streams shared with other processes: lent to a child by its `stdio`, or passed on.
--
-- A lent stream belongs to the child until the child has ended: meanwhile nothing is read
-- here, not even ahead, unless a reader asks.  Afterwards reading continues if it was in
-- progress before.  Without a reader it is closed then, so that its writer learns that
-- there is no reader any more.
local events = require 'child_process.events'
local loop = require 'child_process.loop'
local readable = require 'child_process.stream.readable'

local has = events.has

local M = {}

--- Defaults of the class.
M.defaults = {
  _lent = false, -- once at least
  _loans = 0, -- the number of children that have it now
  -- the activity when it was lent: false, 'flowing', 'reading' (a call waits)
  _interrupted = false,
}

-- The current activity here, before it is interrupted.
local function reading(self)
  if self.readableFlowing then
    return 'flowing'
  end
  return self._reading and has(self, 'readable') and 'reading'
end

local function interrupt(self)
  if self._loans == 1 then
    self._interrupted = reading(self)
  end
  self:pause()
  self.readableFlowing = nil
  readable.stop(self)
end

--- lending.lend(stream): its bytes are for a child now.
function M.lend(self)
  self._lent, self._shared = true, true
  self._loans = self._loans + 1
  if self._has_readable then
    interrupt(self)
  end
end

--- lending.is_lent(stream) -> boolean: lent, and not read here since.
function M.is_lent(self)
  return self._lent and not self.readableFlowing and not has(self, 'readable')
end

--- lending.forgo(stream): the child that writes it has ended, and the rest is for the
-- child that has it now.  An interrupted activity still continues afterwards.
function M.forgo(self)
  if not self._interrupted then
    self:destroy()
  end
end

-- Standard streams belong to the host, and a stream being written ends with its writer.
local function is_of_use(self)
  return self._is_standard or self._has_writable or not M.is_lent(self)
end

local function go_on(self)
  local interrupted = self._interrupted
  self._interrupted = false
  if interrupted == 'flowing' and has(self, 'data') then
    self:resume()
  elseif interrupted == 'reading' and has(self, 'readable') then
    readable.poke(self)
  elseif not is_of_use(self) then
    self:destroy()
  end
end

-- A child it was lent to has ended.
local function give_one_back(self)
  if self._loans == 0 then
    return -- it has been reconnected
  end
  self._loans = self._loans - 1
  if self._loans == 0 and self._has_readable and not self.destroyed then
    go_on(self)
  end
end

local function give_back(list)
  for _, stream in ipairs(list) do
    give_one_back(stream)
  end
end

--- lending.give_back_soon(list): a child that had these streams has ended.  A caller
-- waiting for that may read on, or lend them again: so it continues first, which is a
-- turn later outside coroutines.
function M.give_back_soon(list)
  if #list > 0 then
    loop.setImmediate(loop.setImmediate, give_back, list)
  end
end

return M
