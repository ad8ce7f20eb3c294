-- What a person sees on stderr when a program ends by an error: under the interpreter
-- itself, with its own message handler.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- What the program, in a file of its own, writes to stderr.
local function stderr_of(code)
  local file = t.tmpdir() .. '/script.lua'
  t.write_file(file, code)
  local exe, args = t.lua(file)
  local result = cp.spawnSync(exe, args)
  assert.equal(1, result.status, result.stderr)
  return result.stderr
end

local function count(text, what)
  return select(2, text:gsub(what, ''))
end

-- One line with message and place, then one traceback.
local function shows(text, place, message)
  assert.matches('^[^\n]*' .. place .. ': [^\n]*' .. message, text)
  assert.equal(1, count(text, 'stack traceback:'), text)
  assert.matches('\n\t[^\n]*script%.lua:%d+: in ', text)
end

describe(
  'an error that nobody catches shows message, file, line and a traceback:',
  function()
    local ROWS = {
      {
        'a method called with a dot',
        [[
        local cp = require 'child_process'
        local child = cp.spawn('true')
        child.kill()]],
        'script%.lua:3',
        'ERR_INVALID_THIS',
      },
      {
        'a wrong argument in a function of the program',
        [[
        local cp = require 'child_process'
        local function start(name)
          local child = cp.spawn(name)
          return child
        end
        start(5)]],
        'script%.lua:3',
        'ERR_INVALID_ARG_TYPE',
      },
      {
        'a failed start that no listener hears of: where it was started',
        [[
        local cp = require 'child_process'
        local child = cp.spawn 'no-such-program'

        cp.run()]],
        'script%.lua:2',
        'spawn no%-such%-program ENOENT',
      },
      {
        'an error event with a value that is no error',
        [[
        local e = require('child_process').EventEmitter()
        e:emit('error', 5)]],
        'script%.lua:2',
        'ERR_UNHANDLED_ERROR',
      },
      {
        'misuse in a callback',
        [[
        local cp = require 'child_process'
        cp.setTimeout(function()
          cp.exec(5)
        end, 1)
        cp.run()]],
        'script%.lua:3',
        'ERR_INVALID_ARG_TYPE',
      },
      {
        'misuse in a coroutine that has waited',
        [[
        local cp = require 'child_process'
        cp.async(function()
          cp.spawn('true'):wait()
          cp.exec(5)
        end)
        cp.run()]],
        'script%.lua:4',
        'ERR_INVALID_ARG_TYPE',
      },
      {
        'misuse in a callback, outside of cp.run',
        [[
        local cp = require 'child_process'
        cp.nextTick(function()
          cp.exec(5)
        end)
        cp.spawn('true'):wait()]],
        'script%.lua:3',
        'ERR_INVALID_ARG_TYPE',
      },
      {
        'an error that assert raises',
        [[
        local cp = require 'child_process'
        local ok, err = pcall(cp.exec, 5)
        assert(ok, err)]],
        'script%.lua:2',
        'ERR_INVALID_ARG_TYPE',
      },
      {
        'a text raised in a callback',
        [[
        local cp = require 'child_process'
        cp.setTimeout(function()
          error 'boom'
        end, 1)
        cp.run()]],
        'script%.lua:3',
        'boom\n',
      },
      {
        'a text raised in a coroutine',
        [[
        local cp = require 'child_process'
        cp.async(function()
          cp.spawn('true'):wait()
          error 'boom'
        end)
        cp.run()]],
        'script%.lua:4',
        'boom\n',
      },
    }
    for _, row in ipairs(ROWS) do
      it(row[1], function()
        shows(stderr_of(row[2]), row[3], row[4])
      end)
    end

    it('the traceback of an error value is that of the callback', function()
      local text = stderr_of [[
      local cp = require 'child_process'
      local function in_a_callback()
        cp.exec(5)
      end
      cp.setTimeout(function()
        in_a_callback()
      end, 1)
      cp.run()]]
      assert.matches("script%.lua:3: in [^\n]*'in_a_callback'", text)
    end)
  end
)

describe('the text of an error value', function()
  local function err()
    return select(2, pcall(cp.exec, 5))
  end
  local TEXT = '^TypeError %[ERR_INVALID_ARG_TYPE%]: [^\n]*$'

  it('is one line for everybody but the interpreter', function()
    assert.matches(TEXT, tostring(err()))
    assert.matches(TEXT, ('%s'):format(err()))
    assert.matches(TEXT, select(2, pcall(tostring, err())))
    assert.matches(TEXT, select(2, xpcall(cp.exec, tostring, 5)))
    assert.matches(
      TEXT,
      select(
        2,
        xpcall(cp.exec, function(e)
          return tostring(e)
        end, 5)
      )
    )
    local file, args = t.lua [[
      local cp = require 'child_process'
      xpcall(cp.exec, print, 5)
      print(select(2, pcall(cp.exec, 5)))]]
    local out = cp.spawnSync(file, args).stdout
    assert.equal(2, count(out, '\n'))
  end)
end)

describe('what a callback raises', function()
  it('leaves cp.run() and wait() unchanged, whatever it is', function()
    local values = { 'boom', '', 'a\nstack traceback:\n\tb', 5, {}, print, false }
    for _, value in ipairs(values) do
      local function raise()
        error(value, 0)
      end
      cp.setTimeout(raise, 1)
      local ok, err = pcall(cp.run)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
      cp.nextTick(raise)
      local child = cp.spawn('true')
      ok, err = pcall(child.wait, child)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
      cp.async(raise)
      ok, err = pcall(cp.run)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
      cp.run()
    end
  end)

  it('is unchanged for uncaughtException in a forked child', function()
    local child = cp.fork(t.fixture 'program.lua', {
      [[
        local cp = require 'child_process'
        process:on('uncaughtException', function(err) process:send { err } end)
        cp.setTimeout(error, 1, 'boom', 0)
        cp.async(function() cp.spawn('true'):wait() error('late', 0) end)]],
    })
    local seen = {}
    child:on('message', function(message)
      seen[message[1]] = true
    end)
    t.once(child, 'close', function()
      assert.same({ boom = true, late = true }, seen)
    end)
  end)
end)
