/* fdpass.c - see fdpass.h.
 * Owns: the descriptor of each object, until it is closed, taken or collected.
 * SPDX-License-Identifier: MIT */
#include "fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>

#include "arg.h"
#include "os/fd.h"
#include "result.h"

#define FD_CLASS "child_process.Fd"

int *lcp__fdpass_new(lua_State *L) {
  int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
  *fd = -1;
  luaL_setmetatable(L, FD_CLASS);
  return fd;
}

/* The method may be a field of the metatable, or found by indexing the value. */
static int call_method(lua_State *L, int arg, const char *name) {
  int fd = -1;
  if (luaL_callmeta(L, arg, name))
    fd = lcp__arg_to_fd(L, -1);
  else if (lua_getfield(L, arg, name) == LUA_TFUNCTION) {
    lua_pushvalue(L, arg);
    lua_call(L, 1, 1);
    fd = lcp__arg_to_fd(L, -1);
  }
  return fd;
}

/* Only values that can be indexed are asked for a method; indexing others would raise. */
int lcp__fdpass_get(lua_State *L, int arg) {
  const int *own = luaL_testudata(L, arg, FD_CLASS);
  int top = lua_gettop(L), fd = -1;
  if (own != NULL)
    return *own;
  if (lua_isinteger(L, arg))
    return lcp__arg_to_fd(L, arg);
  if (lua_istable(L, arg) || luaL_getmetafield(L, arg, "__index") != LUA_TNIL) {
    fd = call_method(L, arg, "getfd");
    if (fd < 0)
      fd = call_method(L, arg, "fileno");
  }
  lua_settop(L, top);
  return fd;
}

int lcp__fdpass_offered(lua_State *L, int arg) {
  const int *own = luaL_testudata(L, arg, FD_CLASS);
  return own != NULL ? *own : lcp__arg_fd(L, arg);
}

void lcp__fdpass_taken(lua_State *L, int arg) {
  int *own = luaL_testudata(L, arg, FD_CLASS);
  if (own != NULL)
    *own = -1;
}

/* core.fd_of(value) -> descriptor | nil, see lcp__fdpass_get */
static int l_fd_of(lua_State *L) {
  int fd = lcp__fdpass_get(L, 1);
  if (fd < 0)
    return 0;
  lua_pushinteger(L, fd);
  return 1;
}

/* core.take_fd(object) -> descriptor, which the caller owns from now on | nil: it has
 * none any more */
static int l_take_fd(lua_State *L) {
  int *fd = luaL_checkudata(L, 1, FD_CLASS);
  if (*fd < 0)
    return 0;
  lua_pushinteger(L, lcp__fd_take(fd));
  return 1;
}

/* core.fd_object(descriptor) -> object that owns it */
static int l_fd_object(lua_State *L) {
  int fd = lcp__arg_fd(L, 1);
  *lcp__fdpass_new(L) = fd;
  return 1;
}

/* core.copy_fd(value) -> object that owns a copy of the descriptor | nil, errno.
 * The object is made before the copy: if that raises, no descriptor is lost. */
static int l_copy_fd(lua_State *L) {
  int fd = lcp__fdpass_get(L, 1);
  int *copy = lcp__fdpass_new(L);
  *copy = lcp__fd_copy(fd);
  return *copy >= 0 ? 1 : lcp__push_errno(L, *copy);
}

/* fd:getfd() -> number | nil: closed */
static int l_getfd(lua_State *L) {
  const int *fd = luaL_checkudata(L, 1, FD_CLASS);
  if (*fd < 0)
    return 0;
  lua_pushinteger(L, *fd);
  return 1;
}

/* fd:close()  Idempotent. */
static int l_close(lua_State *L) {
  lcp__fd_close(luaL_checkudata(L, 1, FD_CLASS));
  return 0;
}

static int l_tostring(lua_State *L) {
  const int *fd = luaL_checkudata(L, 1, FD_CLASS);
  if (*fd < 0)
    lua_pushliteral(L, "Fd (closed)");
  else
    lua_pushfstring(L, "Fd (%d)", *fd);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__gc", l_close}, {"__close", l_close}, {"__tostring", l_tostring}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"getfd", l_getfd}, {"fileno", l_getfd}, {"close", l_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"fd_of", l_fd_of},
                                     {"take_fd", l_take_fd},
                                     {"fd_object", l_fd_object},
                                     {"copy_fd", l_copy_fd},
                                     {NULL, NULL}};

int lcp__fdpass_open(lua_State *L) {
  luaL_newmetatable(L, FD_CLASS);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
