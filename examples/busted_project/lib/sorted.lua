--- Lines, sorted by sort(1).
local cp = require 'child_process'

--- sorted(lines [, options]) -> array.  Raises what sort has written to stderr.
return function(lines, ...)
  local sort <close> = cp.spawn('sort', { ... })
  sort.stdin:finish(table.concat(lines, '\n') .. '\n')
  local result = sort:wait()
  if not result.ok then
    error(result.stderr, 2)
  end
  local found = {}
  for line in result.stdout:gmatch '[^\n]+' do
    found[#found + 1] = line
  end
  return found
end
