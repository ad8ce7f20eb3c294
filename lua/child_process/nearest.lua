--- Finds the name that was probably meant.
local M = {}

-- Longer ones are not compared: the cost grows with the square.
local MAX_LENGTH = 40

-- Case and separators between words do not count.
local function plain(name)
  return (name:lower():gsub('[_%-%s]', ''))
end

-- One row of the table of distances: `above` is the row before, `over` the one before
-- that, needed for a swap of two neighbours.
local function next_row(a, b, i, above, over)
  local row = { [0] = i }
  for j = 1, #b do
    local cost = a[i] == b[j] and 0 or 1
    row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost)
    if i > 1 and j > 1 and a[i] == b[j - 1] and a[i - 1] == b[j] then
      row[j] = math.min(row[j], over[j - 2] + 1)
    end
  end
  return row
end

-- How many letters must be added, left out, replaced or swapped with the next one
-- (Damerau and Levenshtein, without moves inside a swap).
local function distance(a, b)
  a, b = { a:byte(1, -1) }, { b:byte(1, -1) }
  local above, over = { [0] = 0 }, nil
  for j = 1, #b do
    above[j] = j
  end
  for i = 1, #a do
    above, over = next_row(a, b, i, above, over), above
  end
  return above[#b]
end

--- nearest.find(name, names [, most]) -> string|nil: the one of `names` that differs
-- least, if it differs in no more than `most` letters (default: a third of its own).
-- @param names table: the known names as its keys
function M.find(name, names, most)
  if #name > MAX_LENGTH then
    return nil
  end
  local found, least
  for known in pairs(names) do
    local d = distance(plain(name), plain(known))
    local is_near = d <= (most or math.max(1, #known // 3))
    if is_near and (not found or d < least or d == least and known < found) then
      found, least = known, d
    end
  end
  return found
end

--- nearest.hint(name, names [, most]) -> string: `; did you mean 'timeout'?`, or nothing.
function M.hint(name, names, most)
  local found = M.find(name, names, most)
  return found and ("; did you mean '%s'?"):format(found) or ''
end

return M
