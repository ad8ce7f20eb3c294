-- Ctrl-C: lua5.4's handler for SIGINT leaves a hook behind, which the next instruction
-- in Lua finds.  The first one ends a program that waits as it ends any other.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- Runs the program until it has said that it is ready, then interrupts it.
local function interrupted(code, check)
  if t.lua_exe:find 'lua_host' then
    pending 'the sanitised host has no handler for SIGINT'
  end
  local file, args = t.lua([[
    local cp = require 'child_process'
    local _ <close> = setmetatable({}, { __close = function() print 'closed' end })
    local function ready()
      print 'ready'
      io.stdout:flush()
    end
  ]] .. code)
  local child = cp.spawn(file, args)
  cp.async(t.expect(function()
    assert.equal('ready', child.stdout:read 'l')
    child:kill 'SIGINT'
    local rest = child.stdout:readAll()
    local result = child:wait()
    check(result, rest)
  end))
end

local function ends(result, rest)
  assert.equal(1, result.code)
  assert.matches('^[^\n]*interrupted!\nstack traceback:\n', result.stderr)
  assert.equal(1, select(2, result.stderr:gsub('stack traceback:', '')))
  assert.equal('closed\n', rest)
end

describe('the first Ctrl-C ends a program that waits', function()
  local PLACES = {
    ['in cp.run(), for ever'] = [[
      cp.net.createServer(print):listen(0)
      ready()
      cp.run()]],
    ['in cp.run(), while timers come and go'] = [[
      cp.setInterval(function() end, 1)
      ready()
      cp.run()]],
    ['in cp.run(), after a long silence'] = [[
      cp.net.createServer(print):listen(0)
      cp.setTimeout(ready, 300)
      cp.run()]],
    ["in cp.run 'once'"] = [[
      cp.net.createServer(print):listen(0)
      cp.setTimeout(ready, 1)
      while true do
        cp.run 'once'
      end]],
    ['in wait()'] = [[
      local child <close> = cp.spawn('sleep', { '1000' })
      ready()
      child:wait()]],
    ['in wait(), with a time'] = [[
      local child <close> = cp.spawn('sleep', { '1000' })
      ready()
      child:wait(1000000)]],
    ['in lines()'] = [[
      local child <close> = cp.spawn 'cat'
      ready()
      for _ in child.stdout:lines() do end]],
    ['in a coroutine of cp.async'] = [[
      local child <close> = cp.spawn 'cat'
      cp.async(function()
        ready()
        child:wait()
      end)
      cp.run()]],
    ['in a coroutine of its own that runs the loop'] = [[
      cp.net.createServer(print):listen(0)
      ready()
      coroutine.wrap(cp.run)()]],
    ['in a callback that does not end'] = [[
      cp.setTimeout(function()
        ready()
        while true do end
      end, 1)
      cp.run()]],
  }
  for title, code in pairs(PLACES) do
    it(title, function()
      interrupted(code, ends)
    end)
  end

  it('with its children, whose scopes it closes', function()
    interrupted(
      [[
        local child <close> = cp.spawn('sleep', { '1000' })
        io.stderr:write(child.pid, '\n')
        ready()
        cp.run()]],
      function(result)
        local pid = math.tointeger(tonumber(result.stderr:match '^%d+'))
        assert.equal(1, result.code)
        -- the scope has sent SIGTERM; nobody is left to reap it but init
        repeat
          local state = t.slurp(('/proc/%d/stat'):format(pid))
        until not state or state:find '%) Z'
      end
    )
  end)

  it('unless it listens, and goes on after it has heard', function()
    interrupted(
      [[
        cp.process:once('SIGINT', function() print 'heard' end)
        local timer = cp.setInterval(function() end, 1000)
        cp.process:once('SIGINT', function() timer:close() end)
        ready()
        cp.run()]],
      function(result, rest)
        assert.equal(0, result.code)
        assert.equal('heard\nclosed\n', rest)
      end
    )
  end)
end)

describe('a hook of the program', function()
  it('does not keep the loop from sleeping', function()
    local file, args = t.lua [[
      local cp = require 'child_process'
      debug.sethook(function() end, '', 1000)
      local start = os.clock()
      cp.setTimeout(function() end, 400)
      cp.run()
      assert(os.clock() - start < 0.2)]]
    local result = cp.spawnSync(file, args)
    assert.equal('', result.stderr)
  end)

  it('may raise out of cp.run()', function()
    local file, args = t.lua [[
      local cp = require 'child_process'
      cp.setTimeout(function()
        debug.sethook(function()
          debug.sethook()
          error('stop', 0)
        end, 'c')
      end, 1)
      cp.setTimeout(function() end, 1)
      print(pcall(cp.run))
      print(cp.run())]]
    local result = cp.spawnSync(file, args)
    assert.equal('', result.stderr)
    assert.equal('false\tstop\nfalse\n', result.stdout)
  end)
end)
