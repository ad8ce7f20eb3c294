-- Every public function and method that types/ names, called with everything that it
-- does not take: what it raises is an error value, and never a raw error of Lua from
-- inside the library; nor does one leave the loop later.
local annotations = require 'spec.support.annotations'
local pools = require 'spec.support.pools'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local types = annotations.parse(t.slurp 'types/library/child_process.lua', 'types')

local function nothing() end

-- What stands in each place; `nil` is told apart by its name.
local VALUES = {
  { 'nil' },
  { '-1', -1 },
  { '0', 0 },
  { '1.5', 1.5 },
  { '1e308', 1e308 },
  { 'NaN', 0 / 0 },
  { 'infinity', math.huge },
  { '2^53', 2 ^ 53 },
  { 'maxinteger', math.maxinteger },
  { 'a path', '/bin/true' },
  { 'no text', '' },
  { 'a NUL', 'a\0b' },
  { 'true', true },
  { 'false', false },
  { '{}', {} },
  { '{ 1 }', { 1 } },
  { '{ x = 1 }', { x = 1 } },
  { 'a function', nothing },
  { 'a file', io.stderr },
  { 'null', cp.null },
  { 'the module', cp },
}

-- Lua's own errors carry a place; C functions name the argument.
local function is_raw(err)
  return type(err) == 'string'
    and (
      err:find('child_process', 1, true)
      or err:find 'bad argument'
      or err:find 'attempt'
    )
end

-- One function --------------------------------------------------------------------------

local function is_closable(object)
  local kind = type(object)
  return (kind == 'table' or kind == 'userdata')
    and object ~= cp.null
    and object ~= cp.process
end

-- What came out of a call, and what it was called on, must not last.
local function close(object)
  if not is_closable(object) then
    return
  end
  local close_it = object.destroy or object.close
  if object.once and close_it then
    object:once('error', nothing)
  end
  pcall(close_it or nothing, object)
end

local function run_loop(note)
  repeat
    local ok, err = pcall(cp.run)
    if not ok and is_raw(err) then
      note(err)
    end
  until ok
end

-- Calls it with every pair of values; `make` gives the object, or nil for a function.
-- `shared`: the one object of all calls, of a kind that starts processes.
local function sweep(name, fn, make, found, shared)
  local function call(...)
    local names, args, count = {}, {}, select('#', ...)
    for i = 1, count do
      names[i], args[i] = table.unpack((select(i, ...)), 1, 2)
    end
    local function note(err)
      local text = ('%s(%s): %s'):format(name, table.concat(names, ', '), err)
      found[text:match '^[^\n]*'] = true
    end
    local object = shared or make and make()
    local ok, result
    if make then
      if is_closable(object) and object.on then
        object:once('error', nothing)
      end
      ok, result = pcall(fn, object, table.unpack(args, 1, count))
    else
      ok, result = pcall(fn, table.unpack(args, 1, count))
    end
    if not ok and is_raw(result) then
      note(result)
    end
    if ok and result ~= object then
      close(result)
    end
    if not shared then
      close(object)
    end
    return note
  end
  local note = call()
  for _, first in ipairs(VALUES) do
    call(first)
    for _, second in ipairs(VALUES) do
      note = call(first, second)
    end
    run_loop(note)
  end
  close(shared)
end

local function report(found)
  local list = {}
  for text in pairs(found) do
    list[#list + 1] = text
  end
  table.sort(list)
  assert.equal('', table.concat(list, '\n'))
end

-- Classes -------------------------------------------------------------------------------

local function functions_of(class)
  local list = {}
  for name, member in pairs(types.classes[class].members) do
    if member.kind == 'function' then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

local ended -- a child that has ended, with all its output still to be read

-- Class -> a function that makes an object, `shared` if all calls of a method get the
-- same one, and the methods that are not called, each with its reason.
local CLASSES = {
  ['child_process.EventEmitter'] = {
    function()
      return cp.EventEmitter()
    end,
  },
  ['child_process.Stream'] = {
    function()
      return cp.net.Socket()
    end,
  },
  ['child_process.Readable'] = {
    function()
      return ended.stdout
    end,
  },
  ['child_process.Writable'] = {
    function()
      return cp.net.Socket()
    end,
  },
  ['child_process.ChildProcess'] = {
    function()
      return ended
    end,
  },
  ['child_process.net.Socket'] = {
    function()
      return cp.net.Socket()
    end,
  },
  ['child_process.net.Server'] = {
    function()
      return cp.net.createServer()
    end,
  },
  ['child_process.dgram.Socket'] = {
    function()
      return cp.dgram.createSocket 'udp4'
    end,
  },
  ['child_process.Pipeline'] = {
    function()
      return cp.pipeline { { 'true' }, { 'true' } }
    end,
    shared = true,
  },
  ['child_process.Scope'] = {
    function()
      return cp.scope { silent = true }
    end,
  },
  ['child_process.Pool'] = {
    function()
      return pools.new('return request', { size = 1, stderr = 'ignore' })
    end,
    shared = true,
  },
  ['child_process.Limit'] = {
    function()
      return cp.limit(1)
    end,
  },
  ['child_process.AbortController'] = {
    function()
      return cp.AbortController()
    end,
  },
  ['child_process.AbortSignal'] = {
    function()
      return cp.AbortController().signal
    end,
  },
  ['child_process.Process'] = {
    function()
      return cp.process
    end,
    exit = 'it would',
    kill = 'a number is a process, and a negative one many of them',
  },
}

-- Class -> the table with its functions, which take no object.
local MODULES = {
  ['child_process'] = {
    cp,
    pool = 'as fork',
    fork = 'most pairs are programs that an interpreter would be started for',
  },
  ['child_process.net'] = { cp.net },
  ['child_process.dgram'] = { cp.dgram },
  ['child_process.AbortSignalClass'] = { cp.AbortSignal },
  ['child_process.Loop'] = { cp.loop },
  ['child_process.Debug'] = { cp.debug, trace = 'any text is a file to be written' },
}

-- Their methods are functions of C without an argument.
local WITHOUT_ARGUMENTS = {
  ['child_process.Timer'] = true,
  ['child_process.Immediate'] = true,
  ['child_process.Channel'] = true,
  ['child_process.Fd'] = true,
}

local function restoring(fn)
  local mask, target = cp.process:umask(), cp.debug(nil)
  local folder = cp.process:cwd()
  fn()
  cp.process:umask(mask)
  cp.process:chdir(folder)
  cp.debug(target)
end

describe('wrong types', function()
  it('are tried on every class that has functions', function()
    for class, definition in pairs(types.classes) do
      local is_tried = CLASSES[class] or MODULES[class] or WITHOUT_ARGUMENTS[class]
      for _, member in pairs(definition.members) do
        assert(member.kind ~= 'function' or is_tried, class)
      end
    end
  end)

  for class, entry in pairs(CLASSES) do
    it('never come back as a raw error from ' .. class, function()
      ended = cp.spawn 'true'
      ended:wait()
      local found = {}
      restoring(function()
        for _, name in ipairs(functions_of(class)) do
          if not entry[name] then
            local object = entry[1]()
            local shared = entry.shared and object
            sweep(class .. ':' .. name, object[name], entry[1], found, shared)
          end
        end
      end)
      report(found)
    end)
  end

  for class, entry in pairs(MODULES) do
    it('never come back as a raw error from the functions of ' .. class, function()
      local found = {}
      restoring(function()
        for _, name in ipairs(functions_of(class)) do
          if not entry[name] then
            sweep(class .. '.' .. name, entry[1][name], nil, found)
          end
        end
      end)
      report(found)
    end)
  end

  -- The calls that take options of a class, each given a table.
  local LISTENING = { port = 0, host = '127.0.0.1' }
  local OPTIONS = {
    ['net.SocketOptions'] = { cp.net.Socket, {} },
    ['net.ServerOptions'] = { cp.net.createServer, {} },
    ['net.ConnectOptions'] = { cp.net.connect, { port = 1, host = '127.0.0.1' } },
    ['net.NewConnectionOptions'] = { cp.net.connect, { port = 1 } },
    ['net.ListenOptions'] = {
      function(options)
        local server = cp.net.createServer()
        server:once('error', nothing)
        return server:listen(options)
      end,
      LISTENING,
    },
    ['dgram.Options'] = { cp.dgram.createSocket, { type = 'udp4' } },
    ['dgram.BindOptions'] = {
      function(options)
        local socket = cp.dgram.createSocket 'udp4'
        socket:once('error', nothing)
        local ok, err = pcall(socket.bind, socket, options)
        socket:close()
        return ok or error(err, 0)
      end,
      {},
    },
  }

  for name, entry in pairs(OPTIONS) do
    it('never come back as a raw error from ' .. name, function()
      local found = {}
      for option in pairs(annotations.members(types, 'child_process.' .. name)) do
        for _, value in ipairs(VALUES) do
          local options = { [option] = value[2] }
          for key, default in pairs(entry[2]) do
            options[key] = options[key] == nil and default or options[key]
          end
          local function note(err)
            found[('%s { %s = %s }: %s'):format(name, option, value[1], err)] = true
          end
          -- descriptor 0 is ours
          if option ~= 'fd' or value[2] ~= 0 then
            local ok, result = pcall(entry[1], options)
            if not ok and is_raw(result) then
              note(result)
            end
            close(ok and result)
            run_loop(note)
          end
        end
      end
      report(found)
    end)
  end
end)

describe('a method that is called with a dot', function()
  -- Called too often to look first: with what cannot be indexed the error is Lua's.
  local HOT = { emit = true, send = true }
  local NO_OBJECTS = { 'text', '', 5, 1.5, true, nothing, cp.null, {}, { port = 1 } }

  for class, entry in pairs(CLASSES) do
    it('says how it is called: ' .. class, function()
      ended = cp.spawn 'true'
      ended:wait()
      local wrong, is_child = {}, class == 'child_process.ChildProcess'
      for _, name in ipairs(functions_of(class)) do
        local object = entry[1]()
        local method = object[name]
        close(object)
        for _, self in ipairs(NO_OBJECTS) do
          local is_table = type(self) == 'table'
          local ok, err = pcall(method, self)
          local is_named = type(err) == 'table' and err.code ~= nil
          -- ref and unref of a child are functions of C, and Lua says it in its own words
          local is_excused = HOT[name] and not is_table or is_child and name:find 'ref$'
          if not ok and not is_named and not is_excused then
            local text = ('%s(%s): %s'):format(name, tostring(self), tostring(err))
            wrong[#wrong + 1] = text
          end
        end
      end
      assert.equal('', table.concat(wrong, '\n'))
    end)
  end
end)
