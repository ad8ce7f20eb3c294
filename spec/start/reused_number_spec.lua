-- The number of a child that has ended is given to a stranger, a process and a group that
-- are not ours to end: no signal of ours reaches it.  In a namespace of processes, where
-- the next number can be chosen.
local machine = require 'spec.support.machine'
local sandbox = require 'spec.support.sandbox'
local t = require 'spec.helper'
local cp = t.cp
local it = machine.wrap('numbers', it, pending)

-- In front of each program.  `stranger(pid)`: a process that leads the group of that
-- number; `is_well(stranger)` ends it.
local HEAD = [[
  local cp = require 'child_process'

  local function try(pid)
    local file = assert(io.open('/proc/sys/kernel/ns_last_pid', 'w'))
    assert(file:write(pid - 1) and file:close())
    local cat = cp.spawn('cat', { detached = true })
    if cat.pid == pid then
      return cat
    end
    cat.stdin:finish()
    cat:wait()
  end

  -- A thread of this program may be quicker.
  local function stranger(pid)
    for _ = 1, 100 do
      local found = try(pid)
      if found then
        return found
      end
    end
    error 'the number was not given again'
  end

  local function is_well(cat)
    cat.stdin:finish 'well'
    local result = cat:wait()
    assert(result.ok and result.stdout == 'well', tostring(result))
  end

  local function pass(ms)
    cp.await(function(done)
      cp.setTimeout(done, ms)
    end)
  end
]]

-- How groups are signalled: by pidfd; before Linux 6.9 by number, as long as the leader
-- is not reaped; before pidfds by a thread that waits for the child.
local KERNELS = { ['here'] = {}, ['before 6.9'] = { 'group_signal' } }
KERNELS['without pidfds'] = { 'old_kernel' }

local function runs(words, program)
  local obstacle = sandbox.obstacle(words)
  if obstacle then
    pending(obstacle)
  end
  local command, args = sandbox.lua(words, HEAD .. program)
  if #words == 0 then
    command, args = t.lua(HEAD .. program)
  end
  local all = { table.unpack(machine.NUMBERED) }
  all[#all + 1] = command
  table.move(args, 1, #args, #all + 1, all)
  local result = cp.spawnSync('unshare', all, { timeout = t.TEST_TIMEOUT })
  assert.same({ '', '', 0 }, { result.stdout, result.stderr, result.status })
end

-- What is done to a child that has ended: title -> program, with `options`.
local ENDED = {
  ['a signal'] = [[
    local child = cp.spawn('true', options)
    child:wait()
    local other = stranger(child.pid)
    assert(not child:kill() and not child:kill 'SIGKILL' and not child:kill(0))
    assert(child:terminate(0).ok)
    pass(5)
    is_well(other)]],
  ['the SIGKILL of killAfter'] = [[
    options.killAfter = 20
    local child = cp.spawn('cat', options)
    child:kill()
    assert(child:wait().signal == 'SIGTERM')
    local other = stranger(child.pid)
    pass(40)
    is_well(other)]],
  ['a timeout'] = [[
    options.timeout = 20
    local child = cp.exec('true', options)
    child:wait()
    local other = stranger(child.pid)
    pass(40)
    is_well(other)]],
  ['an abort'] = [[
    local controller = cp.AbortController()
    options.signal = controller.signal
    local child = cp.spawn('true', options)
    child:wait()
    local other = stranger(child.pid)
    controller:abort()
    pass(5)
    is_well(other)]],
  ['the end of a <close> variable'] = [[
    local other
    do
      local child <close> = cp.spawn('true', options)
      child:wait()
      other = stranger(child.pid)
    end
    pass(5)
    is_well(other)]],
  ['the collector'] = [[
    local child = cp.spawn('true', options)
    child:wait()
    local other = stranger(child.pid)
    child = nil
    collectgarbage()
    collectgarbage()
    pass(5)
    is_well(other)]],
}

describe('a stranger with the number of a child that has ended', function()
  for kernel, words in pairs(KERNELS) do
    for what, program in pairs(ENDED) do
      it(('is not hit by %s: %s'):format(what, kernel), function()
        runs(words, 'local options = {}\n' .. program)
      end)
    end
  end
end)

describe('a stranger with the number of a group that has ended', function()
  if t.backend() ~= 'linux' then
    return
  end

  for kernel, words in pairs(KERNELS) do
    for what, program in pairs(ENDED) do
      it(('is not hit by %s: %s'):format(what, kernel), function()
        runs(words, 'local options = { killDescendants = true }\n' .. program)
      end)
    end

    it('is not hit when the leader ended long before the group: ' .. kernel, function()
      runs(
        words,
        [[
          local options = { killDescendants = true, killAfter = 50 }
          local script = 'sleep 600 >&- 2>&- & echo $!'
          local child = cp.spawn('sh', { '-c', script }, options)
          child:on('exit', function()
            assert(child:kill())
          end)
          local rest = tonumber(child:wait().stdout)
          local function is_gone()
            local stat = io.open('/proc/' .. rest .. '/stat')
            local state = stat and stat:read('a'):match '%) (%S)'
            return not stat or state == 'Z', stat and stat:close()
          end
          repeat
            pass(1)
          until is_gone()
          pass(100)
          local other = stranger(child.pid)
          assert(not child:kill 'SIGKILL')
          is_well(other)]]
      )
    end)
  end
end)
