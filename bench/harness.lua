--- What the Lua contestants have in common: `lua5.4 NAME.lua MEASURE COUNT …` warms up,
-- measures and prints one number, in the unit that measures.lua says.
-- SPDX-License-Identifier: MIT
local M = {}

local MIB = 1 << 20
local WARM_UP = 32 * MIB

M.chunk = ('x'):rep(64 * 1024)

--- harness.expect(expected, got): the count of bytes, or the exit code, must be right.
function M.expect(expected, got)
  if expected ~= got then
    error(('%s instead of %s'):format(got, expected), 2)
  end
end

local function resident_bytes()
  local file <close> = assert(io.open '/proc/self/statm')
  return tonumber(file:read('a'):match '^%d+ (%d+)') * 4096
end

-- string.rep writes every byte, so the pages are there; it copies piece by piece.
local function make_resident(mib)
  local blocks, piece = {}, ('x'):rep(4096)
  for i = 1, mib do
    blocks[i] = piece:rep(MIB // #piece)
  end
  assert(resident_bytes() >= mib * MIB, 'the memory is not resident')
  return blocks
end

local function open_many(api, count)
  local files = {}
  for i = 1, count do
    files[i] = assert(api.open '/dev/null')
  end
  return files
end

-- Keeps `parallel` operations going until `count` have ended.
local function batch(operation, count, parallel, done)
  local started, ended = 0, 0
  local function next_one()
    started = started + 1
    operation(function()
      ended = ended + 1
      if ended == count then
        done()
      elseif started < count then
        next_one()
      end
    end)
  end
  while started < math.min(count, parallel) do
    next_one()
  end
end

local function measure_batch(api, operation, count, parallel)
  batch(operation, count // 10 + parallel, parallel, function()
    local begin = api.now()
    batch(operation, count, parallel, function()
      print(('%.3f'):format((api.now() - begin) / 1e3 / count))
    end)
  end)
end

local function measure_flow(api, flow, mib, file)
  flow(WARM_UP, nil, function()
    local begin = api.now()
    flow(mib * MIB, file, function()
      print(('%.3f'):format(mib / ((api.now() - begin) / 1e9)))
    end)
  end)
end

local function one_by_one(operation, count)
  for _ = 1, count do
    operation()
  end
end

local function measure_sync(api, operation, count)
  one_by_one(operation, count // 10 + 1)
  local begin = api.now()
  one_by_one(operation, count)
  print(('%.3f'):format((api.now() - begin) / 1e3 / count))
end

local function print_value(value)
  print(('%.3f'):format(value))
end

--- harness.main(api): runs the measure that the command line names.
-- `api.now()` is in nanoseconds, `api.run()` runs the loop; `api.spawn(done)` and
-- `api.exec(done)` are operations, `api.open(path)` opens a file, `api.read(bytes, file,
-- done)` and the like are flows; `api.sync` are operations that are over when they
-- return; `api.own` are measures that take the time themselves, each `fn(count, mode,
-- size, print)`.
function M.main(api)
  local name, count, second, third, fourth = table.unpack(arg)
  count, third = tonumber(count), tonumber(third or 0)
  local blocks, files
  if api.own and api.own[name] then
    api.own[name](count, second, third, print_value)
  elseif api.sync and api.sync[name] then
    blocks = make_resident(third)
    measure_sync(api, api.sync[name], count)
  elseif name == 'spawn' or name == 'exec' then
    blocks, files = make_resident(third), open_many(api, tonumber(fourth or 0))
    measure_batch(api, api[name], count, tonumber(second or 1))
  else
    measure_flow(api, assert(api[name], 'no such measure'), count, second)
  end
  api.run()
  return blocks, files
end

return M
