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
  local code = compile(root .. '/' .. arg[number])
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
