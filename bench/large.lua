-- bench/large.lua [ROUNDS]
--
-- What large messages cost between two processes: the bytes alone over the channel's
-- socket and, instead, in a sealed memfd passed over it (bench/memfd.c, compiled here),
-- and over a real channel in both serializations.  MiB per second, one way, medians of
-- ROUNDS (default 3).  Needs the module on Lua's paths, as `scripts/run bench/large.lua`
-- gives it.
-- SPDX-License-Identifier: MIT
local cp = require 'child_process'

local ROUNDS = tonumber(arg[1]) or 3
local KIB, MIB = 1024, 1024 * 1024
local TOTAL = 256 * MIB
local SIZES = { 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB }
local FOLDER = arg[0]:match '^(.*)/' or '.'

local WORKER = [[
  local left = tonumber(arg[1])
  process:on('message', function()
    left = left - 1
    if left == 0 then
      process:send 'done'
    end
  end)
  process:send 'ready'
]]

local function bytes_alone(program, way)
  return function(size, count)
    local words = { way, tostring(size), tostring(count) }
    return tonumber(cp.execFileSync(program, words))
  end
end

-- Each message is sent when the one before is written.
local function over_channel(file, serialization)
  return function(size, count)
    local worker = cp.fork(file, { count }, { serialization = serialization })
    local text, sent, begin, ms = ('x'):rep(size), 0, nil, nil
    local function send_next()
      sent = sent + 1
      if sent <= count then
        worker:send(text, send_next)
      end
    end
    worker:on('message', function(message)
      if message == 'ready' then
        begin = cp.process:hrtime()
        return send_next()
      end
      ms = (cp.process:hrtime() - begin) / 1e6
      worker:disconnect()
    end)
    worker:wait()
    return ms
  end
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function measure(way, size)
  local count, times = TOTAL // size, {}
  for i = 1, ROUNDS do
    times[i] = way(size, count)
  end
  return TOTAL / MIB / (median(times) / 1000)
end

local function main(program, file)
  local ways = {
    { 'socket', bytes_alone(program, 'socket') },
    { 'memfd', bytes_alone(program, 'memfd') },
    { 'json', over_channel(file, 'json') },
    { 'advanced', over_channel(file, 'advanced') },
  }
  local heads = {}
  for i, way in ipairs(ways) do
    heads[i] = ('%10s'):format(way[1])
  end
  print(('%10s'):format 'KiB' .. table.concat(heads))
  for _, size in ipairs(SIZES) do
    local cells = {}
    for i, way in ipairs(ways) do
      cells[i] = ('%10.0f'):format(measure(way[2], size))
    end
    print(('%10d'):format(size // KIB) .. table.concat(cells))
  end
end

local folder = cp.execFileSync('mktemp', { '-d' }):gsub('\n$', '')
local program, file = folder .. '/memfd', folder .. '/worker.lua'
local out = assert(io.open(file, 'w'))
out:write(WORKER)
out:close()
cp.execFileSync('cc', { '-std=c11', '-O2', '-o', program, FOLDER .. '/memfd.c' })
local ok, err = pcall(main, program, file)
cp.execFileSync('rm', { '-r', folder })
assert(ok, err)
