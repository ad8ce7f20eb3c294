-- Whatever the module calls is in the table of how calls fail, and the sweeps
-- (faults_spec, channel_faults_spec, sync_faults_spec, net_faults_spec) have it fail.
local calls = require 'spec.support.system_calls'
local faults = require 'spec.support.faults'
local t = require 'spec.helper'
local it = t.wrap(it)

-- The names that are safe, as a set, and their patterns.
local function safe_names()
  local names, patterns = {}, {}
  for _, list in pairs(calls.safe) do
    for name in list:gmatch '%S+' do
      if name:find '%*$' then
        patterns[#patterns + 1] = '^' .. name:gsub('%*', '')
      else
        names[name] = true
      end
    end
  end
  return names, patterns
end

local function is_known(name, names, patterns)
  for _, pattern in ipairs(patterns) do
    if name:find(pattern) then
      return true
    end
  end
  return names[name] or calls.fails[name] or name == 'fcntl' or name == 'syscall'
end

describe('the table of system calls', function()
  it('has all that the module imports', function()
    if t.build_flags() == '--coverage' then
      pending 'gcov brings calls of its own'
    end
    local names, patterns = safe_names()
    local unknown = {}
    for _, name in ipairs(faults.imports()) do
      if not is_known(name, names, patterns) then
        unknown[#unknown + 1] = name
      end
    end
    assert.same({}, unknown)
  end)

  it('has each kind of call that goes through syscall(2) and fcntl(2)', function()
    local names = safe_names()
    for path in t.files(t.root .. '/csrc', '%.c$') do
      local text = t.slurp(path)
      for name in text:gmatch 'syscall%([LCP_]*SYS_([%w_]+)' do
        local key = 'syscall:' .. name
        assert.truthy(calls.fails[key] or names[key], path .. ': ' .. key)
      end
      for command in text:gmatch 'fcntl%([^,]*, (F_[%w_]+)' do
        assert.truthy(calls.fails['fcntl:' .. command], path .. ': ' .. command)
      end
    end
  end)

  it('has nothing twice, and errnos that this system has', function()
    local names = safe_names()
    for name, errnos in pairs(calls.fails) do
      assert.is_nil(names[name], name)
      for errno in errnos:gmatch '%S+' do
        assert.is_number(faults.errno(errno), errno)
      end
    end
  end)
end)
