/* fault.c - lets the system refuse: the n-th call that a library makes of a function
 * which it imports fails.  A Lua module for the specs; ELF only.
 *
 * The library's own entries for the functions (its GOT) are pointed at stand-ins, so
 * nobody else's calls count, and nothing has to be preloaded.
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#if defined(__x86_64__)
#define IS_IMPORT(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#elif defined(__aarch64__)
#define IS_IMPORT(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#else
#define IS_IMPORT(type) 0
#endif

#define NO_SANITIZE __attribute__((no_sanitize("address", "undefined")))

typedef long function(long, long, long, long, long, long);

enum { MAX_SLOTS = 4, MAX_NAMES = 1024, MAX_HOOKS = 128, MAX_RULES = 256 };

struct slot {
  function **at, *before;
};

/* A function that has been replaced. */
static struct hook {
  char name[32];
  function *real;
  struct slot slots[MAX_SLOTS];
  int nslots;
} hooks[MAX_HOOKS];

/* Which calls of it fail, and how. */
static struct rule {
  int hook;
  long first, last; /* the calls that fail, from 1 */
  long result, only;
  int err, only_at; /* which argument must be `only`: 1 or 2; 0: all calls count */
  int done;         /* the call is made all the same, as close(2) does */
} rules[MAX_RULES];

static int nhooks, nrules;

static int
    *calls; /* of each rule; shared, so that it counts in forked children as well */

/* All arguments are passed on as they came: integers and pointers, six at most. */
NO_SANITIZE static long intercept(int hook, long a, long b, long c, long d, long e,
                                  long f) {
  for (int i = 0; i < nrules; i++) {
    const struct rule *rule = &rules[i];
    if (rule->hook != hook ||
        (rule->only_at != 0 && (rule->only_at == 1 ? a : b) != rule->only))
      continue;
    long call = __atomic_add_fetch(&calls[i], 1, __ATOMIC_RELAXED);
    if (call >= rule->first && call <= rule->last) {
      if (rule->done)
        hooks[hook].real(a, b, c, d, e, f);
      errno = rule->err;
      return rule->result;
    }
  }
  return hooks[hook].real(a, b, c, d, e, f);
}

/* One function for each hook: stand_in_00 to stand_in_7f. */
#define STAND_IN(n)                                                                      \
  NO_SANITIZE static long stand_in_##n(long a, long b, long c, long d, long e, long f) { \
    return intercept(0x##n, a, b, c, d, e, f);                                           \
  }
#define NAME_IT(n) stand_in_##n,
#define SIXTEEN(X, n)                                                                    \
  X(n##0)                                                                                \
  X(n##1)                                                                                \
  X(n##2)                                                                                \
  X(n##3)                                                                                \
  X(n##4)                                                                                \
  X(n##5) X(n##6) X(n##7) X(n##8) X(n##9) X(n##a) X(n##b) X(n##c) X(n##d) X(n##e) X(n##f)
#define ALL(X)                                                                           \
  SIXTEEN(X, 0)                                                                          \
  SIXTEEN(X, 1)                                                                          \
  SIXTEEN(X, 2) SIXTEEN(X, 3) SIXTEEN(X, 4) SIXTEEN(X, 5) SIXTEEN(X, 6) SIXTEEN(X, 7)

ALL(STAND_IN)
static function *const stand_ins[MAX_HOOKS] = {ALL(NAME_IT)};

/* ---- what a library imports ---- */

struct search {
  const char *image; /* part of the library's file name */
  const char *name;  /* the function, or NULL for all */
  struct slot *slots;
  int nslots;
  const char *path; /* of the library */
  const char *names[MAX_NAMES];
  int nnames;
};

static void visit(struct search *s, ElfW(Addr) base, const ElfW(Rela) * rela, size_t size,
                  const ElfW(Sym) * symbols, const char *strings) {
  for (size_t i = 0; i < size / sizeof *rela; i++) {
    const char *name = strings + symbols[ELF64_R_SYM(rela[i].r_info)].st_name;
    if (!IS_IMPORT(ELF64_R_TYPE(rela[i].r_info)))
      continue;
    if (s->name == NULL && s->nnames < MAX_NAMES)
      s->names[s->nnames++] = name;
    if (s->name != NULL && strcmp(name, s->name) == 0 && s->nslots < MAX_SLOTS)
      s->slots[s->nslots++].at = (function **)(base + rela[i].r_offset);
  }
}

static void visit_dynamic(struct search *s, ElfW(Addr) base, const ElfW(Dyn) * d) {
  const ElfW(Rela) * rela[2] = {NULL, NULL};
  size_t size[2] = {0, 0};
  const ElfW(Sym) *symbols = NULL;
  const char *strings = NULL;
  for (; d->d_tag != DT_NULL; d++) {
    ElfW(Addr) address = d->d_un.d_ptr;
    void *p = (void *)(address < base ? base + address : address); /* musl: an offset */
    switch (d->d_tag) {
    case DT_JMPREL:
      rela[0] = p;
      break;
    case DT_PLTRELSZ:
      size[0] = d->d_un.d_val;
      break;
    case DT_RELA:
      rela[1] = p;
      break;
    case DT_RELASZ:
      size[1] = d->d_un.d_val;
      break;
    case DT_SYMTAB:
      symbols = p;
      break;
    case DT_STRTAB:
      strings = p;
      break;
    }
  }
  for (int i = 0; i < 2; i++)
    if (rela[i] != NULL && symbols != NULL && strings != NULL)
      visit(s, base, rela[i], size[i], symbols, strings);
}

static int visit_library(struct dl_phdr_info *info, size_t size, void *data) {
  struct search *s = data;
  (void)size;
  if (strstr(info->dlpi_name, s->image) == NULL)
    return 0;
  s->path = info->dlpi_name;
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
      visit_dynamic(s, info->dlpi_addr,
                    (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
  return 0;
}

/* The entries may have been made read-only after loading (RELRO). */
static int point_at(const struct slot *slot, function *target) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)slot->at;
  if (mprotect((void *)(at & ~(page - 1)), page, PROT_READ | PROT_WRITE) != 0)
    return 0;
  *slot->at = target;
  return 1;
}

/* What the library would call: it may be visible to this library only. */
static function *find_real(const char *path, const char *name) {
  void *found = dlsym(RTLD_DEFAULT, name);
  if (found == NULL && path != NULL) {
    void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (library != NULL) {
      found = dlsym(library, name);
      dlclose(library);
    }
  }
  return (function *)found;
}

/* The hook for a function, made if there is none yet; raises. */
static int hook_for(lua_State *L, const char *image, const char *name) {
  struct search s = {0};
  struct hook *hook = hooks;
  while (hook < hooks + nhooks && strcmp(hook->name, name) != 0)
    hook++;
  if (hook < hooks + nhooks)
    return (int)(hook - hooks);
  if (nhooks == MAX_HOOKS || strlen(name) >= sizeof hook->name)
    return luaL_error(L, "%s: no hook", name);
  s.image = image;
  s.name = name;
  s.slots = hook->slots;
  dl_iterate_phdr(visit_library, &s);
  hook->real = find_real(s.path, name);
  if (s.nslots == 0 || hook->real == NULL)
    return luaL_error(L, "%s does not import %s", image, name);
  strcpy(hook->name, name);
  hook->nslots = 0;
  for (int i = 0; i < s.nslots; i++) {
    hook->slots[i].before = *hook->slots[i].at;
    if (!point_at(&hook->slots[i], stand_ins[nhooks]))
      return luaL_error(L, "mprotect: %s", strerror(errno));
    hook->nslots++;
  }
  return nhooks++;
}

static long field(lua_State *L, const char *name, long otherwise) {
  lua_getfield(L, 2, name);
  long value = (long)luaL_optinteger(L, -1, otherwise);
  lua_pop(L, 1);
  return value;
}

/* fault.arm(library, rule): from now on calls of a function fail.  The rule:
 *   name             the function
 *   result, errno    what it returns, and the number of the error
 *   first, last      which calls fail, from 1; `last` 0 is all that follow
 *   only, which      only those count whose argument number `which` (1 or 2) is `only`
 *   done             1: after the call has been made
 * One library at a time, several functions, several rules a function. */
static int l_arm(lua_State *L) {
  const char *image = luaL_checkstring(L, 1);
  struct rule rule;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_getfield(L, 2, "name");
  rule.hook = hook_for(L, image, luaL_checkstring(L, -1));
  rule.first = field(L, "first", 1);
  rule.last = field(L, "last", 0);
  rule.last = rule.last > 0 ? rule.last : LONG_MAX;
  rule.result = field(L, "result", -1);
  rule.err = (int)field(L, "errno", 0);
  rule.only = field(L, "only", 0);
  rule.only_at = (int)field(L, "which", 0);
  rule.done = (int)field(L, "done", 0);
  if (nrules == MAX_RULES)
    return luaL_error(L, "too many rules");
  __atomic_store_n(&calls[nrules], 0, __ATOMIC_RELAXED);
  rules[nrules++] = rule;
  return 0;
}

/* fault.disarm() -> integer…: how many calls there were, for each call of arm. */
static int l_disarm(lua_State *L) {
  int n = nrules;
  luaL_checkstack(L, n, "too many rules");
  for (int i = 0; i < nhooks; i++)
    for (int k = 0; k < hooks[i].nslots; k++)
      point_at(&hooks[i].slots[k], hooks[i].slots[k].before);
  nhooks = nrules = 0;
  for (int i = 0; i < n; i++)
    lua_pushinteger(L, __atomic_load_n(&calls[i], __ATOMIC_RELAXED));
  return n;
}

/* fault.imports(library) -> the names of what it imports, functions and others. */
static int l_imports(lua_State *L) {
  struct search s = {0};
  s.image = luaL_checkstring(L, 1);
  dl_iterate_phdr(visit_library, &s);
  lua_createtable(L, s.nnames, 0);
  for (int i = 0; i < s.nnames; i++) {
    lua_pushstring(L, s.names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {
    {"arm", l_arm}, {"disarm", l_disarm}, {"imports", l_imports}, {NULL, NULL}};

/* fault.numbers: what to give as `only` for the functions syscall and fcntl */
static const struct number {
  const char *name;
  long value;
} numbers[] = {{"capget", SYS_capget},
               {"close_range", SYS_close_range},
               {"execve", SYS_execve},
               {"getdents64", SYS_getdents64},
               {"openat", SYS_openat},
               {"pidfd_open", SYS_pidfd_open},
               {"pidfd_send_signal", SYS_pidfd_send_signal},
               {"preadv2", SYS_preadv2},
               {"prctl", SYS_prctl},
               {"prlimit64", SYS_prlimit64},
               {"pwritev2", SYS_pwritev2},
               {"recvmsg", SYS_recvmsg},
               {"rt_sigaction", SYS_rt_sigaction},
               {"rt_sigprocmask", SYS_rt_sigprocmask},
               {"setgid", SYS_setgid},
               {"setgroups", SYS_setgroups},
               {"setpriority", SYS_setpriority},
               {"setuid", SYS_setuid},
               {"waitid", SYS_waitid},
               {"F_DUPFD_CLOEXEC", F_DUPFD_CLOEXEC},
               {"F_GETFD", F_GETFD},
               {"F_GETFL", F_GETFL},
               {"F_SETFD", F_SETFD},
               {"F_SETFL", F_SETFL},
               {"F_SETPIPE_SZ", F_SETPIPE_SZ},
               {NULL, 0}};

__attribute__((visibility("default"))) int luaopen_fault(lua_State *L);

int luaopen_fault(lua_State *L) {
  if (calls == NULL)
    calls = mmap(NULL, MAX_RULES * sizeof *calls, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (calls == MAP_FAILED)
    return luaL_error(L, "mmap: %s", strerror(errno));
  luaL_newlib(L, functions);
  lua_newtable(L);
  for (const struct number *n = numbers; n->name != NULL; n++) {
    lua_pushinteger(L, n->value);
    lua_setfield(L, -2, n->name);
  }
  lua_setfield(L, -2, "numbers");
  return 1;
}
