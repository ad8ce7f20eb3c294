--- The measures of bench/run, in their order.
--
-- `args` are what the programs get, `quick` replaces the count in them.  `who` are the
-- contestants of `program` (processes), if not all; `other_args`, what one of them gets
-- instead.  The goals: `goals`, how many times as fast as another contestant ours must be
-- at least; `within`, an upper bound of our time, in times of what we need with other
-- arguments right before and after; `at_most`, of our time itself.
-- SPDX-License-Identifier: MIT
local FILE_MIB, QUICK_FILE_MIB = 512, 128
local LINES, QUICK_LINES = 1000000, 300000

local M = {}

--- The size of the file `%FILE` in MiB: of a full run, and of a quick one.
M.file_mib, M.quick_file_mib = FILE_MIB, QUICK_FILE_MIB

--- Units of which less is better.
M.costs = { us = true, ns = true, KiB = true }

local ALL = { 'ours', 'node', 'luv', 'C' }
local WAITERS = { 'ours', 'node', 'C' } -- luv has no calls that wait
local LUA = { 'ours', 'popen' } -- io.popen, the standard library
local LIMIT = { 'C' } -- the machine, whoever uses it
local FORKERS = { 'ours', 'node' } -- luv and C have no channel
local POOLS = { 'ours', 'piscina', 'workerpool', 'python' } -- two workers each

M.list = {
  {
    name = 'spawn',
    about = 'start and reap /bin/true, three pipes, one at a time',
    unit = 'us',
    args = { 'spawn', 200, 1, 0 },
    quick = 80,
    goals = { node = 1.8, luv = 1.0, C = 0.83 },
  },
  {
    name = 'spawn-8',
    about = 'the same, 8 at a time',
    unit = 'us',
    args = { 'spawn', 200, 8, 0 },
    quick = 80,
  },
  {
    name = 'spawn-256M',
    about = 'one at a time, 256 MiB resident in the parent',
    unit = 'us',
    args = { 'spawn', 60, 1, 256 },
    quick = 20,
  },
  {
    name = 'spawn-1G',
    about = 'one at a time, 1 GiB resident in the parent',
    unit = 'us',
    args = { 'spawn', 60, 1, 1024 },
    quick = 30,
    within = { times = 1.15, of = 'a small heap', args = { 'spawn', 60, 1, 0 } },
  },
  {
    name = 'spawn-open',
    about = 'one at a time, 10 000 descriptors open in the parent',
    unit = 'us',
    args = { 'spawn', 60, 1, 0, 10000 },
    quick = 30,
    within = { times = 1.2, of = 'none open', args = { 'spawn', 60, 1, 0 } },
  },
  {
    name = 'exec',
    about = 'exec of true through a shell, output collected',
    unit = 'us',
    args = { 'exec', 100 },
    quick = 30,
  },
  {
    name = 'read',
    about = 'data events of head -c N /dev/zero',
    unit = 'MiB/s',
    args = { 'read', FILE_MIB },
    quick = QUICK_FILE_MIB,
    goals = { node = 1.5, luv = 1.3, C = 0.85 },
  },
  {
    name = 'read-file',
    about = 'data events of cat of a file in memory',
    unit = 'MiB/s',
    args = { 'read', FILE_MIB, '%FILE' },
    quick = QUICK_FILE_MIB,
    goals = { node = 1.5, C = 0.85 },
  },
  {
    name = 'lines',
    about = "a loop over short lines of a child's output, for each of them",
    unit = 'ns',
    args = { 'lines', LINES },
    quick = QUICK_LINES,
    who = LUA,
    other_args = { popen = { 'popen', LINES } },
    goals = { popen = 1.0 },
  },
  {
    name = 'write',
    about = 'chunks of 64 KiB into wc -c',
    unit = 'MiB/s',
    args = { 'write', FILE_MIB },
    quick = QUICK_FILE_MIB,
    goals = { node = 1.0, C = 0.95 },
  },
  {
    name = 'pipe',
    about = 'head -c N /dev/zero piped by us into wc -c',
    unit = 'MiB/s',
    args = { 'pipe', FILE_MIB },
    quick = QUICK_FILE_MIB,
    goals = { node = 2.5, C = 0.95 },
  },
  {
    name = 'sync',
    about = 'spawnSync of /bin/true, three pipes',
    unit = 'us',
    args = { 'sync', 200, 1, 0 },
    quick = 80,
    who = WAITERS,
    goals = { node = 1.6, C = 0.92 },
  },
  {
    name = 'sync-1G',
    about = 'the same, 1 GiB resident in the parent',
    unit = 'us',
    args = { 'sync', 60, 1, 1024 },
    quick = 30,
    who = WAITERS,
    within = { times = 1.15, of = 'a small heap', args = { 'sync', 60, 1, 0 } },
  },
  {
    name = 'sync-exec',
    about = 'execSync of true',
    unit = 'us',
    args = { 'sync-exec', 100, 1, 0 },
    quick = 30,
    who = WAITERS,
    goals = { node = 1.6, C = 1 / 1.15 },
  },
  {
    name = 'sync-read',
    about = 'execFileSync of head -c N /dev/zero, its output one string',
    unit = 'MiB/s',
    args = { 'sync-read', FILE_MIB },
    quick = QUICK_FILE_MIB,
    who = WAITERS,
    goals = { node = 1.2, C = 0.6 },
  },
  {
    name = 'trip',
    about = 'a forked child answers a message of 20 bytes and a number; json',
    unit = 'us',
    args = { 'trip', 20000, 'json' },
    quick = 5000,
    who = FORKERS,
    goals = { node = 4.0 },
  },
  {
    name = 'trip-adv',
    about = 'the same; advanced',
    unit = 'us',
    args = { 'trip', 20000, 'advanced' },
    quick = 5000,
    who = FORKERS,
    goals = { node = 4.0 },
  },
  {
    name = 'small',
    about = 'messages of 20 bytes and a number to a forked child; json',
    unit = 'msg/s',
    args = { 'oneway', 300000, 'json', 20 },
    quick = 100000,
    who = FORKERS,
    goals = { node = 4.0 },
  },
  {
    name = 'small-adv',
    about = 'the same; advanced',
    unit = 'msg/s',
    args = { 'oneway', 300000, 'advanced', 20 },
    quick = 100000,
    who = FORKERS,
    goals = { node = 8.0 },
  },
  {
    name = 'large',
    about = 'messages of 100 000 bytes to a forked child; json',
    unit = 'msg/s',
    args = { 'oneway', 6000, 'json', 100000 },
    quick = 2000,
    who = FORKERS,
    goals = { node = 5.0 },
  },
  {
    name = 'large-adv',
    about = 'the same; advanced',
    unit = 'msg/s',
    args = { 'oneway', 6000, 'advanced', 100000 },
    quick = 2000,
    who = FORKERS,
    goals = { node = 4.0 },
  },
  {
    name = 'load',
    about = 'a program that loads the module and ends',
    unit = 'us',
    args = { 'load', 100, 1, 0 },
    quick = 20,
    who = FORKERS,
    goals = { node = 10.0 },
  },
  {
    name = 'fork',
    about = "from fork() to the child's first message, one at a time",
    unit = 'us',
    args = { 'fork', 20 },
    quick = 8,
    who = FORKERS,
    goals = { node = 20.0 },
    at_most = 2200,
  },
  {
    name = 'memory',
    about = 'resident memory of a forked child that waits for messages',
    unit = 'KiB',
    args = { 'memory', 4 },
    quick = 2,
    who = FORKERS,
    goals = { node = 10.0 },
  },
  {
    name = 'pool',
    about = 'requests to a pool of two workers, a small table each, up to 1000 open',
    unit = 'req/s',
    args = { 'small', 20000 },
    quick = 5000,
    program = 'pool',
    who = POOLS,
    goals = { piscina = 2.0, workerpool = 2.0, python = 2.0 },
  },
  {
    name = 'pool-1M',
    about = 'the same; strings of 1 MB there and back, up to 16 open',
    unit = 'req/s',
    args = { 'large', 200 },
    quick = 50,
    program = 'pool',
    who = POOLS,
    goals = { piscina = 2.0, workerpool = 2.0, python = 2.0 },
  },
}

local AT = {
  [0] = 'read(2) of a full pipe into a buffer at the beginning of a page, like ours',
  [8] = 'the same 8 bytes after it; slow on AMD Zen 3 and 4',
  [16] = 'the same 16 bytes after it, as by malloc; slow on AMD Zen 3',
  [32] = 'the same 32 bytes after it',
}

for _, offset in ipairs { 0, 8, 16, 32 } do
  table.insert(M.list, {
    name = 'read-at-' .. offset,
    about = AT[offset],
    unit = 'MiB/s',
    args = { 'read-at', FILE_MIB, offset },
    quick = QUICK_FILE_MIB,
    who = LIMIT,
  })
end

for _, measure in ipairs(M.list) do
  measure.who = measure.who or ALL
end

--- What docs/performance.md and its chart show, in groups: measure, its name there.
M.groups = {
  {
    'Starting',
    { 'spawn', 'start `/bin/true`, three pipes, and reap it' },
    { 'spawn-1G', 'the same, 1 GiB resident in the parent' },
    { 'spawn-open', 'the same, 10,000 files open in the parent' },
    { 'exec', '`exec` of `true`, output collected' },
    { 'sync', '`spawnSync` of `/bin/true`' },
    { 'sync-1G', 'the same, 1 GiB resident in the parent' },
    { 'sync-exec', '`execSync` of `true`' },
    { 'load', 'a program that loads the module and ends' },
    { 'fork', "`fork`, until the child's first message" },
  },
  {
    'Bytes',
    { 'read', "read a child's output" },
    { 'read-file', 'read what `cat` copies from a file' },
    { 'lines', 'read it line by line' },
    { 'sync-read', "a child's output in one string, by `execFileSync`" },
    { 'write', "write a child's input" },
    { 'pipe', "one child's output into another child" },
  },
  {
    'Messages',
    { 'small', '20 bytes and a number, JSON' },
    { 'small-adv', 'the same, advanced' },
    { 'large', '100 kB, JSON' },
    { 'large-adv', 'the same, advanced' },
    { 'trip', 'a message and its answer, JSON' },
    { 'trip-adv', 'the same, advanced' },
  },
  {
    'Pools of two workers',
    { 'pool', 'small requests' },
    { 'pool-1M', 'a string of 1 MB and back' },
  },
  { 'Memory', { 'memory', 'of a forked child that waits' } },
}

return M
