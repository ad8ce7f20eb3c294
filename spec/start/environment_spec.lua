-- What a child gets as its environment: `env`, `extendEnv`, and cp.process.env, for which
-- the same rules hold.
local faults = require 'spec.support.faults'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local env = cp.process.env

-- Every call, given its options -> what the child's /usr/bin/env prints.
local CALLS = {
  spawn = function(options)
    return cp.spawn('/usr/bin/env', options):wait().stdout
  end,
  exec = function(options)
    return cp.exec('/usr/bin/env', options):wait().stdout
  end,
  execFile = function(options)
    return cp.execFile('/usr/bin/env', options):wait().stdout
  end,
  spawnSync = function(options)
    return cp.spawnSync('/usr/bin/env', options).stdout
  end,
  execSync = function(options)
    return cp.execSync('/usr/bin/env', options)
  end,
  execFileSync = function(options)
    return cp.execFileSync('/usr/bin/env', options)
  end,
  fork = function(options)
    options.execPath, options.silent = '/usr/bin/env', true
    return cp.fork('/usr/bin/env', options):wait().stdout
  end,
}

-- The variables that the child prints; the shell's and the channel's own do not count.
local function variables(text)
  local found = {}
  for name, value in text:gmatch '([^\n=]+)=([^\n]*)' do
    if not name:find '^NODE_CHANNEL_' and name ~= '_' and name ~= 'PWD' then
      found[name] = value
    end
  end
  return found
end

-- Runs `fn` with variables of this process set.
local function with(settings, fn)
  local before = {}
  for name, value in pairs(settings) do
    before[name], env[name] = env[name] or false, value
  end
  local ok, err = pcall(fn)
  for name, value in pairs(before) do
    env[name] = value
  end
  assert(ok, err)
end

local function each_call(fn)
  for name, call in pairs(CALLS) do
    fn(function(options)
      return variables(call(options))
    end, name)
  end
end

describe('env', function()
  it('may be cp.process.env, in every call', function()
    with({ LCP_SPEC_A = 'a', LCP_SPEC_B = '' }, function()
      each_call(function(call, name)
        local got = call { env = env }
        assert.equal('a', got.LCP_SPEC_A, name)
        assert.equal('', got.LCP_SPEC_B, name)
        assert.equal(env.PATH, got.PATH, name)
      end)
    end)
  end)

  it('of a ChildProcess made by hand may be cp.process.env', function()
    with({ LCP_SPEC_A = 'a' }, function()
      local child = cp.ChildProcess()
      child:spawn { file = '/usr/bin/env', env = env }
      assert.equal('a', variables(child:wait().stdout).LCP_SPEC_A)
    end)
  end)

  it('is the whole environment by default', function()
    each_call(function(call, name)
      assert.same({ A = '1' }, call { env = { A = 1, B = false } }, name)
      assert.same({ A = '1' }, call { env = { A = 1 }, extendEnv = false }, name)
    end)
  end)
end)

describe('extendEnv', function()
  it('adds env to our environment, and false removes a name', function()
    with({ LCP_SPEC_A = 'ours', LCP_SPEC_B = 'ours', LCP_SPEC_C = 'ours' }, function()
      each_call(function(call, name)
        local got = call {
          env = { LCP_SPEC_A = 'theirs', LCP_SPEC_B = false, LCP_SPEC_D = true },
          extendEnv = true,
        }
        assert.equal('theirs', got.LCP_SPEC_A, name)
        assert.is_nil(got.LCP_SPEC_B, name)
        assert.equal('ours', got.LCP_SPEC_C, name)
        assert.equal('true', got.LCP_SPEC_D, name)
        assert.equal(env.PATH, got.PATH, name)
      end)
    end)
    assert.is_nil(env.LCP_SPEC_A)
  end)

  it('changes nothing without env', function()
    with({ LCP_SPEC_A = 'ours' }, function()
      each_call(function(call, name)
        assert.equal('ours', call({ extendEnv = true }).LCP_SPEC_A, name)
      end)
    end)
  end)

  it('looks the command up in the PATH that comes out', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/lcp-spec-command', '#!/bin/sh\necho found $HOME', '+x')
    local options = { env = { PATH = folder, HOME = 'here' }, extendEnv = true }
    assert.equal('found here\n', cp.spawn('lcp-spec-command', options):wait().stdout)
    assert.equal('found here\n', cp.execFileSync('lcp-spec-command', options))
    with({ PATH = folder .. ':' .. env.PATH }, function()
      options = { env = { HOME = 'there' }, extendEnv = true }
      assert.equal('found there\n', cp.execFileSync('lcp-spec-command', options))
      options.env.PATH = '/nowhere'
      t.raises('ENOENT', cp.execFileSync, 'lcp-spec-command', options)
      options.env.PATH = false
      t.raises('ENOENT', cp.execFileSync, 'lcp-spec-command', options)
    end)
  end)

  it('is true or false', function()
    for _, call in ipairs { cp.spawn, cp.exec, cp.fork, cp.execSync } do
      t.raises('ERR_INVALID_ARG_TYPE', call, 'true', { extendEnv = 'yes', env = {} })
    end
  end)
end)

describe('cp.process.env', function()
  it('raises what the system says when a variable cannot be set', function()
    faults.with({ name = 'setenv', errno = 'ENOMEM' }, function()
      local err = t.raises('ENOMEM', function()
        env.LCP_SPEC_A = 'text'
      end)
      assert.equal('setenv', err.syscall)
    end)
    assert.is_nil(env.LCP_SPEC_A)
  end)
end)

describe('the rules for names and values', function()
  -- name, value -> the code, or what the variable is then
  local function of_option(name, value)
    local ok, result = pcall(cp.spawnSync, '/usr/bin/env', { env = { [name] = value } })
    if not ok then
      return result.code
    end
    return variables(result.stdout)[name]
  end

  local function of_process(name, value)
    local ok, err = pcall(function()
      env[name] = value
    end)
    if not ok then
      return err.code
    end
    local result = os.getenv(name)
    env[name] = nil
    return result
  end

  it('are the same for the option and for cp.process.env', function()
    local cases = {
      { 'LCP_SPEC', 'text', 'text' },
      { 'LCP_SPEC', '', '' },
      { 'LCP_SPEC', 42, '42' },
      { 'LCP_SPEC', 2.5, '2.5' },
      { 'LCP_SPEC', true, 'true' },
      { 'LCP_SPEC', false, nil },
      { 'LCP_SPEC', {}, 'ERR_INVALID_ARG_TYPE' },
      { 'LCP_SPEC', print, 'ERR_INVALID_ARG_TYPE' },
      { 'LCP_SPEC', 'a\0b', 'ERR_INVALID_ARG_VALUE' },
      { '', 'x', 'ERR_INVALID_ARG_VALUE' },
      { 'A=B', 'x', 'ERR_INVALID_ARG_VALUE' },
      { 'A\0B', 'x', 'ERR_INVALID_ARG_VALUE' },
      { 1, 'x', 'ERR_INVALID_ARG_TYPE' },
      { true, 'x', 'ERR_INVALID_ARG_TYPE' },
    }
    for _, case in ipairs(cases) do
      local name, value, wanted = table.unpack(case, 1, 3)
      local shown = ('%s = %s'):format(name, tostring(value))
      assert.equal(wanted, of_option(name, value), shown)
      assert.equal(wanted, of_process(name, value), shown)
    end
  end)
end)

-- Such as one that puts back a variable which was set for a while.
describe('cp.process.env', function()
  it('is copied whole while a finalizer sets and removes variables', function()
    local file, args = t.lua [[
      local cp = require 'child_process'
      local env = cp.process.env
      for i = 1, 200 do env['STAYS' .. i] = 'value' .. i end
      local times, setter = 0, {}
      function setter.__gc()
        times = times + 1
        env['COMES' .. times % 100] = ('x'):rep(times % 90)
        env['COMES' .. (times + 50) % 100] = nil
        setmetatable({}, setter)
      end
      if _VERSION == 'Lua 5.4' then
        collectgarbage('incremental', 1, 1000, 6)
      else
        collectgarbage('param', 'pause', 1)
      end
      setmetatable({}, setter)
      collectgarbage()
      for round = 1, 100 do
        local copy = {}
        for name, value in pairs(env) do copy[name] = value end
        for i = 1, 200 do assert(copy['STAYS' .. i] == 'value' .. i, i) end
      end
      assert(times > 0)
      io.write(cp.spawnSync('printenv', { 'STAYS200' }, { env = { A = '1' } }).stdout,
        cp.spawnSync('printenv', { 'STAYS200' }).stdout) ]]
    local result = cp.spawnSync(file, args)
    assert.equal('', result.stderr)
    assert.equal('value200\n', result.stdout)
  end)
end)
