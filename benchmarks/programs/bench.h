// What the programs share: `benchmark` computes, `report` prints its result and switches off.
typedef unsigned char uint8;
typedef unsigned short uint16;
typedef unsigned int uint32;
typedef unsigned long uint64;

#ifndef SCALE
#define SCALE 1
#endif
#define PAGE 4096
#define HEAP ((uint64 *)0x81000000UL)  // up to the end of what is mapped
#define MAPPED (256UL << 20)

uint64 benchmark(void);

static inline uint64 xorshift(uint64 *state) {
  uint64 x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}
