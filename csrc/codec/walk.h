/* walk.h - the path through a message: the tables that are open while it is encoded, and
 * the limit of depth in both directions.
 *
 * Nothing recurses, since otherwise a peer, or a program that wraps the messages it gets,
 * would choose how much of the C stack is used.  An open table has two slots of the Lua
 * stack, itself and the key of its current value, with the value above them, and a level
 * in memory.
 *
 *   struct lcp__walk walk;
 *   lcp__walk_begin(&walk, L);                 // stack: -> its memory
 *   struct lcp__level *level = lcp__walk_open(&walk);  // stack: table -> table, nil
 *   ...until the next open: level->slot is the table's, level->kind the encoder's
 *   lcp__walk_close(&walk);                    // stack: table, key ->
 * SPDX-License-Identifier: MIT */
#ifndef LCP_WALK_H
#define LCP_WALK_H

#include <lua.h>
#include <stddef.h>

/* The deepest nesting accepted: a Lua stack has a million slots, of which a level takes
 * up to 34 (json_read.c). */
#define LCP__DEPTH 20000
#define LCP__DEPTH_TEXT "20000"

enum { LCP__LEVELS = 128 /* so many need no memory */ };

/* Copies the levels, each of `level_size` bytes, to a userdata at `slot` that has room
 * for twice as many.  Returns their new place. */
void *lcp__levels_double(lua_State *L, int slot, const void *levels, int *room,
                         size_t level_size);

struct lcp__level {
  const void *table;
  lua_Integer at;   /* the position of the current value, where the key is nil */
  lua_Integer last; /* the last position */
  int slot;         /* of the table, its key above it */
  int kind;         /* 0 when it is opened */
};

struct lcp__walk {
  lua_State *L;
  struct lcp__level *levels;
  int depth, room;
  int slot; /* of the memory */
  struct lcp__level first[LCP__LEVELS];
};

void lcp__walk_begin(struct lcp__walk *walk, lua_State *L);

/* NULL, and stack: -> a text, when it would be too deep. */
struct lcp__level *lcp__walk_open(struct lcp__walk *walk);
void lcp__walk_close(struct lcp__walk *walk);

/* The innermost open table. */
static inline struct lcp__level *lcp__walk_top(const struct lcp__walk *walk) {
  return &walk->levels[walk->depth - 1];
}

/* stack: -> "message.a[3]: a function cannot be sent", for what the keys of the first
 * `depth` levels lead to.  Always 0. */
int lcp__walk_refuse(struct lcp__walk *walk, int depth, const char *reason);

/* stack: text -> the text in quotes; of a long one only the beginning. */
void lcp__walk_quote(lua_State *L);

#endif
