-- The calls that wait on bad days: what a failure leaves (nothing), and signals.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- Runs one of our programs, which prints `done` when all is as it should be.
local function expect_done(command, args)
  local r = cp.spawnSync(command, args)
  assert.equal('', r.stderr)
  assert.matches('done\n$', r.stdout)
  assert.equal(0, r.status)
end

describe('spawnSync without descriptors', function()
  it('fails with EMFILE at each of them and keeps none', function()
    local file, args = t.lua 'sync_out_of_descriptors.lua'
    local script = 'ulimit -n 40; exec "$0" "$@"'
    expect_done('sh', { '-c', script, file, table.unpack(args) })
  end)
end)

describe('spawnSync under a host', function()
  local ENDS = [[
    local cp = require 'child_process'
    local prepare = ...
    if prepare then
      require('waitall')[prepare]()
    end
    for _, script in ipairs { 'exit 5', 'kill -KILL $$' } do
      local r = cp.spawnSync('sh', { '-c', 'echo out; ' .. script })
      assert(r.stdout == 'out\n')
      print(r.status, r.signal)
    end
    print 'done']]

  it('that ignores SIGCHLD knows the end, or says that it does not', function()
    local file, args = t.lua(ENDS)
    local r = cp.spawnSync('env', { '--ignore-signal=CHLD', file, table.unpack(args) })
    -- without a pidfd the kernel may be quicker than we are, each time anew
    local exited, killed = r.stdout:match '^(.-)\n(.-)\ndone\n$'
    assert.equal(exited == 'nil\tnil' and exited or '5\tnil', exited)
    assert.equal(killed == 'nil\tnil' and killed or 'nil\tSIGKILL', killed)
    assert.equal('', r.stderr)
  end)

  it('that reaps every child in a handler of SIGCHLD still knows the end', function()
    local r = cp.spawnSync(t.lua(ENDS, 'reap'))
    assert.equal('', r.stderr)
    assert.equal('5\tnil\nnil\tSIGKILL\ndone\n', r.stdout)
  end)

  it('whose standard descriptors are closed works', function()
    local program = [[
      local cp = require 'child_process'
      local r = cp.spawnSync('sh', { '-c', 'cat; echo err >&2' }, { input = 'in' })
      assert(r.stdout == 'in' and r.stderr == 'err\n')
      assert(cp.execSync 'echo x; echo unseen >&2' == 'x\n')
      local file <close> = assert(io.open(arg[1], 'w'))
      file:write 'done\n'
    ]]
    local path = t.tmpdir() .. '/said'
    local file, args = t.lua(program, path)
    local script = 'exec "$0" "$@" <&- >&- 2>&-'
    local r = cp.spawnSync('sh', { '-c', script, file, table.unpack(args) })
    assert.equal(0, r.status)
    assert.equal('done\n', t.slurp(path))
  end)
end)

-- A program that starts a child by spawnSync and tells what came of it; the child sends
-- signals, to the whole group as Ctrl-C in a terminal does or to its parent alone.
local function interrupt(script, options)
  local program = ([[
    local cp = require 'child_process'
    local options = %s
    options.stdio = { 'ignore', 'pipe', 'inherit' }
    local ok, r = pcall(cp.spawnSync, 'sh', { '-c', arg[1] }, options)
    print(ok, ok and r.status, ok and r.signal)
  ]]):format(options or '{}')
  local file, args = t.lua(program, script)
  local r = cp.spawnSync(file, args, { detached = true })
  assert.equal('', r.stderr)
  return r.stdout, r
end

describe('Ctrl-C while spawnSync waits', function()
  it('is for the program, as with os.execute: the result tells', function()
    assert.equal('true\tnil\tSIGINT\n', interrupt 'kill -INT -$PPID; exec sleep 30')
    local quit = 'ulimit -c 0; kill -QUIT -$PPID; exec sleep 30'
    assert.equal('true\tnil\tSIGQUIT\n', interrupt(quit))
  end)

  it('does not end the waiting for a program that goes on', function()
    local script = 'trap "echo caught" INT; kill -INT -$PPID; exit 4'
    local out, r = interrupt(script)
    if t.lua_exe:find 'lua_host' then
      assert.equal('SIGINT', r.signal) -- that host has no handler
    else
      assert.equal('true\t4\tnil\n', out)
    end
  end)

  -- What the program does after the call, its child being `script`.
  local function after(before, script, rest)
    local program = ([[
      local cp = require 'child_process'
      io.stdout:setvbuf 'no'
      %s
      print(cp.spawnSync('sh', { '-c', arg[1] }).status)
      %s
    ]]):format(before, rest)
    local file, args = t.lua(program, script)
    local script_of_sh = 'ulimit -c 0; exec "$0" "$@"'
    table.move(args, 1, #args, 4)
    table.move({ '-c', script_of_sh, file }, 1, 3, 1, args)
    return cp.spawnSync('sh', args, { detached = true })
  end

  for _, name in ipairs { 'INT', 'QUIT' } do
    local script = ('kill -%s $PPID; exit 4'):format(name)

    it(('is heard afterwards by who listens for SIG%s'):format(name), function()
      local listen = ([[
        local heard
        cp.process:on('SIG%s', function(signal) heard = signal end)
      ]]):format(name)
      for _, kill in ipairs { script, script:gsub('%$PPID', '-$PPID', 1) } do
        if type(kill) == 'string' then
          local trap = ('trap "" %s; '):format(name)
          local r =
            after(listen, trap .. kill, 'print(heard) cp.run "nowait" print(heard)')
          assert.equal('', r.stderr)
          assert.equal(('4\nnil\nSIG%s\n'):format(name), r.stdout)
        end
      end
    end)

    it(('ends us afterwards if only we got SIG%s'):format(name), function()
      local default = ([[
        local polling = require 'polling'
        polling.default(%d)
      ]]):format(name == 'INT' and 2 or 3)
      local r = after(default, script, 'print "not reached"')
      assert.equal('SIG' .. name, r.signal)
      assert.equal('', r.stdout)
    end)

    it(('does not end us if the program died of SIG%s'):format(name), function()
      local default = ([[
        local polling = require 'polling'
        polling.default(%d)
      ]]):format(name == 'INT' and 2 or 3)
      local kill = ('kill -%s -$PPID; exec sleep 30'):format(name)
      local r = after(default, kill, 'print "reached"')
      assert.equal('nil\nreached\n', r.stdout)
    end)
  end

  it('is ours as well if the program is in a session of its own', function()
    local out, r = interrupt('kill -INT $PPID; exit 4', '{ detached = true }')
    if t.lua_exe:find 'lua_host' then
      assert.equal('SIGINT', r.signal) -- that host has no handler
    else
      assert.equal('false\tfalse\tfalse\n', out) -- raised by the interpreter's handler
    end
  end)

  it('leaves the signal mask as it was', function()
    local before = t.status_field('self', 'SigBlk')
    cp.spawnSync 'true'
    cp.spawnSync 'lcp_nope'
    assert.equal(before, t.status_field('self', 'SigBlk'))
  end)
end)

describe('SIGCHLD and other signals', function()
  it('do not cut the waiting short', function()
    local script = 'for i in 1 2 3 4 5; do kill -WINCH -$PPID; sleep 0.01; done; exit 6'
    assert.equal('true\t6\tnil\n', interrupt(script))
  end)

  it('that end the host end it', function()
    local _, r = interrupt 'kill -TERM $PPID; exit 0'
    assert.equal('SIGTERM', r.signal)
  end)
end)
