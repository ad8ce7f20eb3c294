/* lua_target.c - see lua_target.h.  SPDX-License-Identifier: MIT */
#include "lua_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "child_process.h"

enum { BYTES = 256 * 1024, MOST = 8 };

/* raw.pair() -> fd, fd: a pair of stream sockets */
static int l_pair(lua_State *L) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    return luaL_error(L, "socketpair: %s", strerror(errno));
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

/* raw.send(fd, bytes, …) -> bytes sent, 0 when the socket takes none; with copies of the
 * further arguments, descriptors */
static int l_send(lua_State *L) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(MOST * sizeof(int))];
  } control = {0};
  struct iovec piece;
  struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
  int fds[MOST], count = lua_gettop(L) - 2, i;
  ssize_t n;
  piece.iov_base = (char *)luaL_checklstring(L, 2, &piece.iov_len);
  for (i = 0; i < count && i < MOST; i++)
    fds[i] = (int)luaL_checkinteger(L, 3 + i);
  if (count > 0) {
    size_t room = (size_t)count * sizeof(int);
    msg.msg_control = control.bytes;
    msg.msg_controllen = CMSG_SPACE(room);
    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(room);
    memcpy(CMSG_DATA(&control.align), fds, room);
  }
  n = sendmsg((int)luaL_checkinteger(L, 1), &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
  lua_pushinteger(L, n > 0 ? n : 0);
  return 1;
}

/* raw.receive(fd) -> bytes, '' for none; descriptors that come are closed */
static int l_receive(lua_State *L) {
  static char bytes[BYTES];
  ssize_t n = recv((int)luaL_checkinteger(L, 1), bytes, sizeof bytes, MSG_DONTWAIT);
  lua_pushlstring(L, bytes, n > 0 ? (size_t)n : 0);
  return 1;
}

/* raw.shut(fd): nothing more will be sent */
static int l_shut(lua_State *L) {
  shutdown((int)luaL_checkinteger(L, 1), SHUT_WR);
  return 0;
}

static int l_close(lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

/* raw.open() -> fd of /dev/null, the lowest that is free */
static int l_open(lua_State *L) {
  lua_pushinteger(L, open("/dev/null", O_RDWR | O_CLOEXEC));
  return 1;
}

/* raw.socket(type) -> fd, fd: a pair, or one TCP or UDP socket */
static int l_socket(lua_State *L) {
  static const char *const names[] = {"tcp", "udp", "datagram", NULL};
  int kind = luaL_checkoption(L, 1, NULL, names);
  int family = kind == 2 ? AF_UNIX : AF_INET;
  lua_pushinteger(
      L, socket(family, (kind == 0 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  return 1;
}

static const luaL_Reg raw[] = {
    {"pair", l_pair},   {"send", l_send}, {"receive", l_receive}, {"shut", l_shut},
    {"close", l_close}, {"open", l_open}, {"socket", l_socket},   {NULL, NULL}};

/* Lines of Lua count for libFuzzer as edges of C do: what reaches new ones is kept. */
enum { LINES = 1 << 14 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t lines[LINES];

static void on_line(lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "S", ar);
  unsigned hash = 2166136261u ^ (unsigned)ar->currentline;
  for (size_t i = ar->srclen < 24 ? 0 : ar->srclen - 24; i < ar->srclen; i++)
    hash = (hash ^ (uint8_t)ar->source[i]) * 16777619u;
  uint8_t *line = &lines[(hash ^ hash >> 16) % LINES];
  *line += *line < UINT8_MAX;
}

static void die(lua_State *L) {
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  abort();
}

static int l_traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* stack: traceback, the function that is to be called */
static lua_State *state_open(const char *name) {
  char path[4096];
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "child_process", luaopen_child_process, 0);
  luaL_newlib(L, raw);
  lua_setglobal(L, "raw");
  lua_settop(L, 0);
  lua_pushcfunction(L, l_traceback);
  snprintf(path, sizeof path, "%s/%s.lua", FUZZ_DIR, name);
  if (luaL_loadfile(L, path) != LUA_OK || lua_pcall(L, 0, 1, 1) != LUA_OK)
    die(L);
  lua_sethook(L, on_line, LUA_MASKLINE, 0);
  return L;
}

int lua_target_run(const char *name, const uint8_t *data, size_t size) {
  static lua_State *L;
  if (L == NULL)
    L = state_open(name);
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK)
    die(L);
  return 0;
}
