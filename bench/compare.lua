--- bench/run [--quick] [--rounds=N] [--build=NAME] [MEASURE…]
--
-- Each round runs each measure once with each contestant, one program after the other, so
-- that a slow minute of the machine hits them all: what counts are ratios within a round.
-- SPDX-License-Identifier: MIT
local folder = arg[0]:match '^(.*/)' or './'
package.path = folder .. '?.lua;' .. package.path

local contestants = require 'contestants'
local measures = require 'measures'
local report = require 'report'

local ROUNDS, QUICK_ROUNDS = 7, 3

local quoted, output_of = contestants.quoted, contestants.output_of

local ROOT = output_of(('cd %s/.. && pwd'):format(quoted(folder)))

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

local function find_build(wanted)
  for _, name in ipairs(wanted and { wanted } or { 'release', 'dev' }) do
    if exists(('%s/build/%s/child_process/core.so'):format(ROOT, name)) then
      return name
    end
  end
  error('no core.so in build/release nor build/dev: build the module first', 0)
end

local function make_file(mib)
  local file = assert(output_of 'mktemp /dev/shm/bench.XXXXXX')
  assert(os.execute(('head -c %dM /dev/zero > %s'):format(mib, quoted(file))))
  return file
end

-- Running -------------------------------------------------------------------------------

local function arguments(measure, options, args)
  local list = {}
  for i, value in ipairs(args) do
    local count = i == 2 and options.quick and measure.quick or value
    list[i] = quoted((tostring(count):gsub('^%%FILE$', options.file)))
  end
  return table.concat(list, ' ')
end

-- -> number | nil: it failed, or this contestant cannot be had.
local function run_once(measure, options, contestant, args)
  local program = options.commands[measure.program or 'processes'][contestant]
  if not program then
    return nil
  end
  local command = ('%s %s'):format(program, arguments(measure, options, args))
  local value = tonumber(output_of(command) or '')
  if not value then
    options.failed[#options.failed + 1] = command
  end
  return value
end

-- Another contestant begins in each round: none always follows the same neighbour.
local function run_measure(round, measure, options, result)
  local who = measure.who
  for i = 0, #who - 1 do
    local contestant = who[1 + (i + round - 1) % #who]
    local within = contestant == 'ours' and measure.within
    local before = within and run_once(measure, options, 'ours', within.args)
    local args = (measure.other_args or {})[contestant] or measure.args
    result[contestant][round] = run_once(measure, options, contestant, args)
    local after = within and run_once(measure, options, 'ours', within.args)
    result.base[round] = before and after and (before + after) / 2 or result.base[round]
  end
end

local function empty_results(list)
  local results = {}
  for _, measure in ipairs(list) do
    results[measure.name] = { base = {} }
    for _, contestant in ipairs(measure.who) do
      results[measure.name][contestant] = {}
    end
  end
  return results
end

local function run_all(list, options)
  local results, begin = empty_results(list), os.time()
  for round = 1, options.rounds do
    for _, measure in ipairs(list) do
      run_measure(round, measure, options, results[measure.name])
    end
    local text = 'round %d of %d, %d s\n'
    io.stderr:write(text:format(round, options.rounds, os.time() - begin))
  end
  return results
end

-- Main ----------------------------------------------------------------------------------

-- The named measures, in their order; all by default.
local function chosen(names)
  local all, list = not next(names), {}
  for _, measure in ipairs(measures.list) do
    list[#list + 1] = (all or names[measure.name]) and measure or nil
    names[measure.name] = nil
  end
  if next(names) then
    error('no such measure: ' .. next(names), 0)
  end
  return list
end

local function parse(words)
  local options, names = { failed = {}, root = ROOT }, {}
  for _, word in ipairs(words) do
    local key, value = word:match '^%-%-(%w+)=?(.*)$'
    if key then
      options[key] = value
    else
      names[word] = true
    end
  end
  options.rounds = tonumber(options.rounds) or options.quick and QUICK_ROUNDS or ROUNDS
  return options, names
end

local function needs_pools(list)
  for _, measure in ipairs(list) do
    if measure.program == 'pool' then
      return true
    end
  end
  return false
end

local function main()
  local options, names = parse(arg)
  local list = chosen(names)
  options.build = find_build(options.build)
  options.commands = contestants.commands(ROOT, options.build, needs_pools(list))
  options.file = make_file(options.quick and measures.quick_file_mib or measures.file_mib)
  local ok, results = pcall(run_all, list, options)
  os.remove(options.file)
  if not ok then
    error(results, 0)
  end
  report.print(list, results, options)
  return #options.failed == 0
end

os.exit(main())
