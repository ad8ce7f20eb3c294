-- The static library in C programs: spec/host/embed_host.c, which is told its steps here,
-- and examples/host.  They run in an empty environment: nothing is found outside.
local lfs = require 'lfs'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- What a host is run with besides: valgrind where it watches the specs.
local VALGRIND = {
  '-q',
  '--leak-check=full',
  '--show-leak-kinds=all',
  '--errors-for-leak-kinds=all',
  '--error-exitcode=99',
  '--child-silent-after-fork=yes',
  '--suppressions=' .. t.root .. '/spec/host/valgrind.supp',
}

-- What it has to say goes to `log`: it also warns of system calls that it does not know.
local function command(program, args, log)
  if t.watched_by() ~= 'valgrind' then
    return program, args
  end
  local words = table.move(VALGRIND, 1, #VALGRIND, 1, {})
  words[#words + 1] = '--log-file=' .. log
  words[#words + 1] = program
  return 'valgrind', table.move(args, 1, #args, #words + 1, words)
end

local function environment()
  return { PATH = os.getenv 'PATH', LCP_GC_STRESS = os.getenv 'LCP_GC_STRESS' }
end

local function run(name, args, options)
  options = options or {}
  options.env = options.env or environment()
  local log = t.tmpdir() .. '/log'
  local file, words = command(t.built(name), args, log)
  local result = cp.execFile(file, words, options):wait(t.TEST_TIMEOUT)
  assert.equal('', result.stderr)
  assert.equal(0, result.code, result.code == 99 and t.slurp(log) or result.stdout)
  return result.stdout
end

-- Runs the steps of embed_host.
local function steps(...)
  return run('embed_host', { ... })
end

local ECHO = [[
  local cp = require 'child_process'
  cp.exec('echo from the child', function(_, out) io.write(out) end)]]

-- Everything that can be open: what it is doing must not matter at the end.
local BUSY = [[
  local cp = require 'child_process'
  local function ignore() end
  local cat = cp.spawn('cat', { stdio = { 'pipe', 'pipe', 'pipe', 'pipe' } })
  cat.stdin:write(('x'):rep(4 * 1024 * 1024), ignore)
  cat.stdout:on('data', ignore)
  cat:on('exit', ignore)
  cp.spawn 'cat'
  cp.setInterval(ignore, 1)
  cp.setImmediate(ignore)
  cp.nextTick(ignore)
  local server = cp.net.createServer(ignore)
  server:listen(0, '127.0.0.1')
  cp.dgram.createSocket('udp4'):bind(0)
  cp.process:on('SIGUSR1', ignore)
  cp.net.connect(9, 'localhost'):on('error', ignore)]]

describe('the static library', function()
  it('has every Lua file of the module inside', function()
    local names, count = {}, 0
    local function scan(folder, prefix)
      for name in lfs.dir(folder) do
        local path = folder .. '/' .. name
        if name:find '%.lua$' then
          names[#names + 1] = (prefix .. name:gsub('%.lua$', '')):gsub('%.init$', '')
        elseif not name:find '^%.' then
          scan(path, prefix .. name .. '.')
        end
      end
    end
    scan(t.root .. '/lua/child_process', 'child_process.')
    table.sort(names)
    local code = {}
    for _, name in ipairs(names) do
      -- these would run a program
      if name ~= 'child_process.boot' and name ~= 'child_process.far' then
        count = count + 1
        code[count] = ("assert(type(require '%s') == 'table')"):format(name)
      end
    end
    code[#code + 1] = [[
      assert(package.preload['child_process.boot'])
      assert(package.preload['child_process.far'])
      local files = 0
      for name in pairs(package.preload) do
        files = files + (name:find '^child_process' and 1 or 0)
      end
      print(files)]]
    -- the core, too
    local expected = ('%d\n'):format(#names + 1)
    assert.equal(expected, steps('own', 'lua', table.concat(code, '\n'), 'close'))
    assert.is_true(count > 30)
  end)

  it('looks for its files nowhere else', function()
    local folder = t.tmpdir()
    lfs.mkdir(folder .. '/child_process')
    t.write_file(folder .. '/child_process/net.lua', 'error "not this one"')
    local code = (
      "package.path = '%s/?.lua'; package.loaded['child_process.net'] = nil;"
      .. "print(type(require('child_process').net.createServer))"
    ):format(folder)
    assert.equal('function\n', steps('own', 'lua', code, 'close'))
  end)

  it('shows file and line in errors', function()
    local code = "require('child_process').spawn('ls', {}, { cwd = 5 })"
    assert.matches(
      '^raised: TypeError %[ERR_INVALID_ARG_TYPE%]',
      steps('own', 'lua', code)
    )
    code = [[
      local events = require 'child_process.events'
      print(debug.getinfo(events.methods.on, 'S').short_src)]]
    assert.equal('child_process/events.lua\n', steps('own', 'lua', code))
  end)

  it('says what a state must have', function()
    local out = steps 'bare'
    assert.equal(
      'raised: child_process needs the standard libraries (luaL_openlibs)\n',
      out
    )
  end)

  it('tells its version', function()
    local header = t.slurp 'csrc/child_process.h'
    local function number(name)
      return header:match('#define LCP_VERSION_' .. name .. ' (%d+)\n')
    end
    local version = ('%s.%s.%s'):format(number 'MAJOR', number 'MINOR', number 'PATCH')
    assert.equal(version, header:match '#define LCP_VERSION "(.-)"\n')
    assert.equal('child_process ' .. version, cp._VERSION)
    local code = "print(require('child_process')._VERSION)"
    assert.equal('child_process ' .. version .. '\n', steps('own', 'lua', code))
  end)
end)

describe('a host with a loop of its own', function()
  it('drives the children', function()
    local out = steps('open', 'lua', ECHO, 'run', 'close', 'run', 'end')
    assert.equal('from the child\nend: done\n', out)
  end)

  it('may let Lua run its loop while it does not', function()
    local code = ECHO .. ' cp.run()'
    assert.equal('from the child\n', steps('open', 'lua', code))
    code = "print(require('child_process').exec('echo waited'):wait().stdout)"
    assert.equal('waited\n\n', steps('open', 'lua', code))
  end)

  it('gets errors of callbacks with their tracebacks', function()
    local code = "require('child_process').setTimeout(function() error 'thrown' end, 1)"
    local out = steps('open', 'lua', code, 'run', 'close', 'run', 'end')
    assert.matches('^on_error: code:1: thrown\nstack traceback:\n.*\nend: done\n$', out)
    code = "require('child_process').spawn 'does_not_exist_lcp'"
    out = steps('open', 'lua', code, 'run', 'lua', "print 'goes on'", 'run')
    assert.matches('^on_error: Error: spawn does_not_exist_lcp ENOENT\n', out)
    assert.matches('goes on\n$', out)
  end)

  for _, code in ipairs { '', ECHO, BUSY } do
    local what = code == '' and 'nothing' or code == ECHO and 'a command' or 'everything'
    it('may close the state first, which has done ' .. what, function()
      local out = steps('open', 'lua', code, 'turn', 'close', 'run', 'end')
      assert.matches('end: done\n$', out)
    end)

    it('may take the state off its loop, which has done ' .. what, function()
      local after = [[
        collectgarbage()
        local cp = require 'child_process'
        print(pcall(cp.spawn, 'true'))
        print(pcall(cp.run))]]
      local out =
        steps('open', 'lua', code, 'turn', 'leave', 'run', 'end', 'lua', after, 'close')
      local said = out:match 'leave: 0\nend: done\n(.*)$'
      assert.matches('^false\t[^\n]*: the event loop is closed\n', said)
      assert.matches('\nfalse\t[^\n]*: the event loop is closed\n$', said)
    end)
  end

  -- As lifetime_spec has it for programs that end.
  for state in
    (
      'running stopped writing unread ended failed timers joined closing aborting '
      .. 'standard waiting collected'
    ):gmatch '%a+'
  do
    it('may end in either order with children and streams ' .. state, function()
      local code = "arg = { [0] = '', '%s', 'step' } dofile '%s'"
      code = code:format(state, t.fixture 'teardown.lua')
      local first = { 'open', 'lua', code, 'close', 'run' }
      local second = { 'open', 'lua', code, 'leave', 'run', 'end', 'close' }
      local out = steps(table.unpack(table.move(second, 1, #second, #first + 1, first)))
      assert.matches('leave: 0\nend: done\n$', out)
    end)
  end

  it('survives a loop whose handles the host has closed by force', function()
    if t.watched_by() then
      pending 'what was closed behind our back stays in memory'
    end
    for _, code in ipairs { '', ECHO, BUSY } do
      local out = steps('open', 'lua', code, 'turn', 'walk', 'run', 'end', 'close')
      assert.matches('end: done\n$', out)
    end
  end)

  for _, how in ipairs { 'run', 'close' } do
    it(('loses nothing to a copy by fork(2) that ends (%s)'):format(how), function()
      local start = [[
        local cp = require 'child_process'
        child = cp.spawn 'cat'
        child.stdout:on('data', io.write)
        child:on('close', function(code) print('code', code) end)
        cp.exec('echo from the other')]]
      local out = steps(
        'open',
        'lua',
        start,
        'turn',
        'copy',
        how,
        'lua',
        "child.stdin:finish 'from the child\\n'",
        'run',
        'close',
        'run',
        'end'
      )
      assert.equal('copy: 0\nfrom the child\ncode\t0\nend: done\n', out)
    end)
  end

  it('takes the module off once', function()
    local out = steps('open', 'leave', 'leave', 'run', 'end')
    assert.equal('leave: 0\nleave: 0\nend: done\n', out)
  end)
end)

describe('several Lua states in one process', function()
  it('share a loop of the host', function()
    local function state(name)
      return ("name = '%s'; local cp = require 'child_process'"):format(name)
        .. "; cp.exec('echo', function() print(name) end)"
    end
    local out = steps('open', 'lua', state 'one', 'open', 'lua', state 'two', 'run')
    local lines = {}
    for line in out:gmatch '%w+' do
      lines[#lines + 1] = line
    end
    table.sort(lines)
    assert.same({ 'one', 'two' }, lines)
  end)

  it('end without one another', function()
    local out = steps(
      'open',
      'lua',
      BUSY,
      'open',
      'lua',
      ECHO,
      'turn',
      'use',
      '1',
      'close',
      'run',
      'use',
      '2',
      'lua',
      ECHO,
      'run',
      'close',
      'run',
      'end'
    )
    assert.equal('from the child\nfrom the child\nend: done\n', out)
  end)

  it('have loops of their own', function()
    local code = ECHO .. ' cp.run()'
    local out =
      steps('own', 'lua', BUSY, 'own', 'lua', code, 'close', 'use', '1', 'close')
    assert.equal('from the child\n', out)
  end)

  it('live in threads', function()
    local code = [[
      local cp = require 'child_process'
      local seen, left = {}, 20
      for i = 1, left do
        cp.exec('echo $0; exit 3', { timeout = 60000 }, function(err, out)
          assert(err.code == 3 and out == 'sh\n' or out == '/bin/sh\n', out)
          left = left - 1
        end)
      end
      local cat = cp.spawn 'cat'
      cat.stdin:finish(('x'):rep(300000))
      assert(#cat.stdout:readAll() == 300000)
      cp.run()
      io.write(('left\t%d\n'):format(left))]]
    assert.equal(('left\t0\n'):rep(4), steps('threads', code))
  end)
end)

describe('examples/host', function()
  local SHOWN = 'from the shell\nexit code\t3\nthe sum is\t6\n'
    .. 'the worker ended with\t0\nhost: ticked while the children ran\n'

  local function sorted_lines(text)
    local list = {}
    for line in text:gmatch '[^\n]+' do
      list[#list + 1] = line
    end
    table.sort(list)
    return list
  end

  it('runs commands and forks itself, with nothing installed', function()
    local out = run('example_host', { t.root .. '/examples/host/program.lua' })
    assert.same(sorted_lines(SHOWN), sorted_lines(out))
  end)
end)

describe('fork in a host with the module inside', function()
  it('starts the interpreter of its Lua, unless the host says what to start', function()
    local out = steps('open', 'lua', "print(require 'child_process'.process.execPath)")
    assert.equal(('lua%s\n'):format(_VERSION:match '[%d.]+'), out)
  end)

  -- Runs a program in the host, which has `fork(code [, options])` of a worker; what it
  -- prints.
  local function forking(code, options)
    local folder = t.tmpdir()
    local before = [[
      local cp = require 'child_process'
      local folder = arg[0]:match '^(.*)/'
      local function fork(code, options)
        local file = assert(io.open(folder .. '/worker.lua', 'w'))
        file:write(code)
        file:close()
        return cp.fork(folder .. '/worker.lua', { 'a', 'b c' }, options)
      end
    ]]
    assert(os.execute(("chmod 755 '%s'"):format(folder)))
    local program = t.write_file(folder .. '/program.lua', before .. code)
    local out = run('example_host', { program }, options)
    return out:gsub('host: %l+ while the children ran\n$', '')
  end

  it('starts the host, and shows nothing of how it boots', function()
    local out = forking [=[
      local child = fork [[
        local line = {}
        for i = 0, #arg do line[#line + 1] = arg[i]:match '[^/]*$' end
        process:send { line = line, process = process.argv[3], args = { ... } }
      ]]
      print(child.spawnfile:match '[^/]*$', child.stdio.n)
      print(child.spawnargs[2], child.spawnargs[3] == '')
      child:on('message', function(message)
        print(table.concat(message.line, ' '), table.concat(message.args, '|'),
          message.process)
      end)
      child:on('close', function(...) print('close', ...) end)]=]
    local expected = 'example_host\t4\n/dev/fd/4\ttrue\n'
      .. 'worker.lua a b c\ta|b c\tb c\nclose\t0\tnil\n'
    assert.equal(expected, out)
  end)

  it('is an error while descriptors are short, and keeps none of them', function()
    if t.watched_by() == 'valgrind' then
      pending 'valgrind keeps descriptors of its own'
    end
    local out = forking [=[
      fork "process:send 'there'":on('close', function(code)
        assert(code == 0)
        cp.spawnSync('prlimit', { '--nofile=40:40', '--pid', cp.process.pid })
        local taken, failures = {}, 0
        repeat
          local file = io.open '/dev/null'
          taken[#taken + 1] = file
        until not file
        local function try()
          local child, failure = cp.fork(folder .. '/worker.lua')
          child:on('error', function(err) failure = err end)
          child:on('message', print)
          child:on('close', function()
            if failure then
              failures = failures + 1
              table.remove(taken):close()
              return try()
            end
            print(failures >= 4 and failures < 16 or failures)
          end)
          child:on('error', function(err) assert(err.code == 'EMFILE', err) end)
        end
        try()
      end)]=]
    assert.equal('there\ntrue\n', out)
  end)

  it('leaves the worker no descriptor of that pipe', function()
    -- its mode tells it from others: everybody may read it
    local out = forking [=[
      local child = fork [[
        local list = io.popen('ls -lL /proc/' .. process.pid .. '/fd'):read 'a'
        local seen = { others = 0, ours = 0 }
        for mode in list:gmatch '%f[^\n\0]p([rwx-]+)' do
          local kind = mode == 'r--r--r--' and 'ours' or 'others'
          seen[kind] = seen[kind] + 1
        end
        process:send(seen)
      ]]
      child:on('message', function(seen) print(seen.others > 0, seen.ours) end)]=]
    assert.equal('true\t0\n', out)
  end)

  it('goes with any stdio, environment and folder', function()
    local out = forking [=[
      local stdio = { 'ignore', 'pipe', 'inherit', 'pipe', 'pipe', 'ipc' }
      local child = fork('process:send(process:cwd()); io.write "out"', {
        stdio = stdio, env = {}, cwd = '/',
      })
      print(child.stdio.n, child.spawnargs[2], child.stdio[4] ~= nil)
      child.stdout:on('data', print)
      child:on('message', function(message) print(message) end)
      child:on('close', function(...) print('close', ...) end)]=]
    local lines = {}
    for line in out:gmatch '[^\n]+' do
      lines[#lines + 1] = line
    end
    table.sort(lines)
    assert.same({ '/', '6\t/dev/fd/6\ttrue', 'close\t0\tnil', 'out' }, lines)
  end)

  it('goes on from worker to worker', function()
    local out = forking [=[
      local child = fork [[
        local cp = require 'child_process'
        if arg[1] == 'deep' then
          process:send 'from the grandchild'
          return
        end
        cp.fork(arg[0], { 'deep' }):on('message', function(m) process:send(m) end)
      ]]
      child:on('message', function(message) print(message) end)]=]
    assert.equal('from the grandchild\n', out)
  end)

  it('tells errors of a worker as lua5.4 does', function()
    local out = forking [=[
      local child = fork("error 'thrown'", { silent = true })
      child.stderr:on('data', print)
      child:on('exit', print)]=]
    assert.matches('worker%.lua:1: thrown\nstack traceback:\n', out)
    assert.matches('child_process/boot%.lua:', out)
    assert.matches('\n1\tnil\n$', out)
  end)

  it('goes with another user', function()
    if not t.others_can_read() then
      pending 'only root can change the user, and others must get at the project'
    end
    local out = forking [=[
      local options = { uid = 65534, gid = 65534, silent = true }
      local child = fork('process:send(io.popen("id -u"):read "n")', options)
      child.stderr:on('data', print)
      child:on('message', function(message) print(message) end)
      child:on('error', print)]=]
    assert.equal('65534\n', t.without_gcov(out))
  end)
end)
