/* chunks.c - the unread input of a stream: a queue of strings, from which bytes, lines
 * and pieces up to a delimiter are taken.
 *
 * The strings stay Lua's: appending copies nothing, a whole string is returned as it is,
 * and the collector knows their size.  They are in the table in SLOT_STRINGS, at the
 * indices from `head` to `tail`.  The table in SLOT_OWNER, or nil, is the stream: its
 * field `readableLength` is updated with every change.
 *
 * Places are counted from the stream's first byte, so that they stay valid when bytes
 * before them are taken.
 *
 * Whatever allocates may run a finalizer, and that may take bytes from the same stream.
 * So nothing is allocated between a look at the queue and what follows from it; where a
 * string has to be made first, `taken` says afterwards whether it is still the next one.
 * SPDX-License-Identifier: MIT */
#include "chunks.h"

#include <lauxlib.h>
#include <string.h>

#include "delim.h"

#define CHUNKS_CLASS "child_process.core.Chunks"
#define DELIMS_CLASS "child_process.core.Delimiters"

enum { SLOT_STRINGS = 1, SLOT_OWNER, SLOTS = SLOT_OWNER };

/* One string of the queue. */
struct chunk {
  lua_Integer index;
  const char *p;
  size_t size;
  uint64_t base; /* place of its first byte, taken or not */
};

struct chunks {
  lua_Integer head, tail; /* empty: tail < head */
  size_t size;            /* bytes in the queue */
  uint64_t taken;         /* bytes taken so far: the place of the next one */
  struct chunk first;     /* string `head`; p is NULL while the queue is empty */
  struct chunk found;     /* where the last search stopped, unless that has been taken */
  int owned;              /* SLOT_OWNER holds a table */
  int tapped;             /* the owner wants to see all bytes that are taken */
};

static struct chunks *check_chunks(lua_State *L, int arg) {
  return luaL_checkudata(L, arg, CHUNKS_CLASS);
}

/* ---- the strings; `strings` is the index of their table ---- */

static struct chunk chunk_at(lua_State *L, int strings, lua_Integer index,
                             uint64_t base) {
  struct chunk c = {index, NULL, 0, base};
  lua_rawgeti(L, strings, index);
  c.p = lua_tolstring(L, -1, &c.size); /* the table keeps it */
  lua_pop(L, 1);
  return c;
}

/* stack: chunks at index 1 */
static void update_owner(lua_State *L, const struct chunks *q) {
  if (!q->owned)
    return;
  lua_getiuservalue(L, 1, SLOT_OWNER);
  lua_pushliteral(L, "readableLength");
  lua_pushinteger(L, (lua_Integer)q->size);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* Forgets the first `n` bytes; cannot fail. */
static void drop(lua_State *L, struct chunks *q, int strings, size_t n) {
  q->taken += n;
  q->size -= n;
  while (q->head <= q->tail && q->taken >= q->first.base + q->first.size) {
    lua_pushnil(L);
    lua_rawseti(L, strings, q->head++);
    if (q->head <= q->tail)
      q->first = chunk_at(L, strings, q->head, q->first.base + q->first.size);
  }
  if (q->head > q->tail) {
    q->head = 1;
    q->tail = 0;
    q->first.p = NULL;
  }
  if (q->first.p == NULL || q->found.base < q->first.base)
    q->found.p = NULL;
}

/* Copies up to `n` bytes starting at `place`, which lies in `c`; returns how many. */
static size_t copy_from(lua_State *L, const struct chunks *q, int strings, struct chunk c,
                        uint64_t place, char *to, size_t n) {
  size_t done = 0;
  for (;;) {
    size_t skip = (size_t)(place - c.base), part = c.size - skip;
    if (part > n - done)
      part = n - done;
    memcpy(to + done, c.p + skip, part);
    done += part;
    if (done == n || c.index == q->tail)
      return done;
    c = chunk_at(L, strings, c.index + 1, c.base + c.size);
    place = c.base;
  }
}

/* Pushes the first `n` bytes; 0 < n <= size.  0: they have been taken meanwhile. */
static int push_front(lua_State *L, const struct chunks *q, int strings, size_t n) {
  uint64_t place = q->taken;
  size_t skip = (size_t)(place - q->first.base);
  luaL_Buffer b;
  if (skip == 0 && n == q->first.size) {
    lua_rawgeti(L, strings, q->head);
  } else if (n <= q->first.size - skip) {
    lua_pushlstring(L, q->first.p + skip, n);
  } else {
    char *to = luaL_buffinitsize(L, &b, n);
    n = q->taken == place ? copy_from(L, q, strings, q->first, place, to, n) : 0;
    luaL_pushresultsize(&b, n);
  }
  return q->taken == place;
}

/* ---- looking for a delimiter ---- */

struct finding {
  const struct lcp__delim *delim; /* the one at `place`; NULL: none before `place` */
  uint64_t place;
  int open; /* later bytes may turn it into a longer one */
};

/* Where the longest delimiter has room, see l_delimiters. */
static char *room_behind(const struct lcp__delims *d) {
  return (char *)d + lcp__delims_size(d->n);
}

/* Which delimiter is at byte `i` of `c`. */
static enum lcp__match match_at(lua_State *L, const struct chunks *q, int strings,
                                const struct lcp__delims *d, const struct chunk *c,
                                size_t i, const struct lcp__delim **found) {
  if (c->size - i >= d->longest || c->index == q->tail)
    return lcp__delims_match(d, c->p + i, c->size - i, found);
  char *copy = room_behind(d); /* it may go on in the next string */
  size_t n = copy_from(L, q, strings, *c, c->base + i, copy, d->longest);
  return lcp__delims_match(d, copy, n, found);
}

/* Whether `match` at f->place decides the search: 1 found, -1 not before more bytes come,
 * 0 it continues.  A delimiter at the end of the queue counts immediately, although more
 * bytes might turn it into a longer one. */
static int decide(const struct chunks *q, enum lcp__match match, int at_end,
                  struct finding *f) {
  f->open = match == LCP__OPEN && !at_end;
  if (!f->open)
    return f->delim != NULL;
  if (f->delim != NULL && f->place + f->delim->size == q->taken + q->size)
    return 1;
  f->delim = NULL;
  return -1;
}

/* Looks for the first delimiter at or after f->place, in a queue that is not empty.
 * `at_end`: no more bytes will come. */
static void search(lua_State *L, struct chunks *q, int strings,
                   const struct lcp__delims *d, int at_end, struct finding *f) {
  struct chunk c = q->found.p != NULL && q->found.base <= f->place ? q->found : q->first;
  for (;;) {
    size_t i = f->place > c.base ? (size_t)(f->place - c.base) : 0;
    q->found = c;
    while (i < c.size && (i = lcp__delims_next(d, c.p, i, c.size)) < c.size) {
      enum lcp__match match = match_at(L, q, strings, d, &c, i, &f->delim);
      f->place = c.base + i;
      if (decide(q, match, at_end, f) != 0)
        return;
      i++;
    }
    if (f->place < c.base + c.size)
      f->place = c.base + c.size;
    if (c.index == q->tail)
      return;
    c = chunk_at(L, strings, c.index + 1, c.base + c.size);
  }
}

/* Pushes an array of the bytes that would have to follow to turn `shorter` into a longer
 * delimiter, longest first. */
static void push_rests(lua_State *L, const struct lcp__delims *d,
                       const struct lcp__delim *shorter) {
  lua_Integer count = 0;
  lua_newtable(L);
  for (int i = 0; i < d->n && d->list[i].size > shorter->size; i++) {
    const struct lcp__delim *longer = &d->list[i];
    if (memcmp(longer->p, shorter->p, shorter->size) == 0) {
      lua_pushlstring(L, longer->p + shorter->size, longer->size - shorter->size);
      lua_rawseti(L, -2, ++count);
    }
  }
}

/* ---- methods ---- */

/* stack: chunks at index 1.  Pushes the table of the strings, which is made with the
 * first one: most streams of children stay empty. */
static void push_strings(lua_State *L) {
  if (lua_getiuservalue(L, 1, SLOT_STRINGS) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, SLOT_STRINGS);
}

/* chunks:append(string) */
static int l_append(lua_State *L) {
  struct chunks *q = check_chunks(L, 1);
  size_t size;
  luaL_checklstring(L, 2, &size);
  if (size == 0)
    return 0;
  lua_settop(L, 2);
  push_strings(L);
  lua_pushvalue(L, 2);
  lua_rawseti(L, 3, q->tail + 1);
  q->tail++;
  if (q->tail == q->head)
    q->first = chunk_at(L, 3, q->head, q->taken);
  q->size += size;
  update_owner(L, q);
  return 0;
}

/* chunks:take([n]) -> the first `n` bytes, which must be there; without `n`, all. */
static int l_take(lua_State *L) {
  struct chunks *q = check_chunks(L, 1);
  lua_Integer n;
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, SLOT_STRINGS);
  do {
    lua_settop(L, 3);
    n = luaL_optinteger(L, 2, (lua_Integer)q->size);
    luaL_argcheck(L, n >= 0 && (size_t)n <= q->size, 2, "more than there is");
  } while (n > 0 && !push_front(L, q, 3, (size_t)n));
  if (n == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  drop(L, q, 3, (size_t)n);
  update_owner(L, q);
  return 1;
}

/* chunks:tap(on): whether every taken byte must be seen: lines() then gets each line
 * through its `wait`. */
static int l_tap(lua_State *L) {
  check_chunks(L, 1)->tapped = lua_toboolean(L, 2);
  return 0;
}

/* chunks:size() -> bytes */
static int l_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_chunks(L, 1)->size);
  return 1;
}

/* chunks:first_size() -> bytes left of the first string, 0 if empty */
static int l_first_size(lua_State *L) {
  const struct chunks *q = check_chunks(L, 1);
  size_t skip = (size_t)(q->taken - q->first.base);
  lua_pushinteger(L, q->first.p != NULL ? (lua_Integer)(q->first.size - skip) : 0);
  return 1;
}

static int continues_character(const struct chunk *c, size_t i) {
  return i < c->size && ((unsigned char)c->p[i] & 0xC0) == 0x80;
}

/* chunks:characters(n) -> where UTF-8 text may be cut: the largest count up to `n` that
 * ends with a character, or the end of the first character if that is longer; 0 < n <
 * size.  No character is split between strings. */
static int l_characters(lua_State *L) {
  struct chunks *q = check_chunks(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  struct chunk c = q->first;
  size_t back = 0, ahead = 0;
  luaL_argcheck(L, n > 0 && (size_t)n < q->size, 2, "not within the text");
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, SLOT_STRINGS);
  uint64_t place = q->taken + (size_t)n;
  while (place > c.base + c.size)
    c = chunk_at(L, 2, c.index + 1, c.base + c.size);
  size_t at = (size_t)(place - c.base);
  while (back < at && continues_character(&c, at - back))
    back++;
  if (back >= (size_t)n)
    for (back = 0; continues_character(&c, at + ahead);)
      ahead++;
  lua_pushinteger(L, n - (lua_Integer)back + (lua_Integer)ahead);
  return 1;
}

/* chunks:find(delims, place, at_end)
 *   -> count, width [, rests]: the bytes up to the end of the first delimiter that is not
 *      before `place`, and those of the delimiter; rests: see push_rests
 *   -> nil, place: none; when more has come the search may continue there */
static int l_find(lua_State *L) {
  struct chunks *q = check_chunks(L, 1);
  const struct lcp__delims *d = luaL_checkudata(L, 2, DELIMS_CLASS);
  struct finding f = {NULL, (uint64_t)luaL_checkinteger(L, 3), 0};
  int at_end = lua_toboolean(L, 4);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, SLOT_STRINGS);
  if (f.place < q->taken)
    f.place = q->taken;
  if (q->size > 0)
    search(L, q, 3, d, at_end, &f);
  if (f.delim == NULL) {
    lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)f.place);
    return 2;
  }
  lua_pushinteger(L, (lua_Integer)(f.place - q->taken + f.delim->size));
  lua_pushinteger(L, (lua_Integer)f.delim->size);
  if (!f.open)
    return 2;
  push_rests(L, d, f.delim);
  return 3;
}

/* ---- making them ---- */

/* core.chunks([owner]) -> an empty queue. owner: a table whose `readableLength` is
 * updated. */
static int l_chunks(lua_State *L) {
  struct chunks *q;
  lua_settop(L, 1);
  q = lua_newuserdatauv(L, sizeof *q, SLOTS);
  memset(q, 0, sizeof *q);
  q->head = 1;
  q->owned = lua_istable(L, 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, SLOT_OWNER);
  luaL_setmetatable(L, CHUNKS_CLASS);
  return 1;
}

/* core.delimiters(array of strings, none of them empty) -> the set that find() looks
 * for */
static int l_delimiters(lua_State *L) {
  struct lcp__delim *list;
  size_t longest = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 1);
  lua_settop(L, 1);
  list = lua_newuserdatauv(L, (size_t)n * sizeof *list, 0);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    list[i].p = luaL_checklstring(L, -1, &list[i].size);
    luaL_argcheck(L, list[i].size > 0, 1, "an empty delimiter");
    longest = list[i].size > longest ? list[i].size : longest;
    lua_rawseti(L, 3, i + 1);
  }
  lcp__delims_init(lua_newuserdatauv(L, lcp__delims_size(n) + longest, 1), list, n);
  lua_insert(L, 3);
  lua_setiuservalue(L, 3, 1); /* keeps the strings */
  luaL_setmetatable(L, DELIMS_CLASS);
  return 1;
}

/* ---- lines ---- */

/* Pushes what lies before the first delimiter, and with `whole` that too, and takes both.
 * 0, and nothing taken: they do not end before the first string does, as nearly all do,
 * or have been taken meanwhile, or all bytes that are taken must be seen. */
static int take_line(lua_State *L, struct chunks *q, const struct lcp__delims *d,
                     int whole) {
  const char *p;
  uint64_t place = q->taken;
  size_t skip, size, length, width;
  if (q->first.p == NULL || q->tapped)
    return 0;
  skip = (size_t)(place - q->first.base);
  p = q->first.p + skip;
  size = q->first.size - skip;
  length = lcp__delims_first(d, p, size, &width);
  if (length == size || length + width == size)
    return 0;
  lua_pushlstring(L, p, whole ? length + width : length);
  if (q->taken != place)
    return 0;
  q->taken += length + width;
  q->size -= length + width;
  return 1;
}

/* chunks:line(delims [, whole]) -> see take_line | nil */
static int l_line(lua_State *L) {
  struct chunks *q = check_chunks(L, 1);
  const struct lcp__delims *d = luaL_checkudata(L, 2, DELIMS_CLASS);
  if (!take_line(L, q, d, lua_toboolean(L, 3)))
    return 0;
  update_owner(L, q);
  return 1;
}

/* What the iterator of lines works on; kept by its other upvalues. */
struct lines {
  struct chunks *q;
  const struct lcp__delims *d;
};

/* UP_OWNER: see SLOT_OWNER */
enum {
  UP_LINES = 1,
  UP_CHUNKS,
  UP_OWNER,
  UP_LENGTH,
  UP_DELIMS,
  UP_WAIT,
  UPVALUES = UP_WAIT
};

/* stack: line, chunks */
static int waited(lua_State *L, int status, lua_KContext context) {
  struct lines *lines = lua_touserdata(L, lua_upvalueindex(UP_LINES));
  (void)status;
  (void)context;
  lines->q = lua_touserdata(L, -1);
  lua_getiuservalue(L, -1, SLOT_OWNER);
  lua_replace(L, lua_upvalueindex(UP_OWNER));
  lua_replace(L, lua_upvalueindex(UP_CHUNKS));
  return 1;
}

/* Called for each line: as few calls of Lua's API as can be. */
static int l_next_line(lua_State *L) {
  struct lines *lines = lua_touserdata(L, lua_upvalueindex(UP_LINES));
  if (take_line(L, lines->q, lines->d, 0)) {
    if (lines->q->owned) {
      lua_pushvalue(L, lua_upvalueindex(UP_LENGTH));
      lua_pushinteger(L, (lua_Integer)lines->q->size);
      lua_rawset(L, lua_upvalueindex(UP_OWNER));
    }
    return 1;
  }
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(UP_WAIT));
  lua_callk(L, 0, 2, 0, waited);
  return waited(L, LUA_OK, 0);
}

/* core.lines(delims, wait) -> iterator: returns the bytes before each delimiter.  A line
 * that is not complete yet comes from wait(): line | nil, and the queue to continue
 * with. */
static int l_lines(lua_State *L) {
  const struct lcp__delims *d = luaL_checkudata(L, 1, DELIMS_CLASS);
  struct lines *lines;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lines = lua_newuserdatauv(L, sizeof *lines, 0);
  lua_pushcfunction(L, l_chunks);
  lua_call(L, 0, 1);
  lines->q = lua_touserdata(L, -1);
  lines->d = d;
  lua_pushnil(L);
  lua_pushliteral(L, "readableLength");
  lua_rotate(L, 1, -2); /* UP_DELIMS and UP_WAIT come last */
  lua_pushcclosure(L, l_next_line, UPVALUES);
  return 1;
}

static const luaL_Reg methods[] = {{"append", l_append}, {"take", l_take},
                                   {"line", l_line},     {"tap", l_tap},
                                   {"size", l_size},     {"first_size", l_first_size},
                                   {"find", l_find},     {"characters", l_characters},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"chunks", l_chunks}, {"delimiters", l_delimiters}, {"lines", l_lines}, {NULL, NULL}};

int lcp__chunks_open(lua_State *L) {
  luaL_newmetatable(L, DELIMS_CLASS);
  luaL_newmetatable(L, CHUNKS_CLASS);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
