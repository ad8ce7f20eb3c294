/* cost.c - see cost.h.  SPDX-License-Identifier: MIT */
#include "cost.h"

#include <sys/resource.h>
#include <uv.h>

void lcp__cost_begin(struct lcp__cost *c) {
  struct rusage own;
  c->started = c->ended = uv_hrtime();
  c->own_rss = getrusage(RUSAGE_SELF, &own) == 0 ? own.ru_maxrss : 0;
}

void lcp__cost_end(struct lcp__cost *c) { c->ended = uv_hrtime(); }

static void set(lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

/* The child inherits the peak size of the parent's memory, through fork and clone alike,
 * and exec keeps it: only a figure above our own is really the child's. */
static void push_usage(lua_State *L, const struct lcp__usage *u, int64_t own_rss) {
  lua_createtable(L, 0, 9);
  set(L, "userCPUTime", u->user_us);
  set(L, "systemCPUTime", u->system_us);
  if (u->max_rss > own_rss)
    set(L, "maxRSS", u->max_rss);
  set(L, "minorPageFault", u->minor_faults);
  set(L, "majorPageFault", u->major_faults);
  set(L, "fsRead", u->blocks_in);
  set(L, "fsWrite", u->blocks_out);
  set(L, "voluntaryContextSwitches", u->voluntary_switches);
  set(L, "involuntaryContextSwitches", u->involuntary_switches);
}

void lcp__cost_push_duration(lua_State *L, const struct lcp__cost *c) {
  lua_pushnumber(L, (lua_Number)(c->ended - c->started) / 1e6);
}

void lcp__cost_push_usage(lua_State *L, const struct lcp__cost *c,
                          const struct lcp__exit *how) {
  if (how->usage.known)
    push_usage(L, &how->usage, c->own_rss);
  else
    lua_pushnil(L);
}
