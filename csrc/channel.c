/* channel.c - see channel.h.  A codec turns messages into frames and frames into
 * messages; their meaning is up to Lua.
 *
 * Owns: the wire; the unsent bytes; the descriptors that have arrived, until taken.
 *
 * A socket serves both directions; where there are two descriptors, each has a channel of
 * its own, which begins without frames, see l_set_framing.
 * SPDX-License-Identifier: MIT */
#include "channel.h"

#include <stdint.h>

static void release(struct lcp__handle *h) {
  struct lcp__channel *c = (struct lcp__channel *)h;
  lcp__wire_close(&c->wire);
  lcp__scm_close(&c->arrived);
  lcp__outbox_free(&c->sender.out);
  c->sender.collecting = c->admits = 0;
  if (!c->delivering)
    lcp__frames_free(&c->frames);
}

/* While no more is taken, only the peer's end is watched for (UV_DISCONNECT, which is
 * POLLRDHUP). */
static int wanted(const struct lcp__handle *h) {
  const struct lcp__channel *c = (const struct lcp__channel *)h;
  int in = !c->reading ? 0 : lcp__channel_takes_more(c) ? UV_READABLE : UV_DISCONNECT;
  return in | (lcp__sender_waits(&c->sender) ? UV_WRITABLE : 0);
}

int lcp__channel_update(lua_State *L, struct lcp__channel *c, int index) {
  return lcp__handle_watch(L, &c->base, index, c->wire.fd);
}

void lcp__channel_push(lua_State *L, const struct lcp__channel *c,
                       enum lcp__channel_slot callback) {
  lcp__handle_push(L, &c->base);
  lua_getiuservalue(L, 2, (int)callback);
  lua_getiuservalue(L, 2, LCP__CHANNEL_OWNER);
}

struct lcp__channel *lcp__channel_new(lua_State *L, const struct lcp__codec *codec,
                                      void (*ready)(struct lcp__handle *, int)) {
  struct lcp__channel *c =
      lcp__handle_new(L, sizeof *c, LCP__CHANNEL_CLASS, LCP__CHANNEL_SLOTS);
  c->wire.fd = -1;
  c->base.release = release;
  c->base.personal = 1;
  c->base.wanted = wanted;
  c->base.ready = ready;
  c->allowed = SIZE_MAX;
  c->codec = codec;
  lcp__frames_init(&c->frames, LCP__FRAME_NONE, LCP__FRAME_LIMIT, &c->base.loop->spare);
  return c;
}
