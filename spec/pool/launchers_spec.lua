local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function shell(text)
  return { 'sh', '-c', text .. '; exec "$@"', 'sh' }
end

local function new(body, options)
  options.execPath = t.lua_exe
  return pools.new(body, options)
end

describe('a pool over launchers', function()
  it('has a worker for each launcher, unless size says otherwise', function()
    local launchers = { shell 'export WHERE=a', shell 'export WHERE=b' }
    local pool <close> = pools.program(
      "cp.serve(function() sleep(20) return os.getenv 'WHERE' end)",
      { launchers = launchers, execPath = t.lua_exe }
    )
    assert.equal(2, pool.size)
    local places = {}
    for _, place in ipairs(pool:map { 1, 2, 3, 4, 5, 6, 7, 8 }) do
      places[place] = true
    end
    assert.same({ a = true, b = true }, places)
    local three <close> = new('', { launchers = launchers, size = 3 })
    assert.equal(3, three.size)
  end)

  it('answers requests of megabytes in both serializations', function()
    for _, serialization in ipairs { 'json', 'advanced' } do
      local pool <close> = new('return request .. request', {
        launcher = { 'sh', '-c', 'cat | "$@" | cat', 'sh' },
        serialization = serialization,
      })
      local text = ('x'):rep(1000000)
      for _, reply in ipairs(pool:map { text, text, text }) do
        assert.equal(text .. text, reply)
      end
    end
  end)

  it('refuses handles', function()
    local pool <close> = new('return 1', { launcher = shell 'true' })
    local err = pools.raised(pool, 1, { handle = io.stdout })
    assert.equal('ERR_INVALID_HANDLE_TYPE', err.code)
    assert.equal(1, pool:run(1))
  end)

  it('replaces a worker that has died', function()
    local pool <close> = new('if request == 1 then os.exit(3) end return request', {
      launcher = shell 'true',
      size = 1,
    })
    local err = pools.raised(pool, 1)
    assert.same({ 'ERR_WORKER_DIED', 3 }, { err.code, err.exitCode })
    assert.equal(2, pool:run(2))
  end)

  it('fails with what the launcher has said', function()
    local pool <close> = new('', {
      launcher = { 'sh', '-c', 'echo no route >&2; exit 255' },
      stderr = 'ignore',
    })
    local err = pools.raised(pool, 1)
    assert.equal('ERR_POOL_FAILED', err.code)
    assert.equal('ERR_LAUNCHER_FAILED', err.cause.code)
    assert.equal(255, err.cause.exitCode)
    assert.matches('no route', tostring(err.cause))
  end)

  it('ends launchers that have not started a worker after startTimeout', function()
    local pool <close> = new('', {
      launcher = { 'sh', '-c', 'exec sleep 100' },
      startTimeout = 50,
      size = 1,
    })
    local err = pools.raised(pool, 1)
    assert.equal('ERR_POOL_FAILED', err.code)
    assert.matches('within 50 ms', tostring(err.cause))
  end)

  it('does not wait for what the launcher of a worker leaves behind', function()
    local path = t.tmpdir() .. '/pids'
    local code = '"$@"; sleep 1000 >/dev/null </dev/null & echo $! >> %s; kill -9 $$'
    local launcher = { 'sh', '-c', code:format(path), 'sh' }
    local pool <close> = new('cp.process:exit(3)', { launcher = launcher, size = 1 })
    assert.equal('SIGKILL', pools.raised(pool, 1).signalCode)
    pool:close()
    cp.run() -- returns
    for pid in t.slurp(path):gmatch '%d+' do
      assert.is_true(t.pid_alive(tonumber(pid)))
      cp.process:kill(tonumber(pid), 'SIGKILL')
    end
  end)

  it('does not keep the loop alive while it is idle', function()
    local pool <close> = new('return request', { launcher = shell 'true' })
    assert.equal(5, pool:run(5))
    cp.run()
  end)
end)
