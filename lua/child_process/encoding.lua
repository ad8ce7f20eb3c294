--- Node's encodings: `utf8`, `utf16le`, `latin1`, `ascii`, `hex`, `base64`, `base64url`,
-- and `buffer` for raw bytes.  The work is done in csrc/codec/transcode.c.
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local M = {}

--- encoding.name(value) -> string|nil: Node's own name for an encoding (`binary` is
-- `latin1`, `ucs2` is `utf16le`; case does not matter), nil if there is no such encoding.
M.name = core.encoding_name

--- encoding.check(value) -> string: as `name`, but raises ERR_UNKNOWN_ENCODING.
function M.check(value)
  local name = core.encoding_name(value)
  if not name then
    error(errors.coded('ERR_UNKNOWN_ENCODING', tostring(value)), 3)
  end
  return name
end

--- encoding.decoder(name) -> decoder: turns bytes into UTF-8 text (or hex, base64).
-- `decoder:write(bytes) -> text` keeps an incomplete character at the end for the next
-- call; `decoder:finish() -> text` returns the rest and resets the decoder.  Malformed
-- input becomes U+FFFD, one for each maximal subpart; no input raises.
-- `name` is one that `name` returned.  Node: string_decoder.
M.decoder = core.decoder

--- encoding.decode(bytes, name) -> text: decodes it as a whole.  Node: buffer.toString.
function M.decode(bytes, name)
  local decoder = core.decoder(name)
  return decoder:write(bytes) .. decoder:finish()
end

--- encoding.encode(text, name) -> bytes: the reverse, for write(chunk, encoding).
-- utf8 and buffer leave the bytes alone; latin1 and ascii keep the low 8 bits of each
-- UTF-16 unit; hex stops at the first invalid pair; base64 takes both alphabets, skips
-- other characters and stops at `=`.  No input raises.  Node: Buffer.from.
M.encode = core.encode

return M
