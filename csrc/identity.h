/* identity.h - the identity of a child: ids, limits and rights in a plan, and the look-up
 * of users and groups by name.
 * SPDX-License-Identifier: MIT */
#ifndef LCP_IDENTITY_H
#define LCP_IDENTITY_H

#include <lua.h>

#include "os/spawn.h"

/* Fills in the fields of `spawn` from the table at `plan`, all checked by the caller: {
 * uid, gid, groups (array of ids), pgid, rlimits (array of { number, soft, hard }, -1: no
 * limit), nice, umask, deathSignal, noNewPrivs }; each may be missing.  Pushes a userdata
 * with the arrays, which are valid while it is on the stack. */
void lcp__identity_read(lua_State *L, int plan, struct lcp__spawn *spawn);

/* Adds core.find_user, core.find_group, core.groups_of and core.rlimits to the core table
 * on top of the stack. */
int lcp__identity_open(lua_State *L);

#endif
