--- Tee: what a child writes to one descriptor goes to several targets, all of it to each.
--
--            +--> member    child.stdout: a stream that somebody reads, or not
--   source --+--> sinks     descriptors that are not ours alone (csrc/sink.c), files
--            +--> streams   of ours
--
-- The source is read while nobody is behind: the slowest target sets the pace, and of
-- what one has not taken there is never more than a chunk.  A target that breaks is
-- dropped, and the others go on; with the last one the source is closed, and the child
-- learns what any writer without a reader learns.
--
--   reading --end--> over --all have taken all--> settled
--      |               |                             ^
--      +----- drop ----+-----------------------------+
local core = require 'child_process.core'
local errors = require 'child_process.errors'
local facts = require 'child_process.facts'
local guard = require 'child_process.guard'
local loop = require 'child_process.loop'
local several = require 'child_process.stdio.several'
local stream = require 'child_process.stream'

local M = {}

-- What nobody reads of the member holds all others up: not before it is as much as exec
-- would collect.
local MEMBER = { readable = true, readableHighWaterMark = 1024 * 1024 }

local Tee = { __name = 'child_process.Tee' }
Tee.__index = Tee

-- Fields: `source` (a stream of the core); `targets`, those that have broken with `gone`;
-- `alive`: how many have not, with the member; `behind`: how many have a write under way;
-- `over`, `settled`: see above; `member`, until it is closed; `on_broken`, `on_settled`.
-- `reading`: the source is told to; `owner`, `name`: see new.

-- The source ----------------------------------------------------------------------------

local finish

local function is_wanted(self)
  return self.behind == 0 and not (self.member and not self.member.wants)
end

-- Brings what is read in line with what is wanted.
local function update(self)
  if self.over then
    return
  elseif self.alive == 0 then
    return finish(self)
  end
  local wanted = is_wanted(self)
  if wanted == self.reading then
    return
  end
  self.reading = wanted
  if wanted then
    local _, errno = self.source:read_start()
    if errno then
      finish(self, errno)
    end
  else
    self.source:read_stop()
  end
end

local function settle(self)
  if self.over and self.behind == 0 and not self.settled then
    self.settled = true
    for _, target in ipairs(self.targets) do
      target:release()
    end
    -- somebody may wait for that who must not be called before we return
    loop.nextTick(self.on_settled)
  end
end

-- The end of the source, or of all interest in it.
function finish(self, errno)
  if self.over then
    return
  end
  local member = self.member
  self.over, self.reading = true, false
  self.source:close()
  if errno and not member then
    self.on_broken(errors.system(errno, 'read'))
  end
  settle(self)
  if member then
    member.on_read(member.owner, nil, errno)
  end
end

-- Targets -------------------------------------------------------------------------------

local Target = {}
Target.__index = Target

local function caught_up(target)
  local self = target.tee
  if target.behind then
    target.behind, target.writableLength = false, 0
    self.behind = self.behind - 1
  end
end

local function fall_behind(target, chunk)
  target.behind, target.writableLength = true, #chunk
  target.tee.behind = target.tee.behind + 1
end

local function lose(target)
  if not target.gone then
    target.gone = true
    target.tee.alive = target.tee.alive - 1
    caught_up(target)
    target:release()
  end
end

-- A write that was under way is over.
local function on_written(target, err)
  local self = target.tee
  if target.gone or self.settled then
    return
  end
  caught_up(target)
  if err then
    lose(target)
    self.on_broken(err)
  end
  update(self)
  settle(self)
end

-- A descriptor.
local Sink = setmetatable({}, Target)
Sink.__index = Sink

local function on_sink_written(target, errno)
  on_written(target, errno and several.broken(target.entry, target.index, errno))
end

function Sink:write(chunk)
  local done, errno = self.handle:write(chunk)
  if done == false then
    fall_behind(self, chunk)
  elseif not done then
    lose(self)
    self.tee.on_broken(several.broken(self.entry, self.index, errno))
  end
end

function Sink:release()
  self.handle:close()
end

-- A stream of ours.  It is the user's: not finished, and its `error` is told in the
-- result, so that it is no unhandled one.
local Writable = setmetatable({}, Target)
Writable.__index = Writable

local function ignore() end

-- A write that is under way when it is released goes on: it is the stream's.
function Writable:write(chunk)
  local s = self.stream
  if s.destroyed or s.writableEnded then
    local code = s.destroyed and 'ERR_STREAM_DESTROYED' or 'ERR_STREAM_WRITE_AFTER_END'
    lose(self)
    self.tee.on_broken(s.errored or errors.coded(code, 'write'))
    return
  end
  fall_behind(self, chunk)
  self.pending = true
  s:write(chunk, function(err)
    self.pending = false
    on_written(self, err)
    if self.released then
      self:release()
    end
  end)
end

-- An error of a stream that has broken is still to come.
function Writable:release()
  self.released = true
  if not self.pending and not self.stream.destroyed and not self.stream.errored then
    self.stream:off('error', ignore)
  end
end

local function add(self, class, target)
  target.tee, target.behind, target.gone = self, false, false
  target.writableLength = 0
  table.insert(self.targets, setmetatable(target, class))
  self.alive = self.alive + 1
  return target
end

local function add_all(self, entry, sinks)
  for i, handle in ipairs(sinks) do
    local target = { handle = handle, name = entry.names[i], entry = entry, index = i }
    handle:bind(add(self, Sink, target), on_sink_written)
  end
  for _, given in ipairs(entry.streams) do
    local target = add(self, Writable, { stream = given.stream, name = given.name })
    target.stream:on('error', ignore)
  end
end

-- The member ----------------------------------------------------------------------------

-- The handle of the stream that is read here: it reads what the tee reads.
local Member = {}
Member.__index = Member

function Member:bind(owner, on_read)
  self.owner, self.on_read = owner, on_read
end

function Member:read_start()
  self.wants = true
  update(self.tee)
end

function Member:read_stop()
  self.wants = false
  update(self.tee)
end

-- The others go on without it.
function Member:close()
  local whole = self.tee
  if whole.member == self then
    whole.member, whole.alive = nil, whole.alive - 1
    update(whole)
  end
end

for _, name in ipairs { 'fileno', 'hear' } do
  Member[name] = function(self)
    local source = self.tee.source
    return source[name](source)
  end
end

function Member:ref()
  M.set_ref(self.tee, true)
end

function Member:unref()
  M.set_ref(self.tee, false)
end

local function open_member(self)
  self.member = setmetatable({ tee = self, wants = false }, Member)
  self.alive = self.alive + 1
  self.stream = stream.new(self.member, MEMBER, self.owner)
end

-- Data ----------------------------------------------------------------------------------

local function give(self, chunk)
  for _, target in ipairs(self.targets) do
    if not target.gone then
      target:write(chunk)
    end
  end
  local member = self.member
  update(self)
  if member then
    member.on_read(member.owner, chunk)
  end
end

local function on_read(self, chunk, errno)
  if chunk then
    give(self, chunk)
  else
    finish(self, errno)
  end
end

--- tee.set_ref(tee, on): whether it keeps the loop alive: reading, and a write to a
-- descriptor that is under way.
function M.set_ref(self, on)
  local method = on and 'ref' or 'unref'
  self.source[method](self.source)
  for _, target in ipairs(self.targets) do
    if target.handle then
      target.handle[method](target.handle)
    end
  end
end

-- For ending.lua, as stream.lua has them ------------------------------------------------

local function give_up(self, errno)
  for _, target in ipairs(self.targets) do
    caught_up(target)
  end
  finish(self, errno)
  settle(self)
end

--- tee.drop(tee): discards further output, and waits for no target.
function M.drop(self)
  if self.stream then
    self.stream:destroy()
  end
  give_up(self)
end

--- tee.quiet(tee) -> ms since a byte came | false: it is not read now | nil: it is over.
function M.quiet(self)
  if self.over then
    return nil
  elseif not self.reading or self.member and self.stream:isPaused() then
    return false
  end
  return self.source:quiet()
end

local function is_late(target)
  return target.behind and not (target.stream and target.stream.writableLength == 0)
end

--- tee.holders(tee) -> array of { pid, command, fd } | nil: it waits for nobody.
function M.holders(self)
  local holders = not self.over and core.holders(self.source) or nil
  for _, target in ipairs(self.targets) do
    holders = holders or is_late(target) and {} or nil
  end
  return holders
end

--- tee.cut(tee): it ends with the bytes that can be read now; a target that is behind
-- does not get them.
function M.cut(self)
  for _, target in ipairs(self.targets) do
    if is_late(target) then
      lose(target)
    end
  end
  local rest, errno = '', nil
  if not self.over then
    rest, errno = self.source:drain()
  end
  local _ <close> = guard.new(self, give_up)
  if rest ~= '' then
    give(self, rest)
  end
  give_up(self, errno)
end

facts.add(Tee, function(self)
  return { reading = self.reading, owner = self.owner, name = self.name }
end)

facts.add('child_process.core.Sink', function(target)
  return { reading = false, owner = target.tee.owner, name = target.name }
end)

--- tee.new(source, entry, sinks, about) -> Tee
-- @param source core.stream: our end of the pipe
-- @param entry table: see stdio/several.lua
-- @param sinks array of core.sink: those of `entry.targets`
-- @param about table: `owner`, the child; `name`, of its descriptor; `on_broken(err)`: a
--   target is dropped; `on_settled()`: the source is over, every target has taken all
-- `tee.stream` is the stream to be read, if `entry.piped`.
function M.new(source, entry, sinks, about)
  local self = setmetatable({ source = source, targets = {}, alive = 0, behind = 0 }, Tee)
  self.owner, self.name, self.reading = about.owner, about.name, false
  self.writableLength = 0
  self.on_broken, self.on_settled = about.on_broken, about.on_settled
  source:bind(self, on_read, ignore)
  add_all(self, entry, sinks)
  if entry.piped then
    open_member(self)
  end
  update(self)
  return self
end

return M
