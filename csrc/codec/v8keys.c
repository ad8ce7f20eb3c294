/* v8keys.c - see v8keys.h.  Owns nothing outside Lua. */
#include "codec/v8keys.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum {
  AT_ONCE = 512, /* numbers that are stored however they are spread */
  BEARABLE = 256 /* comparisons for each number: what AT_ONCE may cost at worst */
};

void lcp__v8_keys_begin(lua_State *L, struct lcp__v8_keys *keys, lua_Integer room) {
  *keys = (struct lcp__v8_keys){.table = lua_gettop(L), .room = room};
  lua_pushnil(L);
}

static int list_of(const struct lcp__v8_keys *keys) { return keys->table + 1; }

/* stack: key, value; whether the key needs a node that many others may need */
static int must_wait(lua_State *L, struct lcp__v8_keys *keys) {
  if (lua_type(L, -2) != LUA_TNUMBER)
    return 0;
  if (lua_isinteger(L, -2) &&
      (lua_Unsigned)lua_tointeger(L, -2) - 1 < (lua_Unsigned)keys->room)
    return 0;
  return keys->numbers++ >= AT_ONCE;
}

void lcp__v8_keys_put(lua_State *L, struct lcp__v8_keys *keys) {
  keys->entries++;
  if (!must_wait(L, keys)) {
    lua_rawset(L, keys->table);
    return;
  }
  if (keys->waiting == 0) {
    lua_newtable(L);
    lua_replace(L, list_of(keys));
  }
  lua_Integer last = 2 * ++keys->waiting;
  lua_pushvalue(L, -2);
  lua_rawseti(L, list_of(keys), last - 1);
  lua_rawseti(L, list_of(keys), last);
  lua_pop(L, 1);
}

/* How Lua's ltable.c spreads floats over nodes (l_hashfloat). */
static uint64_t float_hash(lua_Number n) {
  int exponent;
  n = frexp(n, &exponent) * -(lua_Number)INT_MIN;
  if (!isfinite(n))
    return 0;
  unsigned sum = (unsigned)exponent + (unsigned)(lua_Integer)n;
  return sum <= INT_MAX ? sum : ~sum;
}

/* stack: number; its node of as many, a power of two, in Lua's ltable.c (mainposition).
 */
static size_t node_of(lua_State *L, size_t nodes) {
  int is_whole;
  lua_Integer i = lua_tointegerx(L, -1, &is_whole); /* a float is stored as it, too */
#if LUA_VERSION_RELEASE_NUM < 50404
  if (is_whole)
    return (size_t)i & (nodes - 1);
#endif
  uint64_t hash = is_whole ? (uint64_t)i : float_hash(lua_tonumber(L, -1));
  return (size_t)(hash % ((nodes - 1) | 1));
}

/* stack: number; whether it may be in the table's array, or stands in no other's way: of
 * the numbers up to 2n not many come to one of n nodes. */
static int is_near(lua_State *L, lua_Integer entries) {
  int is_whole;
  lua_Integer i = lua_tointegerx(L, -1, &is_whole);
  return is_whole && i > 0 && i <= 2 * entries;
}

/* How many comparisons a table with so many nodes takes for the first numbers of the
 * list, as many as the nodes can be, beyond what is bearable.  `counts` has room for all
 * nodes.
 */
static uint64_t excess_of(lua_State *L, const struct lcp__v8_keys *keys, size_t nodes,
                          uint32_t *counts) {
  uint64_t comparisons = 0, far = 0;
  memset(counts, 0, nodes * sizeof *counts);
  for (lua_Integer i = 1; i <= keys->waiting && far < nodes; i++) {
    lua_rawgeti(L, list_of(keys), 2 * i - 1);
    if (!is_near(L, keys->entries)) {
      comparisons += counts[node_of(L, nodes)]++;
      far++;
    }
    lua_pop(L, 1);
  }
  uint64_t bearable = BEARABLE * (far + AT_ONCE);
  return comparisons > bearable ? comparisons - bearable : 0;
}

/* In each size that the table can have on its way: it doubles whenever it is full, and
 * other keys may make it larger than the numbers need. */
static int are_spread(lua_State *L, const struct lcp__v8_keys *keys, uint64_t *spare) {
  size_t most = AT_ONCE;
  while (most < (size_t)keys->entries)
    most *= 2;
  uint32_t *counts = lua_newuserdatauv(L, most * sizeof *counts, 0);
  uint64_t excess = 0;
  for (size_t nodes = AT_ONCE; nodes <= most && excess <= *spare; nodes *= 2)
    excess += excess_of(L, keys, nodes, counts);
  lua_pop(L, 1);
  if (excess > *spare)
    return 0;
  *spare -= excess;
  return 1;
}

int lcp__v8_keys_end(lua_State *L, struct lcp__v8_keys *keys, uint64_t *spare) {
  if (keys->waiting > 0 && !are_spread(L, keys, spare))
    return 0;
  for (lua_Integer i = 1; i <= keys->waiting; i++) {
    lua_rawgeti(L, list_of(keys), 2 * i - 1);
    lua_rawgeti(L, list_of(keys), 2 * i);
    lua_rawset(L, keys->table);
  }
  lua_settop(L, keys->table);
  return 1;
}
