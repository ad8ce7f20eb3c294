/* busypoll.h - how a loop that we run ourselves waits: it polls for events for a short
 * while before it sleeps, and wakes up for signals.
 *
 * Waking a sleeping thread on another CPU takes 30 to 40 us on a virtual machine, several
 * times the cost of a message; two processes that answer each other pay it twice per
 * round trip.  So this does what KVM's halt polling does: if recent waits were mostly
 * short, the next one begins by polling without sleeping, for LCP__BUSYPOLL_NS at most.
 * After a miss (nothing came, or the CPU was taken away) the next attempt requires twice
 * as many short waits, so programs that do not benefit soon stop trying.
 *
 * libuv continues to sleep after a signal handler has run, so a program could not be
 * interrupted: lua5.4's handler for Ctrl-C merely sets a hook, for the next instruction
 * in Lua.  So a wait that gets long is done here, and the owner is asked to check for the
 * hook.
 *
 * No Lua.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_BUSYPOLL_H
#define LCP_BUSYPOLL_H

#include <uv.h>

enum { LCP__BUSYPOLL_NS = 100 * 1000 };

/* Lives as long as the loop has its handles: until their close callbacks. */
struct lcp__busypoll {
  uv_prepare_t before; /* data: this struct */
  uv_timer_t limit;    /* ends libuv's part of a wait */
  uv_check_t after;
  uint64_t from;        /* when the wait began */
  unsigned short_waits; /* recent ones: a long wait halves the count */
  unsigned needed;      /* how many of them before the next attempt */
  unsigned hits;        /* since `needed` last changed */
  int may_wait;         /* the current uv_run may sleep */
  int idle;             /* the last wait was long: the next is ours from the start */
  int asleep;           /* the current wait is ours */
  int looked;           /* is_interrupted has been called since the last sleep */
  /* whether a handler seems to have left something behind, and how to react; the owner
   * ends uv_run with uv_stop */
  int (*is_interrupted)(void *owner);
  void (*interrupted)(void *owner);
  void *owner;
};

/* Adds the handles, unreferenced, to `loop`.  The owner's functions must be set before
 * uv_run. */
void lcp__busypoll_init(struct lcp__busypoll *b, uv_loop_t *loop);

/* Call before each uv_run: the mode decides whether it may sleep. */
void lcp__busypoll_mode(struct lcp__busypoll *b, uv_run_mode mode);

/* Whether uv_run has returned only because a wait got long, so that it must run again. */
int lcp__busypoll_again(const struct lcp__busypoll *b);

/* Closes the handles; uv_run must still deliver their close callbacks. */
void lcp__busypoll_close(struct lcp__busypoll *b);

#endif
