--- A real sshd for specs, with keys and a configuration of its own in a folder of the
-- test.  There is no daemon and no port: ssh starts it for its connection alone, and
-- talks to it over pipes (ProxyCommand, sshd -i).
local assert = require 'luassert'
local t = require 'spec.helper'
local cp = t.cp

local M = {}

local CONFIG = [[
HostKey %s/host
AuthorizedKeysFile %s/user.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
LogLevel ERROR
]]

-- sshd drops its rights into this folder, which Debian makes when the service starts.
local PRIVILEGES = '/run/sshd'

local function path_of(program)
  local found =
    cp.spawnSync('sh', { '-c', 'PATH=$PATH:/usr/sbin command -v ' .. program })
  return found.ok and found.stdout:match '[^\n]+' or nil
end

--- Why there can be none here; nil if there can.
function M.lacks()
  for _, program in ipairs { 'ssh', 'ssh-keygen', 'sshd' } do
    if not path_of(program) then
      return 'no ' .. program .. ' here'
    end
  end
  if not cp.spawnSync('sh', { '-c', 'mkdir -p ' .. PRIVILEGES }).ok then
    return 'only root may make ' .. PRIVILEGES
  end
  local me = cp.spawnSync('sh', { '-c', 'getent passwd $(id -u)' }).stdout
  return me:find 'nologin' and 'this user may not log in' or nil
end

local function make_key(path)
  local made = cp.spawnSync('ssh-keygen', { '-q', '-t', 'ed25519', '-N', '', '-f', path })
  assert.is_true(made.ok)
end

--- The words with which ssh runs a command on `the other machine`, this one; the command
-- finds this module.  Must be called in a test.
function M.words()
  local folder = t.tmpdir()
  make_key(folder .. '/host')
  make_key(folder .. '/user')
  local config = t.write_file(folder .. '/config', CONFIG:format(folder, folder))
  local proxy = { path_of 'sshd', '-i', '-f', config, '-E', folder .. '/log' }
  local path, cpath = t.module_paths()
  local env = { 'env', 'LUA_PATH=' .. path, 'LUA_CPATH=' .. cpath }
  local words = { 'ssh', '-F', 'none', '-i', folder .. '/user' }
  for _, option in ipairs {
    'BatchMode=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=' .. folder .. '/known',
    'LogLevel=ERROR',
    'ProxyCommand=' .. cp.quote(proxy),
  } do
    table.insert(words, '-o')
    table.insert(words, option)
  end
  table.insert(words, 'the-other-machine')
  table.insert(words, cp.quote(env))
  return words
end

return M
