-- A child that starts on our table of descriptors (csrc/os/table.h) leaves it before
-- anything else, and until then changes nothing in it.  What a program and its threads
-- have open is never touched, whatever fails.
local crowd = require 'spec.support.crowd'
local faults = require 'spec.support.faults'
local sandbox = require 'spec.support.sandbox'
local t = require 'spec.helper'
local it = crowd.wrap(it, pending)

-- Starts children in each way, and looks at what they got and what is open afterwards.
local STARTS = [[
  local function check_starts()
    local before = descriptors()
    for _ = 1, 3 do
      assert(cp.spawnSync('cat', {}, { input = 'text' }).stdout == 'text')
      local stdio = { files[99], 'pipe', 2 }
      local child = cp.spawn('ls', { '/proc/self/fd' }, { stdio = stdio })
      local text = ''
      child.stdout:on('data', function(chunk) text = text .. chunk end)
      cp.run()
      assert(text == '0\n1\n2\n3\n', text) -- 3 is the folder
    end
    assert(differences(before, descriptors()) == 0)
  end
]]

describe('a child that cannot leave our table', function()
  for _, errno in ipairs { 'ENOMEM', 'EMFILE', 'EPERM', 'EACCES', 'ENOSYS', 'EINVAL' } do
    local title = 'is started once more, on a copy: ' .. errno
    it(title, function()
      local said = crowd.output(STARTS .. [[
        assert(received(function() cp.spawnSync 'true' end) == 1)
        arm('close_range', 1, 1, tonumber(arg[2]))
        check_starts()
        fault.disarm()
        say(received(function() cp.spawnSync 'true' end)) ]], faults.errno(errno))
      -- A lack is remembered, a shortage is not.
      local passes = errno == 'ENOMEM' or errno == 'EMFILE'
      assert.equal(passes and '1\n' or '0\n', said)
    end)
  end

  for _, errno in ipairs { 'ENOMEM', 'EPERM', 'EAGAIN' } do
    it('starts on a copy where it receives nothing: ' .. errno, function()
      crowd.output(STARTS .. [[
        assert(received(function() cp.spawnSync 'true' end) == 1)
        arm('recvmsg', 1, 2, tonumber(arg[2]))
        check_starts() ]], faults.errno(errno))
    end)
  end

  it('is started on a copy where the kernel refuses to share', function()
    crowd.output(STARTS .. [[
        assert(received(function() cp.spawnSync 'true' end) == 1)
        for _ = 1, 3 do
          arm('clone', 1, 1, tonumber(arg[2]))
          assert(cp.spawnSync 'true'.ok)
          assert(fault.disarm() == 2) -- clones
        end
        check_starts() ]], faults.errno 'ENOMEM')
  end)

  -- A limit below what is open: on a copy, its sources lie above its slots already.
  it('starts on a copy where the limit leaves no room for what it receives', function()
    local said = crowd.output [[
      for i = 1, 14 do files[i]:close() end
      local function limit(n)
        local number = ('--nofile=%d:1024'):format(n)
        local words = { '--pid', cp.process.pid, number }
        assert(cp.spawnSync('prlimit', words, { stdio = 'ignore' }).ok)
      end
      assert(received(function() cp.spawnSync 'true' end) == 1)
      local stdio = { 'ignore', 1, 2 }
      for i = 4, 12 do stdio[i] = files[100 + i] end
      for n = 16, 40 do
        limit(n)
        local result = cp.spawnSync('true', {}, { stdio = stdio })
        limit(1024)
        say(n, result.ok or result.error.code)
      end ]]
    for n, outcome in said:gmatch '(%d+)\t(%S+)\n' do
      assert.same({ n, 'true' }, { n, outcome })
    end
    assert.is_truthy(said:find '^16\t' and said:find '\n40\t')
  end)

  -- One of the calls before the child runs: of the first time, which finds out whether it
  -- works, or of one after that.  The sockets are made anew where they seem to be gone.
  for _, name in ipairs { 'fstat', 'sendmsg', 'clone', 'socketpair', 'waitpid' } do
    it('is not in the way of a start where ' .. name .. ' fails', function()
      local said = crowd.output(STARTS .. [[
        for call = 1, 6 do
          if arg[2] == 'socketpair' then
            arm('fstat', call, call + 3, 12)
          end
          arm(arg[2], call, call, arg[2] == 'waitpid' and 4 or 12)
          local result = cp.spawnSync('cat', {}, { stdio = { files[9], 'pipe', 2 } })
          assert(result.ok or result.error.syscall:find 'spawnSync')
          fault.disarm()
          for i = 1, 60 do files[i]:close() end
          cp.spawnSync 'true'
          for i = 1, 60 do files[i] = io.open '/dev/null' end
          check_starts()
        end
        say(received(function() cp.spawnSync 'true' end)) ]], name)
      assert.equal('1\n', said)
    end)
  end

  for _, errno in ipairs { 'ENOSYS', 'EPERM', 'EACCES', 'EINVAL' } do
    it('is never tried in a sandbox that has close_range=' .. errno, function()
      local obstacle = sandbox.obstacle {}
      if obstacle then
        pending(obstacle)
      end
      local code = crowd.HEAD
        .. STARTS
        .. [[
        check_starts()
        print(received(function() cp.spawnSync 'true' end)) ]]
      local said = sandbox.output({ 'close_range=' .. errno }, code, t.built 'fault.so')
      assert.equal('0\n', said)
    end)
  end
end)

describe('the descriptors of a program', function()
  it('are not touched while its threads open and close some', function()
    local said = crowd.output(STARTS .. [[
      local threads = require 'open_and_close'
      threads.start()
      for i = 1, 60 do
        if i % 3 == 0 then
          arm('close_range', 1, 1, 12)
        elseif i % 10 == 0 then
          arm('recvmsg', 1, 1, 12)
        end
        assert(cp.spawnSync('cat', {}, { input = 'text' }).stdout == 'text')
        assert(cp.spawnSync('ls', { '/proc/self/fd' }).stdout == '0\n1\n2\n3\n')
        fault.disarm()
      end
      local rounds, wrongs = threads.stop()
      say(rounds > 0, wrongs) ]])
    assert.equal('true\t0\n', said)
  end)

  -- Closing any descriptor of a file would release them (fcntl_locking(2)).
  it('keep their POSIX locks', function()
    local said = crowd.output(STARTS .. [[
      local path = os.tmpname()
      local file = assert(io.open(path, 'w'))
      assert(lfs.lock(file, 'w'))
      check_starts()
      assert(cp.spawnSync('true', {}, { stdio = { 0, file, 'pipe' } }).ok)
      arm('close_range', 1, 1, 12)
      assert(cp.spawnSync('true', {}, { stdio = { 0, file, 'pipe' } }).ok)
      fault.disarm()
      local forking = require 'forking'
      local pid = forking.fork(true)
      if pid == 0 then
        forking.exit(lfs.lock(io.open(path, 'w'), 'w') and 1 or 0)
      end
      say(forking.wait(pid))
      os.remove(path) ]])
    assert.equal('0\n', said)
  end)

  -- As a daemon does.  Ours have a low number again as soon as there is one.
  it('are not taken for ours where it has closed ours', function()
    local said = crowd.output(STARTS .. [[
      local descriptors = require 'descriptors'
      local own
      for fd = 3, 60 do
        local target = lfs.symlinkattributes('/proc/self/fd/' .. fd, 'target') or ''
        if target:find '^socket:' then
          descriptors.close(fd)
          own = own or fd
        end
      end
      local file = io.tmpfile() -- has the number of ours
      local reader, writer = descriptors.pipe()
      for i = 1, 3 do
        assert(cp.spawnSync('cat', {}, { input = 'text' }).stdout == 'text')
      end
      file:write 'kept'
      assert(file:seek('set') == 0 and file:read 'a' == 'kept')
      say(received(function() cp.spawnSync 'true' end))
      for i = 1, 60 do files[i]:close() end
      arm('F_DUPFD_CLOEXEC', 1, 1, 38)
      assert(cp.spawnSync('true').ok)
      assert(fault.disarm() == 1)
      say(received(function() cp.spawnSync 'true' end)) ]])
    assert.equal('0\n1\n', said)
  end)
end)
