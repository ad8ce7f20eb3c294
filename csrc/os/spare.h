/* spare.h - large memory that one user hands on to the next: most of what a large message
 * costs is memory that has never been touched.  No Lua, no libuv.
 *
 *   struct lcp__spare spare = {0};
 *   struct lcp__block block = lcp__spare_take(&spare, size); // or {NULL, 0}
 *   lcp__spare_give(&spare, block);                          // used, or freed
 *   lcp__spare_free(&spare);
 * SPDX-License-Identifier: MIT */
#ifndef LCP_SPARE_H
#define LCP_SPARE_H

#include <stddef.h>

struct lcp__block {
  char *bytes; /* freed by free(3) */
  size_t room;
};

/* At most so many blocks, for as many frames that come in at the same time; all of them
 * together have no more than LCP__SPARE_MOST bytes. */
enum { LCP__SPARES = 4, LCP__SPARE_MOST = 4 * 1024 * 1024 };

struct lcp__spare {
  struct lcp__block block[LCP__SPARES]; /* all zero: none */
};

/* The largest block, if it has at least `size` bytes. */
struct lcp__block lcp__spare_take(struct lcp__spare *spare, size_t size);

/* Large blocks displace small ones. */
void lcp__spare_give(struct lcp__spare *spare, struct lcp__block block);
void lcp__spare_free(struct lcp__spare *spare);

#endif
