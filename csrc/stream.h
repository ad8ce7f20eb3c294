/* stream.h - bytes in and out of a descriptor, without blocking the loop. */
#ifndef LCP_STREAM_H
#define LCP_STREAM_H

#include <lua.h>

#include "os/fd.h"

struct lcp__stream;

/* Pushes a new stream that is closed, for lcp__stream_adopt, which cannot raise: so that
 * descriptors are only taken when nothing can go wrong any more. */
struct lcp__stream *lcp__stream_new(lua_State *L);

/* It leads to a child of this process, see handle.h. */
void lcp__stream_personal(struct lcp__stream *s);

/* Hands `fd` over to the stream: a socket, or something that is non-blocking. */
void lcp__stream_adopt(struct lcp__stream *s, int fd, enum lcp__fd_kind kind);

/* Another process gets the stream's very description: O_NONBLOCK is not ours alone any
 * more. */
void lcp__stream_share(struct lcp__stream *s);

/* The stream at `arg`; raises on other values. */
struct lcp__stream *lcp__stream_check(lua_State *L, int arg);

/* Its descriptor, -1 when it is closed, and whether it is the stream's own. */
int lcp__stream_fileno(const struct lcp__stream *s, int *owned);

/* Takes its descriptor away from it; the stream is closed then.  -EBADF if it has none of
 * its own. */
int lcp__stream_take_fd(struct lcp__stream *s);

/* Adds the functions of streams to the core table on top of the stack. */
int lcp__stream_open(lua_State *L);

#endif
