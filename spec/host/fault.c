/* fault.c - lets the system refuse: the n-th call that a library makes of a function
 * which it imports fails.  A Lua module for the specs; ELF only.
 *
 * The library's own entry for the function (its GOT) is pointed at `stand_in`, so nobody
 * else's calls count, and nothing has to be preloaded.  One function at a time.
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
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

enum { MAX_SLOTS = 4, MAX_NAMES = 1024 };

struct slot {
  function **at, *before;
};

static struct {
  function *real;
  struct slot slots[MAX_SLOTS];
  int nslots;
  long first, last; /* the calls that fail, from 1 */
  long result, only;
  int err, only_at; /* which argument must be `only`: 1 or 2; 0: all calls count */
} armed;

static int *calls; /* shared, so that it counts in forked children as well */

/* All arguments are passed on as they came: integers and pointers, six at most. */
NO_SANITIZE static long stand_in(long a, long b, long c, long d, long e, long f) {
  if (armed.only_at == 0 || (armed.only_at == 1 ? a : b) == armed.only) {
    long call = __atomic_add_fetch(calls, 1, __ATOMIC_RELAXED);
    if (call >= armed.first && call <= armed.last) {
      errno = armed.err;
      return armed.result;
    }
  }
  return armed.real(a, b, c, d, e, f);
}

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
    void *p = (void *)d->d_un.d_ptr;
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

static void restore(void) {
  for (int i = 0; i < armed.nslots; i++)
    point_at(&armed.slots[i], armed.slots[i].before);
  armed.nslots = 0;
}

/* fault.arm(library, function, first, last, result, errno [, only]): from now on the
 * calls `first` to `last` return `result`; `last` 0 is all that follow.  Counts only
 * those whose first argument is `only`. */
static int l_arm(lua_State *L) {
  struct search s = {0};
  const char *name = luaL_checkstring(L, 2);
  restore();
  s.image = luaL_checkstring(L, 1);
  s.name = name;
  s.slots = armed.slots;
  armed.first = (long)luaL_checkinteger(L, 3);
  armed.last = (long)luaL_checkinteger(L, 4);
  armed.last = armed.last > 0 ? armed.last : LONG_MAX;
  armed.result = (long)luaL_checkinteger(L, 5);
  armed.err = (int)luaL_checkinteger(L, 6);
  armed.only = (long)luaL_optinteger(L, 7, 0);
  armed.only_at = (int)luaL_optinteger(L, 8, lua_isnoneornil(L, 7) ? 0 : 1);
  dl_iterate_phdr(visit_library, &s);
  armed.real = find_real(s.path, name);
  if (s.nslots == 0 || armed.real == NULL)
    return luaL_error(L, "%s does not import %s", s.image, name);
  __atomic_store_n(calls, 0, __ATOMIC_RELAXED);
  for (int i = 0; i < s.nslots; i++) {
    armed.slots[i].before = *armed.slots[i].at;
    armed.nslots = i + 1;
    if (!point_at(&armed.slots[i], stand_in))
      return luaL_error(L, "mprotect: %s", strerror(errno));
  }
  return 0;
}

/* fault.disarm() -> integer: how many calls there were. */
static int l_disarm(lua_State *L) {
  restore();
  lua_pushinteger(L, __atomic_load_n(calls, __ATOMIC_RELAXED));
  return 1;
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

/* fault.syscalls: what to give as `only` for the function syscall */
static const struct number {
  const char *name;
  long value;
} numbers[] = {
    {"pidfd_open", SYS_pidfd_open},   {"pidfd_send_signal", SYS_pidfd_send_signal},
    {"close_range", SYS_close_range}, {"setgroups", SYS_setgroups},
    {"setgid", SYS_setgid},           {"setuid", SYS_setuid},
    {"execve", SYS_execve},           {NULL, 0}};

__attribute__((visibility("default"))) int luaopen_fault(lua_State *L);

int luaopen_fault(lua_State *L) {
  if (calls == NULL)
    calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
  if (calls == MAP_FAILED)
    return luaL_error(L, "mmap: %s", strerror(errno));
  luaL_newlib(L, functions);
  lua_newtable(L);
  for (const struct number *n = numbers; n->name != NULL; n++) {
    lua_pushinteger(L, n->value);
    lua_setfield(L, -2, n->name);
  }
  lua_setfield(L, -2, "syscalls");
  return 1;
}
