--- What a peer controls, field by field: hostile values, and what comes of each.
--
-- A row: `field`, `value` (in words), `outcome`, and what is sent: `message` (a table,
-- encoded), or `bytes` (as they are), with `attach`, descriptors as raw_peer.c knows
-- them.  `only` is the serialization that it is about; without it, both.  `heard`: how
-- many messages a listener gets of it, 0 or 1.
--
-- Outcomes: `accepted`, heard or passed over, and the channel goes on; `refused`, the
-- peer gets the answer NODE_HANDLE_NACK, and the channel goes on; `error`, one event
-- `error`, then `disconnect`.
local M = {}

local rows = {} -- by field

--- hostile.fields: the rows by field, in order: { name = field, row, … }.
M.fields = {}

local function add(field, value, outcome, fields)
  fields.value, fields.outcome = value, outcome
  if not rows[field] then
    rows[field] = { name = field }
    table.insert(M.fields, rows[field])
  end
  table.insert(rows[field], fields)
end

-- Frames --------------------------------------------------------------------------------

local function line(value, text, outcome, heard)
  add('line', value, outcome, { only = 'json', bytes = text .. '\n', heard = heard })
end

line('empty', '', 'error')
line('blank', '  ', 'error')
line('a carriage return', '1\r', 'accepted', 1)
line('NUL', '\0', 'error')
line('NUL in a string', '"\0"', 'error')
line('two values', '1 2', 'error')
line('a comment', '1 // one', 'error')
line('a comma too many', '[1,]', 'error')
line('a string that does not end', '"abc', 'error')
line('a byte order mark', '\xef\xbb\xbf1', 'error')
line('nan', 'nan', 'error')
line('hexadecimal', '0x10', 'error')
line('a leading zero', '01', 'error')
line('an exponent beyond all', '1e999999999999', 'accepted', 1)
line('20 000 digits', ('9'):rep(20000), 'accepted', 1)
line('what is not UTF-8', '"\xff\xc0\x80\xed\xa0\x80"', 'accepted', 1)
line('half a surrogate', [["\ud800"]], 'accepted', 1)
line('a key many times', '{' .. ('"a":1,'):rep(10000) .. '"a":2}', 'accepted', 1)
line('brackets without end', ('['):rep(30000), 'error')
line('braces without end', ('{"a":'):rep(30000), 'error')
line('20 000 lists in one', '[' .. ('[],'):rep(20000) .. '[]]', 'accepted', 1)

local function frame(value, bytes, outcome, heard)
  add('frame', value, outcome, { only = 'advanced', bytes = bytes, heard = heard })
end

frame('of no bytes', '\0\0\0\0', 'error')
frame('longer than allowed', '\x40\0\0\1', 'error')
frame('of 4 GiB', '\xff\xff\xff\xff', 'error')

local function payload(value, bytes, outcome, heard)
  frame(value, string.pack('>s4', '\xff\x0f' .. bytes), outcome, heard)
end

frame('without a version', string.pack('>s4', '_'), 'error')
frame('of a later version', string.pack('>s4', '\xff\x10_'), 'error')
payload('without a value', '', 'error')
payload('with two values', '__', 'error')
payload('with padding alone', ('\0'):rep(20000), 'error')
payload('with padding in front', ('\0'):rep(20000) .. '_', 'accepted', 1)
payload('of an unknown tag', '!', 'error')
payload('of a string without its bytes', '"\x7f', 'error')
payload('of a string of 2^32-1 bytes', '"\xff\xff\xff\xff\x0f', 'error')
payload('of a length in too many bytes', '"' .. ('\x80'):rep(20) .. '\0', 'error')
payload('of UTF-16 of an odd length', 'c\3abc', 'error')
payload('of a list of 2^32-1', 'A\xff\xff\xff\xff\x0f', 'error')
payload(
  'of a list with holes of 2^32-1',
  'a\xff\xff\xff\xff\x0f@\0\xff\xff\xff\xff\x0f',
  'accepted',
  1
)
payload('of a list with another count', 'A\1I\2$\0\5', 'error')
payload('of an object that goes on', 'o"\1aI\2', 'error')
payload('of an object with another count', 'o"\1aI\2{\7', 'error')
payload('of a Map with another count', ';"\1aI\2:\7', 'error')
payload('of a Map of a key alone', ';I\2:\1', 'error')
payload('of a Set with another count', "'I\2,\7", 'error')
payload('of a reference to nothing', '^\5', 'error')
payload('of a cycle', 'o"\1a^\0{\1', 'accepted', 1)
payload('of a key that is an object', 'oo{\0I\2{\1', 'error')
payload('of a BigInt without its bytes', 'Z\x80\x01', 'error')
payload(
  'of a BigInt of 20 000 bytes',
  'Z' .. '\xc0\xb8\2' .. ('\xff'):rep(20000),
  'accepted',
  1
)
payload('of a double without its bytes', 'N\0\0', 'error')
payload('of a view beyond its buffer', 'B\4abcdVB\2\x10', 'error')
payload('of a view of nothing', 'VB\0\4', 'error')
payload('of an unknown Error', 'rZ.', 'error')
payload('of a RegExp with unknown flags', 'R"\1a\xff\xff\x7f', 'accepted', 1)
payload('of a shared buffer', 'u\0', 'error')
payload('of a transferred buffer', 't\0', 'error')
payload('of a host object', '\\\0', 'error')
payload('of objects without end', ('o"\1a'):rep(30000), 'error')

add(
  'frame',
  'that is not finished',
  'accepted',
  { only = 'json', bytes = '{"cmd":', unfinished = true }
)
add(
  'frame',
  'that is not finished',
  'accepted',
  { only = 'advanced', bytes = '\0\0\1\0\xff', unfinished = true }
)

-- cmd -----------------------------------------------------------------------------------

local function cmd(value, given, heard)
  add('cmd', value, 'accepted', { message = { cmd = given }, heard = heard })
end

cmd('the prefix alone', 'NODE_', 1)
cmd('an unknown one', 'NODE_X', 0)
cmd('of Node, not of ours', 'NODE_CLUSTER', 0)
cmd('with NUL', 'NODE_HANDLE\0', 0)
cmd('20 000 bytes long', 'NODE_' .. ('x'):rep(20000), 0)
cmd('a number', 5, 1)
cmd('a table', { 'NODE_HANDLE' }, 1)
cmd('false', false, 1)

-- NODE_HANDLE ---------------------------------------------------------------------------

local NULL = { 'open 0 /dev/null' }

local function handle(field, value, fields, outcome, more)
  local row =
    { message = { cmd = 'NODE_HANDLE', msg = 'x', type = 'lua.Fd' }, attach = NULL }
  for name, given in pairs(fields) do
    row.message[name] = given
  end
  for name, given in pairs(more or {}) do
    row[name] = given
  end
  add('NODE_HANDLE ' .. field, value, outcome or 'accepted', row)
end

local TYPES = { 'lua.File', 'lua.Fd', 'net.Socket', 'net.Server', 'dgram.Socket' }

for _, name in ipairs(TYPES) do
  handle(
    'descriptor of ' .. name,
    'none',
    { type = name },
    'refused',
    { attach = {}, heard = 0 }
  )
  for _, kind in ipairs {
    'open 3 /dev/null', -- neither reading nor writing
    'open 2097152 /dev/null', -- O_PATH
    'open 65536 /', -- a folder
    'open 1 /dev/null',
    'pipe 0',
    'pipe 1',
    'pair 1', -- stream
    'pair 2', -- datagram
    'pair 5', -- packets
    'tcp new',
    'tcp listening',
    'tcp connected',
    'tcp lingering',
    'udp',
    'epoll',
    'event 0',
    'channel', -- its own end
  } do
    -- who writes to the child's end of the channel writes to himself
    if name ~= 'net.Socket' or kind ~= 'channel' then
      handle(
        'descriptor of ' .. name,
        kind,
        { type = name },
        nil,
        { attach = { kind }, heard = 1 }
      )
    end
  end
  handle(
    'descriptors of ' .. name,
    'three',
    { type = name },
    nil,
    { attach = { NULL[1], NULL[1], NULL[1] }, heard = 1 }
  )
end

local many = {}
for i = 1, 253 do
  many[i] = NULL[1]
end
handle('descriptors', '253', {}, nil, { attach = many, heard = 1 })
add(
  'descriptors',
  'with a message that wants none',
  'accepted',
  { message = { 1 }, attach = many, heard = 1 }
)

-- a table cannot have nil
local function without(field)
  local message = { cmd = 'NODE_HANDLE', msg = 'x', type = 'lua.Fd' }
  message[field] = nil
  add(
    'NODE_HANDLE ' .. field,
    'none',
    'accepted',
    { message = message, attach = NULL, heard = 1 }
  )
end
without 'type'
without 'msg'

for value, given in pairs {
  ['a number'] = 1,
  ['true'] = true,
  ['a table'] = { 'lua.Fd' },
  ['empty'] = '',
  ['the name of a file of ours'] = 'pipe',
  ["Node's net.Native"] = 'net.Native',
  ['20 000 bytes'] = ('x'):rep(20000),
} do
  handle('type', value, { type = given }, nil, { heard = 1 })
end

handle('msg', 'false', { msg = false }, nil, { heard = 1 })
handle(
  'msg',
  'NODE_HANDLE again',
  { msg = { cmd = 'NODE_HANDLE', msg = 'y', type = 'lua.Fd' } },
  nil,
  { heard = 0 }
)
handle(
  'msg',
  'NODE_HANDLE_ACK',
  { msg = { cmd = 'NODE_HANDLE_ACK' } },
  nil,
  { heard = 0 }
)

for value, given in pairs {
  ['a number'] = 5,
  ['a table'] = {},
  ['empty'] = '',
  ['20 000 bytes'] = ('k'):rep(20000),
  ['with NUL'] = '\0',
} do
  for _, name in ipairs(TYPES) do
    handle(
      'key of ' .. name,
      value,
      { key = given, type = name },
      nil,
      { attach = { 'tcp connected' }, heard = 1 }
    )
  end
end

for field, values in pairs {
  sides = { 'x', 5, {}, 'readable', 'writable' },
  unread = { 5, {}, '=', '\0', ('A'):rep(20000) },
  allowHalfOpen = { 'yes', 5, {} },
} do
  for i, given in ipairs(values) do
    for _, kind in ipairs { 'tcp connected', 'pipe 0', 'pipe 1' } do
      handle(
        field,
        ('number %d with %s'):format(i, kind),
        { [field] = given, type = 'net.Socket' },
        nil,
        { attach = { kind }, heard = 1 }
      )
    end
  end
end
handle(
  'sides',
  'writable, with unread',
  { sides = 'writable', unread = 'QUJD', type = 'net.Socket' },
  nil,
  { attach = { 'pipe 1' }, heard = 1 }
)
for i, given in ipairs { 'unix', 5, {}, 'udp6' } do
  handle(
    'dgramType',
    'number ' .. i,
    { dgramType = given, type = 'dgram.Socket' },
    nil,
    { attach = { 'udp' }, heard = 1 }
  )
end

-- Answers to what was not asked ---------------------------------------------------------

for _, name in ipairs {
  'NODE_HANDLE_ACK',
  'NODE_HANDLE_NACK',
  'NODE_SOCKET_COUNT',
  'NODE_SOCKET_ALL_CLOSED',
  'NODE_SOCKET_GET_COUNT',
  'NODE_SOCKET_NOTIFY_CLOSE',
} do
  for value, key in pairs {
    ['without a key'] = false,
    ['of an unknown key'] = 'unknown',
    ['of a number'] = 5,
    ['of a table'] = {},
    ['of 20 000 bytes'] = ('k'):rep(20000),
  } do
    local message = { cmd = name, key = key or nil, count = -1 }
    add(name, value, 'accepted', { message = message, heard = 0, times = 5 })
  end
end

return M
