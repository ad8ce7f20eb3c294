/* busypoll.h - how a loop that we run ourselves waits: it looks for events a little while
 * before it goes to sleep, and wakes up for signals.
 *
 * To wake a sleeping thread on another CPU takes 30 to 40 us on a virtual machine,
 * several times what a message costs; two processes that answer each other pay it twice a
 * round trip.  So, as KVM's halt polling does: when the last waits were mostly short, the
 * next one begins by asking without sleeping, for LCP__BUSYPOLL_NS at most.  A miss
 * (nothing came, or the CPU was taken away) makes the next attempt wait for twice as many
 * short waits, so programs that do not gain soon stop trying.
 *
 * libuv sleeps on when a signal's handler has run, and so a program could not be
 * interrupted: lua5.4's handler for Ctrl-C only leaves word in a hook, which the next
 * instruction in Lua finds.  So a wait that gets long is done here, and the owner is
 * asked to look.
 *
 * No Lua. */
#ifndef LCP_BUSYPOLL_H
#define LCP_BUSYPOLL_H

#include <uv.h>

enum { LCP__BUSYPOLL_NS = 100 * 1000 };

/* Lives as long as the loop has its handles: until their close callbacks. */
struct lcp__busypoll {
  uv_prepare_t before; /* data: this struct */
  uv_timer_t limit;    /* ends a wait that is libuv's */
  uv_check_t after;
  uint64_t from;        /* when the loop began to wait */
  unsigned short_waits; /* of late: a long one takes away half */
  unsigned needed;      /* of these, before it is tried */
  unsigned hits;        /* since `needed` was last changed */
  int may_wait;         /* this uv_run is one that sleeps */
  int idle;   /* the last wait was a long one: the next is ours from the start */
  int asleep; /* this one is */
  int looked; /* `interrupted` has been called since the last sleep */
  /* whether a handler seems to have left something behind, and what to do about it; the
     owner ends uv_run by uv_stop */
  int (*is_interrupted)(void *owner);
  void (*interrupted)(void *owner);
  void *owner;
};

/* Adds the handles, unreferenced, to `loop`.  The functions of the owner are to be set
 * before uv_run. */
void lcp__busypoll_init(struct lcp__busypoll *b, uv_loop_t *loop);

/* Before each uv_run: will it sleep? */
void lcp__busypoll_mode(struct lcp__busypoll *b, uv_run_mode mode);

/* Whether the turn that uv_run has just made only was the beginning of a long wait. */
int lcp__busypoll_again(const struct lcp__busypoll *b);

/* Closes the handles; uv_run must still deliver their close callbacks. */
void lcp__busypoll_close(struct lcp__busypoll *b);

#endif
