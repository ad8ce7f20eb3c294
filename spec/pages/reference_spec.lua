-- docs/reference.md against types/, which types_spec compares with the code: both name
-- the same functions, fields, options and events.  The signatures are those of the
-- docstrings; docs/errors.md has every code.
local annotations = require 'spec.support.annotations'
local lfs = require 'lfs'
local markdown = require 'spec.support.markdown'
local t = require 'spec.helper'

local PAGE = 'docs/reference.md'

local types = annotations.parse(t.slurp 'types/library/child_process.lua', 'types')

-- Sets ----------------------------------------------------------------------------------

local function sorted(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
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

-- What a page describes, in lists and in the first columns of tables: { code, header },
-- where `header` is that of the column.
local function entries(path)
  local list, bullet, header, last = {}, nil, nil, ''
  local function add(text)
    for _, code in ipairs(leading_code(text)) do
      list[#list + 1] = { code = code, header = not bullet and header or nil }
    end
  end
  for _, line in ipairs(markdown.prose(path)) do
    local text = line.text
    if bullet and text:find '^  ' then
      bullet = bullet .. ' ' .. text:match '^%s+(.*)$'
    else
      add(bullet or '')
      bullet = text:match '^%- (`.*)$'
    end
    if text:find '^| %-%-%-' then
      header = last:match '^| *([^|]-) *|'
    elseif text:find '^| `' then
      add(text:match '^| (.*)$')
    end
    last = text
  end
  add(bullet or '')
  return list
end

local ENTRIES = entries(PAGE)

-- What is described under a header, as a set.
local function under(header, pattern, list)
  local set = {}
  for _, entry in ipairs(list or ENTRIES) do
    local name = entry.header == header and entry.code:match(pattern or '^%w+')
    set[name or header] = name and true or nil
  end
  return set
end

-- The names that are described with a prefix: `prefix:name` or `prefix.name`.
local function described(prefix)
  local set, pattern = {}, ('^%s[.:]([%%a_]%%w*)%%f[^%%w.:]'):format(prefix)
  for _, entry in ipairs(ENTRIES) do
    local name = entry.code:match(pattern)
    set[name or prefix] = name and true or nil
  end
  return set
end

-- Types ---------------------------------------------------------------------------------

-- The members of a class but for those of another one.
local function members(class, base)
  local set = annotations.members(types, class)
  local known = base and annotations.members(types, 'child_process.' .. base)
  for name in pairs(known or {}) do
    set[name] = nil
  end
  set['end'] = nil -- told with `finish`
  return set
end

-- Prefix in the page -> class, and the one that it extends.
local CLASSES = {
  cp = { 'child_process' },
  ['cp.net'] = { 'child_process.net' },
  ['cp.dgram'] = { 'child_process.dgram' },
  ['cp.loop'] = { 'child_process.Loop' },
  ['cp.AbortSignal'] = { 'child_process.AbortSignalClass' },
  child = { 'child_process.ChildProcess', 'EventEmitter' },
  channel = { 'child_process.Channel' },
  result = { 'child_process.Result' },
  stream = { 'child_process.Duplex', 'EventEmitter' },
  emitter = { 'child_process.EventEmitter' },
  pipeline = { 'child_process.Pipeline' },
  scope = { 'child_process.Scope' },
  pool = { 'child_process.Pool' },
  limit = { 'child_process.Limit' },
  timer = { 'child_process.Timer' },
  controller = { 'child_process.AbortController' },
  signal = { 'child_process.AbortSignal' },
  process = { 'child_process.Process', 'EventEmitter' },
  server = { 'child_process.net.Server', 'EventEmitter' },
  socket = { 'child_process.net.Socket', 'Duplex' },
  udp = { 'child_process.dgram.Socket', 'EventEmitter' },
}

-- Header in the page -> class of the events, and the one whose events it shares.
local EVENTS = {
  ['event of a child'] = { 'ChildProcess', 'EventEmitter' },
  ['event of a stream'] = { 'Duplex', 'EventEmitter' },
  ['event of an emitter'] = { 'EventEmitter' },
  ['event of process'] = { 'Process', 'EventEmitter' },
  ['event of a server'] = { 'net.Server', 'EventEmitter' },
  ['event of a socket'] = { 'net.Socket', 'Duplex' },
  ['event of udp'] = { 'dgram.Socket', 'EventEmitter' },
}

local function events(class, base)
  local set = annotations.events(types, ('child_process.%s.on'):format(class))
  for name in pairs(base and events(base) or {}) do
    set[name] = nil
  end
  set.any = nil
  if set['child_process.SignalName'] then
    set['child_process.SignalName'], set.SIGINT = nil, true -- stands for all of them
  end
  return set
end

-- Options -------------------------------------------------------------------------------

local CALLS = { 'Spawn', 'Exec', 'ExecFile', 'Fork', 'Sync' }

-- The rows of the table of options: option -> calls that have it.
local function options_in_page()
  local shown = {}
  for _, line in ipairs(markdown.prose(PAGE)) do
    local name, cells = line.text:match '^| `(%w+)` |([ x|]+)|'
    if name then
      shown[name] = {}
      for cell in cells:gmatch '[ x]+' do
        table.insert(shown[name], cell:find 'x' and true or false)
      end
    end
  end
  return shown
end

local function options_in_types()
  local all = {}
  for i, call in ipairs(CALLS) do
    for name in
      pairs(annotations.members(types, ('child_process.%sOptions'):format(call)))
    do
      all[name] = all[name] or { false, false, false, false, false }
      all[name][i] = true
    end
  end
  return all
end

-- Classes of tables that are told in words, and the part of the page that does it.
local IN_WORDS = {
  ['child_process.net.SocketOptions'] = 'net',
  ['child_process.net.ServerOptions'] = 'net',
  ['child_process.net.ConnectOptions'] = 'net',
  ['child_process.net.NewConnectionOptions'] = 'net',
  ['child_process.net.ListenOptions'] = 'net',
  ['child_process.net.Address'] = 'net',
  ['child_process.dgram.Options'] = 'dgram',
  ['child_process.dgram.BindOptions'] = 'dgram',
  ['child_process.dgram.Sender'] = 'dgram',
  ['child_process.SendOptions'] = 'ChildProcess',
  ['child_process.SyncResult'] = 'Results',
  ['child_process.DebugEvent'] = 'Looking inside',
  ['child_process.Active'] = 'Looking inside',
  ['child_process.PipeOptions'] = 'Streams',
  ['child_process.RequestOptions'] = 'Several children',
  ['child_process.MemoryUsage'] = 'process',
}

-- The words in code of one part of a page, or of all of it, as a set.
local function words_of(path, part)
  local set, inside = {}, part == nil
  for _, line in ipairs(markdown.prose(path)) do
    local heading = part and line.text:match '^## (.+)$'
    if heading then
      inside = heading == part
    end
    for code in (inside and line.text or ''):gmatch '`([^`]+)`' do
      for word in code:gmatch '%a%w*' do
        set[word] = true
      end
    end
  end
  return set
end

local function check_words(class, words)
  for name in pairs(annotations.members(types, class)) do
    assert(words[name], ('no word of %s.%s'):format(class, name))
  end
end

-- Docstrings ----------------------------------------------------------------------------

local function sources(folder, list)
  for name in lfs.dir(folder) do
    local path = folder .. '/' .. name
    if name:find '%.lua$' then
      list[#list + 1] = path
    elseif not name:find '%.' then
      sources(path, list)
    end
  end
  return list
end

local LUA = sources('lua', {})

-- What docstrings call an object, where the page calls it something else.
local function prefix_in_page(prefix, path)
  if prefix == 'net.' or prefix == 'dgram.' or prefix == 'AbortSignal.' then
    return 'cp.' .. prefix
  elseif prefix == 'owner:' then
    return 'child:'
  end
  return prefix == 'socket:' and path:find 'dgram' and 'udp:' or prefix
end

-- Function -> set of its lists of arguments.
local function arguments_in_code()
  local all = {}
  for _, path in ipairs(LUA) do
    local text = t.slurp(path)
    for prefix, name, list in text:gmatch '\n%-%-[-`]? ?`?([%a.]+[.:])(%w+)(%b())' do
      local full = prefix_in_page(prefix, path) .. name
      all[full] = all[full] or {}
      all[full][list:gsub('%s*\n%-%-%s*', ' ')] = true
    end
  end
  return all
end

-- ---------------------------------------------------------------------------------------

describe(PAGE, function()
  for prefix, class in pairs(CLASSES) do
    it('has exactly the functions and fields of ' .. prefix, function()
      assert.same(sorted(members(table.unpack(class))), sorted(described(prefix)))
    end)
  end

  for header, class in pairs(EVENTS) do
    it('has exactly each ' .. header, function()
      assert.same(sorted(events(table.unpack(class))), sorted(under(header)))
    end)
  end

  it('has exactly the options of each call', function()
    assert.same(options_in_types(), options_in_page())
  end)

  it('has every option and field that it tells in words', function()
    for class, part in pairs(IN_WORDS) do
      check_words(class, words_of(PAGE, part))
    end
  end)

  -- Told in C, with another one, or for all of them together.
  local told_elsewhere = {}
  local NAMES = [[child:ref child:unref timer:close timer:ref timer:unref timer:hasRef
    cp.clearInterval cp.loop.pollfd cp.loop.events cp.loop.timeout emitter:addListener
    emitter:removeListener process:send process:disconnect cp.net.createConnection]]
  for name in NAMES:gmatch '%S+' do
    told_elsewhere[name] = true
  end

  it('has the functions as the docstrings have them', function()
    local arguments = arguments_in_code()
    for _, entry in ipairs(ENTRIES) do
      local name, list = entry.code:match '^([%w.]+[.:][%w]+)(%b())'
      local known = arguments[name]
      if known then
        local text = table.concat(sorted(known), ' or ')
        assert(known[list], ('%s: in the code %s'):format(entry.code, text))
      else
        assert(not name or told_elsewhere[name], entry.code .. ': not in a docstring')
      end
    end
  end)
end)

describe('docs/errors.md', function()
  local list = entries 'docs/errors.md'

  -- What a pattern finds in the code of files.
  local function found(paths, pattern)
    local set = {}
    for _, path in ipairs(paths) do
      for name in t.slurp(path):gsub('%-%-[^\n]*', ''):gmatch(pattern) do
        set[name] = true
      end
    end
    return set
  end

  it('has exactly the codes that the code has', function()
    local codes = union(
      found(LUA, "'(ERR_[%u_]+)'"),
      found(LUA, "'(%u+_ERR)'"),
      found({ 'lua/child_process/errors.lua' }, '(ERR_[%u_]+) =')
    )
    local shown =
      union(under('code', '^ERR_[%u_]+$', list), under('code', '^%u+_ERR$', list))
    assert.same(sorted(codes), sorted(shown))
  end)

  it('has a cause and a cure for each of them', function()
    for _, line in ipairs(markdown.prose 'docs/errors.md') do
      if line.text:find '^| `E' or line.text:find '^| `%u+_ERR' then
        local cause, cure = line.text:match '^| [^|]+ | ([^|]+) | ([^|]+) |$'
        assert(cause and cure, line.text)
      end
    end
  end)

  it('has every field of an error', function()
    local words = words_of 'docs/errors.md'
    for _, class in ipairs { 'Error', 'ExecError', 'SyncError' } do
      check_words('child_process.' .. class, words)
    end
  end)

  it('has exactly the stages of a start', function()
    local names = found({ 'csrc/os/spawn.c' }, '%[LCP__STAGE_[%u_]+%] = "(%a+)"')
    assert.same(sorted(names), sorted(under('stage', '^%a+$', list)))
  end)
end)
