rockspec_format = '3.0'
package = 'child_process'
version = 'scm-1'

-- There is no public address to fetch from yet; in the root of a checkout,
-- `luarocks --lua-version=5.4 make` builds and installs without one.
source = {
  url = 'git+file://.',
}

description = {
  summary = "Node's child_process for Lua 5.4",
  detailed = [[
Starts programs and talks to them without blocking: streams with backpressure, exec and
execFile with time-outs and limits, abort signals.  A C module on libuv.]],
  license = 'MIT',
}

supported_platforms = { 'unix' }

dependencies = {
  'lua >= 5.4, < 5.5',
  'lua-cjson >= 2.1.0',
}

external_dependencies = {
  LIBUV = { header = 'uv.h', library = 'uv' },
}

build = {
  type = 'cmake',
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
