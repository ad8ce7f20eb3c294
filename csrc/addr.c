/* addr.c - see addr.h.  SPDX-License-Identifier: MIT */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>

#include "arg.h"
#include "result.h"

int lcp__addr_check(lua_State *L, int arg, struct lcp__addr *a) {
  size_t len;
  const char *text = luaL_checklstring(L, arg, &len);
  if (lua_isnoneornil(L, arg + 1))
    return lcp__addr_local(a, text, len);
  lua_Integer port = luaL_checkinteger(L, arg + 1);
  luaL_argcheck(L, port >= 0 && port <= 65535, arg + 1, "no port");
  return strlen(text) == len ? lcp__addr_ip(a, text, (int)port) : -EINVAL;
}

static void push_ip6(lua_State *L, const struct sockaddr_in6 *in) {
  char text[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];
  inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
  if (IN6_IS_ADDR_LINKLOCAL(&in->sin6_addr) &&
      if_indextoname(in->sin6_scope_id, zone) != NULL)
    lua_pushfstring(L, "%s%%%s", text, zone);
  else
    lua_pushstring(L, text);
  lua_pushinteger(L, ntohs(in->sin6_port));
  lua_pushliteral(L, "IPv6");
}

static void push_ip4(lua_State *L, const struct sockaddr_in *in) {
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
  lua_pushstring(L, text);
  lua_pushinteger(L, ntohs(in->sin_port));
  lua_pushliteral(L, "IPv4");
}

/* Other families have nothing to show; a peer can pass any kind of socket.  The kernel
 * returns the length of the whole address, not of the part that fitted: 111 for a path of
 * 108 bytes (unix(7)). */
static void push_local(lua_State *L, const struct lcp__addr *a) {
  const char *path = a->sa.local.sun_path;
  size_t head = offsetof(struct sockaddr_un, sun_path), max = sizeof a->sa.local.sun_path;
  size_t len = a->len > head ? a->len - head : 0;
  len = len < max ? len : max;
  if (len == 0 || a->sa.any.sa_family != AF_UNIX)
    lua_pushnil(L);
  else
    lua_pushlstring(L, path, path[0] == '\0' ? len : strnlen(path, len));
  lua_pushnil(L);
  lua_pushnil(L);
}

int lcp__addr_push(lua_State *L, const struct lcp__addr *a) {
  switch (a->sa.any.sa_family) {
  case AF_INET:
    push_ip4(L, &a->sa.ip4);
    break;
  case AF_INET6:
    push_ip6(L, &a->sa.ip6);
    break;
  default:
    push_local(L, a);
  }
  return 3;
}

/* core.ip_family(text) -> 4, 6, or 0 if it is not a numeric address */
static int l_ip_family(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  struct lcp__addr a;
  int ok = strlen(text) == len && lcp__addr_ip(&a, text, 0) == 0;
  lua_pushinteger(L, !ok ? 0 : a.sa.any.sa_family == AF_INET ? 4 : 6);
  return 1;
}

static int name_of(lua_State *L, int (*get)(int, struct sockaddr *, socklen_t *)) {
  struct lcp__addr a;
  a.len = sizeof a.sa;
  if (get(lcp__arg_fd(L, 1), &a.sa.any, &a.len) != 0)
    return lcp__push_errno(L, -errno);
  return lcp__addr_push(L, &a);
}

/* core.sockname(fd) -> address, port, family (see lcp__addr_push) | nil, errno */
static int l_sockname(lua_State *L) { return name_of(L, getsockname); }

/* core.peername(fd) -> the same for the other end */
static int l_peername(lua_State *L) { return name_of(L, getpeername); }

/* core.sockopt(fd, name, value) -> true | nil, errno: see lcp__sock_set */
static int l_sockopt(lua_State *L) {
  int fd = lcp__arg_fd(L, 1);
  const char *name = luaL_checkstring(L, 2);
  lua_Integer value = luaL_checkinteger(L, 3);
  int fits = value >= INT_MIN && value <= INT_MAX;
  return lcp__push_errno(L, fits ? lcp__sock_set(fd, name, (int)value) : -EINVAL);
}

/* core.membership(fd, group, interface | nil, join) -> true | nil, errno */
static int l_membership(lua_State *L) {
  int fd = lcp__arg_fd(L, 1);
  const char *group = luaL_checkstring(L, 2), *on = luaL_optstring(L, 3, NULL);
  struct lcp__addr a;
  int rc = lcp__addr_ip(&a, group, 0);
  if (rc == 0)
    rc = lcp__sock_membership(fd, &a, on, lua_toboolean(L, 4));
  return lcp__push_errno(L, rc);
}

static const luaL_Reg functions[] = {
    {"ip_family", l_ip_family}, {"sockname", l_sockname},     {"peername", l_peername},
    {"sockopt", l_sockopt},     {"membership", l_membership}, {NULL, NULL}};

int lcp__addr_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  return 0;
}
