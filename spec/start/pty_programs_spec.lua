-- Programs that people run at a terminal, in one of ours.
local machine = require 'spec.support.machine'
local t = require 'spec.helper'
local cp = t.cp
local it = machine.wrap('terminals', it, pending)

if t.backend() == 'uv' then
  pending 'uv_spawn gives no terminals: pty_spec has what it says'
  return
end

local function is_here(name)
  return os.execute(('command -v %s >/dev/null 2>&1'):format(name)) == true
end

-- Runs a program and answers it: `steps` are a text that it must say and then what is
-- typed, or a function that is called, and so on.  Returns the result, with all that it
-- has said as stdout.
local function talk(file, args, steps, options)
  options = options or {}
  options.pty = options.pty or true
  options.timeout = t.TEST_TIMEOUT // 2
  options.killSignal = 'SIGKILL'
  local child = cp.spawn(file, args, options)
  local all, unseen, step = '', '', 1
  child.pty:on('data', function(chunk)
    all, unseen = all .. chunk, unseen .. chunk
    while steps[step] do
      local _, last = unseen:find(steps[step], 1, true)
      if not last then
        break
      end
      local reply = steps[step + 1]
      unseen, step = unseen:sub(last + 1), step + 2
      if type(reply) == 'function' then
        reply(child)
      else
        child.pty:write(reply)
      end
    end
  end)
  local result = child:wait()
  local missed = steps[step] and ('it never said %q: '):format(steps[step])
  assert(not missed, (missed or '') .. ('%q'):format(all))
  assert.not_equal('timeout', result.reason, all)
  result.stdout = all
  return result
end

local function finish(child)
  child.pty:finish()
end

local function try(name, title, body)
  it(('%s %s'):format(name, title), function()
    if not is_here(name) then
      pending(name .. ' is not installed')
    end
    body()
  end)
end

describe('in a terminal', function()
  try('sh', 'shows its prompt, runs commands and ends by ^D', function()
    local said = { '$ ', 'tty; echo $((6*7))\r', '42\r\n', '', '$ ', finish }
    local result = talk('sh', { '-i' }, said, { env = { PS1 = '$ ', PATH = '/bin' } })
    assert.matches('/dev/pts/%d+\r\n', result.stdout)
    assert.equal(0, result.code)
  end)

  try('bash', 'edits its lines and has jobs', function()
    local args = { '--norc', '-i' }
    local said = { '$ ', 'echo abX\127c; sh -c "echo in; exec cat"\r', 'in\r\n', '\26' }
    local rest = { 'Stopped', '', '$ ', 'fg\r', 'cat"\r\n', 'x\r', 'x\r\nx\r\n', '\4' }
    table.move(rest, 1, #rest, #said + 1, said)
    table.move({ '$ ', finish }, 1, 2, #said + 1, said)
    local env = { PS1 = '$ ', PATH = '/bin:/usr/bin', HOME = '/', TERM = 'dumb' }
    assert.equal(0, talk('bash', args, said, { env = env }).code)
  end)

  try('stty', 'sees the settings', function()
    local result = talk('stty', { '-a' }, {}, { pty = { cols = 81, rows = 25 } })
    assert.matches('rows 25; columns 81;', result.stdout)
    assert.matches('[ \n]icanon ', result.stdout)
    assert.matches('[ \n]echo ', result.stdout)
    assert.matches('[ \n]iutf8[ \r]', result.stdout)
  end)

  try('python3', 'talks at its prompt', function()
    local said = { '>>> ', 'print(6*7)\r', '42\r\n>>> ', finish }
    assert.equal(
      0,
      talk('python3', { '-i', '-q' }, said, {
        env = {
          PATH = os.getenv 'PATH',
          TERM = 'dumb',
          PYTHON_BASIC_REPL = '1',
        },
      }).code
    )
  end)

  try('lua5.4', 'talks at its prompt', function()
    local said = { '> ', 'print(6*7)\r', '42\r\n', '', '> ', finish }
    local env = { PATH = os.getenv 'PATH', TERM = 'dumb' }
    assert.equal(0, talk('lua5.4', { '-i' }, said, { env = env }).code)
  end)

  try('less', 'shows a page and waits for a key', function()
    local path, lines = t.tmpdir() .. '/file', {}
    for i = 1, 60 do
      lines[i] = ('line %d.'):format(i)
    end
    t.write_file(path, table.concat(lines, '\n'))
    local env = { PATH = os.getenv 'PATH', LESS = '' }
    local said = { 'line 23.', ' ', 'line 46.', 'q' }
    local result = talk('less', { path }, said, { env = env })
    assert.is_nil(result.stdout:find('line 60.', 1, true))
    assert.equal(0, result.code)
  end)

  try('top', 'fills the screen until a key is pressed', function()
    assert.equal(0, talk('top', { '-d', '60' }, { 'PID', 'q' }).code)
  end)

  try('vi', 'writes a file', function()
    local path = t.tmpdir() .. '/file'
    local said = { 'file', 'ihello', 'hello', '\27:wq\r' }
    assert.equal(0, talk('vi', { '-u', 'NONE', '-i', 'NONE', path }, said).code)
    assert.equal('hello\n', t.slurp(path))
  end)

  try('ssh', 'says that there is no such host', function()
    local host = 'lcp-no-such-host.invalid'
    local args = { '-F', 'none', '-o', 'ConnectTimeout=1', host }
    local result = talk('ssh', args, {})
    assert.equal(255, result.code)
    assert.truthy(result.stdout:find(host, 1, true))
  end)

  try('ssh-keygen', 'asks for a passphrase twice, without showing it', function()
    local path = t.tmpdir() .. '/key'
    local args = { '-q', '-t', 'ed25519', '-f', path }
    local said = { 'passphrase (empty', 'secret\r', 'again: ', 'secret\r' }
    local result = talk('ssh-keygen', args, said)
    assert.equal(0, result.code)
    assert.is_nil(result.stdout:find 'secret')
    assert.matches('PRIVATE KEY', t.slurp(path))
  end)

  try('sudo', 'asks for a password, without showing it', function()
    if io.popen('id -u'):read 'n' ~= 0 then
      pending 'only root may ask as another user'
    end
    local args = { '-k', '-p', 'pw: ', 'true' }
    local function close_window(child)
      child.pty:destroy()
    end
    local said = { 'pw: ', 'secret\r', 'try again', close_window }
    local result = talk('sudo', args, said, { uid = 65534, gid = 65534, cwd = '/' })
    assert.is_false(result.ok)
    assert.is_nil(result.stdout:find 'secret')
  end)
end)
