local cp = require 'child_process'
local jobs = require 'jobs'

describe('jobs.run', function()
  -- A test that leaves something behind is a test that the next one suffers from.
  after_each(function()
    assert.equal('nothing', tostring(cp.active()))
  end)

  it('gives the results in the order of the commands', function()
    local results
    jobs.run({ 'echo one', 'echo two', 'exit 3' }, 2, function(all)
      results = all
    end)
    cp.run()
    assert.same({
      { ok = true, stdout = 'one\n' },
      { ok = true, stdout = 'two\n' },
      { ok = false, stdout = '' },
    }, results)
  end)

  it('runs no more at once than the limit', function()
    local now, most = 0, 0
    cp.debug(function(event)
      now = now + (event.event == 'spawn' and 1 or event.event == 'exit' and -1 or 0)
      most = math.max(most, now)
    end)
    jobs.run({ 'true', 'true', 'true', 'true', 'true' }, 2, function() end)
    cp.run()
    cp.debug(nil)
    assert.equal(2, most)
  end)
end)
