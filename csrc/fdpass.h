/* fdpass.h - descriptors that travel between processes. */
#ifndef LCP_FDPASS_H
#define LCP_FDPASS_H

#include <lua.h>

/* Pushes an object that owns a descriptor, still without one: lcp__fdpass_set gives it
 * one and cannot raise. */
int *lcp__fdpass_new(lua_State *L);

/* The descriptor of the value at `arg`: a number, a descriptor object, or anything with a
 * method getfd() or fileno() that returns a number; -1 for anything else.  May raise what
 * the method raises. */
int lcp__fdpass_get(lua_State *L, int arg);

/* Adds its functions to the core table on top of the stack. */
int lcp__fdpass_open(lua_State *L);

#endif
