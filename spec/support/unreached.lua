-- Lines that no spec reaches, by file and function: why.  For scripts/coverage.
local CLOSED = 'nothing in lua/ calls it on a closed handle'
local RACE = 'a race with the kernel that no spec can force'
local NOT_COUNTED =
  'only what a child runs whose environment is replaced, and our count with it'
local AT_END = 'runs at the end of a state, when lines are not counted any more'

return {
  ['lua/child_process/trace_file.lua'] = { close_at_end = AT_END },
  ['csrc/addr.c'] = { push_ip6 = 'wants a network with link-local addresses' },
  ['csrc/busypoll.c'] = {
    sleep_until_event = 'ppoll fails otherwise than by a signal',
    limit_cb = 'the timer is stopped in the turn that it ends',
  },
  ['csrc/channel_in.c'] = {
    read_some = 'the other side has reset the connection twice',
    l_read_start = CLOSED,
  },
  ['csrc/channel_out.c'] = { l_queue = CLOSED, l_flush = CLOSED },
  ['csrc/child.c'] = { report_exit = RACE, exit_cb = RACE },
  ['csrc/compiled.c'] = {
    compiles_alike = 'only if no Lua was found to compile the files',
  },
  ['csrc/embedded.c'] = {
    load_file = 'only if the list of embedded files were wrong',
    run_file = 'only if the list of embedded files were wrong',
  },
  ['csrc/log.c'] = {
    l_log_write = 'in a program that may write no file, nor what it has counted',
  },
  ['csrc/fdpass.c'] = { l_take_fd = CLOSED },
  ['csrc/os/frame.c'] = {
    lcp__frames_next = 'after an error nothing is read any more',
  },
  ['csrc/handle.c'] = {
    ready_cb = 'an error condition on a descriptor that goes on to be read',
    lcp__handle_check = 'a finalizer that brings a handle back',
  },
  ['csrc/codec/json_write.c'] = {
    put_text = 'a string of more than 1 GiB',
    put_message = 'a message of more than 1 GiB',
  },
  ['csrc/codec/out.c'] = { lcp__out_grow = 'a message of more than 1 GiB' },
  ['csrc/gate.c'] = {
    lcp__gate_call = 'no room on the stack of Lua in a callback of the loop',
    give_uncaught = 'the handler for uncaught exceptions raises itself',
    lcp__gate_lost = 'no room on the stack of Lua in a callback of the loop',
  },
  ['csrc/ipc.c'] = { l_pipe_channel = 'the stream is new, and open' },
  ['csrc/loop.c'] = { lcp_set_loop = 'a host that takes its loop back in a callback' },
  ['csrc/splice.c'] = { l_splice = 'another process reads from the same pipe' },
  ['csrc/tickets.c'] = {
    l_put = 'only in a copy of the process, in which pools take no requests',
    make = 'out of descriptors, without which the worker cannot be started either',
  },
  ['csrc/turn.c'] = {
    lcp__turn_wanted = 'a forked child without descriptors for a loop',
    enter_begin = 'no room on the stack of Lua in a callback of the loop',
    enter_end = 'LCP_GC_STRESS, a run of its own',
    lcp__enter = 'no room on the stack of Lua in a callback of the loop',
  },
  ['csrc/net.c'] = {
    l_connection = 'lua/ binds before it listens',
    shed = 'out of descriptors twice, with none in reserve',
    l_accept_start = CLOSED,
    l_server_fileno = CLOSED,
  },
  ['csrc/plan.c'] = {
    read_strings = 'lua/ gives strings',
    open_blocking = 'fcntl(F_GETFL) fails on no open descriptor',
  },
  ['csrc/os/proc.c'] = {
    forget = 'copies of the process, which are not counted',
    runs = 'sandboxes, where processes are not counted',
    remembered_exit = RACE,
    kill_by_pid = RACE,
  },
  ['csrc/resolve.c'] = { push_addresses = 'wants a name with an IPv6 address' },
  ['csrc/os/scm.c'] = {
    lcp__scm_close = 'descriptors without their message, from a peer not ours',
    keep_fds = 'control messages of a peer not ours',
    lcp__scm_adopt = 'no descriptor for the channel at the begin of a child',
  },
  ['csrc/os/sock.c'] = {
    ip6_with_zone = 'lua/ has looked at the address before',
    lcp__sock_set = 'lua/ knows the names, and the socket is open',
  },
  ['csrc/os/spawn_uv.c'] = {
    spawn_on = 'libuv from 1.52 on: scripts/with',
    spawn_script = 'libuv from 1.52 on: scripts/with',
    spawn_pid = 'libuv from 1.52 on: scripts/with',
  },
  ['csrc/os/spawn_child.c'] = {
    child_give_up_privileges = 'a sandbox without prctl',
    child_bind_to_parent = 'a sandbox without prctl; a parent that dies meanwhile',
    child_enter_cgroup = 'a group that goes between its opening and the clone',
    child_mark_listed = 'sandboxes, where processes are not counted',
    lcp__child_main = 'behind a child_fail, which never returns',
  },
  ['csrc/stream.c'] = {
    l_quiet = RACE,
    lcp__stream_take_fd = CLOSED,
    set_reading = CLOSED,
    l_write = CLOSED,
    l_shutdown = CLOSED,
    l_fileno = CLOSED,
  },
  ['csrc/timer.c'] = { l_timer = 'no memory for one more timer', l_timer_left = CLOSED },
  ['csrc/codec/transcode.c'] = {
    lcp__decode = 'bytes need no decoder, and encoding.c makes none for them',
    lcp__encode = 'what is UTF-8 already is not given to it',
  },
  ['csrc/udp.c'] = { l_open = CLOSED, l_adopt = CLOSED, l_send = CLOSED },
  ['csrc/uvloop.c'] = {
    try_threads = 'no thread can be started: in a sandbox, not counted',
    init = 'libuv fails with epoll open; it aborts then',
  },
  ['csrc/codec/v8out.c'] = {
    lcp__out_string = 'a string of more than 1 GiB',
    put_hex = 'digits of 128 MiB; none at all are no BigInt before',
  },
  ['csrc/codec/v8read.c'] = { push_array = 'an array of 2^31 elements' },
  ['csrc/codec/v8write.c'] = {
    pairs_next = 'a message of more than 1 GiB',
    put_message = 'a message of more than 1 GiB',
  },
  ['lua/child_process/abort.lua'] = {
    ['AbortSignal.abort'] = 'a finalizer, in which Lua counts no lines',
    start_clock = 'a timeout of more than 24 days',
  },
  ['lua/child_process/active.lua'] = {
    channel = 'seen only between a message and its listener',
    hints_of = 'asked by a finalizer in a start',
  },
  ['lua/child_process/await.lua'] = {
    describe = 'a function of C in a traceback',
    ['M.async'] = AT_END,
  },
  ['lua/child_process/child.lua'] = {
    on_exit = 'a disconnect listener raises, and the exit came before that end',
  },
  ['lua/child_process/stream/flowing.lua'] = { listening = RACE },
  ['lua/child_process/fork.lua'] = { boot_file = 'runs from inside an embedded library' },
  ['lua/child_process/boot.lua'] = { search = NOT_COUNTED },
  ['lua/child_process/worker.lua'] = {
    set_up = 'runs from inside an embedded library',
    shift_arguments = 'the last round finds nothing in a child of ours',
  },
  ['lua/child_process/ipc/channel.lua'] = {
    deliver_handle = 'a handle that comes behind the end of its channel',
    close = 'closed from two sides in one turn',
  },
  ['lua/child_process/ipc/handles.lua'] = {
    ['Arrived:rebuild'] = 'the first socket comes when no file can be opened any more',
  },
  ['lua/child_process/ipc/outgoing.lua'] = {
    ['M.send_payload'] = 'a worker that answers a request whose handle it has not taken',
  },
  ['lua/child_process/ipc/sockets.lua'] = {
    ['Counted:__gc'] = 'Lua counts no lines in finalizers',
  },
  ['lua/child_process/lazy.lua'] = {
    ['M.absolute'] = 'the files have another name where their path is relative',
    chunk_of = 'the files are elsewhere where one is missing',
    earlier_templates = 'lua/ comes first where lines are counted',
    is_file = 'package.path leads to the files where lines are counted',
    place_of = 'lua/ comes first where lines are counted',
    ['M.module'] = 'a Lua other than that of the build has other files',
    ['M.require'] = 'a host or a bundle, whose files are not those of lua/',
  },
  ['lua/child_process/pool.lua'] = {
    ['Pool:__gc'] = 'Lua counts no lines in finalizers',
  },
  ['lua/child_process/scope.lua'] = {
    ['Guard.__gc'] = 'Lua counts no lines in finalizers',
  },
  ['lua/child_process/loop.lua'] = { add = AT_END, ['M.count_at_end'] = AT_END },
  ['lua/child_process/net/connecting.lua'] = {
    too_slow = 'wants a name with an address that does not answer',
  },
  ['lua/child_process/net/workers.lua'] = {
    ['M.add'] = 'a server in two children, of which the second ends first',
  },
  ['lua/child_process/net/server.lua'] = {
    handle_of = 'listen() with a server of the core, as the handles do in C',
  },
  ['lua/child_process/stream/piping.lua'] = {
    hold = 'cut off while a chunk is handed over',
  },
  ['lua/child_process/process.lua'] = {
    find_exec_path = 'a host program, whose Lua files are not those of lua/',
  },
  ['lua/child_process/stream/lost.lua'] = {
    give_up = 'a write of several chunks is cut off',
  },
  ['csrc/held.c'] = { l_holders = '/proc cannot be read' },
  ['csrc/hub.c'] = { lcp__hub_timer = 'no memory for one more timer' },
  ['csrc/identity.c'] = {
    l_groups_of = 'a user in more groups than there is memory for',
    list_groups = 'a user in more groups than there is memory for',
  },
  ['csrc/os/cgroup.c'] = {
    make_leaf = 'a group that may be read and not written, for root',
  },
  ['csrc/os/fd.c'] = {
    lcp__fd_null = 'no /dev/null and no pipes: in a program of its own, not counted',
  },
  ['csrc/os/procfs.c'] = {
    lcp__procfs_writers = 'asked for pipes only',
    read_text = RACE,
    read_command = RACE,
    is_live_member = RACE,
    each_process = '/proc cannot be read',
  },
  ['csrc/os/pump.c'] = { read_rest = RACE, reap = RACE },
  ['csrc/os/spawn_linux.c'] = {
    read_report = 'where clone does not share memory: valgrind, QEMU',
    discard = 'where clone does not share memory: valgrind, QEMU',
  },
  ['csrc/os/waiter.c'] = {
    lcp__waiter_forget = 'copies of the process, which are not counted',
    lcp__waiter_start = 'no thread can be started: in a sandbox, not counted',
  },
  ['csrc/self.c'] = { l_exe = '/proc/self/exe cannot be read' },
  ['csrc/sender.c'] = { lcp__sender_queue = 'a message of more than 1 GiB' },
  ['csrc/os/wire.c'] = {
    adopt = 'no descriptor is left at the start of a worker',
    redirect = 'no descriptor is left at the start of a worker',
  },
  ['csrc/sink.c'] = { l_fileno = CLOSED },
  ['csrc/sync.c'] = { clear_cgroup = RACE },
  ['lua/child_process/co.lua'] = {
    is_ready = 'the loop ends while a group is waited for',
  },
  ['lua/child_process/dgram/sending.lua'] = {
    whole = 'reached in a process of its own, whose lines are not counted',
  },
  ['lua/child_process/ending.lua'] = { force = RACE },
  ['lua/child_process/ipc/net_handles.lua'] = {
    take_pipe = 'a pipe that is closed before it is sent on',
  },
  ['lua/child_process/options/identity.lua'] = {
    look_up = 'the look-up of a name fails in the system',
  },
  ['lua/child_process/result.lua'] = {
    how_it_ended = 'a child that somebody else has reaped, on an old kernel',
  },
  ['lua/child_process/stream.lua'] = { ['M.cut'] = RACE },
  ['lua/child_process/stream/lending.lua'] = { give_one_back = RACE },
}
