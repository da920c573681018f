// A chain of pointers through PAGES pages in random order, one pointer a page.
#include "bench.h"

#ifndef PAGES
#define PAGES 128
#define STEPS 200000000UL
#endif

uint64 benchmark(void) {
  static uint32 order[PAGES];
  uint64 seed = 88172645463325252UL, sum = 0;
  for (uint32 i = 0; i < PAGES; i++) order[i] = i;
  for (uint32 i = PAGES - 1; i > 0; i--) {  // Sattolo: one cycle through all pages
    uint32 j = xorshift(&seed) % i, other = order[i];
    order[i] = order[j];
    order[j] = other;
  }
  for (uint32 i = 0; i < PAGES; i++) {
    uint32 from = order[i], to = order[i + 1 == PAGES ? 0 : i + 1];
    HEAP[from * 512UL + from * 7 % 512] = (uint64)(HEAP + to * 512UL + to * 7 % 512);
  }
  uint64 *at = (uint64 *)HEAP[order[0] * 512UL + order[0] * 7 % 512];
  for (uint64 i = 0; i < STEPS * SCALE; i++) {
    sum += (uint64)at >> 12;
    at = (uint64 *)*at;
  }
  return sum;
}
