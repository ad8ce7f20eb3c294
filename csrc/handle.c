/* handle.c - see handle.h.  SPDX-License-Identifier: MIT */
#include "handle.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "uvloop.h"

/* The list has the handles that are not closed. */
static void unlink_handle(struct lcp__handle *h) {
  *h->link = h->next;
  if (h->next != NULL)
    h->next->link = h->link;
  h->loop = NULL;
}

static void free_if_done(struct lcp__handle *h) {
  if (h->closed && h->dropped)
    free(h);
}

static void closed_cb(uv_handle_t *uv) {
  struct lcp__handle *h = (struct lcp__handle *)uv;
  h->closed = 1;
  free_if_done(h);
}

void lcp__handle_unpin(struct lcp__handle *h) {
  if (h->pin == LUA_NOREF)
    return;
  luaL_unref(h->loop->main, LUA_REGISTRYINDEX, h->pin);
  h->pin = LUA_NOREF;
  lcp__loop_changed(h->loop);
}

/* The order: callbacks stop; libuv drops the descriptor (epoll must not hold a number
 * when it is closed, since the kernel may reuse it immediately); then the descriptor is
 * closed. */
void lcp__handle_close(struct lcp__handle *h) {
  if (h->loop != NULL)
    lcp__loop_here(h->loop);
  if (h->closing)
    return;
  h->closing = 1;
  lcp__handle_unpin(h);
  unlink_handle(h);
  if (h->active)
    lcp__uvloop_close(&h->uv.any, closed_cb);
  else
    h->closed = 1;
  if (h->release != NULL)
    h->release(h);
  free_if_done(h);
}

/* The end of the state: no Lua function is called. */
static void close_handles(struct lcp__loop *loop) {
  while (loop->handles != NULL)
    lcp__handle_close(loop->handles);
}

static void adapt_handles(struct lcp__loop *loop) {
  struct lcp__handle *next;
  for (struct lcp__handle *h = loop->handles; h != NULL; h = next) {
    next = h->next;
    h->inherited = 1;
    if (h->personal)
      lcp__handle_close(h);
    else if (h->adapt != NULL)
      h->adapt(h);
  }
}

int lcp__handle_here(struct lcp__handle *h) {
  lcp__loop_here(h->loop);
  return !h->closing;
}

static void link_handle(struct lcp__loop *loop, struct lcp__handle *h) {
  h->loop = loop;
  h->pin = LUA_NOREF;
  h->next = loop->handles;
  h->link = &loop->handles;
  if (h->next != NULL)
    h->next->link = &h->next;
  loop->handles = h;
  loop->close_handles = close_handles;
  loop->adapt_handles = adapt_handles;
}

/* The userdata comes first: once it has its metatable, the collector will free the
 * block. */
void *lcp__handle_new(lua_State *L, size_t size, const char *tname, int slots) {
  struct lcp__loop *loop = lcp__loop(L);
  struct lcp__handle **box = lua_newuserdatauv(L, sizeof(struct lcp__handle *), slots);
  *box = NULL;
  luaL_setmetatable(L, tname);
  *box = calloc(1, size);
  if (*box == NULL)
    luaL_error(L, "not enough memory");
  link_handle(loop, *box);
  if (loop->watched)
    lcp__loop_show(L);
  return *box;
}

void lcp__handle_init(struct lcp__handle *h) {
  h->active = 1;
  if (h->unreferenced)
    uv_unref(&h->uv.any);
}

void *lcp__handle_check(lua_State *L, int arg, const char *tname) {
  struct lcp__handle *h = *(struct lcp__handle **)luaL_checkudata(L, arg, tname);
  if (h == NULL) /* a finalizer resurrected it after its own had run */
    luaL_argerror(L, arg, "has been finalized");
  if (h->loop != NULL)
    lcp__loop_here(h->loop);
  return h;
}

void lcp__handle_pin(lua_State *L, struct lcp__handle *h, int index) {
  if (h->pin == LUA_NOREF) {
    lua_pushvalue(L, index);
    h->pin = luaL_ref(L, LUA_REGISTRYINDEX);
    h->since = h->loop->runs;
  }
  lcp__loop_changed(h->loop);
}

void lcp__handle_push(lua_State *L, const struct lcp__handle *h) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, h->pin);
}

void lcp__handle_set_events(lua_State *L, struct lcp__handle *h, int index, int events) {
  h->events = events;
  if (events)
    lcp__handle_pin(L, h, index);
  else
    lcp__handle_unpin(h);
}

/* ---- watching a descriptor ---- */

int lcp__handle_poll(struct lcp__handle *h, int fd) {
  int rc = lcp__loop_uv(h->loop);
  if (rc == 0)
    rc = uv_poll_init(h->loop->uv, &h->uv.poll, fd);
  if (rc == 0)
    lcp__handle_init(h);
  return rc;
}

static void ready_cb(uv_poll_t *uv, int status, int events);

int lcp__handle_watch(lua_State *L, struct lcp__handle *h, int index, int fd) {
  uv_poll_t *poll = &h->uv.poll;
  int events = h->wanted(h), rc = 0;
  if (events == h->events) {
    if (!events) /* an error has stopped it, and no events are wanted any more */
      lcp__handle_unpin(h);
    return 0;
  }
  if (!h->active)
    rc = lcp__handle_poll(h, fd);
  if (rc == 0)
    rc = events ? uv_poll_start(poll, events, ready_cb) : uv_poll_stop(poll);
  if (rc == 0)
    lcp__handle_set_events(L, h, index, events);
  return rc;
}

static int l_rewatch(lua_State *L) {
  struct lcp__handle *h = lua_touserdata(L, 1);
  lcp__handle_push(L, h);
  lcp__handle_watch(L, h, 2, -1); /* it is active: libuv knows the descriptor */
  return 0;
}

/* A status stands for EPOLLERR, after which libuv stops polling the descriptor
 * (uv__poll_io).  The next read or write reports the error, if there is one; a socket may
 * have a passing one, like the ICMP answer to a datagram, and is then watched again. */
static void ready_cb(uv_poll_t *uv, int status, int events) {
  struct lcp__handle *h = (struct lcp__handle *)uv;
  if (!lcp__handle_here(h))
    return;
  if (status < 0) {
    h->events = 0;
    events = UV_READABLE | UV_WRITABLE;
  }
  h->ready(h, events);
  if (status < 0 && !h->closing && h->pin != LUA_NOREF)
    lcp__enter(h->loop, l_rewatch, h);
}

void lcp__handle_set_ref(struct lcp__handle *h, int on) {
  h->unreferenced = !on;
  if (!h->active || h->closing)
    return;
  if (on)
    uv_ref(&h->uv.any);
  else
    uv_unref(&h->uv.any);
  lcp__loop_changed(h->loop);
}

/* ---- methods of every class; upvalue 1 is its metatable ---- */

void *lcp__handle_self(lua_State *L) {
  int same = lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(1));
  struct lcp__handle *h = same ? *(struct lcp__handle **)lua_touserdata(L, 1) : NULL;
  luaL_argexpected(L, h != NULL, 1, "handle");
  lua_pop(L, 1);
  if (h->loop != NULL)
    lcp__loop_here(h->loop);
  return h;
}

static int is_collected(lua_State *L) {
  struct lcp__handle **box = lua_touserdata(L, 1);
  int same = lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(1));
  lua_settop(L, 1);
  return same && *box == NULL;
}

/* handle:close(), also called for a <close> variable.  Idempotent; releases the
 * descriptor immediately.  At the end of a state a finalizer may have a handle that has
 * been finalized before. */
static int l_close(lua_State *L) {
  if (!is_collected(L))
    lcp__handle_close(lcp__handle_self(L));
  return 0;
}

/* A pinned handle is finalized only at the end of the state. */
static void count_never_run(const struct lcp__handle *h) {
  struct lcp__loop *loop = h->loop;
  if (h->awaited && h->pin != LUA_NOREF && !h->unreferenced && !h->inherited &&
      h->since == loop->runs)
    loop->never_run[h->awaited]++;
}

static int l_gc(lua_State *L) {
  struct lcp__handle **box = lua_touserdata(L, 1);
  struct lcp__handle *h = *box;
  if (h != NULL) {
    count_never_run(h);
    lcp__handle_close(h);
    if (h->forget != NULL)
      h->forget(h);
    h->dropped = 1;
    free_if_done(h);
    *box = NULL;
  }
  return 0;
}

/* handle:ref() -> handle, handle:unref() -> handle: whether it keeps the loop alive. */
static int l_ref(lua_State *L) {
  lcp__handle_set_ref(lcp__handle_self(L), 1);
  lua_settop(L, 1);
  return 1;
}

static int l_unref(lua_State *L) {
  lcp__handle_set_ref(lcp__handle_self(L), 0);
  lua_settop(L, 1);
  return 1;
}

/* handle:has_ref() -> boolean */
static int l_has_ref(lua_State *L) {
  struct lcp__handle *h = lcp__handle_self(L);
  lua_pushboolean(L, !h->closing && !h->unreferenced);
  return 1;
}

static const luaL_Reg common[] = {
    {"close", l_close},   {"ref", l_ref}, {"unref", l_unref}, {"has_ref", l_has_ref},
    {"__close", l_close}, {"__gc", l_gc}, {NULL, NULL}};

/* What most classes have: a table that grows field by field is copied several times. */
enum { METHODS = 16 };

/* Each function has the metatable as its upvalue. */
void lcp__handle_methods(lua_State *L, const luaL_Reg *reg) {
  for (; reg->name != NULL; reg++) {
    int meta = reg->name[0] == '_';
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, reg->func, 1);
    lua_setfield(L, meta ? -3 : -2, reg->name);
  }
}

void lcp__handle_class(lua_State *L, const char *tname, const luaL_Reg *functions) {
  luaL_newmetatable(L, tname);
  lua_createtable(L, 0, METHODS);
  lcp__handle_methods(L, common);
  lcp__handle_methods(L, functions);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_pushboolean(L, 0); /* getmetatable must not give access to __gc */
  lua_setfield(L, -3, "__metatable");
}

/* ---- looking inside ---- */

/* stack: …, userdata, which is replaced by a table.  User value 1 of every class says
 * what the handle is for: its owner, its function, or the thing it waits for. */
static void describe(lua_State *L) {
  const struct lcp__handle *h = *(struct lcp__handle **)lua_touserdata(L, -1);
  lua_createtable(L, 0, 4);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "handle");
  luaL_getmetafield(L, -2, "__name");
  lua_setfield(L, -2, "class");
  lua_pushboolean(L, !h->unreferenced);
  lua_setfield(L, -2, "ref");
  lua_getiuservalue(L, -2, 1);
  lua_setfield(L, -2, "subject");
  lua_remove(L, -2);
}

/* core.handles() -> array of { handle, class, ref, subject }, newest first: the handles
 * that libuv may call back. */
static int l_handles(lua_State *L) {
  lua_Integer n = 0;
  lua_newtable(L);
  /* the collector does not run here: finalizers would change the list */
  for (const struct lcp__handle *h = lcp__loop(L)->handles; h != NULL; h = h->next)
    if (h->pin != LUA_NOREF) {
      lcp__handle_push(L, h);
      lua_rawseti(L, 1, ++n);
    }
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    describe(L);
    lua_rawseti(L, 1, i);
  }
  return 1;
}

static const luaL_Reg inside[] = {{"handles", l_handles}, {NULL, NULL}};

int lcp__handle_open(lua_State *L) {
  luaL_setfuncs(L, inside, 0);
  return 0;
}
