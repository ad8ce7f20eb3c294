--- Programs that are short of something before they have a loop.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- In the program `refuse(library, call, errno)` has all such calls fail.
local PRELUDE = [[
  local cp = require 'child_process'
  local _ = cp.net, cp.dgram, cp.process, require 'child_process.stream.standard'
  local fault = assert(package.loadlib(..., 'luaopen_fault'))()
  local function refuse(library, call, errno)
    fault.arm(library, { name = call, errno = errno })
  end
]]

local EMFILE, ENOENT = 24, 2

local function runs(program, expected, redirection)
  local exe, args = t.lua(PRELUDE .. program, t.built 'fault.so')
  local script = ('ulimit -n 64; exec "$0" "$@" %s'):format(redirection or '')
  local words = { '-c', script, exe, table.unpack(args) }
  local child = cp.spawn('sh', words)
  local out, err = t.collect(child.stdout), t.collect(child.stderr)
  t.once(child, 'close', function(code, signal)
    assert.same({ 0 }, { code, signal }, err())
    assert.equal(expected, redirection and err() or out())
  end)
end

local SPAWN = [[
  local child = cp.spawn 'true'
  child:on('error', function(err) print(err.code, child.pid) end)
  child:on('close', function(code) print('close', code) end)
  cp.run()
]]

describe('a program without a loop yet', function()
  it('is not ended by libuv when there are no pipes', function()
    runs(
      ("refuse('libuv', 'pipe2', %d)"):format(EMFILE)
        .. SPAWN
        .. 'fault.disarm()'
        .. SPAWN,
      'EMFILE\tnil\nclose\t-24\nclose\t0\n'
    )
  end)

  it('needs no /dev/null', function()
    runs(("refuse('child_process/core', 'open', %d)"):format(ENOENT) .. SPAWN .. [[
        local server = cp.net.createServer()
        server:listen(0, '127.0.0.1', function() print 'listening' server:close() end)
        cp.run()
        fault.disarm()]], 'close\t0\nlistening\n')
  end)

  it('needs none for standard streams that are closed', function()
    runs(("refuse('child_process/core', 'open', %d)"):format(ENOENT) .. [[
        cp.process.stdout:on('error', function() end)
        cp.process.stdout:write 'nowhere'
        cp.process.stdin:on('end', function() io.stderr:write 'the end' end)
        cp.process.stdin:resume()
        cp.run()
        fault.disarm()]], 'the end', '<&- >&-')
  end)

  it('has the immediates run that it set before there could be one', function()
    runs(
      [[
      local files, file = {}, nil
      repeat
        file = io.open '/dev/null'
        files[#files + 1] = file
      until not file
      local last
      cp.setImmediate(print, 'immediate')
      cp.nextTick(print, 'tick')
      last = cp.setImmediate(print, 'never')
      cp.clearImmediate(last)
      for _, f in ipairs(files) do f:close() end
      print(cp.run())]],
      'tick\nimmediate\nfalse\n'
    )
  end)

  it('may stop before there is one', function()
    runs(
      [[
      local files, file = {}, nil
      repeat
        file = io.open '/dev/null'
        files[#files + 1] = file
      until not file
      cp.setImmediate(function()
        print 'immediate'
        cp.setImmediate(print, 'left')
        cp.stop()
      end)
      print(cp.run())
      print(cp.run())]],
      'immediate\ntrue\nleft\nfalse\n'
    )
  end)

  it('hears of EMFILE whatever it asks for', function()
    runs(
      [[
      local function tell(err) print(err.syscall, err.code) end
      local function raises(...)
        local ok, err = pcall(...)
        assert(not ok)
        tell(err)
      end
      local files, file = {}, nil
      repeat
        file = io.open '/dev/null'
        files[#files + 1] = file
      until not file
      raises(cp.setTimeout, print, 1)
      raises(cp.loop.pollfd)
      raises(cp.process.on, cp.process, 'SIGUSR1', print)
      cp.spawn('true'):on('error', tell)
      cp.run()
      cp.net.createServer():on('error', tell):listen(0, '127.0.0.1')
      cp.run()
      cp.net.connect(1, '127.0.0.1'):on('error', tell)
      cp.run()
      cp.net.connect(1, 'localhost'):on('error', tell)
      cp.run()
      cp.dgram.createSocket('udp4'):on('error', tell):bind(0, '127.0.0.1')
      cp.run()
      cp.setImmediate(function()
        print 'immediate'
        for _, file in ipairs(files) do file:close() end
        cp.setImmediate(print, 'once more')
        cp.setTimeout(print, 1, 'timer')
      end)
      print(cp.loop.timeout())
      print(cp.run())]],
      table.concat({
        'uv_loop_init\tEMFILE',
        'uv_loop_init\tEMFILE',
        'uv_signal_start\tEMFILE',
        'spawn true\tEMFILE',
        'listen\tEMFILE',
        'connect\tEMFILE',
        'getaddrinfo\tEMFILE',
        'bind\tEMFILE',
        '0.0',
        'immediate',
        'once more',
        'timer',
        'false',
        '',
      }, '\n')
    )
  end)
end)
