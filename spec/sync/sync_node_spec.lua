-- The same calls that wait, here and in a real Node: results and raised errors are equal
-- field by field.
local node = require 'spec.support.node'
local t = require 'spec.helper'
local cp = t.cp
local it = node.wrap(it, pending)

local function sh(script, options)
  return { 'spawnSync', 'sh', { '-c', script }, options or {} }
end

-- An empty table would arrive as an object.
local none = setmetatable({}, { __jsontype = 'array' })

-- { call, argument… }; the options are the last.
local cases = {
  { 'spawnSync', 'true', none, {} },
  sh 'echo out; echo err >&2; exit 7',
  sh 'kill -KILL $$',
  sh('cat; echo', { input = 'text' }),
  sh('cat', { input = '' }),
  sh('exec <&-; exit 5', { input = ('x'):rep(1000000) }),
  sh('cat', { input = 'dropped', stdio = { 'ignore', 'pipe', 'pipe' } }),
  sh('echo x', { stdio = 'ignore' }),
  sh('echo x; echo y >&2', { stdio = { 'pipe', 'pipe', 'ignore' } }),
  sh('echo x >&3', { stdio = { 'ignore', 'ignore', 'ignore', 'pipe', 'ignore' } }),
  sh('echo x', { stdio = cp.null }),
  sh('echo a; exec sleep 30', { timeout = 400 }),
  sh('exec sleep 30', { timeout = 50, killSignal = 'SIGKILL' }),
  sh('exec sleep 30', { timeout = 50, stdio = 'ignore' }),
  sh('trap "exit 9" TERM; echo a; while :; do sleep 0.01; done', { timeout = 400 }),
  sh('trap "" TERM; exec >&- 2>&-; sleep 0.5; exit 3', { timeout = 200 }),
  sh('{ sleep 0.6; } & echo early', { timeout = 300 }),
  sh '{ sleep 0.1; echo late; } & echo early',
  sh('echo 123456; exec sleep 30', { maxBuffer = 1 }),
  sh('printf 123456', { maxBuffer = 6 }),
  sh('echo 123456', { maxBuffer = 0 }),
  { 'spawnSync', 'lcp_nope', { 'a', 'b' }, {} },
  { 'spawnSync', '/etc', none, {} },
  { 'spawnSync', 'echo', { 'a', '|', 'cat' }, { shell = true } },
  { 'spawnSync', 'lcp_nope', none, { shell = true, env = {} } },
  { 'spawnSync', '/usr/bin/env', none, { env = { A = '1' } } },
  { 'spawnSync', 'sh', { '-c', 'echo $0' }, { argv0 = 'zz' } },
  { 'spawnSync', 'pwd', none, { cwd = '/' } },
  { 'execSync', 'echo out', {} },
  { 'execSync', 'echo out; exit 3', {} },
  { 'execSync', 'echo err >&2; exit 3', { stdio = 'pipe' } },
  { 'execSync', 'echo err >&2; exit 3', { stdio = 'ignore' } },
  { 'execSync', 'kill -TERM $$', {} },
  { 'execSync', 'exec sleep 30', { timeout = 50 } },
  { 'execSync', 'echo 123; exec sleep 30', { maxBuffer = 1 } },
  { 'execSync', 'true', { shell = '/nowhere/sh' } },
  { 'execSync', 'exit 2', { encoding = 'hex' } },
  { 'execFileSync', 'echo', { 'a' }, {} },
  { 'execFileSync', 'sh', { '-c', 'exit 2' }, {} },
  { 'execFileSync', 'sh', { '-c', 'exit 2' }, { argv0 = 'zz' } },
  { 'execFileSync', 'exit', { '2' }, { shell = true } },
  { 'execFileSync', 'lcp_nope', { 'a' }, {} },
}

for _, case in ipairs(cases) do
  local options = case[#case]
  options.encoding = options.encoding or 'utf8'
  options.env = options.env or { PATH = os.getenv 'PATH' }
end

local PROGRAM = [[
  const cp = require('child_process')
  process.once('message', (cases) => {
    process.send(cases.map(([call, ...args]) => {
      try {
        const result = cp[call](...args)
        return { returned: call === 'spawnSync' ? pick(result) : result }
      } catch (e) {
        return { raised: { ...pick(e), ...about(e) } }
      }
    }))
    process.disconnect()
  })
  function about({ code, errno, syscall, path, spawnargs, message }) {
    return { code, errno, syscall, path, spawnargs, message }
  }
  function pick({ pid, status, signal, output, stdout, stderr, error }) {
    return { started: pid > 0, status, signal, stdout, stderr,
      output: output && output.map(String).join('|'), error: error && about(error) }
  }
]]

-- The same for ours, with null as Node writes it.
local function about(e)
  return {
    code = e.code,
    errno = e.errno,
    syscall = e.syscall,
    path = e.path,
    spawnargs = e.spawnargs,
    message = e.message,
  }
end

local function joined(output)
  local list = {}
  for i = 1, output.n do
    list[i] = output[i] or 'null'
  end
  return table.concat(list, '|')
end

local function pick(r)
  return {
    started = r.pid > 0,
    status = r.status,
    signal = r.signal,
    stdout = r.stdout,
    stderr = r.stderr,
    output = r.output and joined(r.output),
    error = r.error and about(r.error),
  }
end

local function ours(case)
  local call = case[1]
  local ok, result = pcall(cp[call], table.unpack(case, 2))
  if ok then
    return { returned = call == 'spawnSync' and pick(result) or result }
  end
  local fields = pick(result)
  for name, value in pairs(about(result)) do
    fields[name] = value
  end
  return { raised = fields }
end

-- null and undefined are both nil here.
local function without_null(value)
  if type(value) ~= 'table' then
    return value
  end
  local copy = {}
  for key, item in pairs(value) do
    if item ~= cp.null then
      copy[key] = without_null(item)
    end
  end
  return copy
end

describe('the calls that wait', function()
  it('give what Node gives', function()
    local child = node.child(PROGRAM, { silent = true })
    t.once(child, 'message', function(answers)
      assert.equal(#cases, #answers)
      for i, case in ipairs(cases) do
        local title = ('case %d, %s'):format(i, case[1])
        assert.same(without_null(answers[i]), ours(case), title)
      end
    end)
    child:send(cases)
  end)
end)
