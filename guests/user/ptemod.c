// Workload: page-table churn. Each round maps `pages` pages, writes them, makes them
// read-only and writable again, and unmaps them. The pages come one by one as they are
// touched, or (populate=1) all at once.
#include "user.h"

#define PAGE 4096

int main(int argc, char **argv) {
  u64 rounds = parameter(argc, argv, "rounds", 20), pages = parameter(argc, argv, "pages", 16);
  u64 populate = parameter(argc, argv, "populate", 0) ? MAP_POPULATE : 0;
  u64 checksum = 0, size = pages * PAGE;
  mark_begin();
  for (u64 r = 0; r < rounds; r++) {
    u8 *memory = mmap(size, PROT_READ | PROT_WRITE | populate);
    if ((i64)memory < 0)
      error("ptemod: no memory\n");
    for (u64 i = 0; i < pages; i++)
      memory[i * PAGE] = r + i;
    mprotect(memory, size, PROT_READ);
    for (u64 i = 0; i < pages; i++)
      checksum = mix(checksum, memory[i * PAGE]);
    mprotect(memory, size, PROT_READ | PROT_WRITE);
    for (u64 i = 0; i < pages; i++)
      memory[i * PAGE + 1] = memory[i * PAGE] + 1;
    checksum = mix(checksum, memory[size - PAGE + 1]);
    munmap(memory, size);
  }
  mark_end();
  finish("ptemod", checksum);
}
