/* plan.c - see plan.h.
 * Owns: the descriptors of the slots, between lcp__plan_open and lcp__plan_close.
 * SPDX-License-Identifier: MIT */
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arg.h"
#include "identity.h"
#include "loop.h"
#include "os/fd.h"

/* ---- reading ---- */

static int list_length(lua_State *L, int plan, const char *field) {
  int n = 0;
  if (lua_getfield(L, plan, field) == LUA_TTABLE)
    n = (int)lua_rawlen(L, -1);
  lua_pop(L, 1);
  return n;
}

/* The strings are kept alive by the table, which stays on the stack. */
static void read_strings(lua_State *L, int plan, const char *field, char **to, int n) {
  lua_getfield(L, plan, field);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    to[i] = (char *)lua_tostring(L, -1);
    if (to[i] == NULL)
      luaL_error(L, "%s[%d] is no string", field, i + 1);
    lua_pop(L, 1);
  }
  to[n] = NULL;
  lua_pop(L, 1);
}

static const char *read_string(lua_State *L, int plan, const char *field) {
  const char *s;
  lua_getfield(L, plan, field);
  s = lua_tostring(L, -1);
  lua_pop(L, 1);
  return s;
}

static int read_flag(lua_State *L, int index, const char *field) {
  lua_getfield(L, index, field);
  int on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

static int read_int(lua_State *L, int index, const char *field, int otherwise) {
  lua_getfield(L, index, field);
  int value = (int)luaL_optinteger(L, -1, otherwise);
  lua_pop(L, 1);
  return value;
}

/* O_NONBLOCK: opening a FIFO would wait for its other side (fifo(7)), and this call must
 * not wait.  O_NOCTTY: opening a terminal must not make it our controlling terminal. */
static void read_file(lua_State *L, struct lcp__file *file, int item) {
  int writes = O_WRONLY | O_CREAT;
  writes |= read_flag(L, item, "append") ? O_APPEND : O_TRUNC;
  file->path = read_string(L, item, "path");
  file->flags = read_flag(L, item, "reads") ? O_RDONLY : writes;
  file->flags |= O_NONBLOCK | O_NOCTTY;
  file->mode = (mode_t)read_int(L, item, "mode", 0666);
}

static void read_target(lua_State *L, struct lcp__target *t, int item) {
  static const char *const nowhere[] = {"ignore", NULL};
  int owned;
  t->fd = t->opened = -1;
  switch (lua_type(L, item)) {
  case LUA_TNUMBER:
    t->fd = lcp__arg_to_fd(L, item);
    break;
  case LUA_TUSERDATA:
    t->fd = lcp__stream_fileno(lcp__stream_check(L, item), &owned);
    break;
  case LUA_TTABLE:
    read_file(L, &t->file, item);
    break;
  default:
    luaL_checkoption(L, item, NULL, nowhere);
  }
}

/* stack: …, array */
static void read_targets(lua_State *L, struct lcp__plan *p, struct lcp__slot *slot) {
  int list = lua_gettop(L);
  slot->kind = LCP__SLOT_OUT;
  slot->targets = p->targets + p->ntargets;
  slot->ntargets = (int)lua_rawlen(L, list);
  for (int i = 0; i < slot->ntargets; i++) {
    lua_rawgeti(L, list, i + 1);
    read_target(L, &slot->targets[i], list + 1);
    lua_pop(L, 1);
  }
  p->ntargets += slot->ntargets;
}

/* { path, … }, { targets, … } or { text } */
static void read_table(lua_State *L, struct lcp__plan *p, struct lcp__slot *slot,
                       int item) {
  read_file(L, &slot->file, item);
  slot->kind = LCP__SLOT_FILE;
  if (slot->file.path != NULL)
    return;
  if (lua_getfield(L, item, "targets") == LUA_TTABLE) {
    read_targets(L, p, slot);
    slot->passed_on = !read_flag(L, item, "piped");
    slot->unlimited = read_flag(L, item, "unlimited");
  } else {
    slot->kind = LCP__SLOT_TEXT;
    lua_rawgeti(L, item, 1);
    slot->text = luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void read_slot(lua_State *L, struct lcp__plan *p, struct lcp__slot *slot,
                      int item) {
  static const char *const names[] = {"ignore", "in",   "out",  "duplex",
                                      "pty",    "same", "link", NULL};
  static const enum lcp__slot_kind kinds[] = {
      LCP__SLOT_IGNORE, LCP__SLOT_IN,   LCP__SLOT_OUT, LCP__SLOT_DUPLEX,
      LCP__SLOT_PTY,    LCP__SLOT_SAME, LCP__SLOT_LINK};
  int owned;
  slot->opened = slot->mine = slot->fd = -1;
  switch (lua_type(L, item)) {
  case LUA_TNUMBER:
    slot->kind = LCP__SLOT_FD;
    slot->fd = lcp__arg_to_fd(L, item);
    break;
  case LUA_TUSERDATA:
    slot->lent = lcp__stream_check(L, item);
    slot->fd = lcp__stream_fileno(slot->lent, &owned);
    slot->kind = owned ? LCP__SLOT_STREAM : LCP__SLOT_FD;
    break;
  case LUA_TTABLE:
    read_table(L, p, slot, item);
    break;
  default:
    slot->kind = kinds[luaL_checkoption(L, item, NULL, names)];
  }
}

static void read_pty(lua_State *L, int plan, struct lcp__plan *p) {
  if (lua_getfield(L, plan, "pty") == LUA_TTABLE) {
    int pty = lua_gettop(L);
    p->pty.cols = read_int(L, pty, "cols", 0);
    p->pty.rows = read_int(L, pty, "rows", 0);
    p->pty.echo = read_flag(L, pty, "echo");
    p->pty.raw = read_flag(L, pty, "raw");
    p->spawn.flags |= LCP__SPAWN_SETSID | LCP__SPAWN_TTY;
  }
  lua_pop(L, 1);
}

static int count_targets(lua_State *L, int plan, int n) {
  int count = 0;
  lua_getfield(L, plan, "stdio");
  for (int i = 1; i <= n; i++) {
    if (lua_rawgeti(L, -1, i) == LUA_TTABLE) {
      count += list_length(L, lua_gettop(L), "targets");
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return count;
}

struct lcp__plan *lcp__plan_read(lua_State *L, int index) {
  int argc = list_length(L, index, "args"), envc = list_length(L, index, "env");
  int n = list_length(L, index, "stdio"), i;
  size_t strings = (size_t)argc + (size_t)envc + 2;
  size_t ntargets = (size_t)count_targets(L, index, n);
  struct lcp__plan *p = lua_newuserdatauv(
      L,
      sizeof *p + (size_t)n * sizeof *p->slots + ntargets * sizeof *p->targets +
          strings * sizeof(char *) + (size_t)n * sizeof(int),
      1);
  char **argv, **envp;
  memset(p, 0, sizeof *p);
  p->slots = (struct lcp__slot *)(p + 1);
  memset(p->slots, 0, (size_t)n * sizeof *p->slots);
  p->targets = (struct lcp__target *)(p->slots + n);
  memset(p->targets, 0, ntargets * sizeof *p->targets);
  argv = (char **)(p->targets + ntargets);
  envp = argv + argc + 1;
  p->fds = (int *)(envp + envc + 1);
  read_strings(L, index, "args", argv, argc);
  if (lua_getfield(L, index, "env") == LUA_TTABLE) {
    read_strings(L, index, "env", envp, envc);
    p->spawn.envp = envp;
  }
  lua_getfield(L, index, "stdio");
  for (i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    read_slot(L, p, &p->slots[i], lua_gettop(L));
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  p->spawn.file = read_string(L, index, "file");
  luaL_argcheck(L, p->spawn.file != NULL, index, "no file");
  p->spawn.argv = argv;
  p->spawn.cwd = read_string(L, index, "cwd");
  p->spawn.cgroup = read_string(L, index, "cgroup");
  p->spawn.fds = p->fds;
  p->spawn.nfds = n;
  p->spawn.handover = lcp__loop_handover(L);
  if (read_flag(L, index, "alters")) {
    lcp__identity_read(L, index, &p->spawn);
    lua_setiuservalue(L, -2, 1);
  }
  if (read_flag(L, index, "killDescendants"))
    p->spawn.flags |= LCP__SPAWN_LEADS;
  if (read_flag(L, index, "detached"))
    p->spawn.flags |= LCP__SPAWN_SETSID;
  read_pty(L, index, p);
  return p;
}

/* ---- descriptors ---- */

static int open_pipe(struct lcp__slot *slot) {
  int fds[2], child = slot->kind == LCP__SLOT_IN ? 0 : 1;
  int rc = slot->kind == LCP__SLOT_DUPLEX ? lcp__fd_socketpair(fds) : lcp__fd_pipe(fds);
  if (rc == 0) {
    slot->opened = fds[child];
    slot->mine = fds[1 - child];
    slot->mine_kind = slot->kind == LCP__SLOT_DUPLEX ? LCP__FD_SOCKET : LCP__FD_OWN;
  }
  return rc;
}

/* The stream's descriptor is non-blocking, but the child must get a blocking one: for a
 * pipe, a new description; a socket can only be changed for both.  See
 * lcp__plan_give_back. */
static int open_blocking(struct lcp__slot *slot) {
  int mode = fcntl(slot->fd, F_GETFL);
  if (mode < 0)
    return -errno;
  if (!(mode & O_NONBLOCK))
    return 0;
  slot->opened = lcp__fd_reopen(slot->fd, (mode & O_ACCMODE) | O_NONBLOCK);
  slot->changed = slot->opened < 0;
  if (slot->changed)
    lcp__stream_share(slot->lent);
  return lcp__fd_nonblock(slot->opened >= 0 ? slot->opened : slot->fd, 0);
}

static int open_path(struct lcp__plan *p, const struct lcp__file *file, int *opened) {
  int fd = lcp__fd_create(file->path, file->flags, file->mode);
  if (fd < 0)
    p->failed = file->path;
  *opened = fd < 0 ? -1 : fd;
  return fd < 0 ? fd : 0;
}

/* Programs expect their files to block, so the O_NONBLOCK used for opening is cleared. */
static int open_file(struct lcp__plan *p, struct lcp__slot *slot) {
  int rc = open_path(p, &slot->file, &slot->opened);
  return rc < 0 ? rc : lcp__fd_nonblock(slot->opened, 0);
}

/* If the host has closed a standard descriptor, /dev/null stands for it: -1. */
static int open_given(int *fd) {
  if (fcntl(*fd, F_GETFD) >= 0)
    return 0;
  if (*fd < 0 || *fd > 2)
    return -EBADF;
  *fd = -1;
  return 0;
}

static int copy_given(struct lcp__target *t) {
  int fd = t->fd, rc = fd < 0 ? 0 : open_given(&fd);
  if (rc == 0 && fd >= 0)
    rc = t->opened = lcp__fd_copy(fd);
  return rc;
}

static int open_target(struct lcp__plan *p, struct lcp__target *t) {
  int rc = t->file.path != NULL ? open_path(p, &t->file, &t->opened) : copy_given(t);
  if (t->opened >= 0)
    t->kind = lcp__fd_kind_of(t->opened);
  return rc;
}

static int open_targets(struct lcp__plan *p) {
  int rc = 0;
  for (int i = 0; i < p->ntargets && rc >= 0; i++)
    rc = open_target(p, &p->targets[i]);
  return rc;
}

/* The text is short enough for an empty pipe to take at once.  A child that runs as
 * another user can open the pipe by name (/dev/fd/N), since its mode allows everyone to
 * read. */
static int open_text(struct lcp__slot *slot) {
  struct iovec iov = {(char *)slot->text, strlen(slot->text)};
  int fds[2], rc = lcp__fd_pipe(fds);
  if (rc < 0)
    return rc;
  slot->opened = fds[0];
  fchmod(fds[0], S_IRUSR | S_IRGRP | S_IROTH);
  rc = (int)lcp__fd_writev(fds[1], LCP__FD_OWN, &iov, 1);
  lcp__fd_close(&fds[1]);
  return rc;
}

/* A child that runs as another user may open its terminal by name, as gpg and screen do,
 * if it owns the terminal (sshd and login take care of that as well). */
static int open_terminal(const struct lcp__plan *p, struct lcp__slot *slot) {
  int fds[2], rc = lcp__pty_open(fds, &p->pty);
  slot->mine = fds[0];
  slot->mine_kind = LCP__FD_TERMINAL;
  slot->opened = fds[1];
  if (rc == 0 && (p->spawn.flags & LCP__SPAWN_SETUID))
    rc = fchown(fds[1], p->spawn.uid, (gid_t)-1) == 0 || errno == EPERM ? 0 : -errno;
  return rc;
}

static int open_slot(struct lcp__plan *p, struct lcp__slot *slot) {
  switch (slot->kind) {
  case LCP__SLOT_IGNORE:
  case LCP__SLOT_SAME:
    return 0;
  case LCP__SLOT_TEXT:
    return open_text(slot);
  case LCP__SLOT_FD:
    return open_given(&slot->fd);
  case LCP__SLOT_STREAM:
    return slot->fd < 0 ? -EBADF : open_blocking(slot);
  case LCP__SLOT_FILE:
    return open_file(p, slot);
  case LCP__SLOT_PTY:
    return open_terminal(p, slot);
  default:
    return open_pipe(slot);
  }
}

int lcp__plan_open(struct lcp__plan *p) {
  int rc = 0;
  p->failed = NULL;
  for (int i = 0; i < p->spawn.nfds && rc >= 0; i++) {
    const struct lcp__slot *slot = &p->slots[i];
    rc = open_slot(p, &p->slots[i]);
    if (slot->kind == LCP__SLOT_SAME && i > 0)
      p->fds[i] = p->fds[i - 1];
    else
      p->fds[i] = slot->opened >= 0 ? slot->opened : slot->fd;
  }
  return rc < 0 ? rc : open_targets(p);
}

void lcp__plan_give_back(struct lcp__plan *p) {
  for (int i = 0; i < p->spawn.nfds; i++)
    if (p->slots[i].changed)
      lcp__fd_nonblock(p->slots[i].fd, 1);
}

void lcp__plan_close(struct lcp__plan *p) {
  for (int i = 0; i < p->spawn.nfds; i++) {
    lcp__fd_close(&p->slots[i].opened);
    lcp__fd_close(&p->slots[i].mine);
  }
  for (int i = 0; i < p->ntargets; i++)
    lcp__fd_close(&p->targets[i].opened);
}
