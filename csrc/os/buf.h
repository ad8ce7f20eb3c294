/* buf.h - a queue of bytes: appended at the end, taken from the front.
 * No Lua, no libuv.
 *
 *   struct lcp__buf b = {0};
 *   if (lcp__buf_reserve(&b, 4) < 0) ...no memory, b is as it was
 *   memcpy(b.data + b.end, "text", 4), b.end += 4;
 *   n = write(fd, b.data + b.start, b.end - b.start);
 *   lcp__buf_take(&b, n);
 *   lcp__buf_free(&b);
 * SPDX-License-Identifier: MIT */
#ifndef LCP_BUF_H
#define LCP_BUF_H

#include <stddef.h>

struct lcp__buf {
  char *data;
  size_t start, end, cap; /* the bytes are data[start .. end) */
  size_t touched;         /* by lcp__buf_room: as far as the block has its pages */
};

/* Makes room for `more` bytes at the end.  0, or -ENOMEM and nothing has changed. */
int lcp__buf_reserve(struct lcp__buf *b, size_t more);

/* The same for bytes that read(2) will put there: block.h says where that memory is best.
 * Not for a queue that is often emptied: such memory costs more to get. */
int lcp__buf_room(struct lcp__buf *b, size_t more);

void lcp__buf_take(struct lcp__buf *b, size_t n);
void lcp__buf_free(struct lcp__buf *b);

#endif
