/* uvloop.h - opening a uv loop, in any state of the host.  No Lua. */
#ifndef LCP_UVLOOP_H
#define LCP_UVLOOP_H

#include <uv.h>

/* uv_loop_init for a host that has closed its standard descriptors or has none left:
 * libuv 1.44 aborts in either case, and loses a descriptor.  0 or a libuv error. */
int lcp__uvloop_init(uv_loop_t *loop);

/* Fills standard descriptors that are closed while libuv opens some of its own, which
 * must not become 0, 1 or 2: libuv aborts when it closes those.  Returns what unplug
 * takes. */
unsigned lcp__uvloop_plug(void);
void lcp__uvloop_unplug(unsigned plugs);

#endif
