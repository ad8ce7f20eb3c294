/* pump.h - feeds a running process, collects its output and waits for its end, in a
 * single blocking call.  No Lua, no libuv, no event loop.
 *
 *   struct lcp__pipe pipes[2] = {{.fd = in, .writing = 1, .in = text, .left = size},
 *                               {.fd = out, .reading = 1}};
 *   struct lcp__pump p = {.proc = &proc, .pipes = pipes, .polled = polled, .npipes = 2,
 *                        .timeout = -1, .kill_after = 1000, .kill_signal = SIGTERM,
 *                        .max_buffer = SIZE_MAX};
 *   lcp__pump_run(&p);             // pipes[1].out has the output, p.how the end
 *
 * It returns when the process has ended, every pipe being read is at end of file and
 * every outlet has taken all: a pipe that another process still holds open keeps the call
 * waiting, up to wait_delay.  After a limit was reached, it also waits for the process
 * group, if the process leads one.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_PUMP_H
#define LCP_PUMP_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "os/buf.h"
#include "os/fd.h"
#include "os/outlet.h"
#include "os/proc.h"
#include "os/procfs.h"

struct lcp__pipe {
  int fd; /* our end; the pump owns it, closes it and sets -1 */
  enum lcp__fd_kind kind;
  int reading, writing; /* the directions still open */
  int grown;            /* see lcp__fd_grow */
  size_t total;         /* bytes read */
  const char *in;       /* the caller's: the text to write, followed by end of file */
  size_t left;
  struct lcp__buf out; /* the output read so far; the caller frees it */
  /* Each gets everything read; the slowest sets the pace. */
  struct lcp__outlet *outlets;
  int noutlets;
  int passed_on; /* only the outlets get it: nothing is kept, and without an open outlet
                    nothing is read */
  int unlimited; /* max_buffer does not apply */
};

struct lcp__pump {
  struct lcp__proc *proc;
  struct lcp__pipe *pipes;
  struct pollfd *polled; /* room for npipes + 1 and all outlets */
  int npipes;

  /* The limits; times in milliseconds.  When one is reached, reading and writing stop and
   * the process gets `kill_signal`, then SIGKILL after `kill_after`.  A process that is
   * still there then is given up: after five seconds if it is stuck in the kernel, after
   * another `kill_after` if we are not permitted to kill it. */
  int64_t timeout;      /* -1: none */
  int64_t idle_timeout; /* time without a byte on any pipe; -1: none */
  size_t max_buffer;    /* bytes read from all pipes together */
  int kill_signal;
  int64_t kill_after;
  /* How long pipes that other processes hold open are read after the process has ended;
   * -1: for ever. */
  int64_t wait_delay;

  /* The outcome. */
  struct lcp__exit how;
  int ended;  /* reaped; 0: it was given up */
  int err;    /* 0, or the negative errno of the first failure: -ETIMEDOUT, -ENOBUFS, …
                 -EPIPE (it did not read all of its input) counts only if the process failed
                 as well */
  int idle;   /* the limit reached was idle_timeout */
  int sent;   /* the last signal we sent, or 0 */
  int forced; /* SIGKILL had to follow kill_signal */
  int truncated; /* wait_delay had passed; the first processes that held pipes then: */
  struct lcp__holders holders;

  /* Private; times in microseconds, -1: none. */
  int64_t deadline;       /* of `timeout`; once a signal was sent, of the next step */
  int64_t idle_deadline;  /* moved by each byte */
  int64_t drain_deadline; /* set when the process has ended */
  size_t total;
  int write_err, lost;
};

/* Writes as much as can be written without blocking; may be called before the start,
 * too. */
void lcp__pipe_feed(struct lcp__pump *p, struct lcp__pipe *pipe);

void lcp__pump_run(struct lcp__pump *p);

#endif
