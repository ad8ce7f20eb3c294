/* log.c - what the library itself writes: to stderr for people, and to a file of events.
 * SPDX-License-Identifier: MIT */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fdpass.h"
#include "os/fd.h"
#include "os/pieces.h"
#include "result.h"

/* All of it, never with SIGPIPE: 0, or a negative errno and the rest is lost. */
static int write_all(int fd, const char *bytes, size_t size) {
  struct iovec piece = {(char *)bytes, size};
  struct lcp__pieces pieces = {&piece, size > 0, 0};
  int rc = lcp__pieces_write_all(&pieces, fd, LCP__FD_FILE);
  return rc < 0 ? rc : 0;
}

/* core.write_stderr(bytes): writes all of it to descriptor 2; bytes that cannot be
 * written are lost.  Never raises SIGPIPE. */
static int l_write_stderr(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  write_all(2, bytes, size);
  return 0;
}

/* core.log_open(path, anew) -> descriptor object | nil, errno: a regular file, to which
 * each log_write() appends in one piece, whoever else does (O_APPEND, open(2)); `anew`:
 * emptied first.  Anything else, such as a pipe, could block: EINVAL.  Readable for
 * log_ended(). */
static int l_log_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int flags = O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY;
  struct stat st;
  int *slot = lcp__fdpass_new(L);
  int fd = lcp__fd_create(path, flags | (lua_toboolean(L, 2) ? O_TRUNC : 0), 0666);
  if (fd < 0)
    return lcp__push_errno(L, fd);
  *slot = fd;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
    return lcp__push_errno(L, -EINVAL);
  return 1;
}

/* core.log_write(descriptor object, bytes) -> true | nil, errno */
static int l_log_write(lua_State *L) {
  size_t size;
  int fd = lcp__fdpass_get(L, 1);
  const char *bytes = luaL_checklstring(L, 2, &size);
  int rc = write_all(fd, bytes, size);
  if (rc < 0)
    return lcp__push_errno(L, rc);
  lua_pushboolean(L, 1);
  return 1;
}

/* core.log_ended(descriptor object) -> whether the file ends with the end of an array */
static int l_log_ended(lua_State *L) {
  int fd = lcp__fdpass_get(L, 1);
  struct stat st;
  char last[2];
  lua_pushboolean(L, fstat(fd, &st) == 0 && st.st_size >= 2 &&
                         pread(fd, last, 2, st.st_size - 2) == 2 && last[0] == ']' &&
                         last[1] == '\n');
  return 1;
}

static const luaL_Reg functions[] = {{"write_stderr", l_write_stderr},
                                     {"log_open", l_log_open},
                                     {"log_write", l_log_write},
                                     {"log_ended", l_log_ended},
                                     {NULL, NULL}};

int lcp__log_open(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  return 0;
}
