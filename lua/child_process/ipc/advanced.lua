--- The 'advanced' serialization of messages: V8's structured-clone format, as Node's
-- channel writes it (version 15; 13 to 15 are read).
--
-- Lua values and their form in Node.  A Lua peer gets the same value back.
--
--   nil, as the message        undefined
--   cp.null                    null
--   boolean                    boolean
--   integer                    Number up to 2^53 either way, BigInt beyond
--   float                      Number, whole ones too; NaN, infinities and -0.0
--   string that is UTF-8       string
--   any other string           Buffer
--   table, more than half of   Array; nil leaves a hole
--   1..max and no other key
--   the same and the integer   Array; nil comes to undefined.  Without any nil `n` is
--   `n` (table.pack)           a property of the Array
--   table, string keys only    Object
--   table with other keys      Map; booleans, floats, strings that are not UTF-8, tables
--   empty table                Object; Array if its metatable says so, as in json.lua
--   the same table again       the same object: cycles and shared tables stay such
--   our error values           Error of that class, if they have nothing but name,
--                              message, stack and cause
--
-- Functions, coroutines, userdata and tables nested deeper than 20 000 levels raise
-- TypeError ERR_INVALID_ARG_VALUE with the path to the value, such as
-- `message.jobs[3].done: a function cannot be sent`.  Only own fields count; no
-- metamethod is called.
--
-- Values that Node sends, and their form in Lua:
--
--   undefined                  nil; an Array with undefined in it gets its length as `n`
--   Number                     integer, if it is whole, not -0 and not beyond 2^53; else
--                              float
--   BigInt                     integer, if 64 bits hold it; else a table with `value`,
--                              the number in hexadecimal: `'-0x1…'`
--   string                     UTF-8; half of a surrogate pair is U+FFFD
--   Buffer, typed array,       string of its bytes
--   DataView, ArrayBuffer
--   Object                     table; names are strings, also `'1'`
--   Array                      table, counted from 1
--   Map                        table; an entry for undefined or NaN is left out
--   Set                        table, its values from 1 on, undefined left out
--   Date                       table with `time`, milliseconds since 1970, or NaN
--   RegExp                     table with `source` and `flags`
--   Error                      error value of ours: `name`, `message`, `stack`, `cause`
--   new Number(1) and such     the value in it
--
-- A table that stands for something other than an Object or an Array says so in its
-- metatable: `__jstype` is 'BigInt', 'Map', 'Set', 'Date' or 'RegExp' (a Map only where
-- its keys would not show it).  It goes back as the same thing, and any table with such a
-- field in its metatable is sent as one.  An empty Array comes with `__jsontype`.
--
-- `decode` raises an Error with the code ERR_IPC_INVALID_MESSAGE for anything but one
-- whole value.  No input takes more memory or time than a fixed multiple of its length:
-- numeric keys that would crowd a Lua table raise, and so do objects nested deeper than
-- 20 000 levels.
--
-- Node: advanced serialization; HTML: StructuredSerialize.
local codec = require 'child_process.ipc.codec'
local errors = require 'child_process.errors'

return codec.new('advanced', function(text)
  local message = 'The message is no serialized value: ' .. text
  return errors.new('Error', 'ERR_IPC_INVALID_MESSAGE', message)
end)
