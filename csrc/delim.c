/* delim.c - see delim.h.  SPDX-License-Identifier: MIT */
#include "delim.h"

#include <string.h>

size_t lcp__delims_size(int n) {
  return sizeof(struct lcp__delims) + (size_t)n * sizeof(struct lcp__delim);
}

/* Insertion sort: there are few of them. */
static void add(struct lcp__delims *d, const struct lcp__delim *one) {
  int i = d->n++;
  for (; i > 0 && d->list[i - 1].size < one->size; i--)
    d->list[i] = d->list[i - 1];
  d->list[i] = *one;
}

void lcp__delims_init(struct lcp__delims *d, const struct lcp__delim *list, int n) {
  memset(d, 0, sizeof *d);
  for (int i = 0; i < n; i++) {
    unsigned char start = (unsigned char)list[i].p[0];
    add(d, &list[i]);
    d->start = i == 0 || d->start == start ? start : -1;
    d->starts[start] = 1;
  }
  d->longest = n > 0 ? d->list[0].size : 0;
}

size_t lcp__delims_next(const struct lcp__delims *d, const char *p, size_t i,
                        size_t size) {
  if (d->start >= 0) {
    const char *at = memchr(p + i, d->start, size - i);
    return at != NULL ? (size_t)(at - p) : size;
  }
  while (i < size && !d->starts[(unsigned char)p[i]])
    i++;
  return i;
}

enum lcp__match lcp__delims_match(const struct lcp__delims *d, const char *p, size_t size,
                                  const struct lcp__delim **found) {
  int open = 0;
  *found = NULL;
  for (int i = 0; i < d->n && *found == NULL; i++) {
    const struct lcp__delim *one = &d->list[i];
    if (memcmp(p, one->p, one->size < size ? one->size : size) != 0)
      continue;
    if (one->size <= size)
      *found = one;
    else
      open = 1;
  }
  return open ? LCP__OPEN : *found != NULL ? LCP__MATCH : LCP__MISMATCH;
}

size_t lcp__delims_first(const struct lcp__delims *d, const char *p, size_t size,
                         size_t *width) {
  const struct lcp__delim *one;
  size_t i = lcp__delims_next(d, p, 0, size);
  *width = 1;
  if (d->longest == 1) /* the first byte is all of it */
    return i;
  for (; i < size; i = lcp__delims_next(d, p, i + 1, size)) {
    enum lcp__match match = lcp__delims_match(d, p + i, size - i, &one);
    if (match == LCP__OPEN)
      return size;
    if (match == LCP__MATCH) {
      *width = one->size;
      return i;
    }
  }
  return size;
}
