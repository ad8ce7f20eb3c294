/* plan.h - turns a plan from Lua into the struct that spawn.h starts, and opens the
 * descriptors it needs.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PLAN_H
#define LCP_PLAN_H

#include <lua.h>

#include "os/fd.h"
#include "os/pty.h"
#include "os/spawn.h"
#include "sink.h"
#include "stream.h"

enum lcp__slot_kind {
  LCP__SLOT_IGNORE,
  LCP__SLOT_TEXT,   /* the child reads a given text */
  LCP__SLOT_FD,     /* a descriptor that is not ours, passed as it is */
  LCP__SLOT_STREAM, /* the descriptor of one of our streams */
  LCP__SLOT_FILE,   /* a file opened for the child */
  LCP__SLOT_SAME,   /* the same as the slot before */
  LCP__SLOT_LINK,   /* the child writes a pipe that the next child reads */
  LCP__SLOT_IN,     /* the child reads a pipe; from here on we keep the other end */
  LCP__SLOT_OUT,    /* the child writes a pipe */
  LCP__SLOT_DUPLEX, /* both, over a socket pair */
  LCP__SLOT_PTY     /* both, over a pseudo-terminal */
};

/* A file to open, and how: see open(2). */
struct lcp__file {
  const char *path; /* kept by the table */
  int flags;
  mode_t mode;
};

/* Where a copy of what comes through a pipe goes. */
struct lcp__target {
  struct lcp__file file; /* one that is opened, if it has a path */
  int fd;                /* of somebody else; -1: nowhere */
  int opened;            /* ours, until somebody takes it: a copy of `fd`, which its owner
                            may close meanwhile, or the file; -1: nowhere, as /dev/null */
  enum lcp__fd_kind kind;
  struct lcp__sink *sink; /* where child.c takes it to */
};

struct lcp__slot {
  enum lcp__slot_kind kind;
  int fd;                /* LCP__SLOT_FD, LCP__SLOT_STREAM */
  const char *text;      /* LCP__SLOT_TEXT: kept by the table */
  struct lcp__file file; /* LCP__SLOT_FILE */
  int opened;            /* the child's end, closed once it has been started */
  int mine;              /* our end, until it is taken over */
  enum lcp__fd_kind mine_kind;
  int changed;                /* `fd` was non-blocking and has been made blocking */
  struct lcp__stream *lent;   /* LCP__SLOT_STREAM */
  struct lcp__stream *stream; /* gets our end, from child.c */
  int *link;                  /* LCP__SLOT_LINK: gets our end instead */
  /* LCP__SLOT_OUT */
  struct lcp__target *targets;
  int ntargets;
  int passed_on; /* only the targets get it */
  int unlimited; /* maxBuffer does not apply */
};

/* One userdata: the struct, then slots, targets, argv, envp, fds; its user value: the
 * userdata of identity.h. */
struct lcp__plan {
  struct lcp__spawn spawn;
  struct lcp__slot *slots; /* spawn.nfds of them */
  int *fds;
  struct lcp__pty_mode pty; /* LCP__SLOT_PTY */
  struct lcp__target *targets;
  int ntargets;       /* of all slots */
  const char *failed; /* the file that could not be opened, or NULL */
};

/* Reads the table at `index` and pushes the plan's userdata, which is valid while both
 * are on the stack; raises on a table that is not a plan.  The table: { file, args, env,
 * cwd, cgroup, stdio, detached, killDescendants, pty }, and with `alters` the fields that
 * identity.h reads, all checked by the caller; stdio: array of 'ignore', 'in', 'out',
 * 'duplex', 'pty', 'same' (as the slot before), 'link', a descriptor, a stream, { path,
 * reads, append, mode }: a file, { targets, piped, unlimited }: a pipe that the child
 * writes, and an array of descriptors, streams, files and 'ignore' that get its output,
 * or { text
 * }: the child reads this text, at most PIPE_BUF bytes, from a pipe; pty: { cols, rows,
 * echo, raw }, for the first slot, which then controls the child's session. */
struct lcp__plan *lcp__plan_read(lua_State *L, int index);

/* Opens the descriptors; cannot raise. >= 0 or a negative errno; in either case call
 * lcp__plan_close after the start, whether it succeeded or not. */
int lcp__plan_open(struct lcp__plan *p);
void lcp__plan_close(struct lcp__plan *p);

/* Programs expect their standard descriptors to block, so O_NONBLOCK is cleared on a
 * stream lent to a child, for us too if the child cannot get a separate description (a
 * socket; a pipe without /proc).  We do not rely on the flag then, see fd.h, but a third
 * process sharing the description may.  This sets it again when the child has ended
 * (spawn_sync) or could not be started.  For an asynchronous child it stays cleared even
 * after its end: its own children may still have the descriptor. */
void lcp__plan_give_back(struct lcp__plan *p);

#endif
