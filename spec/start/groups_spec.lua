-- What becomes of the supplementary groups of a program that starts others as another
-- user.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- The code of a host that starts `id -G`, and prints how that went.
local HOST = [[
  local cp = require 'child_process'
  local result = cp.execFile('id', { '-G' }, %s):wait()
  local err = result.error
  print(result.stdout:match '^[%%d ]*', err and err.code, err and err.stage)]]

local function words_of(rights, ...)
  local words = { table.unpack(rights) }
  return table.move({ ... }, 1, select('#', ...), #words + 1, words)
end

-- The host gets the rights that setpriv leaves it.
local function check(rights, options, expected)
  return function()
    if not cp.execFile('setpriv', words_of(rights, 'true')):wait().ok then
      pending 'only root may give away its rights'
    end
    local exe, args = t.lua(HOST:format(options))
    local host = cp.execFile('setpriv', words_of(rights, exe, table.unpack(args)))
    local result = host:wait()
    assert.equal('', t.without_gcov(result.stderr))
    assert.equal(expected, result.stdout)
  end
end

local GROUPS = '--groups=4,27,42' -- adm, sudo, shadow
local SETUID = '--bounding-set=-all,+setuid'

describe('supplementary groups', function()
  it(
    'are dropped with the ids',
    check({ GROUPS }, '{ uid = 54321, gid = 54322 }', '54322\tnil\tnil\n')
  )
  it(
    'that cannot be dropped reach no other user: nothing is started',
    check({ GROUPS, SETUID }, '{ uid = 65534 }', '\tEPERM\tsetgroups\n')
  )
  it(
    'that cannot be dropped are no news to a program that may not change ids at all',
    check({ GROUPS, '--bounding-set=-all' }, '{ uid = 65534 }', '\tEPERM\tsetuid\n')
  )
  it(
    'that cannot be dropped stay with ids that stay',
    check(
      { GROUPS, '--bounding-set=-all' },
      '{ uid = 0, gid = 0 }',
      '0 4 27 42\tnil\tnil\n'
    )
  )
  it(
    'do not matter where there are none',
    check({ '--clear-groups', SETUID }, '{ uid = 65534 }', '0\tnil\tnil\n')
  )
end)
