-- The names that the module and the static library show to the program around them, which
-- has names of its own.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- What child_process.h declares: name -> true.
local function declared()
  local names = {}
  for name in
    t.slurp(t.root .. '/csrc/child_process.h'):gmatch '\nLCP_API [%w_ ]-([%w_]+)%('
  do
    names[name] = true
  end
  assert.is_true(names.luaopen_child_process and names.lcp_set_loop)
  return names
end

-- Names that a tool prints, one a line; those of the sanitizers, gcov's own and those of
-- musl's start files aside.
local function names(command)
  local set = {}
  local options = { env = { BUILD = t.build, PATH = cp.process.env.PATH, LC_ALL = 'C' } }
  for name in cp.execSync(command, options):gmatch '[^\n]+' do
    local is_gcov = name:find '^__gcov' or name == 'mangle_path'
    local is_start = name == '_init' or name == '_fini'
    if not is_gcov and not is_start and not name:find '^__odr_asan' then
      set[name] = true
    end
  end
  return set
end

describe('core.so', function()
  it('exports what child_process.h declares, and no more', function()
    local expected = declared()
    expected.luaopen_child_process = nil -- needs the Lua files inside
    local command =
      [[nm -D --defined-only "$BUILD/child_process/core.so" | cut -d ' ' -f 3]]
    assert.same(expected, names(command))
  end)
end)

describe('libchild_process.a', function()
  it('exports what child_process.h declares, and no more', function()
    local command = [[readelf -sW "$BUILD/libchild_process.a" |
      awk '$5 == "GLOBAL" && $6 == "DEFAULT" && $7 != "UND" { print $8 }']]
    assert.same(declared(), names(command))
  end)

  it('has no global name that a host program could have, too', function()
    for name in
      pairs(names [[nm -g --defined-only "$BUILD/libchild_process.a" |
      awk 'NF == 3 { print $3 }']])
    do
      assert.is_true(name:find '^lcp_' ~= nil or declared()[name] ~= nil, name)
    end
  end)
end)
