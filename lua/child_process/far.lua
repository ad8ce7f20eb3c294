--- The first module of a worker that a launcher starts (launcher.lua), perhaps on another
-- machine:
--
--   LUA [OPTION…] -l child_process.far -l child_process.boot WORD MODULE [ARGUMENT…]
--
-- No word of that needs quoting but those of the user's.  The channel is standard input
-- and output; afterwards what the program prints goes to standard error.  Then this is
-- any other worker: boot.lua follows.
local core = require 'child_process.core'
local hello = require 'child_process.ipc.hello'
local process = require 'child_process.process'

local word = arg and arg[0] or ''
local mode = hello.mode(word)
if not mode then
  local text = 'child_process.far is for cp.fork with a launcher, of the same version'
  error(text, 0)
end

local reader, writer = core.standard_channels(mode)
if not reader then
  local text = 'child_process.far: standard input and output must be pipes or sockets, '
    .. "which the launcher connects with its own (%s); docker needs '-i', and ssh must "
    .. "have neither '-n' nor '-t'"
  error(text:format(core.errname(writer)), 0)
end
io.stdout:setvbuf 'line'

-- The two -l and WORD go, for boot.lua and process.execArgv; boot.lua's CORE is
-- empty: this machine's module is the one that `require` has found.
local function shift_arguments()
  local shifted = table.move(arg, 1, #arg, 2, { [0] = word, '' })
  local from = -5
  while arg[from] do
    shifted[from + 4] = arg[from]
    from = from - 1
  end
  _G.arg = shifted
end
shift_arguments()

core.setenv('NODE_CHANNEL_FD', nil)
core.setenv('NODE_CHANNEL_SERIALIZATION_MODE', nil)

writer:queue(hello.text(word))
writer:set_framing()
reader:set_framing()
process.use_standard(mode, reader, writer)
