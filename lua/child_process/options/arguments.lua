--- Sorts out the forms in which the seven calls take their arguments.
--
-- A table that is empty or has only the keys 1 to n is an array of arguments; one with
-- string keys has options.  Errors say what to write instead.
local checks = require 'child_process.options.checks'
local errors = require 'child_process.errors'

local M = {}

local function refuse(err)
  error(err, 0)
end

-- The first argument's name in messages.
local FIRST = { exec = 'command', execSync = 'command', fork = 'modulePath' }

-- Advice --------------------------------------------------------------------------------

-- `cp.spawn('ls', { '-l' })`
local function example(call, file, argument)
  local text = argument and 'cp.%s(%s, { %s })' or 'cp.%s(%s)'
  return text:format(call, errors.inspect(file), argument and errors.inspect(argument))
end

-- A command line in a table, as other libraries have it.
local function instead_of_table(call, value)
  local file, argument = rawget(value, 1), rawget(value, 2)
  if type(file) ~= 'string' then
    return nil
  end
  local other = call:gsub('^exec$', 'execFile'):gsub('^execSync$', 'execFileSync')
  return 'write ' .. example(other, file, type(argument) == 'string' and argument)
end

local function instead_of_callback(call)
  return call:find 'Sync$' and call .. ' takes no callback: it returns the result'
    or call .. " takes no callback: listen for 'close', or use cp.execFile"
end

-- For a value in the place of the arguments or of the options.
local function instead(call, file, value)
  if type(value) == 'string' then
    return 'write ' .. example(call, file, value)
  elseif type(value) == 'function' then
    return instead_of_callback(call)
  end
end

-- Single arguments ----------------------------------------------------------------------

local function check_first(call, value)
  local name = FIRST[call] or 'file'
  if type(value) == 'table' then
    local advice = instead_of_table(call, value)
    refuse(errors.invalid_arg_type(name, 'of type string', value, advice))
  end
  checks.command(value, name)
end

local function check_options(call, file, value)
  if value == nil then
    return {}
  elseif type(value) ~= 'table' then
    local advice = type(value) == 'function' and instead_of_callback(call) or nil
    refuse(errors.invalid_arg_type('options', 'of type table', value, advice))
  end
  local _, positions, others = checks.count_keys(value)
  if positions + others > 0 then
    local advice = FIRST[call] == 'command' and instead_of_table(call, { file, value[1] })
    local expected = 'of type table, with string keys'
    refuse(errors.invalid_arg_type('options', expected, value, advice or nil))
  end
  return value
end

-- Node ignores anything after the callback, but options there are surely meant to count.
local function check_callback(call, callback, after)
  if callback ~= nil and type(callback) ~= 'function' then
    refuse(errors.invalid_arg_type('callback', 'of type function', callback))
  elseif callback and type(after) == 'table' then
    local form = call == 'exec' and 'command' or 'file, args'
    local text = 'The "options" argument must stand before the callback: '
      .. ('cp.%s(%s, options, callback)'):format(call, form)
    refuse(errors.new('TypeError', 'ERR_INVALID_ARG_TYPE', text))
  end
  return callback
end

-- True for a table of options, false for an array of arguments.
local function is_options(call, value)
  local named, positions, others = checks.count_keys(value)
  if others > 0 or named > 0 and positions > 0 then
    local expected = 'an array of arguments or a table of options, not both'
    local advice = ('write cp.%s(%s, args, options)'):format(call, FIRST[call] or 'file')
    refuse(errors.invalid_arg_type('args', expected, value, advice))
  end
  return named > 0
end

-- Sorts `args, options` out -> array, options table, true if the first was the options.
local function sort_out(call, file, args, opts)
  if args == nil then
    return {}, opts, false
  elseif type(args) ~= 'table' then
    local advice = instead(call, file, args)
    refuse(errors.invalid_arg_type('args', 'of type table', args, advice))
  elseif is_options(call, args) then
    return {}, args, true
  end
  return args, opts, false
end

-- The forms -----------------------------------------------------------------------------

--- arguments.shuffle(call, file [, args] [, opts]) -> file, args, opts: the form of
-- spawn, fork, spawnSync and execFileSync, and with `args` nil of execSync.  A table of
-- options instead of the arguments ends the list: anything after it is ignored, as in
-- Node.
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
function M.shuffle(call, file, args, opts)
  check_first(call, file)
  args, opts = sort_out(call, file, args, opts)
  return file, args, check_options(call, file, opts)
end

--- arguments.shuffle_exec_file(file [, args] [, opts] [, callback]) -> file, args, opts,
-- callback.  Raises as `shuffle`.
function M.shuffle_exec_file(file, args, opts, callback, after)
  check_first('execFile', file)
  if type(args) == 'function' then
    return file, {}, {}, check_callback('execFile', args, opts)
  end
  local was_options
  local second = opts
  args, opts, was_options = sort_out('execFile', file, args, opts)
  if was_options then
    callback, after = second or callback, second and callback
  elseif type(opts) == 'function' then
    opts, callback, after = nil, opts, callback
  end
  opts = check_options('execFile', file, opts)
  return file, args, opts, check_callback('execFile', callback, after)
end

--- arguments.shuffle_exec(command [, opts] [, callback]) -> command, opts, callback.
-- Raises as `shuffle`.
function M.shuffle_exec(command, opts, callback, after)
  check_first('exec', command)
  if type(opts) == 'function' then
    opts, callback, after = nil, opts, callback
  end
  opts = check_options('exec', command, opts)
  return command, opts, check_callback('exec', callback, after)
end

return M
