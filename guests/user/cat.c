// cat [file …]
#include "user.h"

static char buf[512];

static void copy(i64 fd) {
  i64 n;
  while ((n = read(fd, buf, sizeof buf)) > 0)
    write(1, buf, n);
}

int main(int argc, char **argv) {
  if (argc < 2)
    copy(0);
  for (int i = 1; i < argc; i++) {
    i64 fd = open(argv[i], O_RDONLY);
    if (fd < 0)
      error("cat: no %s\n", argv[i]);
    copy(fd);
    close(fd);
  }
  return 0;
}
