/* held.c - see held.h.  SPDX-License-Identifier: MIT */
#include "held.h"

#include <lauxlib.h>
#include <poll.h>

#include "os/fd.h"
#include "stream.h"

static void push_holder(lua_State *L, const struct lcp__holder *h) {
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, h->pid);
  lua_setfield(L, -2, "pid");
  lua_pushstring(L, h->command);
  lua_setfield(L, -2, "command");
  lua_pushinteger(L, h->fd);
  lua_setfield(L, -2, "fd");
}

void lcp__holders_push(lua_State *L, const struct lcp__holders *found) {
  lua_createtable(L, found->n, 0);
  for (int i = 0; i < found->n; i++) {
    push_holder(L, &found->list[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* core.holders(stream) -> array of { pid, command, fd }: the visible other processes that
 * can write to the pipe of a stream, the first LCP__HOLDERS | nil: no process has the
 * other end open (POLLHUP). */
static int l_holders(lua_State *L) {
  struct lcp__holders found = {.n = 0};
  int owned, fd = lcp__stream_fileno(lcp__stream_check(L, 1), &owned);
  if (fd < 0 || (lcp__fd_polled(fd) & POLLHUP))
    return 0;
  lcp__procfs_writers(fd, &found);
  lcp__holders_push(L, &found);
  return 1;
}

int lcp__held_open(lua_State *L) {
  lua_pushcfunction(L, l_holders);
  lua_setfield(L, -2, "holders");
  return 0;
}
