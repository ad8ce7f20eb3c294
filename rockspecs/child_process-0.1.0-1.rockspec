rockspec_format = '3.0'
package = 'child_process'
version = '0.1.0-1'

-- TO BE FILLED IN BY WHOEVER PUBLISHES: `source.url`, the address of the archive.  The
-- sources have no public address yet.  A release is an archive, made in a checkout:
--   git archive --prefix=child_process-0.1.0/ -o child_process-0.1.0.tar.gz v0.1.0
-- LuaRocks takes it from the folder in which it is called, and unpacks it there:
--   luarocks --lua-version=5.4 build child_process-0.1.0-1.rockspec
-- For `pack`, which makes a source rock that needs no address any more, the path must be
-- absolute.
source = {
  url = 'file://child_process-0.1.0.tar.gz',
  dir = 'child_process-0.1.0',
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
