--- What a pipe() from child to child leaves to the kernel.
local lazy = require 'child_process.lazy'

-- busted gives each file a `package.loaded` of its own, but there is one module.
local splicing = lazy.require 'child_process.stream.splicing'

local M = { splicing = splicing }

--- Counts what the kernel moves from `source`, until that is closed.  Returns a function
-- that says how much that was; `fn(moved)` is called after each attempt.
function M.watch(source, fn)
  local move, total = splicing.move, 0
  splicing.move = function(src, dest)
    local moved = move(src, dest)
    if src == source then
      total = total + (moved or 0)
      if fn then
        fn(moved)
      end
    end
    return moved
  end
  source:on('close', function()
    splicing.move = move
  end)
  return function()
    return total
  end
end

return M
