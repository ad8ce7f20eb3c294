--- cp.map: a function or a command for each item of a list, so many at a time.
--
-- Coroutines, as many as the limit, take one item after the other.
local await = require 'child_process.await'
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local limits = require 'child_process.limit'
local loop = require 'child_process.loop'
local scopes = require 'child_process.scope'
local several = require 'child_process.options.several'

local M = {}

local get_traceback = debug.traceback

local WHAT = 'cp.map()'

local function refuse(err)
  error(err, 0)
end

-- Arguments -----------------------------------------------------------------------------

local function copy_list(list)
  local _, count = checks.array(list, 'list')
  local copy = {}
  for i = 1, count do
    copy[i] = rawget(list, i)
    if copy[i] == nil then
      refuse(errors.invalid_arg_type('list', 'an array without holes', list))
    end
  end
  return copy
end

local function boolean(value, name)
  return value ~= nil and checks.boolean(value, name) or false
end

local whole = checks.integer(0, math.maxinteger)

local function read_settings(opts)
  return {
    limit = opts.limit == nil and core.processors()
      or limits.check(opts.limit, 'options.limit'),
    retries = opts.retries == nil and 0 or whole(opts.retries, 'options.retries'),
    delay = opts.delay == nil and 0 or checks.milliseconds(opts.delay, 'options.delay'),
    stops = boolean(opts.stopOnError, 'options.stopOnError'),
  }
end

-- Commands ------------------------------------------------------------------------------

-- As in arguments of cp.spawn, numbers become text.
local function word(value, name)
  return checks.text(math.type(value) and tostring(value) or value, name)
end

local function copy_words(words)
  local _, count = checks.array(words, 'words')
  if count == 0 then
    refuse(errors.invalid_arg_value('words', 'cannot be empty', words))
  end
  local copy = {}
  for i = 1, count do
    copy[i] = word(rawget(words, i), ('words[%d]'):format(i))
  end
  checks.command(copy[1], 'words[1]')
  return copy
end

-- The words of one command, with the item where `{}` is, or behind them.
local function insert_item(words, item)
  local line, found = {}, 0
  for i, text in ipairs(words) do
    local count
    line[i], count = text:gsub('{}', function()
      return item
    end)
    found = found + count
  end
  if found == 0 then
    line[#line + 1] = item
  end
  return line
end

-- A program that reads its stdin would wait for an end that never comes.
local function with_stdin(opts)
  local is_given = opts.stdin ~= nil
    or opts.stdio ~= nil
    or opts.customFds ~= nil
    or opts.input ~= nil
    or opts.pty
  if not is_given then
    opts.stdin = 'ignore'
  end
  return opts
end

-- A command that runs: `scope`, `child`; `result`, when it has closed.  If its coroutine
-- is closed it is ended as by the scope, which then does not do so again.
local Command = {}

function Command:__close()
  if self.child and not self.result then
    scopes.terminate(self.scope, self.child)
  end
end

-- The function for the items of `list`, which become text.
local function to_function(words, list, opts, scope)
  words = copy_words(words)
  for i, item in ipairs(list) do
    list[i] = word(item, ('list[%d]'):format(i))
  end
  return function(item)
    local line = insert_item(words, item)
    local args = table.move(line, 2, #line, 1, {})
    local command <close> = setmetatable({ scope = scope }, Command)
    command.child = scope:spawn(line[1], args, opts)
    command.result = command.child:wait()
    scopes.forget(scope, command.child)
    return command.result
  end
end

-- One item ------------------------------------------------------------------------------

local function with_traceback(err)
  if errors.is_error(err) then
    err.traceback = err.traceback or get_traceback(nil, 2)
  end
  return err
end

local function is_failed(value)
  return type(value) == 'table' and rawget(value, 'ok') == false
end

-- Nobody wants a second attempt at what an AbortSignal has stopped.
local function is_final(value)
  return type(value) == 'table' and rawget(value, 'reason') == 'abort'
end

-- -> true, result | false, what it failed with
local function attempt(job, i)
  for left = job.retries, 0, -1 do
    local ok, value = xpcall(job.fn, with_traceback, job.list[i], i)
    if ok and not is_failed(value) then
      return true, value
    elseif left == 0 or is_final(value) then
      return false, value
    elseif job.delay > 0 then
      await.sleep(WHAT, job.delay)
    end
  end
end

local function note_failure(job, i, value)
  job.errors[i] = value == nil and 'nil' or value
  if job.stops and not job.stopped then
    job.stopped = { value }
  end
end

-- The crew ------------------------------------------------------------------------------

local function do_nothing() end

-- A coroutine of the crew: `job`; `item`, the number of the one in progress, or nil.
local Member = {}

-- Also where its coroutine is closed from outside: that ends the item, not the call, and
-- another coroutine takes its place.
function Member:__close(err)
  local job, i = self.job, self.item
  if i then
    local text = ('the coroutine of item %d was closed'):format(i)
    note_failure(job, i, err or errors.new('Error', 'ECANCELED', text))
  end
  job.active = job.active - 1
  job.wake()
end

local function work(job)
  local member <close> = setmetatable({ job = job }, Member)
  while job.next <= #job.list and not job.stopped do
    local i = job.next
    job.next, member.item = i + 1, i
    local ok, value = attempt(job, i)
    member.item = nil
    if ok then
      job.results[i] = value
    else
      note_failure(job, i, value)
    end
  end
end

-- The coroutines of one call.  Those that still run when it ends are closed: their
-- to-be-closed variables end what they have begun.
local Crew = {}

local function dismiss(thread)
  if coroutine.status(thread) == 'suspended' then
    local ok, err = coroutine.close(thread)
    if not ok then
      loop.nextTick(error, err, 0)
    end
  end
end

function Crew:__close()
  self.job.next, self.job.wake = math.huge, do_nothing -- nothing more begins
  for _, thread in ipairs(self) do
    -- one that has itself closed the coroutine of the call is at work until it waits
    if coroutine.status(thread) == 'suspended' then
      dismiss(thread)
    else
      loop.nextTick(dismiss, thread)
    end
  end
end

local function has_place(job)
  return job.active < job.limit and job.next <= #job.list and not job.stopped
end

local function is_done(job)
  return job.stopped ~= nil or job.active == 0 and job.next > #job.list
end

local function fill(job, crew)
  while has_place(job) do
    job.active = job.active + 1
    crew[#crew + 1] = await.async(work, job)
  end
end

local function run(job)
  local crew <close> = setmetatable({ job = job }, Crew)
  job.wake = do_nothing
  fill(job, crew)
  while not is_done(job) do
    local came = await.await(WHAT, function()
      return is_done(job) or has_place(job)
    end, function(registrations)
      job.wake = registrations.wake
    end)
    if not came then
      refuse(await.never(WHAT))
    end
    fill(job, crew)
  end
end

local function check_options(opts, is_command)
  if opts == nil then
    return {}, {}
  end
  return several.check_map(opts, is_command)
end

--- cp.map(list, fn [, options]) -> results, errors: calls `fn(item, index)` for each item
-- of an array, in coroutines, and waits until all calls have returned.  `results` has
-- what they return, in the order of the list.
--
-- cp.map(list, words [, options]) runs a command instead, without a shell: an array of
-- words, in which `{}` is the item; if no word has it, the item is appended.  The results
-- are those of child:wait().
--
-- What a call raises is in `errors[i]`, as is a result with `ok == false`, and
-- `results[i]` is nil.
--
-- @param options table: `limit`, how many at a time (default
--   cp.availableParallelism(); math.huge for all); `retries` (0): how often a failed item
--   is tried again; `delay` (0): ms before that; `stopOnError`: the first failure is
--   raised, unchanged, and nothing more begins: commands are ended and reaped, as by a
--   scope, and coroutines closed.  All others are options of cp.spawn for each command,
--   where `stdin` is 'ignore' by default.
-- Waits as child:wait() does.  Raises on a wrong argument, before anything has begun, and
-- ERR_WOULD_BLOCK.
function M.map(list, what, opts)
  list = copy_list(list)
  local is_command = type(what) == 'table'
  if not is_command and type(what) ~= 'function' then
    refuse(errors.invalid_arg_type('fn', 'a function or an array of words', what))
  end
  local own, others = check_options(opts, is_command)
  local job = read_settings(own)
  local scope <close> = scopes.new()
  job.list, job.next, job.active = list, 1, 0
  job.fn = is_command and to_function(what, list, with_stdin(others), scope) or what
  job.results, job.errors = {}, {}
  await.check(WHAT)
  run(job)
  if job.stopped then
    error(job.stopped[1], 0)
  end
  return job.results, job.errors
end

return M
