-- A strict reader of LuaLS annotations, as much of them as types/ uses: what LuaLS would
-- skip in silence (an unknown tag, a type that ends too early) is an error here.
--
--   local types = annotations.read(path)
--   types.classes['child_process.Timer'].members.ref
local M = {}

-- Types ---------------------------------------------------------------------------------

local function fail(at, text, ...)
  error(('%s: %s'):format(at, text:format(...)), 0)
end

-- Splits into { kind, text, stop }; ends where no token begins.
local function tokens_of(text)
  local list, pos = {}, 1
  local function add(kind, first, last)
    list[#list + 1] = { kind = kind, text = text:sub(first, last), stop = last + 1 }
    pos = last + 1
  end
  while true do
    pos = text:find('%S', pos) or #text + 1
    local _, name = text:find('^[%a_][%w_.%-]*%*?', pos)
    local _, number = text:find('^%-?%d+', pos)
    local _, quoted = text:find("^'[^']*'", pos)
    local _, dots = text:find('^%.%.%.', pos)
    local _, brackets = text:find('^%[%]', pos)
    if name then
      add('name', pos, name)
    elseif number then
      add('number', pos, number)
    elseif quoted then
      add('string', pos, quoted)
    elseif dots or brackets then
      add('symbol', pos, dots or brackets)
    elseif text:find('^[|,:<>()%[%]{}?]', pos) then
      add('symbol', pos, pos)
    else
      return list
    end
  end
end

local Reader = {}
Reader.__index = Reader

local function reader(text, at)
  return setmetatable(
    { text = text, tokens = tokens_of(text), next = 1, at = at },
    Reader
  )
end

function Reader:peek(symbol)
  local token = self.tokens[self.next]
  return token and token.kind == 'symbol' and token.text == symbol
end

function Reader:skip(symbol)
  if self:peek(symbol) then
    self.next = self.next + 1
    return true
  end
  return false
end

function Reader:want(symbol)
  if not self:skip(symbol) then
    fail(self.at, 'no "%s" behind "%s"', symbol, self.text:sub(1, self:stop() - 1))
  end
end

function Reader:take(kind)
  local token = self.tokens[self.next]
  if token and token.kind == kind then
    self.next = self.next + 1
    return token.text
  end
end

-- Where the text goes on behind what was read.
function Reader:stop()
  local last = self.tokens[self.next - 1]
  return last and last.stop or 1
end

function Reader:rest()
  return self.text:sub(self:stop())
end

local function read_list(r, close, read)
  local list = {}
  if r:skip(close) then
    return list
  end
  repeat
    list[#list + 1] = read(r)
  until not r:skip ','
  r:want(close)
  return list
end

local function read_argument(r)
  local name = r:take 'name' or r:skip '...' and '...'
  if not name then
    fail(r.at, 'an argument without a name in "%s"', r.text)
  end
  local argument = { name = name, optional = r:skip '?' }
  if r:skip ':' then
    argument.type = r:type()
  end
  -- LuaLS would take what follows for further results of that function
  local last = argument.type and argument.type[#argument.type]
  if last and last.returns and r:peek ',' then
    fail(r.at, 'results of a function in front of a comma in "%s"', r.text)
  end
  return argument
end

local function read_function(r)
  r:want '('
  local node = { kind = 'function', arguments = read_list(r, ')', read_argument) }
  if r:skip ':' then
    node.returns = {}
    repeat
      node.returns[#node.returns + 1] = r:type()
    until not r:skip ','
  end
  return node
end

local function read_unit(r)
  local word = r:take 'name'
  if word == 'async' then
    word = r:take 'name'
    if word ~= 'fun' then
      fail(r.at, '"async" without "fun" in "%s"', r.text)
    end
  end
  if word == 'fun' then
    return read_function(r)
  elseif word then
    local node = { kind = 'name', name = word }
    if r:skip '<' then
      node.parameters = read_list(r, '>', r.type)
    end
    return node
  elseif r:skip '(' then
    local inner = r:type()
    r:want ')'
    return { kind = 'group', inner = inner }
  end
  local literal = r:take 'string' or r:take 'number'
  return literal and { kind = 'literal', text = literal }
end

function Reader:type()
  local union = {}
  repeat
    local unit = read_unit(self)
    if not unit then
      fail(
        self.at,
        'no type behind "%s" in "%s"',
        self.text:sub(1, self:stop() - 1),
        self.text
      )
    end
    while self:skip '[]' do
      unit = { kind = 'array', inner = { unit } }
    end
    union[#union + 1] = unit
  until not self:skip '|'
  union.optional = self:skip '?'
  return union
end

-- What stands behind a type is a description: words, or code between backticks.
local function end_of_type(r)
  local rest = r:rest()
  if rest ~= '' and not rest:find '^ [%w`#/]' and not rest:find '^ %-%d' then
    fail(r.at, '"%s" is no description', rest)
  end
end

-- Tags ----------------------------------------------------------------------------------

-- Each reads what stands behind its name into the block that it is part of.
local tags = {}

local function name_of(r)
  return r:take 'name' or fail(r.at, 'no name in "%s"', r.text)
end

function tags.meta(r, block)
  block.meta = name_of(r)
end

function tags.class(r, block)
  local exact = r:skip '('
  if exact then
    if name_of(r) ~= 'exact' then
      fail(r.at, 'no attribute in "%s"', r.text)
    end
    r:want ')'
  end
  local name = name_of(r)
  block.class = { name = name, exact = exact, extends = {}, members = {}, calls = {} }
  if r:skip ':' then
    repeat
      table.insert(block.class.extends, name_of(r))
    until not r:skip ','
  end
end

local function add_member(class, name, member, at)
  if class.members[name] then
    fail(at, '%s.%s twice', class.name, name)
  end
  class.members[name] = member
end

function tags.field(r, block)
  if not block.class then
    fail(r.at, 'a field without a class')
  end
  if r:skip '[' then
    block.class.index = { key = r:type() }
    r:want ']'
    block.class.index.value = r:type()
    return end_of_type(r)
  end
  local name = name_of(r)
  local optional = r:skip '?'
  local member = { kind = 'field', optional = optional, type = r:type(), at = r.at }
  add_member(block.class, name, member, r.at)
  end_of_type(r)
end

function tags.operator(r, block)
  if name_of(r) ~= 'call' then
    fail(r.at, 'an operator other than call')
  end
  r:want ':'
  table.insert(block.class.calls, r:type())
end

function tags.alias(r, block)
  block.alias = { name = name_of(r), type = {}, at = r.at }
  if r.tokens[r.next] then
    block.alias.type = r:type()
    end_of_type(r)
  end
end

function tags.param(r, block)
  local name = r:skip '...' and '...' or name_of(r)
  local param = { name = name, optional = r:skip '?', type = r:type(), at = r.at }
  table.insert(block.params, param)
  end_of_type(r)
end

tags['return'] = function(r, block)
  table.insert(block.returns, r:type())
  r:skip '...' -- as its name: any number of them
  end_of_type(r)
end

function tags.overload(r, block)
  if r:take 'name' ~= 'fun' then
    fail(r.at, 'an overload is a function')
  end
  local node = read_function(r)
  table.insert(block.class and block.class.calls or block.overloads, { node })
  end_of_type(r)
end

function tags.type(r, block)
  block.type = r:type()
end

function tags.generic(r, block)
  block.generics[name_of(r)] = true
end

-- The file ------------------------------------------------------------------------------

local function new_block()
  return { params = {}, returns = {}, overloads = {}, generics = {} }
end

local function read_tag(block, line, at)
  local tag, text = line:match '^%-%-%-@(%a+) ?(.*)$'
  if not tag or not tags[tag] then
    fail(at, 'no tag that is known here: %s', line)
  end
  if (tag == 'class' or tag == 'alias') and (block.class or block.alias) then
    fail(at, 'two in one block')
  end
  tags[tag](reader(text, at), block)
end

local function read_alternative(block, line, at)
  if not block.alias then
    fail(at, 'an alternative without an alias')
  end
  local r = reader(line:match '^%-%-%-| ?(.*)$', at)
  for _, unit in ipairs(r:type()) do
    table.insert(block.alias.type, unit)
  end
  end_of_type(r)
end

-- stub: `function X.name(a, b) end` or `function X:name(a, b) end`
local function check_stub(block, names, at)
  if #names ~= #block.params then
    fail(at, '%d arguments, %d of them described', #names, #block.params)
  end
  for i, name in ipairs(names) do
    if block.params[i].name ~= name then
      fail(at, 'argument %s is described as %s', name, block.params[i].name)
    end
  end
end

local function read_stub(types, block, line, at)
  local owner, mark, name, list = line:match '^function (%w+)([.:])(%w+)%((.-)%) end$'
  local class = owner and types.by_variable[owner]
  if not class then
    fail(at, 'no function of a class: %s', line)
  end
  local names = {}
  for argument in list:gmatch '[^, ]+' do
    names[#names + 1] = argument
  end
  check_stub(block, names, at)
  block.kind, block.method, block.at = 'function', mark == ':', at
  add_member(class, name, block, at)
  block.used = true
end

local function add_named(types, kind, item, at)
  if types.classes[item.name] or types.aliases[item.name] then
    fail(at, '%s twice', item.name)
  end
  types[kind][item.name] = item
end

-- What LuaLS would leave out: a comment in the middle, a text about nothing.
local function check_end(block, line, before, at)
  if before:find '^%-%-%-' and line:find '^%-%-' then
    fail(at, 'a plain comment inside a block')
  elseif before:find '^%-%-%- ' and line == '' then
    fail(at, 'a text about nothing')
  elseif not block.used and (#block.params + #block.returns + #block.overloads > 0) then
    fail(at, 'arguments or results of no function')
  end
end

-- A block is over: at the line that it belongs to, or at an empty one.
local function end_block(types, block, line, at)
  if block.class then
    add_named(types, 'classes', block.class, at)
  elseif block.alias then
    add_named(types, 'aliases', block.alias, at)
  end
  local variable = line:match '^local (%w+) = {}$'
  if variable and block.class then
    types.by_variable[variable] = block.class
  elseif line:find '^function ' then
    read_stub(types, block, line, at)
  elseif line:find '^%w+ = nil$' and block.type then
    types.globals[line:match '^%w+'] = block.type
  elseif line ~= '' and not line:find '^%-%- ' and not line:find '^return %w+$' then
    fail(at, 'a line that is not understood: %s', line)
  end
  table.insert(types.blocks, block)
end

-- Every name -------------------------------------------------------------------------

local BUILT_IN = {}
for name in
  ([[any nil boolean string number integer function table thread userdata lightuserdata
  self true false file*]]):gmatch '%S+'
do
  BUILT_IN[name] = true
end

-- Calls visit(name) for each name in a type.
local function each_name(union, visit)
  for _, unit in ipairs(union) do
    if unit.kind == 'name' then
      visit(unit.name, unit)
      for _, parameter in ipairs(unit.parameters or {}) do
        each_name(parameter, visit)
      end
    elseif unit.inner then
      each_name(unit.inner, visit)
    elseif unit.kind == 'function' then
      for _, argument in ipairs(unit.arguments) do
        each_name(argument.type or {}, visit)
      end
      for _, result in ipairs(unit.returns or {}) do
        each_name(result, visit)
      end
    end
  end
end

local PARAMETERS = { table = 2 }

local function check_names(types, union, at, generics)
  each_name(union, function(name, unit)
    local known = BUILT_IN[name] or types.classes[name] or types.aliases[name]
    if not known and not (generics and generics[name]) then
      fail(at, 'no type %s', name)
    elseif unit.parameters and #unit.parameters ~= PARAMETERS[name] then
      fail(at, '%s<…> with %d parameters', name, #unit.parameters)
    end
    types.used[name] = true
  end)
end

local function check_block(types, block)
  local at = block.at
  for _, param in ipairs(block.params) do
    check_names(types, param.type, param.at, block.generics)
  end
  for _, list in ipairs { block.returns, block.overloads } do
    for _, union in ipairs(list) do
      check_names(types, union, at, block.generics)
    end
  end
end

local function check_class(types, class)
  for _, base in ipairs(class.extends) do
    if not types.classes[base] then
      fail(class.name, 'no class %s', base)
    end
    types.used[base] = true
  end
  for _, union in ipairs(class.calls) do
    check_names(types, union, class.name)
  end
  if class.index then
    check_names(types, class.index.key, class.name)
    check_names(types, class.index.value, class.name)
  end
  for _, member in pairs(class.members) do
    if member.kind == 'field' then
      check_names(types, member.type, member.at)
    end
  end
end

local function check(types)
  for _, block in ipairs(types.blocks) do
    check_block(types, block)
  end
  for _, class in pairs(types.classes) do
    check_class(types, class)
  end
  for _, alias in pairs(types.aliases) do
    check_names(types, alias.type, alias.at)
  end
  for _, union in pairs(types.globals) do
    check_names(types, union, 'a global')
  end
end

--- annotations.parse(text, name) -> types: `classes` and `aliases` by name, `globals`,
-- `meta`, `used` (the names that occur in types).  A class has `extends`, `members` (by
-- name), `calls` (what calling it does); an alias a `type`.  Raises `name:line: what`.
function M.parse(text, name)
  assert(load(text, '@' .. name))
  local types = { classes = {}, aliases = {}, globals = {}, by_variable = {} }
  types.blocks, types.used = {}, {}
  local block, number, before = new_block(), 0, ''
  for line in (text .. '\n'):gmatch '([^\n]*)\n' do
    number = number + 1
    local at = ('%s:%d'):format(name, number)
    if line:find '^%-%-%-@' then
      read_tag(block, line, at)
    elseif line:find '^%-%-%-|' then
      read_alternative(block, line, at)
    elseif not line:find '^%-%-%- ' then
      types.meta = types.meta or block.meta
      end_block(types, block, line, at)
      check_end(block, line, before, at)
      block = new_block()
    end
    before = line
  end
  check(types)
  return types
end

--- annotations.members(types, name) -> members of a class and all that it extends.
function M.members(types, name, found)
  found = found or {}
  local class = assert(types.classes[name], name)
  for key, member in pairs(class.members) do
    found[key] = found[key] or member
  end
  for _, base in ipairs(class.extends) do
    M.members(types, base, found)
  end
  return found
end

--- annotations.events(types, name) -> the events that `on` of a class knows, as a set.
-- @param name string: an alias: a union of functions with an argument `event`
function M.events(types, name, found)
  found = found or {}
  for _, unit in ipairs(types.aliases[name].type) do
    if unit.kind == 'name' then
      M.events(types, unit.name, found)
    else
      local event = unit.arguments[2].type[1]
      found[event.text and event.text:match "^'(.*)'$" or event.name] = true
    end
  end
  return found
end

return M
