/* turn.h - one turn of the loop: callbacks, ticks, immediates.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_TURN_H
#define LCP_TURN_H

#include <lua.h>

struct lcp__loop;

/* A task for the end of this turn's polling. */
struct lcp__deferred {
  struct lcp__deferred *next;
  void (*run)(struct lcp__deferred *);
};

/* Runs `fn(event)` as a callback, through the gate; then the ticks, if no other callback
 * of ours is on the stack.  Never raises: libuv's callbacks call it. */
void lcp__enter(struct lcp__loop *loop, lua_CFunction fn, void *event);

/* For a callback that reports several things: 1, and a new turn has begun for the next of
 * them; or 0: ticks come first, so the callback returns, and the next needs a new
 * lcp__enter. */
int lcp__turn_next(struct lcp__loop *loop);

/* A callback for the sake of the ticks alone. */
void lcp__turn_ticks(struct lcp__loop *loop);

/* A turn that does not wait, but polls the descriptors even if nothing is referenced.
 * Returns the result of uv_run. */
int lcp__turn_once(struct lcp__loop *loop);

/* A turn without a uv loop: ticks and immediates.  Whether there are more. */
int lcp__turn_without_uv(struct lcp__loop *loop);

/* Called before uv_run: takes over the immediates set while there was no uv loop. */
void lcp__turn_resume(struct lcp__loop *loop);

/* Whether there is more to do: ticks, immediates, or anything that keeps uv_run going. */
int lcp__turn_wanted(struct lcp__loop *loop);

/* Schedules d->run(d) after the callbacks of this turn and before the immediates.  `d`
 * must stay in place until then, and must not be queued twice. */
void lcp__after_poll(struct lcp__loop *loop, struct lcp__deferred *d);

/* Adds the functions of turns to the core table on top of the stack. */
int lcp__turn_open(lua_State *L);

#endif
