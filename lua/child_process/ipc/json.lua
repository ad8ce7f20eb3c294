--- The codec of `serialization = 'json'`: one JSON text a line.
--
-- A list with the keys 1..n is an array, a table with string keys an object, `cp.null` is
-- null.  Integers keep all their digits and come back as the same integers, floats as the
-- same double; an integral one comes back as an integer, -0.0 as itself; NaN and the
-- infinities become null.  An empty table is an object, unless its metatable says array:
-- `__jsontype = 'array'`, or one of cjson's own.  An empty array that was received has
-- such a metatable, so that it is one again when it is sent on.
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local json_encode, json_decode = core.json_encode, core.json_decode

local M = { name = 'json', framing = 'line', overhead = 1, encoder = json_encode }

local SHOWN = 24 -- how much of a long path, of a long key, of a text is shown

-- In quotes; legible also when it is not UTF-8.
local function quote(text)
  local shown = errors.inspect(text)
  return utf8.len(shown) and shown
    or shown:gsub('[\x80-\xff]', function(c)
      return ('\\x%02x'):format(c:byte())
    end)
end

local function step(key)
  if math.type(key) == 'integer' then
    return ('[%d]'):format(key)
  elseif #key <= SHOWN and key:find '^[%a_][%w_]*$' then
    return '.' .. key
  end
  return ('[%s]'):format(quote(key))
end

-- `message.a[3]`; of a very long path the beginning and the end.
local function path(keys)
  local steps = { 'message' }
  for i, key in ipairs(keys) do
    if #keys <= SHOWN or i <= SHOWN // 2 or i > #keys - SHOWN // 2 then
      steps[#steps + 1] = step(key)
    elseif i == SHOWN // 2 + 1 then
      steps[#steps + 1] = ' ... '
    end
  end
  return table.concat(steps)
end

--- json.refuse(reason, keys): raises what `encode` does.
function M.refuse(reason, keys)
  local message = ('%s %s: it cannot be sent as JSON'):format(path(keys), reason)
  error(errors.new('TypeError', 'ERR_INVALID_ARG_VALUE', message), 0)
end

--- json.encode(value) -> text, without a newline.
-- Raises TypeError ERR_INVALID_ARG_VALUE, with the path to what JSON has nothing for:
-- `message.a[3] is a function`.  That is a string that is not UTF-8, a table with holes
-- or with keys of different types, a function, a userdata, a thread, a table that
-- contains itself, and what is nested more than 1000 levels deep.  No metamethod is
-- called.
function M.encode(value)
  local text, reason, keys = json_encode(value)
  return text or M.refuse(reason, keys)
end

--- json.decode(text) -> value.  Null is `cp.null`; of two equal keys the last counts;
-- half a surrogate pair and what is not UTF-8 become U+FFFD, as in Node.
-- Raises SyntaxError for what is no JSON text (RFC 8259), or nested more than 1000 deep.
function M.decode(text)
  local value, reason, at = json_decode(text)
  if not reason then
    return value
  end
  local near = quote(text:sub(math.max(at - SHOWN, 1), at + SHOWN))
  local message = ('%s at byte %d of a JSON text, near %s'):format(reason, at, near)
  error(errors.new('SyntaxError', nil, message), 2)
end

return M
