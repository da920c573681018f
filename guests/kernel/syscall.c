// System call dispatch.
#include "kernel.h"

static syscall_fn *const table[NSYSCALL] = {
    [SYS_fork] = sys_fork,         [SYS_exit] = sys_exit,
    [SYS_wait] = sys_wait,         [SYS_kill] = sys_kill,
    [SYS_getpid] = sys_getpid,     [SYS_exec] = sys_exec,
    [SYS_sbrk] = sys_sbrk,         [SYS_sleep] = sys_sleep,
    [SYS_yield] = sys_yield,       [SYS_mmap] = sys_mmap,
    [SYS_munmap] = sys_munmap,     [SYS_mprotect] = sys_mprotect,
    [SYS_pipe] = sys_pipe,         [SYS_open] = sys_open,
    [SYS_read] = sys_read,         [SYS_write] = sys_write,
    [SYS_close] = sys_close,       [SYS_dup] = sys_dup,
    [SYS_fstat] = sys_fstat,       [SYS_unlink] = sys_unlink,
    [SYS_mkdir] = sys_mkdir,       [SYS_chdir] = sys_chdir,
    [SYS_uptime] = sys_uptime,     [SYS_timerhz] = sys_timerhz,
    [SYS_procs] = sys_procs,       [SYS_bootargs] = sys_bootargs,
    [SYS_shutdown] = sys_shutdown, [SYS_diskinfo] = sys_diskinfo,
    [SYS_diskread] = sys_diskread, [SYS_diskwrite] = sys_diskwrite,
};

u64 arg(int n) { return current->tf->x[A0 + n]; }

void syscall(struct trapframe *tf) {
  u64 number = tf->x[A7];
  tf->x[A0] = number < NSYSCALL && table[number] ? table[number]() : -1;
}
