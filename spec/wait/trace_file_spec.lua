-- CP_TRACE and cp.debug.trace: a file in Chrome's trace-event format.
local cjson = require 'cjson'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- The events in a file that has been ended.
local function events_of(path)
  return cjson.decode(t.slurp(path))
end

local function find(events, fields)
  local found = {}
  for _, event in ipairs(events) do
    local fits = true
    for key, value in pairs(fields) do
      fits = fits and event[key] == value
    end
    found[#found + 1] = fits and event or nil
  end
  return found
end

-- What happens while `fn` runs, with the loop to its end.
local function traced(fn)
  local path = t.tmpdir() .. '/trace.json'
  cp.debug.trace(path)
  local _ <close> = setmetatable({}, {
    __close = function()
      cp.debug.trace(false)
    end,
  })
  fn()
  cp.run()
  cp.debug.trace(false)
  return events_of(path)
end

-- A program with CP_TRACE; its events, and its result.
local function program(code, options)
  options = options or {}
  options.cwd = options.cwd or t.tmpdir()
  options.env = { CP_TRACE = options.trace or 'trace.json' }
  options.extendEnv = true
  options.trace = nil
  local exe, args = t.lua(code)
  local result = cp.execFile(exe, args, options):wait(t.TEST_TIMEOUT)
  local file = io.open(options.cwd .. '/trace.json')
  if file then
    file:close()
    return events_of(options.cwd .. '/trace.json'), result
  end
  return nil, result
end

after_each(function()
  cp.debug.trace(false)
end)

describe('a trace file', function()
  it('has a span for each child, on a tid of its own', function()
    local first, second
    local events = traced(function()
      first = cp.spawn('sh', { '-c', 'exit 3' }, { cwd = '/' })
      second = cp.spawn 'true'
    end)
    local begun = find(events, { ph = 'B', name = 'sh' })
    assert.equal(1, #begun)
    assert.equal(first.pid, begun[1].tid)
    assert.equal(t.pid(), begun[1].pid)
    assert.same({ 'sh', '-c', 'exit 3' }, begun[1].args.argv)
    assert.equal('/', begun[1].args.cwd)
    assert.equal(first.pid, begun[1].args.pid)
    local ended = find(events, { ph = 'E', tid = first.pid })
    assert.equal(1, #ended)
    assert.equal(3, ended[1].args.code)
    assert.equal('exit', ended[1].args.reason)
    assert.is_number(ended[1].args.usage.userCPUTime)
    assert.equal(1, #find(events, { ph = 'E', tid = second.pid }))
  end)

  it('has times in microseconds of the monotonic clock', function()
    local before = cp.process:hrtime() / 1000
    local events = traced(function()
      cp.spawn 'true'
    end)
    local after = cp.process:hrtime() / 1000
    for _, event in ipairs(events) do
      assert.is_true(before <= event.ts and event.ts <= after)
    end
  end)

  it('has Sync calls and starts that failed', function()
    local events = traced(function()
      cp.spawnSync('sh', { '-c', 'kill $$' })
      cp.spawnSync '/no/such/program'
      cp.spawn('/nor/this'):on('error', function() end)
    end)
    local signal = find(events, { ph = 'E', name = 'sh' })[1]
    assert.equal('SIGTERM', signal.args.signal)
    assert.equal(1, #find(events, { ph = 'B', tid = signal.tid }))
    for _, name in ipairs { 'program', 'this' } do
      local failed = find(events, { ph = 'E', name = name })[1]
      assert.equal('spawn', failed.args.reason)
      assert.equal('ENOENT', failed.args.error)
      assert.equal(1, #find(events, { ph = 'B', tid = failed.tid }))
    end
  end)

  it('has an instant for each signal', function()
    local child
    local events = traced(function()
      child = cp.spawn('sleep', { '100' }, { timeout = 10 })
    end)
    local kill = find(events, { ph = 'i' })[1]
    assert.equal('SIGTERM', kill.name)
    assert.equal(child.pid, kill.tid)
    assert.equal('timeout', kill.args.reason)
  end)

  it('has a flow between two processes for each message', function()
    local events = traced(function()
      local code = [[
        process:on('message', function(message)
          process:send(message)
          if message == 'last' then process:disconnect() end
        end)]]
      local worker =
        cp.fork(t.write_file(t.tmpdir() .. '/worker.lua', code), { env = {} })
      worker:on('message', function() end)
      worker:send 'first'
      worker:send 'last'
    end)
    local starts, ends = find(events, { ph = 's' }), find(events, { ph = 'f' })
    assert.equal(4, #starts)
    assert.equal(4, #ends)
    for _, start in ipairs(starts) do
      local its_end = find(ends, { id = start.id, cat = start.cat, name = start.name })
      assert.equal(1, #its_end)
      assert.is_true(start.ts <= its_end[1].ts)
      assert.are_not.equal(start.pid, its_end[1].pid)
    end
  end)

  it('has what workers do, whatever their environment and directory', function()
    local worker
    local events = traced(function()
      local path = t.tmpdir() .. '/worker.lua'
      t.write_file(path, "require('child_process').execSync 'true'")
      worker = cp.fork(path, { env = { CP_TRACE = '/nowhere' }, cwd = '/' })
    end)
    assert.equal(1, #find(events, { ph = 'B', pid = worker.pid, cat = 'process' }))
    assert.equal(1, #find(events, { ph = 'E', pid = worker.pid, cat = 'process' }))
    assert.equal(1, #find(events, { ph = 'E', pid = worker.pid, name = 'sh' }))
  end)

  it('has the messages of a worker that a launcher has started', function()
    local child
    local events = traced(function()
      child = cp.fork(t.fixture 'program.lua', { 'process:send "hello"' }, {
        launcher = { 'env' },
        execPath = t.lua_exe,
      })
      child:on('message', function() end)
    end)
    local id = child.pid .. ' worker 1'
    assert.equal(child.pid, find(events, { ph = 's', id = id })[1].pid)
    assert.equal(t.pid(), find(events, { ph = 'f', id = id })[1].pid)
  end)

  it('shows bytes that are not UTF-8 as escapes', function()
    local name = 'a\xff\n'
    local events = traced(function()
      assert.equal(name, cp.spawnSync('printf', { '%s', name }).stdout)
      cp.spawn('/no/such/\xfe'):on('error', function() end)
    end)
    local args = find(events, { ph = 'B', name = 'printf' })[1].args
    assert.same({ 'printf', '%s', 'a\\xff\\n' }, args.argv)
    assert.equal(1, #find(events, { ph = 'E', name = '\\xfe' }))
  end)

  it('gets nothing after its end from workers that go on', function()
    local path = t.tmpdir() .. '/trace.json'
    cp.debug.trace(path)
    local child = cp.fork(t.fixture 'program.lua', {
      "process:on('message', function(message) process:send(message) end)",
    })
    child:send(1)
    child:once('message', function()
      cp.debug.trace(false)
      child:send(2)
      child:once('message', function()
        child:disconnect()
      end)
    end)
    cp.run()
    assert.equal(0, child.exitCode)
    assert.is_true(#find(events_of(path), { pid = child.pid }) > 0)
    assert.equal(0, #find(events_of(path), { pid = child.pid, ph = 'E' }))
  end)

  it('is kept up to where it is cut off', function()
    local path = t.tmpdir() .. '/trace.json'
    cp.debug.trace(path)
    cp.spawn 'true'
    local text = t.slurp(path)
    cp.run()
    cp.debug.trace(nil)
    assert.equal(1, #find(cjson.decode(text .. ']'), { ph = 'B', name = 'true' }))
  end)

  it('is started anew, also while another one is written', function()
    local folder = t.tmpdir()
    t.write_file(folder .. '/b', 'something else')
    cp.debug.trace(folder .. '/a')
    cp.debug.trace(folder .. '/b')
    cp.debug.trace(false)
    for _, name in ipairs { '/a', '/b' } do
      assert.equal(1, #find(events_of(folder .. name), { ph = 'E', cat = 'process' }))
    end
  end)

  it('goes together with cp.debug', function()
    local seen = 0
    cp.debug(function()
      seen = seen + 1
    end)
    local events = traced(function()
      cp.spawn 'true'
    end)
    cp.debug(false)
    assert.equal(2, seen)
    assert.equal(1, #find(events, { ph = 'E', name = 'true' }))
  end)

  it('that cannot be written is reported once, and nothing else happens', function()
    local code = [[
      local cp = require 'child_process'
      for _, path in ipairs { '/nowhere/trace', '/dev/null' } do
        cp.debug.trace(path)
        cp.execSync 'true'
      end]]
    local exe, args = t.lua(code)
    local result = cp.execFile(exe, args):wait(t.TEST_TIMEOUT)
    assert.is_true(result.ok)
    local text = 'child_process: cannot write the trace /nowhere/trace: ENOENT\n'
      .. 'child_process: cannot write the trace /dev/null: EINVAL\n'
    assert.equal(text, result.stderr)
  end)

  it('that cannot grow is reported, and left alone', function()
    local code = [[
      local cp = require 'child_process'
      cp.debug.trace 'trace.json'
      cp.exec('true', function() print 'done' end)
      cp.run()]]
    local exe, args = t.lua(code)
    local shell = { '-c', 'trap "" XFSZ; ulimit -f 0; exec "$@"', 'sh', exe }
    table.move(args, 1, #args, 5, shell)
    local result = cp.execFile('sh', shell, { cwd = t.tmpdir() }):wait(t.TEST_TIMEOUT)
    assert.equal('done\n', result.stdout)
    assert.matches('cannot write the trace [^\n]*/trace.json: EFBIG\n', result.stderr)
  end)

  it('is refused where its path is none', function()
    t.raises('ERR_INVALID_ARG_TYPE', cp.debug.trace, 1)
    t.raises('ERR_INVALID_ARG_TYPE', cp.debug.trace, true)
    t.raises('ERR_INVALID_ARG_VALUE', cp.debug.trace, '')
    t.raises('ERR_INVALID_ARG_VALUE', cp.debug.trace, 'a\0b')
  end)
end)

describe('CP_TRACE', function()
  it('traces from the start, and in all programs below that use the module', function()
    local events, result = program [[
      local cp = require 'child_process'
      cp.process:chdir '/'
      print(cp.execSync('echo $CP_TRACE'))]]
    assert.matches('^%+/.*/trace.json\n', result.stdout)
    assert.equal(1, #find(events, { ph = 'E', name = 'sh' }))
  end)

  it('is joined by a path with a plus', function()
    local path = t.tmpdir() .. '/trace.json'
    cp.debug.trace(path)
    local exe, args = t.lua "require 'child_process'"
    local options = { env = { CP_TRACE = '+' .. path }, extendEnv = true }
    assert.is_true(cp.execFile(exe, args, options):wait(t.TEST_TIMEOUT).ok)
    cp.debug.trace(false)
    assert.equal(2, #find(events_of(path), { ph = 'E', cat = 'process' }))
  end)

  it('ends the file also in a program that ends by os.exit', function()
    local events = program [[
      require('child_process').execSync 'true'
      os.exit(0)]]
    assert.equal(1, #find(events, { ph = 'E', cat = 'process' }))
  end)

  it('is ignored when it is empty', function()
    local events, result = program("require 'child_process'", { trace = '' })
    assert.is_nil(events)
    assert.equal('', result.stderr)
  end)
end)
