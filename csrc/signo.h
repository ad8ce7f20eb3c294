/* signo.h - names and numbers of signals and errnos. */
#ifndef LCP_SIGNO_H
#define LCP_SIGNO_H

#include <lua.h>

/* `SIGTERM` for 15; NULL for a number that has no name. */
const char *lcp__signal_name(int signo);

/* Adds `signals` (name -> number) and `errname` to the core table on top of the stack. */
int lcp__signo_open(lua_State *L);

#endif
