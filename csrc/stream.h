/* stream.h - reads and writes a descriptor without blocking the loop.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_STREAM_H
#define LCP_STREAM_H

#include <lua.h>

#include "os/fd.h"

struct lcp__stream;

/* Pushes a new, closed stream. lcp__stream_adopt opens it later and cannot raise, so that
 * descriptors are taken only when nothing can fail any more. */
struct lcp__stream *lcp__stream_new(lua_State *L);

/* Marks it as connected to a child of this process, see `personal` in handle.h. */
void lcp__stream_personal(struct lcp__stream *s);

/* Gives `fd` to the stream: a socket, or a non-blocking descriptor. */
void lcp__stream_adopt(struct lcp__stream *s, int fd, enum lcp__fd_kind kind);

/* Lets the stream use the host's standard descriptor `fd`, polled through `watch_fd`,
 * which is the stream's. */
void lcp__stream_borrow(struct lcp__stream *s, int fd, int watch_fd,
                        enum lcp__fd_kind kind);

/* Another process shares the stream's description: O_NONBLOCK can no longer be
 * trusted. */
void lcp__stream_share(struct lcp__stream *s);

/* The stream at `arg`; raises on other values. */
struct lcp__stream *lcp__stream_check(lua_State *L, int arg);

/* Its descriptor, or -1 if it is closed; *owned: whether it is the stream's own. */
int lcp__stream_fileno(const struct lcp__stream *s, int *owned);

/* Takes the descriptor and closes the stream.  -EBADF if it does not own one. */
int lcp__stream_take_fd(struct lcp__stream *s);

/* Its descriptor if it is a pipe that no process shares, open and without a pending
 * write; otherwise -1. */
int lcp__stream_pipe_fd(const struct lcp__stream *s);

/* Gives its pipe more room, unless it has been given that before.  1: it was tried. */
int lcp__stream_grow(struct lcp__stream *s);

/* Counts bytes that were taken from its descriptor. */
void lcp__stream_note_read(struct lcp__stream *s, size_t size);

/* Has `onwritten` called when its pipe takes bytes again, as after a write.  `index`: the
 * userdata.  0 or a libuv error. */
int lcp__stream_await_room(lua_State *L, struct lcp__stream *s, int index);

/* Makes the class of streams; the core table stays on top of the stack. */
int lcp__stream_open(lua_State *L);

#endif
