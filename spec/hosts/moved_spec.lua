-- What changes under a running program: its directory, its paths, the interpreter's file.
local lfs = require 'lfs'

local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- Runs the program, which must print nothing on stderr and end with 0.  Returns stdout.
local function output(code, ...)
  local file, args = t.lua(code, ...)
  local result = cp.spawnSync(file, args)
  assert.equal('', result.stderr)
  assert.equal(0, result.status)
  return result.stdout
end

-- What is loaded when it is first used, each way to it.
local LATE = [[
  local cp = ...
  assert(cp.net.createServer and cp.dgram.createSocket)
  assert(#tostring(cp.active()) > 0)
  cp.debug(function() end)
  cp.debug(nil)
  local file = io.tmpfile()
  file:write 'passed'
  file:seek 'set'
  local child = cp.fork(arg[1], {
    "process:on('message', function(_, file)"
    .. " process:send(file:read 'a') process:disconnect() end)" })
  child:send({}, file)
  child:on('message', print)
  cp.async(function() cp.spawn('true'):wait() end)
  cp.run()]]

describe('modules that are loaded late', function()
  local CHANGES = {
    ['package.path is empty'] = "package.path, package.cpath = '', ''",
    ['require is gone'] = 'require = nil',
    ['package.loaded is emptied'] = [[
      for name in pairs(package.loaded) do
        package.loaded[name] = nil
      end]],
    ['package and debug are gone'] = 'package, debug = nil, nil',
    ['package.searchers is empty'] = 'package.searchers = {}',
  }
  for title, change in pairs(CHANGES) do
    it('are found when ' .. title, function()
      local code = "local cp, load = require 'child_process', load\n"
        .. change
        .. "\nassert(load(arg[2], '=late'))(cp)"
      assert.equal('passed\n', output(code, t.fixture 'program.lua', LATE))
    end)
  end

  it('are found by a relative package.path when the directory has changed', function()
    local root = t.tmpdir()
    assert(lfs.link(t.root .. '/lua', root .. '/lua', true))
    local code = [[
      package.path = './lua/?.lua;./lua/?/init.lua'
      local cp = require 'child_process'
      cp.process:chdir '/'
      assert(load(arg[2], '=late'))(cp)]]
    local file, args = t.lua(code, t.fixture 'program.lua', LATE)
    local result = cp.spawnSync(file, args, { cwd = root })
    assert.equal('', result.stderr)
    assert.equal('passed\n', result.stdout)
  end)

  it('are the ones that others have, and named as require names them', function()
    output [[
      local cp = require 'child_process'
      local before = debug.getinfo(cp.spawn, 'S').source:match '^(.*)init%.lua$'
      local net = cp.net
      assert(require 'child_process.net' == net)
      local source = debug.getinfo(net.connect, 'S').source
      assert(source:sub(1, #before) == before, source)]]
  end)

  it('use the globals of everybody', function()
    output [[
      local cp = require 'child_process'
      local net = cp.net
      local index, found, name, value = 1, false, nil, nil
      repeat
        name, value = debug.getupvalue(net.createServer, index)
        found = found or rawequal(value, _G)
        index = index + 1
      until not name
      assert(found)]]
  end)

  it('are found where all are bundled into a program', function()
    output(
      [[
      local lfs = require 'lfs'
      local function bundle(folder, prefix)
        for name in lfs.dir(folder) do
          local path = folder .. '/' .. name
          if name:find '%.lua$' then
            local file = assert(io.open(path))
            local module = (prefix .. name:gsub('%.lua$', '')):gsub('%.init$', '')
            package.preload[module] = load(file:read 'a', '=bundle')
            file:close()
          elseif name:find '^%a+$' then
            bundle(path, prefix .. name .. '.')
          end
        end
      end
      bundle(arg[1] .. '/lua/child_process', 'child_process.')
      package.path = ''
      local cp = require 'child_process'
      assert(cp.net.createServer and cp.dgram.createSocket)
      assert(debug.getinfo(cp.net.connect, 'S').source == '=bundle')]],
      t.root
    )
  end)

  it('say which file is missing', function()
    local root = t.tmpdir()
    cp.execFileSync('cp', { '-r', t.root .. '/lua', root })
    local code = [[
      package.path = arg[1] .. '/lua/?.lua;' .. arg[1] .. '/lua/?/init.lua'
      local cp = require 'child_process'
      os.remove(arg[1] .. '/lua/child_process/dgram.lua')
      print(pcall(function() return cp.dgram end))]]
    local problem = "^false\tmodule 'child_process.dgram' cannot be loaded: /"
    assert.matches(problem, output(code, root))
  end)
end)

describe('fork, when the file of the interpreter', function()
  -- Copies the interpreter; the copy runs `before`, `require`, `after`, then forks.
  local function forks(before, after)
    local folder = t.tmpdir()
    local copy = folder .. '/lua_copy'
    cp.execFileSync('cp', { t.lua_exe, copy })
    cp.execFileSync('cp', { t.lua_exe, copy .. '.new' })
    local code = ([[
      %s
      local cp = require 'child_process'
      %s
      local code = "process:send(process.execPath)"
      local child = cp.fork(arg[2], { code })
      child:on('message', print)
      cp.run()]]):format(before, after)
    local _, args = t.lua(code, copy, t.fixture 'program.lua')
    local result = cp.spawnSync(copy, args)
    assert.equal('', result.stderr)
    assert.equal(copy .. '\n', result.stdout)
  end
  local REPLACE = "assert(os.rename(arg[1] .. '.new', arg[1]))"
  local REMOVE = 'assert(os.remove(arg[1]))'

  it('is replaced, starts the new one', function()
    forks('', REPLACE)
  end)

  it('was replaced before the module was loaded, starts the new one', function()
    forks(REPLACE, '')
  end)

  it('is removed, starts the one that runs', function()
    forks('', REMOVE)
  end)

  it('was removed before the module was loaded, starts the one that runs', function()
    forks(REMOVE, '')
  end)

  it('has a name that ends as Linux marks removed ones, is taken as it is', function()
    local folder = t.tmpdir()
    local copy = folder .. '/lua (deleted)'
    cp.execFileSync('cp', { t.lua_exe, copy })
    local _, args = t.lua "print(require 'child_process'.process.execPath)"
    assert.equal(copy .. '\n', cp.spawnSync(copy, args).stdout)
  end)
end)
