--- Where the program's own code is on the stack.
local M = {}

-- Kept: the program may take them away later.
local getinfo, loaded, pcall, xpcall = debug.getinfo, package.loaded, pcall, xpcall

-- What the names of our own files begin with.
local SOURCE = getinfo(1, 'S').source
local OWN = SOURCE:match '^(.*)place' or SOURCE

--- place.where() -> `file:line` of the program's code that called us; nil if none did.
function M.where()
  local level, info = 2, getinfo(2, 'Sl')
  while info do
    if info.what ~= 'C' and info.source:sub(1, #OWN) ~= OWN then
      return ('%s:%d'):format(info.short_src, info.currentline)
    end
    level = level + 1
    info = getinfo(level, 'Sl')
  end
end

--- place.of(fn) -> `file:line` where the function begins.
function M.of(fn)
  local info = getinfo(fn, 'S')
  return ('%s:%d'):format(info.short_src, info.linedefined)
end

-- C functions that ask for a text without being a message handler.
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

--- place.is_handled() -> boolean: for a `__tostring`: whether it is called by a message
-- handler in C, as that of lua5.4: a function that is in no library, called by the C
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
