/* v8keys.h - entries of a table whose keys a peer has chosen.
 *
 * Lua's hash of a string has a seed, its hash of a number has none: an integer is taken
 * modulo the number of nodes.  Numbers that all come to one node are compared one by one
 * whenever one of them is stored, looked up or passed by lua_next(), which makes a large
 * table of them quadratic.  So the first numbers are stored at once, the others wait in a
 * list until the table has ended: how they would be spread is known then, and a table
 * that they would crowd is not made.
 *
 *   struct lcp__v8_keys keys;
 *   lcp__v8_keys_begin(L, &keys, room);        // stack: table -> table, list
 *   for each entry:
 *     lcp__v8_keys_put(L, &keys);              // stack: table, list, key, value
 *   if (!lcp__v8_keys_end(L, &keys, &spare)) ...  // stack: table; refused if 0 */
#ifndef LCP_V8KEYS_H
#define LCP_V8KEYS_H

#include <lua.h>
#include <stdint.h>

struct lcp__v8_keys {
  int table;           /* where it lies on the stack, the list above it */
  lua_Integer room;    /* of the table's array: what is within it needs no node */
  lua_Integer entries; /* so far */
  lua_Integer numbers; /* entries with a number as the key */
  lua_Integer waiting; /* numbers in the list */
};

/* `room`: the array's, as the table has been made. */
void lcp__v8_keys_begin(lua_State *L, struct lcp__v8_keys *keys, lua_Integer room);

/* The key is neither nil nor NaN. */
void lcp__v8_keys_put(lua_State *L, struct lcp__v8_keys *keys);

/* Comparisons that a message may take beyond what its length allows: about 10 ms, or 2000
 * numbers at one node.  High-resolution times are such numbers: Lua looks at the first 31
 * bits of a float, which is the same for all within a second. */
#define LCP__V8_KEYS_SPARE ((uint64_t)1 << 21)

/* 0: the keys would crowd the table, and not all are stored.  What they take of `spare`
 * is subtracted. */
int lcp__v8_keys_end(lua_State *L, struct lcp__v8_keys *keys, uint64_t *spare);

#endif
