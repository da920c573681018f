// Workload: n timer ticks at `hz`; after each, `work` steps of arithmetic.
#include "user.h"

int main(int argc, char **argv) {
  u64 n = parameter(argc, argv, "n", 100), hz = parameter(argc, argv, "hz", 10000);
  u64 work = parameter(argc, argv, "work", 500), checksum = 0;
  if (timerhz(hz) < 0)
    error("timer: hz=%lu is out of range\n", hz);
  mark_begin();
  for (u64 i = 0; i < n; i++) {
    sleep(1);
    for (u64 j = 0; j < work; j++)
      checksum = mix(checksum, i + j);
  }
  mark_end();
  finish("timer", checksum);
}
