-- Files, descriptors and pipes over the channel, and the protocol itself; sockets are in
-- handles_net_spec.lua.
local core = require 'child_process.core'
local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local run, messages = forked.run, forked.messages

-- Says for each message with a handle what it is and what is in it; keeps nothing.
local READER = [[
  process:on('message', function(message, handle)
    if not handle then
      return process:send { message }
    elseif io.type(handle) then
      process:send { message, 'file', handle:read 'a' }
      handle:close()
    else
      local path = '/proc/self/fd/' .. handle:getfd()
      local file <close> = io.open(path)
      process:send { message, io.type(handle) or 'fd', file:read 'a' }
      handle:close()
    end
  end)]]

local function text_file(text)
  local path = t.write_file(t.tmpdir() .. '/text', text)
  return assert(io.open(path, 'rb')), path
end

-- Sends what `send(child)` does to a READER, and checks its `count` answers.
local function read_over_there(count, send, check)
  local child = run(READER)
  local answers = {}
  child:on('message', function(message)
    answers[#answers + 1] = message
    if #answers == count then
      child:disconnect()
    end
  end)
  t.once(child, 'close', function()
    check(answers)
  end)
  send(child)
  return child
end

local function fd_count()
  collectgarbage()
  collectgarbage()
  local n = 0
  for _ in pairs(t.fds()) do
    n = n + 1
  end
  return n
end

describe('over the channel', function()
  it('a Lua file arrives as a Lua file, where it stands', function()
    local file = text_file 'skipped, read over there'
    assert.equal('skipped, ', file:read(9))
    file:seek('set', 9)
    read_over_there(1, function(child)
      assert.is_true(child:send('take', file))
    end, function(answers)
      assert.same({ { 'take', 'file', 'read over there' } }, answers)
      assert.equal('file', io.type(file))
      file:close()
    end)
  end)

  it('what Lua has buffered for a file is written before it travels', function()
    local path = t.tmpdir() .. '/out'
    local file = io.open(path, 'w')
    file:write 'from the parent, '
    local code = [[
      process:once('message', function(_, file)
        file:write 'from the child'
        file:close()
      end)]]
    local child = run(code)
    child:send('write', file)
    t.once(child, 'close', function()
      file:close()
      assert.equal('from the parent, from the child', t.slurp(path))
    end)
  end)

  it('a descriptor arrives as an object, given as number or by its owner', function()
    local file, path = text_file 'text'
    local fd = core.file_fd(file)
    local owners = {
      fd,
      {
        getfd = function()
          return fd
        end,
      }, -- stylua: ignore
      setmetatable({}, {
        __index = {
          fileno = function()
            return fd
          end,
        },
      }), -- stylua: ignore
      setmetatable({}, {
        getfd = function()
          return fd
        end,
      }), -- stylua: ignore
    }
    read_over_there(#owners, function(child)
      for i, owner in ipairs(owners) do
        child:send(i, owner)
      end
    end, function(answers)
      for i = 1, #owners do
        assert.same({ i, 'fd', 'text' }, answers[i])
      end
      file:close()
      assert.equal('text', t.slurp(path))
    end)
  end)

  it('an object that arrived goes on to the next', function()
    local code = [[
      local cp = require 'child_process'
      local program = ...
      process:once('message', function(message, handle)
        local child = cp.fork(arg[0], { program })
        child:send(message, handle)
        handle:close()
        child:on('message', function(answer)
          process:send(answer)
          child:disconnect()
        end)
      end)]]
    local file = text_file 'far away'
    local child = run(code, nil, READER)
    child:send('pass on', core.file_fd(file))
    file:close()
    t.once(child, 'message', function(answer)
      assert.same({ 'pass on', 'fd', 'far away' }, answer)
    end)
  end)

  it('what was sent may be closed at once', function()
    local count = 10
    read_over_there(count, function(child)
      for i = 1, count do
        local file = text_file('text ' .. i)
        child:send(i, file)
        file:close()
      end
      text_file('not this one'):close() -- which has had the number
    end, function(answers)
      for i = 1, count do
        assert.same({ i, 'file', 'text ' .. i }, answers[i])
      end
    end)
  end)

  it('the reading end of a pipe arrives as a socket', function()
    local code = [[
      process:once('message', function(_, pipe)
        local text = ''
        pipe:on('data', function(chunk) text = text .. chunk end)
        pipe:on('end', function() process:send { text, pipe.writable } end)
      end)]]
    local child = run(code)
    local source = cp.spawn('sh', { '-c', 'echo through; echo the pipe' })
    child:send('pipe', source.stdout)
    t.once(child, 'message', function(answer)
      assert.same({ 'through\nthe pipe\n', false }, answer)
    end)
  end)

  it('the writing end of a pipe arrives as a socket', function()
    local code = [[
      process:once('message', function(_, pipe)
        pipe:finish 'from the child'
      end)]]
    local child = run(code)
    local sink = cp.spawn 'cat'
    local out = t.collect(sink.stdout)
    child:send(
      'pipe',
      sink.stdin,
      t.expect(function()
        sink.stdin:finish()
      end)
    )
    t.once(sink, 'close', function()
      assert.equal('from the child', out())
    end)
  end)

  it('messages before and behind a handle keep their order', function()
    local file = text_file 'x'
    local count = 30
    read_over_there(count, function(child)
      for i = 1, count do
        child:send(i, i % 3 == 0 and core.file_fd(file) or nil)
      end
      file:close()
    end, function(answers)
      for i = 1, count do
        assert.equal(i, answers[i][1])
        assert.equal(i % 3 == 0, answers[i][2] ~= nil)
      end
    end)
  end)

  it('each message of any size has its own handle', function()
    local sizes = { 1, 65535, 800004, 0, 65536, 3, 219263, 2, 1 << 20 }
    read_over_there(#sizes, function(child)
      for i, size in ipairs(sizes) do
        local file = text_file('text ' .. i)
        child:send({ i, ('x'):rep(size) }, file)
        file:close()
      end
    end, function(answers)
      for i, size in ipairs(sizes) do
        assert.equal(i, answers[i][1][1])
        assert.equal(size, #answers[i][1][2])
        assert.equal('text ' .. i, answers[i][3])
      end
    end)
  end)

  it('handles go in both serializations', function()
    local file = text_file 'text'
    local child = run(READER, { serialization = 'advanced' })
    child:send({ bytes = '\xff\0' }, file)
    file:close()
    t.once(child, 'message', function(answer)
      assert.same({ { bytes = '\xff\0' }, 'file', 'text' }, answer)
      child:disconnect()
    end)
  end)

  it('both sides may send handles at the same time', function()
    local code = [[
      local count = 0
      process:on('message', function(_, handle)
        handle:close()
        count = count + 1
        if count == 20 then process:disconnect() end
      end)
      for i = 1, 20 do process:send(i, io.stdin) end]]
    local file = text_file 'x'
    local child = run(code)
    for i = 1, 20 do
      child:send(i, file)
    end
    file:close()
    local count = 0
    child:on('message', function(_, handle)
      count = count + 1
      assert.equal('file', io.type(handle))
      handle:close()
    end)
    t.once(child, 'close', function()
      assert.equal(20, count)
    end)
  end)

  it('a handle that was sent right before the end arrives', function()
    local ends = { '', 'process:exit()', 'os.exit(0)', 'process:disconnect()' }
    for _, finish in ipairs(ends) do
      local code = [[
        local list = { ... }
        for i = 1, 5 do
          local file = io.open(list[1])
          process:send(i, file)
          file:close()
        end
        process:send 'last' ]]
      local file, path = text_file 'text'
      file:close()
      local child = run(code .. finish, nil, path)
      local seen = {}
      child:on('message', function(message, handle)
        seen[#seen + 1] = handle and message .. handle:read 'a' or message
        if handle then
          handle:close()
        end
      end)
      t.once(child, 'close', function()
        assert.same({ '1text', '2text', '3text', '4text', '5text', 'last' }, seen)
      end)
    end
  end)

  it('disconnect() waits for the handles that were sent before', function()
    local answers = {}
    local code = READER:gsub('process:send', 'answer')
    code = [[
      local list = {}
      local function answer(message) list[#list + 1] = message[3] or message[1] end
      process:on('disconnect', function() print(table.concat(list, ' ')) end)
    ]] .. code
    local child = run(code, { silent = true })
    local out = t.collect(child.stdout)
    for i = 1, 3 do
      local file = text_file('text' .. i)
      child:send(
        i,
        file,
        t.expect(function(err)
          assert.is_nil(err)
          answers[#answers + 1] = i
        end)
      )
      file:close()
    end
    child:send 'end'
    child:send 'of all'
    child:disconnect()
    assert.is_false(child.connected)
    t.once(child, 'close', function()
      assert.equal('text1 text2 text3 end of all\n', out())
      assert.same({ 1, 2, 3 }, answers)
    end)
  end)
end)

describe('a handle', function()
  it('that is none raises, and the channel goes on', function()
    local file = text_file 'x'
    file:close()
    local closed = { getfd = function() end }
    read_over_there(1, function(child)
      for _, handle in ipairs { file, closed, child, -1 } do
        t.raises('ERR_INVALID_HANDLE_TYPE', child.send, child, 'x', handle)
      end
      child:send 'fine'
    end, function(answers)
      assert.same({ { 'fine' } }, answers)
    end)
  end)

  it('with a message that cannot be sent raises and is not touched', function()
    local file = text_file 'text'
    read_over_there(1, function(child)
      assert.is_false((pcall(child.send, child, { print }, file)))
      child:send('fine', file)
      assert.is_false((pcall(child.send, child, { print }, file)))
    end, function(answers)
      assert.same({ { 'fine', 'file', 'text' } }, answers)
      file:close()
    end)
  end)

  it('is not touched by a message that is too deep only with one', function()
    for _, serialization in ipairs { 'json', 'advanced' } do
      local child = run("process:once('message', function() end)", {
        serialization = serialization,
      })
      local deep = {}
      for _ = 2, 20000 do
        deep = { deep }
      end
      local cat = cp.spawn 'cat'
      local fd = core.take_fd(core.copy_fd(cat.stdin._handle:fileno()))
      local socket = cp.net.Socket { fd = fd, readable = false }
      t.raises('ERR_INVALID_ARG_VALUE', child.send, child, deep, socket)
      assert.is_false(socket.pending)
      socket:destroy()
      cat.stdin:finish()
      child:send(deep)
    end
  end)

  it('that is not open is told to the callback, and the channel goes on', function()
    read_over_there(1, function(child)
      local result = child:send(
        'x',
        99999,
        t.expect(function(err)
          assert.equal('EBADF', err.code)
        end)
      )
      assert.is_false(result)
      child:send 'fine'
    end, function(answers)
      assert.same({ { 'fine' } }, answers)
    end)
  end)

  it('that is not open is an `error` without a callback', function()
    local file = text_file 'x'
    local child = read_over_there(2, function(child)
      child:send('first', file)
      child:send('second', 99999)
      child:send 'third'
    end, function(answers)
      assert.same({ { 'first', 'file', 'x' }, { 'third' } }, answers)
      file:close()
    end)
    t.once(child, 'error', function(err)
      assert.equal('EBADF', err.code)
    end)
  end)

  it('travels with its message as that was when it was sent', function()
    local file = text_file 'x'
    read_over_there(3, function(child)
      local message = { 'a' }
      child:send(message, file)
      message[1] = 'b'
      child:send(message, file)
      message[1] = 'c'
      child:send(message)
      message[1] = 'd'
    end, function(answers)
      file:close()
      assert.same({ 'a' }, answers[1][1])
      assert.same({ 'b' }, answers[2][1])
      assert.same({ 'c' }, answers[3][1])
    end)
  end)

  it('that nobody takes is closed, on both sides', function()
    local code = [[
      local path = ...
      local function count()
        collectgarbage()
        collectgarbage()
        os.execute(('ls /proc/%d/fd | wc -l >%s'):format(process.pid, path))
        local list <close> = io.open(path)
        return list:read 'n'
      end
      local before = count()
      process:on('message', function(message)
        if message == 'end' then
          process:send(count() - before)
          process:disconnect()
        end
      end)]]
    local before = fd_count()
    local child = run(code, nil, t.tmpdir() .. '/count')
    local file = text_file 'x'
    for i = 1, 10 do
      child:send(i, file)
    end
    file:close()
    child:send 'end'
    messages(child, function(list)
      assert.same({ 0, n = 1 }, list)
    end)
    cp.run()
    assert.equal(before, fd_count())
  end)

  it('that comes before anybody listens is kept', function()
    local file, path = text_file 'text'
    file:close()
    local child = run("process:send('x', io.open(...))", nil, path)
    t.once(child, 'exit', function()
      t.once(child, 'message', function(message, handle)
        assert.equal('x', message)
        assert.equal('text', handle:read 'a')
        handle:close()
      end)
    end)
  end)

  it('that nobody ever listens for is closed with the child object', function()
    local file, path = text_file 'text'
    file:close()
    local before = fd_count()
    run('for i = 1, 5 do process:send(i, io.open(...)) end', nil, path)
    cp.run()
    assert.equal(before, fd_count())
  end)

  it('whose peer dies is closed, and every callback called', function()
    local before = fd_count()
    local order = {}
    local function callback(i)
      return t.expect(function(err)
        order[#order + 1] = { i, err and err.code }
      end)
    end
    local function go()
      local stdio = { 'pipe', 'ignore', 'inherit', 'ipc' }
      local child = cp.spawn('cat', {}, { stdio = stdio })
      local file = text_file 'x'
      child:send(1, file, callback(1))
      child:send(2, file, callback(2))
      child:send(3, callback(3))
      file:close()
      child:disconnect()
      t.once(child, 'disconnect')
      cp.setImmediate(function()
        child:kill 'SIGKILL'
      end)
    end
    go()
    cp.run()
    local closed = 'ERR_IPC_CHANNEL_CLOSED'
    assert.same({ { 1 }, { 2, closed }, { 3, closed } }, order)
    assert.equal(before, fd_count())
  end)
end)

describe('many handles', function()
  it('of many children all arrive', function()
    local file, path = text_file 'hello'
    file:close()
    local arrived = 0
    for _ = 1, 20 do
      local child = run("process:send('x', io.open(...))", nil, path)
      child:on('message', function(_, handle)
        assert.equal('hello', handle:read 'a')
        handle:close()
        arrived = arrived + 1
      end)
    end
    cp.run()
    assert.equal(20, arrived)
  end)

  it('of one child do not pile up', function()
    local before = fd_count()
    local code = [[
      local file = io.open(...)
      for i = 1, 2000 do process:send(i, file) end]]
    local file, path = text_file 'hello'
    file:close()
    local child, count, most = run(code, nil, path), 0, 0
    child:on('message', function(message, handle)
      count = count + 1
      assert.equal(count, message)
      handle:close()
      if count % 500 == 0 then
        most = math.max(most, fd_count())
      end
    end)
    cp.run()
    assert.equal(2000, count)
    assert.is_true(most < before + 20, most - before)
    child = nil -- luacheck: ignore
    assert.equal(before, fd_count())
  end)
end)
