-- Run by spec/install/rock: forks itself from an installed rock, in every way in which a
-- child could fail to find the module.  With the argument `loader` LuaRocks' own loader
-- finds it, for us and not for the children.
if arg[1] == 'loader' then
  require 'luarocks.loader'
end
local cp = require 'child_process'

if process then
  process:send { arg = arg[1], version = cp._VERSION, cwd = process:cwd() }
  return
end

local script = arg[0]
local ways = {
  plain = {},
  ['wiped environment'] = { env = {} },
  ['misleading environment'] = { env = { LUA_PATH_5_4 = '?', LUA_CPATH_5_4 = '?' } },
  ['another folder'] = { cwd = '/', env = {} },
  ['another interpreter'] = { execPath = '/usr/bin/lua5.4', env = {} },
  advanced = { serialization = 'advanced', env = {} },
}

local expected, seen = 0, 0
for way, options in pairs(ways) do
  expected = expected + 1
  local child = cp.fork(script, { way }, options)
  child:on('message', function(message)
    assert(message.arg == way and message.version == cp._VERSION, way)
    assert(message.cwd == (options.cwd or cp.process:cwd()), way)
    seen = seen + 1
  end)
  child:on('exit', function(code)
    assert(code == 0, way)
  end)
end
cp.run()
assert(seen == expected, ('%d of %d children answered'):format(seen, expected))
