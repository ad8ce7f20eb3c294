/* view.h - bytes that a Lua function may look at while a callback runs: in the place of a
 * string where a copy of the bytes would be garbage at once.
 *
 *   struct lcp__view *view = lcp__view_new(L);     // kept by the caller
 *   view->bytes = bytes, view->size = size;        // before the callback
 *   view->bytes = NULL;                            // after it: nobody can look any more
 */
#ifndef LCP_VIEW_H
#define LCP_VIEW_H

#include <lua.h>
#include <stddef.h>

struct lcp__view {
  const char *bytes;
  size_t size;
};

/* Pushes a new userdata. */
struct lcp__view *lcp__view_new(lua_State *L);

/* The bytes of a string or a view; raises on any other value, and on a view whose
 * callback is over.  No NUL need stand behind them. */
const char *lcp__view_check(lua_State *L, int arg, size_t *size);

#endif
