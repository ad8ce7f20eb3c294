/* compiled.h - the module's Lua files, compiled when the module was built.
 *
 * Most of the time of a start went into compiling them.  The files remain what counts: a
 * compiled one is taken only in the place of exactly the text that it was made of.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_COMPILED_H
#define LCP_COMPILED_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* The build generates both tables from lua/child_process (cmake/compile.lua). */
struct lcp__compiled {
  const char *name;          /* for require; the last one has none */
  uint64_t hash;             /* of the text */
  const unsigned char *code; /* what follows the name in a compiled chunk */
  size_t size;
};
extern const struct lcp__compiled lcp__compiled[];

/* Who has compiled them: the beginning of every chunk, and a text with what was made of
 * it. */
extern const struct lcp__compiler {
  const unsigned char *head;
  size_t head_size;
  const unsigned char *text;
  size_t text_size;
  const unsigned char *code;
  size_t code_size;
} lcp__compiler;

/* Pushes the function that the text of module `name` makes, compiled or not; `chunk` is
 * its name in tracebacks, beginning with '@' or '='.  LUA_OK, or an error of lua_load
 * with its message pushed. */
int lcp__compiled_load(lua_State *L, const char *name, const char *chunk,
                       const char *text, size_t size);

/* Adds core.load, and core.is_compiled: the compiled files can be used, to the core table
 * on top of the stack. */
int lcp__compiled_open(lua_State *L);

#endif
