/* other_unix.h - as if this were not Linux: for scripts/portable, which compiles all of
 * csrc with it in front.  What only Linux has, or not every other Unix, must not be named
 * outside of an #ifdef.
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#undef F_SETPIPE_SZ
#undef MADV_WIPEONFORK
#undef MSG_CMSG_CLOEXEC
#undef MSG_NOSIGNAL
#undef P_PIDFD
#undef RWF_NOWAIT
#undef SIGPWR
#undef SIGSTKFLT
#undef SOCK_CLOEXEC
#undef SOCK_NONBLOCK
#undef TIOCGPTN
#undef TIOCGPTPEER

#pragma GCC poison accept4 pipe2 ppoll preadv2 pwritev2 prlimit sched_getaffinity        \
    setresgid setresuid sigtimedwait unshare
