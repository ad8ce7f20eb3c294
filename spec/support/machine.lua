-- What some specs need that not every machine has: without it they are pending, and their
-- titles say why.
local core = require 'child_process.core'
local t = require 'spec.helper'

local M = {}

-- Whether the name has an IPv4 address: a container may be without /etc/hosts.
local function has_localhost()
  local found
  core.lookup('localhost', 4, false, function(errno, addresses)
    found = not errno and addresses[1] == '127.0.0.1'
  end)
  t.cp.run()
  return found
end

-- Whether a terminal can be made: /dev/pts may be missing, or another one's.
local function has_terminals()
  local result = t.cp.spawnSync('script', { '-qec', 'true', '/dev/null' })
  return result.ok
end

-- Whether files can be laid over others, for one program alone.
local function has_mounts()
  local words = { '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt' }
  return t.cp.spawnSync('unshare', words).ok
end

-- What runs a command where it may choose the numbers of its processes.
M.NUMBERED =
  { '-Urpf', '--mount-proc', '--kill-child', 'sh', '-c', '"$@"; exit $?', 'sh' }

local function has_numbers()
  local words = { table.unpack(M.NUMBERED) }
  local script = 'echo 500 >/proc/sys/kernel/ns_last_pid'
  table.move({ 'sh', '-c', script }, 1, 3, #words + 1, words)
  return t.cp.spawnSync('unshare', words).ok
end

local NEEDS = {
  localhost = { has_localhost, 'localhost has no address here' },
  mounts = { has_mounts, 'nothing can be mounted here' },
  numbers = { has_numbers, 'the next number of a process cannot be chosen here' },
  terminals = { has_terminals, 'no terminal can be made here' },
}

local known = {}

--- Why this machine does not have a thing, a name in NEEDS; nil if it has.
function M.lacks(name)
  if known[name] == nil then
    known[name] = NEEDS[name][1]() or false
  end
  return not known[name] and NEEDS[name][2] or nil
end

--- `local it = machine.wrap('localhost', it, pending)`: as that of the helper, but
-- pending where the machine does not have that.
function M.wrap(name, it, pending)
  local why = M.lacks(name)
  return not why and t.wrap(it)
    or function(title)
      pending(('%s (%s)'):format(title, why))
    end
end

return M
