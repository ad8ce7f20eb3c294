--- Finds the program's own code on the stack.
local M = {}

-- Local copies: the program may remove the originals later.
local getinfo, loaded, pcall, xpcall = debug.getinfo, package.loaded, pcall, xpcall

-- The prefix of the names of our own files.
local SOURCE = getinfo(1, 'S').source
local OWN = SOURCE:match '^(.*)place' or SOURCE

-- function -> whether it is one of ours, or in C.  Asking for the file takes long.
local own = setmetatable({}, { __mode = 'k' })

local function is_own(fn)
  if own[fn] == nil then
    local info = getinfo(fn, 'S')
    own[fn] = info.what == 'C' or info.source:sub(1, #OWN) == OWN
  end
  return own[fn]
end

--- place.where() -> `file:line` of the program's code that called us; nil if none did.
function M.where()
  local level, info = 2, getinfo(2, 'f')
  while info and is_own(info.func) do
    level = level + 1
    info = getinfo(level, 'f')
  end
  if info then
    info = getinfo(level, 'Sl')
    return ('%s:%d'):format(info.short_src, info.currentline)
  end
end

--- place.of(fn) -> `file:line` where the function begins.
function M.of(fn)
  local info = getinfo(fn, 'S')
  return ('%s:%d'):format(info.short_src, info.linedefined)
end

-- C functions that ask for text but are not message handlers.
local function is_known(fn)
  for _, library in pairs(loaded) do
    if type(library) == 'table' then
      for _, value in next, library do
        if rawequal(value, fn) then
          return true
        end
      end
    end
  end
  return false
end

--- place.is_handled() -> boolean: for a `__tostring`: whether a message handler in C
-- called it, like that of lua5.4: a function outside all libraries, called by the C
-- function that raises (`error`, `assert`, ours).
function M.is_handled()
  local handler, raising = getinfo(3, 'Sf'), getinfo(4, 'Sf')
  if not raising or handler.what ~= 'C' or raising.what ~= 'C' then
    return false
  end
  local protects = raising.func == pcall or raising.func == xpcall
  return not protects and not is_known(handler.func)
end

return M
