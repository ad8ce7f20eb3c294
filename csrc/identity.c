/* identity.c - see identity.h.
 *
 * Names are looked up in the parent, before the start: the C library may ask a server for
 * them and wait (nsswitch.conf(5)), which a new process between clone and exec cannot
 * do.
 * SPDX-License-Identifier: MIT */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <lauxlib.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>

#include "result.h"

/* ---- reading a plan ---- */

/* 1 and *value if the field exists. */
static int read_integer(lua_State *L, int plan, const char *field, lua_Integer *value) {
  int given = lua_getfield(L, plan, field) == LUA_TNUMBER;
  *value = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return given;
}

/* Pushes the array plan[field], or nil.  Its length. */
static size_t push_list(lua_State *L, int plan, const char *field) {
  lua_getfield(L, plan, field);
  return lua_istable(L, -1) ? (size_t)lua_rawlen(L, -1) : 0;
}

static lua_Integer item(lua_State *L, int list, size_t i) {
  lua_rawgeti(L, list, (lua_Integer)i);
  lua_Integer value = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return value;
}

static uint64_t limit_of(lua_Integer value) {
  return value < 0 ? LCP__RLIM_INFINITY : (uint64_t)value;
}

static void read_rlimits(lua_State *L, int list, struct lcp__rlimit *to, size_t n) {
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    int row = lua_gettop(L);
    to[i].resource = (int)item(L, row, 1);
    to[i].soft = limit_of(item(L, row, 2));
    to[i].hard = limit_of(item(L, row, 3));
    lua_pop(L, 1);
  }
}

static void read_ids(lua_State *L, int plan, struct lcp__spawn *spawn) {
  lua_Integer value;
  if (read_integer(L, plan, "uid", &value)) {
    spawn->uid = (uid_t)value;
    spawn->flags |= LCP__SPAWN_SETUID;
  }
  if (read_integer(L, plan, "gid", &value)) {
    spawn->gid = (gid_t)value;
    spawn->flags |= LCP__SPAWN_SETGID;
  }
  if (read_integer(L, plan, "pgid", &value)) {
    spawn->pgid = (pid_t)value;
    spawn->flags |= LCP__SPAWN_SETPGID;
  }
}

static void read_rights(lua_State *L, int plan, struct lcp__spawn *spawn) {
  lua_Integer value;
  if (read_integer(L, plan, "nice", &value)) {
    spawn->nice = (int)value;
    spawn->flags |= LCP__SPAWN_NICE;
  }
  if (read_integer(L, plan, "umask", &value)) {
    spawn->umask = (mode_t)value;
    spawn->flags |= LCP__SPAWN_UMASK;
  }
  if (read_integer(L, plan, "deathSignal", &value))
    spawn->death_signal = (int)value;
  lua_getfield(L, plan, "noNewPrivs");
  if (lua_toboolean(L, -1))
    spawn->flags |= LCP__SPAWN_NO_NEW_PRIVS;
  lua_pop(L, 1);
}

/* stack on entry: …, rlimits or nil, groups or nil; `first` is the index of the former.
 * Replaces both by a userdata with the arrays. */
static void read_lists(lua_State *L, int first, struct lcp__spawn *spawn) {
  size_t size = (size_t)spawn->nrlimits * sizeof *spawn->rlimits;
  struct lcp__rlimit *limits =
      lua_newuserdatauv(L, size + spawn->ngroups * sizeof *spawn->groups, 0);
  gid_t *groups = (gid_t *)(limits + spawn->nrlimits);
  read_rlimits(L, first, limits, (size_t)spawn->nrlimits);
  for (size_t i = 0; i < spawn->ngroups; i++)
    groups[i] = (gid_t)item(L, first + 1, i + 1);
  spawn->rlimits = limits;
  spawn->groups = groups;
  lua_replace(L, first);
}

void lcp__identity_read(lua_State *L, int plan, struct lcp__spawn *spawn) {
  int first = lua_gettop(L) + 1;
  read_ids(L, plan, spawn);
  read_rights(L, plan, spawn);
  spawn->nrlimits = (int)push_list(L, plan, "rlimits");
  spawn->ngroups = push_list(L, plan, "groups");
  if (lua_istable(L, first + 1))
    spawn->flags |= LCP__SPAWN_SETGROUPS;
  if (spawn->nrlimits > 0 || spawn->ngroups > 0)
    read_lists(L, first, spawn);
  lua_settop(L, first);
}

/* ---- users and groups by name ---- */

enum { FIRST_TRY = 1024, MOST = 1024 * 1024 /* bytes of one entry */ };

/* How the look-ups below are called: `find` fills in *entry and stores its strings in
 * `memory`, which is enlarged until they fit (ERANGE).  0 or an errno; ENOENT: there is
 * no such entry (for which the C library returns 0 or one of several errnos,
 * getpwnam(3)). */
typedef int lookup(const void *key, void *entry, char *memory, size_t size, int *found);

static int look_up(lua_State *L, lookup *find, const void *key, void *entry) {
  size_t size = FIRST_TRY;
  int found = 0, err;
  do {
    err = find(key, entry, lua_newuserdatauv(L, size, 0), size, &found);
    size *= 2;
  } while ((err == ERANGE && size <= MOST) || err == EINTR);
  if (found)
    return 0;
  return err == 0 || err == ESRCH || err == EBADF || err == EPERM ? ENOENT : err;
}

static int find_user(const void *key, void *entry, char *memory, size_t size,
                     int *found) {
  struct passwd *result = NULL;
  int err = getpwnam_r(key, entry, memory, size, &result);
  *found = result != NULL;
  return err;
}

static int find_uid(const void *key, void *entry, char *memory, size_t size, int *found) {
  struct passwd *result = NULL;
  int err = getpwuid_r(*(const uid_t *)key, entry, memory, size, &result);
  *found = result != NULL;
  return err;
}

static int find_group(const void *key, void *entry, char *memory, size_t size,
                      int *found) {
  struct group *result = NULL;
  int err = getgrnam_r(key, entry, memory, size, &result);
  *found = result != NULL;
  return err;
}

/* core.find_user(name) -> uid | nil, errno; ENOENT: no such user */
static int l_find_user(lua_State *L) {
  struct passwd user;
  int err = look_up(L, find_user, luaL_checkstring(L, 1), &user);
  if (err != 0)
    return lcp__push_errno(L, -err);
  lua_pushinteger(L, user.pw_uid);
  return 1;
}

/* core.find_group(name) -> gid | nil, errno; ENOENT: no such group */
static int l_find_group(lua_State *L) {
  struct group group;
  int err = look_up(L, find_group, luaL_checkstring(L, 1), &group);
  if (err != 0)
    return lcp__push_errno(L, -err);
  lua_pushinteger(L, group.gr_gid);
  return 1;
}

/* getgrouplist(3) reports the number of groups by failing. */
static gid_t *list_groups(lua_State *L, const char *user, gid_t gid, int *n) {
  int room = 32;
  for (int tries = 0; tries < 16; tries++) {
    gid_t *groups = lua_newuserdatauv(L, (size_t)room * sizeof *groups, 0);
    *n = room;
    if (getgrouplist(user, gid, groups, n) >= 0)
      return groups;
    room = *n > room ? *n : room * 2;
  }
  return NULL;
}

/* core.groups_of(uid, gid | nil) -> array of gids | nil, errno; ENOENT: no such user.
 * Includes `gid`, or else the user's own group, as initgroups(3) does. */
static int l_groups_of(lua_State *L) {
  uid_t uid = (uid_t)luaL_checkinteger(L, 1);
  struct passwd user;
  int err = look_up(L, find_uid, &uid, &user), n;
  if (err != 0)
    return lcp__push_errno(L, -err);
  gid_t gid = lua_isnoneornil(L, 2) ? user.pw_gid : (gid_t)luaL_checkinteger(L, 2);
  gid_t *groups = list_groups(L, user.pw_name, gid, &n);
  if (groups == NULL)
    return lcp__push_errno(L, -ENOMEM);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, groups[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* ---- resources ---- */

static const struct {
  const char *name;
  int number;
} resources[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},         {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},     {"nofile", RLIMIT_NOFILE},
    {"stack", RLIMIT_STACK},
#ifdef RLIMIT_MEMLOCK
    {"memlock", RLIMIT_MEMLOCK},
#endif
#ifdef RLIMIT_NPROC
    {"nproc", RLIMIT_NPROC},
#endif
#ifdef RLIMIT_RSS
    {"rss", RLIMIT_RSS},
#endif
#ifdef __linux__
    {"locks", RLIMIT_LOCKS},     {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},       {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},   {"sigpending", RLIMIT_SIGPENDING},
#endif
};

static const luaL_Reg functions[] = {{"find_user", l_find_user},
                                     {"find_group", l_find_group},
                                     {"groups_of", l_groups_of},
                                     {NULL, NULL}};

int lcp__identity_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
    lua_pushinteger(L, resources[i].number);
    lua_setfield(L, -2, resources[i].name);
  }
  lua_setfield(L, -2, "rlimits");
  return 0;
}
