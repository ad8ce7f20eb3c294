/* block.c - see block.h.
 *
 * Why the place matters: `rep movsb`, with which the kernel copies out of pipes and
 * sockets and memcpy copies large blocks, falls to a quarter of its speed and less when
 * the destination lies a few bytes further into its page than the source (aliasing of
 * addresses 4 KiB apart: 1 to 31 bytes on AMD Zen 3, 1 to 15 on Zen 4).  The pages of a
 * pipe begin at offset 0, and malloc(3) gives large blocks offset 16: on Zen 3 1300 MiB/s
 * from a pipe, against 5400 at offsets 0 and 32.  At offset 0 a block is good in both
 * directions: the bytes of Lua's long strings, which are copied from it, begin at 40.
 * `bench/run read-at-0 read-at-8 read-at-16 read-at-32` shows it.
 * SPDX-License-Identifier: MIT */
#include "os/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/platform.h"

static int is_aligned(const void *block) {
  return (uintptr_t)block % LCP__BLOCK_PAGE == 0;
}

/* For aligned_alloc, whose size must be a multiple of the alignment. */
static size_t whole_pages(size_t size) {
  return size + (LCP__BLOCK_PAGE - size % LCP__BLOCK_PAGE) % LCP__BLOCK_PAGE;
}

/* A block that is at a page already is moved there by glibc's realloc (mremap keeps the
 * offset), so that most growth copies nothing. */
void *lcp__block_resize(void *block, size_t used, size_t size) {
  void *aligned, *grown = NULL;
  if (block != NULL || size < LCP__BLOCK_LARGE) {
    grown = realloc(block, size);
    if (grown == NULL || size < LCP__BLOCK_LARGE || is_aligned(grown))
      return grown;
  }
  aligned = aligned_alloc(LCP__BLOCK_PAGE, whole_pages(size));
  if (aligned == NULL || grown == NULL)
    return aligned != NULL ? aligned : grown; /* unaligned is slow, but enough */
  memcpy(aligned, grown, used);
  free(grown);
  return aligned;
}

/* Before Linux 5.14 the call fails, and the pages come one by one. */
void lcp__block_touch(void *from, size_t size) {
#ifdef MADV_POPULATE_WRITE
  uintptr_t into_page = (uintptr_t)from % LCP__BLOCK_PAGE;
  madvise((char *)from - into_page, size, MADV_POPULATE_WRITE);
#else
  (void)from, (void)size;
#endif
}
