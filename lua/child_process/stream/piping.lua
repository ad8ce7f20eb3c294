--- pipe() and unpipe(): pass one stream's data to others, at the pace of the slowest.
--
-- The source is paused when a destination is full, and flows again when all full ones
-- have drained.  These are marked by a round number: a link waits while its round equals
-- the source's, so one increment clears them all.
--
-- What comes in bulk from one pipe of ours and goes to another one only is not read: see
-- splicing.lua.
local errors = require 'child_process.errors'
local events = require 'child_process.events'
local lazy = require 'child_process.lazy'
local loop = require 'child_process.loop'
local splicing = lazy.module 'child_process.stream.splicing'

local has = events.has

-- A chunk of this size is bulk: a page.  Less is better copied: the kernel adds it to a
-- page in the pipe that has room, while each piece that is moved takes a place there.
local BULK = 4096

local M = {}
local methods = {}

--- The methods, to be copied into a class with a reading side.
M.methods = methods

local function on_drain(link)
  local src = link.src
  if link.round == src._await_round then
    src._awaited = src._awaited - 1
  end
  link.round = false
  if src._awaited == 0 and has(src, 'data') then
    src:resume()
  end
end

-- The destination is full: the source waits for it.
local function hold(link)
  local src = link.src
  if link.broken then
    return
  end
  if link.round ~= src._await_round then
    link.round = src._await_round
    src._awaited = src._awaited + 1
  end
  src:pause()
  if not link.listeners.drain then
    link.listeners.drain = function()
      on_drain(link)
    end
    link.dest:on('drain', link.listeners.drain)
  end
end

local pass

-- `link.diverts`: whether the handle of the source calls `pass`; 'never': the kernel has
-- refused, and it is not tried again.
local function divert(link, diverts)
  link.diverts = diverts
  link.src._handle:divert(diverts == true and pass or nil)
end

-- Called in place of reading; true if the bytes have been passed on, or are not to be.
function pass(src)
  local links = src._pipes
  local link = links[1]
  if not link then
    src._handle:divert(nil)
    return false
  elseif links[2] or not splicing.is_possible(src, link.dest, link.on_data) then
    return false
  end
  local moved = splicing.move(src, link.dest)
  if moved == nil then
    divert(link, 'never')
  elseif not moved then
    hold(link)
  elseif moved > 0 and moved < BULK then
    divert(link, false)
  end
  return moved ~= nil
end

-- Removes all listeners; a source that waited for this destination flows again, if there
-- is a reader left.
local function cut(link)
  link.broken = true
  for name, listener in pairs(link.listeners) do
    link.dest:off(name, listener)
  end
  link.src:off('end', link.on_end)
  link.src:off('data', link.on_data)
  if link.round == link.src._await_round then
    on_drain(link)
  end
end

local function index_of(links, dest)
  for i, link in ipairs(links) do
    if link.dest == dest then
      return i
    end
  end
end

-- An error of the destination ends the pipe, but stays unhandled without another
-- listener.
local function on_error(link, err)
  local dest = link.dest
  link.src:unpipe(dest)
  dest:off('error', link.listeners.error)
  if dest:listenerCount 'error' > 0 then
    return
  elseif dest._end_state and dest._end_state ~= 'failed' then
    dest:destroy(err) -- the user emitted it
  elseif not (dest._is_quiet and dest:_is_quiet(err)) then
    dest:emit('error', err)
  end
end

local function listen_to_dest(link)
  local dest, listeners = link.dest, link.listeners
  function listeners.error(err)
    on_error(link, err)
  end
  function listeners.close()
    link.src:unpipe(dest)
  end
  function listeners.finish()
    link.src:unpipe(dest)
  end
  -- before the user's listeners, so that they find the pipe undone
  dest:prependListener('error', listeners.error)
  dest:once('close', listeners.close)
  dest:once('finish', listeners.finish)
end

local function listen_to_src(link, finishes)
  local src, dest = link.src, link.dest
  function link.on_end()
    if finishes then
      dest:finish()
    else
      src:unpipe(dest)
    end
  end
  function link.on_data(chunk)
    if dest:write(chunk) == false then
      hold(link)
    end
    if not link.diverts and #chunk >= BULK and type(src._handle) == 'userdata' then
      divert(link, true)
    end
  end
  if src.readableEnded then
    loop.nextTick(link.on_end)
  else
    src:once('end', link.on_end)
  end
  src:on('data', link.on_data)
end

-- A stream, or an object with the two methods a pipe needs.
local function is_writable(dest)
  local meta = getmetatable(dest)
  local indexed = type(dest) == 'table' or type(meta) == 'table' and meta.__index
  return indexed and dest.write and dest.prependListener
end

local function refuse_dest(dest)
  local advice = io.type(dest) and 'for io.stdout there is cp.process.stdout' or nil
  error(errors.invalid_arg_type('dest', 'a writable stream', dest, advice), 3)
end

--- stream:pipe(dest [, options]) -> dest: writes all data to `dest`, waiting while it is
-- full, and finishes it at the end, unless `options.finish` (or `options['end']`) is
-- false or it is this program's own stdout or stderr or a raw terminal.  `dest` gets the
-- event `pipe(stream)`.  Raises ERR_INVALID_ARG_TYPE; a stream that cannot be read gets
-- ERR_STREAM_CANNOT_PIPE as an event `error`.  Node: readable.pipe.
function methods:pipe(dest, options)
  errors.check_self(self, 'stream:pipe(…)', 'setEncoding')
  if not is_writable(dest) then
    refuse_dest(dest)
  elseif not self._has_readable then
    self:destroy(errors.coded 'ERR_STREAM_CANNOT_PIPE')
    return dest
  end
  local keep = options and (options.finish == false or options['end'] == false)
  local link = {
    src = self,
    dest = dest,
    round = false,
    broken = false,
    diverts = false,
    listeners = {},
  }
  self._pipes = rawget(self, '_pipes') or {}
  table.insert(self._pipes, link)
  listen_to_src(link, not keep and not dest._is_standard and not dest._is_raw)
  listen_to_dest(link)
  dest:emit('pipe', self)
  if dest.writableNeedDrain then
    hold(link)
  elseif not self.readableFlowing then
    self:resume()
  end
  return dest
end

--- stream:unpipe([dest]) -> stream: undoes pipe(dest), or every pipe; each destination
-- gets the event `unpipe(stream)`.  The stream is paused if no destination is left.
-- Node: readable.unpipe.
function methods:unpipe(dest)
  errors.check_self(self, 'stream:unpipe(…)', 'setEncoding')
  local links = self._pipes
  local cuts = links
  if dest ~= nil then
    local index = index_of(links, dest)
    cuts = { index and table.remove(links, index) }
  end
  if #cuts == 0 then
    return self
  elseif dest == nil or #links == 0 then
    self._pipes = nil
    self:pause()
  end
  for _, link in ipairs(cuts) do
    cut(link)
    link.dest:emit('unpipe', self)
  end
  return self
end

return M
