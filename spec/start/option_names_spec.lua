-- Options are checked by name: what no call knows, and what only another call knows, is
-- refused; what Node 25 documents for a call is not.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local VALUE, TYPE = 'ERR_INVALID_ARG_VALUE', 'ERR_INVALID_ARG_TYPE'

local CALLS =
  { 'spawn', 'exec', 'execFile', 'fork', 'spawnSync', 'execSync', 'execFileSync' }

-- A value that each of Node's options may have.
local VALUES = {
  cwd = '/',
  env = {},
  argv0 = 'other',
  stdio = 'ignore',
  detached = false,
  uid = 0,
  gid = 0,
  serialization = 'json',
  shell = false,
  windowsHide = true,
  windowsVerbatimArguments = true,
  signal = cp.AbortController().signal,
  timeout = 100000,
  killSignal = 'SIGTERM',
  maxBuffer = 1000,
  encoding = 'utf8',
  input = 'text',
  execPath = '/bin/true',
  execArgv = {},
  silent = true,
}

-- What its documentation has for each call; fork's `shell` "will be ignored if set".
local EXEC = 'cwd env encoding timeout maxBuffer killSignal uid gid windowsHide signal'
local SYNC =
  'cwd input stdio env uid gid timeout killSignal maxBuffer encoding windowsHide'
local DOCUMENTED = {
  spawn = 'cwd env argv0 stdio detached uid gid serialization shell windowsHide '
    .. 'windowsVerbatimArguments signal timeout killSignal',
  exec = EXEC .. ' shell',
  execFile = EXEC .. ' shell windowsVerbatimArguments',
  fork = 'cwd detached env execPath execArgv gid serialization signal killSignal silent '
    .. 'stdio uid windowsVerbatimArguments timeout shell',
  spawnSync = SYNC .. ' argv0 shell windowsVerbatimArguments',
  execSync = SYNC .. ' shell',
  execFileSync = SYNC .. ' shell',
}

local IDS = { uid = true, gid = true }

local function is_root()
  return t.status_field('self', 'Uid'):match '^0%s' ~= nil
end

local function message(call, options)
  return t.raises(VALUE, cp[call], 'true', options).message
end

describe('an option', function()
  it('that no call has is refused', function()
    for _, call in ipairs(CALLS) do
      assert.equal(
        ("options.timout is not an option of %s; did you mean 'timeout'?"):format(call),
        message(call, { timout = 100 })
      )
    end
    assert.same({}, t.children())
  end)

  it('that only other calls have is refused with their names', function()
    assert.equal(
      "'silent' is an option of fork, not of spawn",
      message('spawn', {
        silent = true,
      })
    )
    assert.equal(
      "'stdio' is an option of spawn, fork, spawnSync, execSync and execFileSync, "
        .. 'not of exec',
      message('exec', { stdio = 'pipe' })
    )
    assert.equal(
      "'encoding' is an option of exec, execFile, spawnSync, execSync and "
        .. 'execFileSync, not of spawn',
      message('spawn', { encoding = 'utf8' })
    )
  end)

  it('is refused by name whatever its value is', function()
    assert.truthy(message('spawn', { silent = false }):find "'silent'")
    assert.truthy(message('spawn', { timout = {}, cwd = 5 }):find 'timout')
  end)

  it('of several unknown ones is the first by the alphabet', function()
    for _ = 1, 20 do
      local options = { zzz = 1, yyy = 1, xxx = 1, aaa = 1, mmm = 1 }
      assert.truthy(message('exec', options):find '^options%.aaa ')
    end
  end)

  it('is suggested if it is near: letters, case, signs and neighbours', function()
    local near = {
      maxbuffer = 'maxBuffer',
      max_buffer = 'maxBuffer',
      kill_signal = 'killSignal',
      stdoi = 'stdio',
      cdw = 'cwd',
      shel = 'shell',
      TIMEOUT = 'timeout',
      detatched = 'detached',
    }
    for wrong, right in pairs(near) do
      local text = message('spawn', { [wrong] = 1 })
      assert.equal(
        ("options.%s is not an option of spawn; did you mean '%s'?"):format(wrong, right),
        text
      )
    end
    for _, far in ipairs { 'nonsense', 'callback', 'x', ('timeout'):rep(100000) } do
      assert.is_nil(message('spawn', { [far] = 1 }):find 'did you mean')
    end
  end)

  it('with an odd name is shown so that one line remains', function()
    local text = message('spawn', { ['a\n\27[31mb'] = 1 })
    assert.equal("options['a\\n\\x1b[31mb'] is not an option of spawn", text)
  end)

  it('is refused where the options stand in the second place, too', function()
    for _, call in ipairs(CALLS) do
      t.raises(VALUE, cp[call], 'true', { timout = 100 })
      if not call:find '^exec' or call:find 'File' then
        t.raises(VALUE, cp[call], 'true', {}, { timout = 100 })
      end
    end
  end)

  it('of a ChildProcess made by hand is checked as those of spawn', function()
    local child = cp.ChildProcess()
    local err = t.raises(VALUE, child.spawn, child, { file = 'true', arg = {} })
    assert.equal(
      "options.arg is not an option of child:spawn; did you mean 'args'?",
      err.message
    )
    child:spawn { file = 'true', args = { 'true' }, envPairs = {}, cwd = '/' }
    t.once(child, 'close', function(code)
      assert.equal(0, code)
    end)
  end)

  it('that Node 25 documents for the very call is taken', function()
    for _, call in ipairs(CALLS) do
      for name in DOCUMENTED[call]:gmatch '%S+' do
        if is_root() or not IDS[name] then
          local options = { [name] = VALUES[name] }
          if call == 'fork' then
            options.execPath = '/bin/true'
          end
          cp[call]('/bin/true', options)
        end
      end
    end
  end)
end)

describe('a callback before the options', function()
  it('is refused, with the right order', function()
    local forms = {
      ['cp.exec(command, options, callback)'] = { cp.exec, 'true', print, {} },
      ['cp.execFile(file, args, options, callback)'] = { cp.execFile, 'true', print, {} },
    }
    for form, call in pairs(forms) do
      local err = t.raises(TYPE, table.unpack(call))
      assert.equal(
        'The "options" argument must stand before the callback: ' .. form,
        err.message
      )
    end
    t.raises(TYPE, cp.execFile, 'true', { 'a' }, print, { timeout = 5 })
    t.raises(TYPE, cp.execFile, 'true', { timeout = 5 }, print, { timeout = 5 })
    t.raises(TYPE, cp.execFile, 'true', { 'a' }, { timeout = 5 }, print, {})
    t.raises(TYPE, cp.exec, 'true', { timeout = 5 }, print, {})
    assert.same({}, t.children())
  end)

  it('may be followed by anything else, as in Node', function()
    cp.execFile('true', t.expect(), 'text')
    cp.exec('true', t.expect(), 5)
  end)
end)
