-- What a decoder reads where it lies: the bytes of a frame that has arrived.
local core = require 'child_process.core'
local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local it = t.wrap(it)

local PROGRAM = [[
  local list = {}
  for i = 1, 100000 do
    list[i] = { i }
  end
  process:send 'first'
  process:send(list)
  process:on('message', function() end)
]]

describe('a frame', function()
  it('is there to its end though the channel is closed while it is decoded', function()
    local child = forked.run(PROGRAM, { serialization = 'advanced' })
    local closed = false
    local function close()
      closed = true
      child:disconnect()
    end
    child:once('message', function()
      collectgarbage() -- the next cycle begins, and ends, while the list is decoded
      setmetatable({}, { __gc = close })
      collectgarbage('setpause', 1)
    end)
    t.once(child, 'disconnect', function()
      collectgarbage('setpause', 200)
      assert.is_true(closed)
    end)
  end)

  it('is no object that a program could make', function()
    assert.has_error(function()
      core.v8_decode(io.stdout)
    end, "bad argument #1 to 'v8_decode' (string expected, got FILE*)")
  end)
end)
