/* spare.c - see spare.h.  Owns: the blocks.  SPDX-License-Identifier: MIT */
#include "os/spare.h"

#include <stdlib.h>

static const struct lcp__block NONE = {NULL, 0};

/* The slots stay in order, the largest block first. */
struct lcp__block lcp__spare_take(struct lcp__spare *spare, size_t size) {
  struct lcp__block largest = spare->block[0];
  if (largest.room < size)
    return NONE;
  for (int i = 1; i < LCP__SPARES; i++)
    spare->block[i - 1] = spare->block[i];
  spare->block[LCP__SPARES - 1] = NONE;
  return largest;
}

static void swap(struct lcp__block *a, struct lcp__block *b) {
  struct lcp__block before = *a;
  *a = *b;
  *b = before;
}

/* From the largest on, as long as there is room for them. */
static void keep_most(struct lcp__spare *spare) {
  size_t total = 0;
  for (int i = 0; i < LCP__SPARES; i++) {
    total += spare->block[i].room;
    if (total > LCP__SPARE_MOST) {
      free(spare->block[i].bytes);
      spare->block[i] = NONE;
    }
  }
}

void lcp__spare_give(struct lcp__spare *spare, struct lcp__block block) {
  /* of equal blocks, that which was used last and is still in the caches comes first */
  for (int i = 0; i < LCP__SPARES && block.room <= LCP__SPARE_MOST; i++) {
    if (spare->block[i].room <= block.room)
      swap(&spare->block[i], &block);
  }
  free(block.bytes);
  keep_most(spare);
}

void lcp__spare_free(struct lcp__spare *spare) {
  for (int i = 0; i < LCP__SPARES; i++)
    free(spare->block[i].bytes);
  *spare = (struct lcp__spare){0};
}
