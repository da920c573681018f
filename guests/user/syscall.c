// Workload: n null system calls.
#include "user.h"

int main(int argc, char **argv) {
  u64 n = parameter(argc, argv, "n", 2000), same = 0;
  i64 pid = getpid();
  mark_begin();
  for (u64 i = 0; i < n; i++)
    same += getpid() == pid;
  mark_end();
  finish("syscall", mix(0, same));
}
