/* pump.h - feeds a running process, keeps what it writes and waits for its end, all in
 * one call that blocks.  No Lua, no libuv, nobody's event loop.
 *
 *   struct lcp__pipe pipes[2] = {{.fd = in, .writing = 1, .in = text, .left = size},
 *                               {.fd = out, .reading = 1}};
 *   struct lcp__pump p = {.proc = &proc, .pipes = pipes, .polled = polled, .npipes = 2,
 *                        .timeout = -1, .kill_after = 1000, .kill_signal = SIGTERM,
 *                        .max_buffer = SIZE_MAX};
 *   lcp__pump_run(&p);             // pipes[1].out has the output, p.how the end
 *
 * It ends when the process has ended and every pipe that is read is at its end: one that
 * another process still holds open keeps the call waiting, up to a limit in time.  When a
 * limit has ended a process that leads a group it waits for the group, too. */
#ifndef LCP_PUMP_H
#define LCP_PUMP_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "os/buf.h"
#include "os/fd.h"
#include "os/proc.h"
#include "os/procfs.h"

struct lcp__pipe {
  int fd; /* our end, given to the pump, which closes it; -1 then */
  enum lcp__fd_kind kind;
  int reading, writing; /* the directions that are still open */
  int grown;            /* see lcp__fd_grow */
  const char *in;       /* the caller's: what is written, then the end of the file */
  size_t left;
  struct lcp__buf out; /* what was read, the caller's to free */
};

enum { LCP__PUMP_HOLDERS = 32 };

struct lcp__pump {
  struct lcp__proc *proc;
  struct lcp__pipe *pipes;
  struct pollfd *polled; /* room for npipes + 1 */
  int npipes;

  /* The limits; the times in milliseconds.  When one is reached, nothing more is read or
   * written and the process gets `kill_signal`, `kill_after` later SIGKILL.  One that is
   * not gone then is given up: five seconds later if it sits in the kernel, `kill_after`
   * later if it is not ours to kill. */
  int64_t timeout;      /* -1: none */
  int64_t idle_timeout; /* without a byte on any pipe; -1: none */
  size_t max_buffer;    /* bytes of all pipes together */
  int kill_signal;
  int64_t kill_after;
  /* How long pipes that others hold are read when the process has ended; -1: for ever. */
  int64_t wait_delay;

  /* What became of it. */
  struct lcp__exit how;
  int ended;     /* reaped; else it was given up */
  int err;       /* 0, or the negative errno of what was first: -ETIMEDOUT, -ENOBUFS, …;
                  * -EPIPE, that it did not read it all, counts if it has failed as well */
  int idle;      /* the limit was idle_timeout */
  int sent;      /* the last signal it got from us, or 0 */
  int forced;    /* SIGKILL had to follow kill_signal */
  int truncated; /* wait_delay was over; the first of who held pipes then: */
  struct lcp__holder holders[LCP__PUMP_HOLDERS];
  int nholders;

  /* Its own; times in microseconds, -1: none. */
  int64_t deadline;       /* of the time limit, then of what follows the signal */
  int64_t idle_deadline;  /* put off by each byte */
  int64_t drain_deadline; /* begins when the process has ended */
  size_t total;
  int write_err, lost;
};

/* Writes what can be written at once; before the process has been started, too. */
void lcp__pipe_feed(struct lcp__pump *p, struct lcp__pipe *pipe);

void lcp__pump_run(struct lcp__pump *p);

#endif
