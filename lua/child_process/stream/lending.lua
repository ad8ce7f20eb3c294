--- Streams that other processes have, too: lent to a child by its `stdio`, or passed on.
--
-- A lent stream is the child's until the child has ended: nothing is read here meanwhile,
-- not even ahead, unless somebody asks.  Afterwards reading goes on if it was going on
-- before.  One that nobody reads is closed then, so that its writer learns that there is
-- no reader any more.
local events = require 'child_process.events'
local loop = require 'child_process.loop'
local readable = require 'child_process.stream.readable'

local has = events.has

local M = {}

--- Defaults of the class.
M.defaults = {
  _lent = false, -- once at least
  _loans = 0, -- how many children have it now
  -- what was going on when it was lent: false, 'flowing', 'reading' (somebody waits)
  _interrupted = false,
}

-- What goes on here, before it is interrupted.
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

--- lending.lend(stream): what comes is for a child now.
function M.lend(self)
  self._lent, self._shared = true, true
  self._loans = self._loans + 1
  if self._has_readable then
    interrupt(self)
  end
end

--- lending.is_lent(stream) -> boolean: lent, and nobody here has asked since.
function M.is_lent(self)
  return self._lent and not self.readableFlowing and not has(self, 'readable')
end

--- lending.forgo(stream): the child that writes it has ended, and the rest is for the one
-- that has it now.  What was interrupted still goes on afterwards.
function M.forgo(self)
  if not self._interrupted then
    self:destroy()
  end
end

-- Standard streams are the host's, and who writes says when that is over.
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

-- A child that it was lent to has ended.
local function give_one_back(self)
  if self._loans == 0 then
    return -- it has been connected anew
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

--- lending.give_back_soon(list): a child that had these streams has ended.  Who waits for
-- that may go on reading them, or lend them once more: first the caller goes on, which
-- is a turn later outside of coroutines.
function M.give_back_soon(list)
  if #list > 0 then
    loop.setImmediate(loop.setImmediate, give_back, list)
  end
end

return M
