/* frame.c - see frame.h.  Owns: the memory of one frame that came in several reads.
 * SPDX-License-Identifier: MIT */
#include "os/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/block.h"

#define PREFIX LCP__FRAME_MARK /* bytes of the length */

/* The most a peer can make us allocate by merely announcing a length: for 1 MiB and what
 * is around it in a message.  Beyond that, memory grows with the bytes that have really
 * arrived. */
#define TRUSTED (((size_t)1 << 20) + ((size_t)1 << 12))

/* The least that it is worth to read into place: what is left of a smaller frame comes
 * along with those behind it. */
#define PIECE ((size_t)1 << 16)

/* Memory up to this size is reused for the next frame of the same stream, larger for that
 * of any. */
#define KEPT ((size_t)1 << 14)

void lcp__frames_init(struct lcp__frames *f, enum lcp__framing framing, size_t limit,
                      struct lcp__spare *spare) {
  memset(f, 0, sizeof *f);
  f->framing = framing;
  f->spare = spare;
  f->limit = limit < LCP__FRAME_LIMIT ? limit : LCP__FRAME_LIMIT;
}

void lcp__frames_free(struct lcp__frames *f) {
  free(f->held);
  lcp__frames_init(f, f->framing, f->limit, f->spare);
}

void lcp__frames_feed(struct lcp__frames *f, const char *bytes, size_t size) {
  assert(f->size == 0 || f->error != 0);
  f->bytes = bytes;
  f->size = size;
}

static int frames_fail(struct lcp__frames *f, int error) {
  f->size = 0;
  return f->error = error;
}

static void frames_skip(struct lcp__frames *f, size_t n) {
  f->bytes += n;
  f->size -= n;
}

/* For a frame that does not fit into what is kept. */
static void take_spare(struct lcp__frames *f, size_t certain) {
  struct lcp__block block = lcp__spare_take(f->spare, certain);
  if (block.bytes == NULL)
    return;
  if (f->held_size > 0)
    memcpy(block.bytes, f->held, f->held_size);
  free(f->held);
  f->held = block.bytes;
  f->held_room = block.room;
}

/* After the caller is done with the frame in `held`. */
static void held_clear(struct lcp__frames *f) {
  f->delivered = 0;
  f->held_size = 0;
  if (f->held_room > KEPT) {
    lcp__spare_give(f->spare, (struct lcp__block){f->held, f->held_room});
    f->held = NULL;
    f->held_room = 0;
  }
}

/* Makes room for `certain` bytes in total and, within TRUSTED, for the `size` that are
 * expected. */
static int held_reserve(struct lcp__frames *f, size_t size, size_t certain) {
  if (certain > f->held_room && certain > KEPT)
    take_spare(f, certain);
  if (certain <= f->held_room)
    return 0;
  size_t room = f->held_room * 2 > TRUSTED ? f->held_room * 2 : TRUSTED;
  room = room < size ? room : size;
  room = room > certain ? room : certain;
  char *held = lcp__block_resize(f->held, f->held_size, room);
  if (held == NULL)
    return frames_fail(f, -ENOMEM);
  f->held = held;
  f->held_room = room;
  return 0;
}

/* Moves `n` of the fed bytes to `held`, for a frame of `size` bytes. */
static int held_add(struct lcp__frames *f, size_t n, size_t size) {
  int rc = held_reserve(f, size, f->held_size + n);
  if (rc < 0 || n == 0)
    return rc;
  memcpy(f->held + f->held_size, f->bytes, n);
  f->held_size += n;
  frames_skip(f, n);
  return 0;
}

/* The limit applies even before the newline has come. */
static int line_next(struct lcp__frames *f, const char **frame, size_t *length) {
  const char *end = f->size > 0 ? memchr(f->bytes, '\n', f->size) : NULL;
  size_t n = end != NULL ? (size_t)(end - f->bytes) : f->size;
  if (n > f->limit - f->held_size)
    return frames_fail(f, -EMSGSIZE);
  if (end != NULL && f->held_size == 0) {
    *frame = f->bytes;
    *length = n;
    frames_skip(f, n + 1);
    return 1;
  }
  /* includes the newline, which must follow the frame; its place is not known in
   * advance */
  if (held_add(f, n + (end != NULL), 2 * (f->held_size + n)) < 0)
    return f->error;
  if (end == NULL)
    return 0;
  f->delivered = 1;
  *frame = f->held;
  *length = f->held_size - 1;
  return 1;
}

static size_t length_at(const char *bytes) {
  const unsigned char *p = (const unsigned char *)bytes;
  return (size_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
                  (uint32_t)p[3]);
}

/* A frame that was fed in one piece; 0 for any other. */
static int whole_next(struct lcp__frames *f, const char **frame, size_t *length) {
  if (f->held_size > 0 || f->size < PREFIX)
    return 0;
  size_t n = length_at(f->bytes);
  if (n > f->limit)
    return frames_fail(f, -EMSGSIZE);
  if (f->size - PREFIX < n)
    return 0;
  *frame = f->bytes + PREFIX;
  *length = n;
  frames_skip(f, PREFIX + n);
  return 1;
}

/* Completes the length in `held` and checks it; 0 while it is incomplete. */
static int held_prefix(struct lcp__frames *f) {
  if (f->held_size >= PREFIX)
    return 1;
  size_t missing = PREFIX - f->held_size;
  size_t n = f->size < missing ? f->size : missing;
  if (held_add(f, n, PREFIX) < 0)
    return f->error;
  if (f->held_size < PREFIX)
    return 0;
  return length_at(f->held) > f->limit ? frames_fail(f, -EMSGSIZE) : 1;
}

static int length_next(struct lcp__frames *f, const char **frame, size_t *length) {
  int rc = whole_next(f, frame, length);
  if (rc != 0 || (f->size == 0 && f->held_size < PREFIX))
    return rc;
  rc = held_prefix(f);
  if (rc <= 0)
    return rc;
  size_t size = PREFIX + length_at(f->held), missing = size - f->held_size;
  rc = held_add(f, f->size < missing ? f->size : missing, size);
  if (rc < 0 || f->held_size < size)
    return rc;
  f->delivered = 1;
  *frame = f->held + PREFIX;
  *length = size - PREFIX;
  return 1;
}

/* By line, what is read may end behind the frame. */
char *lcp__frames_place(struct lcp__frames *f, size_t size, size_t *room) {
  if (f->error != 0 || f->held_size < PIECE)
    return NULL;
  int by_line = f->framing == LCP__FRAME_LINE;
  size_t expected = by_line ? 2 * (f->held_size + PIECE) : PREFIX + length_at(f->held);
  int is_full = f->held_room == f->held_size;
  if (expected - f->held_size < PIECE ||
      (is_full && held_reserve(f, expected, f->held_size + PIECE) < 0))
    return NULL;
  size_t end = expected < f->held_room ? expected : f->held_room;
  *room = by_line && size < end - f->held_size ? size : end - f->held_size;
  return f->held + f->held_size;
}

/* By length they all belong to the frame.  By line it goes on up to the newline, which is
 * fed; where the limit is passed, the byte that does so is fed, and next() finds it. */
void lcp__frames_placed(struct lcp__frames *f, size_t n, char *buffer) {
  char *from = f->held + f->held_size, *end = NULL;
  size_t limit = f->limit - f->held_size;
  if (f->framing == LCP__FRAME_LINE)
    end = memchr(from, '\n', n);
  size_t mine = end != NULL ? (size_t)(end - from) : n;
  if (f->framing == LCP__FRAME_LINE && mine > limit)
    mine = limit;
  f->held_size += mine;
  memcpy(buffer, from + mine, n - mine);
  lcp__frames_feed(f, buffer, n - mine);
}

static int all_next(struct lcp__frames *f, const char **frame, size_t *length) {
  *frame = f->bytes;
  *length = f->size;
  frames_skip(f, f->size);
  return *length > 0;
}

int lcp__frames_next(struct lcp__frames *f, const char **frame, size_t *length) {
  if (f->error != 0)
    return f->error;
  if (f->delivered)
    held_clear(f);
  switch (f->framing) {
  case LCP__FRAME_LINE:
    return line_next(f, frame, length);
  case LCP__FRAME_LENGTH:
    return length_next(f, frame, length);
  default:
    return all_next(f, frame, length);
  }
}

void lcp__frames_begin(struct lcp__frames *f, enum lcp__framing framing, size_t rest) {
  assert(f->framing == LCP__FRAME_NONE && f->size == 0);
  f->framing = framing;
  if (rest > 0)
    f->bytes -= rest;
  f->size = rest;
}

size_t lcp__frames_held(const struct lcp__frames *f) {
  return f->delivered ? 0 : f->held_size;
}

size_t lcp__frame_payload_size(const struct iovec parts[LCP__FRAME_PARTS]) {
  size_t size = 0;
  for (int i = 0; i < LCP__FRAME_PARTS; i++)
    size += parts[i].iov_len;
  return size;
}

void lcp__frame_cut(enum lcp__framing framing, const struct iovec parts[LCP__FRAME_PARTS],
                    char mark[LCP__FRAME_MARK], struct iovec pieces[LCP__FRAME_PIECES]) {
  struct iovec marked = {mark, 0};
  int is_first = framing == LCP__FRAME_LENGTH;
  if (is_first) {
    size_t size = lcp__frame_payload_size(parts);
    for (int i = 0; i < PREFIX; i++)
      mark[i] = (char)(size >> (24 - 8 * i) & 0xff);
    marked.iov_len = PREFIX;
  } else if (framing == LCP__FRAME_LINE) {
    mark[0] = '\n';
    marked.iov_len = 1;
  }
  memcpy(pieces + is_first, parts, LCP__FRAME_PARTS * sizeof *parts);
  pieces[is_first ? 0 : LCP__FRAME_PARTS] = marked;
}
