// Workload: the shortest program with a measured region.
#include "user.h"

int main(void) {
  mark_begin();
  printf("hello, world\n");
  mark_end();
  finish("hello", mix(0, 1));
}
