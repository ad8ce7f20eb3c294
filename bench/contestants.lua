--- The programs that bench/run compares, and how each is started.
-- SPDX-License-Identifier: MIT
local M = {}

local TIME_LIMIT = 60 -- seconds a program: one that hangs must not stop the others

--- Their names for people.
M.names = {
  node = 'Node',
  luv = 'luv',
  popen = 'io.popen',
  C = 'C',
  piscina = 'piscina',
  workerpool = 'workerpool',
  python = 'Python',
}

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- contestants.output_of(command) -> what a shell command prints, without the last
-- newline | nil: it failed.
function M.output_of(command)
  local pipe <close> = assert(io.popen(command))
  local text = pipe:read 'a'
  return pipe:close() and text:gsub('\n$', '') or nil
end

local function succeeds(command)
  return M.output_of(('{ %s; } >/dev/null 2>&1'):format(command)) ~= nil
end

local function compile_limit(root)
  local command = 'mkdir -p %s/build/bench && cc -std=c11 -O2 -o %s/build/bench/limit %s'
  local source = quoted(root .. '/bench/limit.c')
  assert(os.execute(command:format(quoted(root), quoted(root), source)))
end

local function is_installed(folder, name)
  local path = quoted(('%s/node_modules/%s'):format(folder, name))
  local command = 'test -d %s || { mkdir -p %s && cd %s && npm install --silent %s; }'
  return succeeds(command:format(path, quoted(folder), quoted(folder), name))
end

-- The packages for Node are installed into build/bench-pool.
local function pool_commands(root, lua, timed)
  local bench, packages = root .. '/bench/', root .. '/build/bench-pool'
  local node = ('NODE_PATH=%s %s node %s '):format(
    quoted(packages .. '/node_modules'),
    timed,
    quoted(bench .. 'pool_node.js')
  )
  local commands = { ours = lua .. quoted(bench .. 'pool_ours.lua') .. ' json' }
  for _, name in ipairs { 'piscina', 'workerpool' } do
    commands[name] = is_installed(packages, name) and node .. name or nil
  end
  if succeeds 'python3 --version' then
    commands.python = ('%s python3 %s process'):format(
      timed,
      quoted(bench .. 'pool_python.py')
    )
  end
  return commands
end

--- contestants.commands(root, build, needs_pools) -> program -> contestant -> command,
-- to which arguments are appended; one that cannot be had is missing.
function M.commands(root, build, needs_pools)
  local bench, timed = root .. '/bench/', ('timeout %d '):format(TIME_LIMIT)
  local lua = ('LUA_PATH_5_4=%s LUA_CPATH_5_4=%s %slua5.4 '):format(
    quoted(('%s?.lua;%s/lua/?.lua;%s/lua/?/init.lua;;'):format(bench, root, root)),
    quoted(('%s/build/%s/?.so;;'):format(root, build)),
    timed
  )
  compile_limit(root)
  return {
    processes = {
      ours = lua .. quoted(bench .. 'ours.lua'),
      node = timed .. 'node ' .. quoted(bench .. 'peer_node.js'),
      luv = lua .. quoted(bench .. 'peer_luv.lua'),
      popen = lua .. quoted(bench .. 'ours.lua'),
      C = timed .. quoted(root .. '/build/bench/limit'),
    },
    pool = needs_pools and pool_commands(root, lua, timed) or {},
  }
end

M.quoted = quoted

return M
