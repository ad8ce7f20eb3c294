--- What a reading side has read and nobody has taken yet.
--
-- Chunks `_buffer[_head .. _tail]` of the stream; of the first one, `_skip` bytes are
-- taken already, so that many small reads do not copy a large chunk again and
-- again.  `_head` only grows: who searches the buffer sees that others have read.
local M = {}

--- The fields of a stream that has no reading side: of the class.
M.defaults = { readableLength = 0, _buffer = {}, _head = 1, _tail = 0, _skip = 0 }

--- Sets up the fields that change.
function M.init(self)
  self._buffer = {}
end

--- Adds a chunk at the end.
function M.append(self, chunk)
  local tail = self._tail + 1
  self._tail = tail
  self._buffer[tail] = chunk
  self.readableLength = self.readableLength + #chunk
end

-- Takes up to `limit` bytes of the first chunk.
local function shift(self, limit)
  local buffer, head, skip = self._buffer, self._head, self._skip
  local first = buffer[head]
  if limit < #first - skip then
    self._skip = skip + limit
    return first:sub(skip + 1, skip + limit)
  end
  buffer[head] = nil
  self._head, self._skip = head + 1, 0
  return skip == 0 and first or first:sub(skip + 1)
end

--- Takes `count` bytes; 0 < count <= readableLength.
function M.pull(self, count)
  self.readableLength = self.readableLength - count
  local chunk = shift(self, count)
  if #chunk == count then
    return chunk
  end
  local parts, missing = { chunk }, count - #chunk
  while missing > 0 do
    chunk = shift(self, missing)
    parts[#parts + 1] = chunk
    missing = missing - #chunk
  end
  return table.concat(parts)
end

--- Takes everything, '' if there is nothing.
function M.pull_all(self)
  return self.readableLength > 0 and M.pull(self, self.readableLength) or ''
end

--- The size of the first chunk; readableLength > 0.
function M.first_size(self)
  return #self._buffer[self._head] - self._skip
end

local function continues_character(chunk, index)
  local byte = chunk:byte(index)
  return byte ~= nil and byte & 0xC0 == 0x80
end

--- Where UTF-8 text may be cut: the largest count up to `n` that ends with a character,
-- or the end of the first character if that is longer.  0 < n < readableLength.
function M.whole_characters(self, n)
  local index, at = self._head, self._skip + n
  while at > #self._buffer[index] do
    at = at - #self._buffer[index]
    index = index + 1
  end
  local chunk, back, ahead = self._buffer[index], 0, 0
  while continues_character(chunk, at - back + 1) do
    back = back + 1
  end
  if back < n then
    return n - back
  end
  while continues_character(chunk, at + ahead + 1) do
    ahead = ahead + 1
  end
  return n + ahead
end

return M
