/* loop.h - the loop of one Lua state.  SPDX-License-Identifier: MIT */
#ifndef LCP_LOOP_H
#define LCP_LOOP_H

#include <lua.h>
#include <uv.h>

#include "busypoll.h"
#include "os/handover.h"
#include "os/origin.h"
#include "os/spare.h"

struct lcp__deferred;
struct lcp__handle;
struct lcp__hub;

/* Things a program has to wait for; forgetting to is reported. */
enum lcp__awaited { LCP__CHILD = 1, LCP__TIMER, LCP__SERVER, LCP__AWAITED };

/* A userdata in the registry: as old as the module, finalised last. */
struct lcp__loop {
  uv_loop_t *uv; /* NULL before lcp__loop_uv and once closed */
  uv_loop_t own;
  struct lcp__busypoll busypoll; /* of `own` */
  int closed;                    /* it has left its uv loop: nothing can be started */
  int owned;                 /* uv == &own: we run and close it; otherwise a host does */
  int running;               /* inside run() */
  int stopped;               /* run() must return */
  int once;                  /* inside run('once') */
  unsigned runs;             /* counts begins and ends of run() */
  int depth;                 /* callbacks of ours on the C stack */
  int polled;                /* by an outer loop: pollfd() has been called */
  unsigned turn;             /* counts the outermost callbacks, each with its ticks */
  int gc_stress;             /* LCP_GC_STRESS: collect at every callback */
  lua_State *main;           /* where callbacks run when the host drives the loop */
  lua_State *L;              /* where they run now: the thread inside run() */
  struct lcp__origin origin; /* the process it belongs to */
  struct lcp__handover handover; /* for its starts */
  struct lcp__handle *handles;   /* handle.c's list; how it is emptied at the end, */
  void (*close_handles)(struct lcp__loop *loop);
  void (*adapt_handles)(struct lcp__loop *loop); /* and adapted in a copy */
  struct lcp__hub *hub;                          /* the loop's own uv handles */
  int ticks_wanted;
  int check_wanted;                    /* there are immediates */
  struct lcp__deferred *first, **last; /* lcp__after_poll */
  int traced;      /* messages go through Lua, which reports them: core.traced */
  int watched;     /* new handles are passed to the function set by core.on_new */
  int lost_errors; /* errors that could not be stored for lack of memory */
  void (*on_error)(lua_State *L, void *data);
  void *on_error_data;
  unsigned never_run[LCP__AWAITED]; /* for the report at the end of the state */
  char *buffer;                     /* read buffer, shared by all streams of the loop */
  struct lcp__spare spare;          /* for what comes in on its channels */
  /* shortage.c: descriptors received from peers since the last collection for them, and
   * the uv_hrtime from which the next one is allowed in any case */
  unsigned gained;
  uint64_t collect_at;
};

enum { LCP__BUFFER_SIZE = 256 * 1024 };

/* The user values of the loop's userdata. */
enum {
  LCP__VALUE_ERRORS = 1, /* array of boxes: errors to be raised by run() */
  LCP__VALUE_TICKS,      /* function that runs the ticks */
  LCP__VALUE_CHECK,      /* function that runs the immediates */
  LCP__VALUE_NEW,        /* function called with new handles */
  LCP__VALUE_UNCAUGHT,   /* function that handles errors */
  LCP__VALUE_END,        /* function called with the counts of what was never run */
  LCP__VALUE_CARRIED,    /* traceback of the error that core.raise is raising, or nil */
  LCP__VALUE_TRACEBACK,  /* of the last error in a callback */
  LCP__VALUES = LCP__VALUE_TRACEBACK
};

/* Adapts the state in a copy of its process made by fork(2); called first wherever Lua,
 * the host or libuv enters.  The copy shares the parent's epoll instance, so anything it
 * added or removed there would disturb the parent.  So it gets a new one, then the
 * handles that belong to the parent alone are closed (handle.h). */
void lcp__loop_here(struct lcp__loop *loop);

/* The loop of this state; raises if it is closed.  Its uv loop may not be open yet. */
struct lcp__loop *lcp__loop(lua_State *L);

/* The same, even if it is closed. */
struct lcp__loop *lcp__loop_state(lua_State *L);

/* For a start in this state, also where its loop is closed. */
struct lcp__handover *lcp__loop_handover(lua_State *L);

/* Opens its uv loop on first use; call this before starting anything on it.  0 or a libuv
 * error: a program may be out of descriptors before it has a loop, and its call then
 * fails like any other. */
int lcp__loop_uv(struct lcp__loop *loop);

/* Pushes a user value of the loop. */
void lcp__loop_slot(lua_State *L, int slot);

/* Pops a value and makes it a user value of the loop. */
void lcp__loop_put(lua_State *L, int slot);

/* For a function called from Lua: makes its first argument, a function, a user value. */
int lcp__loop_set_slot(lua_State *L, int slot);

/* Makes run() return after this turn. */
void lcp__loop_stop(struct lcp__loop *loop);

/* Called by a timer that fires: that was a callback, so run('once') must not wait for
 * another one. libuv 1.44 runs due timers before it polls, and then blocks in
 * UV_RUN_ONCE. */
void lcp__loop_fired(struct lcp__loop *loop);

/* Called when anything was started, stopped or closed: outside callbacks it wakes an
 * outer loop that polls ours, so that it runs us and re-reads the timeout. */
void lcp__loop_changed(struct lcp__loop *loop);

/* The shared read buffer, or NULL without memory.  Callbacks may overwrite it. */
char *lcp__loop_buffer(struct lcp__loop *loop);

/* The same for a caller that needs its content while callbacks run: they read into
 * another one.  It is to be given back. */
char *lcp__loop_take_buffer(struct lcp__loop *loop);
void lcp__loop_give_buffer(struct lcp__loop *loop, char *buffer);

/* uv_now is as old as the last turn of the loop: this updates it, outside callbacks. */
void lcp__loop_update_time(struct lcp__loop *loop);

/* Passes the new userdata on top of the stack to the function set by core.on_new. */
void lcp__loop_show(lua_State *L);

/* Adds the functions of the loop to the core table on top of the stack. */
int lcp__loop_open(lua_State *L);

#endif
