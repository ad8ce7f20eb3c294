-- The examples of fork, run as programs of their own.
local node = require 'spec.support.node'
local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp

local it_with_node = node.wrap(it, pending)
local terminal_it = machine.wrap('terminals', it, pending)
local it = t.wrap(it)

local function example(name)
  return t.root .. '/examples/' .. name
end

-- Runs a program that must succeed quietly; returns its output.
local function output_of(file, args, options)
  local child = cp.execFile(file, args, options)
  local result = child:wait(t.TEST_TIMEOUT)
  if not result then
    child:kill 'SIGKILL'
    error 'the example did not end in time'
  end
  assert.equal('', result.stderr)
  assert.same({ 0, nil }, { result.code, result.signal })
  return result.stdout
end

local function output_of_lua(name, ...)
  return output_of(t.lua(example(name), ...))
end

describe('examples/fork_both_ways.lua', function()
  it('shows what the child says', function()
    assert.equal(
      'the child is ready, its arguments: one, two\n'
        .. 'the child says: HELLO (5 bytes)\n'
        .. 'the child says: HOW ARE YOU? (12 bytes)\n'
        .. 'the child says: GOODBYE (7 bytes)\n'
        .. 'the child has ended with code 0\n',
      output_of_lua 'fork_both_ways.lua'
    )
  end)
end)

describe('examples/counter.lua', function()
  it('shows the state of the child', function()
    assert.equal('1000 messages add up to 500500\n', output_of_lua 'counter.lua')
  end)
end)

describe('examples/compute_server.lua', function()
  it('serves while the child computes', function()
    local out = output_of_lua('compute_server.lua', '200000')
    local pings = out:match '^there are 17984 primes .* answered (%d+) pings\n$'
    assert.is_true(tonumber(pings) > 1)
  end)
end)

describe('examples/shared_server.lua', function()
  it('shows who took how many connections', function()
    local out = output_of_lua 'shared_server.lua'
    local pattern = '^of 30 connections the parent took (%d+)\n'
      .. 'child 1 took (%d+)\nchild 2 took (%d+)\n$'
    local parent, first, second = out:match(pattern)
    assert.equal(30, math.tointeger(parent + first + second))
  end)
end)

describe('examples/special_sockets.lua', function()
  it('has each client served by the child of its kind', function()
    assert.equal(
      'hello Ann, you are normal\n'
        .. 'hello Bob, you are special\n'
        .. 'hello Cleo, you are normal\n',
      output_of_lua 'special_sockets.lua'
    )
  end)
end)

describe('examples/pool.lua', function()
  it('replaces workers that die and tries their tasks again', function()
    -- primes below 95 000, tasks 10 and 20 kill a worker once and three times
    assert.equal(
      '20 tasks, 1 failed, 4 workers replaced, 9157 primes\n',
      output_of_lua('pool.lua', '3', '20')
    )
  end)

  it('works with one worker and with more workers than tasks', function()
    local line = '1 tasks, 1 failed, 3 workers replaced, 0 primes\n'
    assert.equal(line, output_of_lua('pool.lua', '1', '1'))
    assert.equal(line, output_of_lua('pool.lua', '3', '1'))
  end)

  terminal_it('draws its bar on a terminal', function()
    local lua, args = t.lua(example 'pool.lua', '2', '12')
    local words = { lua, table.unpack(args) }
    for i, word in ipairs(words) do
      words[i] = "'" .. word:gsub("'", "'\\''") .. "'"
    end
    local out = output_of('script', { '-qec', table.concat(words, ' '), '/dev/null' })
    assert.matches('\r[======..................................] 2/12, ', out, 1, true)
    assert.matches(('='):rep(40) .. '%] 12/12, 4 workers replaced', out)
  end)
end)

describe('examples/prefork_echo.lua', function()
  local function visit(port, text)
    local client = cp.net.connect(port, '127.0.0.1')
    client:finish(text)
    return client:readAll()
  end

  it('echoes, replaces a worker that dies, and ends on SIGTERM', function()
    local parent = cp.spawn(t.lua(example 'prefork_echo.lua', '0', '2'))
    local err = t.collect(parent.stderr)
    t.once(parent, 'close', function(code, signal)
      assert.equal('', err())
      assert.same({ 0, nil }, { code, signal })
    end)
    cp.async(t.expect(function()
      local lines = parent.stdout:lines()
      local first, port = lines():match 'process (%d+), serves port (%d+)$'
      lines()
      port = tonumber(port)
      for i = 1, 5 do
        assert.equal('text ' .. i, visit(port, 'text ' .. i))
      end
      cp.process:kill(tonumber(first), 'SIGKILL')
      assert.matches('^worker %d has ended: SIGKILL$', lines())
      assert.matches('^worker %d, process %d+, serves port ' .. port .. '$', lines())
      local text = ('x'):rep(1 << 20)
      assert.is_true(text == visit(port, text))
      parent:kill()
      assert.is_nil(lines())
    end))
  end)
end)

describe('examples/lua_parent_node_worker.lua', function()
  it_with_node('shows what Node has made of the URLs', function()
    assert.equal(
      'https://Example.com:443/a/../b%20c?lang=lua\n'
        .. '  host example.com, path /b%20c\n'
        .. '  lang = lua\n'
        .. 'http://127.1/\n'
        .. '  host 127.0.0.1, path /\n'
        .. 'not a url\n'
        .. '  ERR_INVALID_URL\n',
      output_of_lua 'lua_parent_node_worker.lua'
    )
  end)
end)

describe('examples/node_parent.js', function()
  it_with_node('shows what Lua has made of the texts', function()
    local args = { example 'node_parent.js', t.lua_exe }
    assert.equal(
      'key = value by (%w+) = (%w+): value = key (1 times)\n'
        .. 'f(a(b)c)d by %b(): f[]d (1 times)\n'
        .. "oops by [: malformed pattern (missing ']')\n",
      output_of('node', args, { env = node.lua_env() })
    )
  end)
end)
