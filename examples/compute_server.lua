-- A TCP server that goes on serving while a child computes.  `primes N` is work for the
-- child and is answered when it is done; `ping` is answered at once.  A client of our own
-- asks for primes and pings until they come; in one process no ping would get through.
local cp = require 'child_process'

local function count_primes(limit)
  local composite, count = {}, 0
  for n = 2, limit do
    if not composite[n] then
      count = count + 1
      for multiple = n * n, limit, n do
        composite[multiple] = true
      end
    end
  end
  return count
end

if process then
  process:on('message', function(job)
    process:send { id = job.id, count = count_primes(job.limit) }
  end)
  return
end

local worker = cp.fork(arg[0])
local waiting = {} -- id of a job -> what to do with its result

worker:on('message', function(result)
  waiting[result.id](result.count)
  waiting[result.id] = nil
end)

local function compute(limit, callback)
  local id = #waiting + 1
  waiting[id] = callback
  worker:send { id = id, limit = limit }
end

local function serve(socket)
  for line in socket:lines() do
    local limit = line:match '^primes (%d+)$'
    if limit then
      compute(math.tointeger(limit), function(count)
        socket:write(('primes %d\n'):format(count))
      end)
    else
      socket:write 'pong\n'
    end
  end
  socket:finish()
end

local server = cp.net.createServer(function(socket)
  cp.async(serve, socket)
end)

local function ask(port)
  local client = cp.net.connect(port, '127.0.0.1')
  local limit, pings = tonumber(arg[1]) or 1000000, 0
  client:write(('primes %d\nping\n'):format(limit))
  for line in client:lines() do
    local count = line:match '^primes (%d+)$'
    if count then
      print(('there are %d primes up to %d'):format(count, limit))
      print(('meanwhile the server answered %d pings'):format(pings))
      break
    end
    pings = pings + 1
    client:write 'ping\n'
  end
  client:destroy()
  server:close()
  worker:disconnect()
end

server:listen(0, '127.0.0.1', function()
  cp.async(ask, server:address().port)
end)

cp.run()
