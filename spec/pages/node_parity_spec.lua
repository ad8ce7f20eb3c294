--- docs/node-parity.md names for each point the specs that prove it: `some_spec` "title"
-- "title".  The specs are loaded here, without being run, to see that these are there.
local t = require 'spec.helper'

local DOCUMENT = 'docs/node-parity.md'
local TITLE = '“([^”]+)”'

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read 'a'
end

local function nothing() end

-- What a spec file needs to be loaded: its tests tell their titles only.
local function environment(titles)
  local env = {}
  local function take(title)
    -- without a Node its tests are pending, and say why behind the title
    titles[title:gsub(' %(there is no node here%)$', ''):gsub(' #slow$', '')] = true
  end
  function env.describe(_, body)
    body()
  end
  env.context, env.insulate, env.expose = env.describe, env.describe, env.describe
  env.it, env.pending = take, take
  for _, name in ipairs { 'setup', 'teardown', 'before_each', 'after_each', 'finally' } do
    env[name] = nothing
    env['lazy_' .. name] = nothing
  end
  return setmetatable(env, { __index = _G })
end

local titles_of = {}

-- The set of titles in a spec file; nil if there is no such file.
local function titles(spec)
  local path = t.spec_file(spec)
  if titles_of[spec] == nil and path then
    local found = {}
    local chunk = assert(loadfile(path, 't', environment(found)))
    chunk()
    titles_of[spec] = found
  end
  return titles_of[spec]
end

-- Each spec that a text names, with the titles that follow it.
local function references(text)
  local list, at = {}, 1
  while true do
    local spec_at, spec_end, spec = text:find('`([%w_]+_spec)`', at)
    local title_at, title_end, title = text:find(TITLE, at)
    if spec_at and spec_at < (title_at or math.huge) then
      list[#list + 1] = { spec = spec, titles = {} }
      at = spec_end + 1
    elseif title_at and #list > 0 then
      table.insert(list[#list].titles, title)
      at = title_end + 1
    else
      return list
    end
  end
end

-- The rows of all tables: number of the line, and its cells.
local function rows()
  local list, number = {}, 0
  for line in slurp(DOCUMENT):gmatch '([^\n]*)\n' do
    number = number + 1
    local cells = {}
    for cell in line:gmatch '|([^|]*)%f[|]' do
      cells[#cells + 1] = cell:match '^%s*(.-)%s*$'
    end
    local is_head = cells[1] and (cells[1]:find '^%-+$' or cells[#cells] == 'shown by')
    if cells[1] and not is_head then
      list[#list + 1] = { number = number, cells = cells }
    end
  end
  return list
end

local function wrong_references(row)
  local wrong = {}
  local function complain(text, ...)
    wrong[#wrong + 1] = ('  line %d: ' .. text):format(row.number, ...)
  end
  for _, reference in ipairs(references(row.cells[#row.cells])) do
    local known = titles(reference.spec)
    if not known or #reference.titles == 0 then
      complain(known and '%s without a title' or 'no %s', reference.spec)
    end
    for _, title in ipairs(reference.titles) do
      if known and not known[title] then
        complain('%s has no “%s”', reference.spec, title)
      end
    end
  end
  return wrong
end

describe('docs/node-parity.md', function()
  it('names specs that are there', function()
    local wrong = {}
    for _, row in ipairs(rows()) do
      table.move(wrong_references(row), 1, 1000, #wrong + 1, wrong)
    end
    assert(#wrong == 0, '\n' .. table.concat(wrong, '\n'))
  end)

  it('has a proof for each point that is not of Windows alone', function()
    local bare = {}
    local all = rows()
    assert(#all > 100, 'no tables')
    for _, row in ipairs(all) do
      local is_bare = #references(row.cells[#row.cells]) == 0
      if is_bare and row.cells[2] ~= 'Windows only' then
        bare[#bare + 1] = ('  line %d: %s'):format(row.number, row.cells[1])
      end
    end
    assert(#bare == 0, '\n' .. table.concat(bare, '\n'))
  end)
end)
