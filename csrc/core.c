/* core.c - opens child_process.core: one table per Lua state, however often it is opened.
 *
 * Besides functions it holds the values that exist once per Lua state:
 *   modules       name -> module of this library (lazy.lua)
 *   module        the public table (init.lua), which later `require` calls return
 *   process       cp.process (process.lua)
 *   exec_path     the program that fork starts (lcp_set_exec_path; read by process.lua)
 *   file          path of the shared object of this module (fork.lua)
 *   embedded      loader of the Lua files inside a host program (embedded.c, lazy.lua)
 *   child_methods methods of ChildProcess (child.c makes the table, child.lua fills it)
 *   shared        key that marks classes whose objects can be lent to a child (stdio.lua)
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>

#include "addr.h"
#include "child.h"
#include "child_process.h"
#include "chunks.h"
#include "codec/codec.h"
#include "codec/encoding.h"
#include "compiled.h"
#include "fdpass.h"
#include "gate.h"
#include "handle.h"
#include "held.h"
#include "identity.h"
#include "ipc.h"
#include "log.h"
#include "loop.h"
#include "net.h"
#include "os/spawn.h"
#include "resolve.h"
#include "run.h"
#include "self.h"
#include "shortage.h"
#include "signo.h"
#include "sigwatch.h"
#include "sink.h"
#include "splice.h"
#include "standard.h"
#include "stream.h"
#include "sync.h"
#include "tickets.h"
#include "timer.h"
#include "turn.h"
#include "udp.h"

static const char core_key; /* its address: the core table in the registry */

/* stack: …, core.  Sets `file`, the absolute path of the module, so that a forked child
 * finds it from any directory; nil inside a host program.  `path` is the one that require
 * passes. */
static void set_file(lua_State *L, const char *path) {
  char file[PATH_MAX];
  if (path != NULL && realpath(path, file) != NULL) {
    lua_pushstring(L, file);
    lua_setfield(L, -2, "file");
  }
}

/* core.record(n) -> an empty table with room for n fields: a table that grows field by
 * field is copied several times. */
static int l_record(lua_State *L) {
  lua_createtable(L, 0, (int)luaL_checkinteger(L, 1));
  return 1;
}

enum { FIELDS = 128 }; /* of the core table, about; see l_record */

/* require passes the name and the path; a host may pass nothing. */
int luaopen_child_process_core(lua_State *L) {
  const char *path = lua_gettop(L) >= 2 ? lua_tostring(L, 2) : NULL;
  luaL_checkversion(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key) == LUA_TTABLE)
    return 1;
  lua_createtable(L, 0, FIELDS);
  set_file(L, path);
  lcp__loop_open(L);
  lcp__gate_open(L);
  lcp__turn_open(L);
  lcp__run_open(L);
  lcp__handle_open(L);
  lcp__tickets_open(L);
  lcp__timer_open(L);
  lcp__stream_open(L);
  lcp__standard_open(L);
  lcp__splice_open(L);
  lcp__chunks_open(L);
  lcp__sink_open(L);
  lcp__child_open(L);
  lcp__identity_open(L);
  lcp__held_open(L);
  lcp__sync_open(L);
  lcp__fdpass_open(L);
  lcp__ipc_open(L);
  lcp__addr_open(L);
  lcp__resolve_open(L);
  lcp__net_open(L);
  lcp__udp_open(L);
  lcp__log_open(L);
  lcp__self_open(L);
  lcp__shortage_open(L);
  lcp__signo_open(L);
  lcp__sigwatch_open(L);
  lcp__encoding_open(L);
  lcp__codec_open(L);
  lcp__compiled_open(L);
  lua_pushcfunction(L, l_record);
  lua_setfield(L, -2, "record");
  lua_newtable(L);
  lua_setfield(L, -2, "modules");
  lua_newtable(L);
  lua_setfield(L, -2, "shared");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  lua_pushstring(L, lcp__spawn_backend());
  lua_setfield(L, -2, "backend");
  lua_pushfstring(L, "lua%d.%d", LUA_VERSION_NUM / 100, LUA_VERSION_NUM % 100);
  lua_setfield(L, -2, "interpreter"); /* the usual name of one that can load us */
  lua_pushliteral(L, LCP_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
  return 1;
}

void lcp_set_exec_path(lua_State *L, const char *path) {
  int top = lua_gettop(L);
  luaopen_child_process_core(L);
  lua_pushstring(L, path);
  lua_setfield(L, -2, "exec_path");
  lua_settop(L, top);
}
