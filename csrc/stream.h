/* stream.h - bytes in and out of a descriptor, without blocking the loop. */
#ifndef LCP_STREAM_H
#define LCP_STREAM_H

#include <lua.h>

struct lcp_stream;

/* Pushes a new stream that is closed, to be opened by lcp__stream_open, which cannot
 * raise: so that descriptors are only taken when nothing can go wrong any more. */
struct lcp_stream *lcp__stream_new(lua_State *L);

/* Hands `fd` over to the stream, which makes it non-blocking. */
void lcp__stream_open(struct lcp_stream *s, int fd, int is_socket);

/* The descriptor of the stream at `arg`, -1 when it is closed, and whether it is the
 * stream's own; raises on other values. */
int lcp__stream_fileno(lua_State *L, int arg, int *owned);

/* Takes the descriptor of the stream at `arg` away from it; the stream is closed then.
 * -EBADF if it has none of its own.  Raises on other values. */
int lcp__stream_take_fd(lua_State *L, int arg);

/* Adds the functions of streams to the core table on top of the stack. */
int lcp__stream_open_lib(lua_State *L);

#endif
