/* held.c - see held.h. */
#include "held.h"

#include <lauxlib.h>
#include <poll.h>

#include "os/fd.h"
#include "stream.h"

enum { MOST = 32 };

void lcp__holder_push(lua_State *L, const struct lcp__holder *h) {
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, h->pid);
  lua_setfield(L, -2, "pid");
  lua_pushstring(L, h->command);
  lua_setfield(L, -2, "command");
  lua_pushinteger(L, h->fd);
  lua_setfield(L, -2, "fd");
}

struct list {
  struct lcp__holder holders[MOST];
  int n;
};

static int note(void *arg, const struct lcp__holder *h) {
  struct list *list = arg;
  list->holders[list->n++] = *h;
  return list->n < MOST;
}

/* core.holders(stream) -> array of { pid, command, fd }: the visible other processes that
 * can write to the pipe of a stream, at most 32 | nil: no process has the other end open
 * (POLLHUP). */
static int l_holders(lua_State *L) {
  struct list list = {.n = 0};
  int owned, fd = lcp__stream_fileno(lcp__stream_check(L, 1), &owned);
  if (fd < 0 || (lcp__fd_polled(fd) & POLLHUP))
    return 0;
  lcp__procfs_writers(fd, note, &list);
  lua_createtable(L, list.n, 0);
  for (int i = 0; i < list.n; i++) {
    lcp__holder_push(L, &list.holders[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

int lcp__held_open(lua_State *L) {
  lua_pushcfunction(L, l_holders);
  lua_setfield(L, -2, "holders");
  return 0;
}
