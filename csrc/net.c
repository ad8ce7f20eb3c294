/* net.c - see net.h.
 *
 * Owns: for a server, the listening descriptor, one in reserve and the path to remove;
 * for a connector, the descriptor until it is connected and a stream takes it over.
 *
 * The userdata's user values: the owner (a Lua object) and its callback.
 * SPDX-License-Identifier: MIT */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "arg.h"
#include "fdpass.h"
#include "handle.h"
#include "os/fd.h"
#include "result.h"
#include "shortage.h"
#include "stream.h"

#define SERVER_CLASS "child_process.core.Server"
#define CONNECTOR_CLASS "child_process.core.Connector"

enum { SLOT_OWNER = 1, SLOT_FN, SLOTS = SLOT_FN };

enum {
  BATCH = 64,     /* connections accepted in one turn of the loop */
  MAX_SHED = 1024 /* and closed unused in one turn, see shed */
};

struct server {
  struct lcp__handle base;
  int fd;
  int reserve; /* a descriptor to be closed to accept one more; -1: none */
  int accepting;
  char *path; /* removed with the server; NULL: none */
};

struct connector {
  struct lcp__handle base;
  int fd;
};

/* x:bind(owner, fn) Sets what the callbacks of the handle call. */
static int bind_callback(lua_State *L) {
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, SLOT_FN);
  lua_setiuservalue(L, 1, SLOT_OWNER);
  return 0;
}

/* stack: …, userdata at `index`.  Pushes the callback and the owner; 0 if there is
 * none. */
static int push_callback(lua_State *L, int index) {
  int bound = lua_getiuservalue(L, index, SLOT_FN) == LUA_TFUNCTION;
  lua_getiuservalue(L, index, SLOT_OWNER);
  return bound;
}

/* ---- server ---- */

static void server_release(struct lcp__handle *h) {
  struct server *s = (struct server *)h;
  if (s->path != NULL && s->fd >= 0 && !h->inherited)
    unlink(s->path); /* before close, so that no other server can have bound it */
  free(s->path);
  s->path = NULL;
  lcp__fd_close(&s->fd);
  lcp__fd_close(&s->reserve);
}

/* The userdata is at `index`. */
static int server_watch(lua_State *L, struct server *s, int index) {
  return lcp__handle_watch(L, &s->base, index, s->fd);
}

struct connection {
  struct server *s;
  int fd; /* or a negative errno */
};

static int l_connection(lua_State *L) {
  struct connection *e = lua_touserdata(L, 1);
  lcp__handle_push(L, &e->s->base);
  server_watch(L, e->s, 2);
  if (!push_callback(L, 2))
    return 0;
  if (e->fd >= 0) {
    struct lcp__stream *stream = lcp__stream_new(L);
    lcp__stream_adopt(stream, lcp__fd_take(&e->fd), LCP__FD_SOCKET);
    lua_call(L, 2, 0);
  } else {
    lua_pushnil(L);
    lua_pushinteger(L, e->fd);
    lua_call(L, 3, 0);
  }
  return 0;
}

/* Without a free descriptor (EMFILE) a connection can neither be accepted nor refused,
 * and the listener stays readable.  So the descriptor in reserve is given up for a
 * moment, to accept and close all waiting connections.  1: none waits any more. */
static int shed(struct server *s) {
  int fd;
  if (s->reserve < 0)
    return 0;
  lcp__fd_close(&s->reserve);
  for (int i = 0; i < MAX_SHED && (fd = lcp__sock_accept(s->fd)) >= 0; i++)
    lcp__fd_close(&fd);
  s->reserve = lcp__fd_copy(s->fd);
  return s->reserve >= 0;
}

static int l_collect(lua_State *L) {
  struct connection *e = lua_touserdata(L, 1);
  struct lcp__loop *loop = e->s->base.loop;
  if (lcp__shortage_collect_for_peer(L, loop, e->fd) && e->s->accepting)
    e->fd = lcp__sock_accept(e->s->fd);
  return 0;
}

static int is_short(int rc) { return rc == -EMFILE || rc == -ENFILE; }

/* 1: there may be more. */
static int accept_one(struct server *s) {
  struct connection e = {s, lcp__sock_accept(s->fd)};
  if (is_short(e.fd))
    lcp__enter(s->base.loop, l_collect, &e);
  if (e.fd == -EAGAIN || s->base.closing)
    return 0;
  if (is_short(e.fd) && shed(s))
    return 0;
  if (e.fd >= 0)
    lcp__shortage_gained(s->base.loop);
  if (e.fd < 0)
    s->accepting = 0;
  lcp__enter(s->base.loop, l_connection, &e);
  if (e.fd >= 0)
    lcp__fd_close(&e.fd); /* no callback has taken it */
  return s->accepting && !s->base.closing;
}

static int server_wanted(const struct lcp__handle *h) {
  return ((const struct server *)h)->accepting ? UV_READABLE : 0;
}

static void acceptable(struct lcp__handle *h, int events) {
  (void)events;
  for (int i = 0; i < BATCH && accept_one((struct server *)h); i++) {
  }
}

static struct server *server_new(lua_State *L) {
  struct server *s = lcp__handle_new(L, sizeof *s, SERVER_CLASS, SLOTS);
  s->fd = s->reserve = -1;
  s->base.release = server_release;
  s->base.awaited = LCP__SERVER;
  s->base.wanted = server_wanted;
  s->base.ready = acceptable;
  return s;
}

/* Takes over `fd` unless it fails; the userdata is on top of the stack. */
static int server_open(struct server *s, int fd) {
  int rc = s->reserve = lcp__fd_copy(fd);
  if (rc >= 0)
    rc = lcp__handle_poll(&s->base, fd);
  if (rc == 0)
    s->fd = fd;
  return rc;
}

/* The kernel has a much lower limit of its own (somaxconn). */
static int check_backlog(lua_State *L, int arg) {
  lua_Integer backlog = luaL_checkinteger(L, arg);
  return backlog >= 0 && backlog <= INT_MAX ? (int)backlog : INT_MAX;
}

/* core.listen(address, port | nil, backlog, only6) -> server | nil, errno
 * It accepts once accept_start() is called.  Closing it removes its path. */
static int l_listen(lua_State *L) {
  struct lcp__addr a;
  int rc = lcp__addr_check(L, 1, &a);
  int backlog = check_backlog(L, 3), only6 = lua_toboolean(L, 4);
  struct server *s = server_new(L);
  const char *path = lua_isnoneornil(L, 2) ? lua_tostring(L, 1) : "";
  if (rc == 0 && path[0] != '\0' && (s->path = strdup(path)) == NULL)
    rc = -ENOMEM;
  int fd = rc == 0 ? lcp__sock_listen(&a, backlog, only6) : rc;
  rc = fd >= 0 ? server_open(s, fd) : fd;
  if (rc == 0)
    return 1;
  if (fd >= 0 && s->path != NULL)
    unlink(s->path);
  if (fd >= 0)
    close(fd);
  lcp__handle_close(&s->base);
  return lcp__push_errno(L, rc);
}

static int is_listening(int fd) {
  int on = 0;
  socklen_t len = sizeof on;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

/* An adopted descriptor becomes close-on-exec, unless it is a standard one. */
static int adopt(int fd) {
  if (fcntl(fd, F_GETFD) < 0)
    return -errno;
  if (fd > 2)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  return lcp__fd_nonblock(fd, 1);
}

/* core.open_server(fd | descriptor object, backlog) -> server | nil, errno Takes over a
 * bound stream socket and lets it listen.  On failure the descriptor stays the
 * caller's. */
static int l_open_server(lua_State *L) {
  int fd = lcp__fdpass_offered(L, 1), backlog = check_backlog(L, 2);
  struct server *s = server_new(L);
  int rc = adopt(fd);
  if (rc == 0 && !is_listening(fd) && listen(fd, backlog) != 0)
    rc = errno == ENOTSOCK ? -EINVAL : -errno; /* as libuv says it */
  if (rc == 0)
    rc = server_open(s, fd);
  if (rc == 0) {
    lcp__fdpass_taken(L, 1);
    return 1;
  }
  lcp__handle_close(&s->base);
  return lcp__push_errno(L, rc);
}

static struct server *check_server(lua_State *L) {
  return lcp__handle_check(L, 1, SERVER_CLASS);
}

/* server:bind(owner, on_connection)
 * on_connection(owner, stream) | on_connection(owner, nil, errno): it stops accepting
 * until accept_start(). */
static int l_server_bind(lua_State *L) {
  check_server(L);
  return bind_callback(L);
}

/* server:accept_start() -> true | nil, errno */
static int l_accept_start(lua_State *L) {
  struct server *s = check_server(L);
  if (s->base.closing)
    return lcp__push_errno(L, -EBADF);
  s->accepting = 1;
  return lcp__push_errno(L, server_watch(L, s, 1));
}

/* server:accept_stop() Further connections wait in the kernel. */
static int l_accept_stop(lua_State *L) {
  struct server *s = check_server(L);
  s->accepting = 0;
  if (!s->base.closing)
    server_watch(L, s, 1);
  return 0;
}

/* server:fileno() -> fd | nil: closed */
static int l_server_fileno(lua_State *L) {
  const struct server *s = check_server(L);
  if (s->fd < 0)
    return 0;
  lua_pushinteger(L, s->fd);
  return 1;
}

/* ---- connector ---- */

static void connector_release(struct lcp__handle *h) {
  lcp__fd_close(&((struct connector *)h)->fd);
}

/* The stream is made first, since that may raise. */
static int l_connected(lua_State *L) {
  struct connector *c = lua_touserdata(L, 1);
  int rc = lcp__sock_error(c->fd), fd;
  lcp__handle_push(L, &c->base);
  int bound = push_callback(L, 2);
  if (rc == 0) {
    struct lcp__stream *stream = lcp__stream_new(L);
    fd = lcp__fd_take(&c->fd);
    lcp__handle_close(&c->base);
    lcp__stream_adopt(stream, fd, LCP__FD_SOCKET);
    lua_pushnil(L);
  } else {
    lcp__handle_close(&c->base);
    lua_pushnil(L);
    lua_pushinteger(L, rc);
  }
  if (bound)
    lua_call(L, 3, 0);
  return 0;
}

static int connector_wanted(const struct lcp__handle *h) {
  (void)h;
  return UV_WRITABLE;
}

static void connected(struct lcp__handle *h, int events) {
  (void)events; /* SO_ERROR says more */
  lcp__enter(h->loop, l_connected, h);
}

/* core.connect(address, port | nil [, local_address, local_port])
 * -> connector | nil, errno, syscall */
static int l_connect(lua_State *L) {
  struct lcp__addr to, from;
  int rc = lcp__addr_check(L, 1, &to), local = !lua_isnoneornil(L, 3);
  const char *syscall = "connect";
  struct connector *c;
  if (rc == 0 && local)
    rc = lcp__addr_check(L, 3, &from);
  lua_settop(L, 4);
  c = lcp__handle_new(L, sizeof *c, CONNECTOR_CLASS, SLOTS);
  c->fd = -1;
  c->base.release = connector_release;
  c->base.wanted = connector_wanted;
  c->base.ready = connected;
  if (rc == 0)
    rc = c->fd = lcp__sock_new(to.sa.any.sa_family, SOCK_STREAM);
  if (rc >= 0 && local && bind(c->fd, &from.sa.any, from.len) != 0) {
    rc = -errno;
    syscall = "bind";
  }
  if (rc >= 0)
    rc = lcp__sock_connect(c->fd, &to);
  if (rc >= 0)
    rc = lcp__handle_watch(L, &c->base, 5, c->fd);
  if (rc >= 0)
    return 1;
  lcp__handle_close(&c->base);
  lcp__push_errno(L, rc);
  lua_pushstring(L, syscall);
  return 3;
}

/* connector:bind(owner, fn)  fn(owner, stream, nil) | fn(owner, nil, errno), once. */
static int l_connector_bind(lua_State *L) {
  lcp__handle_check(L, 1, CONNECTOR_CLASS);
  return bind_callback(L);
}

/* ---- streams ---- */

/* core.open_socket(fd | descriptor object) -> stream | nil, errno Takes over a connected
 * socket or an end of a pipe and makes it non-blocking.  On failure (EINVAL: neither of
 * them) the descriptor stays the caller's. */
static int l_open_socket(lua_State *L) {
  int fd = lcp__fdpass_offered(L, 1);
  struct lcp__stream *stream = lcp__stream_new(L);
  struct stat st;
  int rc = fstat(fd, &st) != 0 ? -errno : adopt(fd);
  if (rc == 0 && !S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode))
    rc = -EINVAL;
  if (rc < 0)
    return lcp__push_errno(L, rc);
  lcp__stream_adopt(stream, fd, lcp__fd_kind_of(fd));
  lcp__fdpass_taken(L, 1);
  return 1;
}

static const luaL_Reg server_methods[] = {{"bind", l_server_bind},
                                          {"accept_start", l_accept_start},
                                          {"accept_stop", l_accept_stop},
                                          {"fileno", l_server_fileno},
                                          {NULL, NULL}};

static const luaL_Reg connector_methods[] = {{"bind", l_connector_bind}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"listen", l_listen},
                                     {"open_server", l_open_server},
                                     {"connect", l_connect},
                                     {"open_socket", l_open_socket},
                                     {NULL, NULL}};

int lcp__net_open(lua_State *L) {
  lcp__handle_class(L, SERVER_CLASS, server_methods);
  lcp__handle_class(L, CONNECTOR_CLASS, connector_methods);
  lua_pop(L, 4);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
