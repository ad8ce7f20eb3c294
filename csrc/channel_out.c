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

/* stack: -> total bytes sent, bytes unsent */
static void push_state(lua_State *L, const struct lcp__channel *c) {
  lua_pushinteger(L, (lua_Integer)c->sender.out.sent);
  lua_pushinteger(L, (lua_Integer)lcp__outbox_pending(&c->sender.out));
}

/* onwritten(owner, total bytes sent, bytes unsent, errno | nil) */
static int l_written(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  lcp__channel_push(L, e->c, LCP__CHANNEL_ONWRITTEN);
  if (e->err < 0)
    lcp__outbox_free(&e->c->sender.out);
  lcp__channel_update(L, e->c, 2);
  push_state(L, e->c);
  if (e->err < 0)
    lua_pushinteger(L, e->err);
  else
    lua_pushnil(L);
  lua_call(L, 4, 0);
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

/* ---- queueing ---- */

/* An enum lcp__sender_next, or a negative errno. */
static int queue(struct lcp__channel *c, const struct iovec *parts, int fd) {
  if (c->base.closing)
    return -EPIPE;
  return lcp__sender_queue(&c->sender, &c->wire, c->frames.framing, parts, fd,
                           c->base.loop->turn);
}

/* stack: -> total bytes queued, bytes unsent */
static void push_totals(lua_State *L, const struct lcp__channel *c) {
  size_t unsent = lcp__outbox_pending(&c->sender.out);
  lua_pushinteger(L, (lua_Integer)(c->sender.out.sent + unsent));
  lua_pushinteger(L, (lua_Integer)unsent);
}

/* stack: -> as push_totals(), next, bytes of the payload | nil, errno.
 * `next`: true: flush() now, if any are unsent; false: at the end of the turn; nil: that
 * is to come. */
static int push_queued(lua_State *L, const struct lcp__channel *c, int next,
                       size_t size) {
  if (next < 0)
    return lcp__push_errno(L, next);
  push_totals(L, c);
  if (next == LCP__SENDER_NOTHING)
    lua_pushnil(L);
  else
    lua_pushboolean(L, next == LCP__SENDER_FLUSH_NOW);
  lua_pushinteger(L, (lua_Integer)size);
  return 4;
}

/* channel:queue(payload [, value with a descriptor]): see push_queued(). */
static int l_queue(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  struct iovec parts[LCP__FRAME_PARTS] = {{NULL, 0}};
  parts[0].iov_base = (char *)luaL_checklstring(L, 2, &parts[0].iov_len);
  int has_fd = !lua_isnoneornil(L, 3), fd = has_fd ? lcp__fdpass_get(L, 3) : -1;
  if (has_fd && fd < 0)
    return lcp__push_errno(L, -EBADF);
  return push_queued(L, c, queue(c, parts, fd), parts[0].iov_len);
}

/* stack: x, message -> x, message, ..., and the results of push_queued(); or nil, text:
 * which value cannot be sent, and the path to it.  The number of results, none if
 * `curt` and there is nothing to do. */
static int send_message(lua_State *L, struct lcp__channel *c, int curt) {
  struct lcp__out out;
  struct iovec parts[LCP__FRAME_PARTS];
  lua_settop(L, 2);
  lcp__out_begin(L, &out);
  out.borrows = 1;
  if (!c->codec->encode(L, 2, &out)) {
    lcp__out_end(&out);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  lcp__out_parts(&out, parts);
  int next = queue(c, parts, -1);
  lcp__out_end(&out);
  if (curt && next == LCP__SENDER_NOTHING)
    return 0;
  return push_queued(L, c, next, lcp__out_size(&out));
}

/* channel:send(message): encodes and queues it, see send_message(). */
static int l_send(lua_State *L) { return send_message(L, lcp__channel_self(L), 0); }

/* channel:queued() -> see push_totals(). */
static int l_queued(lua_State *L) {
  push_totals(L, lcp__channel_self(L));
  return 2;
}

/* channel:collecting() -> boolean: a flush is to come at the end of this turn. */
static int l_collecting(lua_State *L) {
  lua_pushboolean(L, lcp__channel_self(L)->sender.collecting);
  return 1;
}

/* ---- the short way ---- */

enum { UP_CHANNEL = 1, UP_OWNER, UP_SEND, UP_QUEUED, UPVALUES = UP_QUEUED };

/* stack: self, message, ...  Whether it is a message alone, and nothing is in its way. */
static int is_plain(lua_State *L, struct lcp__channel *c) {
  int type = lua_type(L, 2);
  return c != NULL && c->admits && lcp__handle_here(&c->base) && !c->base.loop->traced &&
         (type == LUA_TTABLE || type == LUA_TSTRING || type == LUA_TNUMBER ||
          type == LUA_TBOOLEAN) &&
         lua_isnoneornil(L, 3) && lua_isnoneornil(L, 4) && lua_isnoneornil(L, 5) &&
         lua_rawequal(L, 1, lua_upvalueindex(UP_OWNER));
}

/* owner:send(message, …): see channel.lua.  Most messages need no Lua: the frame is added
 * to those that a flush is to send, and that is less than the backlog at which send()
 * returns false. */
static int l_owner_send(lua_State *L) {
  struct lcp__channel *c =
      *(struct lcp__channel **)lua_touserdata(L, lua_upvalueindex(UP_CHANNEL));
  if (!is_plain(L, c)) {
    lua_pushvalue(L, lua_upvalueindex(UP_SEND));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
  }
  int results = send_message(L, c, 1);
  if (results == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushvalue(L, lua_upvalueindex(UP_QUEUED));
  lua_insert(L, -results - 1);
  lua_call(L, results, 1);
  return 1;
}

/* channel:sender(owner, send, queued) -> function, the method `send` of the owner.  It
 * sends a message that comes alone, and calls `queued` with what channel:send() returns,
 * if there is anything to be done; its result is that of the method.  Anything else goes
 * to `send`, and so does everything while admit() has not opened the short way. */
static int l_sender(lua_State *L) {
  lcp__channel_self(L);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_settop(L, UPVALUES);
  lua_pushcclosure(L, l_owner_send, UPVALUES);
  return 1;
}

/* channel:admit(boolean): opens or closes the short way, see l_sender. */
static int l_admit(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  c->admits = lua_toboolean(L, 2) && !c->base.closing;
  return 0;
}

/* ---- methods ---- */

/* channel:flush() -> total bytes sent, bytes unsent | nil, errno.  Bytes that the socket
 * does not take are sent later, and then `onwritten` is called. */
static int l_flush(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  if (c->base.closing)
    return lcp__push_errno(L, -EPIPE);
  c->sender.collecting = 0;
  int rc = c->base.events & UV_WRITABLE ? 0 : flush(c);
  if (rc < 0)
    lcp__outbox_free(&c->sender.out);
  int watched = lcp__channel_update(L, c, 1);
  if (rc < 0 || (rc = watched) < 0)
    return lcp__push_errno(L, rc);
  push_state(L, c);
  return 2;
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
    {"queue", l_queue},   {"send", l_send},
    {"queued", l_queued}, {"collecting", l_collecting},
    {"sender", l_sender}, {"admit", l_admit},
    {"flush", l_flush},   {"flush_blocking", l_flush_blocking},
    {"hold", l_hold},     {"widen", l_widen},
    {NULL, NULL}};
