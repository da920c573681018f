// forktest: forks until the process table is full, and waits for them all.
#include "user.h"

int main(void) {
  u64 n = 0, waited = 0;
  for (i64 pid; (pid = fork()) >= 0; n++)
    if (pid == 0)
      exit(n);
  for (u64 status; wait(&status) > 0; waited++)
    ;
  if (waited != n)
    error("forktest: %lu children, %lu waited for\n", n, waited);
  printf("forktest: %lu children, OK\n", n);
  return 0;
}
