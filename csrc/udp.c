/* udp.c - see udp.h.
 *
 * Owns: the descriptor, made by open().  Other processes may share it, so every call uses
 * MSG_DONTWAIT and none relies on O_NONBLOCK.  A datagram that the kernel does not take
 * at once stays with the caller, which is notified when to try again.
 *
 * The userdata's user values: the owner (a Lua object) and its two callbacks.
 * SPDX-License-Identifier: MIT */
#include "udp.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <unistd.h>

#include "addr.h"
#include "arg.h"
#include "handle.h"
#include "os/fd.h"
#include "os/platform.h"
#include "result.h"

#define UDP_CLASS "child_process.core.Udp"

enum { SLOT_OWNER = 1, SLOT_ONMESSAGE, SLOT_ONWRITABLE, SLOTS = SLOT_ONWRITABLE };

enum { BATCH = 32 /* datagrams read in one turn of the loop */ };

struct udp {
  struct lcp__handle base;
  int fd;
  int reading, writing; /* the directions the owner waits for */
};

static void release(struct lcp__handle *h) { lcp__fd_close(&((struct udp *)h)->fd); }

/* Takes over `fd` unless it fails. */
static int udp_open(struct udp *u, int fd) {
  int rc = lcp__handle_poll(&u->base, fd);
  if (rc == 0)
    u->fd = fd;
  return rc;
}

/* ---- callbacks ---- */

struct message {
  struct udp *u;
  const char *data;
  ssize_t size; /* or a negative errno */
  struct lcp__addr from;
};

static int l_message(lua_State *L) {
  const struct message *e = lua_touserdata(L, 1);
  lcp__handle_push(L, &e->u->base);
  lua_getiuservalue(L, 2, SLOT_ONMESSAGE);
  lua_getiuservalue(L, 2, SLOT_OWNER);
  if (e->size < 0) {
    lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)e->size);
    lua_call(L, 3, 0);
  } else {
    lua_pushlstring(L, e->data, (size_t)e->size);
    lua_call(L, 2 + lcp__addr_push(L, &e->from), 0);
  }
  return 0;
}

/* 1: there may be more. */
static int read_one(struct udp *u, char *buffer) {
  struct message e = {u, buffer, -ENOMEM, {0}};
  if (buffer != NULL) {
    do {
      e.from.len = sizeof e.from.sa;
      e.size = recvfrom(u->fd, buffer, LCP__BUFFER_SIZE, MSG_DONTWAIT, &e.from.sa.any,
                        &e.from.len);
    } while (e.size < 0 && errno == EINTR);
    if (e.size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      return 0;
    if (e.size < 0)
      e.size = -errno;
  }
  lcp__enter(u->base.loop, l_message, &e);
  return e.size >= 0 && u->reading && !u->base.closing;
}

static void readable(struct udp *u) {
  char *buffer = lcp__loop_buffer(u->base.loop);
  for (int i = 0; i < BATCH && read_one(u, buffer); i++) {
  }
}

static int l_writable(lua_State *L) {
  const struct udp *u = lua_touserdata(L, 1);
  lcp__handle_push(L, &u->base);
  lua_getiuservalue(L, 2, SLOT_ONWRITABLE);
  lua_getiuservalue(L, 2, SLOT_OWNER);
  lua_call(L, 1, 0);
  return 0;
}

static int wanted(const struct lcp__handle *h) {
  const struct udp *u = (const struct udp *)h;
  return (u->reading ? UV_READABLE : 0) | (u->writing ? UV_WRITABLE : 0);
}

static void ready(struct lcp__handle *h, int events) {
  struct udp *u = (struct udp *)h;
  if ((events & UV_READABLE) && u->reading)
    readable(u);
  if ((events & UV_WRITABLE) && !h->closing && u->writing)
    lcp__enter(h->loop, l_writable, u);
}

/* ---- methods ---- */

static struct udp *self(lua_State *L) { return lcp__handle_check(L, 1, UDP_CLASS); }

/* core.udp() -> udp, without a descriptor yet */
static int l_udp(lua_State *L) {
  struct udp *u = lcp__handle_new(L, sizeof *u, UDP_CLASS, SLOTS);
  u->fd = -1;
  u->base.release = release;
  u->base.wanted = wanted;
  u->base.ready = ready;
  return 1;
}

/* udp:open(family) -> true | nil, errno: makes the socket; family: 4 or 6 */
static int l_open(lua_State *L) {
  struct udp *u = self(L);
  int family = luaL_checkinteger(L, 2) == 6 ? AF_INET6 : AF_INET, fd;
  if (u->base.closing || u->fd >= 0)
    return lcp__push_errno(L, u->base.closing ? -EBADF : 0);
  fd = lcp__sock_new(family, SOCK_DGRAM);
  int rc = fd < 0 ? fd : udp_open(u, fd);
  if (rc < 0 && fd >= 0)
    close(fd);
  return lcp__push_errno(L, rc);
}

static int is_datagram_socket(int fd) {
  int type = 0;
  socklen_t len = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM;
}

/* udp:adopt(fd) -> true | nil, errno: takes over a datagram socket; EINVAL: it is not
 * one.  On failure the descriptor stays the caller's. */
static int l_adopt(lua_State *L) {
  struct udp *u = self(L);
  int fd = lcp__arg_fd(L, 2), rc = 0;
  if (u->base.closing || u->fd >= 0)
    return lcp__push_errno(L, -EBUSY);
  if (fcntl(fd, F_GETFD) < 0)
    rc = -errno;
  else if (!is_datagram_socket(fd))
    rc = -EINVAL;
  if (rc == 0 && fd > 2)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (rc == 0)
    rc = lcp__fd_nonblock(fd, 1);
  return lcp__push_errno(L, rc == 0 ? udp_open(u, fd) : rc);
}

/* udp:bind(owner, on_message, on_writable)
 * on_message(owner, data, address, port, family)
 * | on_message(owner, nil, errno); on_writable(owner) once it is writable after
 * want_write(true). */
static int l_bind(lua_State *L) {
  self(L);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_settop(L, 4);
  lua_setiuservalue(L, 1, SLOT_ONWRITABLE);
  lua_setiuservalue(L, 1, SLOT_ONMESSAGE);
  lua_setiuservalue(L, 1, SLOT_OWNER);
  return 0;
}

static int name_socket(lua_State *L, int (*fn)(int, const struct sockaddr *, socklen_t)) {
  const struct udp *u = self(L);
  struct lcp__addr a;
  int rc = lcp__addr_check(L, 2, &a);
  if (rc == 0 && fn(u->fd, &a.sa.any, a.len) != 0)
    rc = -errno;
  return lcp__push_errno(L, rc);
}

/* udp:bind_to(address, port) -> true | nil, errno */
static int l_bind_to(lua_State *L) { return name_socket(L, bind); }

/* udp:connect(address, port) -> true | nil, errno */
static int l_connect(lua_State *L) { return name_socket(L, connect); }

/* udp:disconnect() -> true | nil, errno */
static int l_disconnect(lua_State *L) {
  const struct udp *u = self(L);
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  int ok = connect(u->fd, &none, sizeof none) == 0 || errno == EAFNOSUPPORT;
  return lcp__push_errno(L, ok ? 0 : -errno);
}

static int want(lua_State *L, struct udp *u, int *what) {
  *what = lua_toboolean(L, 2);
  return lcp__push_errno(L,
                         u->fd < 0 ? -EBADF : lcp__handle_watch(L, &u->base, 1, u->fd));
}

/* udp:read(on) -> true | nil, errno: starts or stops reading */
static int l_read(lua_State *L) {
  struct udp *u = self(L);
  return want(L, u, &u->reading);
}

/* udp:want_write(on) -> true | nil, errno: whether to call on_writable */
static int l_want_write(lua_State *L) {
  struct udp *u = self(L);
  return want(L, u, &u->writing);
}

/* udp:send(data [, address, port]) -> true | false: not now | nil, errno */
static int l_send(lua_State *L) {
  const struct udp *u = self(L);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  int to_peer = lua_isnoneornil(L, 3);
  struct lcp__addr a = {0};
  ssize_t sent;
  int rc = to_peer ? 0 : lcp__addr_check(L, 3, &a);
  if (rc < 0)
    return lcp__push_errno(L, rc);
  do {
    sent = sendto(u->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT,
                  to_peer ? NULL : &a.sa.any, a.len);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS))
    return lcp__push_errno(L, sent >= 0 ? 0 : -errno);
  lua_pushboolean(L, 0);
  return 1;
}

/* udp:fileno() -> fd | nil: closed, or not open yet */
static int l_fileno(lua_State *L) {
  const struct udp *u = self(L);
  if (u->fd < 0)
    return 0;
  lua_pushinteger(L, u->fd);
  return 1;
}

static const luaL_Reg methods[] = {{"open", l_open},
                                   {"adopt", l_adopt},
                                   {"bind", l_bind},
                                   {"bind_to", l_bind_to},
                                   {"connect", l_connect},
                                   {"disconnect", l_disconnect},
                                   {"read", l_read},
                                   {"want_write", l_want_write},
                                   {"send", l_send},
                                   {"fileno", l_fileno},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {{"udp", l_udp}, {NULL, NULL}};

int lcp__udp_open(lua_State *L) {
  lcp__handle_class(L, UDP_CLASS, methods);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
