/* v8keys.h - entries of a table whose keys a peer has chosen.
 *
 * Lua seeds its hash of strings, but not that of numbers: an integer is taken modulo the
 * number of nodes.  Numbers that all fall on one node are compared one by one whenever
 * one of them is stored, looked up or passed by lua_next(), which makes a large table of
 * them quadratic.  So, beyond the first few, the numbers on each node are counted, and a
 * table they would crowd is refused.
 *
 *   uint64_t spare = LCP__V8_KEYS_SPARE;          // for a whole message
 *   struct lcp__v8_keys keys = {0};
 *   lua_pushnil(L);                               // stack: table -> table, nil
 *   for each entry:                               // stack: table, x, key, value
 *     if (!lcp__v8_keys_put(L, &keys, table, left, &spare)) ...refused
 *   if (!lcp__v8_keys_end(L, &keys, table, &spare)) ...refused
 *                                                 // stack: table, x
 * SPDX-License-Identifier: MIT */
#ifndef LCP_V8KEYS_H
#define LCP_V8KEYS_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* Comparisons that a message may take beyond what its length allows: about 10 ms, or 2000
 * numbers at one node.  High-resolution times are such numbers: Lua looks at the first 31
 * bits of a float, which are the same for all within a second. */
#define LCP__V8_KEYS_SPARE ((uint64_t)1 << 21)

struct lcp__v8_keys {
  uint32_t room;    /* of the table's array: positions in it need no node */
  uint32_t entries; /* so far */
  uint32_t near;    /* of them integers that may be in the array */
  uint32_t numbers; /* of them numbers that cannot, and so need a node */
  uint32_t removed; /* keys that came again, without a value */
};

/* Stores an entry, whose key is neither nil nor NaN, or defers it until the end; `left`:
 * the most entries that can follow.  0: it would crowd the table, which is at `table`,
 * with a slot for this file above it. */
int lcp__v8_keys_put(lua_State *L, struct lcp__v8_keys *keys, int table, size_t left,
                     uint64_t *spare);
int lcp__v8_keys_end(lua_State *L, struct lcp__v8_keys *keys, int table, uint64_t *spare);

#endif
