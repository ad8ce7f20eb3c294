/* channel.c - see channel.h.  A codec turns messages into frames and frames into
 * messages; their meaning is up to Lua.
 *
 * Owns: the wire; the unsent bytes; the descriptors that have arrived, until taken.
 *
 * A socket serves both directions; where there are two descriptors, each has a channel of
 * its own, which begins without frames, see l_set_framing.
 *
 * Descriptors arrive in the order of their frames, but a frame may be complete only many
 * reads later.  So Lua, which knows the meaning of a frame, takes the next descriptor.
 *
 * The userdata's user values: the owner (a Lua object) and its callbacks.
 * SPDX-License-Identifier: MIT */
#include "channel.h"

#include <errno.h>
#include <lauxlib.h>

#include "arg.h"
#include "codec/codec.h"
#include "codec/out.h"
#include "fdpass.h"
#include "handle.h"
#include "os/fd.h"
#include "os/frame.h"
#include "os/scm.h"
#include "os/wire.h"
#include "result.h"
#include "sender.h"
#include "shortage.h"
#include "stream.h"

#define CHANNEL_CLASS "child_process.core.Channel"

enum { SLOT_OWNER = 1, SLOT_ONFRAME, SLOT_ONEND, SLOT_ONWRITTEN, SLOTS = SLOT_ONWRITTEN };

enum { CAREFUL = 16 * 1024 }; /* bytes per read while reading may have to stop */

struct channel {
  struct lcp__handle base;
  struct lcp__wire wire;
  int reading;
  size_t allowed; /* see l_allow */
  int hung_up;    /* the peer sends no more: only what has been sent is left to read */
  int reset;      /* see read_some */
  const struct lcp__codec *codec;
  struct lcp__frames frames;
  const char *frame; /* the one being delivered, for l_frame_text */
  size_t frame_size;
  int delivering; /* frames are being delivered: their memory must not be freed */
  int decoding;   /* a frame is being decoded: it must stay as it is */
  struct lcp__sender sender;
  struct lcp__scm_fds arrived; /* not yet taken */
};

static void release(struct lcp__handle *h) {
  struct channel *c = (struct channel *)h;
  lcp__wire_close(&c->wire);
  lcp__scm_close(&c->arrived);
  lcp__outbox_free(&c->sender.out);
  if (!c->delivering)
    lcp__frames_free(&c->frames);
}

/* ---- watching ---- */

static int takes_more(const struct channel *c) {
  return c->hung_up || lcp__frames_held(&c->frames) < c->allowed;
}

/* While no more is taken, only the peer's end is watched for (UV_DISCONNECT, which is
 * POLLRDHUP). */
static int wanted(const struct lcp__handle *h) {
  const struct channel *c = (const struct channel *)h;
  int in = !c->reading ? 0 : takes_more(c) ? UV_READABLE : UV_DISCONNECT;
  return in | (lcp__sender_waits(&c->sender) ? UV_WRITABLE : 0);
}

static int update(lua_State *L, struct channel *c, int index) {
  return lcp__handle_watch(L, &c->base, index, c->wire.fd);
}

/* ---- reading ---- */

struct event {
  struct channel *c;
  const char *data;
  size_t size;
  int err;
};

/* > 0: bytes; 0: nothing now; UV_EOF; or a negative errno.  A peer that closes with some
 * of our bytes unread causes ECONNRESET before its own last bytes: read on once after
 * it. */
static ssize_t read_some(struct channel *c, char *to, size_t room) {
  ssize_t n = lcp__wire_receive(&c->wire, to, room, &c->arrived);
  if (n == -ECONNRESET && !c->reset) {
    c->reset = 1;
    n = lcp__wire_receive(&c->wire, to, room, &c->arrived);
  }
  if (n == -EAGAIN || n == -EWOULDBLOCK)
    return 0;
  return n == 0 || n == -ECONNRESET ? UV_EOF : n;
}

/* stack: event, userdata */
static void push_callback(lua_State *L, const struct event *e, int slot) {
  lcp__handle_push(L, &e->c->base);
  lua_getiuservalue(L, 2, slot);
  lua_getiuservalue(L, 2, SLOT_OWNER);
}

/* -> whether it is valid; pushes the message, or the reason why it is none */
static int decode(lua_State *L, const struct channel *c, const struct event *e) {
  if (c->frames.framing != LCP__FRAME_NONE)
    return c->codec->decode(L, e->data, e->size);
  lua_pushlstring(L, e->data, e->size);
  return 1;
}

/* The frame is decoded in place.  A finalizer that runs meanwhile may close the channel:
 * then nothing is reported any more. */
static int l_frame(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  struct channel *c = e->c;
  push_callback(L, e, SLOT_ONFRAME);
  c->frame = e->data;
  c->frame_size = e->size;
  lua_pushinteger(L, (lua_Integer)e->size);
  c->decoding = 1;
  int done = decode(L, c, e);
  c->decoding = 0;
  if (!done) {
    lua_pushnil(L);
    lua_insert(L, -2);
  }
  if (!c->base.closing)
    lua_call(L, done ? 3 : 4, 0);
  return 0;
}

/* Reading stops before the end is reported. */
static int l_end(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  push_callback(L, e, SLOT_ONEND);
  e->c->reading = 0;
  lcp__outbox_free(&e->c->sender.out);
  update(L, e->c, 2);
  if (e->err == UV_EOF)
    lua_pushnil(L);
  else
    lua_pushinteger(L, e->err);
  lua_call(L, 2, 0);
  return 0;
}

static int is_open(const struct channel *c) { return !c->base.closing && c->reading; }

/* Each frame is a separate callback, so a listener that raises does not lose later ones.
 *
 * A descriptor arrives in the same read as the first byte it was sent with.  So a
 * descriptor left over when no frame is unfinished belongs to no frame that wants it. */
static int deliver(struct channel *c) {
  struct event e = {.c = c};
  int rc = 0, outer = c->delivering;
  c->delivering = 1;
  while (is_open(c) && (rc = lcp__frames_next(&c->frames, &e.data, &e.size)) > 0) {
    lcp__enter(c->base.loop, l_frame, &e);
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
  struct channel *c = lua_touserdata(L, 1);
  lcp__handle_push(L, &c->base);
  update(L, c, 2);
  return 0;
}

/* The number of bytes read; 0 or less if there are none now. */
static ssize_t readable(struct channel *c) {
  struct lcp__loop *loop = c->base.loop;
  char *buffer = lcp__loop_take_buffer(loop);
  struct event e = {.c = c};
  size_t room = c->allowed == SIZE_MAX ? LCP__BUFFER_SIZE : CAREFUL;
  ssize_t n = buffer == NULL ? -ENOMEM : read_some(c, buffer, room);
  e.err = n < 0 ? (int)n : 0;
  if (n > 0) {
    lcp__frames_feed(&c->frames, buffer, (size_t)n);
    e.err = deliver(c);
  }
  lcp__loop_give_buffer(loop, buffer);
  if (e.err < 0 && is_open(c))
    lcp__enter(loop, l_end, &e);
  else if (is_open(c) && !takes_more(c))
    lcp__enter(loop, l_update, c);
  return n;
}

/* The peer is gone while reading was stopped: its last bytes are read immediately, since
 * the end is reported only after them.  They cannot be more than the kernel holds. */
static void hung_up(struct channel *c) {
  c->hung_up = 1;
  while (is_open(c) && readable(c) > 0) {
  }
  c->hung_up = 0; /* it may have been another, passing error */
}

/* ---- writing ---- */

static int flush(struct channel *c) { return lcp__sender_flush(&c->sender, &c->wire); }

/* onwritten(owner, total bytes sent, errno | nil) */
static int l_written(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  push_callback(L, e, SLOT_ONWRITTEN);
  if (e->err < 0)
    lcp__outbox_free(&e->c->sender.out);
  update(L, e->c, 2);
  lua_pushinteger(L, (lua_Integer)e->c->sender.out.sent);
  if (e->err < 0)
    lua_pushinteger(L, e->err);
  else
    lua_pushnil(L);
  lua_call(L, 3, 0);
  return 0;
}

static void writable(struct channel *c) {
  uint64_t before = c->sender.out.sent;
  struct event e = {.c = c};
  e.err = flush(c);
  if (e.err != 0 || c->sender.out.sent != before)
    lcp__enter(c->base.loop, l_written, &e);
}

static void ready(struct lcp__handle *h, int events) {
  struct channel *c = (struct channel *)h;
  if (is_open(c) && !takes_more(c) && (events & (UV_READABLE | UV_DISCONNECT)))
    hung_up(c);
  else if (is_open(c) && (events & UV_READABLE))
    readable(c);
  if ((events & UV_WRITABLE) && !h->closing && lcp__sender_waits(&c->sender))
    writable(c);
}

/* ---- methods ---- */

static struct channel *self(lua_State *L) { return lcp__handle_self(L); }

/* channel:bind(owner, onframe, onend, onwritten)
 * onframe(owner, size, message) or (owner, size, nil, text): the frame is invalid, and
 * why; onend(owner, nil | errno), once; onwritten(owner, total bytes sent, nil | errno)
 * when bytes that flush() left unsent have been sent. */
static int l_bind(lua_State *L) {
  self(L);
  for (int i = 3; i <= 5; i++)
    luaL_checktype(L, i, LUA_TFUNCTION);
  lua_settop(L, 5);
  for (int i = SLOTS; i >= SLOT_OWNER; i--)
    lua_setiuservalue(L, 1, i);
  return 0;
}

/* channel:read_start() -> nothing | nil, errno.  Reads until the end. */
static int l_read_start(lua_State *L) {
  struct channel *c = self(L);
  if (c->base.closing)
    return 0;
  c->reading = 1;
  int rc = update(L, c, 1);
  c->reading = rc == 0;
  return rc == 0 ? 0 : lcp__push_errno(L, rc);
}

/* channel:allow(bytes | nil) Limits how many bytes of an unfinished frame may be held;
 * default: no limit.  At the limit, or if it is 0, nothing more is read until allow() is
 * called again or the peer has ended. */
static int l_allow(lua_State *L) {
  struct channel *c = self(L);
  c->allowed = lua_isnoneornil(L, 2) ? SIZE_MAX : (size_t)luaL_checkinteger(L, 2);
  if (!c->base.closing)
    update(L, c, 1);
  return 0;
}

/* channel:frame() -> string: the payload that onframe is being called for. */
static int l_frame_text(lua_State *L) {
  const struct channel *c = self(L);
  lua_pushlstring(L, c->frame, c->frame == NULL ? 0 : c->frame_size);
  return 1;
}

/* channel:read_now() Reads and delivers everything that has arrived, and the end if that
 * follows, whatever the loop would do next.  Bytes written meanwhile, by another process
 * sharing the socket, may wait.  In a callback for a frame, those read with it come
 * first; in a finalizer that runs while one is decoded, nothing is read. */
static int l_read_now(lua_State *L) {
  struct channel *c = self(L);
  if (c->decoding || (c->delivering && deliver(c) < 0))
    return 0;
  size_t held = c->base.closing ? 0 : lcp__wire_held(&c->wire), got = 0;
  ssize_t n;
  while (is_open(c) && got <= held && (n = readable(c)) > 0)
    got += (size_t)n;
  return 0;
}

/* channel:drop_arrived() Closes the descriptors of an unfinished frame, which will never
 * be complete. */
static int l_drop_arrived(lua_State *L) {
  lcp__scm_close(&self(L)->arrived);
  return 0;
}

/* -> total bytes queued, bytes unsent, whether flush() should follow now (first frame of
 * this turn; many bytes, or old ones) | nil, errno */
static int queue(lua_State *L, struct channel *c, struct iovec payload, int fd) {
  int rc = c->base.closing ? -EPIPE
                           : lcp__sender_queue(&c->sender, &c->wire, c->frames.framing,
                                               payload, fd, c->base.loop->turn);
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
  struct channel *c = self(L);
  struct iovec payload;
  payload.iov_base = (char *)luaL_checklstring(L, 2, &payload.iov_len);
  int has_fd = !lua_isnoneornil(L, 3), fd = has_fd ? lcp__fdpass_get(L, 3) : -1;
  if (has_fd && fd < 0)
    return lcp__push_errno(L, -EBADF);
  return queue(L, c, payload, fd);
}

/* channel:send(message): encodes it, then see queue() | nil, text: which value cannot be
 * sent, and the path to it */
static int l_send(lua_State *L) {
  struct channel *c = self(L);
  struct lcp__out out;
  lua_settop(L, 2);
  lcp__out_begin(L, &out);
  if (!c->codec->encode(L, 2, &out)) {
    lcp__out_end(&out);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  int results = queue(L, c, (struct iovec){out.bytes, lcp__out_size(&out)}, -1);
  lcp__out_end(&out);
  return results;
}

/* channel:flush() -> total bytes sent | nil, errno.  Bytes that the socket does not take
 * are sent later, and then `onwritten` is called. */
static int l_flush(lua_State *L) {
  struct channel *c = self(L);
  if (c->base.closing)
    return lcp__push_errno(L, -EPIPE);
  int rc = c->base.events & UV_WRITABLE ? 0 : flush(c);
  if (rc < 0)
    lcp__outbox_free(&c->sender.out);
  int watched = update(L, c, 1);
  if (rc < 0 || (rc = watched) < 0)
    return lcp__push_errno(L, rc);
  lua_pushinteger(L, (lua_Integer)c->sender.out.sent);
  return 1;
}

/* channel:flush_blocking(ms) -> boolean: waits until everything is sent, as long as the
 * peer takes some bytes every `ms` milliseconds. */
static int l_flush_blocking(lua_State *L) {
  struct channel *c = self(L);
  uint64_t ms = (uint64_t)luaL_checkinteger(L, 2);
  lua_pushboolean(L, !c->base.closing &&
                         lcp__sender_flush_blocking(&c->sender, &c->wire, ms));
  return 1;
}

/* channel:take() -> object with the oldest descriptor that has arrived | nil: none was
 * sent | nil, errno: it could not be received */
static int l_take(lua_State *L) {
  struct channel *c = self(L);
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

/* channel:set_framing([rest]) Before, each read is a string for onframe, and what is
 * queued is sent as it is and not counted.  The first frame begins with the last `rest`
 * bytes of the string that onframe is being called for. */
static int l_set_framing(lua_State *L) {
  struct channel *c = self(L);
  size_t rest = (size_t)luaL_optinteger(L, 2, 0);
  int known = rest == 0 || (c->frame != NULL && rest <= c->frame_size);
  luaL_argcheck(L, known && c->frames.framing == LCP__FRAME_NONE, 2, "not now");
  lcp__frames_begin(&c->frames, c->codec->framing, rest);
  c->sender.out.sent = 0 - (uint64_t)lcp__outbox_pending(&c->sender.out);
  return 0;
}

/* channel:hold(boolean): while true, nothing is sent. */
static int l_hold(lua_State *L) {
  self(L)->sender.held = lua_toboolean(L, 2);
  return 0;
}

/* Pushes a channel without a wire. */
static struct channel *new_channel(lua_State *L, const struct lcp__codec *codec) {
  struct channel *c = lcp__handle_new(L, sizeof *c, CHANNEL_CLASS, SLOTS);
  c->wire.fd = -1;
  c->base.release = release;
  c->base.personal = 1;
  c->base.wanted = wanted;
  c->base.ready = ready;
  c->allowed = SIZE_MAX;
  c->codec = codec;
  lcp__frames_init(&c->frames, LCP__FRAME_NONE, LCP__FRAME_LIMIT);
  c->frames.spare = &c->base.loop->spare;
  return c;
}

/* core.channel(stream | descriptor, codec) -> channel | nil, errno: over the socket of an
 * unused stream, or an inherited one. codec: 'json' or 'advanced', both ways. */
static int l_channel(lua_State *L) {
  const struct lcp__codec *codec = lcp__codec_check(L, 2);
  struct channel *c = new_channel(L, codec);
  int fd = lua_isinteger(L, 1) ? lcp__scm_adopt(lcp__arg_fd(L, 1))
                               : lcp__stream_take_fd(lcp__stream_check(L, 1));
  if (fd < 0)
    return lcp__push_errno(L, fd);
  lcp__fd_nonblock(fd, 1);
  lcp__frames_begin(&c->frames, codec->framing, 0);
  c->wire = lcp__wire_socket(fd);
  return 1;
}

/* core.pipe_channel(stream, codec) -> channel | nil, errno: for one direction, over the
 * pipe of an unused stream. */
static int l_pipe_channel(lua_State *L) {
  struct channel *c = new_channel(L, lcp__codec_check(L, 2));
  int fd = lcp__stream_take_fd(lcp__stream_check(L, 1));
  if (fd >= 0)
    c->wire = lcp__wire_plain(fd, LCP__FD_OWN);
  return fd < 0 ? lcp__push_errno(L, fd) : 1;
}

/* core.standard_channels(codec) -> in, out | nil, errno: see lcp__wire_adopt_standard. */
static int l_standard_channels(lua_State *L) {
  const struct lcp__codec *codec = lcp__codec_check(L, 1);
  struct channel *in = new_channel(L, codec), *out = new_channel(L, codec);
  int rc = lcp__wire_adopt_standard(&in->wire, &out->wire);
  return rc < 0 ? lcp__push_errno(L, rc) : 2;
}

static const luaL_Reg methods[] = {{"bind", l_bind},
                                   {"read_start", l_read_start},
                                   {"allow", l_allow},
                                   {"frame", l_frame_text},
                                   {"read_now", l_read_now},
                                   {"drop_arrived", l_drop_arrived},
                                   {"queue", l_queue},
                                   {"flush", l_flush},
                                   {"flush_blocking", l_flush_blocking},
                                   {"take", l_take},
                                   {"send", l_send},
                                   {"set_framing", l_set_framing},
                                   {"hold", l_hold},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {{"channel", l_channel},
                                     {"pipe_channel", l_pipe_channel},
                                     {"standard_channels", l_standard_channels},
                                     {NULL, NULL}};

int lcp__channel_open(lua_State *L) {
  lcp__handle_class(L, CHANNEL_CLASS, methods);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
