/* rawid.h - the numbers of the raw system calls that set the ids of one thread alone.
 *
 * On i386, arm, m68k, sh, sparc and s390 (31 bits) the plain names are the calls of Linux
 * 2.2 with ids of 16 bits, which take 65536 for 0, root (setuid(2), "C library/kernel
 * differences").  All others have but one kind.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_RAWID_H
#define LCP_RAWID_H

#include <sys/syscall.h>

#ifdef SYS_setuid32
#define LCP__SYS_setuid SYS_setuid32
#define LCP__SYS_setgid SYS_setgid32
#define LCP__SYS_setgroups SYS_setgroups32
#else
#define LCP__SYS_setuid SYS_setuid
#define LCP__SYS_setgid SYS_setgid
#define LCP__SYS_setgroups SYS_setgroups
#endif

#endif
