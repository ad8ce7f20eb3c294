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

local api = { run = cp.run }

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

harness.main(api)
