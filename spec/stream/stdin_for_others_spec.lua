--- What one of ours reads from our stdin never takes what a child is to read, or the
-- program itself by io.read: nothing is read unless somebody asks at that moment.
local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- `after(fn)`: when SIGUSR1 has come, which is sent behind a line of input, and the loop
-- has looked at that.
local PRELUDE = [[
  local cp = require 'child_process'
  local stdin = cp.process.stdin
  io.stdout:setvbuf 'no'
  local function after(fn)
    local holds = cp.setInterval(function() end, 1000)
    cp.process:once('SIGUSR1', function()
      cp.setImmediate(cp.setImmediate, function()
        holds:close()
        fn()
      end)
    end)
    print 'ready'
  end
]]

-- Has a program read 'first' in some way; then comes 'second', which it must leave.
-- `check(output)` once it has ended.
local function with_two_lines(options, program, check)
  if options.pty and t.backend() == 'uv' then
    pending 'uv_spawn cannot give a child a terminal'
  elseif options.pty and machine.lacks 'terminals' then
    pending(machine.lacks 'terminals')
  end
  local exe, args = t.lua(PRELUDE .. program)
  options.stdio = not options.pty and { 'pipe', 'pipe', 'inherit' } or nil
  local child = cp.spawn(exe, args, options)
  local lines = {}
  t.on_line(child.stdout, function(line)
    line = line:gsub('\r', '')
    lines[#lines + 1] = line
    if line == 'ready' then
      child.stdin:write('second\n', function()
        child:kill 'SIGUSR1'
      end)
    elseif line == 'third?' then
      child.stdin:write 'third\n'
    end
  end)
  child.stdin:write 'first\n'
  t.once(child, 'close', function(code, signal)
    assert.same({ 0 }, { code, signal })
    check(table.concat(lines, ' '))
  end)
end

local WAYS = {
  ["read 'l'"] = "cp.async(function() print(stdin:read 'l') go_on() end)",
  ["read 'l' outside coroutines"] = "print(stdin:read 'l') go_on()",
  ["a read 'l' that timed out"] = [[
    print(stdin:read 'l')
    assert(stdin:read('l', 1) == nil)
    go_on()]],
  ['lines(), which goes on later'] = [[
    cp.async(function()
      for line in stdin:lines() do
        print(line)
        cp.await(function(done) go_on() end)
      end
    end)]],
  ['lines() that was left'] = [[
    cp.async(function()
      for line in stdin:lines() do
        print(line)
        break
      end
      go_on()
    end)]],
  ['pause()'] = [[
    stdin:on('data', function(chunk)
      io.write(chunk)
      stdin:pause()
      go_on()
    end)]],
  ['unref()'] = [[
    stdin:once('data', function(chunk)
      io.write(chunk)
      stdin:unref()
      go_on()
    end)]],
  ['a listener for readable that goes'] = [[
    stdin:once('readable', function()
      io.write(stdin:read())
      go_on()
    end)]],
}

for where, options in pairs {
  ['by a pipe'] = {},
  ['at a terminal'] = { pty = { echo = false } },
} do
  describe('stdin ' .. where, function()
    for name, way in pairs(WAYS) do
      it('is left to others after ' .. name, function()
        local program = [[
          local function go_on()
            after(function()
              print(io.read 'l')
              os.exit(0, true)
            end)
          end
        ]]
        with_two_lines(options, program .. way .. ' cp.run()', function(output)
          assert.equal('first ready second', output)
        end)
      end)
    end

    for name, item in pairs {
      ["'inherit'"] = "'inherit'",
      ['0'] = '0',
      ['io.stdin'] = 'io.stdin',
      ['process.stdin'] = 'stdin',
    } do
      -- the child reads when our loop has had its chance
      it(('is lent by %s and ours again afterwards'):format(name), function()
        local program = ([[
          local child
          stdin:on('data', function(chunk)
            io.write(chunk)
            if chunk:find 'third' then
              os.exit(0, true)
            end
            local script = 'read go <&3; read line; echo got $line'
            local stdio = { %s, 'inherit', 'inherit', 'pipe' }
            child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
            child:on('close', function() print 'third?' end)
            after(function() child.stdio[4]:write 'go\n' end)
          end)
          cp.run()]]):format(item)
        with_two_lines(options, program, function(output)
          assert.equal('first ready got second third? third', output)
        end)
      end)
    end

    it('is lent in a loop over its lines', function()
      local program = [[
        cp.async(function()
          for line in stdin:lines() do
            print(line)
            if line == 'third' then
              os.exit(0, true)
            end
            local script = 'read go <&3; read line; echo got $line'
            local stdio = { 'inherit', 'inherit', 'inherit', 'pipe' }
            local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
            after(function() child.stdio[4]:write 'go\n' end)
            child:wait()
            print 'third?'
          end
        end)
        cp.run()]]
      with_two_lines(options, program, function(output)
        assert.equal('first ready got second third? third', output)
      end)
    end)

    it('comes to who waits for it when the child has ended', function()
      local program = [[
        cp.async(function()
          print(stdin:read 'l')
          local script = 'read go <&3; read line; echo got $line'
          local stdio = { 'inherit', 'inherit', 'inherit', 'pipe' }
          local child
          cp.async(function()
            cp.await(function(done) cp.setImmediate(done) end)
            child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
            child:on('close', function() print 'third?' end)
            after(function() child.stdio[4]:write 'go\n' end)
          end)
          print(stdin:read 'l')
        end)
        cp.run()]]
      with_two_lines(options, program, function(output)
        assert.equal('first ready got second third? third', output)
      end)
    end)

    it('is not taken from a program that starts workers', function()
      local program = [[
        local worker = cp.fork('/dev/null')
        local text = ''
        stdin:on('data', function(chunk)
          text = text .. chunk
          if text == 'first\n' then
            print 'ready'
          elseif text == 'first\nsecond\n' then
            print 'both'
            stdin:destroy()
          end
        end)
        cp.process:on('SIGUSR1', function() end)
        cp.run()]]
      with_two_lines(options, program, function(output)
        assert.equal('ready both', output)
      end)
    end)
  end)
end

it('a terminal is left to a child that asks for a password there', function()
  local program = [[
    cp.async(function()
      print(stdin:read 'l')
      local script = 'read go; read line < /dev/tty; echo got $line'
      local stdio = { 'pipe', 'inherit', 'inherit' }
      local child = cp.spawn('sh', { '-c', script }, { stdio = stdio })
      after(function() child.stdin:write 'go\n' end)
      child:wait()
    end)
    cp.run()]]
  with_two_lines({ pty = { echo = false } }, program, function(output)
    assert.equal('first ready got second', output)
  end)
end)
