local launched = require 'spec.support.launched'
local sshd = require 'spec.support.sshd'
local t = require 'spec.helper'

local fork = launched.fork

local lacks = sshd.lacks()

local function it_with_ssh(title, body)
  if lacks then
    pending(('%s (%s)'):format(title, lacks))
  else
    it(title, t.run(body, { timeout = 4 * t.TEST_TIMEOUT }))
  end
end

local ECHO = [[
  local words = { ... }
  process:on('message', function(message)
    process:send { message, table.unpack(words) }
  end)
]]

local function echoes(options)
  local odd = 'it\'s "$HOME" `id` \\ * \n;'
  local child = fork(sshd.words(), ECHO, options, odd, '')
  local text = ('ä'):rep(500000)
  child:send(text)
  child:on('message', function(message)
    assert.same({ text, odd, '' }, message)
    child:disconnect()
  end)
  t.once(child, 'close', function(code, signal)
    assert.same({ 0, nil }, { code, signal })
  end)
end

describe('fork over ssh', function()
  it_with_ssh('exchanges messages and passes on any argument', function()
    echoes()
  end)

  it_with_ssh('exchanges messages in the advanced serialization', function()
    echoes { serialization = 'advanced' }
  end)

  it_with_ssh('gives the exit code of the worker, and what it prints', function()
    local code = "print('from afar') process:send('ready') os.exit(7)"
    local child = fork(sshd.words(), code, { silent = true })
    t.once(child, 'message')
    local text = t.collect(child.stderr)
    t.once(child, 'close', function(exit_code)
      assert.same({ 7, 'from afar\n' }, { exit_code, text() })
    end)
  end)

  it_with_ssh('tells the parent that the worker has disconnected', function()
    local code = 'process:disconnect() io.read()'
    local child = fork(sshd.words(), code, { silent = true })
    t.once(child, 'disconnect')
    t.once(child, 'close')
  end)

  it_with_ssh('ends the worker when ssh gets SIGKILL', function()
    local path = t.tmpdir() .. '/seen'
    local child = fork(
      sshd.words(),
      [[
      local path = ...
      process:on('message', function() end)
      process:on('disconnect', function() io.open(path, 'w'):close() end)
      process:send 'ready'
    ]],
      { silent = true },
      path
    )
    t.once(child, 'message', function()
      child:kill 'SIGKILL'
    end)
    t.once(child, 'close', function(_, signal)
      assert.equal('SIGKILL', signal)
    end)
    t.when(function()
      return t.slurp(path)
    end)
  end)

  it_with_ssh('is a failed start where ssh fails', function()
    local words = sshd.words()
    words[5] = words[5] .. '.none'
    local result = fork(words, '', { silent = true }):wait()
    assert.same({ 'spawn', 255 }, { result.reason, result.code })
    assert.matches('Permission denied', result.error.message)
  end)
end)
