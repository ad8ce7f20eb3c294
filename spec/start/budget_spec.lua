-- What a start costs us, in calls of functions: the same on every machine, however busy
-- it is.  Without such a bound each new option makes every start a little slower.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function noop() end

local ROUNDS = 5

-- How many functions, of Lua and of C, one round calls, until the loop is empty again.
-- In a coroutine, which has a hook of its own: that of scripts/coverage goes on.
local function calls_of(round)
  round() -- loads what is loaded late
  local calls = 0
  coroutine.wrap(function()
    debug.sethook(function()
      calls = calls + 1
    end, 'c')
    for _ = 1, ROUNDS do
      round()
    end
    debug.sethook()
  end)()
  return calls / ROUNDS
end

local function costs_at_most(most, round)
  local calls = calls_of(round)
  assert.is_true(calls <= most, ('%.0f calls'):format(calls))
end

describe('the calls of functions that a start costs are bounded:', function()
  it('spawn, with three pipes, to its close', function()
    costs_at_most(450, function()
      cp.spawn('/bin/true'):on('close', noop)
      cp.run()
    end)
  end)

  it('spawn without pipes', function()
    costs_at_most(220, function()
      cp.spawn('/bin/true', { stdio = 'ignore' }):on('close', noop)
      cp.run()
    end)
  end)

  it('exec and execFile, to their callbacks', function()
    costs_at_most(570, function()
      cp.exec('true', noop)
      cp.run()
    end)
    costs_at_most(570, function()
      cp.execFile('/bin/true', noop)
      cp.run()
    end)
  end)

  it('spawnSync', function()
    costs_at_most(65, function()
      cp.spawnSync '/bin/true'
    end)
  end)

  it('fork, to the end of the worker', function()
    local worker = t.fixture 'echo.lua'
    costs_at_most(480, function()
      cp.fork(worker):disconnect()
      cp.run()
    end)
  end)
end)
