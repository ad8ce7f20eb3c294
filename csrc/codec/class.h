/* class.h - what a metatable says of a table that is sent: that it is an array also when
 * it is empty, or which class of JavaScript it stands for; and the metatables that say so
 * of what has been received.
 *
 * An array is what has `__jsontype = 'array'`, or without any `__jsontype` one of the
 * array metatables of a lua-cjson that is loaded.  `__jstype = 'Date'` (one of the names
 * below) names a class, and so does the metatable of our own error values. */
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

/* The class that a table's metatable names; none for an array. */
enum lcp__class lcp__class_of(lua_State *L, int table);

/* stack: table -> the same with the metatable of the class */
void lcp__class_set(lua_State *L, enum lcp__class class);

/* Whether a table is to be an array when it is empty. */
int lcp__class_is_array(lua_State *L, int table);

#endif
