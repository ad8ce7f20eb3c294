-- A script that ends with something that was never run: warn() at the state's end.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- What was warned of: the global `warn`, which an interpreter shows with `-W`, is the
-- program's.  The program is a file, which ends as a script does.
local function warned(code)
  local file = t.tmpdir() .. '/script.lua'
  t.write_file(
    file,
    "function warn(...) io.write('<', table.concat { ... }, '>') end\n"
      .. "local cp = require 'child_process'\n"
      .. code
  )
  local exe, args = t.lua(file)
  local result = cp.spawnSync(exe, args)
  assert.equal('', result.stderr)
  return result.stdout
end

local function says(what)
  return '<child_process: the program ends, but cp.run() was never called for '
    .. what
    .. '>'
end

describe('a script that ends without cp.run() is warned, once, of', function()
  local ROWS = {
    { 'a child', "cp.spawn 'true'", '1 child' },
    { 'children', "cp.spawn 'true' cp.exec('true', print)", '2 children' },
    { 'a timer', 'cp.setTimeout(print, 1)', '1 timer' },
    { 'an interval', 'cp.setInterval(print, 1)', '1 timer' },
    { 'an immediate', 'cp.setImmediate(print)', '1 immediate' },
    { 'a server', 'cp.net.createServer(print):listen(0)', '1 server' },
    {
      'a coroutine that waits, and its child',
      "cp.async(function() cp.spawn('true'):wait() end)",
      '1 child, 1 coroutine',
    },
    {
      'a coroutine that waits for a tick',
      'cp.async(function() cp.await(cp.nextTick) end)',
      '1 coroutine',
    },
    { 'an error in a coroutine', 'cp.async(error, "x")', '1 coroutine' },
    {
      'what was started after the loop had run',
      "cp.exec('true'):wait() cp.exec('true', print)",
      '1 child',
    },
    {
      'several kinds',
      'cp.setTimeout(print, 1) cp.setTimeout(print, 1) cp.spawn "true"',
      '1 child, 2 timers',
    },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      assert.equal(says(row[3]), warned(row[2]))
    end)
  end

  it('a child, by lua5.4 -W', function()
    if t.lua_exe:find 'lua_host' then
      pending 'the sanitised host knows no -W'
    end
    local exe, args = t.lua "require 'child_process'.spawn 'true'"
    table.insert(args, 1, '-W')
    assert.matches('^Lua warning: child_process: ', cp.spawnSync(exe, args).stderr)
  end)
end)

describe('a script that ends is not warned of', function()
  it(
    'a signal with a timeout, whose timer is collected before it, by lua5.4 -W',
    function()
      if t.lua_exe:find 'lua_host' then
        pending 'the sanitised host knows no -W'
      end
      local exe, args = t.lua "S = require 'child_process'.AbortSignal.timeout(100000)"
      table.insert(args, 1, '-W')
      assert.equal('', cp.spawnSync(exe, args).stderr)
    end
  )

  local ROWS = {
    ['nothing'] = '',
    ['what cp.run() has run'] = "cp.spawn 'true' cp.setTimeout(type, 1, 1) cp.run()",
    ['detached children'] = "cp.spawn('true', { detached = true })",
    ['children without a reference'] = "cp.spawn('true'):unref()",
    ['timers and immediates without a reference'] = [[
      cp.setTimeout(print, 1):unref()
      cp.setImmediate(print):unref()
      cp.AbortSignal.timeout(1)]],
    ['what was cleared and closed'] = [[
      cp.clearTimeout(cp.setTimeout(print, 1))
      cp.clearImmediate(cp.setImmediate(print))
      cp.net.createServer(print):listen(0):close()]],
    ['signal listeners'] = "cp.process:on('SIGUSR1', print)",
    ['Sync calls'] = "cp.spawnSync 'true'",
    ['what it leaves by cp.stop()'] = [[
      cp.setTimeout(function()
        cp.setTimeout(print, 1000)
        cp.stop()
      end, 1)
      cp.run()]],
    ['what another loop drives'] = "cp.setTimeout(print, 1000) cp.run 'nowait'",
    ['what it leaves by os.exit in a callback'] = [[
      cp.setTimeout(function()
        cp.setTimeout(print, 1000)
        os.exit(0, true)
      end, 1)
      cp.run()]],
    ['a coroutine that has ended'] = "cp.async(function() cp.spawnSync 'true' end)",
  }
  for title, code in pairs(ROWS) do
    it(title, function()
      assert.equal('', warned(code))
    end)
  end

  it('anything in a forked child, which runs by itself', function()
    local code = [[
      function warn(...) print(...) end
      local cp = require 'child_process'
      cp.setTimeout(print, 1000)
      process:exit(0)]]
    local child = cp.fork(t.fixture 'program.lua', { code }, { silent = true })
    cp.async(t.expect(function()
      assert.equal('', child:wait().stdout)
    end))
  end)

  it('anything if warn is no function, or raises', function()
    for _, warn in ipairs { 'nil', '5', 'error' } do
      local code = ("warn = %s require 'child_process'.spawn 'true'"):format(warn)
      local exe, args = t.lua(code)
      local result = cp.spawnSync(exe, args)
      assert.equal('', result.stderr)
      assert.equal(0, result.status)
    end
  end)
end)
