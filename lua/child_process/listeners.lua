--- The listeners of one event, in the order in which they are called.
--
-- A list is walked by `emit` and changed by `on` and `off`, perhaps in the middle of the
-- walk.  `emit` marks a list with more than one entry as `walked`; a marked list is never
-- changed again, the next change makes a copy.  So a walk sees what was registered when
-- it began, and the copy costs no more than the walk before it.
--
-- The entries stand at `first` (nil: 1) … `last`; `false` marks a removed one, of which
-- there are `holes` (nil: none).  Most lists have neither field, and are small tables:
--
--   for i = list.first or 1, list.last do
--     local entry = list[i]
--     if entry then … end
--   end
--
-- Adding is cheap, at either end.  Removing searches the last few entries; in a longer
-- list it uses `places`, so that the cost of N additions and N removals is linear,
-- whatever their order.  This file knows nothing of emitters.
local M = {}

-- How many entries are searched one by one, and how many holes any list may have.
local FEW = 16

-- Numbers the events in the order in which they first got a listener.
local births = 0

-- The function behind an entry of once().
local function unwrap(entry)
  return type(entry) == 'table' and entry.listener or entry
end

M.unwrap = unwrap

local function is_of(entry, listener)
  return entry and (entry == listener or unwrap(entry) == listener)
end

-- A copy without the holes; `places` is rebuilt when needed.
local function copy(list)
  local to, last = { last = 0, birth = list.birth, walked = false }, 0
  for i = list.first or 1, list.last do
    local entry = list[i]
    if entry then
      last = last + 1
      to[last] = entry
    end
  end
  to.last = last
  return to
end

-- Places --------------------------------------------------------------------------------

-- listener -> queue of its places, in ascending order.  An entry of once() is found by
-- itself and by its function.  Both ends of a queue are always valid; a place in the
-- middle may have become a hole.

local function note_key(places, key, at, in_front)
  local queue = places[key]
  if not queue then
    places[key] = { at, first = 1, last = 1 }
  elseif in_front then
    queue.first = queue.first - 1
    queue[queue.first] = at
  else
    queue.last = queue.last + 1
    queue[queue.last] = at
  end
end

local function note(places, entry, at, in_front)
  note_key(places, entry, at, in_front)
  if unwrap(entry) ~= entry then
    note_key(places, unwrap(entry), at, in_front)
  end
end

local function forget_key(list, key)
  local queue = list.places[key]
  while queue.first <= queue.last and not is_of(list[queue[queue.last]], key) do
    queue[queue.last] = nil
    queue.last = queue.last - 1
  end
  while queue.first <= queue.last and not is_of(list[queue[queue.first]], key) do
    queue[queue.first] = nil
    queue.first = queue.first + 1
  end
  if queue.first > queue.last then
    list.places[key] = nil
  end
end

local function forget(list, entry)
  forget_key(list, entry)
  if unwrap(entry) ~= entry then
    forget_key(list, unwrap(entry))
  end
end

local function find_places(list)
  list.places = {}
  for i = list.first or 1, list.last do
    if list[i] then
      note(list.places, list[i], i)
    end
  end
end

-- The latest registration counts, as in Node.
local function find(list, listener)
  local first = list.first or 1
  local lowest = math.max(first, list.last - FEW)
  for i = list.last, lowest, -1 do
    if is_of(list[i], listener) then
      return i
    end
  end
  if lowest == first then
    return nil
  elseif not list.places then
    find_places(list)
  end
  local queue = list.places[listener]
  return queue and queue[queue.last]
end

-- Changes -------------------------------------------------------------------------------

--- listeners.with(list | nil, entry, in_front) -> list: with the entry at its end, or in
-- front.  The list that was given is not to be used any more.
function M.with(list, entry, in_front)
  if not list then
    births = births + 1
    return { entry, last = 1, birth = births, walked = false }
  elseif list.walked then
    list = copy(list)
  end
  local at = in_front and (list.first or 1) - 1 or list.last + 1
  list[at] = entry
  list[in_front and 'first' or 'last'] = at
  if list.places then
    note(list.places, entry, at, in_front)
  end
  return list
end

-- Its ends are entries.
local function trim(list)
  local first, last, holes = list.first or 1, list.last, list.holes
  while list[last] == false do
    list[last], last, holes = nil, last - 1, holes - 1
  end
  while list[first] == false do
    list[first], first, holes = nil, first + 1, holes - 1
  end
  list.first, list.last = first ~= 1 and first or nil, last
  list.holes = holes > 0 and holes or nil
end

--- listeners.count(list) -> integer
function M.count(list)
  return list.last - (list.first or 1) + 1 - (list.holes or 0)
end

--- listeners.sole(list) -> the entry, if there is only one, or nil.
function M.sole(list)
  local first = list.first or 1
  return first == list.last and list[first] or nil
end

-- Takes one of several entries out.
local function punch(list, at)
  local entry = list[at]
  list[at], list.holes = false, (list.holes or 0) + 1
  if list.places then
    forget(list, entry)
  end
  trim(list)
  local too_many = list.holes and list.holes > M.count(list) + FEW
  return too_many and copy(list) or list
end

--- listeners.without(list, listener) -> list | nil: empty, boolean: found.  Takes out the
-- latest entry that is `listener` or has it as its function.  The list that was given is
-- not to be used any more.
function M.without(list, listener)
  if list.walked then
    list = copy(list)
  end
  local at = find(list, listener)
  if not at then
    return list, false
  elseif list.last == (list.first or 1) then
    return nil, true
  end
  return punch(list, at), true
end

--- listeners.array(list | nil, map) -> array of `map(entry)`.
function M.array(list, map)
  local array = {}
  for i = list and list.first or 1, list and list.last or 0 do
    if list[i] then
      array[#array + 1] = map(list[i])
    end
  end
  return array
end

return M
