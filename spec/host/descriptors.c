/* descriptors.c - what another process that has one of our descriptors, too, can do to
 * it. A Lua module for the specs.
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

static int push_pair(lua_State *L, int failed, const int fds[2]) {
  if (failed)
    return luaL_error(L, "no descriptors");
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

/* descriptors.pipe() -> reader, writer */
static int l_pipe(lua_State *L) {
  int fds[2];
  return push_pair(L, pipe2(fds, O_CLOEXEC), fds);
}

/* descriptors.socketpair() -> one end, the other */
static int l_socketpair(lua_State *L) {
  int fds[2];
  return push_pair(L, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), fds);
}

/* descriptors.pty() -> master, slave */
static int l_pty(lua_State *L) {
  int fds[2] = {posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), -1};
  if (fds[0] >= 0 && grantpt(fds[0]) == 0 && unlockpt(fds[0]) == 0)
    fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
  return push_pair(L, fds[1] < 0, fds);
}

/* descriptors.move(fd, to): it has the number `to` from now on */
static int l_move(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1), to = (int)luaL_checkinteger(L, 2);
  if (dup2(fd, to) < 0)
    return luaL_error(L, "cannot move descriptor %d", fd);
  close(fd);
  return 0;
}

/* descriptors.block(fd): clears O_NONBLOCK, for all who have the description */
static int l_block(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1), flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
    return luaL_error(L, "cannot change descriptor %d", fd);
  return 0;
}

/* descriptors.linger(fd, seconds): the last close of the socket waits for its peer */
static int l_linger(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  struct linger linger = {1, (int)luaL_checkinteger(L, 2)};
  if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0)
    return luaL_error(L, "cannot change socket %d", fd);
  return 0;
}

/* descriptors.close(fd) */
static int l_close(lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

static const luaL_Reg functions[] = {{"pipe", l_pipe},   {"socketpair", l_socketpair},
                                     {"block", l_block}, {"linger", l_linger},
                                     {"close", l_close}, {"pty", l_pty},
                                     {"move", l_move},   {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_descriptors(lua_State *L);

int luaopen_descriptors(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
