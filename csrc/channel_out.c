/* channel_out.c - see channel_out.h.  SPDX-License-Identifier: MIT */
#include "channel_out.h"

#include <errno.h>
#include <lauxlib.h>

#include "channel.h"
#include "codec/out.h"
#include "fdpass.h"
#include "result.h"

/* What a callback is about. */
struct event {
  struct lcp__channel *c;
  int err;
};

static int flush(struct lcp__channel *c) {
  return lcp__sender_flush(&c->sender, &c->wire);
}

/* onwritten(owner, total bytes sent, errno | nil) */
static int l_written(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  lcp__channel_push(L, e->c, LCP__CHANNEL_ONWRITTEN);
  if (e->err < 0)
    lcp__outbox_free(&e->c->sender.out);
  lcp__channel_update(L, e->c, 2);
  lua_pushinteger(L, (lua_Integer)e->c->sender.out.sent);
  if (e->err < 0)
    lua_pushinteger(L, e->err);
  else
    lua_pushnil(L);
  lua_call(L, 3, 0);
  return 0;
}

void lcp__channel_out_ready(struct lcp__channel *c, int events) {
  if (!(events & UV_WRITABLE) || c->base.closing || !lcp__sender_waits(&c->sender))
    return;
  uint64_t before = c->sender.out.sent;
  struct event e = {.c = c};
  e.err = flush(c);
  if (e.err != 0 || c->sender.out.sent != before)
    lcp__enter(c->base.loop, l_written, &e);
}

/* -> total bytes queued, bytes unsent, whether flush() should follow now (first frame of
 * this turn; many bytes, or old ones) | nil, errno */
static int queue(lua_State *L, struct lcp__channel *c, const struct iovec *parts,
                 int fd) {
  int rc = c->base.closing ? -EPIPE
                           : lcp__sender_queue(&c->sender, &c->wire, c->frames.framing,
                                               parts, fd, c->base.loop->turn);
  if (rc < 0)
    return lcp__push_errno(L, rc);
  size_t pending = lcp__outbox_pending(&c->sender.out);
  lua_pushinteger(L, (lua_Integer)(c->sender.out.sent + pending));
  lua_pushinteger(L, (lua_Integer)pending);
  lua_pushboolean(L, rc);
  return 3;
}

/* channel:queue(payload [, value with a descriptor]): see queue(). */
static int l_queue(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  struct iovec parts[LCP__FRAME_PARTS] = {{NULL, 0}};
  parts[0].iov_base = (char *)luaL_checklstring(L, 2, &parts[0].iov_len);
  int has_fd = !lua_isnoneornil(L, 3), fd = has_fd ? lcp__fdpass_get(L, 3) : -1;
  if (has_fd && fd < 0)
    return lcp__push_errno(L, -EBADF);
  return queue(L, c, parts, fd);
}

/* channel:send(message): encodes it, then see queue() | nil, text: which value cannot be
 * sent, and the path to it */
static int l_send(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  struct lcp__out out;
  struct iovec parts[LCP__FRAME_PARTS];
  int results = 2;
  lua_settop(L, 2);
  lcp__out_begin(L, &out);
  out.borrows = 1;
  if (c->codec->encode(L, 2, &out)) {
    lcp__out_parts(&out, parts);
    results = queue(L, c, parts, -1);
  } else {
    lua_pushnil(L);
    lua_insert(L, -2);
  }
  lcp__out_end(&out);
  return results;
}

/* channel:flush() -> total bytes sent | nil, errno.  Bytes that the socket does not take
 * are sent later, and then `onwritten` is called. */
static int l_flush(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  if (c->base.closing)
    return lcp__push_errno(L, -EPIPE);
  int rc = c->base.events & UV_WRITABLE ? 0 : flush(c);
  if (rc < 0)
    lcp__outbox_free(&c->sender.out);
  int watched = lcp__channel_update(L, c, 1);
  if (rc < 0 || (rc = watched) < 0)
    return lcp__push_errno(L, rc);
  lua_pushinteger(L, (lua_Integer)c->sender.out.sent);
  return 1;
}

/* channel:flush_blocking(ms) -> boolean: waits until everything is sent, as long as the
 * peer takes some bytes every `ms` milliseconds. */
static int l_flush_blocking(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  uint64_t ms = (uint64_t)luaL_checkinteger(L, 2);
  lua_pushboolean(L, !c->base.closing &&
                         lcp__sender_flush_blocking(&c->sender, &c->wire, ms));
  return 1;
}

/* channel:widen(): for large messages, see lcp__wire_widen. */
static int l_widen(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  if (!c->base.closing)
    lcp__wire_widen(&c->wire);
  return 0;
}

/* channel:hold(boolean): while true, nothing is sent. */
static int l_hold(lua_State *L) {
  lcp__channel_self(L)->sender.held = lua_toboolean(L, 2);
  return 0;
}

const luaL_Reg lcp__channel_out_methods[] = {
    {"queue", l_queue}, {"send", l_send},
    {"flush", l_flush}, {"flush_blocking", l_flush_blocking},
    {"hold", l_hold},   {"widen", l_widen},
    {NULL, NULL}};
