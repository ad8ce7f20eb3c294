/* loop.h - the loop of one Lua state, and the gate through which callbacks enter Lua. */
#ifndef LCP_LOOP_H
#define LCP_LOOP_H

#include <lua.h>
#include <uv.h>

#include "busypoll.h"

struct lcp_handle;
struct lcp_hub;

/* Something to be done when this turn of the loop has polled. */
struct lcp_deferred {
  struct lcp_deferred *next;
  void (*run)(struct lcp_deferred *);
};

/* A userdata kept in the registry: as old as the module, finalised last. */
struct lcp_loop {
  uv_loop_t *uv; /* NULL once closed */
  uv_loop_t own;
  struct lcp_busypoll busypoll; /* of `own` */
  int closed;                   /* it has left its loop: nothing can be started */
  int owned;                    /* uv == &own: we run it and close it; else a host does */
  int running;                  /* inside our uv_run */
  int depth;                    /* callbacks of ours on the C stack */
  int polled;                   /* by another loop: somebody has asked for pollfd() */
  unsigned turn;                /* counts the outermost callbacks, each with its ticks */
  int gc_stress;                /* LCP_GC_STRESS: collect at every callback */
  lua_State *main;              /* where callbacks run when the host drives the loop */
  lua_State *L;                 /* where they run now: the state inside run() */
  struct lcp_handle *handles;   /* handle.c's list, and how it is emptied at the end */
  void (*close_handles)(struct lcp_loop *loop);
  struct lcp_hub *hub; /* the loop's own uv handles */
  int ticks_wanted;
  int check_wanted;                   /* there are immediates */
  struct lcp_deferred *first, **last; /* lcp__after_poll */
  int watched;     /* new handles are shown to the function of core.on_new */
  int lost_errors; /* errors that could not be kept for want of memory */
  void (*on_error)(lua_State *L, void *data);
  void *on_error_data;
  char *buffer; /* read buffer, shared by all streams of the loop */
};

enum { LCP_BUFFER_SIZE = 256 * 1024 };

/* The loop of this state, made on first use. */
struct lcp_loop *lcp__loop(lua_State *L);

/* Runs `fn(event)` as a callback: protected, with a traceback; an error is kept for
 * run(), or given to the host.  Afterwards, when no other callback of ours is on the
 * stack, the ticks run.  Never raises: this is what libuv's callbacks call. */
void lcp__enter(struct lcp_loop *loop, lua_CFunction fn, void *event);

/* Has d->run(d) called after the callbacks of this turn and before the immediates.  `d`
 * must stay where it is until then, and is queued once. */
void lcp__after_poll(struct lcp_loop *loop, struct lcp_deferred *d);

/* To be called when anything was started, stopped or closed: outside callbacks another
 * loop that polls ours is woken, to have it run and to ask for the time-out again. */
void lcp__loop_changed(struct lcp_loop *loop);

/* The shared read buffer, or NULL without memory. */
char *lcp__loop_buffer(struct lcp_loop *loop);

/* `now` of uv_now is as old as the last turn of the loop: renews it outside callbacks. */
void lcp__loop_update_time(struct lcp_loop *loop);

/* Shows the new userdata on top of the stack to the function of core.on_new. */
void lcp__loop_show(lua_State *L);

/* Adds the functions of the loop to the core table on top of the stack. */
int lcp__loop_open(lua_State *L);

#endif
