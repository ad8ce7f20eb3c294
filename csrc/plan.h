/* plan.h - a plan in Lua -> what spawn.h starts, and the descriptors it needs. */
#ifndef LCP_PLAN_H
#define LCP_PLAN_H

#include <lua.h>

#include "os/fd.h"
#include "os/pty.h"
#include "os/spawn.h"
#include "stream.h"

enum lcp__slot_kind {
  LCP__SLOT_IGNORE,
  LCP__SLOT_TEXT,   /* the child reads a text of ours */
  LCP__SLOT_FD,     /* a descriptor of somebody else, as it is */
  LCP__SLOT_STREAM, /* a descriptor of a stream of ours */
  LCP__SLOT_FILE,   /* a file that is opened for the child */
  LCP__SLOT_SAME,   /* what the slot before is */
  LCP__SLOT_IN,     /* the child reads a pipe; from here on we have the other end */
  LCP__SLOT_OUT,    /* the child writes a pipe */
  LCP__SLOT_DUPLEX, /* both, over a pair of sockets */
  LCP__SLOT_PTY     /* both, over a terminal */
};

/* What is opened, and how: see open(2). */
struct lcp__file {
  const char *path; /* kept by the table */
  int flags;
  mode_t mode;
};

struct lcp__slot {
  enum lcp__slot_kind kind;
  int fd;                /* LCP__SLOT_FD, LCP__SLOT_STREAM */
  const char *text;      /* LCP__SLOT_TEXT: kept by the table */
  struct lcp__file file; /* LCP__SLOT_FILE */
  int opened;            /* the child's end, closed once it has been started */
  int mine;              /* our end, until somebody takes it */
  enum lcp__fd_kind mine_kind;
  int changed;                /* `fd` was non-blocking and is no more */
  struct lcp__stream *lent;   /* LCP__SLOT_STREAM */
  struct lcp__stream *stream; /* where child.c takes our end to */
};

/* One userdata: the struct, then slots, argv, envp, fds; its user value: what identity.h
 * keeps. */
struct lcp__plan {
  struct lcp__spawn spawn;
  struct lcp__slot *slots; /* spawn.nfds of them */
  int *fds;
  struct lcp__pty_mode pty; /* LCP__SLOT_PTY */
  const char *failed;       /* the file that could not be opened, or NULL */
};

/* Reads the table at `index` and pushes the plan's userdata, which is good for as long as
 * both are on the stack; raises on what cannot be a plan.  The table:
 * { file, args, env, cwd, cgroup, stdio, detached, killDescendants, pty }, and what
 * identity.h reads, all checked by the caller; stdio: array of 'ignore', 'in', 'out',
 * 'duplex', 'pty', 'same' (as the one before), a descriptor, a stream, { path, reads,
 * append, mode }: a file, or { text }: a pipe from which the child reads the text, at
 * most PIPE_BUF bytes; pty: { cols, rows, echo, raw }, for the first slot, which then
 * controls the child's session. */
struct lcp__plan *lcp__plan_read(lua_State *L, int index);

/* Takes the descriptors; cannot raise.  >= 0 or a negative errno; in either case
 * lcp__plan_close is to be called when the child has been started, or has not. */
int lcp__plan_open(struct lcp__plan *p);
void lcp__plan_close(struct lcp__plan *p);

/* A program expects its standard descriptors to block, so of a stream that is lent to a
 * child O_NONBLOCK is cleared, for us too where it has no description of its own (a
 * socket; a pipe without /proc).  Nothing of ours needs the flag then, see fd.h, but a
 * third process that shares the description may.  This sets it again, when the child has
 * ended (spawn_sync) or could not be started.  For an asynchronous child it stays
 * cleared, also after its end: its own children may still have the descriptor. */
void lcp__plan_give_back(struct lcp__plan *p);

#endif
