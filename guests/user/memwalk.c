// Workload: follows a chain of pointers through `pages` pages, `stride` bytes apart, in
// order or (random=1) in a random cycle, `rounds` times: working set against TLB.
#include "user.h"

#define PAGE 4096

static u64 random_state = 88172645463325252ull;

// xorshift64 (Marsaglia 2003)
static u64 random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

int main(int argc, char **argv) {
  u64 pages = parameter(argc, argv, "pages", 256), stride = parameter(argc, argv, "stride", 1024);
  u64 rounds = parameter(argc, argv, "rounds", 100), shuffle = parameter(argc, argv, "random", 0);
  stride = stride < 8 ? 8 : stride & ~7ull;
  u64 n = pages * PAGE / stride;
  char *memory = mmap(pages * PAGE, PROT_READ | PROT_WRITE);
  if ((i64)memory < 0 || n == 0)
    error("memwalk: no memory\n");

  // Slot i holds the number of the next slot; Sattolo's shuffle leaves one cycle.
#define SLOT(i) (*(u64 *)(memory + (i) * stride))
  for (u64 i = 0; i < n; i++)
    SLOT(i) = i;
  for (u64 i = n - 1; i > 0; i--) {
    u64 j = shuffle ? random() % i : i - 1, t = SLOT(i);
    SLOT(i) = SLOT(j);
    SLOT(j) = t;
  }

  u64 sum = 0, at = 0;
  mark_begin();
  for (u64 r = 0; r < rounds; r++)
    for (u64 i = 0; i < n; i++) {
      at = SLOT(at);
      sum = sum * 3 + at;
    }
  mark_end();
  finish("memwalk", mix(mix(0, sum), at));
}
