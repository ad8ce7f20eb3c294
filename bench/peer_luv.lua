-- The measures of this folder for luv. It has no exec: a shell and two collected outputs.
-- SPDX-License-Identifier: MIT
local uv = require 'luv'
local harness = require 'harness'

local HIGH_WATER = 64 * 1024

local function ignore() end

-- Reads to the end, closes, then calls `ended`.
local function drain(pipe, on_data, ended)
  pipe:read_start(function(err, chunk)
    assert(not err, err)
    if chunk then
      on_data(chunk)
    else
      pipe:close()
      ended()
    end
  end)
end

-- Calls `done` when the process has ended and both outputs too; returns stdin and stdout.
local function start(file, args, on_data, done)
  local stdin, stdout, stderr = uv.new_pipe(false), uv.new_pipe(false), uv.new_pipe(false)
  local open = 3
  local function ended()
    open = open - 1
    if open == 0 then
      done()
    end
  end
  local handle
  handle = assert(
    uv.spawn(file, { args = args, stdio = { stdin, stdout, stderr } }, function(code)
      harness.expect(0, code)
      handle:close()
      if not stdin:is_closing() then
        stdin:close()
      end
      ended()
    end)
  )
  drain(stderr, ignore, ended)
  if on_data then
    drain(stdout, on_data, ended)
  end
  return stdin, stdout, ended
end

-- `wc -c` has the last word on what arrived.
local function start_count(bytes, done)
  local text = ''
  return (
    start('/usr/bin/wc', { '-c' }, function(chunk)
      text = text .. chunk
    end, function()
      harness.expect(bytes, tonumber(text))
      done()
    end)
  )
end

local function finish(stdin)
  stdin:shutdown(function()
    stdin:close()
  end)
end

local api = { now = uv.hrtime, run = uv.run }

function api.open(path)
  return uv.fs_open(path, 'r', 0)
end

function api.spawn(done)
  start('/bin/true', {}, ignore, done)
end

function api.exec(done)
  local text = {}
  start('/bin/sh', { '-c', 'true' }, function(chunk)
    text[#text + 1] = chunk
  end, done)
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
  local stdin = start_count(bytes, done)
  local left = bytes
  local function more()
    while left > 0 and stdin:get_write_queue_size() < HIGH_WATER do
      left = left - #harness.chunk
      stdin:write(harness.chunk, left == 0 and ignore or more)
      if left == 0 then
        finish(stdin)
      end
    end
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
  local sink = start_count(bytes, closed)
  local args = { '-c', tostring(bytes), '/dev/zero' }
  local _, source, source_ended = start('/usr/bin/head', args, nil, closed)
  local paused, on_chunk = false, nil
  local function written()
    if paused and sink:get_write_queue_size() < HIGH_WATER then
      paused = false
      source:read_start(on_chunk)
    end
  end
  function on_chunk(err, chunk)
    assert(not err, err)
    if not chunk then
      source:close()
      source_ended()
      return finish(sink)
    end
    sink:write(chunk, written)
    if sink:get_write_queue_size() >= HIGH_WATER then
      paused = true
      source:read_stop()
    end
  end
  source:read_start(on_chunk)
end

harness.main(api)
