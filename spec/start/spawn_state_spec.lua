local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local is_root = io.popen('id -u'):read 'n' == 0

local function output_of(command, args, options, check)
  local child = cp.spawn(command, args, options)
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(code)
    assert.equal('', err())
    assert.equal(0, code)
    check(out())
  end)
  return child
end

-- pid, parent, process group and session, as the child itself sees them
local function ids_of(options, check)
  local child
  child = output_of('cat', { '/proc/self/stat' }, options, function(out)
    local pid, ppid, pgid, sid = out:match '^(%d+) %(cat%) %S (%d+) (%d+) (%d+) '
    check {
      pid = tonumber(pid),
      ppid = tonumber(ppid),
      pgid = tonumber(pgid),
      sid = tonumber(sid),
      own = child.pid,
    }
  end)
end

local function own_ids()
  local stat = t.slurp '/proc/self/stat'
  local pgid, sid = stat:match '%) %S %d+ (%d+) (%d+) '
  return tonumber(pgid), tonumber(sid)
end

describe('a child', function()
  it('is a child of ours, in our group and session', function()
    local pgid, sid = own_ids()
    ids_of({}, function(ids)
      assert.equal(ids.own, ids.pid)
      assert.equal(t.pid(), ids.ppid)
      assert.equal(pgid, ids.pgid)
      assert.equal(sid, ids.sid)
    end)
  end)

  it('blocks and ignores no signal, whatever we do', function()
    local code = [[
      local cp = require 'child_process'
      cp.spawn('grep', { '^Sig', '/proc/self/status' }, { stdio = 'inherit' })
      cp.run()
      local file = io.open '/proc/self/status'
      local ours = file:read 'a'
      assert(ours:match 'SigBlk:%s*%x*[^0%s]', 'we block some')
      assert(ours:match 'SigIgn:%s*%x*[^0%s]', 'we ignore some')]]
    local exe, args = t.lua(code)
    local setup = { '--block-signal=USR1,TERM', '--ignore-signal=PIPE,USR2,HUP', exe }
    table.move(args, 1, #args, #setup + 1, setup)
    output_of('env', setup, {}, function(out)
      assert.equal(('0'):rep(16), out:match 'SigBlk:%s*(%x+)')
      assert.equal(('0'):rep(16), out:match 'SigIgn:%s*(%x+)')
    end)
  end)

  it('leaves our own signal mask and dispositions as they are', function()
    local code = [[
      local cp = require 'child_process'
      local function state()
        local file <close> = io.open '/proc/self/status'
        local text = file:read 'a'
        -- signals 1 to 31: those above 31 are the C library's own
        return text:match 'SigBlk:%s*%x+(%x%x%x%x%x%x%x%x)\n'
          .. text:match 'SigIgn:%s*%x+(%x%x%x%x%x%x%x%x)\n'
          .. text:match 'SigCgt:%s*%x+(%x%x%x%x%x%x%x%x)\n'
      end
      local before = state()
      for _, command in ipairs { 'true', 'does_not_exist_lcp', 'cat' } do
        local child = cp.spawn(command)
        child:on('error', function() end)
        child.stdin:finish(('x'):rep(100000))
        assert(state() == before)
        cp.run()
        assert(state() == before)
      end
      print 'same']]
    local exe, args = t.lua(code)
    output_of('env', { '--block-signal=USR1', exe, table.unpack(args) }, {}, function(out)
      assert.equal('same\n', out)
    end)
  end)

  it('dies of a broken pipe though we ignore SIGPIPE', function()
    local code = [[
      local cp = require 'child_process'
      local child = cp.spawn('sh', { '-c', 'kill -PIPE $$; echo alive' })
      child:on('exit', print)
      cp.run()]]
    local exe, args = t.lua(code)
    output_of(
      'env',
      { '--ignore-signal=PIPE', exe, table.unpack(args) },
      {},
      function(out)
        assert.equal('nil\tSIGPIPE\n', out)
      end
    )
  end)

  it('has our umask and our limits', function()
    local script = 'umask; ulimit -n'
    local expected = io.popen(script):read 'a'
    output_of('sh', { '-c', script }, {}, function(out)
      assert.equal(expected, out)
    end)
  end)
end)

describe('detached', function()
  it('makes the child the leader of a session and a group', function()
    ids_of({ detached = true }, function(ids)
      assert.equal(ids.own, ids.pgid)
      assert.equal(ids.own, ids.sid)
      assert.equal(t.pid(), ids.ppid)
    end)
    ids_of({ detached = false }, function(ids)
      assert.not_equal(ids.own, ids.pgid)
    end)
  end)

  it('lets a child outlive the program that unreferences it', function()
    local code = [[
      local cp = require 'child_process'
      local options = { detached = true, stdio = { 'ignore', 'ignore', 'inherit' } }
      local child = cp.spawn('sleep', { '1000' }, options)
      print(child.pid)
      child:unref()
      assert(cp.run() == false)]]
    local child = cp.spawn(t.lua(code))
    local grandchild
    t.on_line(child.stdout, function(line)
      grandchild = math.tointeger(line)
    end)
    child.stderr:on('data', t.never 'stderr')
    local function end_grandchild()
      if child.exitCode and child.stdout.readableEnded then
        assert.is_true(t.pid_alive(grandchild))
        -- it holds our stderr: `close` tells that it is gone
        t.once(cp.spawn('kill', { tostring(grandchild) }), 'close', function(status)
          assert.equal(0, status)
        end)
      end
    end
    t.once(child, 'exit', function(status)
      assert.equal(0, status)
      assert.is_false(t.pid_alive(child.pid))
      end_grandchild()
    end)
    t.once(child.stdout, 'end', end_grandchild)
    t.once(child, 'close')
  end)

  it('keeps a signal to our group from the child', function()
    local code = [[
      local cp = require 'child_process'
      local options = { detached = true, stdio = { 'ignore', 'ignore', 'inherit' } }
      local child = cp.spawn('sleep', { '1000' }, options)
      print(child.pid)
      io.stdout:flush()
      cp.run()]]
    local exe, args = t.lua(code)
    local child = cp.spawn(exe, args, { detached = true })
    local grandchild
    t.on_line(child.stdout, function(line)
      grandchild = math.tointeger(line)
      cp.spawn('kill', { '-TERM', '--', '-' .. child.pid })
    end)
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGTERM', signal)
      assert.is_true(t.pid_alive(grandchild))
      cp.spawn('kill', { '-KILL', '--', '-' .. grandchild })
    end)
    t.once(child, 'close')
  end)
end)

describe('uid and gid', function()
  local function need_root()
    if not is_root then
      pending 'only root may change them'
    end
  end

  it('may be our own', function()
    local uid = io.popen('id -u'):read 'n'
    local gid = io.popen('id -g'):read 'n'
    if is_root then
      output_of('id', { '-u' }, { uid = uid, gid = gid }, function(out)
        assert.equal(uid .. '\n', out)
      end)
    end
  end)

  it('change all the ids, and drop the other groups', function()
    need_root()
    output_of('cat', { '/proc/self/status' }, { uid = 54321, gid = 54322 }, function(out)
      assert.equal('54321\t54321\t54321\t54321', out:match 'Uid:%s*([^\n]*)')
      assert.equal('54322\t54322\t54322\t54322', out:match 'Gid:%s*([^\n]*)')
      assert.equal('', (out:match 'Groups:%s-([^\n]*)':gsub('%s', '')))
    end)
  end)

  it('can be changed one without the other', function()
    need_root()
    output_of('sh', { '-c', 'id -u; id -g' }, { gid = 54322 }, function(out)
      assert.equal('0\n54322\n', out)
    end)
    output_of('sh', { '-c', 'id -u; id -g' }, { uid = 54321 }, function(out)
      assert.equal('54321\n0\n', out)
    end)
  end)

  it('leave the ids of this program alone', function()
    need_root()
    local before = t.status_field('self', 'Uid') .. t.status_field('self', 'Groups')
    output_of('true', {}, { uid = 54321, gid = 54322 }, function()
      local after = t.status_field('self', 'Uid') .. t.status_field('self', 'Groups')
      assert.equal(before, after)
    end)
  end)

  it('still let us signal and reap the child', function()
    need_root()
    local child = cp.spawn('cat', {}, { uid = 54321, gid = 54322 })
    assert.is_true(child:kill 'SIGINT')
    t.once(child, 'exit', function(_, signal)
      assert.equal('SIGINT', signal)
    end)
  end)
end)
