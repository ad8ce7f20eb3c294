-- Methods called with a dot, as Node's are: nothing is done, and the error says what to
-- do.  `process.kill(pid, 0)` would else send SIGTERM to our own process group.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

local function check(call, fn, ...)
  local err = t.raises('ERR_INVALID_THIS', fn, ...)
  assert.equal(
    ('TypeError [ERR_INVALID_THIS]: call it with a colon: %s'):format(call),
    tostring(err)
  )
end

describe('a method that is called with a dot', function()
  it('is process.kill, which signals nobody', function()
    check('process:kill(…)', cp.process.kill, cp.process.pid, 0)
    check('process:kill(…)', cp.process.kill, cp.process.pid, 'SIGTERM')
    check('process:kill(…)', cp.process.kill)
  end)

  it('is another one of process', function()
    check('process:exit(…)', cp.process.exit, 3)
    check('process:chdir(…)', cp.process.chdir, '/')
    check('process:umask(…)', cp.process.umask, 0)
  end)

  it('is one of a child', function()
    local child = cp.spawn 'true'
    check('child:wait(…)', child.wait)
    check('child:wait(…)', child.wait, 100)
    check('child:kill(…)', child.kill, 'SIGKILL')
    check('child:send(…)', child.send, 'a message')
    check('child:send(…)', child.send, { a = 'message' })
    check('child:send(…)', child.send, nil, 'a message')
    check('child:ref()', child.ref)
    check('child:unref()', child.unref, {})
  end)

  it('is one of an emitter', function()
    local child = cp.spawn 'true'
    local names = 'on once prependListener prependOnceListener off'
    for name in names:gmatch '%a+' do
      check('emitter:' .. name .. '(…)', child[name], 'exit', print)
    end
    check('emitter:on(…)', child.stdout.on, 'data', print)
    check('emitter:on(…)', cp.process.on, 'SIGINT', print)
    check('emitter:emit(…)', child.emit)
    check('emitter:emit(…)', child.stdout.emit, 'data', 5)
  end)

  it('is one of a channel', function()
    local child = cp.spawn('true', { stdio = { 'ignore', 'ignore', 'ignore', 'ipc' } })
    for name in ('ref unref hasRef'):gmatch '%a+' do
      check(('channel:%s()'):format(name), child.channel[name])
    end
    child:wait()
  end)

  it('is one of an immediate', function()
    local immediate = cp.setImmediate(print)
    for name in ('ref unref hasRef'):gmatch '%a+' do
      check(('immediate:%s()'):format(name), immediate[name], 5)
    end
    immediate:close()
  end)

  it('is one of a stream', function()
    local child = cp.spawn 'true'
    check('stream:lines(…)', child.stdout.lines)
    check('stream:readAll(…)', child.stdout.readAll)
    check('stream:write(…)', child.stdin.write, 'text')
  end)
end)
