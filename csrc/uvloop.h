/* uvloop.h - workarounds for libuv 1.44 in hosts that have closed descriptors, have none
 * left, or are copies by fork(2).  No Lua.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_UVLOOP_H
#define LCP_UVLOOP_H

#include <uv.h>

/* uv_loop_init for a host that has closed its standard descriptors or has none left:
 * libuv 1.44 aborts in either case, and loses a descriptor.  0 or a libuv error. */
int lcp__uvloop_init(uv_loop_t *loop);

/* Call before the first request to libuv's thread pool in this process, or in a copy of
 * it: libuv aborts when it cannot create the threads.  0 or a libuv error. */
int lcp__uvloop_need_threads(void);

/* uv_loop_fork, for a process that may have closed its standard descriptors.  `ours`:
 * pending requests are given up as well.  0, or a libuv error: then the loop must not run
 * any more, but its handles can still be closed. */
int lcp__uvloop_fork(uv_loop_t *loop, int ours);

/* uv_close, unless the handle is closed already: a host should leave our handles alone,
 * but one that closes everything uv_walk finds has closed them, too.  `cb` is not called
 * then, and the memory leaks: no event says when it could be freed. */
void lcp__uvloop_close(uv_handle_t *handle, uv_close_cb cb);

/* Fills closed standard descriptors while libuv opens descriptors, which must not become
 * 0, 1 or 2: libuv aborts when it closes those.  Returns the argument for unplug. */
unsigned lcp__uvloop_plug(void);
void lcp__uvloop_unplug(unsigned plugs);

#endif
