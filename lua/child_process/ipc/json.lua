--- The codec of `serialization = 'json'`: one JSON text (RFC 8259) a line.
--
-- A list with the keys 1..n is an array, a table with string keys an object, `cp.null` is
-- null.  Integers keep all their digits and come back as the same integers, floats as the
-- same double; an integral one comes back as an integer, -0.0 as itself; NaN and the
-- infinities become null.  An empty table is an object, unless its metatable says array:
-- `__jsontype = 'array'`, or without a `__jsontype` one of cjson's own.  An empty array
-- that was received has such a metatable, so that it is one again when it is sent on.
--
-- `encode` raises TypeError ERR_INVALID_ARG_VALUE with the path to a value that JSON
-- cannot represent, such as `message.a[3]: a function cannot be sent`: functions,
-- userdata, threads, strings that are not UTF-8, tables with holes, with keys of
-- different types, or that contain themselves, and more than 20 000 levels of nesting.
-- No metamethod is called.
--
-- `decode`: null is `cp.null`; of two equal keys the last counts; half a surrogate pair
-- and bytes that are not UTF-8 become U+FFFD, as in Node.  It raises SyntaxError for
-- malformed texts, and beyond 20 000 levels of nesting.
local codec = require 'child_process.ipc.codec'
local errors = require 'child_process.errors'

return codec.new('json', function(text)
  return errors.new('SyntaxError', nil, text)
end)
