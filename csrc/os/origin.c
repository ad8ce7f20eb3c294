/* origin.c - see origin.h.  SPDX-License-Identifier: MIT */
#include "os/origin.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__linux__) && !defined(MADV_WIPEONFORK)
#define MADV_WIPEONFORK 18
#endif

enum { SIZE = 4096 }; /* the kernel rounds it up to a page */

/* EINVAL of madvise(2): a kernel older than the flag.  The page must be private and
 * anonymous; volatile, as it changes in a copy without any write in the program. */
static volatile int *new_page(void) {
#ifdef MADV_WIPEONFORK
  void *page =
      mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    return NULL;
  if (madvise(page, SIZE, MADV_WIPEONFORK) == 0)
    return page;
  munmap(page, SIZE);
#endif
  return NULL;
}

void lcp__origin_set(struct lcp__origin *o) {
  if (o->page == NULL)
    o->page = new_page();
  if (o->page != NULL)
    *o->page = 1;
  o->pid = getpid();
}

int lcp__origin_is_copy(const struct lcp__origin *o) {
  if (o->page != NULL)
    return *o->page == 0;
  return o->pid != 0 && o->pid != getpid();
}

void lcp__origin_free(struct lcp__origin *o) {
  if (o->page != NULL)
    munmap((void *)o->page, SIZE);
  o->page = NULL;
  o->pid = 0;
}
