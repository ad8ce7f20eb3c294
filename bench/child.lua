-- What ours.lua and soak.lua fork: counts its messages, and answers all of them or only
-- `'last'`; a socket that comes with one is closed.
-- SPDX-License-Identifier: MIT
local answers_all = process.argv[2] == 'answer'
local count = 0

process:on('message', function(message, socket)
  count = count + 1
  if socket then
    socket:destroy()
  end
  if answers_all then
    process:send(message)
  elseif message == 'last' then
    process:send(count)
    count = 0
  end
end)

process:send 'ready'
