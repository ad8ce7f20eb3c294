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
      -- a collection of what is new for each hundredth by which the heap grows: there is
      -- one while the list is decoded, however large the heap is
      collectgarbage('generational', 1, 100)
      setmetatable({}, { __gc = close })
    end)
    child:on('message', function(message)
      if message ~= 'first' then
        -- behind some other specs in one process the collector does not come in time
        assert.is_false(closed)
        close()
      end
    end)
    t.once(child, 'disconnect', function()
      collectgarbage 'incremental'
      assert.is_true(closed)
    end)
  end)

  it('is no object that a program could make', function()
    assert.has_error(function()
      core.v8_decode(io.stdout)
    end, "bad argument #1 to 'v8_decode' (string expected, got FILE*)")
  end)
end)
