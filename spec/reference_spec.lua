-- docs/reference.md and docs/errors.md name everything that the code has, and nothing
-- else; the signatures are those of the docstrings.
local lfs = require 'lfs'
local markdown = require 'spec.support.markdown'
local t = require 'spec.helper'
local cp = t.cp

-- The code ------------------------------------------------------------------------------

local function sources(folder, pattern, list)
  list = list or {}
  for name in lfs.dir(folder) do
    local path = folder .. '/' .. name
    if lfs.attributes(path, 'mode') == 'directory' and not name:find '^%.' then
      sources(path, pattern, list)
    elseif name:find(pattern) then
      list[#list + 1] = path
    end
  end
  return list
end

local LUA = sources('lua', '%.lua$')

local function sorted(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

-- All that a pattern finds in files, as a set; in code only, unless `comments` is true.
local function found(paths, pattern, comments)
  local set = {}
  for _, path in ipairs(paths) do
    local text = t.slurp(path)
    if not comments then
      text = text:gsub('%-%-[^\n]*', '')
    end
    for name in text:gmatch(pattern) do
      set[name] = true
    end
  end
  return set
end

-- The public names of a table; `without`: what it has from other classes.
local function names_of(class, without, kind)
  local set = {}
  for name, value in pairs(class) do
    local is_public = type(name) == 'string' and name:find '^%a%w*$'
    if is_public and type(value) == kind and not (without and without[name] ~= nil) then
      set[name] = true
    end
  end
  return set
end

local function methods(class, without)
  return sorted(names_of(class, without, 'function'))
end

local function module_names()
  local set = {}
  for name in pairs(cp) do
    set[name] = true
  end
  set.net, set.dgram = cp.net ~= nil, cp.dgram ~= nil -- loaded by this
  return sorted(set)
end

local function source(name)
  return { ('lua/child_process/%s.lua'):format(name) }
end

-- The methods that a file defines, for classes that cannot be reached.
local function defined(name, variable, others)
  local set = found(source(name), 'function ' .. variable .. ':(%l%w*)%(')
  for _, other in ipairs(others or {}) do
    set[other] = true
  end
  return sorted(set)
end

-- Fields of objects: what a file reads or sets, unless it is called or in `without`.
local function fields(names, variable, without)
  local set = {}
  for _, name in ipairs(names) do
    local pattern = '%f[%w_]' .. variable .. '%.(%l%w*)%f[^%w_(]'
    for field in pairs(found(source(name), pattern)) do
      set[field] = (without or {})[field] == nil or nil
    end
  end
  return set
end

local function union(...)
  local all = {}
  for _, part in ipairs { ... } do
    for name in pairs(part) do
      all[name] = true
    end
  end
  return all
end

-- The page ------------------------------------------------------------------------------

-- The code at the beginning of a text, one or more with commas in between.
local function leading_code(text)
  local list, rest = {}, text
  repeat
    local code, tail = rest:match '^`([^`]+)`(.*)$'
    list[#list + 1] = code
    rest = tail and tail:match '^, (`.*)$'
  until not rest
  return list
end

-- What is described: { code, header }, where `header` is the first cell of its table.
local function entries(path)
  local list, bullet, header, last = {}, nil, nil, ''
  local function close_bullet()
    for _, code in ipairs(bullet and leading_code(bullet) or {}) do
      list[#list + 1] = { code = code }
    end
    bullet = nil
  end
  for _, line in ipairs(markdown.prose(path)) do
    local text = line.text
    if bullet and text:find '^  ' then
      bullet = bullet .. ' ' .. text:match '^%s+(.*)$'
    else
      close_bullet()
      bullet = text:match '^%- (`.*)$'
    end
    if text:find '^| %-%-%-' then
      header = last:match '^| *([^|]-) *|'
    elseif text:find '^| `' then
      for _, code in ipairs(leading_code(text:match '^| (.*)$')) do
        list[#list + 1] = { code = code, header = header }
      end
    end
    last = text
  end
  close_bullet()
  return list
end

local ENTRIES = entries 'docs/reference.md'

-- The names described after a prefix such as `child:`.
local function described(prefix)
  local set = {}
  for _, entry in ipairs(ENTRIES) do
    if entry.code:sub(1, #prefix) == prefix then
      local name = entry.code:sub(#prefix + 1):match '^[%a_]%w*%f[^%w.]'
      set[name or prefix] = name and true
    end
  end
  return sorted(set)
end

local function under(header)
  local set = {}
  for _, entry in ipairs(ENTRIES) do
    if entry.header == header then
      set[entry.code:match '^[%w_]+'] = true
    end
  end
  return set
end

-- Comparing -----------------------------------------------------------------------------

local emitter = require('child_process.events').methods
local stream = require('child_process.stream').Stream

local function stream_fields()
  local files = { 'stream', 'readable', 'flowing', 'writable' }
  return fields(files, 'self', names_of(stream, nil, 'function'))
end

-- Each prefix of the page and what the code has for it.
local SETS = {
  ['cp.'] = module_names,
  ['cp.net.'] = function()
    return sorted(
      union(names_of(cp.net, nil, 'function'), names_of(cp.net, nil, 'table'))
    )
  end,
  ['cp.dgram.'] = function()
    return sorted { createSocket = cp.dgram.createSocket }
  end,
  ['cp.loop.'] = function()
    return methods(cp.loop)
  end,
  ['cp.AbortSignal.'] = function()
    return methods(cp.AbortSignal)
  end,
  ['child:'] = function()
    return methods(cp.ChildProcess.prototype, emitter)
  end,
  ['stream:'] = function()
    local set = names_of(stream, emitter, 'function')
    set['end'] = nil -- told with `finish`
    return sorted(set)
  end,
  ['emitter:'] = function()
    return methods(emitter)
  end,
  ['server:'] = function()
    return methods(cp.net.Server.prototype, emitter)
  end,
  ['socket:'] = function()
    return methods(cp.net.Socket.prototype, stream)
  end,
  ['udp:'] = function()
    return methods(cp.dgram.Socket.prototype, emitter)
  end,
  ['process:'] = function()
    return defined('process', 'methods', { 'disconnect', 'send' })
  end,
  ['channel:'] = function()
    return defined('ipc/channel', 'Control')
  end,
  ['timer:'] = function()
    return defined('loop', 'Immediate', { 'close' })
  end,
  ['signal:'] = function()
    return defined('abort', 'methods')
  end,
  ['controller:'] = function()
    return defined('abort', 'Controller')
  end,
  ['child.'] = function()
    local methods_of = cp.ChildProcess.prototype
    local set = fields({ 'child' }, 'child', methods_of)
    local own = fields({ 'child' }, 'self', methods_of)
    return sorted(union(set, own, fields({ 'ipc/channel' }, 'owner', methods_of)))
  end,
  ['result.'] = function()
    local body = t.slurp('lua/child_process/co.lua')
      :match '\nlocal function result%b()(.-)\nend'
    local set = {}
    for name in body:gmatch '\n    (%l+) = ' do
      set[name] = true
    end
    return sorted(set)
  end,
  ['stream.'] = function()
    return sorted(stream_fields())
  end,
  ['socket.'] = function()
    local asked = found(source 'net/socket', '\n  (%l%w+) = function%(self%)')
    return sorted(union(asked, fields({ 'net/socket' }, 'self', stream_fields())))
  end,
  ['server.'] = function()
    return sorted(union(fields({ 'net/server' }, 'self'), { maxConnections = true }))
  end,
  ['udp.'] = function()
    return sorted(fields({ 'dgram/base', 'dgram/binding' }, 'self'))
  end,
}

describe('docs/reference.md', function()
  for prefix, names in pairs(SETS) do
    it('has exactly the names that the code has after ' .. prefix, function()
      assert.same(names(), described(prefix))
    end)
  end

  it('has exactly the fields of process', function()
    local text = t.slurp('lua/child_process/process.lua')
      :match '\n%-%-%- cp%.process: `([^`]*)`'
    local set = {}
    for name in text:gmatch '%l%w*' do
      set[name] = true
    end
    assert.same(sorted(set), described 'process.')
  end)

  it('has exactly the events that are emitted', function()
    local set = found(LUA, "[.:]emit%(?%s*'(%l%w*)'")
    -- these are emitted by a variable
    for _, name in ipairs { 'exit', 'internalMessage', 'uncaughtException' } do
      assert(found(LUA, "'(" .. name .. ")'")[name], name)
      set[name] = true
    end
    local shown = under 'event'
    shown.SIGINT = nil -- and all other signals
    assert.same(sorted(set), sorted(shown))
  end)

  it('has exactly the options of each call', function()
    local expected, calls = {}, { 'spawn', 'exec', 'fork', 'sync' }
    local text = t.slurp 'lua/child_process/options.lua'
    local row_pattern = "\n  { '(%w+)', [%w_]+, '([%w ]+)'(.-) }"
    for name, row_calls, rest in text:gmatch(row_pattern) do
      expected[name] = expected[name] or {}
      for call in row_calls:gmatch '%w+' do
        expected[name][call] = not rest:find "'unused'" or nil
      end
    end
    local shown = {}
    for _, line in ipairs(markdown.prose 'docs/reference.md') do
      local name, cells = line.text:match '^| `(%w+)` |([ x|]+)|'
      if name then
        shown[name] = {}
        local column = 0
        for cell in cells:gmatch '([ x]+)' do
          column = column + 1
          shown[name][calls[column]] = cell:find 'x' and true
        end
        assert.equal(4, column, name)
      end
    end
    assert.same(expected, shown)
  end)

  -- What docstrings call an object, where the page calls it something else.
  local function prefix_in_page(prefix, path)
    if prefix == 'net.' or prefix == 'dgram.' or prefix == 'AbortSignal.' then
      return 'cp.' .. prefix
    elseif prefix == 'owner:' then
      return 'child:'
    end
    return prefix == 'socket:' and path:find 'dgram' and 'udp:' or prefix
  end

  it('has the arguments that the docstrings have', function()
    local arguments = {}
    for _, path in ipairs(LUA) do
      for prefix, name, list in
        t.slurp(path):gmatch '\n%-%-[-`]? ?`?([%a.]+[.:])(%w+)(%b())'
      do
        local full = prefix_in_page(prefix, path) .. name
        arguments[full] = arguments[full] or {}
        arguments[full][list:gsub('%s*\n%-%-%s*', ' ')] = true
      end
    end
    local compared = 0
    for _, entry in ipairs(ENTRIES) do
      local name, list = entry.code:match '^([%w.:]+)(%b())'
      local known = arguments[name]
      if known then
        local text = table.concat(sorted(known), ' or ')
        assert(known[list], ('%s: in the code %s'):format(entry.code, text))
        compared = compared + 1
      end
    end
    assert(compared > 80, compared)
  end)
end)

describe('docs/errors.md', function()
  -- The codes in the first column of its tables.
  local function shown(pattern, header)
    local set = {}
    for _, entry in ipairs(entries 'docs/errors.md') do
      if entry.header == header and entry.code:find(pattern) then
        set[entry.code] = true
      end
    end
    return sorted(set)
  end

  it('has exactly the codes that the code has', function()
    local codes = union(
      found(LUA, "'(ERR_[%u_]+)'"),
      found(LUA, "'(%u+_ERR)'"),
      found(source 'errors', '(ERR_[%u_]+) ='),
      found(sources('csrc', '%.c$'), '"(ERR_[%u_]+)"')
    )
    local in_page = {}
    for _, pattern in ipairs { '^ERR_', '^%u+_ERR$' } do
      for _, code in ipairs(shown(pattern, 'code')) do
        in_page[code] = true
      end
    end
    assert.same(sorted(codes), sorted(in_page))
  end)

  it('has exactly the stages of a start', function()
    local names = found({ 'csrc/spawn.c' }, '%[LCP_STAGE_%u+%] = "(%l+)"')
    assert.same(sorted(names), shown('^%l+$', 'stage'))
  end)
end)
