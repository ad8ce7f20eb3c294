--- What the seven calls refuse: (call, place, bad value) -> name, code and message of the
-- error.  The same table is the program for a real Node, see `M.node_program`.
local cp = require 'child_process'

local M = {}

-- Values ------------------------------------------------------------------------------

local nan, huge = 0 / 0, math.huge

-- Each: the value, the same for Node, `type`: how it stands behind "Received" where its
-- type is wrong, `shown`: where its value is; `node_type` and `node_shown`: how it stands
-- there in Node, if otherwise.
local VALUES = {
  nothing = { nil, 'undefined', type = 'nil', node_type = 'undefined' },
  zero = { 0, '0', type = 'type number (0)', shown = '0' },
  one = { 1, '1', type = 'type number (1)', shown = '1' },
  minus = { -1, '-1', type = 'type number (-1)', shown = '-1' },
  fraction = { 3.1, '3.1', type = 'type number (3.1)', shown = '3.1' },
  big = { 1 << 40, '2 ** 40', shown = '1099511627776', node_shown = '1_099_511_627_776' },
  huge_id = { 2 ^ 63, '2 ** 63' },
  unsafe = { 2 ^ 53, '2 ** 53', shown = '9007199254740992' },
  no_id = { 0xFFFFFFFF, '0xFFFFFFFF', shown = '4294967295' },
  signal_500 = { 500, '500', shown = '500' },
  nan = { nan, 'NaN', shown = tostring(nan), node_shown = 'NaN' },
  infinity = { huge, 'Infinity', shown = 'inf', node_shown = 'Infinity' },
  minus_infinity = { -huge, '-Infinity', shown = '-inf', node_shown = '-Infinity' },
  word = { 'word', "'word'", type = "type string ('word')", shown = "'word'" },
  empty = { '', "''", type = "type string ('')", shown = "''" },
  SIGNONE = { 'SIGNONE', "'SIGNONE'", shown = 'SIGNONE' },
  TERM = { 'TERM', "'TERM'", shown = 'TERM' },
  nul = { 'a\0b', "'a\\0b'", shown = "'a\\x00b'" },
  yes = { true, 'true', type = 'type boolean (true)', shown = 'true' },
  no = { false, 'false', type = 'type boolean (false)', shown = 'false' },
  table = {
    {},
    '{}',
    type = 'a table',
    shown = 'a table',
    node_type = 'an instance of Object',
    node_shown = '{}',
  },
  -- in Lua an empty array and an empty table are the same
  list = {
    { 'a' },
    "['a']",
    type = 'a table',
    shown = 'a table',
    node_type = 'an instance of Array',
    node_shown = "[ 'a' ]",
  },
  fields = {
    { x = 1 },
    '{ x: 1 }',
    type = 'a table',
    shown = 'a table',
    node_type = 'an instance of Object',
    node_shown = '{ x: 1 }',
  },
  mixed = { { 'a', x = 1 }, "Object.assign(['a'], { x: 1 })", type = 'a table' },
  func = {
    print,
    'nameless',
    type = 'a function',
    shown = 'a function',
    node_type = 'function ',
    node_shown = '[Function (anonymous)]',
  },
  controller = {
    cp.AbortController(),
    'new AbortController()',
    type = 'an instance of child_process.AbortController',
    node_type = 'an instance of AbortController',
  },
  ipc = { 'ipc', "'ipc'", shown = "'ipc'" },
}

-- Places ------------------------------------------------------------------------------

-- Where a bad value can stand.  `lua(call, value, option)` -> the arguments of the call;
-- `node` is the same for Node, V being the value, O the option.
local PLACES = {}

PLACES.first = {
  lua = function(_, value)
    return { value }
  end,
  node = '(V)',
}

PLACES.args = {
  lua = function(_, value)
    return { 'true', value }
  end,
  node = "('true', V)",
}

PLACES.an_argument = {
  lua = function(_, value)
    return { 'true', { 'a', value } }
  end,
  node = "('true', ['a', V])",
}

PLACES.options = {
  lua = function(call, value)
    return call:find '^exec' and not call:find 'File' and { 'true', value }
      or { 'true', {}, value }
  end,
  node = "('true', [], V)",
  node_exec = "('true', V)",
}

-- of exec and execFile
PLACES.callback = {
  lua = function(call, value)
    return call == 'exec' and { 'true', {}, value } or { 'true', {}, {}, value }
  end,
  node = "('true', [], {}, V)",
  node_exec = "('true', {}, V)",
}

local function with_option(make, text)
  return {
    lua = function(call, value, option)
      return PLACES.options.lua(call, { [option] = make(value) })
    end,
    node = "('true', [], { O: " .. text .. ' })',
    node_exec = "('true', { O: " .. text .. ' })',
  }
end

PLACES.option = with_option(function(value)
  return value
end, 'V')

PLACES.item = with_option(function(value)
  return { value }
end, '[V]')

PLACES.variable = with_option(function(value)
  return { A = value }
end, '{ A: V }')

PLACES.variable_name = with_option(function(value)
  return { [value] = 'x' }
end, '{ [V]: "x" }')

PLACES.two_items = with_option(function(value)
  return { value, value }
end, '[V, V]')

-- The table ---------------------------------------------------------------------------

local ALL = 'spawn exec execFile fork spawnSync execSync execFileSync'
local SYNC = 'spawnSync execSync execFileSync'
local LATER = 'spawn exec execFile fork'

local TYPE, VALUE = 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE'
local RANGE, SIGNAL = 'ERR_OUT_OF_RANGE', 'ERR_UNKNOWN_SIGNAL'

-- Why Node's error is another one, or none.
local STRICT = 'it passes over a value of a wrong type'
local BYTES = 'it names types that Lua does not have'
local ONE_NAME = 'it gives the option another name'
local LUA = 'Lua has one kind of table, and nil'
local HELP = 'it does not say what to write instead'

-- `node` is missing where Node says the very same.  Else `words` (why the message is
-- another one, name and code being the same), `takes` (why Node lets it pass), `since`
-- (that version says so; older ones something else), `words_since` (older ones say it in
-- other words), or `says` (its code, why).
--
-- In `message`, $option is `options.NAME`, $type and $shown are those of the value, $call
-- is the call's name and $first that of its first argument.
local ROWS = {
  -- the first argument
  {
    place = 'first',
    calls = 'spawn execFile spawnSync execFileSync',
    values = 'nothing zero yes table func',
    code = TYPE,
    message = 'The "file" argument must be of type string. Received $type',
  },
  {
    place = 'first',
    calls = 'exec execSync',
    values = 'nothing zero yes table func',
    code = TYPE,
    message = 'The "command" argument must be of type string. Received $type',
  },
  {
    place = 'first',
    calls = 'fork',
    values = 'nothing zero yes table func',
    code = TYPE,
    message = 'The "modulePath" argument must be of type string. Received $type',
    node = { words = BYTES },
  },
  {
    place = 'first',
    calls = 'spawn execFile spawnSync execFileSync',
    values = 'empty',
    code = VALUE,
    message = "The argument 'file' cannot be empty. Received $shown",
  },
  {
    place = 'first',
    calls = 'exec execSync',
    values = 'empty',
    code = VALUE,
    message = "The argument 'command' cannot be empty. Received $shown",
    node = { words = ONE_NAME },
  },
  {
    place = 'first',
    calls = 'fork',
    values = 'empty',
    code = VALUE,
    message = "The argument 'modulePath' cannot be empty. Received $shown",
    node = { takes = 'it starts an interpreter that waits for a program' },
  },
  {
    place = 'first',
    calls = 'spawn execFile spawnSync execFileSync',
    values = 'nul',
    code = VALUE,
    message = "The argument 'file' must be a string without null bytes. "
      .. 'Received $shown',
  },
  {
    place = 'first',
    calls = 'exec execSync',
    values = 'nul',
    code = VALUE,
    message = "The argument 'command' must be a string without null bytes. "
      .. 'Received $shown',
  },
  {
    place = 'first',
    calls = 'fork',
    values = 'nul',
    code = VALUE,
    message = "The argument 'modulePath' must be a string without null bytes. "
      .. 'Received $shown',
    node = { words = BYTES },
  },
  {
    place = 'first',
    calls = 'spawn execFile spawnSync execFileSync fork',
    values = 'list',
    code = TYPE,
    message = 'The "$first" argument must be of type string. Received $type'
      .. "; write cp.$call('a')",
    node = { words = HELP },
  },
  {
    place = 'first',
    calls = 'exec',
    values = 'list',
    code = TYPE,
    message = 'The "command" argument must be of type string. Received $type; '
      .. "write cp.execFile('a')",
    node = { words = HELP },
  },
  {
    place = 'first',
    calls = 'execSync',
    values = 'list',
    code = TYPE,
    message = 'The "command" argument must be of type string. Received $type; '
      .. "write cp.execFileSync('a')",
    node = { words = HELP },
  },

  -- the arguments
  {
    place = 'args',
    calls = 'spawn execFile fork spawnSync execFileSync',
    values = 'zero one yes no',
    code = TYPE,
    message = 'The "args" argument must be of type table. Received $type',
    node = { words = LUA },
  },
  {
    place = 'args',
    calls = 'spawn execFile fork spawnSync execFileSync',
    values = 'word empty',
    code = TYPE,
    message = 'The "args" argument must be of type table. Received $type; '
      .. "write cp.$call('true', { $shown })",
    node = { words = HELP },
  },
  {
    place = 'args',
    calls = 'spawn fork',
    values = 'func',
    code = TYPE,
    message = 'The "args" argument must be of type table. Received $type; '
      .. "$call takes no callback: listen for 'close', or use cp.execFile",
    node = { words = HELP },
  },
  {
    place = 'args',
    calls = 'spawnSync',
    values = 'func',
    code = TYPE,
    message = 'The "args" argument must be of type table. Received $type; '
      .. '$call takes no callback: it returns the result',
    node = { words = HELP },
  },
  {
    place = 'args',
    calls = 'execFileSync',
    values = 'func',
    code = TYPE,
    message = 'The "args" argument must be of type table. Received $type; '
      .. '$call takes no callback: it returns the result',
    node = { takes = 'it takes a callback and never calls it' },
  },
  {
    place = 'args',
    calls = 'spawn execFile fork spawnSync execFileSync',
    values = 'mixed',
    code = TYPE,
    message = 'The "args" argument must be an array of arguments or a table of options, '
      .. 'not both. Received $type; write cp.$call($first, args, options)',
    node = { takes = 'its arrays are told from its objects' },
  },
  {
    place = 'an_argument',
    calls = 'spawn execFile fork spawnSync execFileSync',
    values = 'table func',
    code = TYPE,
    message = 'The "args[2]" argument must be of type string. Received $type',
    node = { takes = 'it makes a string of anything' },
  },
  {
    place = 'an_argument',
    calls = 'spawn execFile fork spawnSync execFileSync',
    values = 'nul',
    code = VALUE,
    message = "The argument 'args[2]' must be a string without null bytes. "
      .. 'Received $shown',
    node = { words = 'it counts from 0, and in fork the module as well' },
  },

  -- the options
  {
    place = 'options',
    calls = 'spawn fork execFile spawnSync execFileSync',
    values = 'zero one yes no word empty',
    code = TYPE,
    message = 'The "options" argument must be of type table. Received $type',
    node = { words = LUA },
  },
  {
    place = 'options',
    calls = 'spawn fork',
    values = 'func',
    code = TYPE,
    message = 'The "options" argument must be of type table. Received $type; '
      .. "$call takes no callback: listen for 'close', or use cp.execFile",
    node = { words = HELP },
  },
  {
    place = 'options',
    calls = 'spawnSync execFileSync',
    values = 'func',
    code = TYPE,
    message = 'The "options" argument must be of type table. Received $type; '
      .. '$call takes no callback: it returns the result',
    node = { words = HELP },
  },
  {
    place = 'options',
    calls = 'exec execSync',
    values = 'zero one yes no word empty',
    code = TYPE,
    message = 'The "options" argument must be of type table. Received $type',
    node = { takes = STRICT },
  },
  {
    place = 'options',
    calls = 'execSync',
    values = 'func',
    code = TYPE,
    message = 'The "options" argument must be of type table. Received $type; '
      .. '$call takes no callback: it returns the result',
    node = { takes = 'it takes a callback and never calls it' },
  },
  {
    place = 'options',
    calls = 'spawn fork execFile spawnSync execFileSync',
    values = 'list',
    code = TYPE,
    message = 'The "options" argument must be of type table, with string keys. '
      .. 'Received $type',
    node = { words = LUA },
  },
  {
    place = 'options',
    calls = 'exec',
    values = 'list mixed',
    code = TYPE,
    message = 'The "options" argument must be of type table, with string keys. '
      .. "Received $type; write cp.execFile('true', { 'a' })",
    node = { takes = STRICT },
  },
  {
    place = 'options',
    calls = 'execSync',
    values = 'list mixed',
    code = TYPE,
    message = 'The "options" argument must be of type table, with string keys. '
      .. "Received $type; write cp.execFileSync('true', { 'a' })",
    node = { takes = STRICT },
  },
  {
    place = 'callback',
    calls = 'exec execFile',
    values = 'zero one yes no word empty table',
    code = TYPE,
    message = 'The "callback" argument must be of type function. Received $type',
  },

  -- texts
  {
    option = 'cwd',
    calls = ALL,
    values = 'zero one yes no table list func',
    code = TYPE,
    message = 'The "$option" property must be of type string. Received $type',
    node = { words = BYTES },
  },
  {
    option = 'cwd',
    calls = ALL,
    values = 'nul',
    code = VALUE,
    message = "The property '$option' must be a string without null bytes. "
      .. 'Received $shown',
    node = { words = BYTES },
  },
  {
    option = 'argv0',
    calls = ALL,
    values = 'zero one yes no table list func',
    code = TYPE,
    message = 'The "$option" property must be of type string. Received $type',
  },
  {
    option = 'argv0',
    calls = ALL,
    values = 'nul',
    code = VALUE,
    message = "The property '$option' must be a string without null bytes. "
      .. 'Received $shown',
  },
  {
    option = 'shell',
    calls = 'spawn execFile spawnSync execFileSync',
    values = 'zero one table list func',
    code = TYPE,
    message = 'The "$option" property must be one of type boolean or string. '
      .. 'Received $type',
  },
  {
    option = 'shell',
    calls = 'exec execSync',
    values = 'zero one table list func',
    code = TYPE,
    message = 'The "$option" property must be one of type boolean or string. '
      .. 'Received $type',
    node = { takes = STRICT },
  },
  {
    option = 'shell',
    calls = 'spawn exec execFile spawnSync execSync execFileSync',
    values = 'nul',
    code = VALUE,
    message = "The property '$option' must be a string without null bytes. "
      .. 'Received $shown',
  },
  {
    option = 'encoding',
    calls = 'exec execFile spawnSync execSync execFileSync',
    values = 'one yes table func',
    code = TYPE,
    message = 'The "$option" property must be of type string. Received $type',
    node = { takes = STRICT .. ', or finds it unknown when the child has ended' },
  },
  {
    option = 'encoding',
    calls = SYNC,
    values = 'word',
    code = 'ERR_UNKNOWN_ENCODING',
    message = 'Unknown encoding: word',
    node = { takes = 'it says so when the child has ended, if that has printed' },
  },
  {
    option = 'input',
    calls = SYNC,
    values = 'one yes table func',
    code = TYPE,
    message = 'The "$option" property must be of type string. Received $type',
    node = { words = ONE_NAME },
  },
  {
    option = 'input',
    calls = 'spawn exec execFile',
    values = 'one yes table func',
    code = TYPE,
    message = 'The "$option" property must be of type string. Received $type',
    node = { takes = 'it has the option in the calls that wait only' },
  },

  -- switches
  {
    option = 'detached windowsHide windowsVerbatimArguments',
    calls = 'spawn fork ' .. SYNC,
    values = 'zero one word empty table list func',
    code = TYPE,
    message = 'The "$option" property must be of type boolean. Received $type',
  },
  {
    option = 'detached',
    calls = 'execFile',
    values = 'zero one word empty table list func',
    code = TYPE,
    message = 'The "$option" property must be of type boolean. Received $type',
    node = { takes = 'execFile has no such option there' },
  },
  {
    option = 'windowsHide windowsVerbatimArguments',
    calls = 'exec execFile',
    values = 'zero one word empty table list func',
    code = TYPE,
    message = 'The "$option" property must be of type boolean. Received $type',
    node = { takes = STRICT },
  },
  {
    option = 'silent',
    calls = 'fork',
    values = 'zero one word empty table list func',
    code = TYPE,
    message = 'The "$option" property must be of type boolean. Received $type',
    node = { takes = STRICT },
  },

  -- numbers
  {
    option = 'uid gid',
    calls = ALL,
    values = 'yes no table list func',
    code = TYPE,
    message = 'The "$option" property must be one of type number or string. '
      .. 'Received $type',
    node = { words = 'here a string is a name', since = 25 },
  },
  {
    option = 'uid',
    calls = ALL,
    values = 'word empty',
    code = VALUE,
    message = "The property '$option' is not a user here. Received $shown",
    node = { says = TYPE, since = 25, why = 'here a string is a name' },
  },
  {
    option = 'gid',
    calls = ALL,
    values = 'word empty',
    code = VALUE,
    message = "The property '$option' is not a group here. Received $shown",
    node = { says = TYPE, since = 25, why = 'here a string is a name' },
  },
  {
    option = 'uid gid',
    calls = ALL,
    values = 'nan infinity fraction minus_infinity',
    code = RANGE,
    message = 'The value of "$option" is out of range. It must be an integer. '
      .. 'Received $shown',
    node = { since = 25 },
  },
  {
    option = 'uid gid',
    calls = ALL,
    values = 'big no_id',
    code = RANGE,
    message = 'The value of "$option" is out of range. '
      .. 'It must be >= 0 && <= 4294967294. Received $shown',
    node = { since = 25, words = 'it knows ids up to 2147483647 only' },
  },
  {
    option = 'uid gid',
    calls = ALL,
    values = 'minus',
    code = RANGE,
    message = 'The value of "$option" is out of range. '
      .. 'It must be >= 0 && <= 4294967294. Received $shown',
    node = { says = 'EINVAL', why = 'the system refuses it' },
  },
  {
    option = 'killAfter',
    calls = SYNC,
    values = 'word yes no table list func',
    code = TYPE,
    message = 'The "$option" property must be of type number. Received $type',
    node = { takes = 'it has no such option' },
  },
  {
    option = 'killAfter',
    calls = SYNC,
    values = 'nan infinity fraction',
    code = RANGE,
    message = 'The value of "$option" is out of range. It must be an integer. '
      .. 'Received $shown',
    node = { takes = 'it has no such option' },
  },
  {
    option = 'timeout',
    calls = ALL,
    values = 'word yes no table list func',
    code = TYPE,
    message = 'The "$option" property must be of type number. Received $type',
    node = { since = 25, words = ONE_NAME },
  },
  {
    option = 'timeout',
    calls = ALL,
    values = 'nan infinity fraction',
    code = RANGE,
    message = 'The value of "$option" is out of range. It must be an integer. '
      .. 'Received $shown',
    node = { words = ONE_NAME },
  },
  {
    option = 'timeout',
    calls = ALL,
    values = 'minus',
    code = RANGE,
    message = 'The value of "$option" is out of range. '
      .. 'It must be >= 0 && <= 9007199254740991. Received $shown',
    node = { words = ONE_NAME },
  },
  {
    option = 'timeout',
    calls = ALL,
    values = 'unsafe',
    code = RANGE,
    message = 'The value of "$option" is out of range. '
      .. 'It must be >= 0 && <= 9007199254740991. Received $shown',
    node = { since = 25, words = ONE_NAME },
  },
  {
    option = 'maxBuffer',
    calls = 'exec execFile ' .. SYNC,
    values = 'word yes no table list func',
    code = TYPE,
    message = 'The "$option" property must be of type number. Received $type',
    node = { since = 25 },
  },
  {
    option = 'maxBuffer',
    calls = 'exec execFile ' .. SYNC,
    values = 'minus nan minus_infinity',
    code = RANGE,
    message = 'The value of "$option" is out of range. It must be >= 0. '
      .. 'Received $shown',
    node = { words_since = 25 },
  },
  {
    option = 'maxBuffer',
    calls = 'spawn',
    values = 'word yes',
    code = TYPE,
    message = 'The "$option" property must be of type number. Received $type',
    node = { takes = 'it has no such option there' },
  },

  -- signals
  {
    option = 'killSignal',
    calls = ALL,
    values = 'yes no table list func',
    code = TYPE,
    message = 'The "$option" property must be one of type string or number. '
      .. 'Received $type',
  },
  {
    option = 'killSignal',
    calls = ALL,
    values = 'SIGNONE zero minus fraction signal_500',
    code = SIGNAL,
    message = 'Unknown signal: $shown',
  },
  {
    option = 'killSignal',
    calls = ALL,
    values = 'TERM',
    code = SIGNAL,
    message = "Unknown signal: TERM; did you mean 'SIGTERM'?",
    node = { words = HELP },
  },
  {
    option = 'killSignal',
    calls = ALL,
    values = 'empty',
    code = SIGNAL,
    message = 'Unknown signal: ',
  },
  {
    option = 'signal',
    calls = LATER,
    values = 'word one yes func',
    code = TYPE,
    message = 'The "$option" property must be an instance of AbortSignal. Received $type',
  },
  {
    option = 'signal',
    calls = LATER,
    values = 'table list controller',
    code = TYPE,
    message = 'The "$option" property must be an instance of AbortSignal. Received $type',
  },

  -- words
  {
    option = 'serialization',
    calls = 'spawn fork',
    values = 'word empty one infinity yes no table',
    code = VALUE,
    message = "The property '$option' must be one of: nil, 'json', 'advanced'. "
      .. 'Received $shown',
    node = { words = LUA },
  },
  {
    option = 'serialization',
    calls = 'execFile',
    values = 'word empty one infinity yes no table',
    code = VALUE,
    message = "The property '$option' must be one of: nil, 'json', 'advanced'. "
      .. 'Received $shown',
    node = { takes = 'execFile has no such option there' },
  },

  -- env
  {
    option = 'env',
    calls = ALL,
    values = 'one word yes func',
    code = TYPE,
    message = 'The "$option" property must be of type table. Received $type',
    node = { takes = STRICT },
  },
  {
    option = 'env',
    calls = ALL,
    values = 'list',
    code = TYPE,
    message = 'The "$option" property must be a table with string keys. '
      .. 'Received type number (1)',
    node = { takes = 'a position is a name like any other' },
  },
  {
    option = 'env',
    place = 'variable',
    calls = ALL,
    values = 'table func',
    code = TYPE,
    message = 'The "$option[\'A\']" property must be one of type string, number or '
      .. 'boolean. Received $type',
    node = { takes = 'it makes a string of anything' },
  },
  {
    option = 'env',
    place = 'variable',
    calls = ALL,
    values = 'nul',
    code = VALUE,
    message = "The property '$option['A']' must be a string without null bytes. "
      .. 'Received $shown',
  },
  {
    option = 'env',
    place = 'variable_name',
    calls = ALL,
    values = 'nul',
    code = VALUE,
    message = "The property '$option' must have names that are not empty and without "
      .. "'=' and null bytes. Received $shown",
    node = { words = 'it names the variable' },
  },
  {
    option = 'env',
    place = 'variable_name',
    calls = ALL,
    values = 'empty',
    code = VALUE,
    message = "The property '$option' must have names that are not empty and without "
      .. "'=' and null bytes. Received $shown",
    node = { takes = 'no program could read such a variable' },
  },

  -- stdio
  {
    option = 'stdio',
    calls = 'spawn spawnSync execFileSync execSync fork',
    values = 'word',
    code = VALUE,
    message = "The argument 'stdio' is invalid. Received $shown",
  },
  {
    option = 'stdio',
    calls = 'spawn spawnSync execFileSync execSync',
    values = 'one yes fields',
    code = VALUE,
    message = "The argument 'stdio' is invalid. Received $shown",
  },
  {
    option = 'stdio',
    calls = 'fork',
    values = 'one yes',
    code = VALUE,
    message = "The argument 'stdio' is invalid. Received $shown",
    node = { takes = STRICT },
  },
  {
    option = 'stdio',
    calls = 'fork',
    values = 'fields',
    code = 'ERR_CHILD_PROCESS_IPC_REQUIRED',
    name = 'Error',
    message = "Forked processes must have an IPC channel, missing value 'ipc' in "
      .. 'options.stdio',
    node = { takes = STRICT },
  },
  {
    option = 'stdio',
    calls = 'fork',
    values = 'list',
    code = 'ERR_CHILD_PROCESS_IPC_REQUIRED',
    name = 'Error',
    message = "Forked processes must have an IPC channel, missing value 'ipc' in "
      .. 'options.stdio',
  },
  {
    option = 'stdio',
    place = 'item',
    calls = 'spawn spawnSync execFileSync execSync',
    values = 'table func yes',
    code = VALUE,
    message = "The argument 'stdio' is invalid. Received $shown",
  },
  {
    option = 'stdio',
    place = 'item',
    calls = 'spawn',
    values = 'word',
    code = 'ERR_INVALID_SYNC_FORK_INPUT',
    message = "$option[1] must be 'pipe', 'overlapped', 'ignore', 'inherit', 'ipc', "
      .. 'a descriptor, a file or a stream. Received $shown',
    node = { words = BYTES },
  },
  {
    option = 'stdio',
    place = 'item',
    calls = SYNC,
    values = 'word',
    code = 'ERR_INVALID_SYNC_FORK_INPUT',
    message = "$option[1] must be 'pipe', 'overlapped', 'ignore', 'inherit', 'ipc', "
      .. 'a descriptor, a file or a stream. Received $shown',
    node = { takes = 'it leaves the item out, and shifts those behind it' },
  },
  {
    option = 'stdio',
    place = 'two_items',
    calls = 'spawn fork',
    values = 'ipc',
    code = 'ERR_IPC_ONE_PIPE',
    name = 'Error',
    message = 'Child process can have only one IPC pipe',
  },
  {
    option = 'stdio',
    place = 'item',
    calls = SYNC,
    values = 'ipc',
    code = 'ERR_IPC_SYNC_FORK',
    name = 'Error',
    message = 'IPC cannot be used with synchronous forks',
  },

  {
    option = 'customFds',
    calls = 'spawn exec execFile fork',
    values = 'one yes word fields mixed func',
    code = TYPE,
    message = 'The "$option" property must be an array. Received $type',
    node = { takes = 'it has no such option any more' },
  },

  -- fork
  {
    option = 'execPath',
    calls = 'fork',
    values = 'one yes table func',
    code = TYPE,
    message = 'The "$option" property must be of type string. Received $type',
    node = { words = ONE_NAME },
  },
  {
    option = 'execPath',
    calls = 'fork',
    values = 'nul',
    code = VALUE,
    message = "The property '$option' must be a string without null bytes. "
      .. 'Received $shown',
  },
  {
    option = 'execArgv',
    calls = 'fork',
    values = 'one yes func',
    code = TYPE,
    message = 'The "$option" property must be an array. Received $type',
    node = { says = 'undefined', why = 'its error has no code' },
  },
  {
    option = 'execArgv',
    calls = 'fork',
    values = 'word mixed',
    code = TYPE,
    message = 'The "$option" property must be an array. Received $type',
    node = { takes = 'it takes whatever can be iterated' },
  },
  {
    option = 'execArgv',
    place = 'item',
    calls = 'fork',
    values = 'one yes table',
    code = TYPE,
    message = 'The "$option[1]" property must be of type string. Received $type',
    node = { takes = 'it makes a string of anything' },
  },
  {
    option = 'execArgv',
    place = 'item',
    calls = 'fork',
    values = 'nul',
    code = VALUE,
    message = "The property '$option[1]' must be a string without null bytes. "
      .. 'Received $shown',
    node = { words = 'it counts from 0' },
  },
}

local ERROR_NAMES = { [RANGE] = 'RangeError' }

local TITLES = {
  first = 'first argument',
  args = 'array of arguments',
  an_argument = 'argument of the program',
  options = 'table of options',
  callback = 'callback',
}

-- The cases ---------------------------------------------------------------------------

local FIRST = { exec = 'command', execSync = 'command', fork = 'modulePath' }

local function fill(row, call, option, value, prefix)
  local words = {
    option = option and 'options.' .. option,
    call = call,
    first = FIRST[call] or 'file',
  }
  return (
    row.message:gsub('%$(%a+)', function(word)
      return words[word] or value[prefix .. word] or value[word]
    end)
  )
end

local function new_case(row, call, option, name)
  local value = VALUES[name]
  local place = PLACES[row.place or 'option']
  local is_exec = call == 'exec' or call == 'execSync'
  local what = option and 'options.' .. option or TITLES[row.place]
  local text = is_exec and place.node_exec or place.node
  return {
    title = ('cp.%s, %s: %s'):format(call, what, name),
    call = call,
    place = what,
    arguments = place.lua(call, value[1], option),
    error = {
      name = row.name or ERROR_NAMES[row.code] or 'TypeError',
      code = row.code,
      message = fill(row, call, option, value, ''),
    },
    node = row.node or {},
    node_message = fill(row, call, option, value, 'node_'),
    node_text = 'cp.' .. call .. text:gsub('[VO]', { V = value[2], O = option }),
  }
end

local function each_option(row)
  return (row.option or '-'):gmatch '[%w-]+'
end

--- All cases: { title, call, place, arguments, error, node, node_message, node_text };
-- `place` is what the value stands for, e.g. `options.cwd`.
function M.cases()
  local list = {}
  for _, row in ipairs(ROWS) do
    for call in row.calls:gmatch '%a+' do
      for option in each_option(row) do
        for name in row.values:gmatch '[%w_]+' do
          list[#list + 1] = new_case(row, call, option ~= '-' and option or nil, name)
        end
      end
    end
  end
  return list
end

--- The program for a Node that makes the same calls and sends what each has raised:
-- { name, code, message }, or `taken`.
function M.node_program(cases)
  local lines = {
    "const cp = require('child_process')",
    'const results = []',
    'const nameless = (() => () => {})()',
    'function quiet(child) {',
    '  if (child && child.error) { throw child.error }',
    "  if (child && child.on) { child.on('error', () => {}); child.kill('SIGKILL') }",
    "  return 'taken'",
    '}',
    'function attempt(call) {',
    '  try { results.push(quiet(call())) }',
    '  catch (e) {',
    '    results.push({ name: e.name, code: String(e.code), message: e.message })',
    '  }',
    '}',
  }
  for _, case in ipairs(cases) do
    lines[#lines + 1] = ('attempt(() => %s)'):format(case.node_text)
  end
  lines[#lines + 1] = 'process.send({ version: process.versions.node, results })'
  lines[#lines + 1] = 'process.disconnect()'
  return table.concat(lines, '\n')
end

return M
