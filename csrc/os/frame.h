/* frame.h - cuts a stream of bytes into frames, however the reads split it.  No Lua, no
 * libuv.
 *
 *   struct lcp__frames f;
 *   lcp__frames_init(&f, LCP__FRAME_LINE, LCP__FRAME_LIMIT, &spare);
 *   for each read:
 *     lcp__frames_feed(&f, bytes, size);       // bytes must stay until next() says 0
 *     while ((rc = lcp__frames_next(&f, &frame, &length)) > 0)
 *       use(frame, length);                    // a view, good until the next call
 *     if (rc < 0) the stream is broken: -EMSGSIZE or -ENOMEM, now and for ever
 *   at the end of the stream:
 *     if (lcp__frames_held(&f) > 0) it ended inside a frame
 *   lcp__frames_free(&f);
 *
 * A frame that lies within one read is a view of that read.  A frame split over several
 * reads is assembled in our own memory; each byte is examined once and copied at most
 * once, except when that memory grows.  In the middle of a large one not even that:
 *
 *   if ((to = lcp__frames_place(&f, size, &room)) != NULL)
 *     lcp__frames_placed(&f, read(..., to, room), buffer);
 *   else
 *     lcp__frames_feed(&f, buffer, read(..., buffer, size));
 * SPDX-License-Identifier: MIT */
#ifndef LCP_FRAME_H
#define LCP_FRAME_H

#include <stddef.h>
#include <sys/uio.h>

#include "os/spare.h"

#define LCP__FRAME_LIMIT ((size_t)1 << 30)

enum lcp__framing {
  LCP__FRAME_LINE,   /* ends before a newline, which is not part of it */
  LCP__FRAME_LENGTH, /* begins with its length: 4 bytes, big-endian */
  LCP__FRAME_NONE    /* none yet: each piece that is fed is a frame */
};

struct lcp__frames {
  enum lcp__framing framing;
  struct lcp__spare *spare; /* for large frames; lives longer */
  size_t limit;             /* the longest frame accepted */
  const char *bytes;        /* fed but not yet consumed; the caller's */
  size_t size;
  char *held;       /* the beginning of a frame, owned */
  size_t held_size; /* including the length in front, if any */
  size_t held_room;
  int delivered; /* `held` is the frame returned last */
  int error;
};

void lcp__frames_init(struct lcp__frames *f, enum lcp__framing framing, size_t limit,
                      struct lcp__spare *spare);
void lcp__frames_free(struct lcp__frames *f);

/* Only after next() has returned 0, or at the beginning. */
void lcp__frames_feed(struct lcp__frames *f, const char *bytes, size_t size);

/* Where the next bytes may be read to; NULL: they are to be fed.  Only after next() has
 * returned 0.  `size`: of the buffer for placed(). */
char *lcp__frames_place(struct lcp__frames *f, size_t size, size_t *room);

/* Instead of feed(): `n` bytes have been read there.  The buffer gets those behind the
 * frame, and must stay like bytes that are fed. */
void lcp__frames_placed(struct lcp__frames *f, size_t n, char *buffer);

/* 1: a frame; 0: all bytes are consumed; negative: the stream is broken. */
int lcp__frames_next(struct lcp__frames *f, const char **frame, size_t *length);

/* From LCP__FRAME_NONE to another: the last `rest` bytes of the frame delivered last, if
 * any, are the beginning of the first one. */
void lcp__frames_begin(struct lcp__frames *f, enum lcp__framing framing, size_t rest);

/* How many bytes of an unfinished frame have arrived. */
size_t lcp__frames_held(const struct lcp__frames *f);

/* The other direction: the pieces that a payload, which may lie in several parts, is sent
 * as.  `mark` is written to and must live as long as the pieces. */
enum { LCP__FRAME_MARK = 4, LCP__FRAME_PARTS = 3, LCP__FRAME_PIECES };
void lcp__frame_cut(enum lcp__framing framing, const struct iovec parts[LCP__FRAME_PARTS],
                    char mark[LCP__FRAME_MARK], struct iovec pieces[LCP__FRAME_PIECES]);

/* Bytes of the payload. */
size_t lcp__frame_payload_size(const struct iovec parts[LCP__FRAME_PARTS]);

#endif
