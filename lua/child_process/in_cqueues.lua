--- Waiting in a coroutine of cqueues, which cqueues alone may resume.
--
-- Such a coroutine polls our loop by cqueues' protocol and runs ready callbacks, so the
-- program need not.  Of several waiting under one controller the first does this, the
-- others wait to be woken, and the next takes over when it leaves.
local core = require 'child_process.core'
local lazy = require 'child_process.lazy'
local loop = require 'child_process.loop'

local load_condition = lazy.load 'cqueues.condition'

local M = {}

local loaded = lazy.loaded

-- controller -> list of waiters; the first one drives
local queues = setmetatable({}, { __mode = 'k' })

local Waiter = {}
Waiter.__index = Waiter

--- in_cqueues.waiter() -> waiter, or nil if the calling coroutine is not of cqueues.
function M.waiter()
  local cqueues = loaded.cqueues
  local queue, directly = nil, false
  if cqueues then
    queue, directly = cqueues.running()
  end
  if not directly then
    return nil
  end
  queues[queue] = queues[queue] or {}
  return setmetatable({
    poll = cqueues.poll,
    word = load_condition().new(),
    others = queues[queue],
  }, Waiter)
end

--- waiter:wake(): its condition may hold now.
function Waiter:wake()
  self.word:signal()
end

-- Leaves the queue, however the wait ends; the waiter that is first now is notified.
function Waiter:__close()
  for i, waiter in ipairs(self.others) do
    if waiter == self then
      table.remove(self.others, i)
      break
    end
  end
  if self.others[1] then
    self.others[1]:wake()
  end
end

-- In one of our callbacks the loop is running already and will continue.
local function may_drive(waiter)
  return waiter.others[1] == waiter and not core.running()
end

--- waiter:sleep(is_ready) -> boolean: false if nothing keeps the loop alive.  Raises
-- errors of callbacks.
function Waiter:sleep(is_ready)
  table.insert(self.others, self)
  local _ <close> = self
  local idle = 0 -- it is over when two calls in a row have changed nothing
  while not is_ready() do
    if not may_drive(self) then
      self.poll(self.word)
    elseif idle == 2 then
      return false
    elseif not core.run 'nowait' then
      idle = idle + 1
    elseif is_ready() then
      break
    else
      idle = 0
      self.poll(loop.pollable, self.word)
    end
  end
  return true
end

return M
