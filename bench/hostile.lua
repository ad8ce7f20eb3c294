-- bench/hostile.lua [ROUNDS]
--
-- What a hostile byte costs the receiver of a channel, in processor time and in memory,
-- beside a byte of a friendly frame of the same size: 1 means the same.  Medians of
-- ROUNDS (default 5).  The sender is spec/host/raw_peer.c, a process of its own.  Needs
-- the module on Lua's paths, as `scripts/run bench/hostile.lua` gives it.
-- SPDX-License-Identifier: MIT
local core = require 'child_process.core'
local cp = require 'child_process'

local PEER = core.file:gsub('child_process/core%.so$', 'raw_peer')
local ROUNDS = tonumber(arg[1]) or 5
local TOTAL = 4 << 20 -- bytes a run, about

-- The inputs ----------------------------------------------------------------------------

-- A friendly message of about `size` bytes as JSON: a list of records, one, a number.
local function friendly(size)
  if size < 30 then
    return 10 ^ math.min(size - 2, 15) // 1 | 0
  elseif size < 80 then
    return { id = 1, name = ('x'):rep(size - 19) }
  end
  local list = {}
  for i = 1, size // 40 do
    list[i] = { id = i, name = 'somebody', ok = true }
  end
  return list
end

local function line(text)
  return text .. '\n'
end

local function block(bytes)
  return string.pack('>s4', '\xff\x0f' .. bytes)
end

local function handle(fields)
  return line('{"cmd":"NODE_HANDLE","type":"lua.Fd","msg":1' .. fields .. '}')
end

local NULL = 'attach open 0 /dev/null'

-- Numbers that Lua's hash puts into one place, as keys of a Map.
local function colliding(count)
  local parts = {}
  for i = 1, count do
    parts[i] = 'N' .. string.pack('<d', i * 65535.0) .. '_'
  end
  return block(';' .. table.concat(parts) .. ':\xc0\xa9\7')
end

local K100 = 100000

-- name, frame, serialization; `attach`: a descriptor goes with each; `unheard`: nobody
-- listens; `once`: it ends the channel
local ROWS = {
  { 'lists in lists', line(('['):rep(900) .. (']'):rep(900)) },
  { 'lists without end', line(('['):rep(K100)), once = true },
  { 'empty lists', line('[' .. ('[],'):rep(K100) .. '[]]') },
  { 'empty objects', line('[' .. ('{},'):rep(K100) .. '{}]') },
  { 'one key, many times', line('{' .. ('"a":1,'):rep(K100) .. '"a":1}') },
  { 'digits', line(('9'):rep(K100)) },
  { 'digits behind the point', line('0.' .. ('9'):rep(K100)) },
  { 'escapes', line('"' .. ([[\u00e9]]):rep(K100) .. '"') },
  { 'halves of surrogates', line('"' .. ([[\ud800]]):rep(K100) .. '"') },
  { 'no UTF-8', line('"' .. ('\xff'):rep(K100) .. '"') },
  { 'small messages', line '1' },
  { 'unknown cmd', line '{"cmd":"NODE_X"}' },
  { 'acknowledgements', line '{"cmd":"NODE_HANDLE_ACK"}' },
  { 'refusals', line '{"cmd":"NODE_HANDLE_NACK"}' },
  { 'questions', line '{"cmd":"NODE_SOCKET_GET_COUNT","key":"k"}' },
  { 'handles that are none', handle '' },
  { 'handles', handle '', attach = true },
  { 'handles with keys', handle ',"key":"k"', attach = true },
  { 'descriptors nobody wants', line '1', attach = true },
  { 'small messages, unheard', line '1', unheard = true },
  { 'padding', block(('\0'):rep(K100) .. '_'), 'advanced' },
  {
    'objects',
    block('A\xa0\x8d\6' .. ('o{\0'):rep(K100) .. '$\0\xa0\x8d\6'),
    'advanced',
  },
  { 'colliding keys', colliding(60000), 'advanced', once = true },
  { 'UTF-16', block('c\xc0\x9a\x0c' .. ('\xe9\1'):rep(K100)), 'advanced' },
  { 'small messages', block '_', 'advanced' },
}

-- A run ---------------------------------------------------------------------------------

local function hex(bytes)
  return (bytes:gsub('.', function(c)
    return ('%02x'):format(c:byte())
  end))
end

-- The commands of a peer, as a file, so that nothing is written while we measure.
local function script(row, frame)
  local file = io.tmpfile()
  local times = row.once and 1 or math.max(1, TOTAL // #frame)
  if row.attach then
    times = 2000
    for _ = 1, times do
      file:write(NULL, '\nsend ', hex(frame), '\n')
    end
  else
    file:write('relent\ntimes ', times, ' ', hex(frame), '\n')
  end
  file:flush()
  file:seek 'set'
  return file, times * #frame
end

-- Seconds of our own, and the bytes that were sent.
local function run(row, frame)
  local file, bytes = script(row, frame)
  collectgarbage()
  local start = os.clock()
  local child = cp.spawn(PEER, {}, {
    stdio = { file, 'pipe', 2, 'ipc' },
    serialization = row[3],
  })
  child:on('error', function() end)
  if not row.unheard then
    child:on('message', function(_, object)
      if object then
        object:close()
      end
    end)
  end
  child.stdout:on('data', function(text)
    if row.unheard and text:find 'held' then
      bytes = tonumber(text:match 'held (%d+)')
      child:kill 'SIGKILL'
    end
  end)
  cp.run()
  file:close()
  return os.clock() - start, bytes
end

-- How many bytes of ours a byte of the frame takes while its message is held.
local function memory(row, frame)
  local payload = row[3] and frame:sub(5) or frame:sub(1, -2)
  collectgarbage()
  collectgarbage()
  collectgarbage 'stop'
  local before = collectgarbage 'count'
  local kept = core.codec_decode(row[3] or 'json', payload)
  local after = collectgarbage 'count'
  collectgarbage 'restart'
  return (after - before) * 1024 / #payload, kept
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function friendly_frame(row)
  local message = friendly(#row[2])
  local bytes = core.codec_encode(row[3] or 'json', message)
  return row[3] and string.pack('>s4', bytes) or line(bytes)
end

print(('%-26s %-9s %9s %7s %7s %7s'):format('', '', 'bytes', 'ns/byte', 'time', 'memory'))
for _, row in ipairs(ROWS) do
  local friend, mine, theirs = friendly_frame(row), {}, {}
  for i = 1, ROUNDS do
    local time, bytes = run(row, row[2])
    mine[i] = time / bytes * 1e9
    time, bytes = run({ nil, nil, row[3], once = row.once }, friend)
    theirs[i] = time / bytes * 1e9
  end
  local cost = median(mine)
  local taken, usual = memory(row, row[2]), memory({ nil, nil, row[3] }, friend)
  print(('%-26s %-9s %9d %7.1f %7.2f %7.2f'):format(
    row[1],
    row[3] or 'json',
    #row[2],
    cost,
    cost / median(theirs),
    usual > 0 and taken / usual or 1 -- numbers take nothing
  ))
end
