--- A real Node as the other end of a channel.
local assert = require 'luassert'
local t = require 'spec.helper'
local cp = t.cp

local M = {}

local has_node = os.execute 'node --version >/dev/null 2>&1'

--- `local it = node.wrap(it, pending)`: as that of the helper; without a node the test is
-- pending.
function M.wrap(it, pending)
  return has_node and t.wrap(it)
    or function(title)
      pending(title .. ' (there is no node here)')
    end
end

--- Writes a program for Node; returns its path.
function M.script(code)
  return t.write_file(t.tmpdir() .. '/program.js', code)
end

--- Forks a Node that runs `code`, and ends with 0.
function M.child(code, options)
  options = options or {}
  options.execPath = 'node'
  local child = cp.fork(M.script(code), {}, options)
  t.once(child, 'close', function(exit_code, signal)
    assert.same({ 0, nil }, { exit_code, signal })
  end)
  return child
end

--- The environment in which a plain Lua finds the module that is being tested.
function M.lua_env()
  local env = {}
  for name, value in pairs(cp.process.env) do
    env[name] = value
  end
  env.LUA_PATH_5_4, env.LUA_CPATH_5_4 = t.module_paths()
  return env
end

--- Runs a Node that forks `lua` (the text of a program); its `code` has `child` and
-- `options`; check(stdout) at the end.
function M.parent(lua, code, check, serialization)
  local script = t.write_file(t.tmpdir() .. '/program.lua', lua)
  local head = [[
    const assert = require('assert'), net = require('net')
    const { fork } = require('child_process')
    const [script, lua, serialization] = process.argv.slice(2)
    const child = fork(script, ['a', 'b c'], { execPath: lua, serialization })
    // 'close' may never come
    child.on('exit', (code, signal) => console.log('exit', code, signal))
  ]]
  local args = { M.script(head .. code), script, t.lua_exe, serialization or 'json' }
  local parent = cp.spawn('node', args, { env = M.lua_env() })
  local out, err = t.collect(parent.stdout), t.collect(parent.stderr)
  t.once(parent, 'close', function(exit_code)
    assert.equal('', err())
    assert.equal(0, exit_code)
    check(out())
  end)
end

return M
