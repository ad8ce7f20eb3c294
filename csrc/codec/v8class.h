/* v8class.h - the class of JavaScript that a table's metatable names.
 *
 * `__jstype = 'Date'` (one of the names below) in any metatable says it; the metatable of
 * our own error values says Error.  A decoded value has one of the metatables that lie by
 * class name in the table core.v8_classes. */
#ifndef LCP_V8CLASS_H
#define LCP_V8CLASS_H

#include <lua.h>

enum v8_class {
  CLASS_NONE,
  CLASS_ARRAY,
  CLASS_BIGINT,
  CLASS_DATE,
  CLASS_ERROR,
  CLASS_MAP,
  CLASS_REGEXP,
  CLASS_SET /* the last */
};

const char *lcp__v8_class_name(enum v8_class class);

/* `classes` is the index of the table core.v8_classes. */
enum v8_class lcp__v8_class_of(lua_State *L, int table, int classes);

/* stack: table -> the same with the metatable of the class */
void lcp__v8_set_class(lua_State *L, enum v8_class class, int classes);

/* Whether an empty table is to be an array: `__jsontype = 'array'`, or cjson says so. */
int lcp__v8_is_array(lua_State *L, int table);

/* stack: -> table[name], raw; returns its type */
int lcp__v8_push_field(lua_State *L, int table, const char *name);

/* The same; 0 for what is no string, or cannot be a text of JavaScript: not UTF-8. */
int lcp__v8_push_text(lua_State *L, int table, const char *name);

#endif
