-- A quick start: six things to do with other programs, what came of each, and how long it
-- took.  `wait` runs the loop until the child has ended and its output is complete; it
-- returns a table with `code`, `signal`, `stdout`, `stderr`, `error`, `reason` and `ok`.
local cp = require 'child_process'

local function show(title, fn)
  local start = cp.process:hrtime()
  local result = fn()
  local seconds = (cp.process:hrtime() - start) / 1e9
  print(('%-23s %5.2f s  %s'):format(title, seconds, result))
end

show('run a program', function()
  local uname = cp.execFile('uname', { '-sm' }):wait()
  return ('uname says %s, exit code %d'):format(uname.stdout:match '[^\n]*', uname.code)
end)

show('write to it, read lines', function()
  local sort = cp.spawn('sort', { '-n' })
  sort.stdin:finish '10\n9\n1\n'
  local sorted = {}
  for line in sort.stdout:lines() do
    sorted[#sorted + 1] = line
  end
  return 'sort -n says ' .. table.concat(sorted, ' < ')
end)

show('join programs by pipes', function()
  local seq = cp.spawn('seq', { '1000000' })
  local gzip, gunzip = cp.spawn 'gzip', cp.spawn('gzip', { '-d' })
  seq.stdout:pipe(gzip.stdin)
  gzip.stdout:pipe(gunzip.stdin)
  local bytes = #gunzip:wait().stdout
  return ('seq 1000000 | gzip | gzip -d gave %d bytes'):format(bytes)
end)

show('many at the same time', function()
  local ticks, children = 0, {}
  local timer = cp.setInterval(function()
    ticks = ticks + 1
  end, 10)
  for i = 1, 32 do
    children[i] = cp.spawn('sleep', { '0.5' })
  end
  for _, child in ipairs(children) do
    assert(child:wait().ok)
  end
  timer:close()
  return ('32 times sleep 0.5; a timer of ours ticked %d times meanwhile'):format(ticks)
end)

show('stop one that hangs', function()
  local hung = cp.exec('echo begun; exec sleep 60', { timeout = 100 }):wait()
  local text = 'sleep 60: %s, ended by %s, had printed "%s"'
  return text:format(hung.reason, hung.signal, hung.stdout:match '[^\n]*')
end)

show('learn what went wrong', function()
  local err = cp.spawn('ls', { cwd = '/no/such/place' }):wait().error
  local text = 'ls in /no/such/place: %s failed with %s on %s'
  return text:format(err.stage, err.code, err.path)
end)
