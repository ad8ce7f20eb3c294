-- What ours.lua forks: counts its messages, and answers all of them or only `'last'`.
-- SPDX-License-Identifier: MIT
local answers_all = process.argv[2] == 'answer'
local count = 0

process:on('message', function(message)
  count = count + 1
  if answers_all then
    process:send(message)
  elseif message == 'last' then
    process:send(count)
    count = 0
  end
end)

process:send 'ready'
