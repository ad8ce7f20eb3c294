--- A worker process that makes texts loud.
local cp = require 'child_process'

local Shouter = {}
Shouter.__index = Shouter

--- shouter.new() -> one with a process of its own, until stop().
local function new()
  local path = assert(package.searchpath('shouter_worker', package.path))
  local self = setmetatable({ worker = cp.fork(path), waiting = {} }, Shouter)
  self.worker:on('message', function(text)
    table.remove(self.waiting, 1)(text)
  end)
  return self
end

--- shouter:shout(text, done): done(loud).
function Shouter:shout(text, done)
  table.insert(self.waiting, done)
  self.worker:send(text)
end

--- shouter:stop(): when all is answered.
function Shouter:stop()
  self.worker:disconnect()
end

return { new = new }
