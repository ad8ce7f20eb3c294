-- Sandboxes refuse what they do not know, with whatever errno their authors chose.  Where
-- a single call is missing, everything works.
local sandbox = require 'spec.support.sandbox'
local t = require 'spec.helper'
local it = t.wrap(it)

local ALL = 'spawn exec failure kill timeout sync fork '

local CALLS = {
  'close_range',
  'pidfd_open',
  'pidfd_send_signal',
  'clone3',
  'clone_pidfd',
  'waitid',
  'preadv2',
  'pwritev2',
  'epoll_pwait2',
  'prlimit64',
  'memfd_create',
}
local ERRNOS = { 'ENOSYS', 'EPERM', 'EACCES', 'EINVAL' }

local function run(words)
  return function()
    local obstacle = os.getenv 'LCP_OLD_KERNEL' and 'this is a sandbox'
      or sandbox.obstacle(words)
    if obstacle then
      pending(obstacle)
    end
    local said = sandbox.output(words, 'sandboxed.lua', t.fixture 'program.lua')
    assert.equal(ALL, said)
  end
end

describe('a sandbox', function()
  it('that refuses nothing is no obstacle', run {})
  for _, call in ipairs(CALLS) do
    for _, errno in ipairs(ERRNOS) do
      local word = call .. '=' .. errno
      it('may have ' .. word, run { word })
    end
  end
  for _, errno in ipairs(ERRNOS) do
    local words = { 'pidfd_open=' .. errno, 'clone_pidfd=' .. errno }
    it('may give no pidfd: ' .. errno, run(words))
    local no_waitid = { 'waitid=' .. errno, table.unpack(words) }
    it('may give no pidfd and no waitid: ' .. errno, run(no_waitid))
    local all_but_threads = {}
    for _, call in ipairs(CALLS) do
      all_but_threads[#all_but_threads + 1] = call ~= 'clone3' and call .. '=' .. errno
        or nil
    end
    it('may refuse all but threads: ' .. errno, run(all_but_threads))
  end
  it('may be an old kernel', run { 'old_kernel' })

  -- glibc makes no threads where clone3 gives EPERM, and only ENOSYS has it try clone;
  -- musl does not know clone3.
  local function check(words, code, expected)
    return function()
      local obstacle = sandbox.obstacle(words)
      if t.slurp('/proc/self/maps'):find('musl', 1, true) then
        obstacle = 'musl makes threads without clone3'
      end
      if obstacle then
        pending(obstacle)
      end
      assert.equal(expected, sandbox.output(words, code))
    end
  end

  it(
    'without pidfds and threads lets no child start, and says so',
    check(
      { 'clone3=EPERM', 'pidfd_open=EPERM', 'clone_pidfd=EPERM' },
      [[
        local cp = require 'child_process'
        print(cp.execFile('cat'):wait().error)
        print(cp.spawnSync('cat').error)
        print(cp.spawnSync('cat').error.stage)]],
      'Error: spawn cat EPERM\nError: spawnSync cat EPERM\nfork\n'
    )
  )

  it(
    'without threads has no address for a name, and says so',
    check(
      { 'clone3=EPERM' },
      [[
        local cp = require 'child_process'
        cp.net.connect({ port = 9, host = 'localhost' }):on('error', print)
        cp.run()]],
      'Error: getaddrinfo EPERM localhost\n'
    )
  )
end)
