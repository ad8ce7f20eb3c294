--- What a pool and its workers say to each other, and how an error travels.  Every
-- message is a table; unknown ones are ignored on both sides.
--
--   to the worker    { tickets = FD }           first of all, if there are tickets
--                    { run = ID, request = … }  without `request`: nil
--   to the pool      { ready = true, tickets = true | nil }
--                    { done = ID, reply = …, us = TIME }     without `reply`: nil
--                    { failed = ID, error = { name, message, code, stack, cause }, us }
--
-- The worker answers the requests one after the other, in their order.  A worker that is
-- ready with `tickets` may get requests while it has one in progress: it begins one only
-- with its number from the tickets (csrc/tickets.c), and drops those before it, which
-- have been taken back.  `us` is how long the request took, in microseconds.
-- docs/pools.md has the same for users.
local errors = require 'child_process.errors'

local M = {}

-- Sending -------------------------------------------------------------------------------

local function is_code(value)
  return type(value) == 'string' or type(value) == 'number'
end

local function read(err)
  local frame = { name = 'Error', message = tostring(err), cause = err }
  if type(err) ~= 'table' then
    return frame
  elseif type(err.message) == 'string' then
    frame.message = err.message
  end
  frame.code = is_code(err.code) and err.code or nil
  if errors.is_error(err) then
    frame.name, frame.cause = err.name, err.cause
  end
  return frame
end

--- frames.describe(err, traceback) -> table: a value raised in a worker.
function M.describe(err, traceback)
  local ok, frame = pcall(read, err) -- its metamethods may raise
  if not ok then
    frame = { name = 'Error', message = 'a value that raises when it is read' }
  end
  frame.stack = frame.message .. '\n' .. traceback
  return frame
end

--- frames.plain(frame) -> the same, of values that can always be sent.
function M.plain(frame)
  local cause = frame.cause
  return {
    name = frame.name,
    message = errors.escaped(frame.message),
    code = is_code(frame.code) and errors.escaped(tostring(frame.code)) or nil,
    stack = (frame.stack:gsub('[^\n]+', errors.escaped)),
    cause = cause ~= nil and errors.escaped(errors.inspect(cause)) or nil,
  }
end

-- Receiving -----------------------------------------------------------------------------

--- frames.to_error(frame, pid) -> error value.  The worker may have sent anything.
function M.to_error(frame, pid)
  if type(frame) ~= 'table' then
    frame = { message = frame ~= nil and errors.inspect(frame) or nil }
  end
  local function text(name)
    return type(frame[name]) == 'string' and frame[name] or nil
  end
  local fields = { stack = text 'stack', cause = frame.cause, pid = pid }
  local code = is_code(frame.code) and frame.code or nil
  local message = text 'message' or 'the worker has not said why'
  return errors.of_worker(text 'name' or 'Error', code, message, fields)
end

return M
