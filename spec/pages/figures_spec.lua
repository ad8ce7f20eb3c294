-- The figures in the documentation: docs/images/bench.txt, and what is made from it.
local t = require 'spec.helper'
local cp = t.cp

local it = t.wrap(it)

local measures = dofile 'bench/measures.lua'
local printed = dofile 'docs/images/printed.lua'

local TABLE = 'docs/images/bench.txt'

local function run(...)
  return cp.execFileSync(t.lua_exe, { ... }, { stdin = { file = TABLE } })
end

describe('the figures of the documentation', function()
  it('are a chart that is made from what bench/run has printed', function()
    assert.equal(run 'docs/images/bars.lua', t.slurp 'docs/images/bars.svg')
  end)

  it('are tables that are made from it, too', function()
    local page = t.tmpdir() .. '/performance.md'
    t.write_file(page, t.slurp 'docs/performance.md')
    run('docs/images/measured.lua', page)
    assert.equal(t.slurp 'docs/performance.md', t.slurp(page))
  end)

  it('are there for every measure that they are to show', function()
    local ratios, about = printed.read(t.slurp(TABLE))
    assert.matches('^%d+%-%d+%-%d+$', about.date)
    for _, group in ipairs(measures.groups) do
      for i = 2, #group do
        local name = group[i][1]
        assert.is_truthy(ratios[name] and next(ratios[name]), name)
      end
    end
  end)
end)

describe('the goals of bench/run', function()
  it('are each against a program that takes part', function()
    for _, measure in ipairs(measures.list) do
      local takes_part = {}
      for _, name in ipairs(measure.who) do
        takes_part[name] = true
      end
      for other in pairs(measure.goals or {}) do
        assert.is_true(takes_part[other], measure.name .. ', ' .. other)
      end
    end
  end)
end)

describe('what bench/run prints', function()
  local PROGRAM = [[
    package.path = 'bench/?.lua;' .. package.path
    local measures = require 'measures'
    local list, results = {}, {}
    for _, measure in ipairs(measures.list) do
      if measure.name == 'fork' or measure.name == 'read' then
        list[#list + 1] = measure
      end
    end
    local node = { 50000, 40000, 46000 }
    results.fork = { base = {}, ours = { 2100, 2300, 2200 }, node = node }
    results.read = { base = {}, ours = { 130 }, node = { 100 }, luv = { 100 }, C = {} }
    require('report').print(list, results, {
      root = '.', build = 'dev', rounds = 3, failed = { 'a command' },
    }) ]]

  local function report()
    local file, args = t.lua(PROGRAM)
    return cp.execFileSync(file, args, { stderr = 'inherit' })
  end

  it('says for each goal whether it is met', function()
    local text = report()
    for _, line in ipairs {
      'fork +2200  us +Node +46000  20.91 %(19.15–22.36%) +at least 20.00 × Node: met\n',
      ' at most 2200 us: met\n',
      'read +130  MiB/s  Node +100  1.30 %(.-%) +at least 1.50 × Node: MISSED\n',
      ' luv +100  1.30 %(1.30–1.30%) +at least 1.30 × luv: met\n',
      ' C +%-  %- +at least 0.85 × C: not measured\n',
      'goals: 3 met, 1 missed:\n  read: at least 1.50 × Node; it is 1.3\n',
      'failed: a command\n$',
    } do
      assert.matches(line, text)
    end
  end)

  it('can be read again', function()
    local ratios, about = printed.read(report())
    assert.same({ fork = { Node = 20.91 }, read = { Node = 1.3, luv = 1.3 } }, ratios)
    assert.equal('3', about.rounds)
    assert.equal(cp.execFileSync('uname', { '-sr' }), about.kernel .. '\n')
  end)
end)
