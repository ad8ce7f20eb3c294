--- An array as an item of `stdio` -> the entry by which what a child writes goes to
-- several targets at once, see tee.lua.
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local item = require 'child_process.stdio.item'
local stream = require 'child_process.stream'

local M = {}

local function refuse(name, reason, value)
  error(errors.invalid_arg_value(name, reason, value), 0)
end

local function add_target(entry, target, name)
  local i = #entry.targets + 1
  entry.targets[i], entry.names[i] = target, name
end

local function add_pipe(entry, value, name)
  if entry.piped then
    refuse(name, 'is a second pipe; there is one stream for you to read', value)
  end
  entry.piped = true
end

-- In a copy of the process (fork(2)) only the handle may know that it is closed.
local function is_closed(s)
  local handle = stream.handle(s)
  return not s.writable or handle and not handle:fileno()
end

-- Our own standard streams block, as print does, and nothing here may: so the descriptor
-- in their place.
local function add_stream(entry, value, name)
  local _, has_writable = stream.sides(value)
  if not has_writable then
    refuse(name, 'is a stream that cannot be written', value)
  elseif is_closed(value) then
    refuse(name, 'is a stream that is closed', value)
  elseif stream.is_standard(value) then
    add_target(entry, value.fd, name)
  else
    table.insert(entry.streams, { stream = value, name = name })
  end
end

-- Words and numbers mean what they mean alone.
local function add(entry, value, slot)
  local name = slot.name
  if value == 'ipc' or value == 'stdout' then
    refuse(name, 'cannot be one of several', value)
  elseif stream.is_stream(value) then
    return add_stream(entry, value, name)
  elseif type(value) == 'table' and value[core.shared] then
    refuse(name, 'is no stream', value)
  elseif item.is_open(value) then
    refuse(name, 'is missing', value)
  end
  local target = item.entry(value, slot)
  if target == 'out' or target == 'duplex' then
    add_pipe(entry, value, name)
  else
    add_target(entry, target, name)
  end
end

local function count(list, name)
  local n = 0
  for key in next, list do
    if math.type(key) == 'integer' and key > 0 then
      n = n + 1
    elseif key ~= 'n' then
      refuse(name, 'is an array with a key that is no position', key)
    end
  end
  return n
end

--- several.entry(list, slot) -> { targets, names, streams, piped }: `targets` (for the
-- core: descriptors of ours, files and 'ignore') and their `names`; `streams`: of ours,
-- { stream, name }; `piped`: we read it as well.
-- @param slot table: `fd`, `name`, see item.lua
-- Raises ERR_INVALID_ARG_VALUE and what item.entry raises, naming `options.stdout[2]`.
function M.entry(list, slot)
  local name = item.full_name(slot)
  if slot.fd == 0 then
    refuse(name, 'cannot be an array: a child reads from one place', list)
  end
  local entry = { targets = {}, names = {}, streams = {} }
  for i = 1, count(list, name) do
    local part = { fd = slot.fd, name = ('%s[%d]'):format(name, i) }
    add(entry, rawget(list, i), part)
  end
  return entry
end

--- several.broken(entry, i, errno) -> error value: `entry.targets[i]` cannot be written.
function M.broken(entry, i, errno)
  local target = entry.targets[i]
  local path = type(target) == 'table' and target.path or nil
  local err = errors.system(errno, 'write', { path = path })
  err.message = ('%s: %s'):format(err.message, entry.names[i])
  return err
end

-- What it is written to is all that the kernel has of it.
local function is_at_rest(s)
  return stream.handle(s) ~= nil and s.writableLength == 0 and s.writableCorked == 0
end

--- several.for_sync(entry): makes it one for a call in which no stream is served: those
-- of ours are written by their descriptors, unless something stands before: they get all
-- of it when the call is over, see `finish_sync`.
function M.for_sync(entry)
  for _, given in ipairs(entry.streams) do
    if is_at_rest(given.stream) then
      add_target(entry, stream.handle(given.stream), given.name)
    else
      entry.late = entry.late or {}
      table.insert(entry.late, given.stream)
    end
  end
  entry.asked, entry.piped = entry.piped, entry.piped or entry.late ~= nil
  entry.unlimited = not entry.asked
end

--- several.finish_sync(entry, text) -> text | nil: what the call has collected, if it was
-- asked to.
function M.finish_sync(entry, text)
  for _, s in ipairs(entry.late or {}) do
    s:write(text)
  end
  return entry.asked and text or nil
end

return M
