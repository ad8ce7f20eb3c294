--- Ends of channels for the fuzzers, and what must hold of each whatever its peer does:
-- at most one `error`, one `disconnect`, and nothing left open.
local advanced = require 'child_process.ipc.advanced'
local channel = require 'child_process.ipc.channel'
local core = require 'child_process.core'
local cp = require 'child_process'
local events = require 'child_process.events'
local json = require 'child_process.ipc.json'

local raw = rawget(_G, 'raw') -- of lua_target.c

local M = { raw = raw }

local End = events.extend {}
End.__index = End
for key, method in pairs(channel.methods) do
  End[key] = method
end

--- ends.new(fd, is_advanced) -> one end, listening for all but `message`.  `errors`,
-- `disconnects`: how many there were.
function M.new(fd, is_advanced)
  local codec = is_advanced and advanced or json
  local self = setmetatable({ _events = {}, errors = 0, disconnects = 0 }, End)
  self:on('error', function(err)
    self.errors = self.errors + 1
    assert(type(err) == 'table' and err.message, 'not an error value')
  end)
  self:on('disconnect', function()
    self.disconnects = self.disconnects + 1
    assert(not self.connected, 'connected after disconnect')
  end)
  local handle = assert(core.channel(fd, codec.name))
  channel.open(self, handle, codec, { on_closed = channel.ended })
  return self
end

--- ends.turn([n]): lets the loop do what there is to do now.
function M.turn(n)
  for _ = 1, n or 1 do
    cp.run 'nowait'
  end
end

--- ends.finish(self): the peer is gone, so the end must be told.
function M.finish(self)
  for _ = 1, 1000 do
    if self.disconnects > 0 then
      break
    end
    cp.run 'nowait'
  end
  assert(self.disconnects == 1, 'no end')
  assert(self.errors <= 1, 'more than one error')
end

--- ends.lowest() -> the lowest descriptor that is free, when garbage holds none.
function M.lowest()
  collectgarbage()
  cp.run 'nowait'
  local fd = raw.open()
  raw.close(fd)
  return fd
end

--- ends.balance(fn) -> function: the same, after which there must be as many descriptors
-- as before.
function M.balance(fn)
  local ours, theirs = raw.pair()
  local first = M.new(ours, false) -- the loop has descriptors of its own from now on
  raw.close(theirs)
  M.finish(first)
  return function(data)
    local before = M.lowest() -- those of the fuzzer change
    fn(data)
    local now = M.lowest()
    assert(now == before, ('descriptors are left: %d, %d'):format(before, now))
  end
end

--- ends.use(handle): as a listener would.
function M.use(handle)
  if type(handle) == 'table' and handle.on then
    handle:on('error', function() end)
  end
  if type(handle) == 'table' and handle.destroy then
    handle:destroy()
  elseif handle then
    handle:close()
  end
end

return M
