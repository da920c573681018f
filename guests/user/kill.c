// kill pid …
#include "user.h"

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (kill(number(argv[i])) < 0)
      error("kill: no process %s\n", argv[i]);
  return 0;
}
