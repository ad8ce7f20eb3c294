--- The common part of the two serializations of messages.  The work is done in C
-- (csrc/codec), by name: a channel encodes and decodes there, and needs this only for
-- errors and for queued messages.
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local codec_encode, codec_decode = core.codec_encode, core.codec_decode

local M = {}

--- codec.new(name, invalid) -> table:
--   name               a value of the option `serialization`
--   encode(value)      -> bytes; raises as refuse() does
--   decode(bytes)      -> value; raises invalid(text)
--   refuse(text)       raises TypeError ERR_INVALID_ARG_VALUE: `text` names the value
--                      that cannot be sent
--   invalid(text)      -> the error for bytes that are not a message: `text` says why
function M.new(name, invalid)
  local codec = { name = name, invalid = invalid }

  function codec.refuse(text)
    error(errors.new('TypeError', 'ERR_INVALID_ARG_VALUE', text), 0)
  end

  function codec.encode(value)
    local bytes, text = codec_encode(name, value)
    return bytes or codec.refuse(text)
  end

  function codec.decode(bytes)
    local value, text = codec_decode(name, bytes)
    if text then
      error(invalid(text), 0)
    end
    return value
  end

  return codec
end

return M
