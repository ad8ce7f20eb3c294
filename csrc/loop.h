/* loop.h - the loop of one Lua state. */
#ifndef LCP_LOOP_H
#define LCP_LOOP_H

#include <lua.h>
#include <uv.h>

#include "busypoll.h"
#include "os/origin.h"

struct lcp__deferred;
struct lcp__handle;
struct lcp__hub;

/* What a program waits for, and is told if it forgets to. */
enum lcp__awaited { LCP__CHILD = 1, LCP__TIMER, LCP__SERVER, LCP__AWAITED };

/* A userdata kept in the registry: as old as the module, finalised last. */
struct lcp__loop {
  uv_loop_t *uv; /* NULL before lcp__loop_uv and once closed */
  uv_loop_t own;
  struct lcp__busypoll busypoll; /* of `own` */
  int closed;                    /* it has left its loop: nothing can be started */
  int owned;                   /* uv == &own: we run it and close it; else a host does */
  int running;                 /* inside run() */
  int stopped;                 /* run() is to end */
  int once;                    /* inside run('once') */
  unsigned runs;               /* run() has begun or ended so often */
  int depth;                   /* callbacks of ours on the C stack */
  int polled;                  /* by another loop: somebody has asked for pollfd() */
  unsigned turn;               /* counts the outermost callbacks, each with its ticks */
  int gc_stress;               /* LCP_GC_STRESS: collect at every callback */
  lua_State *main;             /* where callbacks run when the host drives the loop */
  lua_State *L;                /* where they run now: the state inside run() */
  struct lcp__origin origin;   /* the process that it lives in */
  struct lcp__handle *handles; /* handle.c's list; how it is emptied at the end, and */
  void (*close_handles)(struct lcp__loop *loop);
  void (*adapt_handles)(struct lcp__loop *loop); /* what becomes of it in a copy */
  struct lcp__hub *hub;                          /* the loop's own uv handles */
  int ticks_wanted;
  int check_wanted;                    /* there are immediates */
  struct lcp__deferred *first, **last; /* lcp__after_poll */
  int watched;     /* new handles are shown to the function of core.on_new */
  int lost_errors; /* errors that could not be kept for want of memory */
  void (*on_error)(lua_State *L, void *data);
  void *on_error_data;
  unsigned never_run[LCP__AWAITED]; /* when the state has ended */
  char *buffer;                     /* read buffer, shared by all streams of the loop */
  /* of shortage.c: descriptors that peers have brought since the last collection for
     them, and the time of uv_hrtime from which it may be done again in any case */
  unsigned gained;
  uint64_t collect_at;
};

enum { LCP__BUFFER_SIZE = 256 * 1024 };

/* The user values of the loop's userdata. */
enum {
  LCP__VALUE_ERRORS = 1, /* array of boxes: errors to be raised by run() */
  LCP__VALUE_TICKS,      /* function that runs the ticks */
  LCP__VALUE_CHECK,      /* function that runs the immediates */
  LCP__VALUE_NEW,        /* function that sees new handles */
  LCP__VALUE_UNCAUGHT,   /* function that takes errors */
  LCP__VALUE_END,        /* function that hears of what was never run */
  LCP__VALUE_CARRIED,    /* traceback of the error that core.raise is raising, or nil */
  LCP__VALUE_TRACEBACK,  /* of the last error in a callback */
  LCP__VALUES = LCP__VALUE_TRACEBACK
};

/* Makes the state right in a copy of its process, made by fork(2): to be called wherever
 * Lua, the host or libuv comes in, before anything is touched.  The copy has the parent's
 * epoll descriptor: what it added or took away there would be the parent's loss.  So it
 * gets one of its own, then what belongs to the parent alone is closed (handle.h). */
void lcp__loop_here(struct lcp__loop *loop);

/* The loop of this state; raises if it is closed.  Its uv loop may not be open yet. */
struct lcp__loop *lcp__loop(lua_State *L);

/* The same, also if it is closed. */
struct lcp__loop *lcp__loop_state(lua_State *L);

/* Opens its uv loop on first use; to be called before anything is started on it.  0 or a
 * libuv error: a program may be out of descriptors before it has a loop, and what it asks
 * for fails like any other call then. */
int lcp__loop_uv(struct lcp__loop *loop);

/* Pushes a user value of the loop. */
void lcp__loop_slot(lua_State *L, int slot);

/* Pops a value and makes it a user value of the loop. */
void lcp__loop_put(lua_State *L, int slot);

/* For a function called from Lua: makes its first argument, a function, a user value. */
int lcp__loop_set_slot(lua_State *L, int slot);

/* Has run() end after this turn. */
void lcp__loop_stop(struct lcp__loop *loop);

/* To be called by a timer: it was a callback, so run('once') must not wait for another.
 * libuv 1.44 runs the timers that are due before it polls, and then blocks. */
void lcp__loop_fired(struct lcp__loop *loop);

/* To be called when anything was started, stopped or closed: outside callbacks another
 * loop that polls ours is woken, to have it run and to ask for the time-out again. */
void lcp__loop_changed(struct lcp__loop *loop);

/* The shared read buffer, or NULL without memory. */
char *lcp__loop_buffer(struct lcp__loop *loop);

/* `now` of uv_now is as old as the last turn of the loop: renews it outside callbacks. */
void lcp__loop_update_time(struct lcp__loop *loop);

/* Shows the new userdata on top of the stack to the function of core.on_new. */
void lcp__loop_show(lua_State *L);

/* Adds the functions of the loop to the core table on top of the stack. */
int lcp__loop_open(lua_State *L);

#endif
