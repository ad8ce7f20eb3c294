rockspec_format = '3.0'
package = 'child_process'
version = 'scm-1'

-- The sources have no public address yet, and a rockspec must name one.  So this is for
-- `luarocks --lua-version=5.4 make` in a checkout, which fetches nothing; `build` and
-- `install` would need the repository's URL here.
source = {
  url = 'git+file://.',
}

description = {
  summary = "Node's child_process for Lua 5.4 and 5.5",
  detailed = [[
Starts programs and talks to them without blocking: streams with backpressure, exec with
timeouts and limits, the calls that wait, workers with a channel of messages that Node
speaks, too.  A C module on libuv.]],
  license = 'MIT',
}

supported_platforms = { 'unix' }

dependencies = {
  'lua >= 5.4, < 5.6',
  'lua-cjson >= 2.1.0',
}

external_dependencies = {
  LIBUV = { header = 'uv.h', library = 'uv' },
}

build = {
  type = 'cmake',
  copy_directories = { 'docs', 'examples' },
  variables = {
    CMAKE_BUILD_TYPE = 'RelWithDebInfo',
    CMAKE_INSTALL_PREFIX = '$(PREFIX)',
    CMAKE_PREFIX_PATH = '$(LIBUV_DIR)',
    INSTALL_CMOD = '$(LIBDIR)',
    INSTALL_LMOD = '$(LUADIR)',
    INSTALL_TYPES = '$(PREFIX)',
    LCP_INSTALL_DEV = 'OFF',
    LUA_INCLUDE_DIR = '$(LUA_INCDIR)',
  },
}

test = {
  type = 'command',
  command = 'scripts/test',
}
