-- Builds, tests and packs the hello.c in a folder, step by step, and stops at the first
-- step that fails: with what the step said, and why.  A script like this has nothing else
-- to do meanwhile, so it uses the calls that wait.
--
--   build_steps.lua FOLDER
local cp = require 'child_process'

local options = { cwd = arg[1], timeout = 60000 } -- a step that hangs fails, too

local steps = {
  { 'compile', 'cc', '-o', 'hello', 'hello.c' },
  { 'test', './hello', 'test' },
  { 'pack', 'tar', '-cf', 'hello.tar', 'hello' },
}

-- nil if the step has succeeded
local function why(result)
  if result.error then
    return result.error.message -- it could not be started, or took too long
  elseif result.signal then
    return 'ended by ' .. result.signal
  end
  return result.status ~= 0 and 'exit code ' .. result.status or nil
end

for _, step in ipairs(steps) do
  local result = cp.spawnSync(step[2], { table.unpack(step, 3) }, options)
  local problem = why(result)
  print(('%-8s %s'):format(step[1], problem or 'ok'))
  if problem then
    io.stderr:write(result.stdout or '', result.stderr or '')
    os.exit(1, true)
  end
end

-- execSync raises when the command fails
print('packed: ' .. cp.execSync('wc -c < hello.tar', options):gsub('%s', '') .. ' bytes')
