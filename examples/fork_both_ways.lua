-- A parent and a child talk both ways.  This file forks itself: in a forked child the
-- global `process` is there, and the loop runs by itself when the script has ended.
local cp = require 'child_process'

if process then
  process:on('message', function(message)
    process:send { shouted = message.text:upper(), length = #message.text }
  end)
  process:send { ready = true, arguments = { table.unpack(process.argv, 2) } }
  return
end

local texts = { 'hello', 'how are you?', 'goodbye' }
local child = cp.fork(arg[0], { 'one', 'two' })

child:on('message', function(message)
  if message.ready then
    print('the child is ready, its arguments: ' .. table.concat(message.arguments, ', '))
  else
    print(('the child says: %s (%d bytes)'):format(message.shouted, message.length))
  end
  if #texts > 0 then
    child:send { text = table.remove(texts, 1) }
  else
    child:disconnect() -- nothing keeps the child alive then
  end
end)

child:on('exit', function(code)
  print('the child has ended with code ' .. code)
end)

cp.run()
