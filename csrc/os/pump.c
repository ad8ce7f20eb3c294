/* pump.c - see pump.h.
 * Owns: the descriptors of the pipes it is given.
 * SPDX-License-Identifier: MIT */
#include "os/pump.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "os/fd.h"

enum {
  READ_ROOM = 64 * 1024, /* the least room for a read: a pipe's capacity */
  LAST_READS = 16,       /* enough for more than a pipe's capacity */
  LAST_WAIT = 5000,      /* ms for a process to end after SIGKILL */
  GROUP_LOOK = 20 /* ms between checks on a group: the kernel does not report its end */
};

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void close_idle(struct lcp__pipe *pipe) {
  if (!pipe->reading && !pipe->writing)
    lcp__fd_close(&pipe->fd);
}

/* ---- when a limit is reached ---- */

/* `ms` from now, or never. */
static int64_t after(int64_t ms) { return ms < 0 ? -1 : now_us() + 1000 * ms; }

static void reap(struct lcp__pump *p) {
  if (p->ended)
    return;
  p->ended = lcp__proc_reap(p->proc, &p->how);
  if (p->ended)
    p->drain_deadline = after(p->wait_delay);
}

static void close_pipes(struct lcp__pump *p) {
  for (int i = 0; i < p->npipes; i++) {
    p->pipes[i].reading = p->pipes[i].writing = 0;
    lcp__fd_close(&p->pipes[i].fd);
    lcp__outlets_close(p->pipes[i].outlets, p->pipes[i].noutlets);
  }
}

/* A process that we may not signal is waited for as well: it may end on its own.  After
 * SIGKILL it will end, but the kernel may take a while. */
static void kill_with(struct lcp__pump *p, int sig) {
  int rc = lcp__proc_kill(p->proc, sig);
  p->sent = sig;
  p->deadline = after(sig == SIGKILL && rc == 0 ? LAST_WAIT : p->kill_after);
}

/* The signal is sent before the pipes are closed, so that SIGPIPE cannot come first.  A
 * group gets it even when its leader has ended. */
static void stop(struct lcp__pump *p, int err) {
  if (p->err == 0)
    p->err = err;
  reap(p);
  if ((!p->ended || p->proc->leads) && p->sent == 0)
    kill_with(p, p->kill_signal);
  close_pipes(p);
}

static void expire(struct lcp__pump *p) {
  if (p->sent == 0)
    stop(p, -ETIMEDOUT);
  else if (p->sent != SIGKILL) {
    kill_with(p, SIGKILL);
    p->forced = 1;
  } else
    p->lost = 1;
}

static int is_socket(const struct lcp__pipe *pipe) {
  return pipe->kind == LCP__FD_SOCKET;
}

static void grow(struct lcp__pipe *pipe) {
  if (!pipe->grown && !is_socket(pipe))
    lcp__fd_grow(pipe->fd);
  pipe->grown = 1;
}

/* ---- writing ---- */

static void note_write_error(struct lcp__pump *p, int err) {
  if (p->write_err == 0)
    p->write_err = err;
}

/* Gives the reader end of file.  If the socket cannot be shut down it is closed
 * altogether, so that the reader does not wait for ever. */
static void end_writing(struct lcp__pump *p, struct lcp__pipe *pipe) {
  pipe->writing = 0;
  if (is_socket(pipe) && shutdown(pipe->fd, SHUT_WR) != 0 && errno != ENOTCONN) {
    note_write_error(p, -errno);
    pipe->reading = 0;
  }
  close_idle(pipe);
}

void lcp__pipe_feed(struct lcp__pump *p, struct lcp__pipe *pipe) {
  while (pipe->left > 0) {
    const struct iovec piece = {(char *)pipe->in, pipe->left};
    ssize_t n = lcp__fd_writev(pipe->fd, pipe->kind, &piece, 1);
    if (n == -EAGAIN && !pipe->grown && pipe->left > LCP__FD_BULK) {
      grow(pipe);
      continue;
    }
    if (n == -EAGAIN)
      return;
    if (n < 0) {
      note_write_error(p, (int)n);
      break;
    }
    pipe->in += n;
    pipe->left -= (size_t)n;
  }
  end_writing(p, pipe);
}

/* ---- reading ---- */

static int is_behind(const struct lcp__pipe *pipe) {
  return lcp__outlets_behind(pipe->outlets, pipe->noutlets, pipe->out.end);
}

/* To the outlets, as far as they take it now. */
static void pass_on(struct lcp__pipe *pipe) {
  lcp__outlets_write(pipe->outlets, pipe->noutlets, pipe->out.data, pipe->out.end);
  if (pipe->passed_on && !is_behind(pipe)) {
    lcp__outlets_begin(pipe->outlets, pipe->noutlets);
    pipe->out.end = 0;
  }
  if (pipe->passed_on && !lcp__outlets_open(pipe->outlets, pipe->noutlets)) {
    pipe->reading = 0;
    close_idle(pipe);
  }
}

static void count(struct lcp__pump *p, struct lcp__pipe *pipe, size_t n) {
  p->idle_deadline = after(p->idle_timeout);
  pipe->total += n;
  if (pipe->total > LCP__FD_BULK)
    grow(pipe);
  p->total += pipe->unlimited ? 0 : n;
  if (p->total > p->max_buffer)
    stop(p, -ENOBUFS);
}

/* One read for each wake-up: poll reports what is left.  A pipe without writers (POLLHUP)
 * is at its end when a read did not fill the room; a socket is at its end after a read of
 * 0 bytes, or after ECONNRESET if it was closed with some of its input unread. */
static void drain(struct lcp__pump *p, struct lcp__pipe *pipe, short revents) {
  int last = !is_socket(pipe) && !(revents & POLLIN);
  int rc = last ? 0 : lcp__buf_room(&pipe->out, READ_ROOM);
  size_t room = pipe->out.cap - pipe->out.end;
  ssize_t n = last || rc < 0 ? 0
                             : lcp__fd_read(pipe->fd, pipe->kind,
                                            pipe->out.data + pipe->out.end, room);
  if (rc < 0) {
    stop(p, rc);
    return;
  }
  if (n == -EAGAIN)
    return;
  if (n < 0 && n != -ECONNRESET && p->err == 0)
    p->err = (int)n;
  if (n <= 0 || (!is_socket(pipe) && (size_t)n < room && (revents & POLLHUP)))
    pipe->reading = 0;
  if (n > 0) {
    pipe->out.end += (size_t)n;
    pass_on(pipe);
    count(p, pipe, (size_t)n);
  }
  close_idle(pipe);
}

/* Reads the output written so far, but not what another process goes on writing.  A read
 * of a pipe may block, hence the poll. */
static void read_rest(struct lcp__pump *p, struct lcp__pipe *pipe) {
  lcp__outlets_give_up(pipe->outlets, pipe->noutlets, pipe->out.end);
  for (int i = 0; i < LAST_READS && pipe->reading; i++) {
    struct pollfd now = {pipe->fd, POLLIN, 0};
    if (poll(&now, 1, 0) <= 0)
      return;
    drain(p, pipe, now.revents);
  }
}

static void give_up_pipes(struct lcp__pump *p) {
  p->truncated = 1;
  for (int i = 0; i < p->npipes; i++) {
    read_rest(p, &p->pipes[i]);
    if (p->pipes[i].reading && p->holders.n < LCP__HOLDERS)
      lcp__procfs_writers(p->pipes[i].fd, &p->holders);
  }
  close_pipes(p);
}

/* ---- waiting ---- */

static int is_reading(const struct lcp__pump *p) {
  for (int i = 0; i < p->npipes; i++)
    if (p->pipes[i].reading)
      return 1;
  return 0;
}

/* After a signal of ours the group must end as well, not only its leader. */
static int is_waiting_for_group(const struct lcp__pump *p) {
  return p->ended && p->sent != 0 && p->proc->leads;
}

/* An outlet has not taken all. */
static int is_late(const struct lcp__pump *p) {
  for (int i = 0; i < p->npipes; i++)
    if (is_behind(&p->pipes[i]))
      return 1;
  return 0;
}

/* Others keep it from being over when the process has ended. */
static int is_held(const struct lcp__pump *p) { return is_reading(p) || is_late(p); }

/* Its silence would be heard. */
static int is_listening(const struct lcp__pump *p) {
  return is_reading(p) && !is_late(p);
}

static int is_over(const struct lcp__pump *p) {
  if (p->lost || !p->ended || is_held(p))
    return p->lost;
  return !is_waiting_for_group(p) || !lcp__proc_lives(p->proc);
}

/* While the pipes are open it makes no difference whether the process runs, so its end is
 * watched only afterwards, unless wait_delay counts from it. */
static int wants_end(const struct lcp__pump *p) {
  return !p->ended && (!is_reading(p) || p->wait_delay >= 0);
}

/* A pipe whose outlets are behind is not read: not even its end is looked for, which poll
 * would tell again and again. */
static nfds_t fill(struct lcp__pump *p) {
  nfds_t n = (nfds_t)p->npipes + 1;
  for (int i = 0; i < p->npipes; i++) {
    const struct lcp__pipe *pipe = &p->pipes[i];
    p->polled[i].fd = is_behind(pipe) ? -1 : pipe->fd;
    p->polled[i].events =
        (short)((pipe->reading ? POLLIN : 0) | (pipe->writing ? POLLOUT : 0));
    lcp__outlets_poll(pipe->outlets, pipe->noutlets, pipe->out.end, p->polled + n);
    n += (nfds_t)pipe->noutlets;
  }
  p->polled[p->npipes].fd = wants_end(p) ? lcp__proc_fd(p->proc) : -1;
  p->polled[p->npipes].events = POLLIN;
  return n;
}

/* The earliest deadline that applies now; -1: none. */
static int64_t next_deadline(const struct lcp__pump *p) {
  int64_t next = p->deadline;
  if (is_listening(p) && p->idle_deadline >= 0 && (next < 0 || p->idle_deadline < next))
    next = p->idle_deadline;
  if (is_held(p) && p->drain_deadline >= 0 && (next < 0 || p->drain_deadline < next))
    next = p->drain_deadline;
  return next;
}

/* Milliseconds; -1: for ever. */
static int time_left(const struct lcp__pump *p) {
  int64_t next = next_deadline(p);
  if (next < 0)
    return -1;
  int64_t left = (next - now_us() + 999) / 1000;
  if (is_waiting_for_group(p) && left > GROUP_LOOK)
    left = GROUP_LOOK;
  return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static int is_due(int64_t deadline) { return deadline >= 0 && now_us() >= deadline; }

static void meet_deadlines(struct lcp__pump *p) {
  if (is_held(p) && is_due(p->drain_deadline))
    give_up_pipes(p);
  else if (is_listening(p) && is_due(p->idle_deadline)) {
    p->idle = 1;
    stop(p, -ETIMEDOUT);
  } else if (is_due(p->deadline))
    expire(p);
}

/* Time in which nothing was read is no silence. */
static void serve_outlets(struct lcp__pump *p) {
  int was_late = is_late(p);
  for (int i = 0; i < p->npipes; i++)
    if (is_behind(&p->pipes[i]))
      pass_on(&p->pipes[i]);
  if (was_late && !is_late(p))
    p->idle_deadline = after(p->idle_timeout);
}

static void serve(struct lcp__pump *p) {
  int i;
  for (i = 0; i < p->npipes; i++) {
    struct lcp__pipe *pipe = &p->pipes[i];
    short revents = p->polled[i].revents;
    if (pipe->writing && (revents & ~POLLIN))
      lcp__pipe_feed(p, pipe);
    if (pipe->reading && (revents & ~POLLOUT))
      drain(p, pipe, revents);
  }
  if (p->polled[i].revents)
    reap(p);
  serve_outlets(p);
}

/* A process that never stops writing keeps poll from sleeping, so the deadlines are
 * checked in any case, after the output at hand has been read. */
static void turn(struct lcp__pump *p) {
  nfds_t n = fill(p);
  int ms = time_left(p), rc = poll(p->polled, n, ms);
  if (rc > 0)
    serve(p);
  else if (rc < 0 && errno != EINTR)
    stop(p, -errno);
  if (ms == 0 && !is_over(p))
    meet_deadlines(p);
}

void lcp__pump_run(struct lcp__pump *p) {
  p->deadline = after(p->timeout);
  p->idle_deadline = after(p->idle_timeout);
  p->drain_deadline = -1;
  while (!is_over(p))
    turn(p);
  close_pipes(p);
  if (p->err == 0 && (p->write_err != -EPIPE || !p->how.exited || p->how.code != 0))
    p->err = p->write_err;
}
