--- What the module imports and how that can fail, for the sweeps of faults.lua;
-- spec/hosts/system_calls_spec.lua compares it with the built module.
local M = {}

-- What a sandbox may answer to any system call.
local SANDBOX = ' EPERM EACCES ENOSYS'

--- Name -> the errnos of its man page, or of libuv's documentation.  Left out are those
-- that cannot come with the arguments that we give, and those by which the other side is
-- seen to have gone, which is no news in most cases: EPIPE, ECONNRESET, ENOTCONN.
-- `fcntl:COMMAND` and `syscall:NAME` stand for one kind of call each.
M.fails = {
  aligned_alloc = 'ENOMEM',
  calloc = 'ENOMEM',
  malloc = 'ENOMEM',
  realloc = 'ENOMEM',
  strdup = 'ENOMEM',
  fdopen = 'ENOMEM',
  setenv = 'ENOMEM',
  pthread_create = 'EAGAIN EPERM',

  accept4 = 'EAGAIN ECONNABORTED EINTR EMFILE ENFILE ENOBUFS ENOMEM' .. SANDBOX,
  bind = 'EADDRINUSE EADDRNOTAVAIL ENOMEM' .. SANDBOX,
  chdir = 'EIO ENOENT ENOMEM' .. SANDBOX,
  clone = 'EAGAIN ENOMEM EINVAL' .. SANDBOX,
  close = 'EINTR EIO',
  connect = 'EADDRNOTAVAIL EAGAIN ECONNREFUSED ENETUNREACH' .. SANDBOX,
  dup2 = 'EBUSY EINTR EMFILE' .. SANDBOX,
  epoll_create1 = 'EMFILE ENFILE ENOMEM' .. SANDBOX,
  epoll_ctl = 'ENOMEM ENOSPC EPERM' .. SANDBOX,
  execvp = 'E2BIG EAGAIN EIO ENOENT ENOMEM ETXTBSY' .. SANDBOX,
  fchmod = 'EIO EROFS' .. SANDBOX,
  fchown = 'EIO EROFS' .. SANDBOX,
  fclose = 'EIO ENOSPC',
  fflush = 'EIO ENOSPC',
  fork = 'EAGAIN ENOMEM' .. SANDBOX,
  fstatat = 'ENOENT ENOMEM' .. SANDBOX,
  fstat = 'ENOMEM EOVERFLOW' .. SANDBOX,
  getgroups = 'EINVAL' .. SANDBOX,
  getpeername = 'ENOBUFS ENOTCONN' .. SANDBOX,
  getgrnam_r = 'EIO EMFILE ENOMEM',
  getpwnam_r = 'EIO EMFILE ENOMEM',
  getpwuid_r = 'EIO EMFILE ENOMEM',
  getrlimit = SANDBOX,
  getrusage = SANDBOX,
  getsockname = 'ENOBUFS' .. SANDBOX,
  getsockopt = 'ENOBUFS ENOMEM' .. SANDBOX,
  ioctl = 'ENOTTY EINVAL' .. SANDBOX,
  isatty = 'ENOTTY',
  kill = SANDBOX,
  listen = 'EADDRINUSE' .. SANDBOX,
  mkdirat = 'EEXIST ENOENT ENOMEM ENOSPC EROFS' .. SANDBOX,
  madvise = 'EINVAL' .. SANDBOX,
  mmap = 'ENOMEM' .. SANDBOX,
  nanosleep = 'EINTR' .. SANDBOX,
  open = 'EINTR EMFILE ENFILE ENODEV ENOENT ENOMEM ENXIO' .. SANDBOX,
  pipe2 = 'EMFILE ENFILE' .. SANDBOX,
  openat = 'EINTR EMFILE ENFILE ENOENT ENOMEM' .. SANDBOX,
  opendir = 'EMFILE ENFILE ENOENT ENOMEM' .. SANDBOX,
  poll = 'EINTR ENOMEM' .. SANDBOX,
  ppoll = 'EINTR ENOMEM' .. SANDBOX,
  pread = 'EINTR EIO' .. SANDBOX,
  preadv2 = 'EAGAIN EINTR EIO EINVAL EOPNOTSUPP' .. SANDBOX,
  pwritev2 = 'EAGAIN EINTR EIO EINVAL ENOSPC EOPNOTSUPP' .. SANDBOX,
  read = 'EAGAIN EINTR EIO' .. SANDBOX,
  readlinkat = 'EIO ENOENT ENOMEM' .. SANDBOX,
  realpath = 'EIO ENOENT ENOMEM' .. SANDBOX,
  recv = 'EAGAIN EINTR ENOMEM' .. SANDBOX,
  recvfrom = 'EAGAIN ECONNREFUSED EINTR ENOMEM' .. SANDBOX,
  recvmsg = 'EAGAIN EINTR ENOMEM ENOBUFS' .. SANDBOX,
  sendmsg = 'EAGAIN EINTR EMSGSIZE ENOBUFS ENOMEM ETOOMANYREFS' .. SANDBOX,
  sendto = 'EAGAIN EINTR EMSGSIZE ENOBUFS ENOMEM' .. SANDBOX,
  setgid = 'EINVAL' .. SANDBOX,
  setpgid = 'EACCES EPERM ESRCH ENOSYS',
  setsid = 'EPERM' .. SANDBOX,
  setsockopt = 'ENOBUFS ENOMEM' .. SANDBOX,
  setuid = 'EAGAIN EINVAL' .. SANDBOX,
  shutdown = 'ENOBUFS' .. SANDBOX,
  sigtimedwait = 'EAGAIN EINTR' .. SANDBOX,
  socket = 'EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM' .. SANDBOX,
  socketpair = 'EAFNOSUPPORT EMFILE ENFILE EOPNOTSUPP' .. SANDBOX,
  splice = 'EAGAIN EINTR EINVAL ENOMEM' .. SANDBOX,
  stat = 'ENOENT' .. SANDBOX,
  tcgetattr = 'EIO ENOTTY' .. SANDBOX,
  tcsetattr = 'EIO ENOTTY' .. SANDBOX,
  unlink = 'EBUSY EIO ENOENT' .. SANDBOX,
  waitid = 'ECHILD EINTR EINVAL' .. SANDBOX,
  unlinkat = 'EBUSY EIO' .. SANDBOX,
  wait4 = 'ECHILD EINTR' .. SANDBOX,
  waitpid = 'ECHILD EINTR' .. SANDBOX,
  write = 'EINTR EIO' .. SANDBOX,
  writev = 'EAGAIN EINTR EIO ENOSPC' .. SANDBOX,

  ['fcntl:F_DUPFD_CLOEXEC'] = 'EMFILE' .. SANDBOX,
  ['fcntl:F_GETFD'] = SANDBOX,
  ['fcntl:F_GETFL'] = SANDBOX,
  ['fcntl:F_SETFD'] = SANDBOX,
  ['fcntl:F_SETFL'] = SANDBOX,
  ['fcntl:F_SETPIPE_SZ'] = 'EBUSY ENOMEM' .. SANDBOX,

  ['syscall:capget'] = SANDBOX,
  ['syscall:close_range'] = 'EINVAL EMFILE ENOMEM' .. SANDBOX,
  ['syscall:execve'] = 'E2BIG EAGAIN EIO ELOOP ENFILE ENOENT ENOMEM ETXTBSY' .. SANDBOX,
  ['syscall:getdents64'] = 'EINVAL ENOENT' .. SANDBOX,
  ['syscall:preadv2'] = 'EAGAIN EINTR EIO EINVAL EOPNOTSUPP' .. SANDBOX, -- musl
  ['syscall:pwritev2'] = 'EAGAIN EINTR EIO EINVAL ENOSPC EOPNOTSUPP' .. SANDBOX,
  ['syscall:openat'] = 'EINTR EMFILE ENFILE ENOENT ENOMEM' .. SANDBOX,
  ['syscall:pidfd_open'] = 'EINVAL EMFILE ENFILE ENODEV ENOMEM ESRCH' .. SANDBOX,
  ['syscall:pidfd_send_signal'] = 'EINVAL' .. SANDBOX,
  ['syscall:prctl'] = 'EINVAL' .. SANDBOX,
  ['syscall:prlimit64'] = SANDBOX,
  ['syscall:recvmsg'] = 'EAGAIN ENOMEM' .. SANDBOX,
  ['syscall:rt_sigaction'] = SANDBOX,
  ['syscall:rt_sigprocmask'] = SANDBOX,
  ['syscall:setpriority'] = SANDBOX,
  ['syscall:setgid'] = 'EAGAIN EINVAL' .. SANDBOX,
  ['syscall:setgroups'] = 'EINVAL ENOMEM' .. SANDBOX,
  ['syscall:setuid'] = 'EAGAIN EINVAL' .. SANDBOX,
  ['syscall:waitid'] = 'ECHILD EINTR EINVAL' .. SANDBOX,

  uv_async_init = 'EMFILE ENFILE ENOMEM',
  uv_cwd = 'ENOENT ENOMEM',
  uv_exepath = 'ENOENT ENOMEM' .. SANDBOX,
  uv_getaddrinfo = 'EAI_AGAIN ENOMEM',
  uv_loop_init = 'EMFILE ENFILE ENOMEM',
  uv_mutex_init = 'EAGAIN ENOMEM',
  uv_pipe = 'EMFILE ENFILE' .. SANDBOX,
  uv_poll_init = 'EINVAL EMFILE ENFILE ENOMEM EPERM',
  uv_poll_start = 'ENOMEM',
  uv_resident_set_memory = 'EMFILE ENOENT' .. SANDBOX,
  uv_signal_start = 'EINVAL ENOMEM EMFILE',
  uv_thread_create_ex = 'EAGAIN EPERM',
}

--- Reason -> the names that need no sweep.  A pattern ends with a `*`.
M.safe = {
  ['Lua: spec/hosts/memory_spec.lua has memory end'] = 'lua*',
  ['only looks at or changes memory'] = [[
    __cmsg_nxthdr __ctype_b_loc __environ __errno_location __isoc99_sscanf atoi
    cfmakeraw dirfd environ fileno free frexp getenv htonl htons inet_ntop inet_pton
    memchr memcmp memcpy memmove memset ntohs sigaddset sigemptyset sigfillset
    sigismember snprintf sscanf strchr strcmp strcspn strlen strncmp strnlen strrchr
    strspn strstr strtod strtol unsetenv]],
  ['cannot fail, or only with a wrong argument'] = [[
    _exit clock_gettime closedir getegid geteuid getgid getpid getppid getuid
    munmap pthread_attr_* pthread_mutex_* pthread_once pthread_setcancelstate
    pthread_sigmask raise readdir sigaction sigpending umask
    uv_async_send uv_backend_fd uv_backend_timeout uv_cancel uv_check_* uv_close
    uv_err_name_r uv_freeaddrinfo uv_hrtime uv_idle_* uv_is_active uv_is_closing
    uv_loop_alive uv_loop_close uv_loop_fork uv_mutex_destroy uv_mutex_lock
    uv_mutex_unlock uv_now uv_poll_stop uv_prepare_* uv_queue_work uv_ref uv_run
    uv_signal_init uv_stop uv_strerror uv_strerror_r uv_thread_join uv_timer_* uv_unref
    uv_update_time]],
  ["libuv's own calls fail in spec/start/faults_spec.lua"] = 'uv_spawn',
  ['is called once, when the module is loaded'] = '__register_atfork pthread_atfork',
  ['only chooses between two answers'] = 'access',
  ['costs a better figure (processors.c), and no more'] = [[
    __sched_cpualloc __sched_cpucount __sched_cpufree fgets fopen getline __getdelim
    sched_getaffinity sysconf]],
  ['says that there is no such name'] = 'getgrouplist if_indextoname if_nametoindex',
  ['is made where nothing can be done about it'] = [[
    syscall:getpid syscall:getppid syscall:kill syscall:wait4]],
  ['is only called when this library is wrong'] = '__assert_fail __stack_chk_fail',
  ["the linker's and the compiler's own"] = [[
    _ITM_* __cxa_finalize __gmon_start__ __asan_* __ubsan_* __sanitizer_* __gcov_*
    __llvm_* __tls_get_addr]],
}

return M
