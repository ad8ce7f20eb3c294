/* tickets.c - see tickets.h.
 * Owns: the pipe, or the worker's end of it.
 *
 * A pool writes the number of each request that it gives to a worker into a pipe, and
 * keeps both ends.  The worker reads a number before it begins the request; the pool
 * reads one to take a request back, or to learn what a worker that died had not begun.
 * The kernel gives each number to one of them, also while the worker is in an endless
 * loop, and without any message between the two.
 *
 * Numbers have eight bytes, and a write of 64 of them is never cut (PIPE_BUF is at least
 * 512), so a read of eight bytes gets a whole one.  A worker that breaks this confuses
 * only its own requests: the pool looks every number up among those.
 * SPDX-License-Identifier: MIT */
#include "tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arg.h"
#include "os/fd.h"
#include "os/origin.h"
#include "result.h"

#define TICKETS_CLASS "child_process.core.Tickets"

enum { MOST = 64 }; /* numbers in one write */

/* A copy of the process, made by fork(2), shares the pipe and must not take what is the
 * parent's. */
struct tickets {
  int read, write;
  struct lcp__origin origin;
};

static struct tickets *self(lua_State *L) { return luaL_checkudata(L, 1, TICKETS_CLASS); }

static int is_ours(const struct tickets *t) { return !lcp__origin_is_copy(&t->origin); }

/* tickets:put(number, …) -> true | nil, errno: all of them, at most 64, or none.  EAGAIN
 * if thousands are in it, EBADF if it is closed */
static int l_put(lua_State *L) {
  const struct tickets *t = self(L);
  lua_Integer numbers[MOST];
  int n = lua_gettop(L) - 1;
  luaL_argcheck(L, n <= MOST, MOST + 2, "too many");
  for (int i = 0; i < n; i++)
    numbers[i] = luaL_checkinteger(L, i + 2);
  if (!is_ours(t))
    return lcp__push_errno(L, -EBADF);
  struct iovec piece = {numbers, sizeof numbers[0] * (size_t)n};
  ssize_t put = lcp__fd_writev(t->write, LCP__FD_OWN, &piece, 1);
  return lcp__push_errno(L, put < 0 ? (int)put : 0);
}

/* tickets:take() -> the oldest number | nil: there is none */
static int l_take(lua_State *L) {
  const struct tickets *t = self(L);
  lua_Integer number;
  if (!is_ours(t) || lcp__fd_read(t->read, LCP__FD_OWN, &number, sizeof number) !=
                         (ssize_t)sizeof number)
    return 0;
  lua_pushinteger(L, number);
  return 1;
}

/* tickets:fileno() -> the descriptor to read from, -1 if it is closed */
static int l_fileno(lua_State *L) {
  lua_pushinteger(L, self(L)->read);
  return 1;
}

/* tickets:close()  Idempotent. */
static int l_close(lua_State *L) {
  struct tickets *t = self(L);
  lcp__fd_close(&t->read);
  lcp__fd_close(&t->write);
  lcp__origin_free(&t->origin);
  return 0;
}

static int make(struct tickets *t) {
  int fds[2], rc = lcp__fd_pipe(fds);
  if (rc < 0)
    return rc;
  t->read = fds[0];
  t->write = fds[1];
  lcp__fd_nonblock(t->read, 1);
  lcp__fd_nonblock(t->write, 1);
  return 0;
}

static int adopt(struct tickets *t, int fd) {
  struct stat st;
  if (fstat(fd, &st) < 0)
    return -errno;
  if (!S_ISFIFO(st.st_mode))
    return -EINVAL;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  t->read = fd;
  return 0;
}

/* core.tickets([descriptor]) -> tickets | nil, errno: a new pipe, or the worker's end of
 * one, inherited as that descriptor, which it owns from now on */
static int l_tickets(lua_State *L) {
  int rc, fd = lua_isnoneornil(L, 1) ? -1 : lcp__arg_fd(L, 1);
  int is_new = lua_isnoneornil(L, 1);
  struct tickets *t = lua_newuserdatauv(L, sizeof *t, 0);
  *t = (struct tickets){.read = -1, .write = -1};
  luaL_setmetatable(L, TICKETS_CLASS);
  lcp__origin_set(&t->origin);
  rc = is_new ? make(t) : adopt(t, fd);
  return rc < 0 ? lcp__push_errno(L, rc) : 1;
}

static const luaL_Reg metamethods[] = {
    {"__gc", l_close}, {"__close", l_close}, {NULL, NULL}};

static const luaL_Reg methods[] = {{"put", l_put},
                                   {"take", l_take},
                                   {"fileno", l_fileno},
                                   {"close", l_close},
                                   {NULL, NULL}};

int lcp__tickets_open(lua_State *L) {
  luaL_newmetatable(L, TICKETS_CLASS);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_tickets);
  lua_setfield(L, -2, "tickets");
  return 0;
}
