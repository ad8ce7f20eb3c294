/* v8path.h - where in a message a value is, for the text that refuses it. */
#ifndef LCP_V8PATH_H
#define LCP_V8PATH_H

#include <lua.h>

/* The way from the message to a value, each step in the frame that took it. */
struct step {
  const struct step *outer; /* NULL: the message itself */
  int key;                  /* where the key lies on the stack; 0: it is `position` */
  int level;
  lua_Integer position;
};

/* stack: the reason -> the reason, "message.a[3]: reason".  Returns 0. */
int lcp__v8_refuse(lua_State *L, const struct step *at);

#endif
