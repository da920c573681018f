// Workload: a tree of processes, `depth` levels of `fanout` children, one after the
// other. Each writes to memory that it shares with its parent until then.
#include "user.h"

#define PAGE 4096
#define PAGES 4

static u8 shared[PAGES * PAGE];
static u64 fanout;

// Returns how many processes the tree under this one has, modulo 256.
static u64 grow(u64 depth) {
  u64 n = 1;
  for (u64 i = 0; depth > 0 && i < fanout; i++) {
    i64 child = fork();
    if (child < 0)
      error("forktree: cannot fork\n");
    if (child == 0) {
      for (int page = 0; page < PAGES; page++)
        shared[page * PAGE] += depth;
      exit(grow(depth - 1) + shared[0] & 255);
    }
    u64 status;
    wait(&status);
    n += status;
  }
  return n;
}

int main(int argc, char **argv) {
  u64 depth = parameter(argc, argv, "depth", 3);
  fanout = parameter(argc, argv, "fanout", 3);
  memset(shared, 1, sizeof shared);
  mark_begin();
  u64 n = grow(depth);
  mark_end();
  finish("forktree", mix(mix(0, n), shared[0]));
}
