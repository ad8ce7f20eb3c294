--- A list of requests, each of which is in one list at most, so that it can be removed
-- wherever it stands: `first`, `last`, `length`; the requests have `before`, `behind` and
-- `list`.
local M = {}

local Queue = {}
Queue.__index = Queue

--- queue.new() -> an empty list.
function M.new()
  return setmetatable({ length = 0 }, Queue)
end

--- queue:push(request): adds it at the end.
function Queue:push(request)
  request.list, request.before, request.behind = self, self.last, nil
  if self.last then
    self.last.behind = request
  else
    self.first = request
  end
  self.last, self.length = request, self.length + 1
end

--- queue:unshift(request): adds it at the beginning.
function Queue:unshift(request)
  request.list, request.before, request.behind = self, nil, self.first
  if self.first then
    self.first.before = request
  else
    self.last = request
  end
  self.first, self.length = request, self.length + 1
end

--- queue:remove(request) -> request, which is in this list.
function Queue:remove(request)
  local before, behind = request.before, request.behind
  if before then
    before.behind = behind
  else
    self.first = behind
  end
  if behind then
    behind.before = before
  else
    self.last = before
  end
  request.list, request.before, request.behind = nil, nil, nil
  self.length = self.length - 1
  return request
end

--- queue:shift() -> the first request, removed | nil
function Queue:shift()
  return self.first and self:remove(self.first)
end

return M
