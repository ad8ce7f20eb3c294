/* busypoll.h - looks for events a little while before the loop goes to sleep.
 *
 * To wake a sleeping thread on another CPU takes 30 to 40 us on a virtual machine,
 * several times what a message costs; two processes that answer each other pay it twice a
 * round trip.  So, as KVM's halt polling does: when the last waits were mostly short, the
 * next one begins by asking without sleeping, for LCP_BUSYPOLL_NS at most.  A miss
 * (nothing came, or the CPU was taken away) makes the next attempt wait for twice as many
 * short waits, so programs that do not gain soon stop trying.
 *
 * No Lua.  Only for a loop that we run ourselves. */
#ifndef LCP_BUSYPOLL_H
#define LCP_BUSYPOLL_H

#include <uv.h>

enum { LCP_BUSYPOLL_NS = 100 * 1000 };

/* Lives as long as the loop has its two handles: until their close callbacks. */
struct lcp_busypoll {
  uv_prepare_t before; /* data: this struct */
  uv_check_t after;
  uint64_t from;        /* when the loop began to wait */
  unsigned short_waits; /* of late: a long one takes away half */
  unsigned needed;      /* of these, before it is tried */
  unsigned hits;        /* since `needed` was last changed */
  int may_wait;         /* this uv_run is one that sleeps */
};

/* Adds both handles, unreferenced, to `loop`. */
void lcp__busypoll_init(struct lcp_busypoll *b, uv_loop_t *loop);

/* Before each uv_run: will it sleep? */
void lcp__busypoll_mode(struct lcp_busypoll *b, uv_run_mode mode);

/* Closes the handles; uv_run must still deliver their close callbacks. */
void lcp__busypoll_close(struct lcp_busypoll *b);

#endif
