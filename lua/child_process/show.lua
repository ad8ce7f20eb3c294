--- Formats commands for people.
local errors = require 'child_process.errors'

local M = {}

local MAX_WORDS = 24

--- show.word(text) -> string: quoted if it could be misread; always one line.
function M.word(text)
  return text:find '^[%w_./:=@%%+,~-]+$' and #text <= 128 and text or errors.inspect(text)
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
