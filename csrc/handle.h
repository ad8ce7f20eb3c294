/* handle.h - the base of every object that libuv can call back.
 *
 * A handle is two things: a block (malloc) that libuv works on, and a userdata that Lua
 * sees and that points to the block.  The block is freed when libuv has closed it and Lua
 * has dropped it, whichever comes last: lua_close frees userdata before libuv delivers
 * close callbacks, and a host's loop may outlive the state.
 *
 * A copy of the process made by fork(2) has copies of all handles: children and channels
 * are closed there, since they belong to the parent; sockets, servers, timers and signal
 * watches continue in both.
 *
 * While libuv may call back, the userdata is pinned in the registry; otherwise only Lua
 * holds it, so that idle objects and cycles through them can be collected.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_HANDLE_H
#define LCP_HANDLE_H

#include <lauxlib.h>
#include <lua.h>
#include <uv.h>

#include "loop.h"
#include "turn.h"

struct lcp__handle {
  union { /* first member, so that a uv_handle_t * is the block */
    uv_handle_t any;
    uv_poll_t poll;
    uv_idle_t idle;
    uv_signal_t signal;
  } uv;
  struct lcp__loop *loop; /* NULL once the loop is gone */
  struct lcp__handle *next, **link;
  void (*release)(struct lcp__handle *); /* frees descriptors and memory of the derived
                                            type on close; may be NULL */
  void (*forget)(struct lcp__handle *);  /* frees what is still needed after close, when
                                            Lua has dropped it; may be NULL */
  void (*adapt)(struct lcp__handle *); /* called in a copy of the process; may be NULL */
  /* for types that poll a descriptor: the events wanted now, and the reaction to them;
   * see lcp__handle_watch */
  int (*wanted)(const struct lcp__handle *);
  void (*ready)(struct lcp__handle *, int events);
  int pin;
  int events;                /* the events libuv watches for now */
  unsigned active : 1;       /* libuv has initialised `uv` */
  unsigned closing : 1;      /* uv_close has been called, or was not needed */
  unsigned closed : 1;       /* libuv is done with the block */
  unsigned dropped : 1;      /* Lua is done with the block */
  unsigned unreferenced : 1; /* unref() before `uv` was initialised */
  unsigned since;            /* loop->runs when it was pinned */
  unsigned awaited : 3;      /* enum lcp__awaited, or 0 */
  unsigned personal : 1;     /* belongs to the process that made it (a child, a channel):
                                closed in a copy */
  unsigned inherited : 1; /* made by the process we are a copy of: closing it must affect
                             nothing but our own descriptors */
};

/* Pushes a new userdata of class `tname` with `slots` user values and a zeroed block of
 * `size` bytes (its first member a struct lcp__handle).  Raises without memory. */
void *lcp__handle_new(lua_State *L, size_t size, const char *tname, int slots);

/* To be called once a uv_*_init has initialised `uv`. */
void lcp__handle_init(struct lcp__handle *h);

/* The first call of every libuv callback that does not begin with lcp__enter: 0 in a copy
 * of the process (loop.h) that has just closed the handle. */
int lcp__handle_here(struct lcp__handle *h);

/* The block of the userdata at `arg`, of class `tname`; raises on any other value. */
void *lcp__handle_check(lua_State *L, int arg, const char *tname);

/* The same for the first argument of a function passed to lcp__handle_class, without
 * looking up the class by name. */
void *lcp__handle_self(lua_State *L);

/* Idempotent; no callback follows. */
void lcp__handle_close(struct lcp__handle *h);

/* Pins the userdata at `index`; unpinning needs no userdata. */
void lcp__handle_pin(lua_State *L, struct lcp__handle *h, int index);
void lcp__handle_unpin(struct lcp__handle *h);

/* Pushes the userdata of a pinned handle. */
void lcp__handle_push(lua_State *L, const struct lcp__handle *h);

/* Makes libuv poll `fd` for the events h->wanted() returns (0: none) and call h->ready();
 * call it again whenever they change.  The userdata at `index` is pinned meanwhile.  An
 * error condition on the descriptor counts as all events: the next read or write finds
 * out which.  0 or a libuv error. */
int lcp__handle_watch(lua_State *L, struct lcp__handle *h, int index, int fd);

/* The part of lcp__handle_watch that can fail, to learn early whether `fd` can be polled.
 * 0 or a libuv error. */
int lcp__handle_poll(struct lcp__handle *h, int fd);

/* The pinning done by lcp__handle_watch, for descriptors that are not polled. */
void lcp__handle_set_events(lua_State *L, struct lcp__handle *h, int index, int events);

void lcp__handle_set_ref(struct lcp__handle *h, int on);

/* Creates the metatable `tname` and its table of methods and leaves both on the stack,
 * the methods on top.  Both have what every handle has (close, ref, unref, has_ref, __gc,
 * __close) and `functions`: names with a leading underscore are metamethods. */
void lcp__handle_class(lua_State *L, const char *tname, const luaL_Reg *functions);

/* Adds more of them.  stack: metatable, methods */
void lcp__handle_methods(lua_State *L, const luaL_Reg *functions);

/* Adds the functions that look at handles to the core table on top of the stack. */
int lcp__handle_open(lua_State *L);

#endif
