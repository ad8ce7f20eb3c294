/* channel.c - see channel.h.  What the frames mean is not known here.
 *
 * Owns: the socket; what is to be sent; the descriptors that have arrived and nobody has
 * taken yet.
 *
 * Descriptors come in the order of their frames; a frame may be complete many reads
 * later, so it is Lua, which knows what a frame means, that takes the next one.
 *
 * The userdata's user values: the owner (a Lua object), its callbacks, the encoder, and
 * what a frame is shown by. */
#include "channel.h"

#include <errno.h>
#include <lauxlib.h>

#include "arg.h"
#include "fdpass.h"
#include "handle.h"
#include "os/fd.h"
#include "os/frame.h"
#include "os/outbox.h"
#include "os/scm.h"
#include "result.h"
#include "shortage.h"
#include "stream.h"
#include "view.h"

#define LCP_CHANNEL "child_process.core.Channel"

enum {
  SLOT_OWNER = 1,
  SLOT_ONFRAME,
  SLOT_ONEND,
  SLOT_ONWRITTEN,
  SLOT_ENCODE,
  SLOT_VIEW,
  SLOTS = SLOT_VIEW
};

enum {
  MEMORY = 1,          /* its index in the metatable, see take_memory */
  OVERHEAD = 4,        /* of a frame: its length or its newline */
  BATCH = 64 * 1024,   /* bytes that are sent before a callback has ended */
  PROMPT = 1000000,    /* ns: a callback that goes on for longer is not waited for */
  CAREFUL = 16 * 1024, /* bytes of a read after which it may have to stop */
  KEPT = 256 * 1024 /* bytes of an encoder's memory that are kept for the next message */
};

struct channel {
  struct lcp_handle base;
  int fd;
  int reading;
  size_t allowed; /* see l_allow */
  int hung_up;    /* the other side sends no more: what it has sent is all there is */
  int reset;      /* see read_some */
  struct lcp__frames frames;
  const char *frame; /* the one that is in use, for l_frame_text */
  size_t frame_size;
  struct lcp__view *view; /* in SLOT_VIEW; NULL when frames are given as strings */
  int delivering;         /* a frame is in use: it must not be freed */
  struct lcp__outbox out;
  unsigned turn;               /* of the loop, in which the last frame was queued */
  uint64_t flushed_at;         /* ns: when the last bytes were given to the socket */
  struct lcp__scm_fds arrived; /* that nobody has taken */
};

static void release(struct lcp_handle *h) {
  struct channel *c = (struct channel *)h;
  lcp__fd_close(&c->fd);
  lcp__scm_close(&c->arrived);
  lcp__outbox_free(&c->out);
  if (c->view != NULL)
    c->view->bytes = NULL;
  c->view = NULL;
  if (!c->delivering)
    lcp__frames_free(&c->frames);
}

/* ---- watching ---- */

static int takes_more(const struct channel *c) {
  return c->hung_up || lcp__frames_held(&c->frames) < c->allowed;
}

/* Where no more is taken, the end of the other side is still looked for. */
static int wanted(const struct lcp_handle *h) {
  const struct channel *c = (const struct channel *)h;
  int pending = lcp__outbox_pending(&c->out) > 0;
  int in = !c->reading ? 0 : takes_more(c) ? UV_READABLE : UV_DISCONNECT;
  return in | (pending ? UV_WRITABLE : 0);
}

static int update(lua_State *L, struct channel *c, int index) {
  return lcp__handle_watch(L, &c->base, index, c->fd);
}

/* ---- reading ---- */

struct event {
  struct channel *c;
  const char *data;
  size_t size;
  int err;
};

/* > 0: bytes; 0: nothing now; UV_EOF; or a negative errno.  A peer that closes with our
 * bytes unread leaves an error in front of its own last bytes: read on behind it, once.
 */
static ssize_t read_some(struct channel *c, char *to, size_t room) {
  ssize_t n = lcp__scm_receive(c->fd, to, room, &c->arrived);
  if (n == -ECONNRESET && !c->reset) {
    c->reset = 1;
    n = lcp__scm_receive(c->fd, to, room, &c->arrived);
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

static int l_frame(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  push_callback(L, e, SLOT_ONFRAME);
  e->c->frame = e->data;
  e->c->frame_size = e->size;
  if (e->c->view != NULL) {
    e->c->view->bytes = e->data;
    e->c->view->size = e->size;
    lua_getiuservalue(L, 2, SLOT_VIEW);
  } else {
    lua_pushlstring(L, e->data, e->size);
  }
  lua_call(L, 2, 0);
  return 0;
}

/* Reading is over before the end is told. */
static int l_end(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  push_callback(L, e, SLOT_ONEND);
  e->c->reading = 0;
  lcp__outbox_free(&e->c->out);
  update(L, e->c, 2);
  if (e->err == UV_EOF)
    lua_pushnil(L);
  else
    lua_pushinteger(L, e->err);
  lua_call(L, 2, 0);
  return 0;
}

static int is_open(const struct channel *c) { return !c->base.closing && c->reading; }

/* A listener that raises loses no later frame: each is a callback of its own.
 *
 * A descriptor comes with the read that brings the first byte it was sent with, so one
 * that is left when no frame is unfinished was sent with none that wanted it. */
static int deliver(struct channel *c) {
  struct event e = {.c = c};
  int rc = 0;
  c->delivering = 1;
  while (is_open(c) && (rc = lcp__frames_next(&c->frames, &e.data, &e.size)) > 0) {
    lcp__enter(c->base.loop, l_frame, &e);
    c->frame = NULL;
    if (c->view != NULL)
      c->view->bytes = NULL;
  }
  c->delivering = 0;
  if (rc == 0 && lcp__frames_held(&c->frames) == 0)
    lcp__scm_close(&c->arrived);
  if (c->base.closing)
    lcp__frames_free(&c->frames);
  return rc;
}

static int l_update(lua_State *L) {
  struct channel *c = lua_touserdata(L, 1);
  lcp__handle_push(L, &c->base);
  update(L, c, 2);
  return 0;
}

/* How much came; 0 or less when there is no more now. */
static ssize_t readable(struct channel *c) {
  struct lcp_loop *loop = c->base.loop;
  char *buffer = lcp__loop_buffer(loop);
  struct event e = {.c = c};
  size_t room = c->allowed == SIZE_MAX ? LCP_BUFFER_SIZE : CAREFUL;
  ssize_t n = buffer == NULL ? -ENOMEM : read_some(c, buffer, room);
  e.err = n < 0 ? (int)n : 0;
  if (n > 0) {
    lcp__frames_feed(&c->frames, buffer, (size_t)n);
    e.err = deliver(c);
  }
  if (e.err < 0 && is_open(c))
    lcp__enter(loop, l_end, &e);
  else if (is_open(c) && !takes_more(c))
    lcp__enter(loop, l_update, c);
  return n;
}

/* The other side is gone while we did not read: what it has sent is taken at once, which
 * is no more than the kernel holds, since its end is not told before. */
static void hung_up(struct channel *c) {
  c->hung_up = 1;
  while (is_open(c) && readable(c) > 0) {
  }
  c->hung_up = 0; /* it may have been another error, one that has passed */
}

/* ---- writing ---- */

static int flush(struct channel *c) { return lcp__outbox_flush(&c->out, c->fd); }

/* onwritten(owner, bytes ever sent, errno | nil) */
static int l_written(lua_State *L) {
  const struct event *e = lua_touserdata(L, 1);
  push_callback(L, e, SLOT_ONWRITTEN);
  if (e->err < 0)
    lcp__outbox_free(&e->c->out);
  update(L, e->c, 2);
  lua_pushinteger(L, (lua_Integer)e->c->out.sent);
  if (e->err < 0)
    lua_pushinteger(L, e->err);
  else
    lua_pushnil(L);
  lua_call(L, 3, 0);
  return 0;
}

static void writable(struct channel *c) {
  size_t before = c->out.sent;
  struct event e = {.c = c};
  e.err = flush(c);
  if (e.err != 0 || c->out.sent != before)
    lcp__enter(c->base.loop, l_written, &e);
}

static void ready(struct lcp_handle *h, int events) {
  struct channel *c = (struct channel *)h;
  if (is_open(c) && !takes_more(c) && (events & (UV_READABLE | UV_DISCONNECT)))
    hung_up(c);
  else if (is_open(c) && (events & UV_READABLE))
    readable(c);
  if ((events & UV_WRITABLE) && !h->closing && lcp__outbox_pending(&c->out) > 0)
    writable(c);
}

/* ---- methods ---- */

static struct channel *self(lua_State *L) { return lcp__handle_self(L); }

/* channel:bind(owner, onframe, onend, onwritten, encode)
 * onframe(owner, payload), a string or (mode 'length') a view; onend(owner, nil | errno),
 * once; onwritten(owner, bytes ever sent, nil | errno) when what flush() left has gone
 * on; encode(message, userdata | true) -> userdata, size | nil, …, for send(). */
static int l_bind(lua_State *L) {
  int i;
  self(L);
  for (i = 3; i <= 6; i++)
    luaL_checktype(L, i, LUA_TFUNCTION);
  lua_settop(L, 6);
  for (i = SLOT_ENCODE; i >= SLOT_OWNER; i--)
    lua_setiuservalue(L, 1, i);
  return 0;
}

/* channel:read_start() -> nothing | nil, errno.  It goes on until the end. */
static int l_read_start(lua_State *L) {
  struct channel *c = self(L);
  int rc;
  if (c->base.closing)
    return 0;
  c->reading = 1;
  rc = update(L, c, 1);
  if (rc == 0)
    return 0;
  c->reading = 0;
  return lcp__push_errno(L, rc);
}

/* channel:allow(bytes | nil)  How many bytes of an unfinished frame may be held, all of
 * them by default.  While it is that many, or 0, nothing more is read before allow() is
 * called again, or the other side has ended. */
static int l_allow(lua_State *L) {
  struct channel *c = self(L);
  c->allowed = lua_isnoneornil(L, 2) ? SIZE_MAX : (size_t)luaL_checkinteger(L, 2);
  if (!c->base.closing)
    update(L, c, 1);
  return 0;
}

/* channel:frame() -> string: the payload that onframe has been called for, during that.
 */
static int l_frame_text(lua_State *L) {
  const struct channel *c = self(L);
  if (c->frame == NULL)
    return 0;
  lua_pushlstring(L, c->frame, c->frame_size);
  return 1;
}

/* channel:read_now()  Reads and tells all that is there, whatever the loop would do next,
 * and the end, if that follows.  What is written meanwhile, by a process that has the
 * socket as well, may wait. */
static int l_read_now(lua_State *L) {
  struct channel *c = self(L);
  size_t held = c->base.closing ? 0 : lcp__scm_held(c->fd), got = 0;
  ssize_t n;
  while (is_open(c) && got <= held && (n = readable(c)) > 0)
    got += (size_t)n;
  return 0;
}

/* channel:drop_arrived()  Closes the descriptors of an unfinished frame: it will not be
 * finished. */
static int l_drop_arrived(lua_State *L) {
  lcp__scm_close(&self(L)->arrived);
  return 0;
}

struct payload {
  char *bytes;
  size_t size;
};

enum { PIECES = 2 };

/* `prefix` is written to and must live as long as the pieces. */
static void cut_frame(const struct channel *c, struct payload p, char prefix[OVERHEAD],
                      struct iovec pieces[PIECES]) {
  int i;
  if (c->frames.framing == LCP__FRAME_LINE) {
    prefix[0] = '\n';
    pieces[0] = (struct iovec){p.bytes, p.size};
    pieces[1] = (struct iovec){prefix, 1};
    return;
  }
  for (i = 0; i < OVERHEAD; i++)
    prefix[i] = (char)(p.size >> (24 - 8 * i) & 0xff);
  pieces[0] = (struct iovec){prefix, OVERHEAD};
  pieces[1] = (struct iovec){p.bytes, p.size};
}

/* The first frame of a turn, when nothing waits before it, needs no copy.  How much of it
 * went. */
static size_t send_at_once(struct channel *c, struct iovec pieces[PIECES]) {
  if (c->turn == c->base.loop->turn || lcp__outbox_pending(&c->out) > 0)
    return 0;
  c->flushed_at = uv_hrtime();
  return lcp__outbox_try(&c->out, c->fd, pieces, PIECES);
}

/* For what must be there, lest half a frame be sent. */
static int make_room(struct channel *c, size_t size, int fd) {
  if (c->base.closing)
    return -EPIPE;
  return size > LCP__FRAME_LIMIT ? -EMSGSIZE
                                 : lcp__outbox_reserve(&c->out, size + OVERHEAD, fd);
}

/* -> bytes ever queued, bytes not sent, whether flush() should follow now: if it is the
 * first of this turn, if they are many, or old | nil, errno */
static int queue(lua_State *L, struct channel *c, struct payload p, int fd) {
  char prefix[OVERHEAD];
  struct iovec pieces[PIECES];
  int rc = make_room(c, p.size, fd), first;
  size_t pending;
  if (rc < 0)
    return lcp__push_errno(L, rc);
  cut_frame(c, p, prefix, pieces);
  lcp__outbox_put(&c->out, pieces, PIECES, send_at_once(c, pieces));
  first = c->turn != c->base.loop->turn;
  c->turn = c->base.loop->turn;
  pending = lcp__outbox_pending(&c->out);
  lua_pushinteger(L, (lua_Integer)(c->out.sent + pending));
  lua_pushinteger(L, (lua_Integer)pending);
  lua_pushboolean(L, first || pending >= BATCH || uv_hrtime() - c->flushed_at > PROMPT);
  return 3;
}

/* channel:queue(payload [, value with a descriptor]): see queue(). */
static int l_queue(lua_State *L) {
  struct channel *c = self(L);
  struct payload p;
  int fd = -1;
  p.bytes = (char *)luaL_checklstring(L, 2, &p.size);
  if (!lua_isnoneornil(L, 3)) {
    fd = lcp__fdpass_get(L, 3);
    if (fd < 0)
      return lcp__push_errno(L, -EBADF);
  }
  return queue(L, c, p, fd);
}

/* Pushes what the encoder may use again: one for all channels of the state, in the
 * metatable.  It is taken away meanwhile: a finalizer may send in the middle. */
static void take_memory(lua_State *L) {
  if (lua_rawgeti(L, lua_upvalueindex(1), MEMORY) != LUA_TUSERDATA) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    return;
  }
  lua_pushnil(L);
  lua_rawseti(L, lua_upvalueindex(1), MEMORY);
}

/* channel:send(message): encodes it, then see queue() | nil, and what the encoder has
 * against it */
static int l_send(lua_State *L) {
  struct channel *c = self(L);
  struct payload p;
  int results;
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, SLOT_ENCODE);
  lua_insert(L, 2);
  take_memory(L);
  lua_call(L, 2, LUA_MULTRET);
  if (lua_type(L, 2) != LUA_TUSERDATA)
    return lua_gettop(L) - 1;
  p.bytes = lua_touserdata(L, 2);
  p.size = (size_t)lua_tointeger(L, 3);
  results = queue(L, c, p, -1);
  if (lua_rawlen(L, 2) <= KEPT) {
    lua_pushvalue(L, 2);
    lua_rawseti(L, lua_upvalueindex(1), MEMORY);
  }
  return results;
}

/* channel:flush() -> bytes ever sent | nil, errno.  What the socket does not take follows
 * by itself, and `onwritten` tells. */
static int l_flush(lua_State *L) {
  struct channel *c = self(L);
  int rc;
  if (c->base.closing)
    return lcp__push_errno(L, -EPIPE);
  c->flushed_at = uv_hrtime();
  rc = c->base.events & UV_WRITABLE ? 0 : flush(c);
  if (rc < 0) {
    lcp__outbox_free(&c->out);
    update(L, c, 1);
    return lcp__push_errno(L, rc);
  }
  rc = update(L, c, 1);
  if (rc < 0)
    return lcp__push_errno(L, rc);
  lua_pushinteger(L, (lua_Integer)c->out.sent);
  return 1;
}

/* channel:flush_blocking(ms) -> boolean: waits until all is sent, as long as the other
 * side takes something every `ms` milliseconds. */
static int l_flush_blocking(lua_State *L) {
  struct channel *c = self(L);
  uint64_t patience = (uint64_t)luaL_checkinteger(L, 2) * 1000000;
  uint64_t end = uv_hrtime() + patience;
  int rc = c->base.closing ? -EPIPE : flush(c);
  while (rc == 0 && uv_hrtime() < end) {
    size_t before = c->out.sent;
    int ms = (int)((end - uv_hrtime()) / 1000000) + 1;
    rc = lcp__fd_wait_writable(c->fd, ms) < 0 ? -EIO : flush(c);
    if (c->out.sent != before)
      end = uv_hrtime() + patience;
  }
  lua_pushboolean(L, rc == 1);
  return 1;
}

/* channel:take() -> object with the oldest descriptor that has arrived | nil [, errno]:
 * none was sent | it could not be had */
static int l_take(lua_State *L) {
  struct channel *c = self(L);
  int fd, *object;
  if (c->arrived.n == 0)
    return 0;
  object = lcp__fdpass_new(L);
  fd = lcp__scm_take(&c->arrived);
  if (fd < 0)
    return lcp__push_errno(L, fd);
  *object = fd;
  lcp__shortage_gained(c->base.loop);
  return 1;
}

/* core.channel(stream | descriptor, mode) -> channel | nil, errno: over the socket of a
 * stream that has not been used, which is given up, or over an inherited one.
 * mode: 'line' or 'length', how frames are told apart. */
static int l_channel(lua_State *L) {
  static const char *const names[] = {"line", "length", NULL};
  static const enum lcp__framing modes[] = {LCP__FRAME_LINE, LCP__FRAME_LENGTH};
  int mode = luaL_checkoption(L, 2, NULL, names), fd;
  struct channel *c = lcp__handle_new(L, sizeof *c, LCP_CHANNEL, SLOTS);
  c->fd = -1;
  c->base.release = release;
  c->base.wanted = wanted;
  c->base.ready = ready;
  c->allowed = SIZE_MAX;
  lcp__frames_init(&c->frames, modes[mode], LCP__FRAME_LIMIT);
  fd = lua_isinteger(L, 1) ? lcp__scm_adopt(lcp__arg_fd(L, 1))
                           : lcp__stream_take_fd(lcp__stream_check(L, 1));
  if (fd < 0)
    return lcp__push_errno(L, fd);
  lcp__fd_nonblock(fd, 1);
  c->fd = fd;
  if (modes[mode] == LCP__FRAME_LENGTH) {
    c->view = lcp__view_new(L);
    lua_setiuservalue(L, -2, SLOT_VIEW);
  }
  return 1;
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
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {{"channel", l_channel}, {NULL, NULL}};

int lcp__channel_open(lua_State *L) {
  lcp__handle_class(L, LCP_CHANNEL, methods);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  return 0;
}
