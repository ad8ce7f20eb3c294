-- A task runner, as build tools have one: runs the tasks of a file, each after those that
-- it needs, so many at a time.  What they print appears at once, each line with the name
-- of its task in front.  The first one that fails, or Ctrl-C, ends all of them.
--
--   tasks.lua [-j N] FILE TASK…
--
-- FILE is a Lua file such as
--
--   return {
--     lib = { 'cc -c lib.c' },
--     app = { 'cc -o app main.c lib.o', needs = { 'lib' } },
--     test = { './app --self-test', needs = { 'app' } },
--   }
local cp = require 'child_process'

local words, at_a_time = table.move(arg, 1, #arg, 1, {}), cp.availableParallelism()
if words[1] == '-j' then
  table.remove(words, 1)
  at_a_time = tonumber(table.remove(words, 1))
end
local tasks = dofile(table.remove(words, 1))

-- Adds the name of a task to a list, behind all that it needs.
local function add(name, list, state)
  local task = tasks[name] or error('there is no task ' .. name, 0)
  if state[name] == 'on the way' then
    error(name .. ' needs itself', 0)
  elseif not state[name] then
    state[name] = 'on the way'
    for _, need in ipairs(task.needs or {}) do
      add(need, list, state)
    end
    state[name] = 'there'
    table.insert(list, name)
  end
end

local done, news = {}, cp.EventEmitter()
news:setMaxListeners(0)

local function await_needs(task)
  for _, need in ipairs(task.needs or {}) do
    if not done[need] then
      cp.await(function(callback)
        news:once(need, function()
          callback()
        end)
      end)
    end
  end
end

local function run(scope, name)
  local child = scope:spawn('sh', { '-c', tasks[name][1] }, { stderr = 'stdout' })
  for line in child.stdout:lines() do
    print(('%s | %s'):format(name, line))
  end
  local result = child:wait()
  if not result.ok then
    error(('%s: %s'):format(name, result.signal or 'exit code ' .. result.code), 0)
  end
  done[name] = true
  news:emit(name)
end

local function run_all(names)
  -- the compiler that a shell has started is to end, too, where that is possible
  local groups = pcall(cp.scope, { killDescendants = true })
  local scope <close> = cp.scope { stdin = 'ignore', killDescendants = groups or nil }
  local limit = cp.limit(at_a_time)
  local function perform(name)
    await_needs(tasks[name])
    limit(run, scope, name)
  end
  cp.map(names, perform, { limit = math.huge, stopOnError = true })
end

local function main()
  local names, state = {}, {}
  for _, name in ipairs(words) do
    add(name, names, state)
  end
  run_all(names)
  print(('%d tasks done'):format(#names))
end

local ok, problem = pcall(main)
if not ok then
  io.stderr:write('tasks.lua: ', tostring(problem), '\n')
  os.exit(1, true)
end
