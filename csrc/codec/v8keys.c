/* v8keys.c - see v8keys.h.
 * Owns: nothing outside Lua.
 *
 * A table has the least power of two of nodes that is enough for all keys that are not in
 * its array.  In the array are positive integers, when more than half of those up to a
 * power of two are keys: none beyond twice the number of entries.  So an integer waits
 * while it is not known whether there will be as many entries.  Where many may be in the
 * array the table can have one of several sizes, and each of them is counted for. */
#include "codec/v8keys.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum slot {                  /* above the table */
            SLOT_COUNTS = 1, /* a userdata with hashes and counts */
            SLOT_WAITING     /* a list: key, value, key, value ... */
};

enum {
  BEARABLE = 128,      /* comparisons for each entry */
  LEAST = 8,           /* bits of the smallest number of nodes that is counted for */
  AT_ONCE = 1 << LEAST /* numbers that are not counted: as many cost what is bearable */
};

void lcp__v8_keys_begin(lua_State *L, struct lcp__v8_keys *keys, int room) {
  *keys = (struct lcp__v8_keys){
      .table = lua_gettop(L), .room = (uint64_t)room, .least = LEAST};
  lua_pushnil(L);
  lua_pushnil(L);
}

/* How Lua's ltable.c spreads numbers over nodes: l_hashfloat, hashint, mainposition. */

#if LUA_VERSION_RELEASE_NUM < 50404
#define BY_BITS (UINT64_C(1) << 63) /* integers: modulo 2^bits */
#else
#define BY_BITS 0
#endif

static uint64_t integer_hash(lua_Integer i) {
  return BY_BITS ? BY_BITS | (uint32_t)i : (uint64_t)i;
}

static uint64_t float_hash(lua_Number n) {
  int exponent;
  n = frexp(n, &exponent) * -(lua_Number)INT_MIN;
  if (!isfinite(n))
    return 0;
  unsigned sum = (unsigned)exponent + (unsigned)(lua_Integer)n;
  return sum <= INT_MAX ? sum : ~sum;
}

/* Modulo 2^bits - 1: since 2^bits is 1 there, the digits to that base are added up. */
static size_t node_of(uint64_t hash, unsigned bits) {
  const uint64_t greatest = (UINT64_C(1) << bits) - 1;
  if (hash & BY_BITS)
    return (size_t)(hash & greatest);
  while (hash > greatest)
    hash = (hash & greatest) + (hash >> bits);
  return hash == greatest ? 0 : (size_t)hash;
}

/* With how many keys this one has to be compared in a table of 2^bits nodes. */
static uint64_t count(struct lcp__v8_keys *keys, uint64_t hash, unsigned bits) {
  return keys->counts[((size_t)1 << bits) + node_of(hash, bits)]++;
}

/* At least `bits`, and enough for n nodes. */
static unsigned enough(unsigned bits, uint64_t n) {
  while (UINT64_C(1) << bits < n)
    bits++;
  return bits;
}

/* Hashes and counts for tables of up to 2^bits nodes, the larger ones not yet counted. */
static void make_room(lua_State *L, struct lcp__v8_keys *keys, unsigned bits) {
  size_t nodes = (size_t)1 << bits, counted = keys->most ? (size_t)2 << keys->most : 0;
  size_t hashes_size = nodes * sizeof *keys->hashes;
  size_t counts_size = 2 * nodes * sizeof *keys->counts;
  uint64_t *hashes = lua_newuserdatauv(L, hashes_size + counts_size, 0);
  uint32_t *counts = (uint32_t *)(hashes + nodes);
  memset(counts, 0, counts_size);
  if (counted > 0) {
    memcpy(hashes, keys->hashes, keys->watched * sizeof *hashes);
    memcpy(counts, keys->counts, counted * sizeof *counts);
  }
  keys->hashes = hashes;
  keys->counts = counts;
  lua_replace(L, keys->table + SLOT_COUNTS);
}

static uint64_t stored(const struct lcp__v8_keys *keys) {
  return keys->entries - keys->waiting;
}

/* What it costs that the table may have more nodes now. */
static uint64_t grow(lua_State *L, struct lcp__v8_keys *keys) {
  unsigned most = enough(LEAST, stored(keys));
  uint64_t cost = 0;
  make_room(L, keys, most);
  for (unsigned bits = keys->most + 1; bits <= most; bits++)
    for (uint64_t i = 0; i < keys->watched; i++)
      cost += count(keys, keys->hashes[i], bits);
  keys->most = most;
  return cost;
}

/* What it costs to store the number that has this hash. */
static uint64_t watch(struct lcp__v8_keys *keys, uint64_t hash) {
  uint64_t cost = 0;
  keys->least = enough(keys->least, stored(keys) - keys->near);
  keys->hashes[keys->watched++] = hash;
  for (unsigned bits = keys->least; bits <= keys->most; bits++)
    cost += count(keys, hash, bits);
  return cost;
}

/* stack: number; an integer may also come as a float */
static uint64_t hash_of(lua_State *L, int index) {
  int is_whole;
  lua_Integer i = lua_tointegerx(L, index, &is_whole);
  return is_whole ? integer_hash(i) : float_hash(lua_tonumber(L, index));
}

/* The key as an index of an array, from 1 on; 0 if it is none. */
static uint64_t position(lua_State *L, int index) {
  int is_whole;
  lua_Integer i = lua_tointegerx(L, index, &is_whole);
  return is_whole && lua_type(L, index) == LUA_TNUMBER && i > 0 ? (uint64_t)i : 0;
}

static int is_near(const struct lcp__v8_keys *keys, uint64_t position) {
  return position > 0 && (position <= keys->room || position <= 2 * keys->entries);
}

/* stack: key, value.  What it costs to store them. */
static uint64_t cost_of(lua_State *L, struct lcp__v8_keys *keys) {
  int is_close = is_near(keys, position(L, -2));
  int counts = lua_type(L, -2) == LUA_TNUMBER && !is_close && keys->numbers++ >= AT_ONCE;
  uint64_t cost = 0;
  keys->near += (uint64_t)is_close;
  if (keys->numbers > AT_ONCE && stored(keys) > UINT64_C(1) << keys->most)
    cost = grow(L, keys);
  return counts ? cost + watch(keys, hash_of(L, -2)) : cost;
}

/* stack: key, value */
static int store(lua_State *L, struct lcp__v8_keys *keys, uint64_t *spare) {
  uint64_t cost = cost_of(L, keys);
  keys->credit += BEARABLE;
  uint64_t lent = cost > keys->credit ? cost - keys->credit : 0;
  if (lent > *spare)
    return 0;
  *spare -= lent;
  keys->credit -= cost - lent;
  lua_rawset(L, keys->table);
  return 1;
}

/* stack: key, value */
static int wait(lua_State *L, struct lcp__v8_keys *keys) {
  int list = keys->table + SLOT_WAITING;
  if (keys->waiting++ == 0) {
    lua_newtable(L);
    lua_replace(L, list);
  }
  lua_Integer last = 2 * (lua_Integer)keys->waiting;
  lua_pushvalue(L, -2);
  lua_rawseti(L, list, last - 1);
  lua_rawseti(L, list, last);
  lua_pop(L, 1);
  return 1;
}

int lcp__v8_keys_put(lua_State *L, struct lcp__v8_keys *keys, size_t left,
                     uint64_t *spare) {
  keys->entries++;
  uint64_t i = position(L, -2);
  if (i > 0 && !is_near(keys, i) && i <= 2 * (keys->entries + left))
    return wait(L, keys);
  return store(L, keys, spare);
}

int lcp__v8_keys_end(lua_State *L, struct lcp__v8_keys *keys, uint64_t *spare) {
  int list = keys->table + SLOT_WAITING;
  for (lua_Integer i = 1; keys->waiting > 0; i += 2) {
    keys->waiting--;
    lua_rawgeti(L, list, i);
    lua_rawgeti(L, list, i + 1);
    if (!store(L, keys, spare))
      return 0;
  }
  lua_settop(L, keys->table);
  return 1;
}
