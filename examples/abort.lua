-- Stops children by an AbortController: one controller can cancel any number of them, and
-- whoever holds it needs to know nothing of processes.  Each child gets SIGTERM and
-- emits an AbortError whose `cause` is the reason that was given.
local cp = require 'child_process'

local controller = cp.AbortController()

for i = 1, 3 do
  local child = cp.spawn('sleep', { '60' }, { signal = controller.signal })
  child:on('error', function(err)
    print(('child %d: %s (%s), cause: %s'):format(i, err.name, err.code, err.cause))
  end)
  child:on('exit', function(code, signal)
    assert(code == nil and signal == 'SIGTERM')
  end)
end

cp.setTimeout(function()
  controller:abort 'no longer needed'
end, 50)

cp.run()
