--- What cp.spawn, cp.exec and cp.execFile refuse: at once, by name, with nothing started.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local nan, huge = 0 / 0, math.huge
local function noop() end

-- Calls `fn(…)`, which must raise that code; what it says must hold each of `parts`.
local function refuses(code, parts, fn, ...)
  local err = t.raises(code, fn, ...)
  for _, part in ipairs(parts) do
    if not tostring(err):find(part, 1, true) then
      error(('"%s" lacks "%s"'):format(tostring(err), part), 0)
    end
  end
  assert.same({}, t.children())
  return err
end

local function spawn_with(options)
  return cp.spawn('true', {}, options)
end

local function exec_with(options)
  return cp.exec('true', options)
end

local function exec_file_with(options)
  return cp.execFile('true', {}, options)
end

local everywhere = { spawn = spawn_with, exec = exec_with, execFile = exec_file_with }

-- The option must be refused by all the calls in `calls`.
local function refuses_option(calls, code, name, value, ...)
  for _, call in pairs(calls) do
    refuses(code, { 'options.' .. name, ... }, call, { [name] = value })
  end
end

describe('the command', function()
  local calls = { file = { cp.spawn, cp.execFile }, command = { cp.exec } }

  local function each(code, value, expectation)
    for name, functions in pairs(calls) do
      for _, call in ipairs(functions) do
        refuses(code, { name, expectation }, call, value)
      end
    end
  end

  it('must be given', function()
    each('ERR_INVALID_ARG_TYPE', nil, 'must be of type string. Received nil')
  end)

  it('must be a string', function()
    each('ERR_INVALID_ARG_TYPE', 5, 'of type string. Received type number (5)')
    each('ERR_INVALID_ARG_TYPE', true, 'Received type boolean (true)')
    each('ERR_INVALID_ARG_TYPE', { 'ls' }, 'Received a table')
    each('ERR_INVALID_ARG_TYPE', noop, 'Received a function')
  end)

  it('must not be empty', function()
    each('ERR_INVALID_ARG_VALUE', '', "cannot be empty. Received ''")
  end)

  it('must not hold a null byte', function()
    each('ERR_INVALID_ARG_VALUE', 'tr\0ue', "without null bytes. Received 'tr\\x00ue'")
  end)
end)

describe('the arguments', function()
  local calls = { cp.spawn, cp.execFile }

  local function each(code, args, ...)
    for _, call in ipairs(calls) do
      refuses(code, { ... }, call, 'true', args)
    end
  end

  it('must be a table', function()
    each('ERR_INVALID_ARG_TYPE', '-l', '"args" argument', "type string ('-l')")
    each('ERR_INVALID_ARG_TYPE', true, '"args" argument', 'type boolean (true)')
    each('ERR_INVALID_ARG_TYPE', 1, '"args" argument', 'type number (1)')
    refuses('ERR_INVALID_ARG_TYPE', { '"args"' }, cp.spawn, 'true', noop)
  end)

  it('must not be mixed with options', function()
    each('ERR_INVALID_ARG_TYPE', { '-l', cwd = '/' }, '"args"', 'not both')
  end)

  it('must be at the places 1 to n', function()
    each('ERR_INVALID_ARG_TYPE', { [0] = 'a' }, '"args"')
    each('ERR_INVALID_ARG_TYPE', { [1.5] = 'a' }, '"args"')
    each('ERR_INVALID_ARG_TYPE', { [true] = 'a' }, '"args"')
    each('ERR_INVALID_ARG_TYPE', { 'a', nil, 'c' }, '"args[2]"', 'Received nil')
    each('ERR_INVALID_ARG_TYPE', { [2 ^ 40 // 1 | 0] = 'a' }, '"args[1]"')
  end)

  it('must be strings, numbers or booleans', function()
    each('ERR_INVALID_ARG_TYPE', { 'a', {} }, '"args[2]"', 'of type string', 'a table')
    each('ERR_INVALID_ARG_TYPE', { noop }, '"args[1]"', 'a function')
  end)

  it('become text as Lua writes it', function()
    local child = cp.spawn('true', { 1, 2.5, true, false, 'x' })
    assert.same({ 'true', '1', '2.5', 'true', 'false', 'x' }, child.spawnargs)
  end)

  it('must not hold a null byte', function()
    each('ERR_INVALID_ARG_VALUE', { 'a', 'b\0' }, "'args[2]'", "Received 'b\\x00'")
  end)
end)

describe('the place of the options', function()
  it('takes a table only', function()
    for _, value in ipairs { 'x', 1, true, false } do
      refuses('ERR_INVALID_ARG_TYPE', { '"options"' }, cp.spawn, 'true', {}, value)
      refuses('ERR_INVALID_ARG_TYPE', { '"options"' }, cp.execFile, 'true', {}, value)
      refuses('ERR_INVALID_ARG_TYPE', { '"options"' }, cp.exec, 'true', value)
    end
    refuses('ERR_INVALID_ARG_TYPE', { '"options"' }, cp.spawn, 'true', {}, noop)
  end)

  it('takes no array', function()
    refuses('ERR_INVALID_ARG_TYPE', { '"options"' }, cp.spawn, 'true', {}, { 'a' })
    refuses('ERR_INVALID_ARG_TYPE', { '"options"' }, cp.execFile, 'true', nil, { 'a' })
    refuses('ERR_INVALID_ARG_TYPE', { '"options"' }, cp.exec, 'true', { 'a', cwd = '/' })
  end)

  it('may be nil or missing, and so may the arguments', function()
    for _, child in ipairs {
      cp.spawn 'true',
      cp.spawn('true', nil),
      cp.spawn('true', {}),
      cp.spawn('true', nil, nil),
      cp.spawn('true', {}, nil),
      cp.spawn('true', nil, {}),
      cp.spawn('true', {}, {}),
      cp.spawn('true', nil, { argv0 = 'other' }),
      cp.spawn('true', {}, { argv0 = 'other' }),
      cp.spawn('true', { argv0 = 'other' }),
    } do
      child:on(
        'exit',
        t.expect(function(code)
          assert.equal(0, code)
        end)
      )
    end
  end)

  it('ends the list: nothing after it counts', function()
    local child = cp.spawn('true', { argv0 = 'first' }, { argv0 = 'second' })
    assert.same({ 'first' }, child.spawnargs)
  end)
end)

describe('the callback', function()
  it('must be a function', function()
    for _, value in ipairs { 'x', 1, true, {} } do
      local parts = { '"callback" argument must be of type function' }
      refuses('ERR_INVALID_ARG_TYPE', parts, cp.execFile, 'true', {}, {}, value)
      refuses('ERR_INVALID_ARG_TYPE', parts, cp.execFile, 'true', { cwd = '/' }, value)
      refuses('ERR_INVALID_ARG_TYPE', parts, cp.exec, 'true', {}, value)
    end
  end)
end)

describe('an option', function()
  local texts = { cwd = everywhere, argv0 = { spawn_with }, shell = everywhere }

  for _, name in ipairs { 'cwd', 'argv0', 'shell' } do
    local calls = texts[name]
    it(name .. ' must be a string without null bytes', function()
      refuses_option(calls, 'ERR_INVALID_ARG_TYPE', name, 5, 'string', 'number (5)')
      refuses_option(calls, 'ERR_INVALID_ARG_TYPE', name, {}, 'string', 'a table')
      refuses_option(calls, 'ERR_INVALID_ARG_VALUE', name, 'a\0b', "'a\\x00b'")
    end)
  end

  it('encoding must be a string', function()
    local calls = { exec_with, exec_file_with }
    refuses_option(calls, 'ERR_INVALID_ARG_TYPE', 'encoding', 8, 'of type string')
  end)

  it('input must be a string', function()
    refuses_option(everywhere, 'ERR_INVALID_ARG_TYPE', 'input', 1234, 'of type string')
  end)

  local switches = {
    detached = { spawn_with },
    windowsHide = everywhere,
    windowsVerbatimArguments = everywhere,
  }
  for _, name in ipairs { 'detached', 'windowsHide', 'windowsVerbatimArguments' } do
    local calls = switches[name]
    it(name .. ' must be a boolean', function()
      refuses_option(calls, 'ERR_INVALID_ARG_TYPE', name, 1, 'of type boolean')
      refuses_option(calls, 'ERR_INVALID_ARG_TYPE', name, 'yes', 'of type boolean')
    end)
  end

  for _, name in ipairs { 'uid', 'gid' } do
    it(name .. ' must be a whole number that an id can be', function()
      for _, value in ipairs { 'root', true, {}, noop } do
        refuses_option(everywhere, 'ERR_INVALID_ARG_TYPE', name, value, 'of type number')
      end
      for _, value in ipairs { nan, huge, -huge, 3.1, -3.1 } do
        refuses_option(everywhere, 'ERR_OUT_OF_RANGE', name, value, 'an integer')
      end
      for _, value in ipairs { -1, 2 ^ 63, 1 << 32, 0xFFFFFFFF } do
        refuses_option(everywhere, 'ERR_OUT_OF_RANGE', name, value, '>= 0 && <=')
      end
    end)
  end

  it('timeout must be a whole number of milliseconds', function()
    for _, value in ipairs { '10', true, false, {} } do
      refuses_option(
        everywhere,
        'ERR_INVALID_ARG_TYPE',
        'timeout',
        value,
        'of type number'
      )
    end
    for _, value in ipairs { 1.5, nan, huge } do
      refuses_option(everywhere, 'ERR_OUT_OF_RANGE', 'timeout', value, 'an integer')
    end
    refuses_option(everywhere, 'ERR_OUT_OF_RANGE', 'timeout', -1, '>= 0', 'Received -1')
    refuses_option(everywhere, 'ERR_OUT_OF_RANGE', 'timeout', 2 ^ 53, '>= 0 && <=')
  end)

  it('maxBuffer must be a number that is not negative', function()
    for _, value in ipairs { '10', true, {} } do
      local code = 'ERR_INVALID_ARG_TYPE'
      refuses_option(everywhere, code, 'maxBuffer', value, 'of type number')
    end
    for _, value in ipairs { -1, nan, -huge } do
      refuses_option(everywhere, 'ERR_OUT_OF_RANGE', 'maxBuffer', value, '>= 0')
    end
  end)

  it('killSignal must be the name or number of a signal', function()
    for _, value in ipairs { true, false, {}, noop } do
      local code = 'ERR_INVALID_ARG_TYPE'
      refuses_option(everywhere, code, 'killSignal', value, 'string or number')
    end
    for _, value in ipairs { 'SIGNONE', '', 'TERM', '9', 0, 99, -1, 9.5, nan } do
      for _, call in pairs(everywhere) do
        refuses(
          'ERR_UNKNOWN_SIGNAL',
          { 'Unknown signal: ' },
          call,
          { killSignal = value }
        )
      end
    end
  end)

  it('signal must be an AbortSignal', function()
    for _, value in ipairs { {}, { aborted = false }, 'x', noop, cp.AbortController() } do
      local code = 'ERR_INVALID_ARG_TYPE'
      refuses_option(everywhere, code, 'signal', value, 'an instance of AbortSignal')
    end
  end)

  it("serialization must be 'json' or 'advanced'", function()
    for _, value in ipairs { 'xml', 42, huge, false } do
      local err = refuses(
        'ERR_INVALID_ARG_VALUE',
        {},
        spawn_with,
        { serialization = value }
      )
      local shown = type(value) == 'string' and "'xml'" or tostring(value)
      assert.equal(
        "The property 'options.serialization' must be one of: undefined, 'json', "
          .. "'advanced'. Received "
          .. shown,
        err.message
      )
    end
  end)

  it('that the call does not have is ignored', function()
    cp.spawn('true', {}, { encoding = 5, nonsense = 5, callback = 5 })
    cp.exec('true', { detached = 5, argv0 = 5, stdio = 5, serialization = 5 })
  end)

  it('of a metatable does not count', function()
    local options = setmetatable({}, { __index = { cwd = 5, uid = 'x', shell = 5 } })
    for _, call in pairs(everywhere) do
      call(options)
    end
  end)
end)

describe('env', function()
  it('must be a table of names', function()
    refuses_option(everywhere, 'ERR_INVALID_ARG_TYPE', 'env', 'A=1', 'of type object')
    refuses_option(everywhere, 'ERR_INVALID_ARG_TYPE', 'env', 5, 'number (5)')
    refuses_option(everywhere, 'ERR_INVALID_ARG_TYPE', 'env', { 'A=1' }, 'string keys')
  end)

  it('must have names that a program can look up', function()
    for _, name in ipairs { '', 'A=B', 'A\0B' } do
      local code = 'ERR_INVALID_ARG_VALUE'
      refuses_option(everywhere, code, 'env', { [name] = 'x' }, 'must have names')
    end
  end)

  it('must have strings, numbers or booleans as values, no null bytes', function()
    for _, call in pairs(everywhere) do
      local parts = { "options.env['A']" }
      refuses('ERR_INVALID_ARG_TYPE', parts, call, { env = { A = {} } })
      refuses('ERR_INVALID_ARG_TYPE', parts, call, { env = { A = noop } })
      refuses('ERR_INVALID_ARG_VALUE', parts, call, { env = { A = '\0' } })
    end
  end)
end)
