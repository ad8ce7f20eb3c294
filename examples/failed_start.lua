-- A program that cannot be started gives an `error` event on the next turn of the loop.
-- The error tells which step failed (`stage`) and on which path, so that a missing
-- directory is not taken for a missing command.  Where nobody listens for `error`, it is
-- raised and leaves cp.run().
local cp = require 'child_process'

local function try(title, command, args, options)
  cp.spawn(command, args, options):on('error', function(err)
    print(title)
    for _, key in ipairs { 'message', 'code', 'errno', 'syscall', 'stage', 'path' } do
      print(('  %-8s %s'):format(key, err[key]))
    end
  end)
end

try('no such program', 'no-such-program', { '--version' })
try('no such directory', 'ls', { '-l' }, { cwd = '/no/such/directory' })
try('not a program', '/etc/passwd')

cp.run()
