--- A child's output: collected for exec and results, kept for later readers.
--
-- This file decides, when a caller waits and when the child has ended, which streams have
-- a reader of their own; stream/unread.lua keeps the output of a single stream.
local collect = require 'child_process.collect'
local ending = require 'child_process.ending'
local errors = require 'child_process.errors'
local lending = require 'child_process.stream.lending'
local stream = require 'child_process.stream'
local unread = require 'child_process.stream.unread'

local M = {}

-- So much unread output is kept beyond that when the child ends.  The contents of its
-- pipe fit; more can only come from other writers.
local KEEP = 1024 * 1024

-- `child._output`: `limit`: maxBuffer; `stdout`, `stderr`: the collectors of results.
local function of(child)
  local output = child._output
  if not output then
    output = {}
    child._output = output
  end
  return output
end

--- output.prepare(child, limit): `limit` is the plan's maxBuffer; before the start.
function M.prepare(child, limit)
  of(child).limit = limit
end

local function too_much(child, name, is_limit)
  return function()
    local err = errors.coded('ERR_CHILD_PROCESS_STDIO_MAXBUFFER', name)
    if is_limit then
      ending.by(child, 'maxBuffer', err)
    else
      ending.note(child, nil, err)
    end
    return err
  end
end

--- output.collect(child, name, limit) -> collector of `stdout` or `stderr`, whoever else
-- listens; output beyond `limit` bytes ends the child.
function M.collect(child, name, limit)
  local collector = collect.new(child[name], limit, too_much(child, name, true))
  of(child)[name] = child[name] and collector
  return collector
end

--- output.text(child, name) -> string | nil: not a pipe, or it has another reader.
function M.text(child, name)
  local collector, source = of(child)[name], child[name]
  if collector then
    return collector:text()
  end
  return source and source.bytesRead == 0 and '' or nil
end

-- A terminal occupies two slots.
local function name_of(child, source)
  return source == child.stdio[2] and 'stdout' or source == child.stdio[3] and 'stderr'
end

-- Lets it flow into a store: that of the result, unless part of it has been read.
local function keep(child, source, slot, limit)
  local name, asked = name_of(child, source), of(child).limit
  local called = name or ('stdio[%d]'):format(slot)
  local on_overflow = too_much(child, called, asked ~= nil)
  local store = unread.keep(source, asked or limit, on_overflow)
  if name and not unread.is_claimed(source) then
    of(child)[name] = store
  end
end

local function each_source(child, fn)
  local stdio = child.stdio or { n = 0 }
  for slot = 1, stdio.n do
    local source = stdio[slot]
    if source then
      fn(child, source, slot)
    end
  end
end

-- A loop whose body waits for the child cannot continue to read meanwhile.
local function gather(child, source, slot)
  if
    source.readable
    and not lending.is_lent(source)
    and (
      name_of(child, source) and unread.is_free(source)
      or unread.held_by(source, coroutine.running())
    )
  then
    keep(child, source, slot, math.huge)
  end
end

--- output.gather(child): a caller waits for the child: unread streams, and those the
-- caller itself reads in a loop around the wait, must not block the child.
function M.gather(child)
  each_source(child, gather)
end

local function run_out(child, source, slot)
  if not source.readable then
    return
  elseif unread.is_held(source) then
    unread.when_free(source, function()
      run_out(child, source, slot)
    end)
  elseif unread.is_free(source) then
    keep(child, source, slot, source.readableLength + KEEP)
  else
    source:resume()
  end
end

-- The end of a stream lent to another child would never come.
local function hang_up(child, source, slot)
  if lending.is_lent(source) then
    lending.forgo(source)
  else
    stream.hang_up(source)
    run_out(child, source, slot)
  end
end

--- output.run_out(child): the child has ended: unread streams are drained, so that they
-- close.
function M.run_out(child)
  each_source(child, hang_up)
end

return M
