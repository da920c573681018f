// rm name …
#include "user.h"

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (unlink(argv[i]) < 0)
      error("rm: cannot remove %s\n", argv[i]);
  return 0;
}
