/* class.h - metatables that mark a table as an array, even if it is empty, or as an
 * object of a JavaScript class.  Received values get such a metatable; sent ones may have
 * one.
 *
 * A table is marked as an array by `__jsontype = 'array'`, or, if it has no `__jsontype`,
 * by an array metatable of lua-cjson.  `__jstype = 'Date'` (one of the names below) marks
 * it as an object of that class; the metatable of our own error values means Error.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_CLASS_H
#define LCP_CLASS_H

#include <lua.h>

enum lcp__class {
  LCP__CLASS_NONE,
  LCP__CLASS_ARRAY,
  LCP__CLASS_BIGINT,
  LCP__CLASS_DATE,
  LCP__CLASS_ERROR,
  LCP__CLASS_MAP,
  LCP__CLASS_REGEXP,
  LCP__CLASS_SET,
  LCP__CLASSES
};

/* Makes the metatables; adds error_class to the core table on top of the stack. */
int lcp__class_open(lua_State *L);

/* The class that a table's metatable names; LCP__CLASS_NONE for an array. */
enum lcp__class lcp__class_of(lua_State *L, int table);

/* stack: table -> the same with the metatable of the class */
void lcp__class_set(lua_State *L, enum lcp__class class);

/* Whether a table is marked as an array. */
int lcp__class_is_array(lua_State *L, int table);

#endif
