-- Lua values made at random (the same in every run), compared, and described as Node has
-- to see them: for the specs of what goes through a channel.
local null = require('child_process.core').null

local M = {}

-- Comparing ----------------------------------------------------------------------------

local same

local function same_scalar(a, b, loose)
  if a ~= a then
    return b ~= b
  end
  return a == b
    and (loose or math.type(a) == math.type(b))
    and (math.type(a) ~= 'float' or 1 / a == 1 / b)
end

local function same_tables(a, b, loose, seen, path)
  if seen[a] or seen[b] then
    return seen[a] == b and seen[b] == a, path
  end
  seen[a], seen[b] = b, a
  for key, value in pairs(a) do
    local ok, where = same(value, b[key], loose, seen, path .. '.' .. tostring(key))
    if not ok then
      return false, where
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false, ('%s.%s is new'):format(path, tostring(key))
    end
  end
  return true
end

function same(a, b, loose, seen, path)
  if type(a) == 'table' and type(b) == 'table' then
    return same_tables(a, b, loose, seen, path)
  elseif same_scalar(a, b, loose) then
    return true
  end
  return false, ('%s: %q became %s'):format(path, tostring(a), tostring(b))
end

--- Whether two values are equal: subtypes of numbers, -0.0, and which tables are one and
-- the same; if not, also where.  `loose`: 1 and 1.0 are equal.
function M.same(a, b, loose)
  return same(a, b, loose, {}, 'value')
end

-- Making -------------------------------------------------------------------------------

local TEXTS =
  { '', 'a', 'key', 'é', '€', '\u{1F600}', '\0', '^', '\xff', '\xC3', ('x'):rep(150) }
local FLOATS =
  { 0.0, -0.0, 1.0, -7.0, 0.5, 1 / 3, 2.0 ^ 53, 2.0 ^ 60, 1e300, 5e-324, 1 / 0, 0 / 0 }

--- A function that makes a value, never nil, and one that gives an integer from 1 to n.
function M.generator(seed)
  local make
  local tables = {}

  local function below(n)
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n + 1
  end

  local function text()
    return TEXTS[below(#TEXTS)] .. TEXTS[below(#TEXTS)]
  end

  local function scalar()
    local kind = below(6)
    if kind == 1 then
      return below(2) == 1
    elseif kind == 2 then
      return null
    elseif kind == 3 then
      return FLOATS[below(#FLOATS)]
    elseif kind == 4 then
      return (below(1000) << below(63)) * (below(3) - 2)
    end
    return kind == 5 and below(200) - 100 or text()
  end

  local fill = {
    function(into, depth) -- an array
      for i = 1, below(6) do
        into[i] = make(depth)
      end
    end,
    function(into, depth) -- an array with holes
      for i = 1, below(8) do
        into[i] = below(3) > 1 and make(depth) or nil
      end
    end,
    function(into, depth) -- a packed list
      into.n = below(8)
      for i = 1, into.n do
        into[i] = below(2) > 1 and make(depth) or nil
      end
    end,
    function(into, depth) -- an object
      for _ = 1, below(5) do
        into[text()] = make(depth)
      end
    end,
    function(into, depth) -- any keys
      for _ = 1, below(5) do
        local key = scalar()
        into[key ~= key and 'nan' or key] = make(depth)
      end
    end,
  }

  function make(depth)
    if depth > 4 or below(3) == 1 then
      return scalar()
    elseif below(8) == 1 and #tables > 0 then
      return tables[below(#tables)]
    end
    local into = {}
    tables[#tables + 1] = into
    fill[below(#fill)](into, depth + 1)
    return into
  end

  return function()
    tables = {}
    return make(1)
  end, below
end

-- Describing, as spec/fixtures/advanced_peer.js does ------------------------------------

local describe

local function hex(bytes)
  return (bytes:gsub('.', function(c)
    return ('%02x'):format(c:byte())
  end))
end

local function describe_number(value)
  if math.type(value) == 'integer' and (value > 1 << 53 or value < -(1 << 53)) then
    return 'b' .. value
  end
  return value ~= value and 'd7ff8000000000000' or 'd' .. hex(string.pack('>d', value))
end

local function describe_pairs(entries, seen)
  local list = {}
  for key, value in pairs(entries) do
    list[#list + 1] = { describe(key, seen), value }
  end
  table.sort(list, function(a, b)
    return a[1] < b[1]
  end)
  for i, entry in ipairs(list) do
    list[i] = entry[1] .. '=' .. describe(entry[2], seen) .. ';'
  end
  return table.concat(list)
end

local function describe_array(value, length, gap, named, seen)
  local items = {}
  for i = 1, length do
    items[i] = value[i] == nil and gap or describe(value[i], seen)
  end
  local rest = named and describe_pairs({ n = length }, seen) or ''
  return ('[%s|%s]'):format(table.concat(items, ','), rest)
end

-- How many keys are positive integers, the highest of them, and how many are texts.
local function count_keys(value)
  local positions, highest, texts, others = 0, 0, 0, 0
  for key in pairs(value) do
    if math.type(key) == 'integer' and key > 0 then
      positions, highest = positions + 1, math.max(highest, key)
    elseif type(key) == 'string' and utf8.len(key) then
      texts = texts + 1
    else
      others = others + 1
    end
  end
  return positions, highest, texts, others
end

local function describe_table(value, seen)
  if seen[value] then
    return '^' .. seen[value]
  end
  seen[value], seen.count = seen.count, seen.count + 1
  local positions, highest, texts, others = count_keys(value)
  local n = math.type(value.n) == 'integer' and value.n
  if positions + others == 0 then
    return '{' .. describe_pairs(value, seen) .. '}'
  elseif others + texts == 0 and highest < 2 * positions then
    return describe_array(value, highest, '-', false, seen)
  elseif
    others == 0
    and texts == 1
    and n
    and n >= highest
    and n < 2 * positions + 255
  then
    return describe_array(value, n, 'u', n == positions, seen)
  end
  return 'M{' .. describe_pairs(value, seen) .. '}'
end

function describe(value, seen)
  local kind = type(value)
  if kind == 'table' then
    return describe_table(value, seen)
  elseif kind == 'number' then
    return describe_number(value)
  elseif kind == 'string' then
    return (utf8.len(value) and 's' or 'B') .. hex(value)
  end
  return value == null and 'n' or value and 't' or 'f'
end

--- What Node has to see when the value is sent, as a line of text.
function M.describe(value)
  return describe(value, { count = 0 })
end

return M
