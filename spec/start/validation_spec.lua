--- What the seven calls refuse, at once and by name, with nothing started; and what they
-- take.  The refusals are a table: spec/support/refusals.lua.
local node = require 'spec.support.node'
local refusals = require 'spec.support.refusals'
local t = require 'spec.helper'
local cp = t.cp
local node_it = node.wrap(it, pending)
local it = t.wrap(it)

local cases = refusals.cases()

-- Everything that is not as it should be, at once.
local function report(list)
  if #list > 0 then
    error(('%d of them:\n%s'):format(#list, table.concat(list, '\n')), 0)
  end
end

local function tell(case, got, wanted)
  return ('  %s\n    %s\n    instead of %s'):format(case.title, got, wanted)
end

-- The cases of one call and one place together, in the order of the table.
local function groups()
  local list, known = {}, {}
  for _, case in ipairs(cases) do
    local key = case.call .. ' ' .. case.place
    if not known[key] then
      known[key] = { call = case.call, place = case.place, cases = {} }
      list[#list + 1] = known[key]
    end
    table.insert(known[key].cases, case)
  end
  return list
end

local function text(err)
  if type(err) ~= 'table' then
    return tostring(err)
  end
  return ('%s %s: %s'):format(err.name, err.code, err.message)
end

-- nil if the call refuses as it should
local function refusal(case)
  local ok, err = pcall(cp[case.call], table.unpack(case.arguments, 1, 4))
  local got, wanted = ok and 'taken' or text(err), text(case.error)
  return got ~= wanted and tell(case, got, wanted) or nil
end

for _, group in ipairs(groups()) do
  describe('cp.' .. group.call, function()
    it('refuses a wrong ' .. group.place, function()
      local wrong = {}
      for _, case in ipairs(group.cases) do
        wrong[#wrong + 1] = refusal(case)
      end
      report(wrong)
      assert.same({}, t.children())
    end)
  end)
end

describe('the table of refusals', function()
  -- nil if Node says what the table says that it says
  local function difference(case, result, version)
    local of_node = case.node
    if of_node.since and version < of_node.since then
      return nil
    end
    local wanted = of_node.takes and 'taken' or of_node.says or case.error.code
    local got = result == 'taken' and result or result.code
    if got == wanted and not (of_node.takes or of_node.says) then
      wanted = text { name = case.error.name, code = wanted, message = case.node_message }
      got = text(result)
      if of_node.words or version < (of_node.words_since or 0) then
        got, wanted = result.name, case.error.name
      end
    end
    return got ~= wanted and tell(case, got, wanted) or nil
  end

  node_it('is what Node itself says, where it gives no reason to differ', function()
    local child = node.child(refusals.node_program(cases), { silent = true })
    t.once(child, 'message', function(answer)
      local version = tonumber(answer.version:match '^%d+')
      local wrong = {}
      assert.equal(#cases, #answer.results)
      for i, case in ipairs(cases) do
        wrong[#wrong + 1] = difference(case, answer.results[i], version)
      end
      report(wrong)
    end)
  end)
end)

-- What is wrong in a way that the table has no word for.
local function refuses(code, part, fn, ...)
  local err = t.raises(code, fn, ...)
  assert.truthy(err.message:find(part, 1, true), err.message)
  assert.same({}, t.children())
end

describe('the arguments', function()
  local calls = { cp.spawn, cp.execFile, cp.fork, cp.spawnSync, cp.execFileSync }

  it('must be at the places 1 to n', function()
    for _, call in ipairs(calls) do
      for _, args in ipairs { { [0] = 'a' }, { [1.5] = 'a' }, { [true] = 'a' } } do
        refuses('ERR_INVALID_ARG_TYPE', '"args"', call, 'true', args)
      end
      refuses('ERR_INVALID_ARG_TYPE', '"args[2]"', call, 'true', { 'a', nil, 'c' })
      refuses('ERR_INVALID_ARG_TYPE', '"args[1]"', call, 'true', { [1 << 40] = 'a' })
    end
  end)

  it('become text as Lua writes it', function()
    local child = cp.spawn('true', { 1, 2.5, true, false, 'x' })
    assert.same({ 'true', '1', '2.5', 'true', 'false', 'x' }, child.spawnargs)
  end)
end)

describe('env', function()
  it('must have names that a program can look up', function()
    for _, call in ipairs { cp.spawn, cp.execFile, cp.fork, cp.spawnSync } do
      local options = { env = { ['A=B'] = 'x' } }
      refuses('ERR_INVALID_ARG_VALUE', 'must have names', call, 'true', {}, options)
    end
  end)
end)

describe('the place of the options', function()
  it('may be nil or missing, and so may the arguments', function()
    for _, child in ipairs {
      cp.spawn 'true',
      cp.spawn('true', nil),
      cp.spawn('true', {}),
      cp.spawn('true', nil, nil),
      cp.spawn('true', {}, nil),
      cp.spawn('true', nil, {}),
      cp.spawn('true', {}, {}),
      cp.spawn('true', nil, { argv0 = 'other' }),
      cp.spawn('true', {}, { argv0 = 'other' }),
      cp.spawn('true', { argv0 = 'other' }),
    } do
      child:on(
        'exit',
        t.expect(function(code)
          assert.equal(0, code)
        end)
      )
    end
  end)

  it('ends the list: nothing after it counts', function()
    local child = cp.spawn('true', { argv0 = 'first' }, { argv0 = 'second' })
    assert.same({ 'first' }, child.spawnargs)
  end)
end)

describe('an option', function()
  it('of a metatable does not count', function()
    local options = setmetatable({}, { __index = { cwd = 5, uid = 'x', shell = 5 } })
    for _, call in ipairs { cp.spawn, cp.exec, cp.execFile } do
      t.once(call('true', options), 'exit', function(code)
        assert.equal(0, code)
      end)
    end
  end)
end)
