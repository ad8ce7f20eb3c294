/* compiled.c - see compiled.h.
 *
 * Lua runs compiled code without checking it, so it has to come from the same compiler:
 * neither the version in its header nor the sizes there tell a Lua with other
 * instructions, or another release, from the one of the build.  So the Lua that runs
 * compiles a text in which all instructions occur (cmake/probe.lua), once for each state;
 * only if it makes the same bytes as the build's, both speak the same language.
 * SPDX-License-Identifier: MIT */
#include "compiled.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usable_key; /* its address: a boolean in the registry */

/* ---- the compiler ---- */

struct comparison {
  const unsigned char *next;
  size_t left;
};

/* lua_Writer: goes on while the bytes are the same. */
static int compare(lua_State *L, const void *bytes, size_t size, void *data) {
  struct comparison *c = data;
  (void)L;
  if (size > c->left || memcmp(bytes, c->next, size) != 0)
    return 1;
  c->next += size;
  c->left -= size;
  return 0;
}

static int compiles_alike(lua_State *L) {
  const struct lcp__compiler *by = &lcp__compiler;
  struct comparison c = {by->code, by->code_size};
  if (by->text == NULL ||
      luaL_loadbufferx(L, (const char *)by->text, by->text_size, "@", "t") != LUA_OK)
    return 0;
  return lua_dump(L, compare, &c, 0) == 0 && c.left == 0;
}

static int is_usable(lua_State *L) {
  int top = lua_gettop(L), usable;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &usable_key) == LUA_TNIL) {
    lua_pushboolean(L, compiles_alike(L));
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &usable_key);
  }
  usable = lua_toboolean(L, -1);
  lua_settop(L, top);
  return usable;
}

/* ---- a file ---- */

static uint64_t mix(uint64_t sum, uint64_t word) {
  sum = (sum ^ word) * 0x9E3779B97F4A7C15U;
  return sum << 29 | sum >> 35;
}

/* Words and not bytes, since it has to be quick; as in cmake/compile.lua, which reads
 * them as little-endian: on other processors nothing is ever taken. */
static uint64_t hash(const char *text, size_t size) {
  uint64_t sum = size, word;
  for (; size >= sizeof word; size -= sizeof word, text += sizeof word) {
    memcpy(&word, text, sizeof word);
    sum = mix(sum, word);
  }
  word = 0;
  memcpy(&word, text, size);
  return size > 0 ? mix(sum, word) : sum;
}

static const struct lcp__compiled *find(const char *name) {
  const struct lcp__compiled *file = lcp__compiled;
  while (file->name != NULL && strcmp(file->name, name) != 0)
    file++;
  return file->name != NULL ? file : NULL;
}

/* A compiled chunk in the pieces that Lua reads: the head, the size of the name as
 * ldump.c writes it, the name, the code. */
struct chunk {
  struct {
    const void *p;
    size_t size;
  } pieces[5]; /* the last one ends it */
  int next;
  unsigned char number[(sizeof(size_t) * 8 + 6) / 7];
};

static const char *next_piece(lua_State *L, void *data, size_t *size) {
  struct chunk *c = data;
  int i = c->next;
  (void)L;
  c->next += i < 4;
  *size = c->pieces[i].size;
  return c->pieces[i].p;
}

/* Seven bits a byte, the highest first, the last one marked; one more than the size, as 0
 * stands for no name. */
static void set_number(struct chunk *c, size_t value) {
  size_t at = sizeof c->number, mark = 0x80;
  do {
    c->number[--at] = (unsigned char)((value & 0x7F) | mark);
    value >>= 7;
    mark = 0;
  } while (value != 0);
  c->pieces[1].p = c->number + at;
  c->pieces[1].size = sizeof c->number - at;
}

static int load_code(lua_State *L, const struct lcp__compiled *file, const char *name) {
  struct chunk c = {0};
  c.pieces[0].p = lcp__compiler.head;
  c.pieces[0].size = lcp__compiler.head_size;
  set_number(&c, strlen(name) + 1);
  c.pieces[2].p = name;
  c.pieces[2].size = strlen(name);
  c.pieces[3].p = file->code;
  c.pieces[3].size = file->size;
  return lua_load(L, next_piece, &c, name, "b");
}

int lcp__compiled_load(lua_State *L, const char *name, const char *chunk,
                       const char *text, size_t size) {
  const struct lcp__compiled *file = find(name);
  if (file != NULL && file->hash == hash(text, size) && is_usable(L))
    return load_code(L, file, chunk);
  return luaL_loadbuffer(L, text, size, chunk);
}

/* For a file that cannot be read now: a program that has used up its descriptors must get
 * its error from what it called, and not from a file that was to be loaded for that. */
static int load_unread(lua_State *L, const char *name, const char *chunk, int err) {
  const struct lcp__compiled *file = find(name);
  if (file != NULL && is_usable(L) && (err == EMFILE || err == ENFILE || err == ENOMEM))
    return load_code(L, file, chunk);
  return LUA_ERRFILE;
}

/* Reads a whole file into memory that the caller frees; NULL and errno. */
static char *read_text(const char *path, size_t *size) {
  struct stat st;
  ssize_t n = -1;
  size_t room = 0;
  char *text = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC), err;
  *size = 0;
  if (fd >= 0 && fstat(fd, &st) == 0) {
    room = (size_t)st.st_size;
    text = malloc(room + 1);
    n = 0;
  }
  while (text != NULL && *size < room && (n = read(fd, text + *size, room - *size)) > 0)
    *size += (size_t)n;
  err = errno;
  if (fd >= 0)
    close(fd);
  if (n < 0) {
    free(text);
    text = NULL;
  }
  errno = err;
  return text;
}

/* core.load(name, path, chunk) -> function | nil, message: the file of module `name`. */
static int l_load(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
  const char *chunk = luaL_checkstring(L, 3);
  size_t size;
  is_usable(L); /* may raise, which nothing may while the text is ours */
  char *text = read_text(path, &size);
  int err = text == NULL ? errno : 0;
  int status = text != NULL ? lcp__compiled_load(L, name, chunk, text, size)
                            : load_unread(L, name, chunk, err);
  free(text);
  if (status == LUA_OK)
    return 1;
  if (status == LUA_ERRFILE) {
    errno = err;
    return luaL_fileresult(L, 0, path);
  }
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

int lcp__compiled_open(lua_State *L) {
  lua_pushcfunction(L, l_load);
  lua_setfield(L, -2, "load");
  lua_pushboolean(L, is_usable(L));
  lua_setfield(L, -2, "is_compiled");
  return 0;
}
