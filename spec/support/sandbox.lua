--- Programs in a sandbox (spec/host/sandbox.c).
local assert = require 'luassert'
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

--- Runs a spec in a sandbox, in a process of its own; it must succeed.
-- @param setting string|nil: for its environment, such as 'NAME=value'
function M.run_spec(words, name, setting)
  local args = { setting or '--', t.built 'sandbox', table.unpack(words) }
  for _, arg in ipairs {
    '--',
    t.lua_exe,
    '/usr/bin/busted',
    '--ignore-lua',
    '--lpath=' .. package.path,
    '--cpath=' .. package.cpath,
    '-o',
    'plainTerminal',
    assert(t.spec_file(name .. '_spec')),
  } do
    args[#args + 1] = arg
  end
  local child = t.cp.spawn('env', args)
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(code, signal)
    local said = out() .. err()
    assert.is_nil(signal, said)
    assert.equal(0, code, said)
    assert.truthy(said:find ' 0 failures / 0 errors', said)
  end)
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
