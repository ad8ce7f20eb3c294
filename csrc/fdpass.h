/* fdpass.h - descriptors that travel between processes.  SPDX-License-Identifier: MIT */
#ifndef LCP_FDPASS_H
#define LCP_FDPASS_H

#include <lua.h>

/* Pushes an object that owns a descriptor; store that through the returned pointer. */
int *lcp__fdpass_new(lua_State *L);

/* The descriptor of the value at `arg`: a number, a descriptor object, or anything with a
 * method getfd() or fileno() that returns a number; -1 for anything else.  May raise what
 * the method raises. */
int lcp__fdpass_get(lua_State *L, int arg);

/* For functions that take over a descriptor: the number at `arg`, or the descriptor of
 * the object there.  Call lcp__fdpass_taken as soon as the descriptor has an owner that
 * will close it, and before anything can raise: then the object has none any more. */
int lcp__fdpass_offered(lua_State *L, int arg);
void lcp__fdpass_taken(lua_State *L, int arg);

/* Adds its functions to the core table on top of the stack. */
int lcp__fdpass_open(lua_State *L);

#endif
