/* resolve.c - resolves names with getaddrinfo(3), on a thread of libuv's pool.
 *
 * A running request cannot be cancelled, so it is a separate block: closing a lookup
 * abandons it, and it is freed when libuv calls back.
 *
 * The userdata's user values: the name, the function to call.
 * SPDX-License-Identifier: MIT */
#include "resolve.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "addr.h"
#include "arg.h"
#include "handle.h"
#include "result.h"
#include "uvloop.h"

#define LOOKUP_CLASS "child_process.core.Lookup"

enum { SLOT_NAME = 1, SLOT_FN, SLOTS = SLOT_FN };

struct lookup;

struct request {
  uv_getaddrinfo_t uv;
  struct lookup *lookup; /* NULL: abandoned */
};

struct lookup {
  struct lcp__handle base;
  struct request *request;
};

/* uv_cancel succeeds only before a thread has begun; in a copy of the process the thread
 * does not exist. */
static void release(struct lcp__handle *h) {
  struct lookup *l = (struct lookup *)h;
  if (l->request != NULL) {
    l->request->lookup = NULL;
    if (!h->inherited)
      uv_cancel((uv_req_t *)&l->request->uv);
    l->request = NULL;
  }
}

struct found {
  struct lookup *lookup;
  int status;
  const struct addrinfo *first;
};

/* getaddrinfo(3) may return other families, which net and dgram cannot use. */
static void push_addresses(lua_State *L, const struct addrinfo *info) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (; info != NULL; info = info->ai_next)
    if (info->ai_family == AF_INET || info->ai_family == AF_INET6) {
      struct lcp__addr a = {.len = info->ai_addrlen};
      if (info->ai_family == AF_INET)
        a.sa.ip4 = *(const struct sockaddr_in *)info->ai_addr;
      else
        a.sa.ip6 = *(const struct sockaddr_in6 *)info->ai_addr;
      lcp__addr_push(L, &a);
      lua_pop(L, 2);
      lua_rawseti(L, -2, ++n);
    }
}

/* The lookup is closed before its function runs, so that the function may raise. */
static int l_found(lua_State *L) {
  const struct found *e = lua_touserdata(L, 1);
  lcp__handle_push(L, &e->lookup->base);
  lua_getiuservalue(L, 2, SLOT_FN);
  lcp__handle_close(&e->lookup->base);
  if (e->status < 0) {
    lua_pushinteger(L, e->status);
    lua_call(L, 1, 0);
  } else {
    lua_pushnil(L);
    push_addresses(L, e->first);
    lua_call(L, 2, 0);
  }
  return 0;
}

static void found_cb(uv_getaddrinfo_t *uv, int status, struct addrinfo *first) {
  struct request *r = (struct request *)uv;
  struct found e = {r->lookup, status, first};
  if (r->lookup != NULL) {
    r->lookup->request = NULL;
    lcp__enter(r->lookup->base.loop, l_found, &e);
  }
  uv_freeaddrinfo(first);
  free(r);
}

static int start(struct lookup *l, const char *name, lua_Integer family, int type) {
  struct addrinfo hints = {.ai_socktype = type};
  hints.ai_family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC;
  l->request = calloc(1, sizeof *l->request);
  if (l->request == NULL)
    return UV_ENOMEM;
  l->request->lookup = l;
  int rc = lcp__loop_uv(l->base.loop);
  if (rc == 0)
    rc = lcp__uvloop_need_threads();
  if (rc == 0)
    rc = uv_getaddrinfo(l->base.loop->uv, &l->request->uv, found_cb, name, NULL, &hints);
  if (rc == 0)
    return 0;
  free(l->request);
  l->request = NULL;
  return rc;
}

/* core.lookup(name, family, datagram, fn) -> lookup | nil, errno
 * family: 4, 6 or 0 (both). fn(nil, addresses) with an array of numeric addresses, or
 * fn(errno), in a later turn; never after lookup:close(). */
static int l_lookup(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_Integer family = luaL_checkinteger(L, 2);
  int type = lua_toboolean(L, 3) ? SOCK_DGRAM : SOCK_STREAM;
  struct lookup *l;
  luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_settop(L, 4);
  l = lcp__handle_new(L, sizeof *l, LOOKUP_CLASS, SLOTS);
  l->base.release = release;
  l->base.personal = 1; /* its thread exists only in this process */
  lua_insert(L, 4);
  lua_setiuservalue(L, 4, SLOT_FN);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 4, SLOT_NAME);
  lcp__handle_pin(L, &l->base, 4);
  int rc = start(l, name, family, type);
  if (rc == 0)
    return 1;
  lcp__handle_close(&l->base);
  return lcp__push_errno(L, rc);
}

/* core.strerror(errno) -> 'address already in use' */
static int l_strerror(lua_State *L) {
  char text[128];
  lua_pushstring(L, uv_strerror_r(lcp__arg_int(L, 1), text, sizeof text));
  return 1;
}

static const luaL_Reg methods[] = {{NULL, NULL}};

static const luaL_Reg functions[] = {
    {"lookup", l_lookup}, {"strerror", l_strerror}, {NULL, NULL}};

int lcp__resolve_open(lua_State *L) {
  lcp__handle_class(L, LOOKUP_CLASS, methods);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
