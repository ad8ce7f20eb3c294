/* processors.h - how many processors this process may use.  No Lua, no libuv.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PROCESSORS_H
#define LCP_PROCESSORS_H

/* The smaller of the affinity mask (sched_setaffinity(2)) and, on Linux, the processor
 * time that the control groups of this process allow, in whole processors; at least 1.
 * Reads a few files in /proc and /sys each time, since both can change at any moment. */
int lcp__processors(void);

#endif
