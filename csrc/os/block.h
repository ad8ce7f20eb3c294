/* block.h - memory that bulk bytes are copied into.
 * No Lua, no libuv.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_BLOCK_H
#define LCP_BLOCK_H

#include <stddef.h>

/* LARGE: from here on malloc(3) gives a block pages of its own. */
enum { LCP__BLOCK_PAGE = 4096, LCP__BLOCK_LARGE = 128 * 1024 };

/* Like realloc(3), and freed by free(3); `used` bytes are kept.  A block of
 * LCP__BLOCK_LARGE bytes or more begins with a page, if that can be had: see block.c.
 * For memory that lives long; to get it costs more than from malloc(3).  NULL: no
 * memory, and `block` is as it was. */
void *lcp__block_resize(void *block, size_t used, size_t size);

/* Gets the pages of memory that is about to be written, all in one call: 1.3 us a page on
 * a virtual machine, where one fault for each takes 2.0.  Failure changes nothing else.
 */
void lcp__block_touch(void *from, size_t size);

#endif
