/* json_read.c - JSON text as a Lua value, strictly after RFC 8259.
 * Owns: nothing outside Lua.
 *
 * No recursion: each open table has a slot of the Lua stack, nil at first, and above it
 * what has been read and not yet stored, for objects key and value.  So small tables are
 * made when their size is known.  The text is a Lua string, so that a NUL, which nothing
 * in JSON may begin with, stands behind it. */
#include "codec/json.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/numeral.h"
#include "codec/transcode.h"

#define WAITING 32 /* most slots that wait to be stored; even */

struct level {
  int slot; /* of the table */
  int is_object;
  lua_Integer count; /* items or members stored so far */
};

struct reader {
  lua_State *L;
  const char *text, *at, *end;
  const char *reason;
  int depth;
  struct level levels[LCP__JSON_DEPTH];
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

static char skip_space(struct reader *r) {
  const char *p = r->at;
  while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
    p++;
  r->at = p;
  return *p;
}

/* Strings -------------------------------------------------------------------------------
 */

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hexadecimal digits behind \u; -1 when one is none.  Never looks behind the
 * text: what is no digit ends it. */
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

static char *put_utf8(char *out, unsigned long code) {
  if (code < 0x80) {
    *out++ = (char)code;
    return out;
  }
  if (code < 0x800) {
    *out++ = (char)(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      *out++ = (char)(0xE0 | code >> 12);
    } else {
      *out++ = (char)(0xF0 | code >> 18);
      *out++ = (char)(0x80 | (code >> 12 & 0x3F));
    }
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
  }
  *out++ = (char)(0x80 | (code & 0x3F));
  return out;
}

/* `p` is behind the first \u, whose four digits have been checked.  A surrogate
 * without its other half is U+FFFD. */
static const char *unescape_unit(const char *p, char **out) {
  unsigned long code = (unsigned long)unit_at(p);
  p += 4;
  if (code >= 0xD800 && code < 0xDC00 && p[0] == '\\' && p[1] == 'u') {
    int low = unit_at(p + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      *out = put_utf8(*out, 0x10000 + ((code - 0xD800) << 10) + (unsigned)low - 0xDC00);
      return p + 6;
    }
  }
  *out = put_utf8(*out, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
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

/* stack: + text with U+FFFD for what is not UTF-8 */
static const char *push_repaired(lua_State *L, const char *text, size_t *size) {
  struct lcp__decoder d = {.encoding = LCP__UTF8};
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, lcp__decode_bound(&d, *size));
  size_t n = lcp__decode(&d, text, *size, out);
  n += lcp__decode_finish(&d, out + n);
  luaL_pushresultsize(&buffer, n);
  return lua_tolstring(L, -1, size);
}

static void push_unescaped(lua_State *L, const char *text, size_t size) {
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, size);
  luaL_pushresultsize(&buffer, (size_t)(unescape(text, text + size, out) - out));
}

/* stack: + the text between the quotation marks */
static void push_text(lua_State *L, const char *text, size_t size, int escaped,
                      int high) {
  int repaired = high && lcp__utf8_prefix(text, size) < size;
  if (repaired)
    text = push_repaired(L, text, &size);
  if (escaped)
    push_unescaped(L, text, size);
  else if (!repaired)
    lua_pushlstring(L, text, size);
  if (repaired && escaped)
    lua_remove(L, -2);
}

/* Behind an escape that begins at `p`; NULL when it is none. */
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
    p += lcp__json_plain(p, (size_t)(r->end - p), &high);
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

/* Tables --------------------------------------------------------------------------------
 */

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

/* From the last one down, which is no worse: the table either has their room or gets the
 * room for all of them with the first that is stored. */
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

/* stack: + an empty table that is one for JSON too */
static enum progress push_empty(struct reader *r, int is_object) {
  lua_newtable(r->L);
  if (!is_object) {
    lua_pushvalue(r->L, lua_upvalueindex(1));
    lua_setmetatable(r->L, -2);
  }
  r->at++;
  return VALUE;
}

/* at: the bracket */
static enum progress open_table(struct reader *r, int is_object) {
  if (r->depth == LCP__JSON_DEPTH)
    return fail_at(r, r->at, "nested too deep");
  luaL_checkstack(r->L, WAITING + 8, "message");
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

/* Values --------------------------------------------------------------------------------
 */

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

/* core.json_decode(text) -> value | nil, reason, at: which byte is wrong, from 1 */
int lcp__json_decode(lua_State *L) {
  struct reader r;
  size_t size;
  luaL_checktype(L, 1, LUA_TSTRING);
  r.text = r.at = lua_tolstring(L, 1, &size);
  r.end = r.text + size;
  r.L = L;
  r.depth = 0;
  lua_settop(L, 1);
  if (read_message(&r))
    return 1;
  lua_pushnil(L);
  lua_pushstring(L, r.reason);
  lua_pushinteger(L, r.at - r.text + 1);
  return 3;
}
