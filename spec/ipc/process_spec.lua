local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local process = cp.process
local fork, program, answer = forked.fork, forked.program, forked.answer

-- What a forked program writes, and how it ends.
local function output(code, check, options)
  options = options or {}
  options.silent = true
  local child = fork(code, options)
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(exit_code, signal)
    check(out(), err(), exit_code, signal)
  end)
  return child
end

describe('process', function()
  it('knows who it is', function()
    assert.equal(t.pid(), process.pid)
    assert.equal(tonumber(t.slurp('/proc/self/stat'):match '%) %S (%d+)'), process.ppid)
    local system <close> = assert(io.popen 'uname -s')
    assert.equal(system:read('l'):lower(), process.platform)
    assert.equal(t.root, process:cwd())
    assert.equal(t.lua_exe, process.execPath)
    assert.equal(process, require('child_process').process)
  end)

  it('has the arguments as for a script run by hand', function()
    local script = t.write_file(
      t.tmpdir() .. '/s.lua',
      [[
        package.path, package.cpath = arg[1], arg[2]
        local process = require('child_process').process
        print(process.argv[0], process.argv[1], process.argv[4], process.argv0)
        print(#process.execArgv, table.concat(process.execArgv, ' '))]]
    )
    local path = package.path:gsub('[^;]+', function(entry)
      return entry:sub(1, 1) == '/' and entry or t.root .. '/' .. entry
    end)
    local cpath = package.cpath:gsub('[^;]+', function(entry)
      return entry:sub(1, 1) == '/' and entry or t.root .. '/' .. entry
    end)
    cp.execFile(
      t.lua_exe,
      { script, path, cpath, 'a b' },
      t.expect(function(err, out)
        assert.is_nil(err)
        local exe = t.lua_exe
        assert.equal(('%s\t%s\ta b\t%s\n0\t\n'):format(exe, script, exe), out)
      end)
    )
  end)

  it('changes its directory, or raises', function()
    local before = process:cwd()
    process:chdir '/'
    local changed = process:cwd()
    process:chdir(before)
    assert.equal('/', changed)
    local err = t.raises('ENOENT', process.chdir, process, '/no/such')
    assert.equal('chdir', err.syscall)
    assert.same({ before, '/no/such' }, { err.path, err.dest })
    local text = "ENOENT: no such file or directory, chdir '%s' -> '/no/such'"
    assert.equal(text:format(before), err.message)
    t.raises('ERR_INVALID_ARG_TYPE', process.chdir, process, 5)
    t.raises('ERR_INVALID_ARG_VALUE', process.chdir, process, '/tmp\0/x')
  end)

  it('says so when its directory is gone', function()
    local folder = t.tmpdir() .. '/gone'
    local code = [[
      local process = require('child_process').process
      process:chdir(...)
      assert(os.remove(...))
      local ok, err = pcall(process.cwd, process)
      print(ok, err.code, err.syscall)
      print(pcall(process.chdir, process, '/'))]]
    assert(require('lfs').mkdir(folder))
    program(code, function(out, err)
      assert.equal('', err)
      assert.equal('false\tENOENT\tuv_cwd\ntrue\n', out)
    end, nil, folder)
  end)

  it('sends signals by number', function()
    local child = cp.spawn 'cat'
    assert.is_true(process:kill(child.pid, 0))
    assert.is_true(process:kill(child.pid, 'SIGUSR1'))
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGUSR1', signal)
      local err = t.raises('ESRCH', process.kill, process, child.pid, 0)
      assert.equal('kill', err.syscall)
    end)
    t.raises('ERR_INVALID_ARG_TYPE', process.kill, process, 'x')
    t.raises('ERR_INVALID_ARG_TYPE', process.kill, process)
    t.raises('ERR_UNKNOWN_SIGNAL', process.kill, process, child.pid, 'SIGNO')
    t.raises('ERR_UNKNOWN_SIGNAL', process.kill, process, child.pid, 1.5)
    t.raises('EINVAL', process.kill, process, child.pid, 999)
  end)

  it('sends no signal to what is no process id', function()
    -- cut to 32 bits it would be our own group
    for _, pid in ipairs { 1 << 32, 1 << 40, -1 << 32, 1.5, 0 / 0, math.huge, {} } do
      local err = t.raises('ERR_INVALID_ARG_TYPE', process.kill, process, pid, 0)
      assert.truthy(err.message:find 'The "pid" argument must be of type number')
    end
    assert.is_true(process:kill(0, 0))
    assert.is_true(process:kill(tostring(process.pid), 0))
  end)

  it('sends signals that have a number only', function()
    local child = cp.spawn 'cat'
    assert.is_true(process:kill(child.pid, 40))
    t.once(child, 'exit', function(code)
      assert.is_nil(code)
    end)
  end)

  it('measures time and memory', function()
    local before = process:hrtime()
    assert.equal('integer', math.type(before))
    assert.is_true(process:hrtime() >= before)
    local usage = process:memoryUsage()
    assert.is_true(usage.rss > 1 << 20 and usage.heapUsed > 1 << 12)
    assert.equal('integer', math.type(usage.heapUsed))
  end)

  it('has a mask for new files', function()
    local before = process:umask()
    assert.equal(before, process:umask(tonumber('027', 8)))
    assert.equal(tonumber('027', 8), process:umask(before))
    local function mask(text)
      process:umask(text)
      return ('%o'):format(process:umask(before))
    end
    assert.equal('22', mask '022')
    assert.equal('777', mask(tonumber('7777', 8)))
    t.raises('ERR_INVALID_ARG_VALUE', process.umask, process, 'x')
    t.raises('ERR_INVALID_ARG_VALUE', process.umask, process, '0o22')
    t.raises('ERR_OUT_OF_RANGE', process.umask, process, -1)
    t.raises('ERR_OUT_OF_RANGE', process.umask, process, 1.5)
    t.raises('ERR_OUT_OF_RANGE', process.umask, process, 1 << 32)
    t.raises('ERR_INVALID_ARG_TYPE', process.umask, process, {})
    assert.equal(before, process:umask())
  end)

  it('has the live environment', function()
    local name = 'LCP_SPEC_PROCESS'
    assert.is_nil(process.env[name])
    process.env[name] = 42
    assert.equal('42', os.getenv(name))
    local seen
    for key, value in pairs(process.env) do
      seen = seen or key == name and value
    end
    assert.equal('42', seen)
    process.env[name] = nil
    assert.is_nil(os.getenv(name))
    assert.is_nil(process.env[5])
  end)

  it('sends the environment as what is in it, wherever it stands in a message', function()
    for _, serialization in ipairs { 'json', 'advanced' } do
      process.env.LCP_SPEC_SENT = 'text'
      local options = { serialization = serialization }
      local child = cp.fork(t.fixture 'echo.lua', {}, options)
      child:send(process.env)
      child:send { env = process.env, list = { process.env }, deep = { process.env } }
      process.env.LCP_SPEC_SENT = nil
      local messages = {}
      child:on('message', function(message)
        messages[#messages + 1] = message
        if #messages == 2 then
          child:disconnect()
        end
      end)
      t.once(child, 'close', function()
        local whole, parts = messages[1], messages[2]
        for _, env in ipairs { whole, parts.env, parts.list[1], parts.deep[1] } do
          assert.equal('text', env.LCP_SPEC_SENT)
          assert.equal(process.env.PATH, env.PATH)
        end
      end)
    end
  end)

  it('gives what is set in the environment to its children', function()
    process.env.LCP_SPEC_CHILD, process.env.LCP_SPEC_EMPTY = true, ''
    cp.exec(
      'echo "$LCP_SPEC_CHILD${LCP_SPEC_EMPTY-unset}"',
      t.expect(function(_, out)
        assert.equal('true\n', out)
      end)
    )
    process.env.LCP_SPEC_CHILD, process.env.LCP_SPEC_EMPTY = nil, nil
    cp.exec(
      'echo "${LCP_SPEC_CHILD-unset}"',
      t.expect(function(_, out)
        assert.equal('unset\n', out)
      end)
    )
  end)

  it('refuses what the environment cannot hold', function()
    local function set(name, value)
      process.env[name] = value
    end
    for _, name in ipairs { '', 'a=b', 'LCP\0SPEC' } do
      t.raises('ERR_INVALID_ARG_VALUE', set, name, 'x')
      assert.is_nil(process.env[name])
    end
    t.raises('ERR_INVALID_ARG_TYPE', set, true, 'x')
    t.raises('ERR_INVALID_ARG_TYPE', set, 'LCP_SPEC', {})
    t.raises('ERR_INVALID_ARG_VALUE', set, 'LCP_SPEC', 'a\0b')
    assert.is_nil(os.getenv 'LCP_SPEC')
    assert.is_nil(process.env['PATH\0'])
  end)

  it('takes only exit codes as exitCode', function()
    local function set(value)
      process.exitCode = value
    end
    assert.is_nil(process.exitCode)
    for _, value in ipairs { 'x', '', {}, true } do
      t.raises('ERR_INVALID_ARG_TYPE', set, value)
    end
    t.raises('ERR_OUT_OF_RANGE', set, 1.5)
    t.raises('ERR_OUT_OF_RANGE', set, 0 / 0)
    set(2.0)
    assert.equal('integer', math.type(process.exitCode))
    set '3'
    assert.equal(3, process.exitCode)
    set(cp.null)
    assert.is_nil(process.exitCode)
  end)

  it('has no channel where it was not started with one', function()
    local code = [[
      local process = require('child_process').process
      print(process.connected, process.channel, process.env.NODE_CHANNEL_FD)]]
    for _, fd in ipairs { false, 'nonsense', '99', '-1', '0', '2' } do
      local env = { NODE_CHANNEL_FD = fd, PATH = os.getenv 'PATH' }
      program(code, function(out, err, exit_code)
        assert.equal('false\tnil\tnil\n', out)
        assert.equal('', err)
        assert.equal(0, exit_code)
      end, { env = env })
    end
  end)

  -- Descriptor 4 is what a channel could be.
  local function on_four(text, item, check)
    local code = [[
      print(require('child_process').process.connected)]]
    local options = {
      env = { NODE_CHANNEL_FD = text, PATH = os.getenv 'PATH' },
      stdio = { 'ignore', 'pipe', 'pipe', 'ignore', item },
    }
    program(code, function(out, err)
      assert.equal('', err)
      check(out)
    end, options)
  end

  for _, text in ipairs {
    '4294967300',
    '-4294967292',
    '18446744073709551620',
    '4.0',
    '4e0',
    '0x4',
    ' 4',
    '',
  } do
    it(('has none on a number written as "%s"'):format(text), function()
      on_four(text, 'pipe', function(out)
        assert.equal('false\n', out)
      end)
    end)
  end

  it('has one on a number alone', function()
    on_four('4', 'pipe', function(out)
      assert.equal('true\n', out)
    end)
  end)

  it('has none on a socket of another kind', function()
    local server = t.cp.net.createServer()
    server:listen(0, '127.0.0.1', function()
      on_four('4', server, function(out)
        server:close()
        assert.equal('false\n', out)
      end)
    end)
  end)
end)

describe('exit', function()
  it('is an event with the code, once, the last thing', function()
    local code = [[
      process:on('exit', function(code) print('exit', code, process.exitCode) end)
      process.exitCode = 3
      print 'end of script']]
    output(code, function(out, err, exit_code)
      assert.equal('end of script\nexit\t3\t3\n', out)
      assert.equal('', err)
      assert.equal(3, exit_code)
    end)
  end)

  it('comes after beforeExit, which may find more to do', function()
    local code = [[
      local cp = require 'child_process'
      local more = true
      process:on('beforeExit', function(code)
        print('beforeExit', code)
        if more then
          more = false
          cp.setTimeout(print, 1, 'more')
        end
      end)
      process:on('exit', function(code) print('exit', code) end)]]
    output(code, function(out)
      assert.equal('beforeExit\t0\nmore\nbeforeExit\t0\nexit\t0\n', out)
    end)
  end)

  -- As Node 20 has it.
  local MORE = {
    ['an immediate'] = { 3, 'cp.setImmediate(print)' },
    ['a timer'] = { 3, 'cp.setTimeout(print, 1)' },
    ['an immediate of a tick'] = { 3, 'cp.nextTick(cp.setImmediate, print)' },
    ['a child'] = { 3, "cp.spawn 'true'" },
    ['a tick'] = { 1, 'cp.nextTick(function() end)' },
    ['an immediate without a reference'] = { 1, 'cp.setImmediate(print):unref()' },
    ['an immediate that is cleared'] = { 1, 'cp.setImmediate(print):close()' },
  }
  for title, row in pairs(MORE) do
    local count, start = table.unpack(row)
    local again = count > 1 and 'again' or 'not again'
    it(
      ('comes after beforeExit, which comes %s after %s'):format(again, title),
      function()
        local code = [[
        local cp, n, print = require 'child_process', 0, function() end
        process:on('beforeExit', function()
          n = n + 1
          if n < 3 then
            %s
          end
        end)
        process:on('exit', function()
          io.write(n)
        end)]]
        output(code:format(start), function(out)
          assert.equal(tostring(count), out)
        end)
      end
    )
  end

  it('comes without beforeExit when it is asked for', function()
    local code = [[
      process:on('beforeExit', print)
      process:on('exit', function(code) print('exit', code) end)
      process:exit(4)
      print 'not reached']]
    output(code, function(out, _, exit_code)
      assert.equal('exit\t4\n', out)
      assert.equal(4, exit_code)
    end)
  end)

  it('may get another code from a listener, which may send', function()
    local code = [[
      process:on('exit', function()
        process:send('last')
        process.exitCode = 9
        process:exit()
      end)
      process:exit(4)]]
    local child = fork(code)
    t.once(child, 'message', function(message)
      assert.equal('last', message)
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal(9, exit_code)
    end)
  end)

  it('comes after an error, with 1', function()
    local code = "process:on('exit', print) error('on purpose')"
    output(code, function(out, err, exit_code)
      assert.equal('1\n', out)
      assert.equal(1, exit_code)
      assert.truthy(err:find 'on purpose', err)
    end)
  end)

  it('flushes and ends also when a listener raises', function()
    local code = [[
      process:on('exit', function() error 'on purpose' end)
      process:send(('x'):rep(1 << 20))]]
    local child = fork(code, { silent = true })
    local err = t.collect(child.stderr)
    t.once(child, 'message', function(message)
      assert.equal(1 << 20, #message)
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal(1, exit_code)
      assert.truthy(err():find 'on purpose', err())
    end)
  end)

  it('takes integers', function()
    local code = [[
      local function code(value)
        local ok, err = pcall(process.exit, process, value)
        return not ok and err.code
      end
      process:send { code(1.5), code 'x', code {} }
      process:exit '7']]
    local child = fork(code)
    t.once(child, 'message', function(list)
      local wanted =
        { 'ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE' }
      assert.same(wanted, list)
    end)
    t.once(child, 'close', function(exit_code)
      assert.equal(7, exit_code)
    end)
  end)

  it('works in a program that is not forked', function()
    local code = [[
      local process = require('child_process').process
      process:on('exit', print)
      process:exit(5)]]
    program(code, function(out, err, exit_code)
      assert.equal('5\n', out)
      assert.equal('', err)
      assert.equal(5, exit_code)
    end)
  end)

  it('does not wait for a peer that reads nothing and has gone', function()
    local code = [[
      process:on('message', function()
        process:send(('x'):rep(4 << 20))
        process:exit(3)
      end)]]
    local child = fork(code)
    child:send 'go'
    child:disconnect()
    t.once(child, 'close', function(exit_code)
      assert.equal(3, exit_code)
    end)
  end)
end)

describe('uncaughtException', function()
  it('lets the process go on', function()
    local code = [[
      local cp = require 'child_process'
      process:on('uncaughtException', function(err, origin)
        print(tostring(err):match '[^\n]*', origin)
      end)
      cp.setTimeout(error, 1, 'first')
      cp.setTimeout(error, 5, 'second')
      cp.setTimeout(print, 10, 'third')
      error 'script']]
    output(code, function(out, err, exit_code)
      local origin = '\tuncaughtException\n'
      local wanted = 'program:8: script'
        .. origin
        .. 'first'
        .. origin
        .. 'second'
        .. origin
      assert.equal(wanted .. 'third\n', out)
      assert.equal('', err)
      assert.equal(0, exit_code)
    end)
  end)

  -- all of them due in the same turn of the loop
  local DUE = [[
    local cp = require 'child_process'
    cp.setTimeout(print, 1, 'before')
    cp.setTimeout(error, 2, 'on purpose')
    cp.setTimeout(print, 3, 'after')
    local start = process:hrtime()
    while process:hrtime() - start < 10000000 do end ]]

  it('comes before any other callback', function()
    local code = [[
      process:on('uncaughtException', function(err)
        print(tostring(err):match '[^\n]*')
      end) ]]
    output(code .. DUE, function(out, err, exit_code)
      assert.equal('before\non purpose\nafter\n', out)
      assert.equal('', err)
      assert.equal(0, exit_code)
    end)
  end)

  it('with no listener ends the process before any other callback', function()
    output(DUE, function(out, err, exit_code)
      assert.equal('before\n', out)
      assert.truthy(err:find('on purpose\nstack traceback:', 1, true), err)
      assert.equal(1, exit_code)
    end)
  end)

  it('is not what leaves a run() of the script', function()
    local code = [[
      process:on('uncaughtException', function(err) print('uncaught', err) end)
      local cp = require 'child_process'
      cp.setTimeout(error, 1, { 'first' })
      local ok, err = pcall(cp.run)
      print(ok, err[1])]]
    output(code, function(out, err, exit_code)
      assert.equal('false\tfirst\n', out)
      assert.equal('', err)
      assert.equal(0, exit_code)
    end)
  end)

  it('gets the very value that was raised', function()
    local code = [[
      local value = {}
      process:on('uncaughtException', function(err)
        process:send(err == value)
      end)
      require('child_process').nextTick(error, value)]]
    answer(fork(code), function(same)
      assert.is_true(same)
    end)
  end)

  it('that raises itself ends the process with 7', function()
    local code = [[
      process:on('uncaughtException', function() error 'again' end)
      error 'first']]
    output(code, function(_, err, exit_code)
      assert.equal(7, exit_code)
      assert.truthy(err:find 'again', err)
      assert.truthy(err:find 'stack traceback:', err)
    end)
  end)
end)

describe('an error that nobody listens for', function()
  local ROWS = {
    { 'a text', "error 'on purpose'", 'program:1: on purpose' },
    {
      'in a callback',
      "require('child_process').nextTick(error, 'on purpose')",
      'purpose',
    },
    { 'an error value', "require('child_process').spawn(5)", 'ERR_INVALID_ARG_TYPE' },
    {
      'a value with a text',
      "error(setmetatable({}, { __tostring = function() return 'on purpose' end }))",
      'on purpose',
    },
    { 'nothing', 'error()', t.NO_ERROR or 'nil' },
    { 'a missing file', "assert(loadfile 'no_such')", 'no_such' },
  }
  for _, row in ipairs(ROWS) do
    it(('(%s) is written once and ends the process with 1'):format(row[1]), function()
      output(row[2], function(out, err, exit_code)
        assert.equal('', out)
        assert.equal(1, exit_code)
        assert.truthy(err:find(row[3], 1, true), err)
        local _, traces = err:gsub('stack traceback:', '')
        local plain = row[1] == 'a value with a text'
          or row[1] == 'nothing' and not t.NO_ERROR
        assert.equal(plain and 0 or 1, traces, err)
      end)
    end)
  end
end)
