/* channel.h - one end of a channel: what its two halves, channel_in.c and channel_out.c,
 * have in common.
 *
 * The userdata's user values: the owner (a Lua object) and its callbacks.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_CHANNEL_H
#define LCP_CHANNEL_H

#include <lua.h>

#include "codec/codec.h"
#include "handle.h"
#include "os/frame.h"
#include "os/scm.h"
#include "os/wire.h"
#include "sender.h"

#define LCP__CHANNEL_CLASS "child_process.core.Channel"

/* Its user values. */
enum lcp__channel_slot {
  LCP__CHANNEL_OWNER = 1,
  LCP__CHANNEL_ONFRAME,
  LCP__CHANNEL_ONEND,
  LCP__CHANNEL_ONWRITTEN,
  LCP__CHANNEL_FIELDS, /* see l_hear */
  LCP__CHANNEL_LISTENER,
  LCP__CHANNEL_SLOTS = LCP__CHANNEL_LISTENER
};

struct lcp__channel {
  struct lcp__handle base;
  struct lcp__wire wire;
  const struct lcp__codec *codec;
  /* what comes in: */
  int reading;
  size_t allowed; /* see l_allow */
  int hung_up;    /* the peer sends no more: only what has been sent is left to read */
  int reset;      /* see read_some */
  struct lcp__frames frames;
  const char *frame; /* the one being delivered, for l_frame_text */
  size_t frame_size;
  int delivering; /* frames are being delivered: their memory must not be freed */
  int decoding;   /* a frame is being decoded: it must stay as it is */
  struct lcp__scm_fds arrived; /* descriptors not yet taken */
  /* what goes out: */
  struct lcp__sender sender;
  int admits; /* the short way is open, see l_admit */
};

/* Pushes a channel without a wire.  `ready`: see handle.h. */
struct lcp__channel *lcp__channel_new(lua_State *L, const struct lcp__codec *codec,
                                      void (*ready)(struct lcp__handle *, int));

/* The channel that is the first argument of a method. */
static inline struct lcp__channel *lcp__channel_self(lua_State *L) {
  return lcp__handle_self(L);
}

/* Whether it can still receive. */
static inline int lcp__channel_is_open(const struct lcp__channel *c) {
  return !c->base.closing && c->reading;
}

/* Whether more bytes are to be read, see l_allow. */
static inline int lcp__channel_takes_more(const struct lcp__channel *c) {
  return c->hung_up || lcp__frames_held(&c->frames) < c->allowed;
}

/* To be called when there is something else to wait for; the userdata is at `index`. */
int lcp__channel_update(lua_State *L, struct lcp__channel *c, int index);

/* stack: x -> x, userdata, the callback, the owner */
void lcp__channel_push(lua_State *L, const struct lcp__channel *c,
                       enum lcp__channel_slot callback);

#endif
