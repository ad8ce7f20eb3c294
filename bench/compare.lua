--- bench/run [--quick] [--rounds=N] [--build=NAME] [MEASURE…]
--
-- Each round runs each measure once with each contestant, one program after the other, so
-- that a slow minute of the machine hits them all: what counts are ratios within a round.
-- SPDX-License-Identifier: MIT

local CONTESTANTS = { 'ours', 'node', 'luv', 'C' }
local TIME_LIMIT = 60 -- seconds a program: one that hangs must not stop the others
local ROUNDS, QUICK_ROUNDS = 7, 3

-- The shell -----------------------------------------------------------------------------

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- The output of a shell command without its last newline, or nil when it failed.
local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  local text = pipe:read 'a'
  return pipe:close() and text:gsub('\n$', '') or nil
end

local ROOT = output_of(('cd %s/.. && pwd'):format(quoted(arg[0]:match '^(.*)/' or '.')))
local MEASURES = dofile(ROOT .. '/bench/measures.lua')

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

local function compile_limit()
  local command = 'mkdir -p %s/build/bench && cc -std=c11 -O2 -o %s/build/bench/limit %s'
  local root = quoted(ROOT)
  assert(os.execute(command:format(root, root, quoted(ROOT .. '/bench/limit.c'))))
end

local function make_commands(build)
  local bench = ROOT .. '/bench/'
  local lua = ('LUA_PATH_5_4=%s LUA_CPATH_5_4=%s timeout %d lua5.4 '):format(
    quoted(('%s?.lua;%s/lua/?.lua;%s/lua/?/init.lua;;'):format(bench, ROOT, ROOT)),
    quoted(('%s/build/%s/?.so;;'):format(ROOT, build)),
    TIME_LIMIT
  )
  local timed = ('timeout %d '):format(TIME_LIMIT)
  return {
    ours = lua .. quoted(bench .. 'ours.lua'),
    node = timed .. 'node ' .. quoted(bench .. 'peer_node.js'),
    luv = lua .. quoted(bench .. 'peer_luv.lua'),
    C = timed .. quoted(ROOT .. '/build/bench/limit'),
  }
end

local function make_file(mib)
  local file = assert(output_of 'mktemp /dev/shm/bench.XXXXXX')
  assert(os.execute(('head -c %dM /dev/zero > %s'):format(mib, quoted(file))))
  return file
end

-- Figures -------------------------------------------------------------------------------

-- The q-quantile of a list of numbers, nil of an empty one.
local function quantile(list, q)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  if #sorted == 0 then
    return nil
  end
  local at = 1 + (#sorted - 1) * q
  local low = sorted[math.floor(at)]
  return low + (sorted[math.ceil(at)] - low) * (at % 1)
end

local function values(per_round)
  local list = {}
  for _, value in pairs(per_round) do
    list[#list + 1] = value
  end
  return list
end

-- Round by round: both are keyed by the round and may have gaps.
local function ratios(numerators, denominators)
  local list = {}
  for round, value in pairs(numerators) do
    if denominators[round] then
      list[#list + 1] = value / denominators[round]
    end
  end
  return list
end

-- How many times as good as the other ours is, in each round.
local function advantages(measure, results, other)
  local ours, theirs = results[measure.name].ours, results[measure.name][other]
  if MEASURES.costs[measure.unit] then
    return ratios(theirs, ours)
  end
  return ratios(ours, theirs)
end

local function with_spread(list)
  if #list == 0 then
    return '-'
  end
  local middle, low, high =
    quantile(list, 0.5), quantile(list, 0.25), quantile(list, 0.75)
  return ('%.2f (%.2f–%.2f)'):format(middle, low, high)
end

local function verdict(measure, results)
  local parts = {}
  local function judge(text, value, met)
    parts[#parts + 1] = ('%s: %s'):format(
      text,
      value and (met and 'met' or 'MISSED') or '-'
    )
  end
  for _, other in ipairs(CONTESTANTS) do
    local bound = measure.targets and measure.targets[other]
    if bound then
      local value = quantile(advantages(measure, results, other), 0.5)
      judge(('≥ %.2f × %s'):format(bound, other), value, value and value >= bound)
    end
  end
  local within = measure.within
  if within then
    local list = ratios(results[measure.name].ours, results[measure.name].base)
    local value = quantile(list, 0.5)
    local text = ('≤ %.2f × %s: %s'):format(within.times, within.of, with_spread(list))
    judge(text, value, value and value <= within.times)
  end
  return table.concat(parts, '; ')
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

local function run_once(measure, options, contestant, args)
  local command = ('%s %s'):format(
    options.commands[contestant],
    arguments(measure, options, args)
  )
  local value = tonumber(output_of(command) or '')
  if not value then
    options.failed[#options.failed + 1] = command
  end
  return value
end

local function run_measure(round, measure, options, result)
  local who = measure.who or CONTESTANTS
  for i = 0, #who - 1 do
    local contestant = who[1 + (i + round - 1) % #who]
    local within = contestant == 'ours' and measure.within
    local before = within and run_once(measure, options, 'ours', within.args)
    result[contestant][round] = run_once(measure, options, contestant, measure.args)
    local after = within and run_once(measure, options, 'ours', within.args)
    result.base[round] = before and after and (before + after) / 2 or result.base[round]
  end
end

-- Another contestant begins in each round: nobody always follows the same neighbour.
local function run_round(round, measures, options, results)
  for _, measure in ipairs(measures) do
    run_measure(round, measure, options, results[measure.name])
  end
end

local function empty_results(measures)
  local results = {}
  for _, measure in ipairs(measures) do
    results[measure.name] = { base = {} }
    for _, contestant in ipairs(CONTESTANTS) do
      results[measure.name][contestant] = {}
    end
  end
  return results
end

local function run_all(measures, options)
  local results = empty_results(measures)
  local begin = os.time()
  for round = 1, options.rounds do
    run_round(round, measures, options, results)
    io.stderr:write(
      ('round %d of %d, %d s\n'):format(round, options.rounds, os.time() - begin)
    )
  end
  return results
end

-- Printing ------------------------------------------------------------------------------

-- Pads by characters: the dash of a range is three bytes.
local function padded(text, width)
  local gap = (' '):rep(math.abs(width) - utf8.len(text))
  return width < 0 and text .. gap or gap .. text
end

local WIDTHS = { -11, -6, 7, 7, 7, 7, 19, 19, 19, -1 }

local function print_row(cells)
  for i, cell in ipairs(cells) do
    cells[i] = padded(cell, WIDTHS[i])
  end
  print((table.concat(cells, ' '):gsub(' +$', '')))
end

local function print_measure(measure, results)
  local cells = { measure.name, measure.unit }
  for _, contestant in ipairs(CONTESTANTS) do
    local middle = quantile(values(results[measure.name][contestant]), 0.5)
    cells[#cells + 1] = middle and ('%.0f'):format(middle) or '-'
  end
  for _, other in ipairs { 'node', 'luv', 'C' } do
    cells[#cells + 1] = with_spread(advantages(measure, results, other))
  end
  cells[#cells + 1] = verdict(measure, results)
  print_row(cells)
end

local function print_machine(options)
  local shown = {
    {
      'machine',
      'echo "$(nproc) cores,$(sed -n "s/^model name.*://p" /proc/cpuinfo | head -1)"',
    },
    { 'kernel', 'uname -sr' },
    { 'load', 'cut -d" " -f1-3 /proc/loadavg' },
    { 'ours', ('git -C %s describe --always --dirty'):format(quoted(ROOT)) },
    { 'lua', 'lua5.4 -v' },
    { 'node', 'node --version' },
    { 'luv', [[lua5.4 -e 'print(require("luv").version_string())']] },
    { 'C', 'cc --version | head -1' },
  }
  for _, row in ipairs(shown) do
    local text = output_of(row[2] .. ' 2>/dev/null') or 'not found'
    print(('%-8s %s'):format(row[1], text))
  end
  print(('%-8s build/%s, %d rounds'):format('', options.build, options.rounds))
end

local function print_table(measures, results, options)
  print_machine(options)
  print '\nMedians; then how many times as good as the other ours is: the median of the'
  print 'ratios within a round and their middle half.\n'
  print_row {
    'measure',
    'unit',
    'ours',
    'node',
    'luv',
    'C',
    'as good as node',
    'as luv',
    'as C',
    'targets',
  }
  for _, measure in ipairs(measures) do
    print_measure(measure, results)
  end
  print ''
  for _, measure in ipairs(measures) do
    print(('%-11s %s'):format(measure.name, measure.about))
  end
  for _, command in ipairs(options.failed) do
    print('failed: ' .. command)
  end
end

-- Main ----------------------------------------------------------------------------------

-- The named measures, in their order; all by default.
local function chosen(names)
  local all, list = not next(names), {}
  for _, measure in ipairs(MEASURES.list) do
    list[#list + 1] = (all or names[measure.name]) and measure or nil
    names[measure.name] = nil
  end
  if next(names) then
    error('no such measure: ' .. next(names), 0)
  end
  return list
end

local function parse(words)
  local options, names = { failed = {} }, {}
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

local function main()
  local options, names = parse(arg)
  local measures = chosen(names)
  options.build = find_build(options.build)
  compile_limit()
  options.commands = make_commands(options.build)
  options.file = make_file(options.quick and MEASURES.quick_file_mib or MEASURES.file_mib)
  local ok, results = pcall(run_all, measures, options)
  os.remove(options.file)
  if not ok then
    error(results, 0)
  end
  print_table(measures, results, options)
  return #options.failed == 0
end

os.exit(main())
