--- Forked children for specs: programs that stand in the spec itself.
local assert = require 'luassert'
local t = require 'spec.helper'

local M = {}

--- Forks a program given as text.  Its arguments are in `...`.
-- @param options table|nil: of cp.fork
function M.fork(code, options, ...)
  return t.cp.fork(t.fixture 'program.lua', { code, ... }, options)
end

--- The same, with `close` expected and the exit code 0.
function M.run(code, options, ...)
  local child = M.fork(code, options, ...)
  t.once(child, 'close', function(exit_code, signal)
    assert.same({ 0, nil }, { exit_code, signal })
  end)
  return child
end

--- Collects the messages of a child in a list with `n`; `check(list, code, signal)` is
-- called when it has closed.
function M.messages(child, check)
  local list = { n = 0 }
  child:on('message', function(message)
    list.n = list.n + 1
    list[list.n] = message
  end)
  t.once(child, 'close', function(code, signal)
    check(list, code, signal)
  end)
end

--- Expects one message of a child that then ends by itself.
function M.answer(child, check)
  M.messages(child, function(list, code, signal)
    assert.same({ 0, nil }, { code, signal })
    assert.equal(1, list.n)
    check(list[1])
  end)
end

--- Runs a program that is not forked and has this module, e.g. to be a parent itself;
-- `check(stdout, stderr, code, signal)` at its end.
function M.program(code, check, options, ...)
  local exe, args = t.lua(code, ...)
  local child = t.cp.spawn(exe, args, options)
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(exit_code, signal)
    check(out(), err(), exit_code, signal)
  end)
  return child
end

return M
