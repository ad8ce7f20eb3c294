-- The specs that matter most once more on older kernels: where pidfds, close_range,
-- preadv2 and pwritev2 do not exist, so that a thread waits for each child; and where a
-- pidfd does not name a process group.  The sweeps over failing calls stay out: a second
-- failure beside the missing calls has nothing left to fall back to.
local sandbox = require 'spec.support.sandbox'
local t = require 'spec.helper'
local it = t.wrap(it)

local function run(word, name)
  local obstacle = os.getenv 'LCP_OLD_KERNEL' and 'this is the old kernel'
    or sandbox.obstacle {}
  if obstacle then
    pending(obstacle)
  end
  sandbox.run_spec({ word }, name, 'LCP_OLD_KERNEL=1')
end

local function all_is_well(word, names)
  for name in names:gmatch '%S+' do
    it('all is well with ' .. name .. '_spec #slow', function()
      run(word, name)
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end
end

describe('on an old kernel', function()
  all_is_well(
    'old_kernel',
    [[spawn kill shared_descriptors stdio_flow abort_spawn bad_hosts lifetime pty
    terminate limits sync sync_limits sync_control sync_failures tee_targets tee_sync]]
  )
end)

describe('before Linux 6.9', function()
  all_is_well('group_signal', 'terminate sync_control')
end)
