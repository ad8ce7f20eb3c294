-- What a peer may say about handles, written by hand.
local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local run = forked.run

local function text_file(text)
  local path = t.write_file(t.tmpdir() .. '/text', text)
  return assert(io.open(path, 'rb')), path
end

describe('a peer of the protocol', function()
  -- Writes lines and shows what it gets.
  local function raw(script)
    local stdio = { 'ignore', 'pipe', 'inherit', 'ipc' }
    local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
    return child, t.collect(child.stdout)
  end

  it('that forgets the descriptor is told so', function()
    local child, out = raw [[
      echo '{"cmd":"NODE_HANDLE","type":"net.Server","msg":1}' >&3; head -n 1 <&3]]
    child:on('message', t.never 'message')
    t.once(child, 'close', function()
      assert.equal('{"cmd":"NODE_HANDLE_NACK"}\n', out())
    end)
  end)

  it('that says what nobody has asked for is not listened to', function()
    local child = raw [[
      for cmd in NODE_HANDLE_ACK NODE_HANDLE_NACK NODE_SOCKET_COUNT NODE_X \
        NODE_SOCKET_ALL_CLOSED NODE_SOCKET_NOTIFY_CLOSE NODE_SOCKET_GET_COUNT; do
        echo "{\"cmd\":\"$cmd\"}" >&3
      done
      echo '"fine"' >&3
      read -r answer <&3]]
    t.once(child, 'message', function(message)
      assert.equal('fine', message)
      child:send 'x'
    end)
    t.once(child, 'close')
  end)

  it('that refuses gets the handle again, ten times', function()
    local child, out = raw [[
      i=0
      while [ $i -lt 11 ]; do
        IFS= read -r line <&3; echo "$line"
        echo '{"cmd":"NODE_HANDLE_NACK"}' >&3
        i=$((i + 1))
      done
      IFS= read -r line <&3; echo "$line"]]
    local file = text_file 'x'
    child:send('h', file)
    child:send 'next'
    file:close()
    t.once(child, 'close', function()
      local handle = '{"cmd":"NODE_HANDLE","msg":"h","type":"lua.File"}\n'
      local lines = {}
      for line in out():gmatch '[^\n]+\n' do
        lines[#lines + 1] = line
      end
      assert.equal(12, #lines)
      assert.equal('"next"\n', lines[12])
      assert.equal(#handle, #lines[1])
      for i = 2, 11 do
        assert.equal(lines[1], lines[i])
      end
    end)
  end)

  it('that answers is sent what waited', function()
    local child, out = raw [[
      IFS= read -r line <&3
      echo '"none yet"' >&3
      echo '{"cmd":"NODE_HANDLE_ACK"}' >&3
      head -n 2 <&3]]
    local file = text_file 'x'
    child:send('h', file)
    file:close()
    child:send(1)
    child:send(2)
    t.once(child, 'message')
    t.once(child, 'close', function()
      assert.equal('1\n2\n', out())
    end)
  end)

  it('that sends something else under a name of Node gives a descriptor', function()
    local code = [[
      local handles = require 'child_process.ipc.handles'
      local file = io.open '/dev/null'
      for _, name in ipairs { 'net.Server', 'net.Socket', 'dgram.Socket' } do
        handles.register('fake ' .. name, {
          wire_type = name,
          matches = function(value) return value == name end,
          take = function()
            return require('child_process.core').file_fd(file), function() end
          end,
        })
        process:send(name, name)
      end]]
    local child, seen = run(code), 0
    child:on('message', function(_, object)
      local folder = '/proc/self/fd/' .. object:getfd()
      assert.equal('/dev/null', require('lfs').symlinkattributes(folder, 'target'))
      object:close()
      seen = seen + 1
    end)
    t.once(child, 'close', function()
      assert.equal(3, seen)
    end)
  end)

  it('that sends what we do not know gives its message alone', function()
    local code = [[
      local object = ...
      local core = require 'child_process.core'
      -- as a later version of this module might
      local handles = require 'child_process.ipc.handles'
      handles.register('lua.Later', {
        matches = function(value) return value == 'later' end,
        take = function() return 0, function() end end,
      })
      process:send('x', 'later')]]
    local child = run(code)
    t.once(child, 'message', function(message, handle)
      assert.equal('x', message)
      assert.is_nil(handle)
    end)
  end)
end)
