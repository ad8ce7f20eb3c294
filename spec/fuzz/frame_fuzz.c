/* frame_fuzz.c - any stream in any split against the plainest way of cutting it.
 * The first byte chooses framing and limit, the second the sizes of the pieces.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/frame.h"

enum { ALLOWED = (1 << 20) + (1 << 12) }; /* memory for what is only announced */

struct plain { /* the stream as a whole */
  const uint8_t *bytes;
  size_t size, at, limit;
  int by_line;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "%s\n", what);
    abort();
  }
}

/* 1 and the next frame; 0: none is whole; -1: too long */
static int plain_next(struct plain *p, const uint8_t **frame, size_t *length) {
  const uint8_t *from = p->bytes + p->at;
  size_t n, left = p->size - p->at;
  if (p->by_line) {
    for (n = 0; n < left && from[n] != '\n'; n++)
      ;
    if (n > p->limit)
      return -1;
    if (n == left)
      return 0;
    *frame = from;
    p->at += n + 1;
  } else {
    if (left < 4)
      return 0;
    n = (size_t)from[0] << 24 | (size_t)from[1] << 16 | (size_t)from[2] << 8 | from[3];
    if (n > p->limit)
      return -1;
    if (left - 4 < n)
      return 0;
    *frame = from + 4;
    p->at += n + 4;
  }
  *length = n;
  return 1;
}

/* All frames of one piece, which is a block of its own so that nothing outlives it. */
static int feed(struct lcp__frames *f, struct plain *p, const uint8_t *bytes, size_t n) {
  const char *frame;
  const uint8_t *expected;
  size_t length, expected_length;
  int rc;
  char *piece = malloc(n);
  memcpy(piece, bytes, n);
  lcp__frames_feed(f, piece, n);
  while ((rc = lcp__frames_next(f, &frame, &length)) > 0) {
    check(plain_next(p, &expected, &expected_length) == 1, "a frame too many");
    check(length == expected_length, "another length");
    check(length == 0 || memcmp(frame, expected, length) == 0, "other bytes");
  }
  free(piece);
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const size_t limits[] = {0, 1, 7, 64, 1000, 1 << 20, 1 << 30, SIZE_MAX};
  struct lcp__frames f;
  struct lcp__spare spare = {0};
  const uint8_t *frame;
  size_t done = 0, length;
  int rc = 0;
  if (size < 2)
    return 0;
  unsigned mode = data[0], step = data[1];
  struct plain plain = {data + 2, size - 2, 0, limits[mode >> 1 & 7], mode & 1};
  lcp__frames_init(&f, plain.by_line ? LCP__FRAME_LINE : LCP__FRAME_LENGTH, plain.limit,
                   &spare);
  if (plain.limit > LCP__FRAME_LIMIT)
    plain.limit = LCP__FRAME_LIMIT;
  while (rc == 0 && done < plain.size) {
    size_t n = 1 + step % 61;
    step = step * 75 + 74;
    n = n < plain.size - done ? n : plain.size - done;
    rc = feed(&f, &plain, plain.bytes + done, n);
    done += n;
    check(f.held_room <= ALLOWED || f.held_room <= 4 * done, "too much memory");
  }
  if (rc == 0)
    check(lcp__frames_held(&f) == plain.size - plain.at, "another rest");
  check(plain_next(&plain, &frame, &length) == (rc == 0 ? 0 : -1), "another end");
  lcp__frames_free(&f);
  lcp__spare_free(&spare);
  return 0;
}
