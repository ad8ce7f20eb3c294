/* pending.c - see pending.h.  SPDX-License-Identifier: MIT */
#include "pending.h"

#include <errno.h>
#include <lauxlib.h>

/* 0 or -ENOMEM. */
static int collect(lua_State *L, int data, struct lcp__pieces *rest) {
  int single = lua_type(L, data) == LUA_TSTRING;
  if (!single)
    luaL_checktype(L, data, LUA_TTABLE);
  int n = single ? 1 : (int)lua_rawlen(L, data);
  int rc = lcp__pieces_room(rest, n);
  while (rc == 0 && rest->n < n) {
    struct iovec *piece = &rest->iov[rest->n++];
    if (single)
      lua_pushvalue(L, data);
    else
      lua_rawgeti(L, data, rest->n);
    piece->iov_base = (char *)lua_tolstring(L, -1, &piece->iov_len);
    lua_pop(L, 1);
  }
  return rc;
}

/* Most writes are one string that fits: this is tried first, without an allocation. */
static int write_at_once(lua_State *L, int data, int fd, enum lcp__fd_kind kind,
                         size_t *done) {
  struct iovec one;
  one.iov_base = (char *)lua_tolstring(L, data, &one.iov_len);
  ssize_t put = lcp__fd_writev(fd, kind, &one, 1);
  if (put < 0 && put != -EAGAIN)
    return (int)put;
  *done = put < 0 ? 0 : (size_t)put;
  return *done == one.iov_len;
}

int lcp__pending_write(lua_State *L, int data, struct lcp__pieces *rest, int fd,
                       enum lcp__fd_kind kind, int whole) {
  size_t done = 0;
  int rc = 0;
  if (lua_type(L, data) == LUA_TSTRING && !whole)
    rc = write_at_once(L, data, fd, kind, &done);
  if (rc == 0)
    rc = collect(L, data, rest);
  if (rc != 0)
    return rc;
  lcp__pieces_skip(rest, done);
  if (done > 0)
    return 0;
  return whole ? lcp__pieces_write_all(rest, fd, kind)
               : lcp__pieces_write(rest, fd, kind);
}
