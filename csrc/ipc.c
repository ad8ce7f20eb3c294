/* ipc.c - channels as Lua gets them: how they are made and bound, both halves together.
 * SPDX-License-Identifier: MIT */
#include "ipc.h"

#include <lauxlib.h>

#include "arg.h"
#include "channel.h"
#include "channel_in.h"
#include "channel_out.h"
#include "os/fd.h"
#include "result.h"
#include "stream.h"

static void ready(struct lcp__handle *h, int events) {
  struct lcp__channel *c = (struct lcp__channel *)h;
  lcp__channel_in_ready(c, events);
  lcp__channel_out_ready(c, events);
}

/* ---- methods ---- */

/* channel:bind(owner, onframe, onend, onwritten)
 * onframe(owner, size, message) or (owner, size, nil, text): the frame is invalid, and
 * why; onend(owner, nil | errno), once; onwritten(owner, total bytes sent, bytes unsent,
 * nil | errno) when bytes that flush() left unsent have been sent. */
static int l_bind(lua_State *L) {
  lcp__channel_self(L);
  for (int i = 3; i <= 5; i++)
    luaL_checktype(L, i, LUA_TFUNCTION);
  lua_settop(L, 5);
  for (int i = LCP__CHANNEL_ONWRITTEN; i >= LCP__CHANNEL_OWNER; i--)
    lua_setiuservalue(L, 1, i);
  return 0;
}

/* channel:set_framing([rest]) Before, each read is a string for onframe, and what is
 * queued is sent as it is and not counted.  The first frame begins with the last `rest`
 * bytes of the string that onframe is being called for. */
static int l_set_framing(lua_State *L) {
  struct lcp__channel *c = lcp__channel_self(L);
  size_t rest = (size_t)luaL_optinteger(L, 2, 0);
  int known = rest == 0 || (c->frame != NULL && rest <= c->frame_size);
  luaL_argcheck(L, known && c->frames.framing == LCP__FRAME_NONE, 2, "not now");
  lcp__frames_begin(&c->frames, c->codec->framing, rest);
  c->sender.out.sent = 0 - (uint64_t)lcp__outbox_pending(&c->sender.out);
  return 0;
}

static const luaL_Reg methods[] = {
    {"bind", l_bind}, {"set_framing", l_set_framing}, {NULL, NULL}};

/* ---- constructors ---- */

/* core.channel(stream | descriptor, codec) -> channel | nil, errno: over the socket of an
 * unused stream, or an inherited one. codec: 'json' or 'advanced', both ways. */
static int l_channel(lua_State *L) {
  const struct lcp__codec *codec = lcp__codec_check(L, 2);
  struct lcp__channel *c = lcp__channel_new(L, codec, ready);
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
  struct lcp__channel *c = lcp__channel_new(L, lcp__codec_check(L, 2), ready);
  int fd = lcp__stream_take_fd(lcp__stream_check(L, 1));
  if (fd >= 0)
    c->wire = lcp__wire_plain(fd, LCP__FD_OWN);
  return fd < 0 ? lcp__push_errno(L, fd) : 1;
}

/* core.standard_channels(codec) -> in, out | nil, errno: see lcp__wire_adopt_standard. */
static int l_standard_channels(lua_State *L) {
  const struct lcp__codec *codec = lcp__codec_check(L, 1);
  struct lcp__channel *in = lcp__channel_new(L, codec, ready),
                      *out = lcp__channel_new(L, codec, ready);
  int rc = lcp__wire_adopt_standard(&in->wire, &out->wire);
  return rc < 0 ? lcp__push_errno(L, rc) : 2;
}

static const luaL_Reg functions[] = {{"channel", l_channel},
                                     {"pipe_channel", l_pipe_channel},
                                     {"standard_channels", l_standard_channels},
                                     {NULL, NULL}};

int lcp__ipc_open(lua_State *L) {
  lcp__handle_class(L, LCP__CHANNEL_CLASS, methods);
  lcp__handle_methods(L, lcp__channel_in_methods);
  lcp__handle_methods(L, lcp__channel_out_methods);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  luaL_setfuncs(L, lcp__channel_in_functions, 0);
  return 0;
}
