// The functions of the kernel, file by file. See guests/README.md for an order to
// read them in.
//
// The kernel is not preempted: a process gives up the CPU only in sleep() and on the
// way back to user mode. Interrupts may come at any time while they are on, so what
// interrupt handlers touch (process states, console input, disk queues) is used
// between intr_save and intr_restore, and nothing else needs a lock but the file
// system, in which a process may sleep half way through an operation.
#pragma once
#include "arch/arch.h"
#include "fs.h"
#include "inode.h"
#include "param.h"
#include "proc.h"
#include "syscall.h"

struct file;
struct pipe;

static inline u64 intr_save(void) {
  u64 was = intr_enabled();
  intr_off();
  return was;
}
static inline void intr_restore(u64 was) {
  if (was)
    intr_on();
}
static inline u64 time_now(void) {
  u64 t;
  asm volatile("rdtime %0" : "=r"(t));
  return t;
}

// string.c
void *memset(void *, int, size_t);
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
int memcmp(const void *, const void *, size_t);
size_t strlen(const char *);
int strcmp(const char *, const char *);
int strncmp(const char *, const char *, size_t);
void strlcpy(char *, const char *, size_t);

// printf.c
void printf(const char *, ...) __attribute__((format(printf, 1, 2)));
void panic(const char *) __attribute__((noreturn));

// bootargs.c
bool bootarg(const char *key, char *value, u64 n);
u64 bootarg_number(const char *key, u64 otherwise);

// frames.c: frames of physical memory, counted
void frames_init(void);
void *frame_alloc(void);   // count 1; 0 if there is none
void *frame_alloc_zero(void);
void frame_share(void *);  // count + 1
void frame_free(void *);   // count - 1
u32 frame_count(void *);

// vm.c: address spaces
pte_t *vm_new(void);
void vm_free(pte_t *root);
pte_t *vm_slot(pte_t *root, u64 va, bool create);
bool vm_map(pte_t *root, u64 va, void *frame, u64 prot);
void vm_unmap(pte_t *root, u64 start, u64 end);
void vm_protect(pte_t *root, u64 start, u64 end, u64 prot);
bool vm_copy(pte_t *from, pte_t *to, u64 start, u64 end);

// area.c: what a process may touch, page faults
struct area *area_find(struct proc *, u64 va);
struct area *area_add(struct proc *, u64 start, u64 end, u64 prot);
i64 area_mmap(struct proc *, u64 length, u64 prot);
i64 area_munmap(struct proc *, u64 start, u64 length);
i64 area_mprotect(struct proc *, u64 start, u64 length, u64 prot);
bool page_fault(struct proc *, u64 va, u64 prot);

// usercopy.c: to and from user memory of the running process
bool copyout(u64 to, const void *from, u64 n);
bool copyin(void *to, u64 from, u64 n);
i64 copyinstr(char *to, u64 from, u64 n);

// proc.c, sched.c
extern struct proc procs[NPROC];
extern struct proc *current;
void proc_start_init(void);
i64 proc_fork(void);
void proc_exit(u64 status) __attribute__((noreturn));
i64 proc_wait(u64 status_va);
i64 proc_kill(u64 pid);
void proc_interrupt_all(void);
i64 proc_sbrk(i64 increment);
void scheduler(void) __attribute__((noreturn));
void make_runnable(struct proc *);
void yield(void);
void sleep(void *channel);
bool sleep_unless_killed(void *channel);
void wakeup(void *channel);
void sched(void);
void swtch(struct context *from, struct context *to);

// timer.c
extern volatile u64 ticks;
void timer_init(void);
void timer_rate(u64 hz);
void timer_tick(void);

// trap.c, syscall.c
void syscall(struct trapframe *);
u64 arg(int n);

// console.c
i64 console_read(u64 va, u64 n);
i64 console_write(u64 va, u64 n);

// disk.c: requests; bio.c: blocks of the root file system
bool disk_transfer(u32 disk, u64 sector, void *buf, u32 count, bool write);
void bio_init(void);
u8 *block_read(u32 number);
void block_write(u32 number);

// fs.c, dir.c: inodes, names. Callers hold the file-system lock.
extern struct superblock superblock;
void fs_init(void);
void fs_lock(void);
void fs_unlock(void);
struct inode *inode_get(u32 number);
struct inode *inode_dup(struct inode *);
struct inode *inode_new(u16 type);
void inode_put(struct inode *);
void inode_update(struct inode *);
void inode_truncate(struct inode *);
i64 inode_read(struct inode *, void *to, u64 offset, u64 n);
i64 inode_write(struct inode *, const void *from, u64 offset, u64 n);
u32 dir_lookup(struct inode *, const char *name);
bool dir_link(struct inode *, const char *name, u32 number);
struct inode *path_inode(const char *path);
struct inode *path_parent(const char *path, char *name);
struct inode *path_create(const char *path, u16 type);
bool path_unlink(const char *path);

// file.c, pipe.c: open files
struct file *file_alloc(void);
struct file *file_dup(struct file *);
struct file *file_console(void);
void file_close(struct file *);
i64 file_open(const char *path, u64 flags, struct file **);
i64 file_read(struct file *, u64 va, u64 n);
i64 file_write(struct file *, u64 va, u64 n);
i64 file_stat(struct file *, u64 va);
bool pipe_new(struct file **reader, struct file **writer);
void pipe_close(struct pipe *, bool writer);
i64 pipe_read(struct pipe *, u64 va, u64 n);
i64 pipe_write(struct pipe *, u64 va, u64 n);

// exec.c
i64 exec(const char *path, char *const *argv);

// sysproc.c, sysfile.c: one function for each system call
typedef i64 syscall_fn(void);
syscall_fn sys_fork, sys_exit, sys_wait, sys_kill, sys_getpid, sys_exec, sys_sbrk, sys_sleep,
    sys_yield, sys_mmap, sys_munmap, sys_mprotect, sys_pipe, sys_open, sys_read, sys_write,
    sys_close, sys_dup, sys_fstat, sys_unlink, sys_mkdir, sys_chdir, sys_uptime, sys_timerhz,
    sys_procs, sys_bootargs, sys_shutdown, sys_diskinfo, sys_diskread, sys_diskwrite;
