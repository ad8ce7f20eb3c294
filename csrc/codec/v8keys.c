/* v8keys.c - see v8keys.h.
 * Owns: nothing outside Lua.
 *
 * How Lua sizes a table (ltable.c, rehash): positive integers go to its array as long as
 * more than half of the positions up to a power of two are used (5.5: a third), so never
 * beyond twice (5.5: three times) the number of entries.  All other keys need a node; the
 * number of nodes is the smallest power of two that suffices.
 *
 * So an integer has to wait while it is unknown whether there will be enough entries for
 * it to be in the array.  And if many keys may be in the array, the table can have one of
 * several sizes: numbers are counted for each of them.
 * SPDX-License-Identifier: MIT */
#include "codec/v8keys.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum {
  REACH = LUA_VERSION_NUM >= 505 ? 3 : 2, /* an array's last position, for each entry */
  BEARABLE = 128,                         /* comparisons for each entry */
  LEAST = 8,            /* bits of the smallest number of nodes that is counted for */
  AT_ONCE = 1 << LEAST, /* numbers that are not counted: so few are cheap in any case */
  REMOVED = AT_ONCE /* entries that may go again: so few leave the bounds as they are */
};

/* Where an entry goes. */
enum place { NODE, NODE_OF_NUMBER, ARRAY };

enum uservalue { COUNTS = 1, WAITING, USERVALUES = WAITING };

/* Made when there are many numbers: a userdata in the slot above the table. */
struct watch {
  uint64_t waiting;     /* entries that may or may not need a node */
  uint64_t watched;     /* numbers that are counted */
  uint64_t spent;       /* comparisons, of those that the entries so far may take */
  unsigned least, most; /* the table has at least 2^least nodes, and at most 2^most */
  uint64_t *hashes;     /* of the watched numbers, in the user value COUNTS */
  uint32_t *counts;     /* of them by node; those of a table of n nodes begin at n */
};

/* How Lua's ltable.c spreads numbers over nodes: l_hashfloat, hashint, mainposition. */

#if LUA_VERSION_RELEASE_NUM < 50404 /* before, integers were taken modulo 2^bits */
#define BY_BITS (UINT64_C(1) << 63)
#else
#define BY_BITS 0
#endif

static uint64_t integer_hash(lua_Integer i) {
  return BY_BITS ? BY_BITS | (uint32_t)i : (uint64_t)i;
}

/* Lua takes the first 31 bits of the significand, and adds the exponent. */
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

/* At least `bits`, and enough for n nodes. */
static unsigned enough(unsigned bits, uint64_t n) {
  while (UINT64_C(1) << bits < n)
    bits++;
  return bits;
}

/* ---- counting ---- */

/* With how many keys this one has to be compared in a table of 2^bits nodes. */
static uint64_t count(struct watch *w, uint64_t hash, unsigned bits) {
  return w->counts[((size_t)1 << bits) + node_of(hash, bits)]++;
}

/* Hashes and counts for tables of up to 2^bits nodes, the larger ones not yet counted. */
static void make_room(lua_State *L, struct watch *w, int slot, unsigned bits) {
  size_t nodes = (size_t)1 << bits, counted = w->most ? (size_t)2 << w->most : 0;
  size_t hashes_size = nodes * sizeof *w->hashes;
  size_t counts_size = 2 * nodes * sizeof *w->counts;
  uint64_t *hashes = lua_newuserdatauv(L, hashes_size + counts_size, 0);
  uint32_t *counts = (uint32_t *)(hashes + nodes);
  memset(counts, 0, counts_size);
  if (counted > 0) {
    memcpy(hashes, w->hashes, (size_t)w->watched * sizeof *hashes);
    memcpy(counts, w->counts, counted * sizeof *counts);
  }
  w->hashes = hashes;
  w->counts = counts;
  lua_setiuservalue(L, slot, COUNTS);
}

/* The table may have more nodes now.  Returns the comparisons that costs. */
static uint64_t grow(lua_State *L, struct watch *w, int slot, uint64_t stored) {
  unsigned most = enough(LEAST, stored);
  uint64_t cost = 0;
  make_room(L, w, slot, most);
  for (unsigned bits = w->most + 1; bits <= most; bits++)
    for (uint64_t i = 0; i < w->watched; i++)
      cost += count(w, w->hashes[i], bits);
  w->most = most;
  return cost;
}

/* Counts a number.  Returns the comparisons that storing it costs. */
static uint64_t watch_number(struct watch *w, uint64_t hash, uint64_t nodes) {
  uint64_t cost = 0;
  w->least = enough(w->least, nodes);
  w->hashes[w->watched++] = hash;
  for (unsigned bits = w->least; bits <= w->most; bits++)
    cost += count(w, hash, bits);
  return cost;
}

static struct watch *new_watch(lua_State *L, int slot) {
  struct watch *w = lua_newuserdatauv(L, sizeof *w, USERVALUES);
  *w = (struct watch){.least = LEAST};
  lua_replace(L, slot);
  return w;
}

/* ---- entries ---- */

/* The key as an index of an array, from 1 on; 0 for other keys.  A float that is whole is
 * the same key as the integer. */
static uint64_t position(lua_State *L, int index) {
  int is_whole;
  lua_Integer i = lua_tointegerx(L, index, &is_whole);
  return is_whole && i > 0 ? (uint64_t)i : 0;
}

static uint64_t hash_of(lua_State *L, int index) {
  int is_whole;
  lua_Integer i = lua_tointegerx(L, index, &is_whole);
  return is_whole ? integer_hash(i) : float_hash(lua_tonumber(L, index));
}

static int is_near(const struct lcp__v8_keys *keys, uint64_t position) {
  return position > 0 &&
         (position <= keys->room || position <= REACH * (uint64_t)keys->entries);
}

/* stack: key, value.  Whether storing them is bearable. */
static int pay(lua_State *L, const struct lcp__v8_keys *keys, struct watch *w, int slot,
               int counts, uint64_t *spare) {
  uint64_t stored = keys->entries - w->waiting, cost = 0;
  uint64_t most = keys->removed ? stored + stored / 4 : stored; /* Lua 5.5, rehash */
  if (most > UINT64_C(1) << w->most)
    cost = grow(L, w, slot, most);
  if (counts)
    cost += watch_number(w, hash_of(L, -2), stored - keys->near);
  uint64_t credit = BEARABLE * (uint64_t)keys->entries - w->spent;
  uint64_t lent = cost > credit ? cost - credit : 0;
  if (lent > *spare)
    return 0;
  *spare -= lent;
  w->spent += cost - lent;
  return 1;
}

/* stack: key, value */
static int defer(lua_State *L, struct watch *w, int slot) {
  if (w->waiting++ == 0) {
    lua_newtable(L);
    lua_setiuservalue(L, slot, WAITING);
  }
  lua_Integer last = 2 * (lua_Integer)w->waiting;
  lua_getiuservalue(L, slot, WAITING);
  lua_insert(L, -3);
  lua_rawseti(L, -3, last);
  lua_rawseti(L, -2, last - 1);
  lua_pop(L, 1);
  return 1;
}

/* stack: key, value.  A key that comes again, or without a value, is not another entry.
 */
static int replace(lua_State *L, struct lcp__v8_keys *keys, int table, int was_there) {
  keys->entries--;
  if (was_there && lua_isnil(L, -1) && ++keys->removed > REMOVED)
    return 0;
  lua_rawset(L, table);
  return 1;
}

/* stack: key, value */
static int store(lua_State *L, struct lcp__v8_keys *keys, int table, enum place place,
                 uint64_t *spare) {
  struct watch *w = lua_touserdata(L, table + 1);
  lua_pushvalue(L, -2);
  int was_there = lua_rawget(L, table) != LUA_TNIL;
  lua_pop(L, 1);
  if (was_there || lua_isnil(L, -1))
    return replace(L, keys, table, was_there);
  keys->near += place == ARRAY;
  keys->numbers += place == NODE_OF_NUMBER;
  if (w != NULL && !pay(L, keys, w, table + 1, place == NODE_OF_NUMBER, spare))
    return 0;
  lua_rawset(L, table);
  return 1;
}

int lcp__v8_keys_put(lua_State *L, struct lcp__v8_keys *keys, int table, size_t left,
                     uint64_t *spare) {
  keys->entries++;
  if (lua_type(L, -2) != LUA_TNUMBER)
    return store(L, keys, table, NODE, spare);
  uint64_t i = position(L, -2);
  if (is_near(keys, i))
    return store(L, keys, table, ARRAY, spare);
  if (keys->numbers >= AT_ONCE) {
    struct watch *w = lua_touserdata(L, table + 1);
    if (w == NULL)
      w = new_watch(L, table + 1);
    if (i > 0 && i <= REACH * (keys->entries + (uint64_t)left))
      return defer(L, w, table + 1);
  }
  return store(L, keys, table, NODE_OF_NUMBER, spare);
}

int lcp__v8_keys_end(lua_State *L, struct lcp__v8_keys *keys, int table,
                     uint64_t *spare) {
  struct watch *w = lua_touserdata(L, table + 1);
  for (lua_Integer i = 1; w != NULL && w->waiting > 0; i += 2) {
    lua_getiuservalue(L, table + 1, WAITING);
    lua_rawgeti(L, -1, i);
    lua_rawgeti(L, -2, i + 1);
    w->waiting--;
    int is_in_array = is_near(keys, position(L, -2));
    if (!store(L, keys, table, is_in_array ? ARRAY : NODE_OF_NUMBER, spare))
      return 0;
    lua_pop(L, 1);
  }
  return 1;
}
