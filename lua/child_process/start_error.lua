--- Why a process could not be started, for people.
local errors = require 'child_process.errors'

local M = {}

-- The interpreter that a script names in its first line.  A name without a slash was
-- looked for in PATH, and found nowhere.
local function interpreter_of(plan)
  local path = plan.file
  if not path:find '/' then
    return nil
  elseif plan.cwd and path:sub(1, 1) ~= '/' then
    path = plan.cwd .. '/' .. path
  end
  local file = io.open(path, 'rb')
  local line = file and file:read(256)
  if file then
    file:close()
  end
  return line and line:match '^#![ \t]*([^ \t\n]+)'
end

--- start_error.new(call, plan, errno, stage) -> error value with Node's fields (`errno`,
-- `code`, `syscall`, `path`, `spawnargs`) and `stage`, the step that failed.
--
-- `path` is what is at fault: a directory that cannot be entered is no missing command,
-- and neither is a script whose interpreter is missing.
-- @param call string: `spawn` or `spawnSync`
-- @param stage string|nil: as the core names it
function M.new(call, plan, errno, stage)
  local err = errors.system(errno, ('%s %s'):format(call, plan.file), {
    path = plan.file,
    spawnargs = table.move(plan.args, 2, #plan.args, 1, {}),
    stage = stage,
  })
  local interpreter = stage == 'exec' and err.code == 'ENOENT' and interpreter_of(plan)
  if stage == 'chdir' then
    err.path = plan.cwd
    err.message = ("%s: cannot enter the directory '%s'"):format(err.message, plan.cwd)
  elseif interpreter then
    err.path = interpreter
    err.message = ("%s: cannot find its interpreter '%s'"):format(
      err.message,
      interpreter
    )
  end
  return err
end

return M
