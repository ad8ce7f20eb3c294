--- Terminal: the input and output of a child's terminal as one stream.
--
-- A terminal ends with its child (csrc/child.c): at that moment further writes are
-- blocked, the remaining output is read, and the terminal is hung up, whichever processes
-- have it open.  `end` comes when all of the output has been taken from here.
local encoding = require 'child_process.encoding'
local errors = require 'child_process.errors'
local loop = require 'child_process.loop'
local stream = require 'child_process.stream'

local M = {}

local EPIPE = -32
local EOF = '\4' -- ^D

local Stream = stream.Stream

local Terminal = setmetatable({
  __name = 'child_process.Terminal',
  __tostring = Stream.__tostring,
  __close = Stream.__close,
  _is_terminal = true,
  _is_raw = false,
  _line = 0,
}, { __index = Stream })
Terminal.__index = Terminal

-- The line being typed ------------------------------------------------------------------

-- The bytes after the last character that ends a line (newline, return and ^D) or
-- discards it (^C, ^U, ^Z and ^\).  Anchored, and searched from the end: linear.
local SINCE = '^.*[\n\r\3\4\21\26\28](.*)$'

-- The number of characters in the line after `bytes`. ^V makes the next character
-- literal; DEL removes a character. ^W is ignored: one ^D too many still ends the input,
-- one too few does not.
local function line_after(line, bytes)
  bytes = bytes:gsub('\22.', 'v')
  local rest = bytes:match(SINCE)
  line, rest = rest and 0 or line, rest or bytes
  if not rest:find('\127', 1, true) then
    return line + #rest
  end
  for char in rest:gmatch '[^\128-\191]' do
    line = char == '\127' and math.max(line - 1, 0) or line + 1
  end
  return line
end

-- Writing -------------------------------------------------------------------------------

-- Refuses only the write: the child's remaining output must not be lost.
local function refuse(callback)
  if callback then
    loop.nextTick(callback, errors.system(EPIPE, 'write'))
  end
  return false
end

--- terminal:write(chunk [, encoding] [, callback]) -> boolean: types the chunk, see
-- Stream.write.  After the child's end it is lost and the callback gets EPIPE.
function Terminal:write(chunk, name, callback)
  if type(name) == 'function' then
    name, callback = nil, name
  end
  if type(self) == 'table' and type(chunk) == 'string' then
    if name ~= nil and name ~= 'buffer' then
      chunk, name = encoding.encode(chunk, encoding.check(name)), nil
    end
    if self._hung_up then
      return refuse(callback)
    end
    if not self._is_raw then -- which has no lines
      self._line = line_after(self._line, chunk)
    end
  end
  return Stream.write(self, chunk, name, callback)
end

local function can_end(self)
  return self._handle and not self.writableEnded and not self.readableEnded
end

--- terminal:finish([chunk [, encoding]] [, callback]) -> terminal: types `chunk` and ^D,
-- which is end of file for a program that reads lines; nothing can be typed afterwards.
-- ^D has that meaning only at the beginning of a line, so after an unfinished line it is
-- typed twice.
-- Raises ERR_INVALID_STATE for a raw terminal, and as Stream.finish.
function Terminal:finish(chunk, name, callback)
  if type(chunk) == 'function' then
    chunk, name, callback = nil, nil, chunk
  elseif type(name) == 'function' then
    name, callback = nil, name
  end
  if type(self) ~= 'table' then
    error(errors.no_self 'terminal:finish(…)', 2)
  elseif can_end(self) then
    if self._is_raw then
      local why =
        'a raw terminal has no end of input; write what the program takes for it'
      error(errors.coded('ERR_INVALID_STATE', why), 2)
    end
    if chunk ~= nil then
      self:write(chunk, name)
    end
    self:write(self._line > 0 and EOF .. EOF or EOF)
  elseif chunk ~= nil and not self._hung_up then
    return Stream.finish(self, chunk, name, callback)
  end
  return Stream.finish(self, callback)
end

Terminal['end'] = Terminal.finish

-- The end -------------------------------------------------------------------------------

-- The child has ended: reads the remaining output and hangs up.
local function hang_up(self)
  local handle = self._handle
  if not handle then
    return
  end
  local rest, errno = handle:drain()
  handle:close()
  self._handle, self._reading, self._hung_up = nil, false, true
  self.writable = false
  self:_end_with(rest, errno)
end

-- Discards further output.  It is not closed: that would send SIGHUP, and hide the signal
-- that says why.
local function drop(self)
  self:unpipe()
  self:removeAllListeners 'data'
  self:removeAllListeners 'readable'
  self:resume()
end

-- Creation ------------------------------------------------------------------------------

local HOOKS = { hang_up = hang_up, drop = drop }

--- terminal.new(handle, pty, owner) -> Terminal
-- @param handle core.stream|nil: nil after a failed start
-- @param pty table: the option, as options/pty.lua reads it
-- @param owner ChildProcess
function M.new(handle, pty, owner)
  local self = setmetatable({ _is_raw = pty.raw }, Terminal)
  stream.init(self, handle, {
    readable = true,
    writable = true,
    quiet = true,
    hooks = HOOKS,
  }, owner)
  return self
end

return M
