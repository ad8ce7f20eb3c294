local cp = require 'child_process'
local shouter = require 'shouter'

describe('a shouter', function()
  local one

  before_each(function()
    one = shouter.new()
  end)

  after_each(function()
    one:stop()
    cp.run()
    assert.equal('nothing', tostring(cp.active()))
  end)

  it('makes texts loud, in order', function()
    local heard = {}
    local function hear(text)
      heard[#heard + 1] = text
      if #heard == 2 then
        cp.stop()
      end
    end
    one:shout('hello', hear)
    one:shout('there', hear)
    cp.run()
    assert.same({ 'HELLO!', 'THERE!' }, heard)
  end)

  it('can be stopped without ever being asked', function() end)

  it('lets an assertion of a callback fail the test', function()
    one:shout('hello', function(text)
      assert.equal('hello', text)
    end)
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.matches('Expected objects to be equal', tostring(err))
  end)
end)
