-- Any stream of bytes on a channel: through a socket, in pieces, with a listener that is
-- there, or comes and goes.  The first byte chooses the serialization and the listener,
-- the second the pieces, and a third byte that is odd that a descriptor goes with some.
local ends = dofile(debug.getinfo(1, 'S').source:match '^@(.*/)' .. 'ends.lua')
local raw = ends.raw

-- How the listener behaves: always there, never, or for every other piece.
local LISTENERS = { 'always', 'never', 'sometimes', 'at the end' }

return ends.balance(function(data)
  if #data < 3 then
    return
  end
  local mode, step, attach = data:byte(1, 3)
  local listener = LISTENERS[mode >> 1 & 3]
  local ours, theirs = raw.pair()
  local owner = ends.new(ours, mode & 1 == 1)
  local function hear(_, handle)
    ends.use(handle)
  end
  if listener == 'always' then
    owner:on('message', hear)
  end
  local at, fd = 4, raw.open()
  while at <= #data do
    local n = 1 + step % 61
    step = (step * 75 + 74) % 65537
    if attach & 1 == 1 and step & 8 == 8 then
      raw.send(theirs, data:sub(at, at + n - 1), fd)
    else
      raw.send(theirs, data:sub(at, at + n - 1))
    end
    at = at + n
    if step & 1 == 1 then
      ends.turn()
    end
    if listener == 'sometimes' then
      owner:removeAllListeners 'message'
      if step & 2 == 2 then
        owner:on('message', hear)
      end
    end
  end
  raw.receive(theirs)
  if mode & 8 == 8 and owner.connected then
    owner:send('x')
    owner:disconnect()
  end
  raw.close(theirs)
  raw.close(fd)
  ends.finish(owner)
  owner:on('message', hear)
  ends.turn(2)
end)
