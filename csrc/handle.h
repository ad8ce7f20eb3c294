/* handle.h - base of everything that libuv can call back.
 *
 * A handle is two things: a block (malloc) that libuv works on, and a userdata that Lua
 * sees and that points to the block.  The block is freed when libuv has closed it and Lua
 * has dropped it, whichever comes last: lua_close frees userdata before libuv delivers
 * close callbacks, and a host's loop may outlive the state.
 *
 * A process that was made by fork(2) has copies of all: children and channels are closed
 * there, since they are the other process's; sockets, servers, timers and signal watches
 * go on in both.
 *
 * While libuv may call back, the userdata is pinned in the registry; otherwise only Lua
 * holds it, so that idle objects and cycles through them can be collected. */
#ifndef LCP_HANDLE_H
#define LCP_HANDLE_H

#include <lauxlib.h>
#include <lua.h>
#include <uv.h>

#include "loop.h"
#include "turn.h"

struct lcp__handle {
  union { /* first: a uv_handle_t is its block */
    uv_handle_t any;
    uv_poll_t poll;
    uv_idle_t idle;
    uv_signal_t signal;
  } uv;
  struct lcp__loop *loop; /* NULL once the loop has let go of it */
  struct lcp__handle *next, **link;
  void (*release)(struct lcp__handle *); /* frees descriptors and memory of the derived
                                           type when it is closed; may be NULL */
  void (*forget)(struct lcp__handle *);  /* frees what is of use beyond that, when Lua has
                                           dropped it; may be NULL */
  void (*adapt)(struct lcp__handle *);   /* in a copy of the process; may be NULL */
  /* of a type that polls a descriptor: the events it waits for now, and what it does when
     they come; see lcp__handle_watch */
  int (*wanted)(const struct lcp__handle *);
  void (*ready)(struct lcp__handle *, int events);
  int pin;
  int events;                /* what libuv watches for now */
  unsigned active : 1;       /* libuv has initialised `uv` */
  unsigned closing : 1;      /* uv_close has been called, or was not needed */
  unsigned closed : 1;       /* libuv is done with the block */
  unsigned dropped : 1;      /* Lua is done with the block */
  unsigned unreferenced : 1; /* unref() before `uv` was initialised */
  unsigned since;            /* loop->runs, when it was pinned */
  unsigned awaited : 3;      /* enum lcp__awaited, or 0 */
  unsigned personal : 1;     /* stands for something that only the process has that made
                                it (a child, a channel): closed in a copy */
  unsigned inherited : 1;    /* made by the process that this is a copy of: to close it
                                must change nothing but our own descriptors */
};

/* Pushes a new userdata of class `tname` with `slots` user values and a zeroed block of
 * `size` bytes (its first member a struct lcp__handle).  Raises without memory. */
void *lcp__handle_new(lua_State *L, size_t size, const char *tname, int slots);

/* To be called when `uv` has been initialised by a uv_*_init. */
void lcp__handle_init(struct lcp__handle *h);

/* To be called first by a callback of libuv's that does not begin with lcp__enter: 0 in a
 * copy of the process (loop.h) that has just closed the handle. */
int lcp__handle_here(struct lcp__handle *h);

/* The block of the userdata at `arg`, of class `tname`; raises on any other value. */
void *lcp__handle_check(lua_State *L, int arg, const char *tname);

/* The same for the first argument of a function that was given to lcp__handle_class,
 * without looking the class up by its name. */
void *lcp__handle_self(lua_State *L);

/* Idempotent; no callback comes afterwards. */
void lcp__handle_close(struct lcp__handle *h);

/* Pins the userdata at `index`; unpinning needs no userdata. */
void lcp__handle_pin(lua_State *L, struct lcp__handle *h, int index);
void lcp__handle_unpin(struct lcp__handle *h);

/* Pushes the userdata of a pinned handle. */
void lcp__handle_push(lua_State *L, const struct lcp__handle *h);

/* Has libuv poll `fd` for what h->wanted() says, 0 being nothing, and call h->ready(); to
 * be called again whenever that changes.  The userdata at `index` is pinned meanwhile. An
 * error condition on the descriptor counts as all events: the next read or write finds
 * out what it is.  0 or a libuv error. */
int lcp__handle_watch(lua_State *L, struct lcp__handle *h, int index, int fd);

/* The part of it that can show early that `fd` cannot be polled.  0 or a libuv error. */
int lcp__handle_poll(struct lcp__handle *h, int fd);

/* The pinning of the above, for what is not polled. */
void lcp__handle_set_events(lua_State *L, struct lcp__handle *h, int index, int events);

void lcp__handle_set_ref(struct lcp__handle *h, int on);

/* Creates the metatable `tname` and its table of methods and leaves both on the stack,
 * the methods on top.  Both have what every handle has (close, ref, unref, has_ref, __gc,
 * __close) and `functions`: names that begin with an underscore are metamethods. */
void lcp__handle_class(lua_State *L, const char *tname, const luaL_Reg *functions);

/* Adds the functions that look at handles to the core table on top of the stack. */
int lcp__handle_open(lua_State *L);

#endif
