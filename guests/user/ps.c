// ps: the processes
#include "user.h"

static struct procinfo all[64];

int main(void) {
  i64 n = procs(all, 64);
  printf("  PID PARENT S NAME\n");
  for (i64 i = 0; i < n; i++)
    printf("%5u %6u %c %s\n", all[i].pid, all[i].parent, all[i].state, all[i].name);
  return 0;
}
