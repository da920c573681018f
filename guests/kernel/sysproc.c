// System calls about processes, memory and time.
#include "kernel.h"

i64 sys_fork(void) { return proc_fork(); }
i64 sys_exit(void) { proc_exit(arg(0)); }
i64 sys_wait(void) { return proc_wait(arg(0)); }
i64 sys_kill(void) { return proc_kill(arg(0)); }
i64 sys_getpid(void) { return current->pid; }
i64 sys_sbrk(void) { return proc_sbrk(arg(0)); }
i64 sys_mmap(void) { return area_mmap(current, arg(0), arg(1)); }
i64 sys_munmap(void) { return area_munmap(current, arg(0), arg(1)); }
i64 sys_mprotect(void) { return area_mprotect(current, arg(0), arg(1), arg(2)); }
i64 sys_uptime(void) { return ticks; }

i64 sys_yield(void) {
  yield();
  return 0;
}

i64 sys_sleep(void) {
  u64 intr = intr_save();
  u64 start = ticks, n = arg(0);
  bool alive = true;
  while (alive && ticks - start < n)
    alive = sleep_unless_killed((void *)&ticks);
  intr_restore(intr);
  return alive ? 0 : -1;
}

i64 sys_timerhz(void) {
  if (arg(0) == 0 || arg(0) > 1000000)
    return -1;
  timer_rate(arg(0));
  return 0;
}

i64 sys_procs(void) {
  static const char letters[] = {'-', 'R', 'R', 'S', 'Z'};
  u64 to = arg(0), max = arg(1), n = 0;
  for (struct proc *p = procs; p < procs + NPROC && n < max; p++) {
    if (p->state == UNUSED)
      continue;
    struct procinfo info = {.pid = p->pid, .parent = p->parent ? p->parent->pid : 0};
    info.state = letters[p->state];
    strlcpy(info.name, p->name, sizeof info.name);
    if (!copyout(to + n++ * sizeof info, &info, sizeof info))
      return -1;
  }
  return n;
}

i64 sys_bootargs(void) {
  u64 n = strlen(machine.cmdline) + 1;
  if (n > arg(1) || !copyout(arg(0), machine.cmdline, n))
    return -1;
  return n - 1;
}

i64 sys_shutdown(void) {
  if (current->pid != 1)
    return -1;
  machine_shutdown(arg(0));
}

i64 sys_exec(void) {
  char path[MAXPATH];
  if (copyinstr(path, arg(0), MAXPATH) < 0)
    return -1;
  char *argv[MAXARG + 1], *page = frame_alloc();  // the strings, one after the other
  i64 result = -1;
  u64 used = 0;
  for (int i = 0; page && i <= MAXARG; i++) {
    u64 string;
    if (!copyin(&string, arg(1) + 8 * i, 8))
      break;
    if (string == 0) {
      argv[i] = 0;
      result = exec(path, argv);
      break;
    }
    argv[i] = page + used;
    i64 n = copyinstr(argv[i], string, PGSIZE / 2 - used);
    if (n < 0)
      break;
    used += n + 1;
  }
  if (page)
    frame_free(page);
  return result;
}
