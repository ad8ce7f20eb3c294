-- Forked by program.lua.
process:once('message', function(message)
  local sum = 0
  for _, number in ipairs(message.numbers) do
    sum = sum + number
  end
  process:send { sum = sum }
end)
