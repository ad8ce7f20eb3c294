--- The option `pty`: the terminal that a child gets.
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local M = {}

local function refuse(err)
  error(err, 0)
end

--- pty.size(value, name) -> integer: columns or rows; the kernel has 16 bits for each.
-- Raises ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
M.size = checks.integer(1, 65535)

local FIELDS = {
  cols = M.size,
  rows = M.size,
  term = checks.command,
  echo = checks.boolean,
  raw = checks.boolean,
}

--- pty.read(value, name) -> { cols, rows, term, echo, raw } | nil for no terminal.
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE,
-- ERR_FEATURE_UNAVAILABLE_ON_PLATFORM if processes are started by libuv.
function M.read(value, name)
  if value == false then
    return nil
  elseif value ~= true and type(value) ~= 'table' then
    refuse(errors.invalid_arg_type(name, 'one of type boolean or table', value))
  end
  local given = value == true and {} or checks.fields(value, FIELDS, name)
  if core.backend ~= 'linux' then
    refuse(errors.unavailable(name, 'uv_spawn cannot give a child a terminal'))
  end
  local raw, echo = given.raw or false, given.echo
  if echo == nil then
    echo = not raw
  end
  return {
    cols = given.cols or 80,
    rows = given.rows or 24,
    term = given.term or 'xterm-256color',
    echo = echo,
    raw = raw,
  }
end

-- Options for streams that the terminal replaces.
local STREAMS = { 'stdio', 'customFds', 'stdin', 'stdout', 'stderr' }

--- pty.check_others(plan): refuses options that make no sense with a terminal.
-- Raises ERR_INVALID_ARG_VALUE.
function M.check_others(plan)
  if not plan.pty then
    return
  end
  for _, other in ipairs(STREAMS) do
    local value = plan[other]
    if value ~= nil and value ~= core.null then
      local reason = "cannot be given with 'pty', which is all three"
      refuse(errors.invalid_arg_value('options.' .. other, reason, value))
    end
  end
  if plan.pty.raw and plan.input then
    local reason = "cannot be given with 'pty.raw': a raw terminal has no end of input"
    refuse(errors.invalid_arg_value('options.input', reason, plan.input))
  end
end

--- pty.add_term(list, pty) -> list: an array of `NAME=value` with TERM, if there is a
-- terminal and the list does not name it.
function M.add_term(list, pty)
  for _, pair in ipairs(list) do
    if pair:find '^TERM=' then
      return list
    end
  end
  list[#list + 1] = pty and 'TERM=' .. pty.term
  return list
end

return M
