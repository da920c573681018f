// Workload: n messages to another process and back, through two pipes.
#include "user.h"

static i32 there[2], back[2];

static void answer(void) {
  u64 v;
  close(there[1]);
  while (read(there[0], &v, sizeof v) == sizeof v) {
    v = mix(v, 1);
    write(back[1], &v, sizeof v);
  }
  exit(0);
}

int main(int argc, char **argv) {
  u64 n = parameter(argc, argv, "n", 200), v = 0;
  if (pipe(there) < 0 || pipe(back) < 0)
    error("ctxswitch: no pipe\n");
  if (fork() == 0)
    answer();
  mark_begin();
  for (u64 i = 0; i < n; i++) {
    v = mix(v, i);
    write(there[1], &v, sizeof v);
    read(back[0], &v, sizeof v);
  }
  mark_end();
  close(there[1]);
  wait(0);
  finish("ctxswitch", v);
}
