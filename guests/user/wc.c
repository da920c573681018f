// wc [file]: lines, words, bytes
#include "user.h"

static char buf[512];

int main(int argc, char **argv) {
  i64 fd = argc > 1 ? open(argv[1], O_RDONLY) : 0;
  if (fd < 0)
    error("wc: no %s\n", argv[1]);
  u64 lines = 0, words = 0, bytes = 0;
  bool in_word = false;
  for (i64 n; (n = read(fd, buf, sizeof buf)) > 0; bytes += n)
    for (i64 i = 0; i < n; i++) {
      bool space = strchr(" \t\n", buf[i]);
      lines += buf[i] == '\n';
      words += !space && !in_word;
      in_word = !space;
    }
  printf("%lu %lu %lu\n", lines, words, bytes);
  return 0;
}
