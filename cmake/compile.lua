-- Writes the C tables of csrc/compiled.h:
--   lua5.4 compile.lua PROBE ROOT OUT FILE...
-- FILEs are relative to ROOT.  The same files and the same Lua make the same bytes.
local probe, root, out = arg[1], arg[2], arg[3]

-- A compiled chunk begins with the header of all (ldump.c), the number of its upvalues
-- and its name, which the module replaces by the file's real one: here it has one byte.
local NAME, HEAD, CODED_NAME = '@', 32, '\x82@'

local function read(path)
  local file <close> = assert(io.open(path, 'rb'))
  return file:read 'a'
end

local function compile(path)
  local code = string.dump(assert(load(read(path), NAME, 't')))
  assert(code:sub(HEAD + 1, HEAD + #CODED_NAME) == CODED_NAME, 'another format')
  return code
end

-- Leaving names out ---------------------------------------------------------------------

-- A chunk that is being read, as ldump.c of Lua 5.4 writes it: `code`; `at`, the place;
-- `kept`, the parts that stay, and `from`, where the next one begins; the bytes of an
-- `instruction`, an `integer` and a `number`.
local function open_chunk(code)
  local instruction, integer, number = code:byte(13, 15)
  return {
    code = code,
    at = HEAD + 1,
    kept = {},
    from = 1,
    instruction = instruction,
    integer = integer,
    number = number,
  }
end

local function skip(chunk, size)
  chunk.at = chunk.at + size
end

-- Seven bits a byte, the last one marked.
local function read_number(chunk)
  local value = 0
  local byte
  repeat
    byte = chunk.code:byte(chunk.at)
    skip(chunk, 1)
    value = value << 7 | byte & 0x7F
  until byte >= 0x80
  return value
end

local function skip_two_numbers(chunk)
  read_number(chunk)
  read_number(chunk)
end

local function skip_string(chunk)
  skip(chunk, math.max(0, read_number(chunk) - 1))
end

local function skip_list(chunk, size)
  skip(chunk, read_number(chunk) * size)
end

local function skip_each(chunk, skip_one)
  for _ = 1, read_number(chunk) do
    skip_one(chunk)
  end
end

-- The list becomes an empty one.
local function drop_each(chunk, skip_one)
  local kept = chunk.kept
  kept[#kept + 1] = chunk.code:sub(chunk.from, chunk.at - 1) .. '\x80'
  skip_each(chunk, skip_one)
  chunk.from = chunk.at
end

local function skip_constant(chunk)
  local kind = chunk.code:byte(chunk.at)
  skip(chunk, 1)
  if kind == 0x03 or kind == 0x13 then
    skip(chunk, kind == 0x03 and chunk.integer or chunk.number)
  elseif kind & 0x0F == 4 then
    skip_string(chunk)
  end
end

local function skip_variable(chunk)
  skip_string(chunk)
  skip_two_numbers(chunk) -- where it begins and ends
end

local function skip_function(chunk)
  skip_string(chunk) -- its source
  skip_two_numbers(chunk) -- first and last line
  skip(chunk, 3)
  skip_list(chunk, chunk.instruction)
  skip_each(chunk, skip_constant)
  skip_list(chunk, 3) -- upvalues
  skip_each(chunk, skip_function)
  skip_list(chunk, 1) -- lines
  skip_each(chunk, skip_two_numbers)
  drop_each(chunk, skip_variable)
  drop_each(chunk, skip_string) -- names of upvalues
end

-- Without the names of local variables and upvalues: hundreds a file, each a string to be
-- made at a start, that only serve texts like "(local 'name')".  Files and lines stay.
-- Lua 5.4 writes no names where there are none; other formats stay as they are.
local function without_names(code)
  if code:byte(5) ~= 0x54 then
    return code
  end
  local chunk = open_chunk(code)
  skip_function(chunk)
  assert(chunk.at == #code + 1, 'another format')
  return table.concat(chunk.kept) .. code:sub(chunk.from)
end

-- The tables ----------------------------------------------------------------------------

local function rotate(word)
  return word << 29 | word >> 35
end

-- As in compiled.c.
local function hash(text)
  local sum = #text
  for i = 1, #text, 8 do
    local word = ('<I8'):unpack(text:sub(i, i + 7) .. ('\0'):rep(i + 7 - #text))
    sum = rotate((sum ~ word) * 0x9E3779B97F4A7C15)
  end
  return sum
end

local parts, rows = {}, {}

local function array(name, bytes)
  local text = bytes:gsub('.', function(byte)
    return byte:byte() .. ','
  end)
  parts[#parts + 1] = ('static const unsigned char %s[] = {%s};\n'):format(name, text)
end

-- Made of the same header as the files.
local first = compile(probe)
array('head', first:sub(1, HEAD))
array('probe_text', read(probe))
array('probe_code', first)
for number = 4, #arg do
  local name = arg[number]:gsub('%.lua$', ''):gsub('/init$', ''):gsub('/', '.')
  local code = without_names(compile(root .. '/' .. arg[number]))
  assert(code:sub(1, HEAD) == first:sub(1, HEAD))
  array('file' .. number, code:sub(HEAD + #CODED_NAME + 1))
  rows[#rows + 1] = ('    {"%s", 0x%016xU, file%d, sizeof file%d},\n'):format(
    name,
    hash(read(root .. '/' .. arg[number])),
    number,
    number
  )
end

local file <close> = assert(io.open(out, 'wb'))
assert(
  file:write(
    '/* made by cmake/compile.lua */\n#include "compiled.h"\n\n',
    table.concat(parts),
    'const struct lcp__compiler lcp__compiler = {head, sizeof head, probe_text,',
    ' sizeof probe_text, probe_code, sizeof probe_code};\n',
    'const struct lcp__compiled lcp__compiled[] = {\n',
    table.concat(rows),
    '    {0, 0, 0, 0}};\n'
  )
)
