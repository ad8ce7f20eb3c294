--- What an object reports about itself to cp.active: each class adds a function here, so
-- that no other file needs to know its private fields.
local M = {}

-- class -> function(subject) -> table
local tellers = {}

--- facts.add(class, teller): teller(subject) -> table; `subject` is the object that a
-- handle belongs to.
-- @param class string|table: the handle's in the core, or the subject's metatable, for
--   one that is not the usual subject of such a handle
function M.add(class, teller)
  tellers[class] = teller
end

--- facts.of(class, subject) -> table
function M.of(class, subject)
  local teller = tellers[getmetatable(subject)] or tellers[class]
  return teller(subject)
end

return M
