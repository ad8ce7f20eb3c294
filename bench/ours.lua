-- The measures of this folder for our child_process.
-- SPDX-License-Identifier: MIT
local cp = require 'child_process'
local harness = require 'harness'

local function ignore() end

local function start(file, args, on_data, done)
  local child = cp.spawn(file, args)
  child.stdout:on('data', on_data)
  child.stderr:on('data', ignore)
  child:on('close', function(code)
    harness.expect(0, code)
    done()
  end)
  return child
end

-- `wc -c` has the last word on what arrived.
local function start_count(bytes, done)
  local text = ''
  return start('/usr/bin/wc', { '-c' }, function(chunk)
    text = text .. chunk
  end, function()
    harness.expect(bytes, tonumber(text))
    done()
  end)
end

local api = { run = cp.run, open = io.open }

function api.now()
  return cp.process:hrtime()
end

function api.spawn(done)
  start('/bin/true', {}, ignore, done)
end

function api.exec(done)
  cp.exec('true', function(err)
    assert(not err, err)
    done()
  end)
end

api.sync = {
  ['sync'] = function()
    harness.expect(0, cp.spawnSync('/bin/true').status)
  end,
  ['sync-exec'] = function()
    cp.execSync 'true'
  end,
  load = function()
    local program = "require 'child_process'"
    harness.expect(0, cp.spawnSync(cp.process.execPath, { '-e', program }).status)
  end,
}

api['sync-read'] = function(bytes, _, done)
  local args, options = { '-c', tostring(bytes), '/dev/zero' }, { maxBuffer = math.huge }
  harness.expect(bytes, #cp.execFileSync('/usr/bin/head', args, options))
  done()
end

function api.read(bytes, file, done)
  local total = 0
  local args = file and { file } or { '-c', tostring(bytes), '/dev/zero' }
  start(file and '/bin/cat' or '/usr/bin/head', args, function(chunk)
    total = total + #chunk
  end, function()
    harness.expect(bytes, total)
    done()
  end)
end

function api.write(bytes, _, done)
  local stdin = start_count(bytes, done).stdin
  local left = bytes
  local function more()
    while left > 0 do
      left = left - #harness.chunk
      if not stdin:write(harness.chunk) then
        stdin:once('drain', more)
        return
      end
    end
    stdin:finish()
  end
  more()
end

function api.pipe(bytes, _, done)
  local open = 2
  local function closed()
    open = open - 1
    if open == 0 then
      done()
    end
  end
  local head = cp.spawn('/usr/bin/head', { '-c', tostring(bytes), '/dev/zero' })
  head:on('close', closed)
  head.stdout:pipe(start_count(bytes, closed).stdin)
end

-- Measures that take the time themselves
local own = {}

-- Lines ---------------------------------------------------------------------------------

local function file_of_lines(count)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, 'w'))
  assert(file:write(('a line\n'):rep(count)))
  return path
end

-- The start of the program is part of it.
local function time_lines(count, open, report)
  local path, lines = file_of_lines(count), 0
  local begin = api.now()
  for _ in open('exec cat ' .. path) do
    lines = lines + 1
  end
  harness.expect(count, lines)
  report((api.now() - begin) / count)
  os.remove(path)
end

function own.lines(count, _, _, report)
  time_lines(count, function(command)
    return cp.spawn('sh', { '-c', command }).stdout:lines()
  end, report)
end

function own.popen(count, _, _, report)
  time_lines(count, function(command)
    return io.popen(command):lines()
  end, report)
end

-- Forked children ----------------------------------------------------------------------

local CHILD = arg[0]:gsub('ours%.lua$', 'child.lua')
local BATCH = 1 << 16 -- bytes that are sent before we wait until they are written

-- Calls `ready(child)` at the first message, `answered(child, message)` at each other.
local function fork(mode, role, ready, answered)
  local child = cp.fork(CHILD, { role }, { serialization = mode })
  child:once('message', function()
    child:on('message', function(message)
      answered(child, message)
    end)
    ready(child)
  end)
  return child
end

function own.trip(count, mode, _, report)
  local left, begin = count + count // 10, nil
  local function send(child)
    child:send { id = left, body = 'twenty bytes of text' }
  end
  fork(mode, 'answer', send, function(child, message)
    harness.expect(left, message.id)
    left = left - 1
    if left == count then
      begin = api.now()
    elseif left == 0 then
      report((api.now() - begin) / 1e3 / count)
      return child:disconnect()
    end
    send(child)
  end)
end

-- Sends as much as one would: the callback of the last message of a batch goes on.
local function send_many(child, count, body)
  local batch = math.max(1, BATCH // (#body + 32))
  local function more()
    for i = math.min(batch, count), 1, -1 do
      local last = i == 1 and count > 1
      child:send({ id = count, body = body }, nil, nil, last and more or nil)
      count = count - 1
    end
    if count == 0 then
      count = -1
      child:send 'last'
    end
  end
  more()
end

function own.oneway(count, mode, size, report)
  local body, begin = ('x'):rep(size), nil
  fork(mode, 'count', function(child)
    send_many(child, count // 10, body)
  end, function(child, received)
    if begin then
      harness.expect(count + 1, received)
      report(count / ((api.now() - begin) / 1e9))
      return child:disconnect()
    end
    begin = api.now()
    send_many(child, count, body)
  end)
end

-- Calls `look(child, nanoseconds)` with one child after the other.
local function one_by_one(count, look, done)
  local begin = api.now()
  local child = fork('json', 'answer', function(child)
    look(child, api.now() - begin)
    child:disconnect()
  end)
  child:on('exit', function()
    if count > 1 then
      one_by_one(count - 1, look, done)
    else
      done()
    end
  end)
end

function own.fork(count, _, _, report)
  local total = 0
  one_by_one(2, ignore, function()
    one_by_one(count, function(_, nanoseconds)
      total = total + nanoseconds
    end, function()
      report(total / 1e3 / count)
    end)
  end)
end

function own.memory(count, _, _, report)
  local total = 0
  one_by_one(count, function(child)
    local file <close> = assert(io.open(('/proc/%d/status'):format(child.pid)))
    total = total + tonumber(file:read('a'):match 'VmRSS:%s*(%d+) kB')
  end, function()
    report(total / count)
  end)
end

api.own = own

harness.main(api)
