// Workload: the first touch of `pages` pages, which the kernel then fills with zeros.
#include "user.h"

#define PAGE 4096

int main(int argc, char **argv) {
  u64 pages = parameter(argc, argv, "pages", 400), checksum = 0;
  u8 *memory = mmap(pages * PAGE, PROT_READ | PROT_WRITE);
  if ((i64)memory < 0)
    error("pagefault: no memory\n");
  mark_begin();
  for (u64 i = 0; i < pages; i++)
    memory[i * PAGE] += i;
  mark_end();
  for (u64 i = 0; i < pages; i++)
    checksum = mix(checksum, memory[i * PAGE] + memory[i * PAGE + PAGE - 1]);
  finish("pagefault", checksum);
}
