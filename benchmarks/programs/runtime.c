// Page tables, the report, and the functions that compilers call.
#include "bench.h"

static uint64 root[512] __attribute__((aligned(PAGE)));
static uint64 middle[512] __attribute__((aligned(PAGE)));
static uint64 leaves[MAPPED / PAGE] __attribute__((aligned(PAGE)));

volatile uint64 tohost __attribute__((aligned(64))), fromhost;

enum { V = 1, RWX = 14, AD = 0xC0 };

uint64 page_tables(void) {  // devices as one gigapage, RAM at its own address in 4 KiB pages
  root[0] = V | RWX | AD;
  root[2] = (uint64)middle >> 12 << 10 | V;
  for (uint64 i = 0; i < MAPPED / PAGE / 512; i++)
    middle[i] = (uint64)(leaves + 512 * i) >> 12 << 10 | V;
  for (uint64 i = 0; i < MAPPED / PAGE; i++)
    leaves[i] = (0x80000000UL + i * PAGE) >> 12 << 10 | V | RWX | AD;
  return 8UL << 60 | (uint64)root >> 12;
}

void report(uint64 result) {
  for (int shift = 60; shift >= 0; shift -= 4)
    *(volatile uint8 *)0x10000000 = "0123456789abcdef"[result >> shift & 15];
  *(volatile uint8 *)0x10000000 = '\n';
  tohost = 1;  // Spike ends here, once it looks
  *(volatile uint32 *)0x100000 = 0x5555;  // boards with a test finisher end here
}

void *memcpy(void *to, const void *from, uint64 n) {
  uint8 *t = to;
  const uint8 *f = from;
  while (n--) *t++ = *f++;
  return to;
}

void *memset(void *to, int value, uint64 n) {
  uint8 *t = to;
  while (n--) *t++ = value;
  return to;
}
