-- The specs that matter most once more, where pidfds, close_range, preadv2 and pwritev2
-- do not exist: a thread waits for each child then.
local sandbox = require 'spec.support.sandbox'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

describe('on an old kernel', function()
  local names = {
    'spawn',
    'kill',
    'shared_descriptors',
    'stdio_flow',
    'abort_spawn',
    'bad_hosts',
    'lifetime',
    'faults',
    'pty',
    'pty_faults',
    'sync',
    'sync_limits',
    'sync_faults',
    'sync_failures',
  }
  for _, name in ipairs(names) do
    it('all is well with ' .. name .. '_spec', function()
      local obstacle = os.getenv 'LCP_OLD_KERNEL' and 'this is the old kernel'
        or sandbox.obstacle {}
      if obstacle then
        pending(obstacle)
      end
      local args = {
        'LCP_OLD_KERNEL=1',
        t.built 'sandbox',
        'old_kernel',
        '--',
        t.lua_exe,
        '/usr/bin/busted',
        '--ignore-lua',
        '--lpath=' .. package.path,
        '--cpath=' .. package.cpath,
        '-o',
        'plainTerminal',
        assert(t.spec_file(name .. '_spec')),
      }
      local child = cp.spawn('env', args)
      local out, err = t.collect(child.stdout), t.collect(child.stderr)
      t.once(child, 'close', function(code, signal)
        local said = out() .. err()
        assert.is_nil(signal, said)
        assert.equal(0, code, said)
        assert.truthy(said:find ' 0 failures / 0 errors', said)
      end)
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end
end)
