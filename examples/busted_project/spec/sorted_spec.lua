local cp = require 'child_process'
local sorted = require 'sorted'

describe('sorted', function()
  after_each(function()
    assert.equal('nothing', tostring(cp.active()))
  end)

  it('sorts lines', function()
    assert.same({ 'a', 'b', 'c' }, sorted { 'c', 'a', 'b' })
  end)

  it('hands options on', function()
    assert.same({ '10', '9' }, sorted({ '9', '10' }, '-n', '-r'))
  end)

  it('raises what sort complains about', function()
    local ok, err = pcall(sorted, {}, '--no-such-option')
    assert.is_false(ok)
    assert.matches('no%-such%-option', err)
  end)

  it('can be used by many coroutines at once', function()
    local found = {}
    for i = 1, 5 do
      cp.async(function()
        found[i] = sorted({ '1', tostring(i) }, '-n', '-u')
      end)
    end
    cp.run()
    assert.same(
      { { '1' }, { '1', '2' }, { '1', '3' }, { '1', '4' }, { '1', '5' } },
      found
    )
  end)
end)
