-- A child has the descriptors of its stdio and no others, whatever the system refuses.
local sandbox = require 'spec.support.sandbox'
local t = require 'spec.helper'
local it = t.wrap(it)

-- Prints which descriptors a child has, of some; or the error.
local LIST = [[
  local cp = require 'child_process'
  local kept <close> = io.open '/dev/null'
  local some = '0 1 2 3 4 5 6 7 8 9 15000'
  local script = 'for i in %s; do [ ! -e /dev/fd/$i ] || echo $i; done'
  local result = cp.exec(script:format(some)):wait()
  local err = result.error
  print(result.stdout:gsub('\n', ' '), err and err.code, err and err.stage)]]

-- An open descriptor, far above the limits of later.
local HIGH = { 'hard=20000', 'fd=15000', 'soft=1024' }

local function check(refused, expected)
  return function()
    local words = table.move(refused, 1, #refused, #HIGH + 1, { table.unpack(HIGH) })
    local obstacle = t.backend() ~= 'linux' and 'libuv closes none'
      or sandbox.obstacle(words)
    if obstacle then
      pending(obstacle)
    end
    assert.equal(expected or '0 1 2 \tnil\tnil\n', sandbox.output(words, LIST))
  end
end

describe('a descriptor above the limit', function()
  it('is closed in the child', check {})
  for _, errno in ipairs { 'ENOSYS', 'EPERM', 'EACCES', 'EINVAL' } do
    it(
      'is closed in the child where close_range gives ' .. errno,
      check { 'close_range=' .. errno }
    )
  end
  it(
    'is closed in the child where the limit is not told, either',
    check { 'close_range=EPERM', 'prlimit64=EPERM' }
  )
  it(
    'is closed in the child where /proc cannot be read, either',
    check { 'close_range=EPERM', 'getdents64=EPERM' }
  )
  it(
    'lets no child start where nothing tells what is open',
    check(
      { 'close_range=EACCES', 'prlimit64=EPERM', 'getdents64=ENOSYS' },
      '\tEACCES\tstdio\n'
    )
  )
end)
