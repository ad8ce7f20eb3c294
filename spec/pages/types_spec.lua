-- types/ against the code, in both directions: every public function, field, option and
-- event appears in it, and nothing else does.
local annotations = require 'spec.support.annotations'
local core = require 'child_process.core'
local lfs = require 'lfs'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local PATH = t.root .. '/types/library/child_process.lua'
local LUA = t.root .. '/lua/child_process/'

local types = annotations.parse(t.slurp(PATH), 'types')

-- Sets of names, and where they come from -----------------------------------------------

local function union(...)
  local set = {}
  for _, other in ipairs { ... } do
    for name in pairs(other) do
      set[name] = true
    end
  end
  return set
end

local function words(text)
  local set = {}
  for word in text:gmatch '%S+' do
    set[word] = true
  end
  return set
end

-- The code of some files, without its comments.
local function code(files)
  local texts = {}
  for name in files:gmatch '%S+' do
    texts[#texts + 1] = t.slurp(LUA .. name .. '.lua'):gsub('%-%-[^\n]*', '')
  end
  return table.concat(texts, '\n')
end

local function all_files(folder)
  local names = ''
  for name in lfs.dir(LUA .. folder) do
    if name:find '%.lua$' then
      names = names .. ' ' .. folder .. name:match '^(.*)%.lua$'
    elseif name:find '^%w+$' then
      names = names .. all_files(folder .. name .. '/')
    end
  end
  return names
end

-- What patterns find in a text.
local function found(text, ...)
  local set = {}
  for _, pattern in ipairs { ... } do
    for name in text:gmatch(pattern) do
      set[name] = true
    end
  end
  return set
end

-- The keys that users may use: Node's spelling, no underscore in front.
local function public(...)
  local set = {}
  for _, tbl in ipairs { ... } do
    for name in pairs(tbl) do
      if type(name) == 'string' and (name:find '^%a%w*$' or name == '_VERSION') then
        set[name] = true
      end
    end
  end
  return set
end

-- The methods of a userdata or table.
local function class_of(value)
  return debug.getmetatable(value).__index
end

local function methods_in(file)
  return found(code(file), 'function methods:(%a%w*)', "methods%['(%w+)'%] =")
end

-- Both directions -----------------------------------------------------------------------

local function difference(name, typed, real)
  local lines = {}
  for member in pairs(real) do
    if not typed[member] then
      lines[#lines + 1] = ('%s has %s, the types have not'):format(name, member)
    end
  end
  for member in pairs(typed) do
    if not real[member] then
      lines[#lines + 1] = ('the types say %s has %s'):format(name, member)
    end
  end
  table.sort(lines)
  return table.concat(lines, '\n')
end

-- The optional fields of a class that some code names: they are not always there.
local function sometimes(class, files)
  local set, text = {}, code(files)
  for name, member in pairs(annotations.members(types, class)) do
    if member.optional and text:find('[%.%s{]' .. name .. '%f[^%w]') then
      set[name] = true
    end
  end
  return set
end

local function compare(class, real, files)
  local typed = annotations.members(types, class)
  if files then
    real = union(real, sometimes(class, files))
  end
  assert.equal('', difference(class, typed, real))
end

-- The function takes as many arguments as its type says.
local function compare_arguments(class, object)
  for name, typed in pairs(annotations.members(types, class)) do
    local info = typed.kind == 'function' and debug.getinfo(object[name], 'Su')
    if info and info.what == 'Lua' and not info.isvararg then
      local count = #typed.params + (typed.method and 1 or 0)
      assert.equal(info.nparams, count, class .. '.' .. name)
    end
  end
end

describe('types/library/child_process.lua', function()
  it('is understood to its last line', function()
    assert.equal('child_process', types.meta)
    assert.is_truthy(types.classes.child_process)
    assert.is_truthy(types.globals.process)
  end)

  it('has exact classes for tables of options, and for no others', function()
    for name, class in pairs(types.classes) do
      local is_table = name:find 'Options$'
        or name:find 'Item$'
        or name:find '%.Terminal$'
      assert.equal(is_table ~= nil, class.exact, name)
    end
  end)

  -- An editor would warn of `cp.exec('date'):wait().stdout:upper()` else.
  it('lets what is always there be used without a look', function()
    local child = annotations.members(types, 'child_process.ChildProcess')
    for _, name in ipairs { 'stdin', 'stdout', 'stderr' } do
      assert.is_false(child[name].optional, name)
    end
    for _, name in ipairs { 'stdout', 'stderr' } do
      local result = annotations.members(types, 'child_process.Result')
      assert.is_false(result[name].optional, name)
    end
    local text = t.slurp(PATH)
    for _, line in ipairs {
      'fun(self: child_process.ChildProcess): child_process.Result',
      'fun(children: child_process.ChildProcess[]): child_process.Result[]',
      'fun(self: child_process.Readable): string',
    } do
      assert.truthy(text:find('@overload ' .. line .. '\n', 1, true), line)
    end
  end)

  it('declares nothing that is used nowhere', function()
    -- the second is raised, and types do not say what is
    local roots = words 'child_process child_process.SyncError'
    for _, kind in ipairs { types.classes, types.aliases } do
      for name in pairs(kind) do
        assert.is_true(types.used[name] or roots[name], name)
      end
    end
  end)

  it('is installed as an add-on of LuaLS', function()
    local prefix = t.tmpdir()
    cp.execFileSync('cmake', { '--install', t.build, '--prefix', prefix })
    local addon = prefix .. '/share/child_process/'
    assert.equal(t.slurp(PATH), t.slurp(addon .. 'library/child_process.lua'))
    assert.matches('"name": "child_process"', t.slurp(addon .. 'config.json'))
  end)

  it('compiles, and has no effect', function()
    local env = {}
    assert.equal('table', type(assert(loadfile(PATH, 't', env))()))
    assert.same({}, env)
  end)
end)

describe('the types of functions and fields are those', function()
  local stream = require('child_process.stream').Stream
  local emitter = require('child_process.events').methods

  it('of the module', function()
    compare(
      'child_process',
      union(public(cp), words 'net dgram process AbortController AbortSignal')
    )
    compare_arguments('child_process', cp)
    compare('child_process.Loop', public(cp.loop))
  end)

  it('of emitters', function()
    compare('child_process.EventEmitter', public(emitter))
    compare_arguments('child_process.EventEmitter', emitter)
  end)

  -- The fields of a ChildProcess, which is a userdata.
  local function fields_of(child)
    for slot = 1, 4 do
      local value = debug.getuservalue(child, slot)
      if type(value) == 'table' and rawget(value, 'spawnfile') then
        return value
      end
    end
  end

  it('of ChildProcess', function()
    local child = cp.fork(t.fixture 'echo.lua')
    local methods = cp.ChildProcess.prototype
    local real =
      union(public(methods, fields_of(child)), words 'stdin stdout stderr usage')
    child:disconnect()
    cp.run()
    real = union(real, public(fields_of(child)))
    compare('child_process.ChildProcess', real, 'child')
    compare_arguments('child_process.ChildProcess', methods)
    compare('child_process.Stdio', words 'n')
  end)

  it('of a channel', function()
    local child = cp.fork(t.fixture 'echo.lua')
    compare('child_process.Channel', public(class_of(child.channel)))
    child:disconnect()
  end)

  it('of streams', function()
    local child = cp.spawn 'true'
    local real = public(stream, child.stdin, child.stdout)
    compare('child_process.Duplex', real, 'stream stream/flowing stream/readable process')
    compare_arguments('child_process.Duplex', stream)
    child.stdout:destroy(setmetatable({}, { __tostring = error }))
    child.stdout:on('error', function() end)
  end)

  it('of net', function()
    compare('child_process.net', public(cp.net))
    compare_arguments('child_process.net', cp.net)
    local getters = found(code 'net/socket', '\n  (%l%w+) = function%(self%)')
    local real = union(public(cp.net.Socket.prototype, stream), getters)
    compare(
      'child_process.net.Socket',
      real,
      'net/socket net/server stream stream/flowing'
    )
    compare_arguments('child_process.net.Socket', cp.net.Socket.prototype)
    compare('child_process.net.Server', public(cp.net.Server.prototype), 'net/server')
    compare_arguments('child_process.net.Server', cp.net.Server.prototype)
  end)

  it('of dgram', function()
    compare('child_process.dgram', public(cp.dgram))
    compare_arguments('child_process.dgram', cp.dgram)
    local socket = cp.dgram.createSocket 'udp4'
    compare('child_process.dgram.Socket', public(cp.dgram.Socket.prototype, socket))
    compare_arguments('child_process.dgram.Socket', cp.dgram.Socket.prototype)
    socket:close()
  end)

  it('of process', function()
    local text = code 'process'
    local made = text:match '\nlocal made = {(.-)\n}\n'
    local real = union(
      public(emitter, cp.process),
      methods_in 'process',
      words 'send disconnect',
      found(made, '\n  (%w+) ='),
      found(text, "key == '(%w+)'")
    )
    compare('child_process.Process', real, 'process ipc/channel')
    compare_arguments('child_process.Process', cp.process)
    local own = found(code 'stream/standard', '[^%w_]s%.(fd)%f[^%w]', '[^%w_]s%.(is%w+)')
    local readable = annotations.members(types, 'child_process.Readable')
    local writable = annotations.members(types, 'child_process.Writable')
    compare('child_process.StandardInput', union(own, readable))
    compare('child_process.StandardOutput', union(own, writable))
  end)

  it('of timers', function()
    local timer, immediate = cp.setTimeout(print, 1000), cp.setImmediate(print)
    compare('child_process.Timer', public(class_of(timer)))
    compare('child_process.Immediate', public(class_of(immediate)))
    timer:close()
    immediate:close()
  end)

  it('of a pipeline', function()
    local pipeline = cp.pipeline { { 'true' }, { 'true' } }
    compare('child_process.Pipeline', public(class_of(pipeline), pipeline))
    compare_arguments('child_process.Pipeline', pipeline)
    pipeline.stdin:finish()
    local result = pipeline:wait()
    local real = union(public(result), words 'stderr')
    compare('child_process.PipelineResult', real, 'ending result')
  end)

  it('of a scope', function()
    local scope <close> = cp.scope()
    compare('child_process.Scope', public(class_of(scope), scope))
    compare_arguments('child_process.Scope', scope)
  end)

  it('of a pool', function()
    local pool <close> = cp.pool(t.fixture 'echo.lua', { size = 1 })
    local keys = found(code 'pool', "key == '(%w+)'")
    compare(
      'child_process.Pool',
      union(public(require('child_process.pool').methods), keys)
    )
    compare_arguments('child_process.Pool', pool)
  end)

  it('of a limit', function()
    local limit = cp.limit(1)
    compare('child_process.Limit', public(class_of(limit), limit))
    compare_arguments('child_process.Limit', limit)
  end)

  it('of AbortController and AbortSignal', function()
    local controller = cp.AbortController()
    compare('child_process.AbortController', public(class_of(controller), controller))
    compare('child_process.AbortSignalClass', public(cp.AbortSignal))
    compare_arguments('child_process.AbortSignalClass', cp.AbortSignal)
    local properties = found(code 'abort', "key == '(%w+)'")
    compare('child_process.AbortSignal', union(methods_in 'abort', properties))
    compare_arguments('child_process.AbortSignal', controller.signal)
  end)

  it('of a descriptor that arrives', function()
    local file <close> = assert(io.open '/dev/null')
    local object = core.copy_fd(core.file_fd(file))
    compare('child_process.Fd', public(class_of(object)))
    object:close()
  end)

  it('of results', function()
    compare('child_process.Result', public(cp.exec('true'):wait()), 'ending')
    local result = cp.spawnSync('true')
    compare('child_process.SyncResult', union(public(result), words 'heldBy'), 'sync')
    compare('child_process.Output', words 'n')
    compare('child_process.MemoryUsage', public(cp.process:memoryUsage()))
  end)

  it('of errors', function()
    local files = all_files ''
    for _, class in ipairs { 'Error', 'ExecError', 'SyncError' } do
      local real =
        union(words 'name message', sometimes('child_process.' .. class, files))
      if class ~= 'Error' then
        real = union(real, words 'cmd stdout stderr pid output')
      end
      local typed = annotations.members(types, 'child_process.' .. class)
      for name in pairs(typed) do
        assert.is_true(real[name], class .. '.' .. name)
      end
    end
    local _, err = pcall(cp.execSync, 'exit 3')
    for name in pairs(public(err)) do
      assert.is_truthy(annotations.members(types, 'child_process.SyncError')[name], name)
    end
    cp.exec(
      'exit 3',
      t.expect(function(failure)
        for name in pairs(public(failure)) do
          assert.is_truthy(
            annotations.members(types, 'child_process.ExecError')[name],
            name
          )
        end
      end)
    )
    cp.spawn('/no/such/program'):on(
      'error',
      t.expect(function(failure)
        for name in pairs(public(failure)) do
          assert.is_truthy(annotations.members(types, 'child_process.Error')[name], name)
        end
      end)
    )
  end)

  it('of what cp.active lists', function()
    local real = found(code 'active', 'entry%.(%l%w*)', '[,{\n] *(%l%w*) = ')
    local locals = words 'handle class subject lines'
    for name in pairs(annotations.members(types, 'child_process.Active')) do
      assert.is_true(real[name], name)
    end
    local timer = cp.setTimeout(print, 1000)
    local child = cp.fork(t.fixture 'echo.lua')
    child:ref()
    for _, entry in ipairs(cp.active()) do
      for name in pairs(entry) do
        assert.is_truthy(types.classes['child_process.Active'].members[name], name)
        assert.is_nil(locals[name])
      end
    end
    timer:close()
    child:disconnect()
  end)

  it('of what cp.debug tells', function()
    local typed = annotations.members(types, 'child_process.DebugEvent')
    local real = found(code 'trace', 'event%.(%l%w*)', '[,{\n] *(%l%w*) = ')
    for name in pairs(typed) do
      assert.is_true(real[name], name)
    end
    cp.debug(function(event)
      for name in pairs(event) do
        assert.is_truthy(typed[name], name)
      end
    end)
    local child = cp.fork(t.fixture 'echo.lua')
    child:send 'hello'
    child:on('message', function()
      child:disconnect()
    end)
    cp.spawn('/no/such/program'):on('error', function() end)
    cp.spawnSync 'true'
    cp.run()
    cp.debug(nil)
  end)
end)

describe('the types of options are those', function()
  local names = require('child_process.options').names
  local several = require 'child_process.options.several'

  it('of spawn, exec, fork and the calls that wait', function()
    compare('child_process.SpawnOptions', names 'spawn')
    compare('child_process.ExecOptions', names 'exec')
    compare('child_process.ExecFileOptions', names 'execFile')
    compare('child_process.ForkOptions', names 'fork')
    compare('child_process.PoolOptions', require('child_process.pool.settings').names)
    compare('child_process.PipelineOptions', several.names 'pipeline')
    compare('child_process.StageOptions', several.names 'stage')
    compare('child_process.ScopeOptions', several.names 'scope')
    compare('child_process.MapOptions', several.names 'map')
    for _, call in ipairs { 'spawnSync', 'execSync', 'execFileSync' } do
      compare('child_process.SyncOptions', names(call))
    end
  end)

  it('of a child that is started by hand', function()
    compare('child_process.ByHandOptions', names 'child:spawn')
  end)

  it('of net', function()
    local text = code 'net net/server net/socket net/connecting'
    local read = found(text, '[^%w]options%.(%w+)', 'own%.(%w+)')
    -- what only our own code passes
    for name in pairs(words 'manualStart') do
      read[name] = nil
    end
    local typed = {}
    for name in pairs(words 'Socket Connect NewConnection Server Listen') do
      typed = union(
        typed,
        annotations.members(types, 'child_process.net.' .. name .. 'Options')
      )
    end
    assert.equal('', difference('net', typed, read))
  end)

  it('of dgram', function()
    local created = found(code 'dgram', '[^%w]options%.(%w+)')
    compare('child_process.dgram.Options', created)
    compare(
      'child_process.dgram.BindOptions',
      found(code 'dgram/binding', 'first%.(%w+)')
    )
  end)

  it('of pipe, send and addEventListener', function()
    local keys = { "options%['(%w+)'%]", '[^%w_]options%.(%w+)' }
    compare('child_process.PipeOptions', found(code 'stream/piping', table.unpack(keys)))
    compare('child_process.SendOptions', found(code 'ipc/net_handles', keys[2]))
    compare(
      'child_process.ListenerOptions',
      found(code 'abort', "rawget%(options, '(%w+)'")
    )
  end)
end)

describe('the types of events are those', function()
  local every = words 'newListener removeListener any'
  local stream = 'stream stream/readable stream/flowing stream/writable stream/piping'

  -- The events that files emit; `passed`: those whose names they hand on.
  local function emitted(files, passed)
    local text = code(files)
    for name in pairs(words(passed or '')) do
      assert.is_truthy(text:find("'" .. name .. "'", 1, true), name)
    end
    local set = found(text, "emit%(?%s*'(%w+)'", "emit, [%w_.]+, '(%w+)'")
    return union(set, words(passed or ''), every)
  end

  local function compare_events(class, real)
    local typed = annotations.events(types, class .. '.on')
    assert.equal('', difference(class, typed, real))
    for _, method in ipairs { 'on', 'once', 'addListener' } do
      local alias = types.classes[class].members[method].type[1].name
      assert.equal(class .. '.on', alias)
    end
  end

  it('of emitters', function()
    local typed = annotations.events(types, 'child_process.EventEmitter.on')
    assert.equal('', difference('EventEmitter', typed, emitted 'events'))
  end)

  it('of ChildProcess', function()
    local real = emitted(
      'child exec ipc/channel ipc/inbox ipc/outgoing',
      'exit error message internalMessage'
    )
    compare_events('child_process.ChildProcess', real)
  end)

  it('of process', function()
    local passed = 'message internalMessage uncaughtException'
    local real = emitted('process ipc/channel ipc/inbox ipc/outgoing worker', passed)
    real['child_process.SignalName'] = true
    compare_events('child_process.Process', real)
    local names = {}
    for _, unit in ipairs(types.aliases['child_process.SignalName'].type) do
      names[unit.text:match "^'(.*)'$"] = true
    end
    assert.equal('', difference('core.signals', names, core.signals))
  end)

  it('of streams', function()
    compare_events('child_process.Duplex', emitted(stream))
    local both = union(
      annotations.events(types, 'child_process.Readable.on'),
      annotations.events(types, 'child_process.Writable.on')
    )
    assert.equal('', difference('a stream', both, emitted(stream)))
  end)

  it('of net and dgram', function()
    compare_events(
      'child_process.net.Socket',
      emitted(stream .. ' net/socket net/connecting')
    )
    compare_events('child_process.net.Server', emitted 'net/server')
    local dgram = 'dgram dgram/base dgram/binding dgram/sending dgram/settings'
    compare_events('child_process.dgram.Socket', emitted(dgram))
  end)
end)

describe('the reader of annotations', function()
  local HEAD = '---@meta x\n\n---@class x\nlocal x = {}\n\n'

  local function problem(text)
    local ok, err = pcall(annotations.parse, HEAD .. text .. '\n', 'x')
    return not ok and err or nil
  end

  it('takes what is well-formed', function()
    assert.is_nil(problem [[
---@generic T
---@param a? integer|'l'|T words
---@param b fun(err: string?, n?: integer): (integer[])
---@param ... any
---@return table<string, fun()[]>? name
---@overload fun(a: integer, b: fun())
function x.f(a, b, ...) end
]])
  end)

  -- as the type of an argument
  local bad_types = {
    ['an unknown type'] = 'strin',
    ['a generic that is not closed'] = 'table<string, integer',
    ['a generic with too few parameters'] = 'table<string>',
    ['a parenthesis that is not closed'] = 'fun(b: integer',
    ['a union that ends too early'] = 'string|',
    ['something behind an optional type'] = 'string?|integer',
    ['an array bracket that is alone'] = '[]',
    ['results in front of a comma'] = 'fun(b: fun(): string, c: any)',
    ['an argument without a name'] = 'fun(: integer)',
  }
  for what, text in pairs(bad_types) do
    it('refuses ' .. what, function()
      assert.is_string(problem('---@param a ' .. text .. '\nfunction x.f(a) end'))
    end)
  end

  local bad = {
    ['an unknown tag'] = '---@parm a integer\nfunction x.f(a) end',
    ['an unknown class'] = '---@class y: z',
    ['a parameter that is misspelt'] = '---@param b integer\nfunction x.f(a) end',
    ['a parameter that is missing'] = '---@param a integer\nfunction x.f(a, b) end',
    ['a field twice'] = '---@class y\n---@field a integer\n---@field a integer',
    ['a class twice'] = '---@class x',
    ['a class and an alias in one block'] = '---@class y\n---@alias z integer',
    ['a function of no class'] = 'function y.f() end',
    ['a plain comment in a block'] = '--- a\n-- b\n---@return any\nfunction x.f() end',
    ['a text about nothing'] = '--- a\n',
    ['parameters without a function'] = '---@param a integer',
    ['an overload that is no function'] = '---@overload integer\nfunction x.f() end',
    ['code that is none'] = 'function x.f( end',
  }
  for what, text in pairs(bad) do
    it('refuses ' .. what, function()
      assert.is_string(problem(text))
    end)
  end
end)
