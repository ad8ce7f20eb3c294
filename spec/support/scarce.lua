--- For programs that run out of descriptors: fixtures, started by a spec in a process of
-- their own with few of them.
local lfs = require 'lfs'

local M = {}

--- How many descriptors this process has open, the one for looking included.
function M.count()
  local n = 0
  for _ in lfs.dir '/proc/self/fd' do
    n = n + 1
  end
  return n
end

local function take_all()
  local taken = {}
  repeat
    local file = io.open '/dev/null'
    taken[#taken + 1] = file
  until not file
  return taken
end

--- Takes every descriptor there is, and gives back one after another until `attempt()`
-- returns true.  One that fails may keep `allowed` descriptors (default 0), all of them
-- together.
function M.until_enough(attempt, allowed)
  allowed = allowed or 0
  local taken, failures, before = take_all(), 0, nil
  while not attempt() do
    local kept = before and M.count() - before or 0
    assert(kept <= allowed, 'a failed start has kept descriptors')
    failures = failures + 1
    table.remove(taken):close()
    before = M.count() - kept
  end
  before = M.count()
  assert(attempt())
  assert(M.count() == before)
  assert(failures >= 3, failures)
end

return M
