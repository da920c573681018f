// Copies of memory by words and by bytes, and their checks.
#include "bench.h"

uint64 benchmark(void) {
  enum { WORDS = 16384 };
  uint64 *from = HEAP, *to = HEAP + 2 * WORDS, sum = 0;
  for (uint64 i = 0; i < WORDS; i++) from[i] = i * 0x9E3779B97F4A7C15UL;
  for (uint64 round = 0; round < 12000 * SCALE; round++) {
    for (uint64 i = 0; i < WORDS; i++) ((volatile uint64 *)to)[i] = from[i];
    for (uint64 i = 0; i < WORDS; i += 2)
      ((volatile uint8 *)to)[i] = ((uint8 *)from)[i + round % 8];
    sum = sum * 31 + to[round % WORDS];
    from[round % WORDS] += sum;
  }
  return sum;
}
