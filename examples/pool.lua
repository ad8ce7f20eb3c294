-- A pool of workers over fork: tasks wait in a queue, each worker has one at a time, and
-- one that dies is replaced.  Its task is tried again, at most three times.  On a
-- terminal a bar shows how far the run is.  The tasks here count primes, a range each;
-- some kill their worker at the first attempt, and the last one always does.
--
--   pool.lua [WORKERS [TASKS]]
local cp = require 'child_process'

local RANGE, ATTEMPTS = 5000, 3

-- A worker ------------------------------------------------------------------------------

local function is_prime(n)
  for divisor = 2, math.floor(math.sqrt(n)) do
    if n % divisor == 0 then
      return false
    end
  end
  return n > 1
end

local function count_primes(task)
  local count = 0
  for n = task.first, task.first + RANGE - 1 do
    count = count + (is_prime(n) and 1 or 0)
  end
  return count
end

if process then
  process:on('message', function(task)
    if task.attempt <= task.crashes then
      process:kill(process.pid, 'SIGKILL')
    end
    process:send(count_primes(task))
  end)
  return
end

-- The pool ------------------------------------------------------------------------------

local Pool = {}
Pool.__index = Pool

-- `pool:run(task, callback)`: `callback(result)`, or `callback(nil, reason)`.
local function new_pool(script, size)
  local pool = { script = script, queue = {}, idle = {}, jobs = {}, deaths = 0 }
  setmetatable(pool, Pool)
  for _ = 1, size do
    pool:start_worker()
  end
  return pool
end

function Pool:next_task()
  while #self.idle > 0 and #self.queue > 0 do
    local worker, job = table.remove(self.idle), table.remove(self.queue, 1)
    job.task.attempt = (job.task.attempt or 0) + 1
    self.jobs[worker] = job
    worker:send(job.task)
  end
end

local function remove(list, value)
  for i, other in ipairs(list) do
    if other == value then
      return table.remove(list, i)
    end
  end
end

function Pool:worker_died(worker, reason)
  local job = self.jobs[worker]
  self.jobs[worker] = nil
  self.deaths = self.deaths + 1
  remove(self.idle, worker)
  local again = job and job.task.attempt < ATTEMPTS
  if again then
    table.insert(self.queue, 1, job)
  end
  self:start_worker()
  if job and not again then
    job.callback(nil, reason)
  end
end

function Pool:start_worker()
  local worker = cp.fork(self.script)
  worker:on('message', function(result)
    local job = self.jobs[worker]
    self.jobs[worker] = nil
    table.insert(self.idle, worker)
    self:next_task()
    job.callback(result)
  end)
  worker:on('error', function() end) -- sent to one that has just died: `exit` tells
  worker:on('exit', function(code, signal)
    if not self.closed then
      self:worker_died(worker, signal or 'exit code ' .. code)
    end
  end)
  table.insert(self.idle, worker)
  self:next_task()
end

function Pool:run(task, callback)
  table.insert(self.queue, { task = task, callback = callback })
  self:next_task()
end

-- To be called when nothing runs any more.
function Pool:close()
  self.closed = true
  for _, worker in ipairs(self.idle) do
    worker:disconnect()
  end
end

-- The program ---------------------------------------------------------------------------

local WORKERS, TASKS = tonumber(arg[1]) or 4, tonumber(arg[2]) or 40
local pool = new_pool(arg[0], WORKERS)
local done, failed, primes = 0, 0, 0

local function draw_bar()
  if cp.process.stderr.isTTY then
    local full = 40 * done // TASKS
    local bar = ('='):rep(full) .. ('.'):rep(40 - full)
    local text = '\r[%s] %d/%d, %d workers replaced\27[K%s'
    io.stderr:write(
      text:format(bar, done, TASKS, pool.deaths, done < TASKS and '' or '\n')
    )
  end
end

local function finished(count, problem)
  done = done + 1
  primes = primes + (count or 0)
  failed = failed + (problem and 1 or 0)
  draw_bar()
  if done == TASKS then
    pool:close()
    local text = '%d tasks, %d failed, %d workers replaced, %d primes'
    print(text:format(TASKS, failed, pool.deaths, primes))
  end
end

for i = 1, TASKS do
  local crashes = i == TASKS and ATTEMPTS or i % 10 == 0 and 1 or 0
  pool:run({ first = (i - 1) * RANGE, crashes = crashes }, finished)
end

cp.run()
