/* stream.c - see stream.h.
 *
 * Owns: the descriptor (unless it is shared) and the list of the unwritten pieces.
 *
 * Reading and writing are done here; libuv only says when.  So one wake-up empties the
 * pipe, however small the writer's pieces are; a broken pipe never raises a signal;
 * nothing blocks, whatever other processes do to a shared descriptor (fd.h); and the
 * standard descriptors keep their flags.
 *
 * The userdata's user values: the owner (a Lua object), its two callbacks, the strings of
 * the pending write, and the function that may read in our place.
 * SPDX-License-Identifier: MIT */
#include "stream.h"

#include <errno.h>
#include <lauxlib.h>
#include <sys/socket.h>

#include "handle.h"
#include "os/fd.h"
#include "os/pieces.h"
#include "pending.h"
#include "result.h"

#define STREAM_CLASS "child_process.core.Stream"

enum {
  SLOT_OWNER = 1,
  SLOT_ONREAD,
  SLOT_ONWRITTEN,
  SLOT_PENDING,
  SLOT_PASS,
  SLOTS = SLOT_PASS
};

struct lcp__stream {
  struct lcp__handle base;
  int fd;
  int watch_fd; /* polled by libuv: fd, or an epoll descriptor with a shared fd in it */
  int owned;    /* fd is closed with the stream */
  enum lcp__fd_kind kind;
  int standard; /* belongs to the host: its flags are not touched; it is read one piece
                   per turn, so that others get the rest; and writes to it complete at
                   once */
  int reading, has_read;
  int diverted;            /* SLOT_PASS is set */
  uint64_t heard;          /* ms: when the last byte came, or reading was resumed */
  int grown;               /* the pipe has been enlarged */
  size_t bytes_read;       /* see lcp__stream_note_read */
  struct lcp__pieces rest; /* of the pending write: parts of strings in SLOT_PENDING */
  int awaits_room;         /* a pending write of nothing, see lcp__stream_await_room */
};

static int is_open(const struct lcp__stream *s) { return !s->base.closing && s->fd >= 0; }

static int is_writing(const struct lcp__stream *s) {
  return s->rest.n > 0 || s->awaits_room;
}

int lcp__stream_grow(struct lcp__stream *s) {
  int grows = !s->grown && s->kind == LCP__FD_OWN;
  if (grows)
    lcp__fd_grow(s->fd);
  s->grown = 1;
  return grows;
}

/* ---- watching ---- */

static int wanted(const struct lcp__handle *h) {
  const struct lcp__stream *s = (const struct lcp__stream *)h;
  return (s->reading ? UV_READABLE : 0) | (is_writing(s) ? UV_WRITABLE : 0);
}

static void file_cb(uv_idle_t *uv);

static int watch_file(lua_State *L, struct lcp__stream *s, int index, int events) {
  struct lcp__handle *h = &s->base;
  int rc = events == h->events ? 0 : lcp__loop_uv(h->loop);
  if (events == h->events || rc != 0)
    return rc;
  if (!h->active) {
    uv_idle_init(h->loop->uv, &h->uv.idle);
    lcp__handle_init(h);
  }
  events ? uv_idle_start(&h->uv.idle, file_cb) : uv_idle_stop(&h->uv.idle);
  lcp__handle_set_events(L, h, index, events);
  return 0;
}

/* Makes libuv watch for the wanted events.  `index`: the userdata. */
static int update(lua_State *L, struct lcp__stream *s, int index) {
  if (s->kind == LCP__FD_FILE)
    return watch_file(L, s, index, wanted(&s->base));
  return lcp__handle_watch(L, &s->base, index, s->watch_fd);
}

/* ---- reading ---- */

struct read_event {
  struct lcp__stream *s;
  const char *data;
  size_t size;
  int end; /* 0: more may come, 1: end of file, < 0: errno */
};

/* Reads one piece; 0 with *end unset means that there is nothing now. */
static size_t read_some(struct lcp__stream *s, char *to, size_t room, int *end) {
  ssize_t n = lcp__fd_read(s->fd, s->kind, to, room);
  if (n > 0)
    return (size_t)n;
  if (n != -EAGAIN)
    *end = n == 0 ? 1 : (int)n;
  return 0;
}

/* Reads until the buffer is full or the descriptor has no more. */
static size_t read_all(struct lcp__stream *s, char *to, int *end) {
  size_t size = 0, n;
  do {
    n = read_some(s, to + size, LCP__BUFFER_SIZE - size, end);
    size += n;
  } while (n > 0 && size < LCP__BUFFER_SIZE && !s->standard);
  return size;
}

/* stack: event, userdata */
static int call_onread(lua_State *L, const struct read_event *e, int errno_or_0) {
  lua_getiuservalue(L, 2, SLOT_ONREAD);
  lua_getiuservalue(L, 2, SLOT_OWNER);
  if (e->size > 0)
    lua_pushlstring(L, e->data, e->size);
  else
    lua_pushnil(L);
  if (errno_or_0 != 0)
    lua_pushinteger(L, errno_or_0);
  else
    lua_pushnil(L);
  lua_call(L, 3, 0);
  return 0;
}

static int l_data(lua_State *L) {
  const struct read_event *e = lua_touserdata(L, 1);
  lcp__handle_push(L, &e->s->base);
  return call_onread(L, e, 0);
}

/* The end is reported once: reading stops before that. */
static int l_end(lua_State *L) {
  const struct read_event *e = lua_touserdata(L, 1);
  lcp__handle_push(L, &e->s->base);
  e->s->reading = 0;
  update(L, e->s, 2);
  return call_onread(L, e, e->end < 0 ? e->end : 0);
}

struct pass_event {
  struct lcp__stream *s;
  int is_done;
};

static int l_pass(lua_State *L) {
  struct pass_event *e = lua_touserdata(L, 1);
  lcp__handle_push(L, &e->s->base);
  lua_getiuservalue(L, 2, SLOT_PASS);
  lua_getiuservalue(L, 2, SLOT_OWNER);
  lua_call(L, 1, 1);
  e->is_done = lua_toboolean(L, -1);
  return 0;
}

/* Lets the function of l_divert have the bytes.  Whether nothing is to be read then. */
static int pass(struct lcp__stream *s) {
  struct pass_event e = {s, 0};
  lcp__enter(s->base.loop, l_pass, &e);
  return e.is_done || s->base.closing || !s->reading;
}

void lcp__stream_note_read(struct lcp__stream *s, size_t size) {
  s->bytes_read += size;
  s->heard = uv_now(s->base.loop->uv);
  if (s->bytes_read > LCP__FD_BULK)
    lcp__stream_grow(s);
}

static void readable(struct lcp__stream *s) {
  if (s->diverted && pass(s))
    return;
  struct read_event e = {s, NULL, 0, 0};
  struct lcp__loop *loop = s->base.loop;
  char *buffer = lcp__loop_buffer(loop);
  if (buffer == NULL)
    e.end = -ENOMEM;
  else
    e.size = read_all(s, buffer, &e.end);
  lcp__stream_note_read(s, e.size);
  e.data = buffer;
  if (e.size > 0)
    lcp__enter(loop, l_data, &e);
  e.size = 0;
  if (e.end != 0 && !s->base.closing && s->reading)
    lcp__enter(loop, l_end, &e);
}

/* ---- writing ---- */

/* A write to a standard stream may block, as in print. */
static enum lcp__fd_kind write_kind(const struct lcp__stream *s) {
  return s->standard && s->kind == LCP__FD_SHARED ? LCP__FD_FILE : s->kind;
}

struct write_event {
  struct lcp__stream *s;
  int err;
};

static int l_written(lua_State *L) {
  const struct write_event *e = lua_touserdata(L, 1);
  lcp__handle_push(L, &e->s->base);
  lcp__pieces_free(&e->s->rest);
  e->s->awaits_room = 0;
  lua_pushnil(L);
  lua_setiuservalue(L, 2, SLOT_PENDING);
  lua_getiuservalue(L, 2, SLOT_ONWRITTEN);
  lua_getiuservalue(L, 2, SLOT_OWNER);
  if (e->err < 0)
    lua_pushinteger(L, e->err);
  else
    lua_pushnil(L);
  lua_call(L, 2, 0);
  return 0;
}

static int l_update(lua_State *L) {
  struct lcp__stream *s = lua_touserdata(L, 1);
  lcp__handle_push(L, &s->base);
  update(L, s, 2);
  return 0;
}

/* The watch changes only after `onwritten`, which has filled the pipe again where much is
 * written: libuv needs three epoll_ctl calls to end a watch and begin it anew. */
static void writable(struct lcp__stream *s) {
  struct write_event e = {s, lcp__pieces_write(&s->rest, s->fd, write_kind(s))};
  if (e.err != 0)
    lcp__enter(s->base.loop, l_written, &e);
  if (!s->base.closing && s->base.events != wanted(&s->base))
    lcp__enter(s->base.loop, l_update, s);
}

static void ready(struct lcp__handle *h, int events) {
  struct lcp__stream *s = (struct lcp__stream *)h;
  if ((events & UV_WRITABLE) && is_writing(s))
    writable(s);
  if ((events & UV_READABLE) && !h->closing && s->reading)
    readable(s);
}

static void file_cb(uv_idle_t *uv) { readable((struct lcp__stream *)uv); }

/* ---- opening ---- */

static void release(struct lcp__handle *h) {
  struct lcp__stream *s = (struct lcp__stream *)h;
  if (s->watch_fd != s->fd)
    lcp__fd_close(&s->watch_fd);
  if (s->owned)
    lcp__fd_close(&s->fd);
  s->fd = s->watch_fd = -1;
  lcp__pieces_free(&s->rest);
}

struct lcp__stream *lcp__stream_new(lua_State *L) {
  struct lcp__stream *s = lcp__handle_new(L, sizeof *s, STREAM_CLASS, SLOTS);
  s->fd = s->watch_fd = -1;
  s->base.release = release;
  s->base.wanted = wanted;
  s->base.ready = ready;
  return s;
}

void lcp__stream_personal(struct lcp__stream *s) { s->base.personal = 1; }

void lcp__stream_adopt(struct lcp__stream *s, int fd, enum lcp__fd_kind kind) {
  s->fd = s->watch_fd = fd;
  s->owned = 1;
  s->kind = kind;
}

void lcp__stream_share(struct lcp__stream *s) {
  if (s->kind == LCP__FD_OWN)
    s->kind = LCP__FD_SHARED;
}

void lcp__stream_borrow(struct lcp__stream *s, int fd, int watch_fd,
                        enum lcp__fd_kind kind) {
  s->fd = fd;
  s->watch_fd = watch_fd;
  s->kind = kind;
  s->standard = 1;
}

int lcp__stream_pipe_fd(const struct lcp__stream *s) {
  return is_open(s) && s->kind == LCP__FD_OWN && !is_writing(s) ? s->fd : -1;
}

int lcp__stream_await_room(lua_State *L, struct lcp__stream *s, int index) {
  s->awaits_room = 1;
  int rc = update(L, s, index);
  s->awaits_room = rc == 0;
  return rc;
}

/* ---- methods ---- */

struct lcp__stream *lcp__stream_check(lua_State *L, int arg) {
  return lcp__handle_check(L, arg, STREAM_CLASS);
}

int lcp__stream_fileno(const struct lcp__stream *s, int *owned) {
  *owned = s->owned;
  return s->base.closing ? -1 : s->fd;
}

int lcp__stream_take_fd(struct lcp__stream *s) {
  int fd = s->base.closing || !s->owned ? -1 : s->fd;
  if (fd < 0)
    return -EBADF;
  s->owned = 0;
  lcp__handle_close(&s->base);
  return fd;
}

static struct lcp__stream *self(lua_State *L) { return lcp__stream_check(L, 1); }

/* stream:bind(owner, onread, onwritten)
 * onread(owner, chunk) | onread(owner, nil) at the end | onread(owner, nil, errno);
 * onwritten(owner, nil | errno) when the pending write is over. */
static int l_bind(lua_State *L) {
  struct lcp__stream *s = self(L);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_settop(L, 4);
  lua_setiuservalue(L, 1, SLOT_ONWRITTEN);
  lua_setiuservalue(L, 1, SLOT_ONREAD);
  lua_setiuservalue(L, 1, SLOT_OWNER);
  s->diverted = 0;
  return 0;
}

/* stream:divert(fn | nil): before each read fn(owner) is called; if it returns true,
 * nothing is read.  If it raises, the bytes are read. */
static int l_divert(lua_State *L) {
  struct lcp__stream *s = self(L);
  lua_settop(L, 2);
  s->diverted = !lua_isnil(L, 2);
  lua_setiuservalue(L, 1, SLOT_PASS);
  return 0;
}

static int set_reading(lua_State *L, int on) {
  struct lcp__stream *s = self(L);
  if (!is_open(s))
    return 0;
  int rc = lcp__loop_uv(s->base.loop);
  if (rc == 0 && on && !s->reading) {
    s->heard = uv_now(s->base.loop->uv);
    s->has_read = 1;
  }
  s->reading = on;
  if (rc == 0)
    rc = update(L, s, 1);
  return rc == 0 ? 0 : lcp__push_errno(L, rc);
}

/* stream:read_start() -> nothing | nil, errno */
static int l_read_start(lua_State *L) { return set_reading(L, 1); }

/* stream:read_stop() */
static int l_read_stop(lua_State *L) { return set_reading(L, 0); }

/* stream:quiet() -> ms since the last byte, or since reading was resumed | false: not
 * being read now | nil: never read, or at its end */
static int l_quiet(lua_State *L) {
  const struct lcp__stream *s = self(L);
  if (!is_open(s) || !s->has_read)
    return 0;
  if (!s->reading)
    lua_pushboolean(L, 0);
  else if (lcp__fd_polled(s->fd) != 0) /* the loop has not read it yet */
    lua_pushinteger(L, 0);
  else
    lua_pushinteger(L, (lua_Integer)(uv_now(s->base.loop->uv) - s->heard));
  return 1;
}

/* stream:hear(): restarts the measure of silence */
static int l_hear(lua_State *L) {
  struct lcp__stream *s = self(L);
  if (s->has_read && !s->base.closing)
    s->heard = uv_now(s->base.loop->uv);
  return 0;
}

/* stream:drain() -> bytes, errno | nil: reads what has arrived, one buffer at most;
 * errno: why reading then failed. */
static int l_drain(lua_State *L) {
  struct lcp__stream *s = self(L);
  char *buffer = !is_open(s) ? NULL : lcp__loop_buffer(s->base.loop);
  int end = 0;
  size_t size = buffer == NULL ? 0 : read_all(s, buffer, &end);
  lua_pushlstring(L, buffer, size);
  if (end >= 0)
    return 1;
  lua_pushinteger(L, end);
  return 2;
}

/* stream:write(data) -> true: everything is written | false: `onwritten` will be called |
 * nil, errno. data: a string or an array of strings, kept alive until written. */
static int l_write(lua_State *L) {
  struct lcp__stream *s = self(L);
  lua_settop(L, 2);
  if (!is_open(s))
    return lcp__push_errno(L, -EBADF);
  if (is_writing(s))
    return luaL_error(L, "a write is under way");
  int rc = lcp__pending_write(L, 2, &s->rest, s->fd, write_kind(s), s->standard);
  if (rc == 0) {
    lcp__stream_grow(s);
    lua_setiuservalue(L, 1, SLOT_PENDING);
    rc = update(L, s, 1);
    if (rc == 0) {
      lua_pushboolean(L, 0);
      return 1;
    }
  }
  lcp__pieces_free(&s->rest);
  return lcp__push_errno(L, rc);
}

/* stream:shutdown() -> true | nil, errno: ends the writing side.  A socket is shut down;
 * a terminal gets the end-of-file character, as if typed; anything else is closed, so it
 * must not be one that is also read. */
static int l_shutdown(lua_State *L) {
  struct lcp__stream *s = self(L);
  if (!is_open(s))
    return lcp__push_errno(L, -EBADF);
  if (s->kind == LCP__FD_SOCKET)
    return lcp__push_errno(L, shutdown(s->fd, SHUT_WR) == 0 ? 0 : -errno);
  if (s->kind != LCP__FD_TERMINAL)
    lcp__handle_close(&s->base);
  return lcp__push_errno(L, 0);
}

/* stream:share() From now on another process shares its open file description. */
static int l_share(lua_State *L) {
  lcp__stream_share(self(L));
  return 0;
}

/* stream:fileno() -> fd | nil: closed */
static int l_fileno(lua_State *L) {
  int owned, fd = lcp__stream_fileno(self(L), &owned);
  if (fd < 0)
    return 0;
  lua_pushinteger(L, fd);
  return 1;
}

static const luaL_Reg methods[] = {
    {"bind", l_bind},     {"read_start", l_read_start}, {"read_stop", l_read_stop},
    {"divert", l_divert}, {"drain", l_drain},           {"quiet", l_quiet},
    {"hear", l_hear},     {"write", l_write},           {"shutdown", l_shutdown},
    {"fileno", l_fileno}, {"share", l_share},           {NULL, NULL}};

int lcp__stream_open(lua_State *L) {
  lcp__handle_class(L, STREAM_CLASS, methods);
  lua_pop(L, 2);
  return 0;
}
