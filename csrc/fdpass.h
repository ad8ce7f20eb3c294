/* fdpass.h - descriptors that travel between processes. */
#ifndef LCP_FDPASS_H
#define LCP_FDPASS_H

#include <lua.h>

/* Pushes an object that owns a descriptor: the one that is written to the result. */
int *lcp__fdpass_new(lua_State *L);

/* The descriptor of the value at `arg`: a number, a descriptor object, or anything with a
 * method getfd() or fileno() that returns a number; -1 for anything else.  May raise what
 * the method raises. */
int lcp__fdpass_get(lua_State *L, int arg);

/* For functions that take a descriptor over: the number at `arg`, or that of the
 * descriptor object there.  lcp__fdpass_taken, once it has an owner that will close it
 * and before anything can raise: the object has none any more. */
int lcp__fdpass_offered(lua_State *L, int arg);
void lcp__fdpass_taken(lua_State *L, int arg);

/* Adds its functions to the core table on top of the stack. */
int lcp__fdpass_open(lua_State *L);

#endif
