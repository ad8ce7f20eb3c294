/* line_counter.c - marks the lines of Lua that a program runs, for scripts/coverage.
 * LUA_INIT loads it into every interpreter.  The marks are a file that all programs map
 * and share, so nothing is lost with one that is killed; made by
 * spec/support/coverage.lua.
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

enum { PATH_SIZE = 256, LINES = 1792 };

struct record {
  char path[PATH_SIZE];      /* as a chunk is named: @/folder/file.lua */
  unsigned char seen[LINES]; /* by line number */
};

static struct record *records, *last;
static size_t nrecords;

static struct record *find(const char *source) {
  size_t i;
  if (last != NULL && strcmp(last->path, source) == 0)
    return last;
  for (i = 0; i < nrecords; i++)
    if (strcmp(records[i].path, source) == 0)
      return last = &records[i];
  return NULL;
}

/* New coroutines inherit the hook. */
static void mark_line(lua_State *L, lua_Debug *ar) {
  struct record *record;
  lua_getinfo(L, "S", ar);
  record = *ar->source == '@' ? find(ar->source) : NULL;
  if (record != NULL && ar->currentline < LINES)
    record->seen[ar->currentline] = 1;
}

static void map_records(const char *path) {
  struct stat st;
  void *mapped = MAP_FAILED;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return;
  if (fstat(fd, &st) == 0)
    mapped = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped == MAP_FAILED)
    return;
  records = mapped;
  nrecords = (size_t)st.st_size / sizeof(struct record);
}

__attribute__((visibility("default"))) int luaopen_line_counter(lua_State *L);

/* luaopen_line_counter(path of the marks): counts from now on. */
int luaopen_line_counter(lua_State *L) {
  if (records == NULL)
    map_records(luaL_checkstring(L, 1));
  if (records != NULL)
    lua_sethook(L, mark_line, LUA_MASKLINE, 0);
  return 0;
}
