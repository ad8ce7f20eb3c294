-- The picture of the layers in CONTRIBUTING.md against the sources.  In its blocks
-- ```layers lua and ```layers c a unit stands above all that it uses; in its blocks
-- ```arrows lua and ```arrows c a line `child -> fd handle` names all that one unit uses
-- of the project: a Lua module, or a C file together with its header.
local lfs = require 'lfs'

local root = lfs.currentdir()

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read 'a'
end

local function words(text)
  local list = {}
  for word in text:gmatch '%S+' do
    list[#list + 1] = word
  end
  table.sort(list)
  return list
end

-- unit -> the sorted list of what it may use
local function picture(language)
  local text = slurp(root .. '/CONTRIBUTING.md')
  local block = text:match('```arrows ' .. language .. '\n(.-)\n```')
  assert(block, 'no block of arrows for ' .. language)
  local arrows = {}
  for line in block:gmatch '[^\n]+' do
    local from, to = line:match '^(%S+)%s*%->(.*)$'
    assert(from and not arrows[from], 'not an arrow, or twice: ' .. line)
    arrows[from] = words(to)
  end
  return arrows
end

-- unit -> the number of its line, from the top.  A line that begins with spaces goes on
-- with the one above.
local function layers(language)
  local text = slurp(root .. '/CONTRIBUTING.md')
  local block = text:match('```layers ' .. language .. '\n(.-)\n```')
  assert(block, 'no block of layers for ' .. language)
  local line_of, number = {}, 0
  for line in block:gmatch '[^\n]+' do
    number = line:sub(1, 1) == ' ' and number or number + 1
    for unit in line:gmatch '%S+' do
      assert(not line_of[unit], unit .. ' stands there twice')
      line_of[unit] = number
    end
  end
  return line_of
end

local function files(folder, pattern, prefix, found)
  found = found or {}
  for name in lfs.dir(folder) do
    local path = folder .. '/' .. name
    if lfs.attributes(path, 'mode') == 'directory' and name:sub(1, 1) ~= '.' then
      files(path, pattern, (prefix or '') .. name .. '/', found)
    elseif name:find(pattern) then
      found[path] = (prefix or '') .. name:match '^(.*)%.%w+$'
    end
  end
  return found
end

-- The same from the sources; `uses` finds the names in a text.
local function sources(folder, pattern, uses)
  local sets = {}
  for path, unit in pairs(files(folder, pattern)) do
    sets[unit] = sets[unit] or {}
    for name in slurp(path):gmatch(uses) do
      sets[unit][name:gsub('%.', '/')] = unit ~= name or nil
    end
  end
  local arrows = {}
  for unit, set in pairs(sets) do
    arrows[unit] = {}
    for name in pairs(set) do
      table.insert(arrows[unit], name)
    end
    table.sort(arrows[unit])
  end
  return arrows
end

local function lua_sources()
  local uses = "\nlocal [%w_]+ = [%w_.]+ 'child_process%.([%w_.]+)'"
  return sources(root .. '/lua/child_process', '%.lua$', uses)
end

local function c_sources()
  return sources(root .. '/csrc', '%.[ch]$', '\n#include "([%w_/]+)%.h"')
end

local function describe_cycle(arrows)
  local state = {}
  local function visit(unit, trail)
    if state[unit] == 'done' then
      return nil
    elseif state[unit] then
      return trail .. ' -> ' .. unit
    end
    state[unit] = 'open'
    for _, other in ipairs(arrows[unit] or {}) do
      local cycle = visit(other, trail .. ' -> ' .. unit)
      if cycle then
        return cycle
      end
    end
    state[unit] = 'done'
  end
  for unit in pairs(arrows) do
    local cycle = visit(unit, '')
    if cycle then
      return cycle
    end
  end
end

-- One line for each unit whose arrows differ.
local function differences(drawn, real)
  local lines, units = {}, {}
  for unit in pairs(drawn) do
    units[unit] = true
  end
  for unit in pairs(real) do
    units[unit] = true
  end
  for unit in pairs(units) do
    local in_picture = drawn[unit] and table.concat(drawn[unit], ' ') or 'nothing drawn'
    local in_source = real[unit] and table.concat(real[unit], ' ') or 'no such file'
    if in_picture ~= in_source then
      lines[#lines + 1] = ('%s -> %s (picture: %s)'):format(unit, in_source, in_picture)
    end
  end
  table.sort(lines)
  return table.concat(lines, '\n')
end

describe('the picture in CONTRIBUTING.md', function()
  it('shows what each Lua module requires, and no more', function()
    assert.equal('', differences(picture 'lua', lua_sources()))
  end)

  it('shows what each C file includes, and no more', function()
    assert.equal('', differences(picture 'c', c_sources()))
  end)

  it('has each unit on one line, and all that it uses below', function()
    for language, real in pairs { lua = lua_sources(), c = c_sources() } do
      local line_of, wrong = layers(language), {}
      for unit, uses in pairs(real) do
        for _, other in ipairs(uses) do
          local is_below = line_of[unit] and (line_of[other] or 0) > line_of[unit]
          if real[other] and not is_below then
            wrong[#wrong + 1] = ('%s -> %s'):format(unit, other)
          end
        end
      end
      for unit in pairs(line_of) do
        assert.is_truthy(real[unit], unit .. ' is in the picture only')
      end
      assert.same({}, wrong)
    end
  end)

  it('has no cycle', function()
    assert.is_nil(describe_cycle(lua_sources()))
    assert.is_nil(describe_cycle(c_sources()))
  end)
end)

-- A class is one file, or one with the folder of its name.
local function class_of(unit)
  return unit:match '^([^/]+)/' or unit
end

local function without_comments(text)
  return (text:gsub('%-%-[^\n]*', ''))
end

describe('a private field', function()
  it('is touched by the files of one class only', function()
    local users = {}
    for path, unit in pairs(files(root .. '/lua/child_process', '%.lua$')) do
      for name in without_comments(slurp(path)):gmatch '[%.:](_%a[%w_]*)' do
        users[name] = users[name] or {}
        users[name][class_of(unit)] = true
      end
    end
    for name, classes in pairs(users) do
      local list = {}
      for class in pairs(classes) do
        list[#list + 1] = class
      end
      assert(#list == 1, ('%s is touched by %s'):format(name, table.concat(list, ', ')))
    end
    assert.same({ stream = true }, users._handle)
  end)
end)

describe('the sources', function()
  it('require at the top of a file only', function()
    for path in pairs(files(root .. '/lua', '%.lua$')) do
      for line in slurp(path):gmatch '[^\n]+' do
        local is_text = line:find '^%s*%-%-' or line:find '^local %u+ = "'
        local is_code = line:find 'require' and not is_text
        local plain = line:find "^local [%w_]+ = require '[%w_.]+'$"
        local ours = line == 'local require = lazy.require'
        local allowed = plain or ours or path:find '/lazy%.lua$'
        assert.is_true(allowed ~= nil or not is_code, path .. ': ' .. line)
      end
    end
  end)

  it('of C name their licence on one line of the comment at the top', function()
    local folders =
      { 'csrc', 'cmake', 'spec/host', 'spec/fuzz', 'bench', 'examples/host' }
    for _, folder in ipairs(folders) do
      for path in pairs(files(root .. '/' .. folder, '%.[ch]$')) do
        local comment = slurp(path):match '^/%*.-%*/'
        assert.truthy(
          comment and comment:find 'SPDX%-License%-Identifier: MIT %*/$',
          path
        )
      end
    end
  end)

  it('include no C file', function()
    for path in pairs(files(root .. '/csrc', '%.[ch]$')) do
      assert.is_nil(slurp(path):find '#include "[^"]*%.c"', path)
    end
  end)

  it(
    'below csrc/os know no Lua, and no libuv but where uv_spawn starts processes',
    function()
      for path, unit in pairs(files(root .. '/csrc/os', '%.[ch]$')) do
        local text = slurp(path)
        assert.is_nil(text:find '#include <lua', path)
        assert.is_nil(text:find '#include <lauxlib', path)
        assert.is_true(unit == 'spawn_uv' or not text:find '#include <uv', path)
      end
    end
  )
end)

-- A function that has gone would keep its excuse, and hide the next one of its name.
describe('a reason for lines that no spec reaches', function()
  it('is given for a function that its file has', function()
    for name, reasons in pairs(dofile(root .. '/spec/support/unreached.lua')) do
      local text = without_comments(slurp(root .. '/' .. name))
      for full in pairs(reasons) do
        local own = full:match '[%w_]+$'
        local found = name:find '%.lua$'
            and text:find('function [%w_.:]-' .. own .. '%s*%(')
          or text:find('%f[%w_]' .. own .. '%s*%b()%s*{')
        assert(found, name .. ' has no function ' .. full)
      end
    end
  end)
end)
