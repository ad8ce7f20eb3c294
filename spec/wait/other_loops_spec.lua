--- Our loop driven by that of another library, and the examples for it.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local MODULES = { cqueues = 'cqueues', luv = 'luv', luasocket = 'socket' }

-- Its Lua files may be there without those in C: Debian's, for another Lua.
local function need(name)
  local code = ("require '%s'"):format(MODULES[name])
  if cp.spawnSync(t.lua_exe, { '-e', code }).status ~= 0 then
    pending(name .. ' is not installed')
  end
end

-- The output of a Lua program that must succeed quietly.
local function output_of(program, ...)
  local result = cp.execFile(t.lua(program, ...)):wait(t.TEST_TIMEOUT)
  assert(result, 'the program did not end in time')
  assert.equal('', result.stderr)
  assert.equal(0, result.code)
  return result.stdout
end

local function sorted_lines(text)
  local lines = {}
  for line in text:gmatch '[^\n]+' do
    lines[#lines + 1] = line
  end
  table.sort(lines)
  return lines
end

for _, name in ipairs { 'cqueues', 'luv', 'luasocket' } do
  describe('in the loop of ' .. name, function()
    it('all goes at the pace of events, whatever is started when', function()
      need(name)
      local result = {}
      for key, value in output_of('driven.lua', name):gmatch '(%w+) (%S+)' do
        result[key] = tonumber(value) or value
      end
      assert.equal('ready,close,tick,immediate,timer', result.seen)
      assert.equal(0, result.code)
      assert.equal(2, result.errors)
      assert.is_true(result.ticks > 100)
      -- a few for each of the six steps, none for the ticks in between
      assert.is_true(result.turns <= 30, result.turns .. ' turns')
    end)
  end)
end

describe('the example', function()
  it('for cqueues waits in its coroutines', function()
    need 'cqueues'
    assert.same({
      'callback\tfrom the shell',
      'cqueues\ttick 1',
      'cqueues\ttick 2',
      'cqueues\ttick 3',
      'exit code\t0',
      'sorted\t1',
      'sorted\t10',
      'sorted\t9',
    }, sorted_lines(output_of(t.root .. '/examples/loop_cqueues.lua')))
  end)

  it('for luv goes on beside its timers, and after a pause', function()
    need 'luv'
    local lines = {}
    for line in output_of(t.root .. '/examples/loop_luv.lua'):gmatch '[^\n]+' do
      lines[#lines + 1] = line
    end
    assert.equal('callback\tat the end', table.remove(lines))
    table.sort(lines)
    assert.same({
      'callback\tfrom the shell',
      'exit code\t0',
      'luv\ttick 1',
      'luv\ttick 2',
      'luv\ttick 3',
      'luv\ttick 4',
      'luv\ttick 5',
      'sorted\t1',
      'sorted\t10',
      'sorted\t9',
    }, lines)
  end)

  it('for LuaSocket answers a client that is its child', function()
    need 'luasocket'
    assert.equal(
      'the client: you said hello\nexit code\t0\n',
      output_of(t.root .. '/examples/loop_luasocket.lua')
    )
  end)

  it('in C takes a turn for an event, and none for a beat of its heart', function()
    local program = t.root .. '/examples/host/program.lua'
    local options = { env = { PATH = os.getenv 'PATH' } }
    local result = cp.execFile(t.built 'example_poll_loop', { program }, options)
      :wait(t.TEST_TIMEOUT)
    assert.equal('', result.stderr)
    assert.equal(0, result.code)
    local beats, turns
    local lines = {}
    for line in result.stdout:gmatch '[^\n]+' do
      lines[#lines + 1] = line
    end
    beats, turns = table.remove(lines):match '(%d+) heartbeats, (%d+) turns'
    table.sort(lines)
    assert.same({
      'exit code\t3',
      'from the shell',
      'the sum is\t6',
      'the worker ended with\t0',
    }, lines)
    assert.truthy(beats)
    assert.is_true(tonumber(turns) <= 20)
  end)
end)
