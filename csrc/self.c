/* self.c - see self.h.  SPDX-License-Identifier: MIT */
#include "self.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "arg.h"
#include "codec/live.h"
#include "fdpass.h"
#include "os/fd.h"
#include "os/processors.h"
#include "result.h"

extern char **environ;

/* Node's names. */
#if defined(__ANDROID__)
#define PLATFORM "android"
#elif defined(__linux__)
#define PLATFORM "linux"
#elif defined(__APPLE__)
#define PLATFORM "darwin"
#elif defined(__FreeBSD__)
#define PLATFORM "freebsd"
#elif defined(__OpenBSD__)
#define PLATFORM "openbsd"
#elif defined(__NetBSD__)
#define PLATFORM "netbsd"
#elif defined(__sun)
#define PLATFORM "sunos"
#else
#define PLATFORM "unix"
#endif

static int result(lua_State *L, int ok) { return lcp__push_errno(L, ok ? 0 : -errno); }

/* core.pid() -> integer */
static int l_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* core.ppid() -> integer */
static int l_ppid(lua_State *L) {
  lua_pushinteger(L, getppid());
  return 1;
}

/* core.cwd() -> path | nil, errno */
static int l_cwd(lua_State *L) {
  luaL_Buffer b;
  size_t size = 4096;
  char *to = luaL_buffinitsize(L, &b, size);
  int rc = uv_cwd(to, &size);
  if (rc != 0)
    return lcp__push_errno(L, rc);
  luaL_pushresultsize(&b, size);
  return 1;
}

/* core.chdir(path) -> true | nil, errno */
static int l_chdir(lua_State *L) { return result(L, chdir(luaL_checkstring(L, 1)) == 0); }

/* core.signal_pid(pid, signal) -> true | nil, errno: kill(2), by number */
static int l_signal_pid(lua_State *L) {
  pid_t pid = lcp__arg_int(L, 1);
  return result(L, kill(pid, lcp__arg_int(L, 2)) == 0);
}

/* core.umask(mask | nil) -> the previous mask */
static int l_umask(lua_State *L) {
  mode_t before = umask(0);
  umask(lua_isnoneornil(L, 1) ? before : (mode_t)(luaL_checkinteger(L, 1) & 0777));
  lua_pushinteger(L, before);
  return 1;
}

/* core.rss() -> bytes of resident memory */
static int l_rss(lua_State *L) {
  size_t rss = 0;
  uv_resident_set_memory(&rss);
  lua_pushinteger(L, (lua_Integer)rss);
  return 1;
}

/* core.processors() -> how many this process may use */
static int l_processors(lua_State *L) {
  lua_pushinteger(L, lcp__processors());
  return 1;
}

/* core.hrtime() -> nanoseconds of a monotonic clock */
static int l_hrtime(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)uv_hrtime());
  return 1;
}

/* core.isatty(fd) -> boolean */
static int l_isatty(lua_State *L) {
  lua_pushboolean(L, isatty(lcp__arg_fd(L, 1)));
  return 1;
}

static size_t environ_size(void) {
  size_t size = 0;
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
    size += strlen(*entry) + 1;
  return size;
}

/* Pushes a block with all entries, one behind the other, and returns its end.  Whatever
 * allocates may run a finalizer, and one that sets a variable moves the list. */
static const char *push_entries(lua_State *L) {
  size_t size = environ_size();
  char *to = lua_newuserdatauv(L, size, 0);
  if (environ_size() > size) {
    lua_pop(L, 1);
    return push_entries(L);
  }
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
    size = strlen(*entry) + 1;
    memcpy(to, *entry, size);
    to += size;
  }
  return to;
}

/* core.environ() -> table name -> value: a copy */
static int l_environ(lua_State *L) {
  const char *end = push_entries(L), *entry = lua_touserdata(L, -1);
  lua_newtable(L);
  for (; entry < end; entry += strlen(entry) + 1) {
    const char *eq = strchr(entry, '=');
    if (eq != NULL) {
      lua_pushlstring(L, entry, (size_t)(eq - entry));
      lua_pushstring(L, eq + 1);
      lua_rawset(L, -3);
    }
  }
  return 1;
}

/* core.environ_list(prefix) -> array of `NAME=value`, without the names that begin with
 * `prefix` */
static int l_environ_list(lua_State *L) {
  size_t size;
  const char *prefix = luaL_checklstring(L, 1, &size);
  const char *end = push_entries(L), *entry = lua_touserdata(L, -1);
  lua_Integer count = 0;
  lua_newtable(L);
  for (; entry < end; entry += strlen(entry) + 1)
    if (strncmp(entry, prefix, size) != 0) {
      lua_pushstring(L, entry);
      lua_rawseti(L, -2, ++count);
    }
  return 1;
}

/* core.setenv(name, value | nil) -> true | nil, errno: in this process; nil removes the
 * variable */
static int l_setenv(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *value = luaL_optstring(L, 2, NULL);
  return result(L, (value != NULL ? setenv(name, value, 1) : unsetenv(name)) == 0);
}

/* core.file_fd(value) -> fd of a Lua file, after flushing its buffer | false: a closed
 * file | nil: not a file */
static int l_file_fd(lua_State *L) {
  const luaL_Stream *file = luaL_testudata(L, 1, LUA_FILEHANDLE);
  if (file == NULL)
    return 0;
  if (file->closef == NULL) {
    lua_pushboolean(L, 0);
    return 1;
  }
  fflush(file->f);
  lua_pushinteger(L, fileno(file->f));
  return 1;
}

static int close_file(lua_State *L) {
  luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  lcp__fd_no_linger(fileno(file->f));
  return luaL_fileresult(L, fclose(file->f) == 0, NULL);
}

/* The mode that fdopen(3) accepts for a descriptor with these flags.  Linux has a fourth
 * access mode, 3 (open(2)): such a descriptor can be neither read nor written, and the
 * first attempt fails with EBADF. */
static const char *stdio_mode(int flags) {
  switch (flags & O_ACCMODE) {
  case O_RDONLY:
    return "r";
  case O_WRONLY:
    return "w";
  default:
    return "r+";
  }
}

/* core.file_from_fd(descriptor object) -> Lua file that owns the descriptor from now on |
 * nil, errno; opened in the descriptor's own access mode. */
static int l_file_from_fd(lua_State *L) {
  int fd = lcp__fdpass_offered(L, 1), flags = fcntl(fd, F_GETFL);
  luaL_Stream *file = lua_newuserdatauv(L, sizeof *file, 0);
  file->closef = NULL; /* counts as closed until fdopen has succeeded */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  file->f = flags < 0 ? NULL : fdopen(fd, stdio_mode(flags));
  if (file->f == NULL)
    return result(L, 0);
  file->closef = close_file;
  lcp__fdpass_taken(L, 1);
  return 1;
}

/* Linux appends this to the path if the file has been replaced or removed since
 * (proc(5)). */
static size_t without_mark(const char *path, size_t size) {
  static const char mark[] = " (deleted)";
  const size_t n = sizeof mark - 1;
  if (size > n && memcmp(path + size - n, mark, n) == 0 && access(path, F_OK) != 0)
    return size - n;
  return size;
}

/* core.exe() -> path of the running program | nil, errno; by now there may be another
 * file, or none. */
static int l_exe(lua_State *L) {
  char path[4096];
  size_t size = sizeof path;
  int rc = uv_exepath(path, &size);
  if (rc != 0)
    return lcp__push_errno(L, rc);
  lua_pushlstring(L, path, without_mark(path, size));
  return 1;
}

/* core.can_execute(path) -> boolean */
static int l_can_execute(lua_State *L) {
  lua_pushboolean(L, access(luaL_checkstring(L, 1), X_OK) == 0);
  return 1;
}

static const luaL_Reg functions[] = {{"pid", l_pid},
                                     {"ppid", l_ppid},
                                     {"cwd", l_cwd},
                                     {"chdir", l_chdir},
                                     {"hrtime", l_hrtime},
                                     {"signal_pid", l_signal_pid},
                                     {"isatty", l_isatty},
                                     {"environ", l_environ},
                                     {"setenv", l_setenv},
                                     {"file_from_fd", l_file_from_fd},
                                     {"exe", l_exe},
                                     {"can_execute", l_can_execute},
                                     {"umask", l_umask},
                                     {"rss", l_rss},
                                     {"file_fd", l_file_fd},
                                     {"processors", l_processors},
                                     {"environ_list", l_environ_list},
                                     {NULL, NULL}};

int lcp__self_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_pushliteral(L, PLATFORM);
  lua_setfield(L, -2, "platform");
  /* the table behind cp.process.env, a live view made by Lua; recognised by identity */
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_pushcfunction(L, l_environ);
  lcp__live_add(L);
  lua_setfield(L, -2, "environment");
  return 0;
}
