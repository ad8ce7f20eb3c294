--- Explains to people why a process could not be started.
local errors = require 'child_process.errors'

local M = {}

local OUT_OF_DESCRIPTORS = { EMFILE = true, ENFILE = true }

-- The first line of the file at a path; nil if there is none, and for a name without a
-- slash, which was searched for in PATH.
local function first_line(plan, path)
  if not path:find '/' then
    return nil
  elseif plan.cwd and path:sub(1, 1) ~= '/' then
    path = plan.cwd .. '/' .. path
  end
  local file <close> = io.open(path, 'rb')
  return file and (file:read(256) or '')
end

-- The interpreter that a script names in its first line.
local function interpreter_of(plan)
  local line = first_line(plan, plan.file)
  return line and line:match '^#![ \t]*([^ \t\n]+)'
end

-- For a whole command line instead of a program, `cp.spawn 'ls -l'`: what to do instead.
-- A path whose first word is not a file was meant as a path.
local function advice(plan)
  local words = {}
  for word in plan.file:gmatch '%S+' do
    words[#words + 1] = errors.inspect(word)
  end
  local first = plan.file:match '%S+'
  if #words < 2 or first:find '/' and not first_line(plan, first) then
    return ''
  end
  local text = ': there is no program %s; pass its arguments in a table: %s, { %s }, '
    .. 'or the whole line to cp.exec'
  local arguments = table.concat(words, ', ', 2)
  return text:format(errors.inspect(plan.file), words[1], arguments)
end

--- start_error.new(call, plan, errno, stage, file) -> error value with Node's fields
-- (`errno`, `code`, `syscall`, `path`, `spawnargs`) and `stage`, the step that failed.
--
-- `path` is the culprit: a directory that cannot be entered, a file that cannot be
-- opened, or a script's missing interpreter, and not always the command.
-- @param call string: `spawn` or `spawnSync`
-- @param stage string|nil: the core's name for it
-- @param file string|nil: the one in `stdio` that could not be opened
function M.new(call, plan, errno, stage, file)
  local err = errors.system(errno, ('%s %s'):format(call, plan.file), {
    path = plan.file,
    spawnargs = table.move(plan.args, 2, #plan.args, 1, {}),
    stage = stage,
  })
  local interpreter = stage == 'exec' and err.code == 'ENOENT' and interpreter_of(plan)
  local why
  if stage == 'chdir' then
    err.path, why = plan.cwd, 'cannot enter the directory'
  elseif stage == 'cgroup' then
    err.path, why = plan.cgroup, 'cannot start it in the cgroup'
  elseif file then
    err.path, why = file, 'cannot open the file'
  elseif stage == 'stdio' and plan.pty and not OUT_OF_DESCRIPTORS[err.code] then
    err.path, why = '/dev/ptmx', 'cannot open a terminal'
  elseif interpreter then
    err.path, why = interpreter, 'cannot find its interpreter'
  elseif stage == 'exec' and err.code == 'ENOENT' then
    err.message = err.message .. advice(plan)
  end
  if why then
    err.message = ("%s: %s '%s'"):format(err.message, why, errors.escaped(err.path))
  end
  return err
end

return M
