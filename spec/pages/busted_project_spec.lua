-- The sample project: its specs are run as its author would run them.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local PROJECT = t.root .. '/examples/busted_project'

-- `busted` in the project's folder, with the module on Lua's paths.
local function busted(...)
  local lua, args = t.lua '/dev/null'
  return cp.execFile(lua, { '/usr/bin/busted', '--ignore-lua', ... }, {
    cwd = PROJECT,
    env = {
      PATH = os.getenv 'PATH',
      HOME = os.getenv 'HOME',
      LUA_PATH = args[3],
      LUA_CPATH = args[4],
    },
  }):wait()
end

describe('examples/busted_project', function()
  it('passes its specs, all of them in one process', function()
    local result = busted('-o', 'TAP')
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.equal('', result.stderr)
    assert.matches('\n1%.%.9\n', result.stdout)
    local _, passed = ('\n' .. result.stdout):gsub('\nok ', '')
    assert.equal(9, passed, result.stdout)
  end)

  it('passes them in any order, again and again', function()
    local result = busted('-o', 'TAP', '--shuffle', '--repeat=3')
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.is_nil(result.stdout:find 'not ok')
  end)

  it('passes them where its spec files share what they have loaded', function()
    local result = busted('-o', 'TAP', '--no-auto-insulate')
    assert.equal(0, result.code, result.stdout .. result.stderr)
    assert.is_nil(result.stdout:find 'not ok')
  end)
end)
