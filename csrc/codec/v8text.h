/* v8text.h - JavaScript's two kinds of strings as UTF-8. */
#ifndef LCP_V8TEXT_H
#define LCP_V8TEXT_H

#include <lua.h>
#include <stddef.h>

/* stack: -> the text.  UTF-16 is in the machine's byte order, `size` an even number of
 * bytes; half of a surrogate pair becomes U+FFFD. */
void lcp__v8_push_latin1(lua_State *L, const char *bytes, size_t size);
void lcp__v8_push_utf16(lua_State *L, const char *bytes, size_t size);

#endif
