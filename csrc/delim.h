/* delim.h - a set of delimiters, and the search for the next one.  No Lua, no libuv.
 *
 *   struct lcp__delims *d = ...;         // lcp__delims_size(n) bytes
 *   lcp__delims_init(d, list, n);
 *   for (i = 0; (i = lcp__delims_next(d, p, i, size)) < size; i++)
 *     if (lcp__delims_match(d, p + i, size - i, &one) == LCP__MATCH)
 *       ...`one` is at p + i
 *
 * If several begin at the same place, the longest counts.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_DELIM_H
#define LCP_DELIM_H

#include <stddef.h>

struct lcp__delim {
  const char *p; /* the caller's */
  size_t size;   /* not 0 */
};

struct lcp__delims {
  int n;
  int start;                 /* the byte all of them begin with, or -1 */
  size_t longest;            /* bytes */
  unsigned char starts[256]; /* byte -> whether one begins with it */
  struct lcp__delim list[];  /* the longest first */
};

enum lcp__match {
  LCP__MISMATCH,
  LCP__MATCH,
  LCP__OPEN /* more bytes would decide whether a longer one begins here */
};

size_t lcp__delims_size(int n);
void lcp__delims_init(struct lcp__delims *d, const struct lcp__delim *list, int n);

/* The first index in p[i .. size) where one may begin, or `size`. */
size_t lcp__delims_next(const struct lcp__delims *d, const char *p, size_t i,
                        size_t size);

/* Whether one begins at `p`, where `size` bytes are available.  *found: the longest
 * complete one, or NULL. */
enum lcp__match lcp__delims_match(const struct lcp__delims *d, const char *p, size_t size,
                                  const struct lcp__delim **found);

/* The index of the first one in p[0 .. size), and its size in *width.  `size`: there is
 * none, or it may go on after `size`. */
size_t lcp__delims_first(const struct lcp__delims *d, const char *p, size_t size,
                         size_t *width);

#endif
