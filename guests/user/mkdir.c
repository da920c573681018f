// mkdir name …
#include "user.h"

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (mkdir(argv[i]) < 0)
      error("mkdir: cannot make %s\n", argv[i]);
  return 0;
}
