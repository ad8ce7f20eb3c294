local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local messages = forked.messages

-- A peer that writes these bytes and ends when its channel does.
local function raw_peer(bytes, options)
  options = options or {}
  options.stdio = { 'pipe', 'inherit', 'inherit', 'ipc' }
  local child = cp.spawn('sh', { '-c', 'cat >&3' }, options)
  child.stdin:finish(bytes)
  return child
end

describe('a broken frame', function()
  local ROWS = {
    { 'no JSON', '{bad\n"good"\n' },
    { 'an empty line', '\n' },
    { 'a number that is none', 'nan\n' },
    { 'two values', '1 2\n' },
  }
  local function length(n)
    return string.pack('>I4', n)
  end
  local ADVANCED = {
    { 'no format', length(3) .. 'abc' },
    { 'nothing', length(0) },
    { 'a length beyond the limit', length(0xffffffff) .. 'abc' },
    { 'an unknown tag', length(3) .. '\xff\x0f?' },
    { 'a text that is too long', length(4) .. '\xff\x0f"\x7f' },
  }

  local function check(bytes, serialization)
    local child = raw_peer(bytes, { serialization = serialization })
    child:on('message', t.never 'message')
    t.once(child, 'error', function(err)
      assert.is_table(err)
      assert.is_string(err.message)
      assert.equal('Error', err.name:match 'Error$')
    end)
    local events = t.record(child, { 'error', 'disconnect', 'close' })
    t.once(child, 'close', function()
      assert.same({ 'error', 'disconnect', 'close' }, events)
    end)
  end

  for _, row in ipairs(ROWS) do
    it(('of json (%s) gives one error, then `disconnect`'):format(row[1]), function()
      check(row[2], 'json')
    end)
  end
  for _, row in ipairs(ADVANCED) do
    it(('of advanced (%s) gives one error, then `disconnect`'):format(row[1]), function()
      check(row[2], 'advanced')
    end)
  end

  it('does not cost the messages before it', function()
    local child = raw_peer '1\n"two"\n{\n'
    messages(child, function(list)
      assert.same({ 1, 'two', n = 2 }, list)
    end)
    t.once(child, 'error')
  end)

  it('nobody listens for leaves cp.run()', function()
    local child = raw_peer '{\n'
    t.once(child, 'close')
    local ok, err = pcall(cp.run)
    assert.is_false(ok)
    assert.is_table(err)
    cp.run()
  end)

  it('in a child ends it with a traceback', function()
    local args = {
      t.root .. '/lua/child_process/boot.lua',
      t.core_path,
      t.fixture 'program.lua',
      "process:on('message', print)",
    }
    local stdio = { 'ignore', 'ignore', 'pipe', 'pipe' }
    local child =
      cp.spawn(t.lua_exe, args, { stdio = stdio, env = { NODE_CHANNEL_FD = 3 } })
    local err = t.collect(child.stderr)
    child.stdio[4]:write '{\n'
    child.stdio[4]:resume()
    t.once(child, 'close', function(exit_code)
      assert.equal(1, exit_code)
      assert.truthy(err():find('stack traceback', 1, true), err())
    end)
  end)

  it('at the end is no message and no error', function()
    local child = raw_peer '"ok"\n"half'
    messages(child, function(list)
      assert.same({ 'ok', n = 1 }, list)
    end)
    t.once(child, 'disconnect')
  end)

  it('at the end is no message, however large', function()
    local half = ('x'):rep(700000)
    local WAYS = { json = '"' .. half, advanced = length(1 << 20) .. '\xff\x0f"' .. half }
    for serialization, bytes in pairs(WAYS) do
      local child = raw_peer(bytes, { serialization = serialization })
      child:on('message', t.never 'message')
      child:on('error', t.never 'error')
      t.once(child, 'disconnect')
    end
  end)
end)

describe('large frames', function()
  local long = ('x'):rep(700000)
  local WAYS = {
    json = ('"%s"\n1\n"%s"\n2\n3\n'):format(long, long),
    advanced = string
      .pack('>s4>s4', '\xff\x0f"\xe0\xdc\x2a' .. long, '\xff\x0fI\2')
      :rep(2) .. string.pack('>s4', '\xff\x0fI\2'),
  }
  for serialization, bytes in pairs(WAYS) do
    it(('and small ones in %s come out of one stream'):format(serialization), function()
      messages(raw_peer(bytes, { serialization = serialization }), function(list)
        assert.equal(5, list.n)
        assert.is_true(list[1] == long and list[3] == long)
        assert.same({ 1, serialization == 'json' and 2 or 1 }, { list[2], list[4] })
        assert.equal(serialization == 'json' and 3 or 1, list[5])
      end)
    end)
  end
end)

describe('the bytes on the wire', function()
  it('are one JSON text a line', function()
    local stdio = { 'ignore', 'pipe', 'inherit', 'ipc' }
    local child = cp.spawn('sh', { '-c', 'head -n 2 <&3' }, { stdio = stdio })
    local out = t.collect(child.stdout)
    child:send { a = 'ß\n' }
    child:send { 1, cp.null, 2 ^ 53 }
    t.once(child, 'close', function()
      assert.equal('{"a":"ß\\n"}\n[1,null,9007199254740992]\n', out())
    end)
  end)

  it('are a length and a value of V8', function()
    local stdio = { 'ignore', 'pipe', 'inherit', 'ipc' }
    local options = { stdio = stdio, serialization = 'advanced' }
    local child = cp.spawn('sh', { '-c', 'head -c 8 <&3' }, options)
    local out = t.collect(child.stdout)
    child:send(true)
    child:send(false)
    t.once(child, 'close', function()
      assert.equal('\0\0\0\3\xff\x0fT\0', out())
    end)
  end)

  it('are told to any program by two variables', function()
    local stdio = { 'ignore', 'pipe', 'inherit', 'ignore', 'ignore', 'ipc' }
    local list = 'env | grep ^NODE_CHANNEL | sort'
    for _, serialization in ipairs { 'json', 'advanced' } do
      local options = { stdio = stdio, serialization = serialization, env = {} }
      local child = cp.spawn('/bin/sh', { '-c', 'PATH=/bin:/usr/bin; ' .. list }, options)
      local out = t.collect(child.stdout)
      t.once(child, 'close', function()
        local text = 'NODE_CHANNEL_FD=5\nNODE_CHANNEL_SERIALIZATION_MODE=%s\n'
        assert.equal(text:format(serialization), out())
      end)
    end
  end)
end)

describe('bytes', function()
  it('arrive as they are, four times 6 MiB', function()
    local code = [[
      for i = 0, 3 do
        process:send(('\0\xff\n'):rep(8 << 18) .. string.char(i))
      end]]
    local child = forked.run(code, { serialization = 'advanced' })
    local seen = 0
    child:on('message', function(message)
      local wanted = ('\0\xff\n'):rep(8 << 18) .. string.char(seen)
      assert.is_true(message == wanted)
      seen = seen + 1
    end)
    t.once(child, 'close', function()
      assert.equal(4, seen)
    end)
  end)
end)
