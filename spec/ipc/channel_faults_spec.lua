-- A channel in a system that refuses, and with listeners that raise.
local faults = require 'spec.support.faults'
local forked = require 'spec.support.forked'
local raw_peer = require 'spec.support.raw_peer'
local t = require 'spec.helper'

local cp = t.cp
local it = t.wrap(it)

-- Each attempt starts an interpreter.  Without descriptors a connection is closed
-- unheard, as in Node.
local SPARSE = { sparse = true, except = { accept4 = 'EMFILE ENFILE' } }

-- Sends a file to a child that answers with what is in it.
local function send_file(errs)
  local path = t.write_file(t.tmpdir() .. '/file', 'text')
  local child <close> = forked.fork [[
    process:on('message', function(message, file)
      process:send(file and file:read 'a' or message)
      process:disconnect()
    end)]]
  local answer
  child:on('error', function(err)
    errs[#errs + 1] = err
  end)
  child:on('message', function(message)
    answer = message
  end)
  local file <close> = io.open(path)
  child:send('a file', file, function(err)
    if err then
      errs[#errs + 1] = err
      child:disconnect()
    end
  end)
  cp.run()
  return answer == 'text'
end

describe('a file that is sent', function()
  it('survives each call failing #slow', function()
    faults.sweep(send_file, SPARSE)
  end, { timeout = 8 * t.TEST_TIMEOUT })

  it('comes without the file where no descriptor can be made one', function()
    local code = [[
      process:send('a file', io.open '/dev/null')
      process:on('message', function() process:disconnect() end)]]
    local child = forked.run(code)
    t.once(child, 'message', function(message, file)
      assert.equal('a file', message)
      assert.is_nil(file)
      child:send 'thanks'
    end)
    faults.with({ name = 'fdopen', errno = 'ENOMEM' }, cp.run)
  end)
end)

describe('a handle that the kernel does not pass on', function()
  local function null()
    return assert(io.open '/dev/null')
  end

  -- too many are on their way, be it by other processes
  it('is sent again, and the channel goes on', function()
    local child = forked.run [[
      process:on('message', function(message, file)
        process:send { message, io.type(file) }
        process:disconnect()
      end)]]
    t.once(child, 'message', function(message)
      assert.same({ 'a file', 'file' }, message)
    end)
    local file <close> = null()
    local how = { name = 'sendmsg', errno = 'ETOOMANYREFS' }
    local calls = faults.with(how, function()
      child:send('a file', file, t.expect(assert.is_nil))
      cp.run()
    end)
    assert.is_true(calls >= 2)
  end)

  it('is lost when it cannot be copied once more, as its callback says', function()
    local peer = raw_peer.spawn()
    peer:receive():message({ cmd = 'NODE_HANDLE_NACK' }):receive():finish()
    t.once(peer.child, 'close')
    local file <close> = null()
    -- its copy, that of the first sending, and two attempts at another
    local how = { name = 'fcntl', command = 'F_DUPFD_CLOEXEC', errno = 'EMFILE' }
    how.first, how.last = 3, 4
    faults.with(how, function()
      local refused = t.expect(function(err)
        assert.equal('EMFILE', err.code)
      end)
      peer.child:send('x', file, refused)
      peer.child:send 'y'
      cp.run()
    end)
    assert.is_truthy(peer.answers():find('"y"\n', 1, true))
  end)
end)

-- More than one read brings.
local function receive_much(serialization)
  return function(errs)
    local code = "process:send(('x'):rep(1 << 20))"
    local child <close> = forked.fork(code, { serialization = serialization })
    local got
    child:on('error', function(err)
      errs[#errs + 1] = err
    end)
    child:on('message', function(message)
      got = message
    end)
    cp.run()
    return got == ('x'):rep(1 << 20)
  end
end

describe('a large message that arrives', function()
  for _, serialization in ipairs { 'json', 'advanced' } do
    it('survives each call failing #slow, in the form ' .. serialization, function()
      faults.sweep(receive_much(serialization), SPARSE)
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end
end)

-- A conversation, to the end of the child.
local function converse(serialization)
  return function(errs)
    local child <close> = cp.fork(t.fixture 'echo.lua', { serialization = serialization })
    local left = 3
    local function note(err)
      errs[#errs + 1] = err
    end
    child:on('error', note)
    child:on('message', function()
      left = left - 1
      if left == 0 then
        child:disconnect()
      end
    end)
    for i = 1, left do
      child:send({ number = i, text = ('x'):rep(100000 * (i - 1)) }, function(err)
        if err then
          note(err)
          child:kill()
        end
      end)
    end
    cp.run()
    return left == 0
  end
end

describe('a conversation', function()
  for _, serialization in ipairs { 'json', 'advanced' } do
    it('survives each call failing #slow, in the form ' .. serialization, function()
      faults.sweep(converse(serialization), SPARSE)
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end
end)

-- What goes to a child and comes back as another object that works: `make(opened, done)`
-- calls `done(handle)` and returns how to look at what has come back.
local handles = {}

handles['a server'] = function(opened, done)
  local server = cp.net.createServer()
  table.insert(opened, server)
  server:on('error', done)
  server:listen(0, '127.0.0.1', function()
    done(server)
  end)
  return function(back)
    local here, there = server:address(), back:address()
    return there ~= nil and here.port == there.port
  end
end

handles['a socket'] = function(opened, done)
  local server = cp.net.createServer()
  table.insert(opened, server)
  server:on('error', done)
  server:listen(0, '127.0.0.1', function()
    local client = cp.net.connect(server:address().port)
    table.insert(opened, client)
    client:on('error', done)
    client:resume()
  end)
  server:on('connection', function(socket)
    table.insert(opened, socket)
    socket:on('error', done)
    done(socket)
  end)
  return function(back)
    return not back.destroyed
  end
end

handles['a datagram socket'] = function(opened, done)
  local socket = cp.dgram.createSocket 'udp4'
  table.insert(opened, socket)
  socket:on('error', done)
  socket:bind(0, '127.0.0.1', function()
    done(socket)
  end)
  return function(back)
    return back:address().port == socket:address().port
  end
end

-- Sends back what comes, and is done.
local RETURN = [[
  process:on('message', function(message, handle)
    process:send(message, handle, { keepOpen = true }, function()
      if handle then
        (handle.destroy or handle.close)(handle)
      end
      process:disconnect()
    end)
  end)]]

local function close_all(opened)
  getmetatable(opened).__close(opened)
end

local function pass(make)
  return function(errs)
    local opened <close> = faults.open_things()
    local child <close> = forked.fork(RETURN)
    local well, check = false, nil
    local function fail(err)
      errs[#errs + 1] = err
      child:kill()
      close_all(opened)
    end
    child:on('error', fail)
    child:on('message', function(_, back)
      table.insert(opened, back)
      -- one that cannot be rebuilt comes as an object that has the descriptor
      well = type(back) == 'userdata' or back ~= nil and check(back)
      if type(back) == 'table' then
        back:on('error', fail)
      end
    end)
    child:on('close', function()
      close_all(opened)
    end)
    check = make(opened, function(handle)
      if handle.errno then
        return fail(handle)
      end
      child:send('here', handle, { keepOpen = true }, function(err)
        if err then
          fail(err)
        end
      end)
    end)
    cp.run()
    return well
  end
end

for name, make in pairs(handles) do
  describe(name .. ' that goes to a child and comes back', function()
    it('survives each call failing #slow', function()
      faults.sweep(pass(make), SPARSE)
    end, { timeout = 8 * t.TEST_TIMEOUT })
  end)
end

-- Calls that fail in the worker: it may end, but only as a program that says why, and its
-- parent sees it.
describe('a worker', function()
  local function as_text(how)
    local fields = {}
    for key, value in pairs(faults.rule(how)) do
      fields[#fields + 1] = ('%s=%s'):format(key, value)
    end
    return table.concat(fields, ',')
  end

  -- Returns its answer and its result.
  local function converse_with(rules)
    local args = { t.built 'fault.so' }
    for i, how in ipairs(rules) do
      args[i + 1] = as_text(how)
    end
    local path = t.fixture 'faulty_worker.lua'
    local child <close> = cp.fork(path, args, { silent = true })
    local answer
    child:on('message', function(message, file)
      answer = message
      if file then
        file:close()
      end
    end)
    local file <close> = io.open '/dev/null'
    child:send({ text = ('x'):rep(300000) }, file)
    local result = child:wait()
    return answer, result
  end

  local function try(how)
    local which = ('%s gives %s, call %d'):format(how.name, how.errno, how.first)
    local answer, result = converse_with { how }
    local is_well = answer and #answer.text == 300000 and result.code == 0
    local has_said = result.code == 1 and result.stderr:find 'lua[%d.]*:'
    local ended = ('%s: %s %s %s'):format(
      which,
      result.code,
      result.signal,
      result.stderr
    )
    assert.truthy(is_well or has_said, ended)
  end

  it('survives each call failing #slow, or says why it ends', function()
    local rules = faults.possible()
    local _, result = converse_with(rules)
    local i = 0
    for calls in result.stdout:gmatch '%d+' do
      i = i + 1
      rules[i].calls = tonumber(calls)
      for _, point in ipairs(faults.points(rules[i], { sparse = true })) do
        point.name = rules[i].name
        try(point)
      end
    end
    assert.equal(#rules, i)
  end, { timeout = 8 * t.TEST_TIMEOUT })
end)

describe('what waits to be sent', function()
  it('fails when writing goes wrong later, and the channel with it', function()
    local script = 'read line; exec cat <&3 >/dev/null'
    local stdio = { 'pipe', 'ignore', 'inherit', 'ipc' }
    local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
    t.once(child, 'close')
    t.once(child, 'disconnect')
    t.once(child, 'error', function(err)
      assert.equal('write EIO', err.message)
    end)
    faults.with({ name = 'sendmsg', errno = 'EIO', first = 3, last = 0 }, function()
      local sent = child:send(
        ('x'):rep(4 << 20),
        t.expect(function(err)
          assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
          child:kill()
        end)
      )
      assert.is_false(sent)
      child.stdin:write 'read on\n'
      cp.run()
    end)
  end)

  it('is dropped with its descriptors when the child goes', function()
    local child = cp.spawn(
      'sleep',
      { '1000' },
      { stdio = { 'ignore', 'ignore', 2, 'ipc' } }
    )
    t.once(child, 'close')
    child:send(('x'):rep(4 << 20), t.expect())
    local file <close> = io.open '/dev/null'
    child:send(
      'a file',
      file,
      t.expect(function(err)
        assert.equal('ERR_IPC_CHANNEL_CLOSED', err.code)
      end)
    )
    child:kill 'SIGKILL'
  end)
end)

describe('a listener that raises', function()
  local function run_on()
    local raised = {}
    local ok, err
    repeat
      ok, err = pcall(cp.run)
      raised[#raised + 1] = not ok and tostring(err):match 'on purpose' or nil
    until ok
    return raised
  end

  it('for disconnect, costs no close', function()
    local child = forked.run 'process:disconnect()'
    child:on('disconnect', function()
      error 'on purpose'
    end)
    assert.same({ 'on purpose' }, run_on())
  end)

  it('for the last messages, costs no other and no exit', function()
    local child = forked.run "process:send 'one' process:send 'two'"
    local heard = {}
    child:on('message', function(message)
      heard[#heard + 1] = message
      error 'on purpose'
    end)
    t.once(child, 'exit')
    assert.same({ 'on purpose', 'on purpose' }, run_on())
    assert.same({ 'one', 'two' }, heard)
  end)
end)
