-- How texts are scanned before they are sent: csrc/codec/scan.c.
local t = require 'spec.helper'
local it = t.wrap(it)

describe('the scan of a text', function()
  it('finds each byte at each place, with and without wide registers', function()
    local pipe = assert(io.popen("'" .. t.built 'scan_test' .. "'"))
    assert.matches('^%d+ texts alike$', pipe:read 'l')
    assert.is_true(pipe:close())
  end)
end)
