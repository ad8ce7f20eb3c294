--- Chunks that will never be written: their callbacks get the error.
local errors = require 'child_process.errors'
local guard = require 'child_process.guard'

local M = {}

local function why_lost(self, verb)
  if self.errored then
    return self.errored
  elseif self._unconnected then
    return errors.coded 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION'
  end
  return errors.coded('ERR_STREAM_DESTROYED', verb)
end

-- Records that `callback` (if any) must be called with `err`.
local function fail_callback(self, callback, err)
  if callback then
    local failed = self._failed
    failed.last = failed.last + 1
    failed[failed.last] = { callback, err }
  end
end

local function fail_callbacks(self, callbacks, count, err)
  for i = 1, count do
    fail_callback(self, callbacks[i], err)
  end
end

-- As in Node, the first chunk that waited for the connection gets this error, whatever
-- error the others get.
local function fail_first(self)
  local callbacks = self._queue_callbacks
  if self._unconnected and callbacks.n > 0 then
    local err = errors.coded 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION'
    fail_callback(self, callbacks[1], err)
    callbacks[1] = nil
  end
end

-- None of the waiting chunks will be written any more.
local function give_up(self)
  self._failed = self._failed or { first = 1, last = 0 }
  local pending, err = self._write_callback, why_lost(self, 'write')
  if type(pending) == 'table' then
    fail_callbacks(self, pending, pending.n, err)
  else
    fail_callback(self, pending, err)
  end
  fail_first(self)
  fail_callbacks(self, self._queue_callbacks, self._queue_callbacks.n, err)
  local finishing = self._finish_callbacks
  fail_callbacks(self, finishing, #finishing, why_lost(self, 'end'))
  self._writing, self._write_size, self._write_callback = false, 0, false
  self._queue, self._queue_callbacks, self._finish_callbacks = nil, nil, nil
  self.writableLength = 0
end

local function run_failed(self)
  local failed = self._failed
  local _ <close> = guard.new(self, run_failed)
  while failed.first <= failed.last do
    local entry = failed[failed.first]
    failed[failed.first] = nil
    failed.first = failed.first + 1
    entry[1](entry[2])
  end
end

--- lost.unconnected(stream): it was destroyed before it was connected, and chunks are
-- waiting.
function M.unconnected(self)
  self._unconnected = true
end

--- lost.fail_pending(stream): calls every pending callback with the error of the stream.
function M.fail_pending(self)
  if M.has_pending(self) or self._write_callback then
    give_up(self)
    run_failed(self)
  elseif self._failed then
    run_failed(self)
  end
end

--- lost.has_pending(stream) -> boolean: true if `fail_pending` has anything to do.
function M.has_pending(self)
  return self._writing or #self._queue > 0 or #self._finish_callbacks > 0
end

return M
