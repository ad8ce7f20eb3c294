--- How the two ends of a channel over a launcher's standard input and output find each
-- other: shared by launcher.lua and far.lua.
--
-- The parent passes the worker a word, and the worker's first bytes are a hello with this
-- word.  Whatever comes before was written by others: shells, the launcher, LUA_INIT.
-- The hello begins with a byte that no command line can contain, so that a command line
-- that is shown somewhere (`set -x`) is not taken for it.
local core = require 'child_process.core'

local M = {}

-- Changes with the protocol.
local VERSION = 1

local WORD = ('^v%d%%-(%%l+)%%-%%x+$'):format(VERSION)

local count = 0

--- hello.word(mode) -> string: a new word, for a worker with this serialization.  It
-- needs no quoting in any shell.
function M.word(mode)
  count = count + 1
  return ('v%d-%s-%x%x%x'):format(VERSION, mode, core.pid(), core.hrtime(), count)
end

--- hello.mode(word) -> serialization | nil: it was not made by this version.
function M.mode(word)
  return word:match(WORD)
end

--- hello.text(word) -> string: what the worker says.
function M.text(word)
  return ('\0child_process %s\n'):format(word)
end

-- How many bytes at the end of `text` may be the beginning of the hello.
local function begun(text, hello)
  for n = math.min(#hello - 1, #text), 1, -1 do
    if text:sub(-n) == hello:sub(1, n) then
      return n
    end
  end
  return 0
end

--- hello.find(text, hello) -> before, rest: the bytes before it, and how many come after
-- it; or before, nil, kept: not there yet; `kept` is to stand before the next text.
function M.find(text, hello)
  local first, last = text:find(hello, 1, true)
  if first then
    return text:sub(1, first - 1), #text - last
  end
  local n = begun(text, hello)
  return text:sub(1, #text - n), nil, text:sub(#text - n + 1)
end

return M
