--- Terminal: what is typed to a child and what it shows, one stream for both.
--
-- The end of a terminal is the end of its child (csrc/child.c): by then nobody else can
-- write to it any more, what is still in it is read at once, and it is hung up, whoever
-- has it open.  Only then comes `end`, when all has been taken from here.
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

-- What is behind that which ends a line (newline, return and ^D) or throws it away (^C,
-- ^U, ^Z and ^\).  Anchored, and the last one is looked for from the end: linear.
local SINCE = '^.*[\n\r\3\4\21\26\28](.*)$'

-- How many characters the line has after `bytes`.  ^V takes the meaning from what follows
-- it; DEL takes a character away.  ^W counts as nothing: with one ^D too many the end is
-- still seen, with one too few it is not.
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

-- There is nobody left to read it, which is no reason to lose what was written to us.
local function refuse(callback)
  if callback then
    loop.nextTick(callback, errors.system(EPIPE, 'write'))
  end
  return false
end

--- terminal:write(chunk [, encoding] [, callback]) -> boolean: types it, see
-- Stream.write.  After the child's end it is lost: the callback gets EPIPE.
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
    self._line = line_after(self._line, chunk)
  end
  return Stream.write(self, chunk, name, callback)
end

local function can_end(self)
  return self._handle and not self.writableEnded and not self.readableEnded
end

--- terminal:finish([chunk [, encoding]] [, callback]) -> terminal: types `chunk` and ^D,
-- by which a program that reads lines sees the end of its input; nothing can be typed
-- afterwards.  ^D has that meaning at the beginning of a line only, so behind an
-- unfinished one it is typed twice.
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

-- The child has ended: takes what it has left and hangs up.
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

-- No more of its output is wanted.  It is not closed, which would be one more signal,
-- SIGHUP, in the place of the one that says why.
local function drop(self)
  self:unpipe()
  self:removeAllListeners 'data'
  self:removeAllListeners 'readable'
  self:resume()
end

-- Creation ------------------------------------------------------------------------------

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
    owner = owner,
    on_hang_up = hang_up,
    on_drop = drop,
  })
  return self
end

return M
