-- Lines that no spec reaches, by file and function: why.  For scripts/coverage.
local CLOSED = 'nothing in lua/ calls it on a closed handle'
local RACE = 'a race with the kernel that no spec can force'
local NOT_COUNTED =
  'only what a child runs whose environment is replaced, and our count with it'
local AT_END = 'runs at the end of a state, when lines are not counted any more'

return {
  ['csrc/addr.c'] = { push_ip6 = 'wants a network with link-local addresses' },
  ['csrc/busypoll.c'] = { limit_cb = 'the timer is stopped in the turn that it ends' },
  ['csrc/channel.c'] = {
    read_some = 'the other side has reset the connection twice',
    l_read_start = CLOSED,
    l_queue = CLOSED,
    l_flush = CLOSED,
  },
  ['csrc/child.c'] = { exit_cb = RACE },
  ['csrc/embedded.c'] = { run_file = 'only if the list of embedded files were wrong' },
  ['csrc/fdpass.c'] = { l_take_fd = CLOSED },
  ['csrc/os/frame.c'] = {
    lcp__frames_next = 'after an error nothing is read any more',
  },
  ['csrc/handle.c'] = { lcp__handle_check = 'a finalizer that brings a handle back' },
  ['csrc/codec/json_write.c'] = {
    put_text = 'a string of more than 1 GiB',
    put_message = 'a message of more than 1 GiB',
  },
  ['csrc/codec/out.c'] = { lcp__out_grow = 'a message of more than 1 GiB' },
  ['csrc/gate.c'] = {
    give_uncaught = 'the handler for uncaught exceptions raises itself',
    lcp__gate_lost = 'no room on the stack of Lua in a callback of the loop',
  },
  ['csrc/loop.c'] = { lcp_set_loop = 'a host that takes its loop back in a callback' },
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
  ['csrc/os/proc.c'] = { remembered_exit = RACE, kill_by_pid = RACE },
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
  ['csrc/os/spawn_child.c'] = {
    lcp__child_main = 'behind a child_fail, which never returns',
  },
  ['csrc/stream.c'] = {
    lcp__stream_take_fd = CLOSED,
    set_reading = CLOSED,
    l_write = CLOSED,
    l_shutdown = CLOSED,
    l_fileno = CLOSED,
  },
  ['csrc/timer.c'] = { l_timer_left = CLOSED },
  ['csrc/codec/transcode.c'] = {
    lcp__decode = 'bytes need no decoder, and encoding.c makes none for them',
    lcp__encode = 'what is UTF-8 already is not given to it',
  },
  ['csrc/udp.c'] = { l_open = CLOSED, l_adopt = CLOSED, l_send = CLOSED },
  ['csrc/uvloop.c'] = {
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
  ['lua/child_process/abort.lua'] = { start_clock = 'a timeout of more than 24 days' },
  ['lua/child_process/active.lua'] = { hints_of = 'asked by a finalizer in a start' },
  ['lua/child_process/await.lua'] = {
    describe = 'a function of C in a traceback',
    ['M.async'] = AT_END,
  },
  ['lua/child_process/child.lua'] = {
    on_exit = 'a disconnect listener raises, and the exit came before that end',
  },
  ['lua/child_process/stream/flowing.lua'] = { listening = RACE },
  ['lua/child_process/fork.lua'] = { boot_file = 'runs from inside an embedded library' },
  ['lua/child_process/boot.lua'] = {
    search = NOT_COUNTED,
    shift_arguments = 'the last round finds nothing in a child of ours',
  },
  ['lua/child_process/ipc/channel.lua'] = {
    close = 'closed from two sides in one turn',
  },
  ['lua/child_process/ipc/sockets.lua'] = {
    ['Counted:__gc'] = 'Lua counts no lines in finalizers',
  },
  ['lua/child_process/lazy.lua'] = {
    absolute = 'the files have another name where their path is relative',
    load_file = 'the files are elsewhere where one is missing',
    ['M.require'] = 'a host or a bundle, whose files are not those of lua/',
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
}
