-- A child keeps a state and is asked for it by messages: `{ add = n }` and `'get'`.  They
-- arrive in the order in which they were sent, so no locks are needed.
local cp = require 'child_process'

if process then
  local total, messages = 0, 0
  process:on('message', function(message)
    if message == 'get' then
      process:send { total = total, messages = messages }
    else
      total, messages = total + message.add, messages + 1
    end
  end)
  return
end

local counter = cp.fork(arg[0])

for i = 1, 1000 do
  counter:send { add = i }
end
counter:send 'get'

counter:once('message', function(state)
  print(('%d messages add up to %d'):format(state.messages, state.total))
  counter:disconnect()
end)

cp.run()
