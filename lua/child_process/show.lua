--- Formats commands for people.
local errors = require 'child_process.errors'
local quote = require 'child_process.quote'

local M = {}

local MAX_WORDS = 24

local MAX_LENGTH = 128

--- show.word(text) -> string: as cp.quote writes it, if that is a line of text; otherwise
-- escaped, and truncated if too long.
function M.word(text)
  local is_plain = #text <= MAX_LENGTH and errors.escaped(text) == text
  return is_plain and quote.word(text) or errors.inspect(text)
end

--- show.command(file, args) -> string: program and arguments (`args` has argv[0] first);
-- truncated if too long.
function M.command(file, args)
  local list = { M.word(file or '?') }
  args = args or {}
  for i = 2, math.min(#args, MAX_WORDS) do
    list[i] = M.word(args[i])
  end
  if #args > MAX_WORDS then
    list[#list + 1] = ('… %d more'):format(#args - MAX_WORDS)
  end
  return table.concat(list, ' ')
end

return M
