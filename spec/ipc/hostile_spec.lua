-- A child that breaks the rules costs its parent at most one `error`.
local raw_peer = require 'spec.support.raw_peer'
local t = require 'spec.helper'
local it = t.wrap(it)

describe('a descriptor of a child', function()
  it(
    'opened for neither reading nor writing comes as a file that can do neither',
    function()
      local path = t.write_file(t.tmpdir() .. '/file', 'text')
      local peer = raw_peer.spawn()
      peer:attach('open 3 ' .. path):handle({ type = 'lua.File', msg = 'x' }):finish()
      t.once(peer.child, 'message', function(message, file)
        assert.equal('x', message)
        local text, problem = file:read 'a'
        assert.is_nil(text)
        assert.is_string(problem)
        file:close()
      end)
      t.once(peer.child, 'close')
    end
  )

  -- with bytes that nobody takes, and an hour for them
  for _, row in ipairs {
    { 'net.Socket', 'destroy' },
    { 'lua.Fd', 'close' },
    { 'lua.File', 'close' },
  } do
    local name, close = row[1], row[2]
    it(('that lingers is closed at once, as a %s'):format(name), function()
      local peer = raw_peer.spawn()
      peer:attach('tcp lingering'):handle({ type = name, msg = 'x' }):receive()
      t.once(peer.child, 'message', function(_, handle)
        peer.child.stdout:once('data', function() -- it has the only other one closed
          handle[close](handle)
          peer:finish()
        end)
      end)
      t.once(peer.child, 'close')
    end)
  end
end)
