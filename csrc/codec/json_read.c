/* json_read.c - JSON text as a Lua value, strictly after RFC 8259.
 * Owns: nothing outside Lua.
 *
 * No recursion: each open table has a slot of the Lua stack, nil at first, and above it
 * the values that have been read and not yet stored, for objects keys and values.  So
 * small tables are created with the right size.
 *
 * The byte after the text is a newline or a NUL.  No token of JSON continues with either,
 * so only white space has to be bounded by the length.
 *
 * stack, from `base` on: the memory of the levels, the values
 * SPDX-License-Identifier: MIT */
#include "codec/json.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "codec/class.h"
#include "codec/encoding.h"
#include "codec/numeral.h"
#include "codec/scan.h"
#include "codec/transcode.h"
#include "codec/walk.h"

enum {
  WAITING = 32,  /* most slots that wait to be stored; even */
  STACK_USE = 8, /* more slots of a level: the table, and what helpers take */
  NEAR = 24      /* bytes on each side of an error that are shown */
};

struct level {
  int slot; /* of the table */
  int is_object;
  lua_Integer count; /* items or members stored so far */
};

struct reader {
  lua_State *L;
  const char *text, *at, *end;
  const char *reason;
  struct level *levels;
  int base, depth, room;
  struct level first[LCP__LEVELS];
};

enum progress {
  FAILED,
  VALUE, /* a whole value is on top of the stack */
  OPENED /* a table has been opened that has at least one value */
};

static enum progress fail_at(struct reader *r, const char *at, const char *reason) {
  r->at = at;
  r->reason = reason;
  return FAILED;
}

static enum progress fail(struct reader *r) {
  const char *reason = r->at < r->end ? "unexpected character" : "unexpected end";
  return fail_at(r, r->at, reason);
}

/* The next character that counts; NUL at the end. */
static char skip_space(struct reader *r) {
  const char *p = r->at;
  while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
    p++;
  r->at = p;
  return p < r->end ? *p : '\0';
}

/* ---- strings ---- */

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of the four hexadecimal digits behind \u; -1 if there are fewer.  Never reads
 * beyond the text: the first other character ends it. */
static int unit_at(const char *p) {
  int unit = 0;
  for (int i = 0; i < 4; i++) {
    int digit = hex_value(p[i]);
    if (digit < 0)
      return -1;
    unit = unit << 4 | digit;
  }
  return unit;
}

/* `p` is behind the first \u, whose four digits have been checked.  A surrogate
 * without its other half is U+FFFD. */
static const char *unescape_unit(const char *p, char **out) {
  uint32_t code = (uint32_t)unit_at(p);
  p += 4;
  if (code >= 0xD800 && code < 0xDC00 && p[0] == '\\' && p[1] == 'u') {
    int low = unit_at(p + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      *out = lcp__utf8_put(*out, lcp__utf16_pair(code, (uint32_t)low));
      return p + 6;
    }
  }
  *out = lcp__utf8_put(*out, code >= 0xD800 && code < 0xE000 ? LCP__REPLACEMENT : code);
  return p;
}

static char unescape_letter(char c) {
  switch (c) {
  case 'b':
    return '\b';
  case 'f':
    return '\f';
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  default:
    return c;
  }
}

/* Never longer than the text it comes from. */
static char *unescape(const char *p, const char *end, char *out) {
  while (p < end) {
    const char *next = memchr(p, '\\', (size_t)(end - p));
    size_t run = (size_t)((next != NULL ? next : end) - p);
    memcpy(out, p, run);
    out += run;
    p += run;
    if (p == end)
      break;
    if (p[1] == 'u') {
      p = unescape_unit(p + 2, &out);
    } else {
      *out++ = unescape_letter(p[1]);
      p += 2;
    }
  }
  return out;
}

static void push_unescaped(lua_State *L, const char *text, size_t size) {
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, size);
  luaL_pushresultsize(&buffer, (size_t)(unescape(text, text + size, out) - out));
}

/* stack: -> the text between the quotation marks */
static void push_text(lua_State *L, const char *text, size_t size, int escaped,
                      int high) {
  if (!escaped && !high) {
    lua_pushlstring(L, text, size);
  } else if (!escaped) {
    lcp__encoding_push_utf8(L, text, size);
  } else if (!high || lcp__utf8_prefix(text, size) == size) {
    push_unescaped(L, text, size);
  } else {
    lcp__encoding_push_utf8(L, text, size);
    text = lua_tolstring(L, -1, &size);
    push_unescaped(L, text, size);
    lua_remove(L, -2);
  }
}

/* Skips the escape at `p`; NULL if it is malformed. */
static const char *skip_escape(const char *p) {
  if (p[1] == 'u')
    return unit_at(p + 2) >= 0 ? p + 6 : NULL;
  return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
}

/* at: the quotation mark */
static enum progress read_string(struct reader *r) {
  const char *first = r->at + 1, *p = first;
  unsigned high = 0;
  int escaped = 0;
  for (;;) {
    p += lcp__scan_plain(p, (size_t)(r->end - p), &high);
    if (p == r->end)
      return fail_at(r, p, "unexpected end");
    if (*p == '"')
      break;
    if (*p != '\\')
      return fail_at(r, p, "control character");
    const char *next = skip_escape(p);
    if (next == NULL)
      return fail_at(r, p, "invalid escape");
    p = next;
    escaped = 1;
  }
  r->at = p + 1;
  push_text(r->L, first, (size_t)(p - first), escaped, high != 0);
  return VALUE;
}

/* ---- tables ---- */

/* stack: table or nil at the level's slot, then what waits; after it only the table.  The
 * first of two equal keys is stored first. */
static void store_members(lua_State *L, struct level *level) {
  int top = lua_gettop(L);
  for (int i = level->slot + 1; i < top; i += 2) {
    lua_pushvalue(L, i);
    lua_pushvalue(L, i + 1);
    lua_rawset(L, level->slot);
  }
  lua_settop(L, level->slot);
}

/* From the last one down, which costs nothing: the table either has room for them or gets
 * it for all of them with the first one stored. */
static void store_items(lua_State *L, struct level *level, int waiting) {
  for (lua_Integer i = level->count + waiting; i > level->count; i--)
    lua_rawseti(L, level->slot, i);
}

static void store(lua_State *L, struct level *level) {
  int waiting = lua_gettop(L) - level->slot;
  int size = level->is_object ? waiting / 2 : waiting;
  if (level->count == 0) {
    lua_createtable(L, level->is_object ? 0 : size, level->is_object ? size : 0);
    lua_replace(L, level->slot);
  }
  if (level->is_object)
    store_members(L, level);
  else
    store_items(L, level, waiting);
  level->count += size;
}

/* at: behind the name or the comma in front of it */
static enum progress read_name(struct reader *r) {
  if (skip_space(r) != '"')
    return fail(r);
  if (read_string(r) == FAILED)
    return FAILED;
  if (skip_space(r) != ':')
    return fail(r);
  r->at++;
  return OPENED;
}

/* stack: + an empty table, marked if it is an array */
static enum progress push_empty(struct reader *r, int is_object) {
  lua_newtable(r->L);
  if (!is_object)
    lcp__class_set(r->L, LCP__CLASS_ARRAY);
  r->at++;
  return VALUE;
}

/* at: the bracket */
static enum progress open_table(struct reader *r, int is_object) {
  if (r->depth == LCP__DEPTH || !lua_checkstack(r->L, WAITING + STACK_USE))
    return fail_at(r, r->at, "nested deeper than " LCP__DEPTH_TEXT " levels");
  if (r->depth == r->room)
    r->levels =
        lcp__levels_double(r->L, r->base + 1, r->levels, &r->room, sizeof *r->levels);
  r->at++;
  if (skip_space(r) == (is_object ? '}' : ']'))
    return push_empty(r, is_object);
  lua_pushnil(r->L);
  struct level *level = &r->levels[r->depth++];
  level->slot = lua_gettop(r->L);
  level->is_object = is_object;
  level->count = 0;
  return is_object ? read_name(r) : OPENED;
}

/* stack: + the table that has ended */
static enum progress close_table(struct reader *r) {
  struct level *level = &r->levels[--r->depth];
  if (lua_gettop(r->L) > level->slot)
    store(r->L, level);
  r->at++;
  return VALUE;
}

/* A value of the innermost open table is on top of the stack. */
static enum progress read_on(struct reader *r) {
  struct level *level = &r->levels[r->depth - 1];
  if (lua_gettop(r->L) - level->slot >= WAITING)
    store(r->L, level);
  char c = skip_space(r);
  if (c == ',') {
    r->at++;
    return level->is_object ? read_name(r) : OPENED;
  }
  return c == (level->is_object ? '}' : ']') ? close_table(r) : fail(r);
}

/* ---- values ---- */

static enum progress read_number(struct reader *r) {
  int64_t n;
  double x;
  switch (lcp__numeral_read(&r->at, r->end, &n, &x)) {
  case LCP__NUMERAL_INTEGER:
    lua_pushinteger(r->L, n);
    return VALUE;
  case LCP__NUMERAL_DOUBLE:
    lua_pushnumber(r->L, x);
    return VALUE;
  default:
    return fail(r);
  }
}

static enum progress read_word(struct reader *r, const char *word, size_t n) {
  for (size_t i = 0; i < n; i++, r->at++) {
    if (*r->at != word[i])
      return fail(r);
  }
  if (*word == 'n')
    lua_pushlightuserdata(r->L, NULL);
  else
    lua_pushboolean(r->L, *word == 't');
  return VALUE;
}

static enum progress read_value(struct reader *r) {
  switch (skip_space(r)) {
  case '"':
    return read_string(r);
  case '{':
    return open_table(r, 1);
  case '[':
    return open_table(r, 0);
  case 't':
    return read_word(r, "true", 4);
  case 'f':
    return read_word(r, "false", 5);
  case 'n':
    return read_word(r, "null", 4);
  default:
    return read_number(r);
  }
}

static int read_message(struct reader *r) {
  enum progress progress = OPENED;
  do {
    progress = progress == OPENED ? read_value(r) : read_on(r);
  } while (progress == OPENED || (progress == VALUE && r->depth > 0));
  if (progress == VALUE && (skip_space(r), r->at < r->end))
    progress = fail(r);
  return progress == VALUE;
}

/* stack: -> the reason, the byte, and the text around it */
static void push_failure(struct reader *r) {
  const char *from = r->at - r->text > NEAR ? r->at - NEAR : r->text;
  const char *to = r->end - r->at > NEAR ? r->at + NEAR : r->end;
  lua_pushlstring(r->L, from, (size_t)(to - from));
  lcp__walk_quote(r->L);
  lua_pushfstring(r->L, "%s at byte %I of a JSON text, near %s", r->reason,
                  (LUAI_UACINT)(r->at - r->text + 1), lua_tostring(r->L, -1));
}

int lcp__json_decode(lua_State *L, const char *text, size_t size) {
  struct reader r;
  r.L = L;
  r.text = r.at = text;
  r.end = text + size;
  r.depth = 0;
  r.base = lua_gettop(L);
  r.levels = r.first;
  r.room = LCP__LEVELS;
  luaL_checkstack(L, STACK_USE, "message");
  lua_pushnil(L);
  int done = read_message(&r);
  if (!done)
    push_failure(&r);
  lua_replace(L, r.base + 1);
  lua_settop(L, r.base + 1);
  return done;
}
