-- For scripts/coverage.
--   coverage.lua prepare ROOT MARKS: makes the file in which line_counter.c marks lines
--   coverage.lua report ROOT MARKS GCOVR_JSON FLOOR_CSRC FLOOR_LUA: prints what was
--   reached; fails below the floors, which are percentages
local PATH_SIZE, LINES = 256, 1792 -- as in line_counter.c

local function read_all(path)
  local file <close> = assert(io.open(path, 'rb'))
  return file:read 'a'
end

local function sorted_keys(map)
  local list = {}
  for key in pairs(map) do
    list[#list + 1] = key
  end
  table.sort(list)
  return list
end

local function lua_files(root)
  local names = {}
  local command = ("cd '%s' && find lua -name '*.lua'"):format(root)
  local pipe <close> = assert(io.popen(command))
  for name in pipe:lines() do
    names[name] = true
  end
  return sorted_keys(names)
end

local function prepare(root, marks)
  local file = assert(io.open(marks, 'wb'))
  for _, name in ipairs(lua_files(root)) do
    local path = string.pack('c' .. PATH_SIZE, ('@%s/%s'):format(root, name))
    assert(file:write(path, ('\0'):rep(LINES)))
  end
  file:close()
  assert(os.execute(("chmod 666 '%s'"):format(marks))) -- children may be another user's
  return true
end

-- Lines: number -> whether it was reached ----------------------------------------------

-- Lines with instructions, from the compiler's listing.  Nobody's are the instruction
-- that begins a function with `...` and the returns that end each function and follow
-- each tail call, reached or not.
local function lines_with_code(path)
  local lines, before, was_tail_call = {}, nil, false
  local pipe <close> = assert(io.popen(("luac5.4 -l -p '%s'"):format(path)))
  for text in pipe:lines() do
    local line, instruction = text:match '^\t%d+\t%[(%d+)%]\t(%S+)'
    if line and before then
      lines[before] = false
    end
    local is_ours = instruction ~= 'VARARGPREP'
      and not (instruction == 'RETURN' and was_tail_call)
    before = is_ours and math.tointeger(line) or nil
    was_tail_call = instruction == 'TAILCALL'
  end
  return lines
end

local function add_lua(files, root, marks)
  local data = read_all(marks)
  for i, name in ipairs(lua_files(root)) do
    local lines = lines_with_code(root .. '/' .. name)
    for line in pairs(lines) do
      lines[line] = data:byte(i * PATH_SIZE + (i - 1) * LINES + line + 1) == 1
    end
    files[name] = lines
  end
end

local function add_c(files, json)
  for _, file in ipairs(require('cjson').decode(read_all(json)).files) do
    if file.file:find '^csrc/' then
      local lines = {}
      for _, line in ipairs(file.lines) do
        if not line['gcovr/noncode'] then
          lines[math.tointeger(line.line_number)] = line.count > 0
        end
      end
      files[file.file] = lines
    end
  end
end

-- The report ---------------------------------------------------------------------------

-- The functions of a file that have lines which were not reached, in order:
-- { name, text such as '25-26 91', count }.
local function gaps(path, lines)
  local is_lua = path:find '%.lua$'
  local head = is_lua and 'function ([%w_.:]+)%(' or '^[%w_].-([%w_]+)%([^;]*$'
  local found, name, number, reached_before = {}, '?', 0, true
  for text in io.lines(path) do
    number = number + 1
    name = text:match(head) or name
    if lines[number] == false then
      local gap = found[#found]
      if not gap or gap.name ~= name then
        gap = { name = name, count = 0, text = '' }
        found[#found + 1] = gap
        reached_before = true
      end
      gap.count = gap.count + 1
      gap.text = reached_before and gap.text .. ' ' .. number
        or gap.text:gsub('%-?%d+$', function(last)
          return (last:find '-' and '' or last) .. '-' .. number
        end)
    end
    if lines[number] ~= nil then
      reached_before = lines[number]
    end
  end
  return found
end

local function percent(reached, all)
  return all > 0 and 100 * reached / all or 100
end

local function count(lines)
  local all, reached = 0, 0
  for _, was_reached in pairs(lines) do
    all, reached = all + 1, reached + (was_reached and 1 or 0)
  end
  return all, reached
end

local ROW = '%-44s %6d %6d %6.1f %%'

local function print_table(files)
  local sums = { csrc = { 0, 0 }, lua = { 0, 0 } }
  for _, name in ipairs(sorted_keys(files)) do
    local all, reached = count(files[name])
    local sum = sums[name:match '^%w+']
    sum[1], sum[2] = sum[1] + all, sum[2] + reached
    print(ROW:format(name, all, reached, percent(reached, all)))
  end
  return sums
end

-- Returns how many lines have no reason.
local function print_gaps(root, files)
  local reasons, unexplained = dofile(root .. '/spec/support/unreached.lua'), 0
  for _, name in ipairs(sorted_keys(files)) do
    for _, gap in ipairs(gaps(root .. '/' .. name, files[name])) do
      local reason = (reasons[name] or {})[gap.name]
      unexplained = unexplained + (reason and 0 or gap.count)
      local line = '%s: %s:%s: %s'
      print(line:format(name, gap.name, gap.text, reason or 'NO REASON GIVEN'))
    end
  end
  return unexplained
end

local function report(root, marks, json, floor_csrc, floor_lua)
  local files = {}
  add_c(files, json)
  add_lua(files, root, marks)
  local sums = print_table(files)
  print '\nNot reached:'
  local unexplained = print_gaps(root, files)
  print ''
  for _, area in ipairs { 'csrc', 'lua' } do
    local all, reached = table.unpack(sums[area])
    print(ROW:format(area, all, reached, percent(reached, all)))
  end
  print(('lines without a reason: %d'):format(unexplained))
  return percent(sums.csrc[2], sums.csrc[1]) >= tonumber(floor_csrc)
    and percent(sums.lua[2], sums.lua[1]) >= tonumber(floor_lua)
end

local job = arg[1] == 'prepare' and prepare or report
os.exit(job(table.unpack(arg, 2)))
