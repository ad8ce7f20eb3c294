--- Targets for what a child writes, as other programs beside us have them.
local assert = require 'luassert'
local t = require 'spec.helper'
local cp = t.cp

local descriptors =
  assert(package.loadlib(t.built 'descriptors.so', 'luaopen_descriptors'))()

local M = { close = descriptors.close }

--- Bytes written if nothing else is asked for: more than all pipes on the way hold.
M.SIZE = 1000000

local COMMAND = 'seq 1 1000000 | head -c '

--- A shell command that writes so many bytes, all different enough.
function M.command(size)
  return COMMAND .. (size or M.SIZE)
end

--- What it writes.
function M.numbers(size)
  return cp.execSync(M.command(size), { maxBuffer = math.huge })
end

--- The two ends, blocking, as plain descriptors: reader, writer.
function M.pipe()
  local reader, writer = descriptors.pipe()
  descriptors.block(reader)
  descriptors.block(writer)
  return reader, writer
end

--- The writing end of a pipe that nobody reads any more.
function M.broken_pipe()
  local reader, writer = descriptors.pipe()
  descriptors.close(reader)
  return writer
end

local function fill(fd)
  local stdio = { 'ignore', fd, 'ignore' }
  cp.spawnSync('dd', { 'if=/dev/zero', 'bs=4096', 'oflag=nonblock' }, { stdio = stdio })
  descriptors.block(fd)
end

--- One that takes nothing now.
function M.full_pipe()
  local reader, writer = M.pipe()
  fill(writer)
  return reader, writer
end

--- A terminal that soon takes no more: the end that shows it, the end of programs.
function M.full_terminal()
  local shown, terminal = descriptors.pty()
  fill(terminal)
  return shown, terminal
end

--- Two connected sockets; the second takes nothing now.
function M.full_socket()
  local reader, writer = descriptors.socketpair()
  descriptors.block(reader)
  descriptors.block(writer)
  fill(writer)
  return reader, writer
end

--- Reads it from now on; returns the socket and a function for what has come.
function M.read(fd)
  local socket = cp.net.Socket { fd = fd, writable = false }
  return socket, t.collect(socket)
end

local O_NONBLOCK = 2048

--- Whether the open file description is non-blocking.
function M.is_nonblocking(fd)
  local flags = t.slurp('/proc/self/fdinfo/' .. fd):match 'flags:%s*(%d+)'
  return tonumber(flags, 8) & O_NONBLOCK ~= 0
end

--- Calls fn() when a target of the child waits.
function M.when_behind(child, fn)
  local wanted = ('of child %d, '):format(child.pid)
  t.when(function()
    for _, entry in ipairs(cp.active()) do
      if entry.text:find(wanted, 1, true) and entry.unwritten > 0 then
        return true
      end
    end
  end, fn)
end

function M.sh(script, options)
  return cp.spawn('sh', { '-c', script }, options)
end

--- Starts that command.
function M.writer(options, size)
  return M.sh(M.command(size), options)
end

--- Runs a Lua program; `expected`: its stdout, stderr and status.
function M.runs(program, expected)
  local file, args = t.lua(program)
  local result = cp.spawnSync(file, args, { timeout = t.TEST_TIMEOUT // 2 })
  assert.same(expected, { result.stdout, result.stderr, result.status })
end

return M
