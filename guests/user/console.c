// Workload: n lines of `width` characters on the console.
#include "user.h"

#define MAX_WIDTH 255

int main(int argc, char **argv) {
  u64 n = parameter(argc, argv, "n", 100), width = parameter(argc, argv, "width", 60);
  char line[MAX_WIDTH + 1];
  u64 checksum = 0;
  if (width > MAX_WIDTH)
    width = MAX_WIDTH;
  mark_begin();
  for (u64 i = 0; i < n; i++) {
    for (u64 j = 0; j < width; j++)
      line[j] = '!' + (i + j) % 94;
    line[width] = '\n';
    checksum = mix(checksum, write(1, line, width + 1));
  }
  mark_end();
  finish("console", checksum);
}
