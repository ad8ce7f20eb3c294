/* turn.h - what runs in one turn of the loop: callbacks, ticks, immediates. */
#ifndef LCP_TURN_H
#define LCP_TURN_H

#include <lua.h>

struct lcp__loop;

/* Something to be done when this turn of the loop has polled. */
struct lcp__deferred {
  struct lcp__deferred *next;
  void (*run)(struct lcp__deferred *);
};

/* Runs `fn(event)` as a callback, through the gate.  Afterwards, when no other callback
 * of ours is on the stack, the ticks run.  Never raises: this is what libuv's callbacks
 * call. */
void lcp__enter(struct lcp__loop *loop, lua_CFunction fn, void *event);

/* A callback that has only ticks to run. */
void lcp__turn_ticks(struct lcp__loop *loop);

/* A turn that does not wait, but looks at the descriptors even if nothing is referenced.
 * What uv_run returns. */
int lcp__turn_once(struct lcp__loop *loop);

/* A turn while there is no uv loop: ticks and immediates.  Whether there are more. */
int lcp__turn_without_uv(struct lcp__loop *loop);

/* Before uv_run: sees to the immediates that were set while there was no uv loop. */
void lcp__turn_resume(struct lcp__loop *loop);

/* Whether there is more to do: ticks, immediates, or what keeps uv_run going. */
int lcp__turn_wanted(struct lcp__loop *loop);

/* Has d->run(d) called after the callbacks of this turn and before the immediates.  `d`
 * must stay where it is until then, and is queued once. */
void lcp__after_poll(struct lcp__loop *loop, struct lcp__deferred *d);

/* Adds the functions of turns to the core table on top of the stack. */
int lcp__turn_open(lua_State *L);

#endif
