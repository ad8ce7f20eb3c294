-- The Lua files that were compiled with the module: taken instead of a file only if both
-- are the same, and only by a Lua that compiles as the one of the build did.
local lfs = require 'lfs'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- A copy of the module's files, with another core or other Lua files.
local function copy_of_module()
  local root = t.tmpdir()
  cp.execFileSync('cp', { '-r', t.root .. '/lua', root })
  assert(lfs.mkdir(root .. '/child_process'))
  cp.execFileSync('cp', { t.built 'child_process/core.so', root .. '/child_process' })
  return root
end

local function change(path, from, to)
  local text = t.slurp(path)
  local at, last = text:find(from, 1, true)
  assert(at, 'not found: ' .. from)
  local file <close> = assert(io.open(path, 'wb'))
  assert(file:write(text:sub(1, at - 1), to, text:sub(last + 1)))
end

-- What a program prints that has nothing but that copy; `shell`: runs the interpreter.
local function output(root, code, shell)
  local paths = ("package.path = '%s/lua/?.lua;%s/lua/?/init.lua'\n"):format(root, root)
    .. ("package.cpath = '%s/?.so'\n"):format(root)
  local args = shell or {}
  args[#args + 1], args[#args + 2] = '-e', paths .. code
  local result = cp.spawnSync(shell and '/bin/sh' or t.lua_exe, args, { env = {} })
  assert.equal('', result.stderr)
  assert.equal(0, result.status)
  return result.stdout
end

-- Prints whether the compiled files are used, then the line of a function and the output
-- of a child and of a forked one.
local USE = [[
  local cp, core = require 'child_process', require 'child_process.core'
  local info = debug.getinfo(cp.spawn, 'S')
  print(core.is_compiled, info.source:match 'lua/child_process/.*', info.linedefined > 9)
  cp.exec('echo run', function(_, out) io.write(out) end)
  cp.run()]]

local LINE = 'lua/child_process/init.lua\ttrue\nrun\n'

describe('the compiled Lua files', function()
  if not require('child_process.core').is_compiled then
    it('are used', function()
      pending 'built without a Lua 5.4 that compiles them'
    end)
    return
  end

  it('are used by the Lua that compiled them, and have their names and lines', function()
    assert.equal('true\t' .. LINE, output(copy_of_module(), USE))
  end)

  it('keep the lines of their code, but not the names of local variables', function()
    local code = [[
      local cp = require 'child_process'
      cp.quote 'loaded now'
      print(debug.getlocal(package.loaded['child_process.quote'].quote, 1))
      cp.exec('true', function()
        print(debug.traceback():match 'lua/(child_process/%S+%.lua:%d+): in')
      end)
      cp.run()]]
    assert.matches('^nil\nchild_process/exec%.lua:%d+\n$', output(copy_of_module(), code))
  end)

  it('are not used in the place of a file that has been changed', function()
    local root = copy_of_module()
    change(
      root .. '/lua/child_process/exec.lua',
      'function M.exec(...)',
      [[
      function M.exec(_, callback)
        callback(nil, debug.getinfo(1, 'S').source:match '[^/]*$' .. '\n')
      end
      function M.unused(...)]]
    )
    local out = output(root, USE)
    assert.equal('true\t' .. LINE:gsub('run', 'exec.lua'), out)
  end)

  it('give way to a file that its user has compiled', function()
    local root = copy_of_module()
    for _, name in ipairs { 'child', 'quote' } do -- needed at once, and later
      local path = root .. '/lua/child_process/' .. name .. '.lua'
      local code = string.dump(assert(load(t.slurp(path), '@mine')))
      local file <close> = assert(io.open(path, 'wb'))
      assert(file:write(code))
    end
    local code = [[
      print(require('child_process').quote 'a b')
      for name, call in pairs { child = 'spawn', quote = 'quote' } do
        local module = package.loaded['child_process.' .. name]
        print(debug.getinfo(module[call], 'S').source)
      end
    ]]
    assert.equal("'a b'\n@mine\n@mine\ntrue\t" .. LINE, output(root, code .. USE))
  end)

  it('give way to a file that package.path has before them', function()
    local root, other = copy_of_module(), t.tmpdir()
    assert(lfs.mkdir(other .. '/child_process'))
    local file = assert(io.open(other .. '/child_process/facts.lua', 'w'))
    file:write "print 'another' return { add = function() end }"
    file:close()
    local code = ("package.path = '%s/?.lua;' .. package.path\n"):format(other)
    assert.equal('another\ntrue\t' .. LINE, output(root, code .. USE))
  end)

  it('give way to a loader in package.preload', function()
    local code = [[
      package.preload['child_process.facts'] = function()
        print 'another'
        return { add = function() end }
      end
    ]]
    assert.equal('another\ntrue\t' .. LINE, output(copy_of_module(), code .. USE))
  end)

  -- A core whose build had another Lua is made of ours, by a change of one byte.
  local function with_other_compiler(change_probe)
    local root = copy_of_module()
    local path = root .. '/child_process/core.so'
    local core = t.slurp(path)
    local probe = t.slurp(t.root .. '/cmake/probe.lua')
    local code = string.dump(assert(load(probe, '@')))
    local at = core:find(code, 1, true)
    assert(at, 'the core was not compiled by this Lua')
    local file <close> = assert(io.open(path, 'wb'))
    local changed = change_probe(code)
    assert(#changed == #code and changed ~= code)
    assert(file:write(core:sub(1, at - 1), changed, core:sub(at + #code)))
    return root
  end

  local OTHERS = {
    ['another version'] = function(code)
      return code:sub(1, 4) .. '\x53' .. code:sub(6)
    end,
    ['another size of numbers'] = function(code)
      return code:sub(1, 13) .. '\4' .. code:sub(15)
    end,
    ['other instructions'] = function(code)
      local place = #code // 3
      local byte = code:byte(place)
      return code:sub(1, place - 1) .. string.char(byte ~ 1) .. code:sub(place + 1)
    end,
  }
  for title, change_probe in pairs(OTHERS) do
    it('are left alone by a Lua with ' .. title, function()
      assert.equal('false\t' .. LINE, output(with_other_compiler(change_probe), USE))
    end)
  end

  it('are used by forked children, which find their files in the same way', function()
    local script = t.tmpdir() .. '/script.lua'
    local file = assert(io.open(script, 'w'))
    file:write [[
      local core, cp = require 'child_process.core', require 'child_process'
      local source = debug.getinfo(cp.spawn, 'S').source
      process:send { core.is_compiled, source:match 'lua/child_process/.*' }
      process:disconnect()]]
    file:close()
    local code = ([[
      local cp = require 'child_process'
      cp.fork('%s'):on('message', function(m) print(m[1], m[2]) end)
      cp.run()]]):format(script)
    assert.equal('true\tlua/child_process/init.lua\n', output(copy_of_module(), code))
  end)

  it('are loaded late even when no descriptor is left', function()
    local code = [[
      local cp = require 'child_process'
      local files, file = {}, nil
      repeat
        file = io.open '/dev/null'
        files[#files + 1] = file
      until not file
      print(cp.spawnSync('true').error.code)]]
    local few = { '-c', 'ulimit -n 64; exec "$0" "$@"', t.lua_exe }
    assert.equal('EMFILE\n', output(copy_of_module(), code, few))
  end)

  it('say what is wrong with a file that cannot be read or compiled', function()
    local core, folder = require 'child_process.core', t.tmpdir()
    local function problem_of(path)
      local chunk, problem = core.load('child_process.facts', path, '@facts')
      assert.is_nil(chunk)
      return problem
    end
    assert.equal(folder .. ': Is a directory', problem_of(folder))
    local file = assert(io.open(folder .. '/file', 'w'))
    file:write 'return return'
    file:close()
    assert.matches("^facts:1: .* near 'return'", problem_of(folder .. '/file'))
  end)

  it('are the same bytes in every build', function()
    local folder = t.tmpdir()
    local function compile(name)
      local out = folder .. '/' .. name
      cp.execFileSync(t.lua_exe, {
        t.root .. '/cmake/compile.lua',
        t.root .. '/cmake/probe.lua',
        t.root .. '/lua',
        out,
        'child_process/init.lua',
        'child_process/loop.lua',
      })
      return t.slurp(out)
    end
    assert.is_true(compile 'first' == compile 'second')
  end)
end)
