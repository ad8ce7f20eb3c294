--- Programs in a sandbox (spec/host/sandbox.c).
local t = require 'spec.helper'

local M = {}

--- Why programs cannot be run in that sandbox here; nil if they can.
function M.obstacle(words)
  if t.cp.process.platform ~= 'linux' then
    return 'only Linux can refuse its own calls'
  elseif t.cp.spawnSync(t.built 'sandbox', { '--', 'true' }).status ~= 0 then
    return 'no seccomp here'
  elseif t.watched_by() == 'asan' and table.concat(words, ' '):find 'prlimit64' then
    return 'AddressSanitizer does not run there'
  end
end

--- Command and arguments that run a program of ours in a sandbox.
-- @param words table: what sandbox.c takes, such as `close_range=EPERM`
-- @param … as for t.lua
function M.lua(words, ...)
  local exe, args = t.lua(...)
  local all = { table.unpack(words) }
  table.move({ '--', exe, table.unpack(args) }, 1, #args + 2, #all + 1, all)
  return t.built 'sandbox', all
end

--- What a program of ours in a sandbox prints; it must end well and say nothing on
-- stderr.
function M.output(words, ...)
  local command, args = M.lua(words, ...)
  local result = t.cp.execFile(command, args):wait()
  assert(result.ok and result.stderr == '', result.stderr .. tostring(result.error))
  return result.stdout
end

return M
