-- What both serializations of messages decide alike.
local errors = require 'child_process.errors'
local forked = require 'spec.support.forked'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local CODECS = {
  json = require 'child_process.ipc.json',
  advanced = require 'child_process.ipc.advanced',
}

local function refused(codec, value)
  local err = t.raises('ERR_INVALID_ARG_VALUE', codec.encode, value)
  assert.equal('TypeError', err.name)
  return err.message
end

describe('a value that neither serialization can send', function()
  local long = {}
  for i = 1, 100 do
    long[i] = 'k' .. i
  end

  local function along(path, value)
    for i = #path, 1, -1 do
      value = { [path[i]] = value }
    end
    return value
  end

  it('is refused in the same words', function()
    local cases = {
      { {}, print, 'message: a function cannot be sent' },
      { { 'a', 1, '_b2' }, print, 'message.a[1]._b2: a function cannot be sent' },
      { { 'x' }, debug.upvalueid(refused, 1), 'message.x: a userdata cannot be sent' },
      { { 'x y', '' }, io.stdout, "message['x y']['']: a userdata cannot be sent" },
      { { '2a' }, coroutine.create(print), "message['2a']: a thread cannot be sent" },
      { { "it's", '\\' }, print, [[message['it\'s']['\\']: a function cannot be sent]] },
      { { '\n\27' }, print, [[message['\n\x1b']: a function cannot be sent]] },
      { { 'a\0b' }, print, [[message['a\x00b']: a function cannot be sent]] },
      { { 'é' }, print, "message['é']: a function cannot be sent" },
      {
        { ('é'):rep(100) },
        print,
        "message['" .. ('é'):rep(24) .. "...']: a function cannot be sent",
      },
      {
        long,
        print,
        'message.k1.k2.k3.k4.k5.k6.k7.k8.k9.k10.k11.k12 ... '
          .. '.k89.k90.k91.k92.k93.k94.k95.k96.k97.k98.k99.k100'
          .. ': a function cannot be sent',
      },
    }
    for _, case in ipairs(cases) do
      for name, codec in pairs(CODECS) do
        assert.equal(case[3], refused(codec, along(case[1], case[2])), name)
      end
    end
  end)
end)

describe('an empty table', function()
  local function is_array(codec, metatable)
    local value = setmetatable({}, metatable)
    return codec.encode(value) == codec.encode(codec.decode(codec.encode(value)))
      and codec.encode(value) ~= codec.encode {}
  end

  local loaded = package.loaded
  local cjson, safe = loaded.cjson, loaded['cjson.safe']

  after_each(function()
    loaded.cjson, loaded['cjson.safe'] = cjson, safe
  end)

  it('is an array by `__jsontype`, and an object without', function()
    for _, codec in pairs(CODECS) do
      assert.is_true(is_array(codec, { __jsontype = 'array' }))
      for _, metatable in ipairs { {}, { __jsontype = 'object' }, { __jsontype = 1 } } do
        assert.is_false(is_array(codec, metatable))
      end
    end
  end)

  it('is an array by the metatables of a cjson, and of a cjson.safe', function()
    local marks = { {}, {}, {}, {} }
    loaded.cjson = { array_mt = marks[1], empty_array_mt = marks[2] }
    loaded['cjson.safe'] = { array_mt = marks[3], empty_array_mt = marks[4] }
    for _, codec in pairs(CODECS) do
      for i = 1, 4 do
        assert.is_true(is_array(codec, marks[i]))
      end
    end
    loaded.cjson, loaded['cjson.safe'] = nil, true
    for _, codec in pairs(CODECS) do
      assert.is_false(is_array(codec, marks[1]))
      assert.is_false(is_array(codec, marks[3]))
    end
  end)

  it('is what `__jsontype` says, where a cjson says otherwise', function()
    local mark = { __jsontype = 'object' }
    loaded.cjson = { array_mt = mark }
    for _, codec in pairs(CODECS) do
      assert.is_false(is_array(codec, mark))
    end
  end)

  it('that has come as an array is one again', function()
    for _, codec in pairs(CODECS) do
      local list = codec.decode(codec.encode(setmetatable({}, { __jsontype = 'array' })))
      assert.equal('[]', CODECS.json.encode(list))
      assert.equal('\xff\x0fA\0$\0\0', CODECS.advanced.encode(list))
    end
  end)
end)

-- As tables in tables, the way from one to the next by `step`; there is no recursion.
local function nested(levels, step)
  local value = step()
  for _ = 2, levels do
    value = step(value)
  end
  return value
end

-- How the levels are made, and how a level leads to the next.
local STEPS = {
  list = {
    function(inner)
      return { inner or 1 }
    end,
    function(outer)
      return outer[1]
    end,
  },
  object = {
    function(inner)
      return { a = inner or 1 }
    end,
    function(outer)
      return outer.a
    end,
  },
  both = {
    function(inner)
      return { { inner = inner or 1 }, 2 }
    end,
    function(outer)
      return outer[1].inner
    end,
  },
}

local ADVANCED_STEPS = {
  map = {
    function(inner)
      return { [1.5] = inner or 1 }
    end,
    function(outer)
      return outer[1.5]
    end,
  },
  key = {
    function(inner)
      return { [inner or 'x'] = 'value' }
    end,
    function(outer)
      return (next(outer))
    end,
  },
  cause = {
    function(inner)
      return errors.new('Error', nil, 'text', { cause = inner or 1 })
    end,
    function(outer)
      return outer.cause
    end,
  },
  set = {
    function(inner)
      return setmetatable({ inner or 1 }, { __jstype = 'Set' })
    end,
    function(outer)
      return outer[1]
    end,
  },
  packed = {
    function(inner)
      return { nil, inner or 1, n = 2 }
    end,
    function(outer)
      return outer[2]
    end,
  },
}

local function depth_of(value, step)
  local levels = 0
  while type(value) == 'table' do
    value = step(value)
    levels = levels + 1
  end
  return levels
end

local LIMIT = 20000

describe('tables in tables', function()
  for name, codec in pairs(CODECS) do
    it(('come back from thousands of levels by %s'):format(name), function()
      for kind, step in pairs(STEPS) do
        local levels = kind == 'both' and LIMIT // 2 or LIMIT
        local back = codec.decode(codec.encode(nested(levels, step[1])))
        assert.equal(levels, depth_of(back, step[2]), kind)
      end
    end)

    it(('beyond 20 000 levels are refused by %s, both ways'):format(name), function()
      local message = refused(codec, nested(LIMIT + 1, STEPS.list[1]))
      local text = 'tables nested deeper than 20000 levels cannot be sent'
      assert.matches('^message%[1%].* ... .*%[1%]: ' .. text .. '$', message)
      assert.is_true(#message < 200)
      local bytes = codec.encode(nested(LIMIT, STEPS.list[1]))
      if name == 'json' then
        bytes = '[' .. bytes .. ']'
      else
        bytes = bytes:sub(1, 2) .. 'A\1' .. bytes:sub(3) .. '$\0\1'
      end
      local ok, err = pcall(codec.decode, bytes)
      assert.is_false(ok)
      assert.matches('nested deeper than 20000 levels at byte', err.message)
    end)
  end

  it('are counted for each kind of an advanced message', function()
    local codec = CODECS.advanced
    for kind, step in pairs(ADVANCED_STEPS) do
      local back = codec.decode(codec.encode(nested(LIMIT, step[1])))
      assert.equal(LIMIT, depth_of(back, step[2]), kind)
      refused(codec, nested(LIMIT + 1, step[1]))
    end
  end)

  it('are known as a circle by json however long it is', function()
    for _, length in ipairs { 1, 2, 3, 7, 100, 5000 } do
      for _, tail in ipairs { 0, 1, 2, 5, 64, 3000 } do
        local first = {}
        local last = first
        for _ = 2, length do
          last.next = {}
          last = last.next
        end
        last.next = first
        local value = first
        for _ = 1, tail do
          value = { x = value }
        end
        local message = refused(CODECS.json, value)
        assert.matches(
          ': a table that is part of itself cannot be sent as JSON$',
          message
        )
        local steps = message:find ' ... ' and 24 or tail + length
        assert.equal(steps, select(2, message:gsub('%.%a+', '')))
      end
    end
  end)

  -- Values that wait for the table they belong to, on each of the levels.
  it('may have others beside them', function()
    local function step(inner)
      local list = { inner = inner or 1 }
      for i = 1, 30 do
        list['k' .. i] = i
      end
      return list
    end
    for _, codec in pairs(CODECS) do
      local back = codec.decode(codec.encode(nested(2000, step)))
      assert.equal(
        2000,
        depth_of(back, function(outer)
          assert.equal(30, outer.k30)
          return outer.inner
        end)
      )
    end
    local deep = ('[' .. ('1,'):rep(31)):rep(LIMIT) .. '2' .. (']'):rep(LIMIT)
    assert.equal(
      LIMIT,
      depth_of(CODECS.json.decode(deep), function(outer)
        return outer[32]
      end)
    )
  end)

  -- Lua bounds calls from C to Lua to C at 200, a coroutine has a stack of its own.
  it('need no more of either stack, wherever the call is', function()
    local value = nested(LIMIT, STEPS.list[1])
    local function within(levels, fn)
      if levels == 0 then
        return fn()
      end
      local result
      ('x'):gsub('x', function()
        result = within(levels - 1, fn)
      end)
      return result
    end
    for _, codec in pairs(CODECS) do
      local levels = coroutine.wrap(function()
        return within(60, function()
          return depth_of(codec.decode(codec.encode(value)), STEPS.list[2])
        end)
      end)()
      assert.equal(LIMIT, levels)
    end
  end)

  it('go there and back in messages, in a small stack of C', function()
    local exe, args = t.lua [[
      local cp = require 'child_process'
      cp.process:on('message', function(message)
        cp.process:send { message }
      end)
      cp.run()
    ]]
    for serialization in pairs(CODECS) do
      local small = { '-c', 'ulimit -s 256; exec "$0" "$@"', exe, table.unpack(args) }
      local child = cp.spawn('sh', small, {
        serialization = serialization,
        stdio = { 'ignore', 'inherit', 'inherit', 'ipc' },
      })
      child:send(nested(10000, STEPS.list[1]))
      t.once(child, 'message', function(message)
        assert.equal(10001, depth_of(message, STEPS.list[2]))
        child:disconnect()
      end)
    end
  end)
end)

describe('a frame', function()
  local PROGRAM = [[
    local list = {}
    for i = 1, 100000 do
      list[i] = { i }
    end
    process:send 'first'
    process:send(list)
    process:on('message', function() end)
  ]]

  for serialization in pairs(CODECS) do
    it(
      'of '
        .. serialization
        .. ' is there to its end though the channel is closed meanwhile',
      function()
        local child = forked.run(PROGRAM, { serialization = serialization })
        local closed = false
        local function close()
          closed = true
          child:disconnect()
        end
        child:once('message', function()
          -- a collection of what is new for each hundredth by which the heap grows: there
          -- is one while the list is decoded, however large the heap is
          collectgarbage('generational', 1, 100)
          setmetatable({}, { __gc = close })
        end)
        child:on('message', function(message)
          if message ~= 'first' then
            -- behind some other specs in one process the collector does not come in time
            assert.is_false(closed)
            close()
          end
        end)
        t.once(child, 'disconnect', function()
          collectgarbage 'incremental'
          assert.is_true(closed)
        end)
      end
    )
  end
end)
