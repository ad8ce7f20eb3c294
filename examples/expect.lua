-- Answers a program that asks its questions at a terminal, such as for a password, and
-- shows what it says.
--
--   expect.lua COMMAND [PATTERN ANSWER]...
--
-- COMMAND is for the shell.  Each PATTERN (of Lua) is waited for, for 10 seconds at most,
-- and then ANSWER is typed and Return.  `$NAME` as an ANSWER is that variable of the
-- environment: words of a command line can be seen by everybody on the machine.
--
--   expect.lua 'ssh-keygen -y -f key' 'passphrase' '$PASSPHRASE'
--
-- Exit status: that of COMMAND; 125 if it did not ask what was expected.
local cp = require 'child_process'

local TIMEOUT = tonumber(os.getenv 'EXPECT_TIMEOUT' or 10) * 1000

-- A conversation ------------------------------------------------------------------------

-- `child`; `unseen`: what it has said behind the last match; `wanted`: { pattern, done,
-- timer } while somebody waits.
local Talk = {}
Talk.__index = Talk

local function answer(talk, ...)
  local wanted = talk.wanted
  talk.wanted = nil
  cp.clearTimeout(wanted.timer)
  wanted.done(...)
end

local function look(talk)
  local wanted = talk.wanted
  if not wanted then
    return
  end
  local _, last = talk.unseen:find(wanted.pattern)
  if last then
    local text = talk.unseen:sub(1, last)
    talk.unseen = talk.unseen:sub(last + 1)
    answer(talk, nil, text)
  elseif talk.child.pty.readableEnded then
    answer(talk, 'the command ended before it said ' .. wanted.pattern)
  end
end

local function converse(command)
  local child = cp.spawn(command, { shell = true, pty = true })
  local talk = setmetatable({ child = child, unseen = '' }, Talk)
  child.pty:on('data', function(chunk)
    io.write((chunk:gsub('\r\n', '\n'))):flush()
    talk.unseen = talk.unseen .. chunk
    look(talk)
  end)
  child.pty:on('end', function()
    look(talk)
  end)
  return talk
end

-- Waits until the program has said something that matches; returns what it said up to
-- there.  Raises a text if it does not in time.
function Talk:expect(pattern)
  return cp.await(function(done)
    local timer = cp.setTimeout(function()
      answer(self, ('%g s without %s'):format(TIMEOUT / 1000, pattern))
    end, TIMEOUT)
    self.wanted = { pattern = pattern, done = done, timer = timer }
    look(self)
  end)
end

-- Return is what the key sends; the terminal makes a newline of it.
function Talk:type(text)
  self.child.pty:write(text .. '\r')
end

-- The program ---------------------------------------------------------------------------

local function text_of(word)
  local name = word:match '^%$([%w_]+)$'
  return name and (os.getenv(name) or error('no variable ' .. name, 0)) or word
end

local function main(command, ...)
  if not command then
    error('usage: expect.lua COMMAND [PATTERN ANSWER]...', 0)
  end
  local words = { ... }
  local talk = converse(command)
  local ok, problem = pcall(function()
    for i = 1, #words, 2 do
      talk:expect(words[i])
      talk:type(text_of(words[i + 1] or ''))
    end
  end)
  if not ok then
    talk.child.pty:destroy() -- as if the window were closed
  end
  local result = talk.child:wait()
  if not ok then
    error(problem, 0)
  end
  return result.code or 128
end

local ok, status = pcall(main, ...)
if not ok then
  io.stderr:write('expect.lua: ', tostring(status), '\n')
end
os.exit(ok and status or 125, true)
