--- The other processes that have sockets of a server.
local loop = require 'child_process.loop'

local M = {}

local nextTick = loop.nextTick

--- workers.add(server, list): another process has some of its sockets.  `list` knows
-- how many are open there, with the methods getConnections(callback(err, count)),
-- close(callback()), called when all are closed, and once('exit', fn) for the end of that
-- process.
function M.add(self, list)
  self._workers = self._workers or {}
  table.insert(self._workers, list)
  list:once('exit', function()
    for i, other in ipairs(self._workers) do
      if other == list then
        return table.remove(self._workers, i)
      end
    end
  end)
end

--- workers.ask(server, each, finished): calls `each(list, done)` for every worker, and
-- `finished` when all are done.
function M.ask(self, each, finished)
  local lists = { table.unpack(self._workers or {}) }
  local left = #lists
  if left == 0 then
    return nextTick(finished)
  end
  for _, list in ipairs(lists) do
    each(list, function()
      left = left - 1
      if left == 0 then
        finished()
      end
    end)
  end
end

--- workers.exist(server) -> boolean
function M.exist(self)
  return self._workers ~= nil and #self._workers > 0
end

return M
