// Arithmetic in registers, and nothing else.
#include "bench.h"

uint64 benchmark(void) {
  uint64 a = 1, b = 2, c = 3, d = 4;
  for (uint64 i = 0; i < 300000000UL * SCALE; i++) {
    a += b ^ i;
    b = (b << 3) - c;
    c = (c >> 5 | d) + i;
    d ^= a + b;
  }
  return a ^ b ^ c ^ d;
}
