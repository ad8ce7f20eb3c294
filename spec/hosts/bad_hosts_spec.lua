local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function run_program(command, args, check)
  local child = cp.spawn(command, args)
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(code, signal)
    assert.equal('', err())
    assert.equal(0, code)
    assert.is_nil(signal)
    check(out())
  end)
end

-- Since Linux 6.15 a pidfd remembers how its process ended, whoever has reaped it.
local function exits_are_remembered()
  local major, minor = t.slurp('/proc/sys/kernel/osrelease'):match '^(%d+)%.(%d+)'
  major, minor = tonumber(major), tonumber(minor)
  local old = os.getenv 'LCP_OLD_KERNEL' or t.backend() == 'uv'
  return not old and (major > 6 or major == 6 and minor >= 15)
end

-- The child ends with 7, the next one by SIGKILL; both must be told, or at least that
-- nothing is known.
local ENDS = [[
  local cp = require 'child_process'
  local prepare = ...
  local waitall = prepare and require 'waitall'
  for _, script in ipairs { 'exit 7', 'kill -KILL $$' } do
    local child = cp.spawn('sh', { '-c', 'echo out; ' .. script })
    child.stdout:on('data', function(chunk) io.write(chunk) end)
    child:on('exit', function(...) print('exit', ...) end)
    child:on('close', function(...) print('close', ...) end)
    if waitall then waitall[prepare]() end
    cp.run()
    assert(child:kill() == false and child:kill(0) == false)
  end]]

local KNOWN = 'out\nexit\t7\tnil\nclose\t7\tnil\n'
  .. 'out\nexit\tnil\tSIGKILL\nclose\tnil\tSIGKILL\n'

-- Where nothing is remembered, each end is told as it is or as unknown.
local function check_ends(out)
  if not exits_are_remembered() then
    local unknown = '%1\tnil\tnil\n'
    out = out:gsub('(%f[%l]%l+)\t7\tnil\n', unknown)
    out = out:gsub('(%f[%l]%l+)\tnil\tSIGKILL\n', unknown)
    assert.equal(('out\nexit\tnil\tnil\nclose\tnil\tnil\n'):rep(2), out)
  else
    assert.equal(KNOWN, out)
  end
end

describe('a host', function()
  it('that ignores SIGCHLD learns how its children end', function()
    local exe, args = t.lua(ENDS)
    run_program('env', { '--ignore-signal=CHLD', exe, table.unpack(args) }, check_ends)
  end)

  it('that begins to ignore SIGCHLD later does so, too', function()
    local exe, args = t.lua(ENDS, 'ignore')
    run_program(exe, args, check_ends)
  end)

  it('that reaps every child itself still gets exit and close', function()
    local exe, args = t.lua(ENDS, 'reap')
    run_program(exe, args, check_ends)
  end)

  it('that blocks SIGCHLD does so, too', function()
    local exe, args = t.lua(ENDS)
    run_program('env', { '--block-signal=CHLD', exe, table.unpack(args) }, function(out)
      assert.equal(KNOWN, out)
    end)
  end)

  it('that waits for children of its own loses none to us', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.spawn('cat')
      local pipe = io.popen('exit 3')
      cp.spawn('true')
      cp.run 'nowait'
      local _, how, status = pipe:close()
      print(how, status)
      print(os.execute 'exit 4')
      child.stdin:finish()
      child:on('exit', print)
      cp.run()]]
    local exe, args = t.lua(code)
    run_program(exe, args, function(out)
      assert.equal('exit\t3\nnil\texit\t4\n0\tnil\n', out)
    end)
  end)
end)

-- Writes to the file that it is given what its children see; fd 0, 1 and 2 may be closed.
local CLOSED_STDIO = [[
  local path = ...
  local file = assert(io.open(path, 'a'))
  if file then file:close() end
  local cp = require 'child_process'
  local lines = {}
  local function note(...)
    lines[#lines + 1] = table.concat({ ... }, ' ')
  end
  local child = cp.spawn('cat')
  child.stdout:on('data', function(chunk) note('piped', chunk) end)
  child.stdin:finish 'through'
  cp.run()
  for fd = 0, 2 do
    local stdio = { 'pipe', 'pipe', 'pipe', 'pipe' }
    for _, word in ipairs { 'ignore', 'inherit' } do
      stdio[fd + 1] = word
      local script = ('v=$(readlink /proc/$$/fd/%d); echo $v >&3'):format(fd)
      local other = cp.spawn('sh', { '-c', script }, { stdio = stdio })
      other:on('error', function(e) note(word, fd, e.code) end)
      other.stdio[4]:on('data', function(chunk)
        note(word, fd, (chunk:gsub('\n', '')))
      end)
      cp.run()
    end
  end
  file = assert(io.open(path, 'a'))
  file:write(table.concat(lines, '\n'), '\n')
  file:close()]]

describe('a host whose stdin, stdout or stderr is closed', function()
  for mask = 1, 7 do
    local closed = {}
    for fd = 0, 2 do
      if mask & (1 << fd) ~= 0 then
        closed[#closed + 1] = fd
      end
    end
    it(
      'gives its children what they should have: ' .. table.concat(closed, ', '),
      function()
        local path = t.tmpdir() .. '/seen'
        local exe, args = t.lua(CLOSED_STDIO, path)
        local words = { exe, table.unpack(args) }
        for i, word in ipairs(words) do
          words[i] = "'" .. word:gsub("'", "'\\''") .. "'"
        end
        for _, fd in ipairs(closed) do
          words[#words + 1] = fd .. (fd == 0 and '<&-' or '>&-')
        end
        local child = cp.spawn('sh', { '-c', table.concat(words, ' ') })
        child.stderr:on('data', t.never 'stderr')
        t.once(child, 'close', function(code, signal)
          assert.is_nil(signal)
          assert.equal(0, code)
          local seen = t.slurp(path)
          assert.truthy(seen:find('piped through\n', 1, true), seen)
          for fd = 0, 2 do
            assert.truthy(seen:find(('ignore %d /dev/null\n'):format(fd), 1, true), seen)
            local inherited = seen:match(('inherit %d (%%S+)\n'):format(fd))
            local is_closed = mask & (1 << fd) ~= 0
            -- nothing of ours may stand in for what is closed
            assert.equal(
              is_closed and '/dev/null' or 'pipe',
              inherited:match '^[%w/]+',
              seen
            )
          end
        end)
      end
    )
  end
end)

describe('a listener', function()
  -- the events of a child and of its streams, and how to get there
  local places = { 'spawn', 'exit', 'close', 'stdout data', 'stdout end', 'stdout close' }

  local function listen(child, place, fn)
    local stream, event = place:match '^(%w+) (%w+)$'
    if stream then
      child[stream]:on(event, fn)
    else
      child:on(place, fn)
    end
  end

  for _, place in ipairs(places) do
    it('of "' .. place .. '" that throws loses no later event', function()
      local child = cp.spawn('sh', { '-c', 'echo out; echo err >&2; exit 5' })
      local value = { 'thrown' }
      local others = t.record(child, { 'spawn', 'exit', 'close' })
      t.record(child.stdout, { 'end' }, others, 'stdout ')
      child.stdout:resume()
      listen(child, place, function()
        error(value, 0)
      end)
      local ok, err = pcall(cp.run)
      assert.is_false(ok)
      assert.equal(value, err)
      cp.run()
      table.sort(others)
      assert.same({ 'close', 'exit', 'spawn', 'stdout end' }, others)
    end)

    it('of "' .. place .. '" may drop everything and collect', function()
      local holder = { child = cp.spawn('sh', { '-c', 'echo out; exit 5' }) }
      local seen = t.record(holder.child, { 'close' })
      holder.child.stdout:resume()
      listen(holder.child, place, function()
        holder.child = nil
        collectgarbage()
        collectgarbage()
      end)
      cp.run()
      assert.same({ 'close' }, seen)
    end)

    it('of "' .. place .. '" may kill, destroy and forget', function()
      local child = cp.spawn('sh', { '-c', 'echo out; exit 5' })
      child.stdout:resume()
      listen(child, place, function()
        child:kill 'SIGKILL'
        child.stdin:destroy()
        child.stdout:destroy()
        child.stderr:destroy()
        child:removeAllListeners 'exit'
        child:unref()
        child:ref()
      end)
      t.once(child, 'close')
    end)
  end

  it('of a failed start that throws does not lose close', function()
    local child = cp.spawn 'does_not_exist_lcp'
    child:on('error', function()
      error('thrown', 0)
    end)
    t.once(child, 'close')
    assert.is_false(pcall(cp.run))
  end)

  it('may start the next child, a hundred deep', function()
    local left = os.getenv 'LCP_GC_STRESS' and 20 or 100
    local function next_one()
      left = left - 1
      if left > 0 then
        cp.spawn('true', {}, { stdio = 'ignore' }):on('exit', next_one)
      end
    end
    next_one()
    cp.run()
    assert.equal(0, left)
  end)
end)
