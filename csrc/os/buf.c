/* buf.c - see buf.h.  SPDX-License-Identifier: MIT */
#include "os/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/block.h"

/* An empty queue larger than this frees its memory. */
enum { KEEP = 16 * 1024 };

/* A queue of BULK bytes is likely to need the next AHEAD too. */
enum { BULK = 1024 * 1024, AHEAD = 256 * 1024 };

/* Bytes move to the front only when at least as many have been taken before them, or when
 * the block grows anyway, so moving never costs more than appending did. realloc(3) moves
 * a large block by remapping its pages. */
static int reserve(struct lcp__buf *b, size_t more, int at_page) {
  size_t used = b->end - b->start, cap = b->cap;
  int grow = b->start < used || more > cap - used;
  char *data;
  if (more <= cap - b->end)
    return 0;
  while (cap - used < more)
    cap = cap < 4096 ? 4096 : cap * 2;
  if (grow && at_page)
    data = lcp__block_resize(b->data, b->end, cap);
  else
    data = grow ? realloc(b->data, cap) : b->data;
  if (data == NULL)
    return -ENOMEM;
  if (b->start > 0)
    memmove(data, data + b->start, used);
  b->data = data;
  b->cap = cap;
  b->start = 0;
  b->end = used;
  return 0;
}

int lcp__buf_reserve(struct lcp__buf *b, size_t more) { return reserve(b, more, 0); }

static void touch(struct lcp__buf *b, size_t more) {
  size_t left = b->cap - b->end;
  if (b->end < BULK || b->end + more <= b->touched)
    return;
  left = left < AHEAD ? left : AHEAD;
  lcp__block_touch(b->data + b->end, left);
  b->touched = b->end + left;
}

int lcp__buf_room(struct lcp__buf *b, size_t more) {
  int rc = reserve(b, more, 1);
  if (rc == 0)
    touch(b, more);
  return rc;
}

void lcp__buf_take(struct lcp__buf *b, size_t n) {
  b->start += n;
  if (b->start < b->end)
    return;
  b->start = b->end = 0;
  if (b->cap > KEEP)
    lcp__buf_free(b);
}

void lcp__buf_free(struct lcp__buf *b) {
  free(b->data);
  memset(b, 0, sizeof *b);
}
