// What all workloads need: parameters, a checksum, the last line.
#include "user.h"

// The value of the argument key=value.
u64 parameter(int argc, char **argv, const char *key, u64 otherwise) {
  u64 n = strlen(key);
  for (int i = 1; i < argc; i++)
    if (memcmp(argv[i], key, n) == 0 && argv[i][n] == '=')
      return number(argv[i] + n + 1);
  return otherwise;
}

// FNV-1a by words, with a shift so that high bits reach low ones.
u64 mix(u64 checksum, u64 value) {
  checksum = (checksum ^ value) * 0x100000001b3ull;
  return checksum ^ checksum >> 29;
}

void finish(const char *name, u64 checksum) {
  printf("%s checksum=%016lx\n", name, checksum);
  exit(0);
}
