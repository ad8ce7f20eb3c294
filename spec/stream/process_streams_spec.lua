local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local COPY = [[
  local cp = require 'child_process'
  cp.process.stdin:pipe(cp.process.stdout)
  cp.run()]]

-- Says on stderr what O_NONBLOCK is on descriptors 0 and 1 before our streams exist,
-- while they work and when they have ended.
local COPY_AND_TELL = [[
  local cp = require 'child_process'
  local function tell(when)
    for fd = 0, 1 do
      local file = assert(io.open('/proc/self/fdinfo/' .. fd))
      local flags = tonumber(file:read 'a':match 'flags:%s*(%d+)', 8)
      file:close()
      io.stderr:write(when, ' ', fd, ' ', flags & 0x800, '\n')
    end
  end
  tell 'before'
  cp.process.stdin:on('data', function(chunk)
    cp.process.stdout:write(chunk)
    tell 'while'
  end)
  cp.process.stdin:on('end', function() tell 'after' end)
  cp.run()]]

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- A shell's command line that runs a Lua program.
local function command_line(code, ...)
  local exe, args = t.lua(code, ...)
  local words = { exe, table.unpack(args) }
  for i, word in ipairs(words) do
    words[i] = quote(word)
  end
  return table.concat(words, ' ')
end

-- Runs the program under a shell with that redirection; `check(out, err, code, signal)`.
local function redirected(code, redirection, check)
  local script = ('%s %s'):format(command_line(code), redirection)
  local child = cp.spawn('sh', { '-c', script })
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(...)
    check(out(), err(), ...)
  end)
  return child
end

-- Runs the program with a terminal as its stdin, stdout and stderr.
local function in_terminal(code, check)
  local script =
    t.write_file(t.tmpdir() .. '/run', '#!/bin/sh\n' .. command_line(code), '+x')
  local child = cp.spawn('script', { '-qec', script, '/dev/null' })
  local out = t.collect(child.stdout)
  t.once(child, 'close', function(...)
    check(out(), ...)
  end)
  return child
end

local function terminal_or_pending()
  local why = machine.lacks 'terminals'
  if why then
    pending(why)
  end
end

describe('process.stdin and process.stdout', function()
  it('copy a pipe into a pipe', function()
    local text = ('a line of text\n'):rep(100000)
    local child = redirected(COPY, '', function(out, err, code)
      assert.equal('', err)
      assert.equal(0, code)
      assert.is_true(text == out)
    end)
    child.stdin:finish(text)
  end)

  it('copy a file into a file', function()
    local folder = t.tmpdir()
    local text = ('0123456789'):rep(100000)
    local from = t.write_file(folder .. '/from', text)
    local redirection = ('< %s > %s/to'):format(from, folder)
    redirected(COPY, redirection, function(_, err, code)
      assert.equal('', err)
      assert.equal(0, code)
      assert.is_true(text == t.slurp(folder .. '/to'))
    end)
  end)

  it('append to a file at the place where it stands', function()
    local folder = t.tmpdir()
    local code = [[
      io.write 'first '
      io.stdout:flush()
      local cp = require 'child_process'
      cp.process.stdout:write('second ', function()
        cp.spawn('echo', { 'third' }, { stdio = 'inherit' })
      end)
      cp.run()]]
    redirected(code, '> ' .. folder .. '/out', function(_, err)
      assert.equal('', err)
      assert.equal('first second third\n', t.slurp(folder .. '/out'))
    end)
  end)

  it('copy /dev/null: nothing, and the end', function()
    redirected(COPY, '< /dev/null', function(out, err, code)
      assert.equal('', out)
      assert.equal('', err)
      assert.equal(0, code)
    end)
  end)

  it('work on a terminal', function()
    terminal_or_pending()
    local child = in_terminal(COPY, function(out, code)
      assert.equal(0, code)
      -- once echoed by the terminal, once written by the program
      local _, count = out:gsub('typed', '')
      assert.equal(2, count)
    end)
    child.stdin:write 'typed\n'
    child.stdin:finish '\4'
  end)

  it('leave the flags of pipes as they are', function()
    local child = redirected(COPY_AND_TELL, '', function(out, err)
      assert.equal('x', out)
      local flags = 'before 0 0\nbefore 1 0\nwhile 0 0\nwhile 1 0\nafter 0 0\nafter 1 0\n'
      assert.equal(flags, err)
    end)
    child.stdin:finish 'x'
  end)

  it('leave the flags of a terminal as they are', function()
    terminal_or_pending()
    local child = in_terminal(COPY_AND_TELL, function(out)
      for when in ('before while after'):gmatch '%a+' do
        for fd = 0, 1 do
          local line = ('%s %d 0'):format(when, fd)
          assert.truthy(out:find(line, 1, true), line .. ' in ' .. out)
        end
      end
    end)
    child.stdin:write 'x\n'
    child.stdin:finish '\4'
  end)

  it('are each one object', function()
    local code = [[
      local p = require 'child_process'.process
      assert(p.stdin == p.stdin and p.stdout == p.stdout and p.stderr == p.stderr)
      assert(p.stdout ~= p.stderr)
      assert(p.stdin.readable and p.stdout.writable and p.stderr.writable)]]
    local child = redirected(code, '', function(_, err, status)
      assert.equal('', err)
      assert.equal(0, status)
    end)
    child.stdin:finish()
  end)
end)

describe('process.stdin', function()
  it('feeds a child by pipe', function()
    local code = [[
      local cp = require 'child_process'
      local wc = cp.spawn('wc', { '-l' }, { stdio = { 'pipe', 'inherit', 'inherit' } })
      cp.process.stdin:pipe(wc.stdin)
      cp.run()]]
    local child = redirected(code, '', function(out, err)
      assert.equal('', err)
      assert.equal('3', out:match '%d+')
    end)
    child.stdin:finish '1\n2\n3\n'
  end)

  it('does not hold the program that only looks at it', function()
    local code = [[
      local cp = require 'child_process'
      local stdin = cp.process.stdin
      assert(stdin.readableFlowing == nil)
      print(cp.run())]]
    -- our end stays open until the program has ended
    local child = cp.spawn(t.lua(code))
    local out = t.collect(child.stdout)
    t.once(child, 'close', function(status)
      assert.equal('false\n', out())
      assert.equal(0, status)
    end)
  end)

  it('holds it no more once it is paused', function()
    local code = [[
      local cp = require 'child_process'
      cp.process.stdin:once('data', function(chunk)
        cp.process.stdin:pause()
        print(chunk)
      end)
      cp.run()]]
    local child = cp.spawn(t.lua(code))
    local out = t.collect(child.stdout)
    child.stdin:write 'enough'
    t.once(child, 'close', function(status)
      assert.equal('enough\n', out())
      assert.equal(0, status)
    end)
  end)

  it('leaves unread what it was not asked for', function()
    local code = [[
      local cp = require 'child_process'
      assert(cp.process.stdin)
      cp.spawn('cat', {}, { stdio = 'inherit' })
      cp.run()]]
    local child = redirected(code, '', function(out, err)
      assert.equal('', err)
      assert.equal('all of it', out)
    end)
    child.stdin:finish 'all of it'
  end)

  it('ends, closes and tells its encoding', function()
    local code = [[
      local cp = require 'child_process'
      local stdin = cp.process.stdin
      stdin:setEncoding 'hex'
      stdin:on('data', function(chunk) print('data', chunk) end)
      stdin:on('end', function() print 'end' end)
      stdin:on('close', function() print 'close' end)
      cp.run()]]
    local child = redirected(code, '', function(out)
      assert.equal('data\t0aff\nend\nclose\n', out)
    end)
    child.stdin:finish '\n\xff'
  end)

  it('that is a folder is an error event', function()
    local code = [[
      local cp = require 'child_process'
      cp.process.stdin:on('error', function(e) print(e.code, e.syscall) end)
      cp.process.stdin:on('data', print)
      cp.run()]]
    redirected(code, '< /', function(out, err, status)
      assert.equal('', err)
      assert.equal('EISDIR\tread\n', out)
      assert.equal(0, status)
    end)
  end)

  it('that is closed ends at once', function()
    local code = [[
      local cp = require 'child_process'
      cp.process.stdin:on('data', print)
      cp.process.stdin:on('error', function() end)
      cp.process.stdin:on('close', function() print 'close' end)
      cp.run()]]
    redirected(code, '<&-', function(out, err, status)
      assert.equal('', err)
      assert.equal('close\n', out)
      assert.equal(0, status)
    end)
  end)
end)

describe('process.stdout and process.stderr', function()
  it('are written before the program ends', function()
    for _, ending in ipairs { 'cp.run()', 'os.exit(0, true)', 'os.exit(0)', '' } do
      local code = [[
        local cp = require 'child_process'
        cp.process.stdout:write 'to out'
        cp.process.stderr:write 'to err'
      ]] .. ending
      local child = redirected(code, '', function(out, err, status)
        assert.equal('to out', out)
        assert.equal('to err', err)
        assert.equal(0, status)
      end)
      child.stdin:finish()
    end
  end)

  it('keep their order on one and the same pipe', function()
    local code = [[
      local cp = require 'child_process'
      for i = 1, 200 do
        cp.process.stdout:write('o' .. i .. '\n')
        cp.process.stderr:write('e' .. i .. '\n')
      end
      cp.run()]]
    redirected(code, '2>&1', function(out)
      local expected = {}
      for i = 1, 200 do
        expected[i] = ('o%d\ne%d\n'):format(i, i)
      end
      assert.equal(table.concat(expected), out)
    end)
  end)

  it('deliver a megabyte to a reader that takes its time', function()
    local code = [[
      local cp = require 'child_process'
      cp.process.stdout:write(('x'):rep(1024 * 1024), function(err) assert(not err) end)
      cp.run()]]
    local child = cp.spawn(t.lua(code))
    local bytes = 0
    child.stdout:on('data', function(chunk)
      bytes = bytes + #chunk
      child.stdout:pause()
      cp.setTimeout(function()
        child.stdout:resume()
      end, 1)
    end)
    t.once(child.stdout, 'end', function()
      assert.equal(1024 * 1024, bytes)
    end)
    t.once(child, 'close', function(status)
      assert.equal(0, status)
    end)
  end)

  it('report a reader that has gone as EPIPE, not by a signal', function()
    local code = [[
      local cp = require 'child_process'
      io.read 'l'
      cp.process.stdout:on('error', function(e)
        io.stderr:write(e.code, ' ', e.syscall)
      end)
      cp.process.stdout:write 'to nobody'
      cp.run()]]
    local child = cp.spawn(t.lua(code))
    local err = t.collect(child.stderr)
    child.stdout:destroy()
    t.once(child.stdout, 'close', function()
      child.stdin:finish 'go on\n'
    end)
    t.once(child, 'close', function(status, signal)
      assert.equal('EPIPE write', err())
      assert.equal(0, status)
      assert.is_nil(signal)
    end)
  end)

  it('report a device that is full', function()
    local code = [[
      local cp = require 'child_process'
      cp.process.stdout:on('error', function(e) io.stderr:write(e.code) end)
      cp.process.stdout:write 'too much'
      cp.run()]]
    redirected(code, '> /dev/full', function(_, err, status)
      assert.equal('ENOSPC', err)
      assert.equal(0, status)
    end)
  end)

  it('that are closed do no harm', function()
    local code = [[
      local cp = require 'child_process'
      cp.process.stdout:on('error', function() end)
      cp.process.stdout:write 'nowhere'
      cp.run()
      io.stderr:write 'went on']]
    redirected(code, '>&-', function(_, err, status)
      assert.equal('went on', err)
      assert.equal(0, status)
    end)
  end)

  it('take what a child prints, by pipe', function()
    local code = [[
      local cp = require 'child_process'
      cp.spawn('echo', { 'one' }).stdout:pipe(cp.process.stdout)
      cp.run()
      cp.spawn('echo', { 'two' }).stdout:pipe(cp.process.stdout)
      cp.run()]]
    redirected(code, '', function(out, err)
      assert.equal('', err)
      assert.equal('one\ntwo\n', out)
    end)
  end)

  it('outlive destroy(), as in Node', function()
    local code = [[
      local cp = require 'child_process'
      local out, told = cp.process.stdout, {}
      local function tell(...) table.insert(told, table.concat({ ... }, ' ')) end
      out:on('error', function(err) tell('error', err.message) end)
      out:on('close', function(had_error) tell('close', tostring(had_error)) end)
      assert(out:destroy() == out)
      assert(not out.destroyed and out.writable and not out.closed)
      out:write('one ', function(err) tell('written', tostring(err)) end)
      cp.setImmediate(function()
        out:destroy { message = 'boom' }
        cp.setImmediate(function()
          assert(not out.destroyed and out.writable and not out.errored)
          do local _ <close> = out end
          out:write 'two'
        end)
      end)
      cp.run()
      io.stderr:write(table.concat(told, ', '))]]
    redirected(code, '', function(out, err)
      assert.equal('one two', out)
      assert.equal('close false, written nil, error boom, close true, close false', err)
    end)
  end)

  it('may be written again after a write that failed', function()
    local code = [[
      local cp = require 'child_process'
      io.read 'l'
      local out, codes = cp.process.stdout, {}
      out:on('error', function(err) table.insert(codes, err.code) end)
      out:once('close', function() out:write 'once more' end)
      out:write 'to nobody'
      cp.run()
      assert(out.writable and not out.destroyed)
      io.stderr:write(table.concat(codes, ' '))]]
    local child = cp.spawn(t.lua(code))
    local err = t.collect(child.stderr)
    child.stdout:destroy()
    t.once(child.stdout, 'close', function()
      child.stdin:finish 'go on\n'
    end)
    t.once(child, 'close', function(status)
      assert.equal('EPIPE EPIPE', err())
      assert.equal(0, status)
    end)
  end)

  it('take no more once they are finished', function()
    local code = [[
      local cp = require 'child_process'
      local out = cp.process.stdout
      out:on('error', function(err) io.stderr:write(err.code) end)
      out:finish 'the end'
      cp.run()
      out:write 'more'
      cp.run()]]
    redirected(code, '', function(out, err)
      assert.equal('the end', out)
      assert.equal('ERR_STREAM_WRITE_AFTER_END', err)
    end)
  end)

  it('beyond the limit for files have an error, and raise no signal', function()
    local path = t.tmpdir() .. '/out'
    local file, args = t.lua [[
      local cp = require 'child_process'
      cp.process.stdout:on('error', function(err) io.stderr:write(err.code) end)
      cp.process.stdout:write(('x'):rep(5000000))
      cp.run()]]
    local words = { '-c', 'ulimit -f 8192; exec "$@"', 'sh', file, table.unpack(args) }
    local result = cp.spawnSync('dash', words, { stdout = { file = path } })
    assert.same({ 'EFBIG', 0 }, { result.stderr, result.status })
    assert.equal(8192 * 512, #t.slurp(path)) -- dash counts in units of 512 bytes
  end)
end)
