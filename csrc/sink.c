/* sink.c - see sink.h.
 * Owns: the descriptor, what is polled in its place, and the string being written.
 *
 * Of what is behind the descriptor nothing is ours but the bytes that we add: O_NONBLOCK
 * would be seen by the terminal's shell, the program that reads the pipe, the library
 * that has the socket.  So each write is bounded by other means (fd.h), and since libuv
 * makes non-blocking what it polls, it gets an epoll that holds the descriptor.
 * SPDX-License-Identifier: MIT */
#include "sink.h"

#include <errno.h>
#include <lauxlib.h>

#include "arg.h"
#include "handle.h"
#include "result.h"
#include "shortage.h"

#define SINK_CLASS "child_process.core.Sink"

enum { SLOT_OWNER = 1, SLOT_ONWRITTEN, SLOT_PENDING, SLOTS = SLOT_PENDING };

struct lcp__sink {
  struct lcp__handle base;
  int fd;
  int watch_fd; /* made when a write has to wait for the first time; -1 before */
  enum lcp__fd_kind kind;
  struct iovec rest; /* of the string in SLOT_PENDING */
};

static void release(struct lcp__handle *h) {
  struct lcp__sink *s = (struct lcp__sink *)h;
  if (s->watch_fd != s->fd)
    lcp__fd_close(&s->watch_fd);
  lcp__fd_close(&s->fd);
  s->watch_fd = -1;
  s->rest.iov_len = 0;
}

static int wanted(const struct lcp__handle *h) {
  const struct lcp__sink *s = (const struct lcp__sink *)h;
  int writable = s->watch_fd == s->fd ? UV_WRITABLE : UV_READABLE;
  return s->rest.iov_len > 0 ? writable : 0;
}

/* 1: all is written; 0: the descriptor takes no more now; < 0: errno. */
static int flush(struct lcp__sink *s) {
  while (s->rest.iov_len > 0) {
    ssize_t n = lcp__fd_writev(s->fd, s->kind, &s->rest, 1);
    if (n == -EAGAIN)
      return 0;
    if (n < 0)
      return (int)n;
    s->rest.iov_base = (char *)s->rest.iov_base + n;
    s->rest.iov_len -= (size_t)n;
  }
  return 1;
}

struct event {
  struct lcp__sink *s;
  int rc;
};

static int l_written(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  struct lcp__sink *s = e->s;
  lcp__handle_push(L, &s->base);
  s->rest.iov_len = 0;
  lcp__handle_watch(L, &s->base, 2, s->watch_fd);
  lua_pushnil(L);
  lua_setiuservalue(L, 2, SLOT_PENDING);
  lua_getiuservalue(L, 2, SLOT_ONWRITTEN);
  lua_getiuservalue(L, 2, SLOT_OWNER);
  if (e->rc < 0)
    lua_pushinteger(L, e->rc);
  else
    lua_pushnil(L);
  lua_call(L, 2, 0);
  return 0;
}

static void ready(struct lcp__handle *h, int events) {
  struct event e = {(struct lcp__sink *)h, 0};
  (void)events;
  e.rc = flush(e.s);
  if (e.rc != 0)
    lcp__enter(h->loop, l_written, &e);
}

struct lcp__sink *lcp__sink_new(lua_State *L) {
  struct lcp__sink *s = lcp__handle_new(L, sizeof *s, SINK_CLASS, SLOTS);
  s->fd = s->watch_fd = -1;
  s->base.personal = 1;
  s->base.release = release;
  s->base.wanted = wanted;
  s->base.ready = ready;
  return s;
}

void lcp__sink_adopt(struct lcp__sink *s, int fd, enum lcp__fd_kind kind) {
  s->fd = fd;
  s->kind = kind;
}

/* ---- methods ---- */

static struct lcp__sink *self(lua_State *L) {
  return lcp__handle_check(L, 1, SINK_CLASS);
}

/* sink:bind(owner, onwritten)  onwritten(owner, nil | errno), when a write that was left
 * pending is over. */
static int l_bind(lua_State *L) {
  self(L);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, SLOT_ONWRITTEN);
  lua_setiuservalue(L, 1, SLOT_OWNER);
  return 0;
}

static int watch(lua_State *L, struct lcp__sink *s) {
  if (s->watch_fd < 0) {
    s->watch_fd = lcp__fd_watch(s->fd, 1);
    if (s->watch_fd < 0 && lcp__shortage_collect(L, s->watch_fd))
      s->watch_fd = lcp__fd_watch(s->fd, 1);
    if (s->watch_fd < 0)
      return s->watch_fd;
  }
  return lcp__handle_watch(L, &s->base, 1, s->watch_fd);
}

/* sink:write(bytes) -> true: all is written | false: `onwritten` will follow |
 * nil, errno */
static int l_write(lua_State *L) {
  struct lcp__sink *s = self(L);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  int rc;
  luaL_argcheck(L, s->rest.iov_len == 0, 1, "a write is under way");
  if (s->fd < 0)
    return lcp__push_errno(L, s->base.closing ? -EBADF : 0);
  s->rest.iov_base = (char *)bytes;
  s->rest.iov_len = size;
  rc = flush(s);
  if (rc == 0) {
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, SLOT_PENDING);
    rc = watch(L, s);
    if (rc == 0) {
      lua_pushboolean(L, 0);
      return 1;
    }
  }
  s->rest.iov_len = 0;
  return lcp__push_errno(L, rc);
}

/* sink:fileno() -> fd | nil: closed, or nowhere */
static int l_fileno(lua_State *L) {
  const struct lcp__sink *s = self(L);
  if (s->fd < 0)
    return 0;
  lua_pushinteger(L, s->fd);
  return 1;
}

static const luaL_Reg methods[] = {
    {"bind", l_bind}, {"write", l_write}, {"fileno", l_fileno}, {NULL, NULL}};

/* core.sink(fd) -> sink over a copy of one of our descriptors; where there is none, or no
 * copy can be made, it takes everything and keeps nothing. */
static int l_sink(lua_State *L) {
  int from = lcp__arg_fd(L, 1);
  struct lcp__sink *s = lcp__sink_new(L);
  int fd = lcp__fd_copy(from);
  lcp__sink_adopt(s, fd < 0 ? -1 : fd, fd < 0 ? LCP__FD_FILE : lcp__fd_kind_of(fd));
  return 1;
}

static const luaL_Reg functions[] = {{"sink", l_sink}, {NULL, NULL}};

int lcp__sink_open(lua_State *L) {
  lcp__handle_class(L, SINK_CLASS, methods);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
