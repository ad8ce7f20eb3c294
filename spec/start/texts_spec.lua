-- Names from outside in texts for people: they stay on their line, and do nothing to a
-- terminal.  The fields of an error have them as they are.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local EVIL = 'a\27[2J\r\nb\tc\127\194\155d\0e'
local SHOWN = 'a\\x1b[2J\\r\\nb\\tc\\x7f\\x9bd'
local NAME = EVIL:match '^%Z*'

local function fails(emitter, check)
  t.once(emitter, 'error', function(err)
    check(err)
    assert.is_nil(err.message:find '[%c\127]')
  end)
end

describe('the text of an error', function()
  it('escapes the name of a command, and its fields do not', function()
    fails(cp.spawn(NAME), function(err)
      local text = ('spawn %s ENOENT: there is no program '):format(SHOWN)
      assert.equal(text, err.message:sub(1, #text))
      assert.equal(NAME, err.path)
      assert.equal('spawn ' .. NAME, err.syscall)
    end)
    local result = cp.spawnSync('/' .. NAME)
    assert.equal(('spawnSync /%s ENOENT'):format(SHOWN), result.error.message)
  end)

  it('shows the carriage return behind an interpreter', function()
    if t.watched_by() == 'valgrind' then
      pending 'valgrind takes the carriage return for the end of the name'
    end
    local path = t.write_file(t.tmpdir() .. '/script', '#!/bin/sh\r\necho\n', '+x')
    fails(cp.spawn(path), function(err)
      assert.matches("cannot find its interpreter '/bin/sh\\r'$", err.message)
      assert.equal('/bin/sh\r', err.path)
    end)
  end)

  it('escapes a directory', function()
    fails(cp.spawn('true', {}, { cwd = NAME }), function(err)
      local text = "spawn true ENOENT: cannot enter the directory '%s'"
      assert.equal(text:format(SHOWN), err.message)
      assert.equal(NAME, err.path)
    end)
    local err = t.raises('ENOENT', cp.process.chdir, cp.process, NAME)
    assert.truthy(err.message:find(SHOWN, 1, true))
    assert.equal(NAME, err.dest)
  end)

  it('escapes an address', function()
    fails(cp.net.connect('/no/' .. NAME), function(err)
      assert.equal('connect ENOENT /no/' .. SHOWN, err.message)
      assert.equal('/no/' .. NAME, err.address)
    end)
    fails(cp.net.createServer():listen('/no/' .. NAME), function(err)
      assert.truthy(err.message:find('/no/' .. SHOWN, 1, true))
    end)
    fails(cp.net.connect { port = 9, host = NAME }, function(err)
      assert.equal(('getaddrinfo %s %s'):format(err.code, SHOWN), err.message)
    end)
  end)

  it('escapes a word that nobody knows', function()
    local child = cp.spawn('true', {}, { stdio = 'ignore' })
    local err = t.raises('ERR_UNKNOWN_SIGNAL', child.kill, child, EVIL)
    assert.equal('Unknown signal: ' .. SHOWN .. '\\x00e', err.message)
    err = t.raises(
      'ERR_UNKNOWN_ENCODING',
      cp.process.stdin.setEncoding,
      cp.process.stdin,
      EVIL
    )
    assert.equal('Unknown encoding: ' .. SHOWN .. '\\x00e', err.message)
  end)

  it('escapes an argument of the wrong kind', function()
    local err = t.raises(
      'ERR_INVALID_ARG_TYPE',
      cp.spawn,
      'true',
      {},
      { argv0 = 5, env = EVIL }
    )
    assert.is_nil(err.message:find '%c')
    err = t.raises('ERR_INVALID_ARG_VALUE', cp.spawn, EVIL)
    assert.truthy(err.message:find(SHOWN .. '\\x00e', 1, true))
  end)

  it('escapes all bytes beyond ASCII where a name is not UTF-8', function()
    fails(cp.spawn '/no/\155\233', function(err)
      assert.equal('spawn /no/\\x9b\\xe9 ENOENT', err.message)
    end)
    fails(cp.spawn '/no/für', function(err)
      assert.equal('spawn /no/für ENOENT', err.message)
    end)
  end)

  it('shows a command that has failed in its own lines', function()
    local code = 'exit 3 # \27[2J\r\n:'
    local function check(err)
      assert.equal('Command failed: exit 3 # \\x1b[2J\\r\n:\n', err.message)
      assert.equal(code, err.cmd)
    end
    cp.exec(code, t.expect(check))
    local ok, err = pcall(cp.execSync, code)
    assert.is_false(ok)
    assert.equal('Command failed: exit 3 # \\x1b[2J\\r\n:', err.message)
  end)
end)

describe('what is said to people who look inside', function()
  it('escapes names in a line of cp.debug', function()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      cp.debug(true)
      cp.spawnSync('true', {}, { cwd = '/no/\27[2J\r\n' })]]
    local result = cp.execFile(exe, args):wait()
    local _, lines = result.stderr:gsub('\n', '')
    assert.equal(2, lines)
    assert.is_nil(result.stderr:find '[\27\r]')
  end)

  it('escapes names in a line of cp.active', function()
    local path = t.tmpdir() .. '/' .. NAME
    local server = cp.net.createServer()
    server:listen(path, function()
      assert.truthy(tostring(cp.active()):find(SHOWN, 1, true))
      server:close()
    end)
  end)
end)
