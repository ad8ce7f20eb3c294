--- cp.quote: words for a shell.
local checks = require 'child_process.options.checks'
local errors = require 'child_process.errors'

local M = {}

-- Reserved where a command may begin: by POSIX, and by bash and zsh.
local RESERVED = {}
for word in
  ([[case coproc do done elif else end esac fi for foreach function if in
    nocorrect repeat select then time until while]]):gmatch '%S+'
do
  RESERVED[word] = true
end

-- No character that any shell takes for its own: `=` makes an assignment, and at the
-- beginning of a word zsh expands it, as others do `~`.
local BARE = '^[A-Za-z0-9_@%%+:,./-]+$'

--- quote.word(text) -> string: one word for a shell that keeps to POSIX.
function M.word(text)
  if text:find(BARE) and not RESERVED[text] then
    return text
  end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read_word(value, name)
  return M.word(checks.text(math.type(value) and tostring(value) or value, name))
end

--- cp.quote(words) -> string: words for a command line of /bin/sh, which reads them as
-- they are; with a space in between, if there are several.
-- @param words string, or array of strings and numbers
-- Raises ERR_INVALID_ARG_TYPE, and ERR_INVALID_ARG_VALUE for a NUL byte, which no
-- argument can have.  POSIX.1, Shell Command Language, 2.2 Quoting.
function M.quote(words)
  if type(words) == 'string' then
    return read_word(words, 'words')
  elseif type(words) ~= 'table' then
    local err = errors.invalid_arg_type('words', 'a string or an array of words', words)
    error(err, 0)
  end
  local list, count = checks.array(words, 'words')
  local quoted = {}
  for i = 1, count do
    quoted[i] = read_word(rawget(list, i), ('words[%d]'):format(i))
  end
  return table.concat(quoted, ' ')
end

return M
