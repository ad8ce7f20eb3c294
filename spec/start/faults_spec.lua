-- Every system call on the way to a running child fails once, at every place where it is
-- made: there is one error that tells what failed, or none and all is well, and no
-- process, descriptor or handle is left.
local faults = require 'spec.support.faults'
local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local terminal_it = machine.wrap('terminals', it, pending)
local it = t.wrap(it)

local is_root = io.popen('id -u'):read 'n' == 0

-- Runs the loop until the child has closed; returns the exit code.  A child that could
-- not be started has said so, and how: then errors of its streams are no news.
local function follow(child, errs)
  local events = t.record(child, { 'spawn', 'error', 'close' })
  local started, code = child.pid ~= nil, nil
  local function note(err)
    if err.code ~= 'EPIPE' then -- that is only what follows
      errs[#errs + 1] = err
    end
  end
  child:on('error', note)
  for i = 1, child.stdio.n do
    if child.stdio[i] and child.stdio[i] ~= child.stdio[i - 1] then
      child.stdio[i]:on('error', started and note or function() end)
    end
  end
  child:on('close', function(status)
    code = status
  end)
  cp.run()
  assert.equal('close', events[#events])
  if not started then
    assert.same({ 'error', 'close' }, events)
    assert.equal('spawn ' .. child.spawnfile, errs[1].syscall)
    assert.is_string(errs[1].stage)
    assert.equal(errs[1].errno, code)
  end
  return code
end

local starts = {}

local BIG = ('text'):rep(100000)

starts['three pipes'] = function(errs)
  local child <close> = cp.spawn('cat', {}, { cwd = '/' })
  local out = child.stdout and t.collect(child.stdout)
  if child.stdin then
    child.stdin:finish(BIG)
  end
  return follow(child, errs) == 0 and out() == BIG
end

starts['further pipes'] = function(errs)
  local stdio = { 'ignore', 'ignore', 'ignore', 'pipe', 'pipe' }
  local child <close> = cp.spawn('sh', { '-c', 'cat <&3 >&4' }, { stdio = stdio })
  local out = child.stdio[5] and t.collect(child.stdio[5])
  if child.stdio[4] then
    child.stdio[4]:finish 'text'
  end
  return follow(child, errs) == 0 and out() == 'text'
end

starts['the stream of another child'] = function(errs)
  local from = cp.spawn('echo', { 'text' }, { stdio = { 0, 'pipe', 2 } })
  if not from.pid then -- it was this start that failed
    follow(from, errs)
    return false
  end
  from.stdout:on('error', function(err)
    errs[#errs + 1] = err
  end)
  local stdio = { from.stdout, 'pipe', 2 }
  local child <close> = cp.spawn('cat', {}, { stdio = stdio })
  local out = child.stdout and t.collect(child.stdout)
  return follow(child, errs) == 0 and out() == 'text\n'
end

starts['several targets'] = function(errs)
  local path = t.tmpdir() .. '/log'
  local file <close> = assert(io.tmpfile())
  local stdio = { 'ignore', { 'pipe', { file = path }, file }, 'ignore' }
  local child <close> = cp.spawn('echo', { 'text' }, { stdio = stdio })
  local out = child.stdout and t.collect(child.stdout)
  local code = follow(child, errs)
  errs[1] = errs[1] or child:wait().error
  return code == 0 and out() == 'text\n' and t.slurp(path) == 'text\n'
end

-- So many that those of the start itself are in their way.
starts['many descriptors'] = function(errs)
  local stdio = { 'pipe', 'pipe', 'pipe' }
  for i = 4, 99 do
    stdio[i] = 'ignore'
  end
  stdio[100] = 'pipe'
  return follow(cp.spawn('true', {}, { stdio = stdio }), errs) == 0
end

starts['a session of its own'] = function(errs)
  local options = { stdio = 'ignore', detached = true }
  return follow(cp.spawn('true', {}, options), errs) == 0
end

if t.backend() == 'linux' then
  starts['a terminal'] = function(errs)
    local options = { pty = { echo = false }, uid = is_root and 0 or nil }
    local child <close> = cp.spawn('cat', {}, options)
    local out = t.collect(child.pty)
    child.pty:finish 'text\n'
    return follow(child, errs) == 0 and out() == 'text\r\n'
  end
end

starts['another user'] = function(errs)
  if not is_root then
    pending 'only root may change them'
  end
  local options = { stdio = 'ignore', uid = 54321, gid = 54321 }
  return follow(cp.spawn('true', {}, options), errs) == 0
end

starts['a channel'] = function(errs)
  local code = 'process:send { cwd = process:cwd() }'
  local options = { stdio = { 'ignore', 'ignore', 'inherit', 'ipc' } }
  local child <close> = cp.fork(t.fixture 'program.lua', { code }, options)
  local message
  child:on('message', function(m)
    message = m
  end)
  return follow(child, errs) == 0 and message ~= nil
end

starts['a shell'] = function(errs)
  local output, code
  local child <close> = cp.exec('cat; exit 3', { input = 'text' }, function(err, stdout)
    output, code = stdout, err and err.code
  end)
  follow(child, errs)
  return code == 3 and output == 'text'
end

starts['a time limit'] = function(errs)
  local child = cp.execFile('sleep', { '1000' }, { timeout = 1 })
  child:on('error', function(err)
    errs[#errs + 1] = err
    child:kill()
  end)
  return child:wait().reason == 'timeout'
end

starts['a name that does not exist'] = function(errs)
  local path = '/bin:/usr/bin'
  follow(cp.spawn('no-such-program-lcp', {}, { env = { PATH = path } }), errs)
  local is_expected = errs[1] and errs[1].code == 'ENOENT' and errs[1].stage == 'exec'
  return is_expected and table.remove(errs, 1) ~= nil
end

-- What libuv itself calls to start a process.
local OF_LIBUV = { library = 'libuv.so', names = {} }
for name in ('chdir dup2 epoll_create1 execvp fork setgid setuid'):gmatch '%S+' do
  OF_LIBUV.names[name] = true
end

for start, attempt in pairs(starts) do
  local run = start == 'a terminal' and terminal_it or it
  describe('a start with ' .. start, function()
    run('survives each call failing #slow', function()
      -- by EIO a terminal says that it has ended, by EAGAIN then that nothing is left
      local except = start == 'a terminal' and { read = 'EIO EAGAIN' } or nil
      faults.sweep(attempt, { except = except, sparse = start == 'a channel' })
    end, { timeout = 8 * t.TEST_TIMEOUT })
    if t.backend() == 'uv' then
      it("survives each call of libuv's failing", function()
        faults.sweep(attempt, OF_LIBUV)
      end, { timeout = 8 * t.TEST_TIMEOUT })
    end
  end)
end

describe('kill', function()
  local function refused(errno)
    return { name = 'syscall:pidfd_send_signal', last = 0, errno = errno }
  end

  for _, errno in ipairs { 'ENOSYS', 'EPERM', 'EACCES', 'EINVAL' } do
    it(
      'works where signals by pidfd give ' .. errno .. ', and reaches nobody else',
      function()
        local child = cp.spawn('sleep', { '1000' })
        faults.with(refused(errno), function()
          assert.is_true(child:kill())
          t.once(child, 'close', function(_, signal)
            assert.equal('SIGTERM', signal)
            assert.is_false(child:kill())
          end)
          cp.run()
        end)
      end
    )
  end

  it('says what the system says', function()
    local child = cp.spawn('sleep', { '1000' })
    t.once(child, 'close')
    t.once(child, 'error', function(err)
      assert.equal('EINVAL', err.code)
      assert.equal('kill', err.syscall)
    end)
    faults.with({ refused 'EPERM', { name = 'kill', errno = 'EINVAL' } }, function()
      assert.is_false(child:kill())
    end)
    assert.is_true(child:kill())
  end)
end)

describe('a program that has just begun', function()
  local function expect(what, stdout, stderr)
    return function()
      local exe, args = t.lua('refusals.lua', t.built 'fault.so', what)
      local words = { '-c', what == 'low' and 'exec "$@" <&-' or 'exec "$@"', 'sh', exe }
      table.move(args, 1, #args, #words + 1, words)
      local child = cp.execFile('sh', words, { input = 'input' }, t.expect())
      local result = child:wait()
      assert.same({ stdout, stderr or '' }, { result.stdout, result.stderr })
    end
  end

  it('opens its loop later when there was no memory for it', expect('loop', 'done\n'))
  it(
    'loses what it could not read for want of memory, and says so',
    expect('read', 'Error: read ENOMEM\n0\tnil\nnot lost\n\n')
  )
  it(
    'has its standard input later when there were no descriptors',
    expect('stdin', 'false\tError: open EMFILE\ninput\n')
  )
  it(
    'knows its interpreter where the system does not tell it',
    expect('interpreter', 'true\n')
  )
  it('keeps off its closed standard descriptors, or says EMFILE', expect('low', 'done\n'))
  it(
    'shows what a child said though its standard error is full for a moment',
    expect('stderr', '', 'said\n')
  )
end)
