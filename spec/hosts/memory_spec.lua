local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

describe('memory that ends at any point #slow', function()
  local bodies = [[spawn failed exec pipe abort wait sync fork advanced net handles dgram
    pipeline scope map several]]
  for what in bodies:gmatch '%S+' do
    it('crashes nothing and leaves nothing: ' .. what, function()
      local _, args = t.lua('out_of_memory.lua', what)
      if os.getenv 'LCP_SWEEP' ~= 'full' then
        table.insert(args, 1, '--sample')
      end
      local env = { LCP_PROGRAM = t.fixture 'program.lua' }
      local child = cp.spawn(t.built 'memory_host', args, { env = env, extendEnv = true })
      local out, err = t.collect(child.stdout), t.collect(child.stderr)
      t.once(child, 'close', function(code, signal)
        local said = out() .. err()
        assert.is_nil(signal, said)
        assert.equal('done\n', said)
        assert.equal(0, code)
      end)
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end
end)
