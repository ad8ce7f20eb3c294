-- The other side of shouter.lua: `process` is set in a forked child.
process:on('message', function(text)
  process:send(text:upper() .. '!')
end)
