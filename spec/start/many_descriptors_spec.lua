-- Where many descriptors are open, a child starts on our own table of them and receives
-- its own in a message (csrc/os/table.h): what it gets is the same as ever.
local crowd = require 'spec.support.crowd'
local sandbox = require 'spec.support.sandbox'
local t = require 'spec.helper'
local sharing_it = crowd.wrap(it, pending)
local it = t.wrap(it)

describe('with many descriptors open, a start', function()
  sharing_it('copies none of them, whichever call it is', function()
    local said = crowd.output [[
      say(received(function() cp.spawnSync 'true' end))
      say(received(function() cp.spawn 'true'; cp.run() end))
      say(received(function() cp.exec('exit 3'):wait() end))
      for _, file in ipairs(files) do file:close() end
      say(received(function() cp.spawnSync 'true' end)) ]]
    assert.equal('1\n1\n1\n0\n', said)
  end)

  sharing_it('gives the child what its stdio names, and nothing else', function()
    local said = crowd.output [[
      local script = 'for i in $(seq 0 400); do [ ! -e /dev/fd/$i ] || echo $i; done'
      local stdio = { 'pipe', 'pipe', 'pipe', 'ignore', 'pipe', files[150] }
      io.write(cp.spawnSync('sh', { '-c', script }, { stdio = stdio }).stdout) ]]
    assert.equal('0\n1\n2\n4\n5\n', said)
  end)

  it('hands on descriptors of any number, crosswise and more than once', function()
    local said = crowd.output [[
      local a, b = io.tmpfile(), io.tmpfile()
      local script = 'echo one >&1; echo two >&2; echo three >&3; echo four >&4'
      local stdio = { 'ignore', b, a, b, 'pipe' }
      local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
      child.stdio[5]:on('data', function(text) io.write(text) end)
      cp.run()
      for _, file in ipairs { a, b } do
        file:seek 'set'
        io.write(file:read 'a')
      end ]]
    assert.equal('four\ntwo\none\nthree\n', said)
  end)

  it('hands on the standard descriptors', function()
    local said = crowd.output [[
      cp.spawnSync('sh', { '-c', 'echo through' }, { stdio = 'inherit' }) ]]
    assert.equal('through\n', said)
  end)

  it('takes so many entries that they do not fit into one message', function()
    local said = crowd.output [[
      local stdio = { 'ignore', 'pipe', 'ignore' }
      for fd = 3, 299 do
        stdio[fd + 1] = files[1]
      end
      local script = 'ls /proc/self/fd | wc -l'
      io.write(cp.spawnSync('sh', { '-c', script }, { stdio = stdio }).stdout) ]]
    assert.equal(301, math.tointeger(said)) -- with that of ls itself
  end)

  it('names the step that failed', function()
    local said = crowd.output [[
      local function tell(...)
        local err = cp.spawnSync(...).error
        say(err.code, err.stage)
      end
      tell 'no-such-program'
      tell('true', {}, { cwd = '/no-such-folder' })
      say(cp.spawnSync('true').status) ]]
    assert.equal('ENOENT\texec\nENOENT\tchdir\n0\n', said)
  end)

  sharing_it('may give the child a terminal', function()
    local said = crowd.output [[
      local child = cp.spawn('sh', { '-c', 'test -t 0 && tty' }, { pty = true })
      local text = ''
      child.stdout:on('data', function(chunk) text = text .. chunk end)
      cp.run()
      say(text:find '^/dev/pts/%d+' ~= nil) ]]
    assert.equal('true\n', said)
  end)

  it('may give the child a channel', function()
    local said = crowd.output [[
      local file = os.tmpname()
      io.open(file, 'w'):write(
        "local cp = require 'child_process' cp.process:send 'hello'"
          .. " cp.process:disconnect()"
      ):close()
      local child = cp.fork(file)
      child:on('message', say)
      cp.run()
      os.remove(file) ]]
    assert.equal('hello\n', said)
  end)

  it('works in a copy of the process', function()
    local said = crowd.output [[
      local forking = require 'forking'
      for _, raw in ipairs { false, true } do
        local pid = forking.fork(raw)
        local text = cp.spawnSync('echo', { pid == 0 and 'copy' or 'first' }).stdout
        if pid == 0 then
          io.write(text)
          io.stdout:flush()
          forking.exit(0)
        end
        assert(forking.wait(pid) == 0)
        io.write(text)
        io.stdout:flush()
      end ]]
    assert.equal('copy\nfirst\ncopy\nfirst\n', said)
  end)
end)

-- It reports over a pipe, whose number is among those that the child is to have.
describe('the first start of a program', function()
  local function run(code)
    local file, args = t.lua([[
        local cp = require 'child_process'
        local stdio = { 'ignore', 'pipe', 'ignore' }
        for i = 4, 20 do stdio[i] = 'ignore' end
        stdio[20] = 1
      ]] .. code, t.built 'fault.so')
    local result = t.cp.spawnSync(file, args)
    assert.equal('', result.stderr)
    return result.stdout
  end

  sharing_it('may have more entries than descriptors are open', function()
    local said = run [[
      print(cp.spawnSync('sh', { '-c', 'ls /proc/self/fd' }, { stdio = stdio }).stdout) ]]
    assert.equal('0\n1\n19\n2\n3\n\n', said) -- 3 is the folder
  end)

  it('reports a failure over a pipe that has been moved', function()
    local said = run [[
      print(cp.spawnSync('no-such-program', {}, { stdio = stdio }).error.stage) ]]
    assert.equal('exec\n', said)
  end)

  sharing_it('reports that the pipe could not be moved', function()
    local said = run [[
      local fault = package.loadlib(arg[1], 'luaopen_fault')()
      local rule = { name = 'fcntl', last = 1, errno = 38, which = 2 }
      rule.only = fault.numbers.F_DUPFD_CLOEXEC
      fault.arm('child_process/core.so', rule)
      local err = cp.spawnSync('true', {}, { stdio = stdio }).error
      print(err.code, err.stage) ]]
    assert.equal('ENOSYS\tstdio\n', said)
  end)
end)

-- 128 is one of the numbers by which it is seen that there are many.
describe('with many descriptors open, all is well', function()
  local names =
    [[spawn stdio stdio_flow kill pty identity groups limits environment cgroup
    sync sync_stdio abort_spawn pipeline bad_days wire]]
  for name in names:gmatch '%S+' do
    sharing_it('with ' .. name .. '_spec #slow', function()
      local obstacle = sandbox.obstacle {}
      if obstacle then
        pending(obstacle)
      end
      sandbox.run_spec({ 'fd=128' }, name)
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end
end)
