--- A handle that does what the core's streams do, at the word of a spec: no descriptor,
-- no process.  The loop, its ticks and its errors are the real ones.
local core = require 'child_process.core'
local loop = require 'child_process.loop'
local stream = require 'child_process.stream'

local M = {}

local Handle = {}
Handle.__index = Handle

--- A new handle.  `mode` says what becomes of a write: 'take' (all at once), 'keep'
-- (until `complete`), or a negative errno.
function M.handle()
  return setmetatable({
    mode = 'take',
    written = {}, -- strings, in order; several that were handed over together are one
    writes = 0,
    reading = false,
    closed = false,
    shut = false,
    refed = true,
  }, Handle)
end

function Handle:bind(owner, on_read, on_written)
  self.owner, self.on_read, self.on_written = owner, on_read, on_written
end

function Handle:read_start()
  self.reading = true
  if self.start_error then
    return nil, self.start_error
  end
end

function Handle:hear() end

function Handle:read_stop()
  self.reading = false
end

function Handle:hear() end

function Handle:write(data)
  assert(not self.pending, 'a write is under way')
  self.writes = self.writes + 1
  if type(self.mode) == 'number' then
    return nil, self.mode
  end
  self.written[#self.written + 1] = type(data) == 'table' and table.concat(data) or data
  self.pending = self.mode == 'keep'
  return not self.pending
end

function Handle:shutdown()
  self.shut = true
  if self.shutdown_error then
    return nil, self.shutdown_error
  end
  return true
end

function Handle:close()
  self.closed = true
end

function Handle:fileno()
  return not self.closed and 7 or nil
end

function Handle:ref()
  self.refed = true
end

function Handle:unref()
  self.refed = false
end

--- Runs `fn` as a callback of the loop, then the loop until it is idle.  Raises what
-- leaves the loop.
function M.turn(fn)
  loop.setImmediate(fn)
  core.run()
end

--- As `turn`, but goes on after errors; returns them in order, without tracebacks.
function M.turn_with_errors(fn)
  local raised = {}
  loop.setImmediate(fn)
  while true do
    local ok, err = pcall(core.run)
    if ok then
      return raised
    end
    raised[#raised + 1] = type(err) == 'string' and err:match '^[^\n]*' or err
  end
end

--- A chunk arrives, and the loop runs until it is idle.
function Handle:deliver(chunk)
  M.turn(function()
    assert(self.reading and not self.closed, 'nobody reads')
    self.on_read(self.owner, chunk)
  end)
end

--- End of file.
function Handle:finish()
  M.turn(function()
    self.reading = false
    self.on_read(self.owner, nil)
  end)
end

--- Reading fails.
function Handle:fail(errno)
  M.turn(function()
    self.reading = false
    self.on_read(self.owner, nil, errno)
  end)
end

--- The write that was kept is over.
function Handle:complete(errno)
  M.turn(function()
    assert(self.pending, 'no write is under way')
    self.pending = false
    self.on_written(self.owner, errno)
  end)
end

local SIDES = { r = { true, false }, w = { false, true }, rw = { true, true } }

--- A stream and its handle.
-- @param sides string: 'r', 'w', 'rw'
-- @param options table|nil: further options of stream.new
function M.open(sides, options)
  local handle = M.handle()
  local all = { readable = SIDES[sides][1], writable = SIDES[sides][2] }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return stream.new(handle, all), handle
end

local EVENTS = { 'end', 'finish', 'close', 'error', 'drain', 'pause', 'resume' }

local function show(value)
  return type(value) == 'table' and value.code or tostring(value)
end

--- Listens for the events and takes them down: `data abc`, `close false`, `error EPIPE`.
-- @param names table|nil: which; by default all but `data`, `readable` and pipe()'s
-- @return the list, and a function that makes a listener that takes down `name`
function M.record(s, names)
  local log = {}
  local function note(name)
    return function(...)
      local line = { name }
      for i = 1, select('#', ...) do
        line[#line + 1] = show((select(i, ...)))
      end
      log[#log + 1] = table.concat(line, ' ')
    end
  end
  for _, name in ipairs(names or EVENTS) do
    s:on(name, note(name))
  end
  return log, note
end

return M
