-- Handles, and other starts, in a process at its limit of descriptors.
local t = require 'spec.helper'
local it = t.wrap(it)

-- Runs a program with 128 descriptors; its first argument is spec/fixtures/program.lua.
local function scarce(code, check)
  local exe, args = t.lua(code, t.fixture 'program.lua')
  table.insert(args, 1, exe)
  local script = 'ulimit -S -n 128; exec "$@"'
  local child = t.cp.spawn('sh', { '-c', script, 'sh', table.unpack(args) })
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(exit_code)
    assert.equal('', err())
    assert.equal(0, exit_code)
    check(out())
  end)
end

-- One after another: it has no more descriptors itself.
local CHILD = [==[
  process:on('message', print) -- keeps it alive
  local refused = {}
  local file = io.open '/dev/null'
  local function send(i)
    process:send(i, file, function(err)
      refused[#refused + 1] = err and { i, err.code } or nil
      if i < 1000 then
        return send(i + 1)
      end
      process:send { refused = refused }
      process:disconnect()
    end)
  end
  send(1)]==]

local PARENT = [==[
  local cp = require 'child_process'
  local kept, heard, errors, refused = {}, {}, {}, nil
  local child = cp.fork(arg[1], { [[%s]] })
  child:on('message', function(message, handle)
    if type(message) == 'table' then
      refused = message.refused
    else
      heard[#heard + 1] = message
      kept[#kept + 1] = %s and handle or nil
      handle = nil
    end
  end)
  child:on('error', function(err) errors[#errors + 1] = err.code end)
  cp.run()
  -- each message was heard or is reported
  local all = {}
  for _, i in ipairs(heard) do all[i] = 'heard' end
  for _, entry in ipairs(refused) do
    assert(not all[entry[1]], 'heard, and refused')
    all[entry[1]] = 'refused'
    assert(entry[2] == 'ERR_IPC_HANDLE_REFUSED', entry[2])
  end
  for i = 1, 1000 do assert(all[i], i) end
  print(#heard < 128 and 'few' or #heard, table.concat(errors, ' '))
  kept = nil
  print(cp.execSync 'echo fine')]==]

describe('a process with few descriptors', function()
  it('takes any number of handles that are dropped', function()
    scarce(PARENT:format(CHILD, 'false'), function(out)
      assert.equal('1000\t\nfine\n\n', out)
    end)
  end)

  it('reports once what it cannot take, and so does the sender for each', function()
    scarce(PARENT:format(CHILD, 'true'), function(out)
      assert.equal('few\tEMFILE\nfine\n\n', out)
    end)
  end)

  -- All descriptors are in use when the child's next message comes.
  local TAKE_ALL = [==[
    local cp = require 'child_process'
    local core = require 'child_process.core'
    local child = cp.fork(arg[1], { [[%s]] })
    local errors, taken = {}, {}
    local function take(but)
      repeat
        local fd = core.copy_fd(0)
        taken[#taken + 1] = fd
      until not fd
      for _ = 1, but do
        table.remove(taken):close()
      end
    end
    child:on('error', function(err) errors[#errors + 1] = tostring(err) end)
    child:on('disconnect', function() print 'disconnect' end)
    %s
    cp.run()
    print(#errors, errors[1] and #errors[1] > 0)]==]

  it('gets one error where the protocol of handles cannot be loaded', function()
    local code = TAKE_ALL:format(
      [==[
        process:once('message', function() process:send { cmd = 'NODE_X' } end)
        process:send 'ready']==],
      [==[
        child:once('message', function()
          core.load = function() return nil, 'refused' end
          child:send 'go'
        end) ]==]
    )
    scarce(code, function(out)
      assert.equal('disconnect\n1\ttrue\n', out)
    end)
  end)

  it('gets the bare descriptor where its class cannot be loaded', function()
    local code = TAKE_ALL:format(
      [==[
        local net = require('child_process').net
        process:once('message', function()
          local server = net.createServer()
          server:listen(0, '127.0.0.1', function()
            process:send('server', server)
            server:close()
          end)
        end)
        process:send('ready', io.open '/dev/null')]==],
      [==[
        child:once('message', function(_, file)
          file:close()
          take(1)
          child:once('message', function(message, object)
            print(message, type(object), object:getfd() > 2)
            object:close()
          end)
          child:send 'go'
        end) ]==]
    )
    scarce(code, function(out)
      assert.equal('server\tuserdata\ttrue\ndisconnect\n0\tnil\n', out)
    end)
  end)

  -- Leaves as many descriptors to the collector as there are.
  local DROP = [[
    local cp = require 'child_process'
    collectgarbage 'stop'
    local function drop()
      local fd_object = require('child_process.core').copy_fd
      while fd_object(0) do end
    end]]

  for _, row in ipairs {
    { 'spawnSync', [[ assert(not cp.spawnSync('true').error) ]] },
    { 'execSync', [[ cp.execSync 'true' ]] },
    { 'spawn', [[ assert(cp.spawn('true', { stdio = 'pipe' }):wait().ok) ]] },
    { 'fork', [[ assert(cp.fork(arg[1], { '' }):wait().ok) ]] },
    {
      'send',
      [[
      local child = cp.fork(arg[1], { "process:once('message', function() end)" })
      local file = io.tmpfile()
      drop()
      child:send('x', file, function(err) assert(not err) end)
      assert(child:wait().ok)]],
    },
    { 'listen', [[ cp.net.createServer():listen(0):close() ]] },
    {
      'connect',
      [[
      local server = cp.net.createServer()
      server:listen(0, '127.0.0.1', function()
        drop()
        local socket = cp.net.connect(server:address().port, '127.0.0.1')
        socket:on('connect', function() socket:destroy() server:close() end)
      end)
      cp.run()]],
    },
    {
      'accept',
      [[
      local server = cp.net.createServer()
      server:listen(0, '127.0.0.1', function()
        local exe, args = require 'again'(
          "local cp = require 'child_process';" ..
          "cp.net.connect(arg[1], '127.0.0.1'):on('connect', print):resume() cp.run()",
          tostring(server:address().port))
        local child = cp.spawn(exe, args, { stdio = { 'ignore', 'ignore', 2 } })
        drop()
        server:on('connection', function(socket) socket:destroy() server:close() end)
      end)
      cp.run()]],
    },
    {
      'dgram',
      [[
      local socket = cp.dgram.createSocket 'udp4'
      socket:bind(0, '127.0.0.1', function() socket:close() end)
      cp.run()]],
    },
  } do
    it(('has descriptors for %s when all are garbage'):format(row[1]), function()
      local code = ("%s\n drop()\n %s\n print 'fine'"):format(DROP, row[2])
      scarce(code, function(out)
        assert.equal('fine\n', out)
      end)
    end)
  end
end)
