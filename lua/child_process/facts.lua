--- What an object reports about itself to cp.active: each class adds a function here, so
-- that no other file needs to know its private fields.
local M = {}

-- class of the handle in the core -> function(subject) -> table
local tellers = {}

--- facts.add(class, teller): teller(subject) -> table; `subject` is the object that a
-- handle of that class belongs to.
function M.add(class, teller)
  tellers[class] = teller
end

--- facts.of(class, subject) -> table
function M.of(class, subject)
  return tellers[class](subject)
end

return M
