local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local STATES = {
  'nothing',
  'running',
  'stopped',
  'writing',
  'unread',
  'ended',
  'failed',
  'timers',
  'joined',
  'closing',
  'aborting',
  'limited',
  'held',
  'several',
  'standard',
  'waiting',
  'collected',
}

if t.backend() == 'linux' then
  table.insert(STATES, 'leaderless')
end

if t.backend() == 'linux' and not machine.lacks 'terminals' then
  table.insert(STATES, 'terminal')
end

-- What the program ends with: nil is the code 1 and a message of Lua's.
local ENDINGS = {
  fall = 0,
  step = 0,
  error = 1,
  exit = 3,
  quick_exit = 3,
  callback_error = 1,
  callback_exit = 3,
  callback_quick_exit = 3,
  tick_exit = 3,
  coroutine_exit = 3,
  listener_exit = 3,
  data_exit = 3,
}

-- Its children share its stderr: that ends, and `close` comes, when the last is gone.
local function expect_ending(state, ending, expected)
  local child = cp.spawn(t.lua('teardown.lua', state, ending))
  child.stdout:resume()
  local err = t.collect(child.stderr)
  t.once(child, 'close', function(code, signal)
    local where = ('%s, %s: %s'):format(state, ending, err())
    assert.is_nil(signal, where)
    assert.equal(expected, code, where)
    if expected == 1 then
      assert.truthy(err():find('on purpose', 1, true), where)
      assert.is_nil(err():find('Sanitizer', 1, true), where)
    else
      assert.equal('', err(), where)
    end
  end)
end

describe('the end of a program', function()
  for _, state in ipairs(STATES) do
    it('is orderly in every way while it is ' .. state, function()
      for ending, expected in pairs(ENDINGS) do
        expect_ending(state, ending, expected)
      end
    end)
  end
end)

describe('a host that closes the Lua state and goes on', function()
  for _, state in ipairs(STATES) do
    it('keeps no child, descriptor or thread: ' .. state, function()
      local _, args = t.lua('teardown.lua', state, 'step')
      local child = cp.spawn(t.built 'state_host', { '3', table.unpack(args) })
      local out, err = t.collect(child.stdout), t.collect(child.stderr)
      t.once(child, 'close', function(code, signal)
        assert.equal('', err())
        assert.equal('children 0, descriptors +0\n', out():match 'children.*')
        assert.equal(0, code)
        assert.is_nil(signal)
      end)
    end)
  end
end)

local function collect_all()
  for _ = 1, 3 do
    collectgarbage()
    cp.run 'nowait'
  end
end

describe('an object that nobody holds', function()
  it('is a running child: it is reaped and tells its listeners', function()
    t.once(cp.spawn('sh', { '-c', 'exit 6' }), 'exit', function(code)
      assert.equal(6, code)
    end)
    collectgarbage()
    collectgarbage()
  end)

  it('is a running child without a listener', function()
    for _ = 1, 20 do
      cp.spawn 'true'
    end
    collectgarbage()
    collectgarbage()
  end)

  it('is an unreferenced child: it is reaped later', function()
    for _ = 1, 5 do
      cp.spawn('true', {}, { stdio = 'ignore' }):unref()
    end
    collectgarbage()
    collectgarbage()
    repeat
      cp.setTimeout(function() end, 1)
      cp.run()
    until #t.children() == 0
  end)

  it('is a stream: it goes on', function()
    local got = {}
    do
      local child = cp.spawn('sh', { '-c', 'read line; echo "$line"' })
      child.stdout:on('data', function(chunk)
        got[#got + 1] = chunk
      end)
      child.stdin:write 'kept alive\n'
    end
    collectgarbage()
    collectgarbage()
    cp.run()
    assert.equal('kept alive\n', table.concat(got))
  end)

  it('is gone with its streams after close, cycles or not', function()
    local weak = setmetatable({}, { __mode = 'v' })
    for i = 1, 5 do
      local child = cp.spawn(i == 5 and 'does_not_exist_lcp' or 'true')
      child:on('error', function() end)
      child:on('close', function()
        child.mine = { child, child.stdout }
      end)
      child.stdout:on('end', function()
        child.ended = true
      end)
      weak[#weak + 1] = child
      weak[#weak + 1] = child.stdin
      weak[#weak + 1] = child.stdout
      weak[#weak + 1] = child.stderr
    end
    cp.run()
    collect_all()
    assert.is_nil(next(weak))
  end)

  it('is a timer that has fired or was closed', function()
    local weak = setmetatable({}, { __mode = 'v' })
    do
      local function holder()
        local own
        own = cp.setTimeout(function()
          return own
        end, 1)
        return own
      end
      weak[1] = holder()
      weak[2] = holder()
      weak[2]:close()
      weak[3] = cp.setImmediate(function() end)
    end
    cp.run()
    collect_all()
    assert.is_nil(next(weak))
  end)
end)

describe('child:unref', function()
  it('lets the loop end while the child lives; ref takes it back', function()
    local file <close> = assert(io.open '/dev/null')
    local stdio = { 'ignore', file, file, 'pipe' }
    local child = cp.spawn('sh', { '-c', 'read line <&3' }, { stdio = stdio })
    local hold = child.stdio[4]
    assert.is_true(cp.run 'nowait')
    child:unref()
    assert.is_true(t.pid_alive(child.pid))
    child:ref()
    assert.is_true(cp.run 'nowait')
    t.once(child, 'exit', function(code)
      assert.equal(0, code)
    end)
    hold:resume()
    hold:finish 'go\n'
  end)

  it('holds the loop no more where nothing is piped', function()
    local child = cp.spawn('sleep', { '1000' }, { stdio = 'ignore' })
    child:unref()
    assert.is_false(cp.run())
    assert.is_true(t.pid_alive(child.pid))
    child:ref()
    child:kill 'SIGKILL'
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGKILL', signal)
    end)
  end)

  it('may be called at any time', function()
    local child = cp.spawn 'true'
    child:unref()
    child:ref()
    t.once(child, 'close', function()
      child:unref()
      child:ref()
    end)
    local failed = cp.spawn 'does_not_exist_lcp'
    t.once(failed, 'error', function()
      failed:ref()
    end)
    failed:ref()
  end)
end)

describe('a method', function()
  -- what a program might hand to it by mistake
  local function strangers()
    local child = cp.spawn 'true'
    local timer = cp.setTimeout(function() end, 1)
    local list = { 5, 'text', true, {}, print, io.stdout, coroutine.create(print) }
    table.move(
      { child, child.stdin, timer, cp.setImmediate(function() end) },
      1,
      4,
      #list + 1,
      list
    )
    return list
  end

  it('of a child, a stream or a timer survives any object', function()
    local child, timer = cp.spawn 'true', cp.setTimeout(function() end, 1)
    local names = {
      [child] = 'kill ref unref wait on once off emit listeners setMaxListeners',
      [child.stdin] = 'write finish destroy cork uncork on pipe',
      [child.stdout] = 'read pause resume setEncoding unpipe isPaused destroy',
      [timer] = 'ref unref hasRef close',
    }
    for object, methods in pairs(names) do
      for name in methods:gmatch '%a+' do
        for _, stranger in ipairs(strangers()) do
          pcall(object[name], stranger, 'data', function() end)
        end
        pcall(object[name])
      end
    end
    repeat
      local _, alive = pcall(cp.run)
    until alive == false
  end)
end)

describe('the module, required again in the same state', function()
  local FORGET = [[
    local function forget()
      for name in pairs(package.loaded) do
        if name:find '^child_process' then
          package.loaded[name] = nil
        end
      end
    end
  ]]

  local function passes(code, ...)
    local file, args = t.lua(FORGET .. code, ...)
    local result = cp.spawnSync(file, args)
    assert.equal('', result.stderr)
    assert.equal(0, result.status)
  end

  it('is the same module when package.loaded was emptied', function()
    passes [[
      local first = require 'child_process'
      local errors = require 'child_process.errors'
      forget()
      assert(require 'child_process.errors' == errors)
      assert(require 'child_process' == first)
      forget()
      assert(require 'child_process' == first)]]
  end)

  it('is the same for what was loaded late, before and after', function()
    passes [[
      local first = require 'child_process'
      local net = first.net
      forget()
      local dgram = first.dgram
      assert(require 'child_process'.net == net)
      forget()
      assert(require 'child_process'.dgram == dgram)
      local server = net.createServer():listen(0)
      local child = first.spawn('true', { stdio = { server } })
      assert(child:wait().ok)
      server:close()]]
  end)

  it('knows the error values that it made before', function()
    passes [[
      local cp = require 'child_process'
      local err = require 'child_process.errors'.new('TypeError', nil, 'x')
      forget()
      local payload = require 'child_process.ipc.advanced'.encode(err)
      assert(payload:byte(3) == ('r'):byte())]]
  end)

  it('is that of the global `process` of a forked child', function()
    local child = cp.fork(t.fixture 'program.lua', {
      FORGET .. [[
        forget()
        process:send(require('child_process').process == process)]],
    })
    t.once(child, 'message', function(same)
      assert.is_true(same)
    end)
  end)
end)

describe('coroutines', function()
  it('may start a child and be gone when it ends', function()
    local done
    coroutine.wrap(function()
      local child = cp.spawn 'true'
      child:on('close', function(code)
        done = code
      end)
    end)()
    collectgarbage()
    cp.run()
    assert.equal(0, done)
  end)

  it('may run the loop with callbacks that were made elsewhere', function()
    local seen = {}
    cp.setTimeout(function()
      seen[#seen + 1] = coroutine.isyieldable()
    end, 1)
    coroutine.wrap(function()
      cp.run()
    end)()
    assert.equal(1, #seen)
  end)
end)

describe('the generational collector', function()
  it('finds nothing amiss', function()
    collectgarbage 'generational'
    for _ = 1, 30 do
      local child = cp.spawn 'cat'
      t.collect(child.stdout)
      child.stdin:finish(('z'):rep(1000))
    end
    local ok, err = pcall(cp.run)
    collectgarbage 'incremental'
    assert.is_true(ok, err)
  end)
end)
