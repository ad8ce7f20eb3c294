/* json.h - JSON (RFC 8259) to and from Lua values, for messages.  No handles. */
#ifndef LCP_JSON_H
#define LCP_JSON_H

#include <stddef.h>

#include <lua.h>

/* How deep tables may be nested, both ways. */
#define LCP__JSON_DEPTH 1000

/* Adds json_encode and json_decode to the table on top of the stack. */
int lcp__json_open(lua_State *L);

/* core.json_encode(value) -> text | nil, reason, keys: what is wrong with the value that
 * these keys lead to.
 * core.json_encode(value, userdata | true) -> userdata with the text, its size: the
 * memory of the one before, if there is one, is used again. */
int lcp__json_encode(lua_State *L);

/* core.json_decode(text) -> value | nil, reason, position.  Upvalue: the metatable of
 * empty arrays. */
int lcp__json_decode(lua_State *L);

/* How many bytes from `text` on can stand in a JSON string as they are: no quotation
 * mark, no backslash, no control character.  *high gets bit 7 when one of them is not
 * ASCII. */
size_t lcp__json_plain(const char *text, size_t size, unsigned *high);

#endif
