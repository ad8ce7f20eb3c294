-- A pipe() whose bytes the kernel moves, to a child that does not read.
local faults = require 'spec.support.faults'
local moves = require 'spec.support.moves'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)
local splicing = moves.splicing

local MIB = 1024 * 1024
local FOUR = { 'pipe', 'pipe', 'pipe', 'pipe' }
local READER = 'read go <&3; exec cat'
local WRITER = 'head -c 8192 /dev/zero; read go; exec head -c 1040384 /dev/zero'

-- A MiB, of which all but a first block comes when that has been read.
local function start_writer()
  local from = cp.spawn('sh', { '-c', WRITER })
  t.when(function()
    return from.stdout.bytesRead == 8192
  end, function()
    from.stdin:finish 'go\n'
  end)
  return from
end

-- A MiB into a program that reads when it is told to; fn(full) is called when its pipe is
-- full: `src`, `dest`, `from`, `to`, `moved()`, `go()` and `out()`.
local function when_full(fn, script)
  local from = start_writer()
  local to = cp.spawn('sh', { '-c', script or READER }, { stdio = FOUR })
  local full = { src = from.stdout, dest = to.stdin, from = from, to = to }
  full.out = t.collect(to.stdout)
  full.log = t.record(full.src, { 'pause', 'resume' })
  t.record(full.dest, { 'drain' }, full.log)
  function full.go()
    to.stdio[4]:finish 'go\n'
  end
  local is_full
  full.moved = moves.watch(full.src, function(moved)
    is_full = moved == false
  end)
  full.src:pipe(full.dest)
  t.when(function()
    return is_full and full.src:isPaused()
  end, function()
    fn(full)
  end)
end

describe('pipe() from child to child, when the destination is full', function()
  it('waits with nothing read ahead, and goes on', function()
    when_full(function(full)
      assert.equal(full.src.bytesRead, full.dest.bytesWritten)
      assert.is_true(full.src.bytesRead < MIB)
      assert.is_true(full.moved() > 0)
      assert.is_true(full.dest.writableNeedDrain)
      assert.equal(0, full.src.readableLength)
      t.once(full.to, 'close', function()
        assert.equal(MIB, #full.out())
        assert.equal(MIB, full.src.bytesRead)
        assert.equal(MIB, full.dest.bytesWritten)
      end)
      full.go()
    end)
  end)

  it('pauses the source, and resumes it after drain', function()
    when_full(function(full)
      local count = #full.log
      assert.equal('pause', full.log[count])
      t.once(full.to, 'close', function()
        assert.same(
          { 'drain', 'resume' },
          { table.unpack(full.log, count + 1, count + 2) }
        )
      end)
      full.go()
    end)
  end)

  it('keeps the order of what others write meanwhile', function()
    when_full(function(full)
      local before = full.dest.bytesWritten
      full.dest:write 'mine'
      t.once(full.to, 'close', function()
        assert.equal(MIB + 4, #full.out())
        assert.equal(before + 1, full.out():find('mine', 1, true))
      end)
      full.go()
    end)
  end)

  it('reads on when told to flow, as at the exit of its program', function()
    when_full(function(full)
      full.src:resume()
      t.when(function()
        return full.dest.writableLength > 0
      end, full.go)
      t.once(full.to, 'close', function()
        assert.equal(MIB, #full.out())
      end)
    end)
  end)

  it('can be undone, and the rest is read', function()
    when_full(function(full)
      local rest = 0
      full.src:unpipe()
      full.src:on('data', function(chunk)
        rest = rest + #chunk
      end)
      full.src:resume()
      t.once(full.src, 'end', function()
        assert.equal(MIB, rest + full.dest.bytesWritten)
        full.dest:finish()
        full.go()
      end)
      t.once(full.to, 'close', function()
        assert.equal(full.dest.bytesWritten, #full.out())
      end)
    end)
  end)

  it('finishes when told to, with what has come', function()
    when_full(function(full)
      local passed = full.dest.bytesWritten
      full.dest:finish 'end'
      t.once(full.to, 'close', function()
        assert.equal(passed + 3, #full.out())
      end)
      t.once(full.dest, 'unpipe', function()
        full.src:resume()
      end)
      full.go()
    end)
  end)

  it('lets go of a destination that is destroyed', function()
    when_full(function(full)
      t.once(full.dest, 'close', function()
        full.src:resume()
        full.go()
      end)
      full.dest:destroy()
    end)
  end)

  it('ends with a source that is destroyed', function()
    when_full(function(full)
      local passed = full.dest.bytesWritten
      full.src:destroy()
      full.dest:finish()
      t.once(full.to, 'close', function()
        assert.equal(passed, #full.out())
      end)
      full.go()
    end)
  end)

  it('keeps the loop alive only if it is referenced', function()
    local full
    local function each(method)
      for _, child in ipairs { full.from, full.to } do
        child[method](child)
        for slot = 1, child.stdio.n do
          child.stdio[slot][method](child.stdio[slot])
        end
      end
    end
    when_full(function(one)
      full = one
      each 'unref'
    end)
    cp.run()
    assert.is_false(full.src.destroyed or full.dest.destroyed)
    each 'ref'
    full.src:resume()
    full.go()
  end)

  it('is an error of a destination that loses its reader', function()
    when_full(function(full)
      t.once(full.dest, 'error', function(err)
        assert.equal('EPIPE', err.code)
        full.src:resume()
        full.to:kill()
      end)
      full.to.stdio[4]:write 'go\n'
    end, 'read go <&3; exec <&-; read end <&3')
  end)

  it('copies if it cannot wait for room', function()
    local move = splicing.move
    splicing.move = function(src, dest)
      local moved
      faults.with({ name = 'uv_poll_start', errno = 'ENOMEM' }, function()
        moved = move(src, dest)
      end)
      return moved
    end
    local from = start_writer()
    local to = cp.spawn('sh', { '-c', READER }, { stdio = FOUR })
    local out = t.collect(to.stdout)
    from.stdout:pipe(to.stdin)
    t.when(function()
      return to.stdin.writableLength > 0
    end, function()
      to.stdio[4]:finish 'go\n'
    end)
    t.once(to, 'close', function()
      splicing.move = move
      assert.equal(MIB, #out())
    end)
  end)
end)
