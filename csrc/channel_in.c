/* channel_in.c - see channel_in.h.
 *
 * Descriptors arrive in the order of their frames, but a frame may be complete only many
 * reads later.  So Lua, which knows the meaning of a frame, takes the next descriptor.
 * SPDX-License-Identifier: MIT */
#include "channel_in.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "channel.h"
#include "fdpass.h"
#include "result.h"
#include "shortage.h"

enum { CAREFUL = 16 * 1024 }; /* bytes per read while reading may have to stop */

/* What a callback is about. */
struct event {
  struct lcp__channel *c;
  const char *data; /* a frame */
  size_t size;
  int err; /* the end */
};

/* > 0: bytes; 0: nothing now; UV_EOF; or a negative errno.  A peer that closes with some
 * of our bytes unread causes ECONNRESET before its own last bytes: read on once after
 * it. */
static ssize_t read_some(struct lcp__channel *c, char *to, size_t room) {
  ssize_t n = lcp__wire_receive(&c->wire, to, room, &c->arrived);
  if (n == -ECONNRESET && !c->reset) {
    c->reset = 1;
    n = lcp__wire_receive(&c->wire, to, room, &c->arrived);
  }
  if (n == -EAGAIN || n == -EWOULDBLOCK)
    return 0;
  return n == 0 || n == -ECONNRESET ? UV_EOF : n;
}

/* Whether the frame is valid.  Pushes the message, or the reason why it is not one. */
static int decode(lua_State *L, const struct lcp__channel *c, const struct event *e) {
  if (c->frames.framing != LCP__FRAME_NONE)
    return c->codec->decode(L, e->data, e->size);
  lua_pushlstring(L, e->data, e->size);
  return 1;
}

/* stack: userdata, message.  Whether it is one of the protocol's own (Node:
 * internalMessage), which begin with "NODE_". */
static int is_internal(lua_State *L, int message) {
  static const char prefix[] = "NODE_";
  size_t size = 0;
  if (!lua_istable(L, message))
    return 0;
  lua_pushliteral(L, "cmd");
  const char *cmd =
      lua_rawget(L, message) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : "";
  int internal = size > strlen(prefix) && memcmp(cmd, prefix, strlen(prefix)) == 0;
  lua_pop(L, 1);
  return internal;
}

/* Whether a user has replaced owner:emit(). */
static int is_emit_replaced(lua_State *L) {
  lua_getiuservalue(L, 2, LCP__CHANNEL_FIELDS);
  lua_pushliteral(L, "emit");
  return lua_rawget(L, -2) != LUA_TNIL;
}

/* stack: event, userdata, message.  Pushes the listener that gets it directly, below it,
 * if that is all that Lua would do: see l_hear. */
static int push_listener(lua_State *L, const struct lcp__channel *c) {
  if (c->base.loop->traced || c->frames.framing == LCP__FRAME_NONE)
    return 0;
  int direct = lua_getiuservalue(L, 2, LCP__CHANNEL_LISTENER) != LUA_TNIL &&
               !is_internal(L, 3) && !is_emit_replaced(L);
  lua_settop(L, direct ? 4 : 3);
  if (direct)
    lua_insert(L, 3); /* so that the message is the listener's alone */
  return direct;
}

/* stack: event, userdata, message, or the reason why it is not one */
static void call_onframe(lua_State *L, const struct event *e, int valid) {
  lua_getiuservalue(L, 2, LCP__CHANNEL_ONFRAME);
  lua_getiuservalue(L, 2, LCP__CHANNEL_OWNER);
  lua_pushinteger(L, (lua_Integer)e->size);
  if (!valid)
    lua_pushnil(L);
  lua_pushvalue(L, 3);
  lua_call(L, valid ? 3 : 4, 0);
}

/* stack: event, userdata.  The frame is decoded in place.  A finalizer that runs
 * meanwhile may close the channel: then nothing is reported any more. */
static void report(lua_State *L, const struct event *e) {
  struct lcp__channel *c = e->c;
  c->frame = e->data;
  c->frame_size = e->size;
  c->decoding = 1;
  int valid = decode(L, c, e);
  c->decoding = 0;
  if (c->base.closing)
    return;
  if (valid && push_listener(L, c))
    lua_call(L, 1, 0);
  else
    call_onframe(L, e, valid);
}

/* 1: a frame; 0: there is none, or the channel has been closed; or a negative errno. */
static int next_frame(struct event *e) {
  struct lcp__channel *c = e->c;
  if (!lcp__channel_is_open(c) || !lcp__handle_here(&c->base))
    return 0;
  return lcp__frames_next(&c->frames, &e->data, &e->size);
}

/* Reports a frame, and those behind it that need no callback of their own. */
static int l_frames(lua_State *L) {
  struct event *e = lua_touserdata(L, 1);
  struct lcp__loop *loop = e->c->base.loop;
  lcp__handle_push(L, &e->c->base);
  do {
    lua_settop(L, 2);
    report(L, e);
  } while (lcp__turn_next(loop) && next_frame(e) > 0);
  return 0;
}

/* Reading stops before the end is reported. */
static int l_end(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  lcp__channel_push(L, e->c, LCP__CHANNEL_ONEND);
  e->c->reading = 0;
  lcp__outbox_free(&e->c->sender.out);
  lcp__channel_update(L, e->c, 2);
  if (e->err == UV_EOF)
    lua_pushnil(L);
  else
    lua_pushinteger(L, e->err);
  lua_call(L, 2, 0);
  return 0;
}

/* A listener that raises ends the callback, and does not lose later frames.
 *
 * A descriptor arrives in the same read as the first byte it was sent with.  So a
 * descriptor left over when no frame is unfinished belongs to no frame that wants it. */
static int deliver(struct lcp__channel *c) {
  struct event e = {.c = c};
  int rc, outer = c->delivering;
  c->delivering = 1;
  while ((rc = next_frame(&e)) > 0) {
    lcp__enter(c->base.loop, l_frames, &e);
    c->frame = NULL;
    c->decoding = 0; /* it may have raised */
  }
  c->delivering = outer;
  if (rc == 0 && lcp__frames_held(&c->frames) == 0)
    lcp__scm_close(&c->arrived);
  if (c->base.closing && !outer)
    lcp__frames_free(&c->frames);
  return rc;
}

static int l_update(lua_State *L) {
  struct lcp__channel *c = lua_touserdata(L, 1);
  lcp__handle_push(L, &c->base);
  lcp__channel_update(L, c, 2);
  return 0;
}

/* Reads into the buffer, or what is part of a large frame to its place. */
static ssize_t read_frames(struct lcp__channel *c, char *buffer) {
  struct lcp__frames *frames = &c->frames;
  int is_careful = c->allowed != SIZE_MAX;
  size_t room = is_careful ? CAREFUL : LCP__BUFFER_SIZE;
  char *place = is_careful ? NULL : lcp__frames_place(frames, room, &room);
  ssize_t n = read_some(c, place != NULL ? place : buffer, room);
  if (n > 0 && place != NULL)
    lcp__frames_placed(frames, (size_t)n, buffer);
  else if (n > 0)
    lcp__frames_feed(frames, buffer, (size_t)n);
  return n;
}

/* The number of bytes read; 0 or less if there are none now. */
static ssize_t readable(struct lcp__channel *c) {
  struct lcp__loop *loop = c->base.loop;
  char *buffer = lcp__loop_take_buffer(loop);
  struct event e = {.c = c};
  ssize_t n = buffer == NULL ? -ENOMEM : read_frames(c, buffer);
  e.err = n < 0 ? (int)n : 0;
  if (n > 0)
    e.err = deliver(c);
  lcp__loop_give_buffer(loop, buffer);
  if (e.err < 0 && lcp__channel_is_open(c))
    lcp__enter(loop, l_end, &e);
  else if (lcp__channel_is_open(c) && !lcp__channel_takes_more(c))
    lcp__enter(loop, l_update, c);
  return n;
}

/* The peer is gone while reading was stopped: its last bytes are read immediately, since
 * the end is reported only after them.  They cannot be more than the kernel holds. */
static void read_rest(struct lcp__channel *c) {
  c->hung_up = 1;
  while (lcp__channel_is_open(c) && readable(c) > 0) {
  }
  c->hung_up = 0; /* it may have been another, passing error */
}

void lcp__channel_in_ready(struct lcp__channel *c, int events) {
  int in = lcp__channel_is_open(c);
  if (in && !lcp__channel_takes_more(c) && (events & (UV_READABLE | UV_DISCONNECT)))
    read_rest(c);
  else if (in && (events & UV_READABLE))
    readable(c);
}

/* ---- methods ---- */

/* channel:read_start() -> nothing | nil, errno.  Reads until the end. */
static int l_read_start(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  if (c->base.closing)
    return 0;
  c->reading = 1;
  int rc = lcp__channel_update(L, c, 1);
  c->reading = rc == 0;
  return rc == 0 ? 0 : lcp__push_errno(L, rc);
}

/* channel:allow(bytes | nil) Limits how many bytes of an unfinished frame may be held;
 * default: no limit.  At the limit, or if it is 0, nothing more is read until allow() is
 * called again or the peer has ended. */
static int l_allow(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  c->allowed = lua_isnoneornil(L, 2) ? SIZE_MAX : (size_t)luaL_checkinteger(L, 2);
  if (!c->base.closing)
    lcp__channel_update(L, c, 1);
  return 0;
}

/* channel:hear(fields, listener | nil): from now on a message goes to `listener(message)`
 * and not to onframe, unless it is an internal one, events are traced, or `fields.emit`
 * is there: then nothing but that listener would be called anyway. */
static int l_hear(lua_State *L) {
  lcp__channel_self(L);
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, LCP__CHANNEL_LISTENER);
  lua_setiuservalue(L, 1, LCP__CHANNEL_FIELDS);
  return 0;
}

/* core.is_internal(message) -> boolean: see is_internal(). */
static int l_is_internal(lua_State *L) {
  lua_settop(L, 1);
  lua_pushboolean(L, is_internal(L, 1));
  return 1;
}

/* channel:frame() -> string: the payload that onframe is being called for. */
static int l_frame_text(lua_State *L) {
  const struct lcp__channel *c = lcp__channel_self(L);
  lua_pushlstring(L, c->frame, c->frame == NULL ? 0 : c->frame_size);
  return 1;
}

/* channel:read_now() Reads and delivers everything that has arrived, and the end if that
 * follows, whatever the loop would do next.  Bytes written meanwhile, by another process
 * sharing the socket, may wait.  In a callback for a frame, those read with it come
 * first; in a finalizer that runs while one is decoded, nothing is read. */
static int l_read_now(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  if (c->decoding || (c->delivering && deliver(c) < 0))
    return 0;
  size_t held = c->base.closing ? 0 : lcp__wire_held(&c->wire), got = 0;
  ssize_t n;
  while (lcp__channel_is_open(c) && got <= held && (n = readable(c)) > 0)
    got += (size_t)n;
  return 0;
}

/* channel:drop_arrived() Closes the descriptors of an unfinished frame, which will never
 * be complete. */
static int l_drop_arrived(lua_State *L) {
  lcp__scm_close(&lcp__channel_self(L)->arrived);
  return 0;
}

/* channel:take() -> object with the oldest descriptor that has arrived | nil: none was
 * sent | nil, errno: it could not be received */
static int l_take(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  if (c->arrived.n == 0)
    return 0;
  int *object = lcp__fdpass_new(L);
  int fd = lcp__scm_take(&c->arrived);
  if (fd < 0)
    return lcp__push_errno(L, fd);
  *object = fd;
  lcp__shortage_gained(c->base.loop);
  return 1;
}

const luaL_Reg lcp__channel_in_methods[] = {{"read_start", l_read_start},
                                            {"allow", l_allow},
                                            {"hear", l_hear},
                                            {"frame", l_frame_text},
                                            {"read_now", l_read_now},
                                            {"drop_arrived", l_drop_arrived},
                                            {"take", l_take},
                                            {NULL, NULL}};

const luaL_Reg lcp__channel_in_functions[] = {{"is_internal", l_is_internal},
                                              {NULL, NULL}};
