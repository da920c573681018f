// Processes: birth, death, and the parent's wait.
#include "kernel.h"

struct proc procs[NPROC];
static u32 next_pid = 1;

static struct proc *init_proc(void) { return &procs[0]; }

static struct proc *proc_alloc(void) {
  for (struct proc *p = procs; p < procs + NPROC; p++) {
    if (p->state != UNUSED)
      continue;
    memset(p, 0, sizeof *p);
    p->kernel_stack = frame_alloc();
    p->root = vm_new();
    if (!p->kernel_stack || !p->root) {
      if (p->kernel_stack)
        frame_free(p->kernel_stack);
      if (p->root)
        vm_free(p->root);
      return 0;
    }
    *(u64 *)p->kernel_stack = STACK_GUARD;
    p->tf = (struct trapframe *)((char *)p->kernel_stack + PGSIZE) - 1;
    p->context.ra = (u64)trap_return;
    p->context.sp = (u64)p->tf;
    p->pid = next_pid++;
    return p;
  }
  return 0;
}

static void proc_free(struct proc *p) {
  vm_free(p->root);
  frame_free(p->kernel_stack);
  p->state = UNUSED;
}

// Process 1 starts in the kernel, since exec may have to sleep for the disk.
static void init_main(void) {
  static char *const argv[] = {"init", 0};
  intr_on();
  fs_init();
  current->cwd = path_inode("/");
  if (exec("/bin/init", argv) < 0)
    panic("cannot run /bin/init");
  intr_off();
  asm volatile("mv sp, %0\n\tj trap_return" ::"r"(current->tf) : "memory");
  __builtin_unreachable();
}

void proc_start_init(void) {
  struct proc *p = proc_alloc();
  strlcpy(p->name, "init", sizeof p->name);
  p->context.ra = (u64)init_main;
  for (int fd = 0; fd < 3; fd++)
    p->files[fd] = file_console();
  make_runnable(p);
}

i64 proc_fork(void) {
  struct proc *child = proc_alloc();
  if (!child)
    return -1;
  child->parent = current;
  strlcpy(child->name, current->name, sizeof child->name);
  memcpy(child->areas, current->areas, sizeof child->areas);
  bool copied = true;
  for (struct area *a = current->areas; a < current->areas + NAREA; a++)
    copied = copied && vm_copy(current->root, child->root, a->start, a->end);
  tlb_flush_user();
  if (!copied) {
    proc_free(child);
    return -1;
  }
  for (int fd = 0; fd < NOFILE; fd++)
    if (current->files[fd])
      child->files[fd] = file_dup(current->files[fd]);
  child->cwd = inode_dup(current->cwd);
  *child->tf = *current->tf;
  child->tf->x[A0] = 0;
  u32 pid = child->pid;
  make_runnable(child);
  return pid;
}

void proc_exit(u64 status) {
  if (current == init_proc())
    machine_shutdown(status);
  for (int fd = 0; fd < NOFILE; fd++)
    if (current->files[fd])
      file_close(current->files[fd]);
  fs_lock();
  inode_put(current->cwd);
  fs_unlock();
  intr_off();
  for (struct proc *p = procs; p < procs + NPROC; p++)
    if (p->state != UNUSED && p->parent == current) {
      p->parent = init_proc();
      if (p->state == ZOMBIE)
        wakeup(init_proc());
    }
  current->status = status;
  current->state = ZOMBIE;
  wakeup(current->parent);
  sched();
  panic("a zombie ran");
}

// Waits for a child to exit, and frees what is left of it.
i64 proc_wait(u64 status_va) {
  for (;;) {
    bool children = false;
    for (struct proc *p = procs; p < procs + NPROC; p++) {
      if (p->state == UNUSED || p->parent != current)
        continue;
      children = true;
      if (p->state == ZOMBIE) {
        u32 pid = p->pid;
        u64 status = p->status;
        proc_free(p);
        return status_va && !copyout(status_va, &status, sizeof status) ? -1 : pid;
      }
    }
    if (!children || !sleep_unless_killed(current))
      return -1;
  }
}

static void kill(struct proc *p) {
  u64 intr = intr_save();
  p->killed = true;
  if (p->state == SLEEPING)
    make_runnable(p);  // those who sleep for something else than the user look again
  intr_restore(intr);
}

i64 proc_kill(u64 pid) {
  for (struct proc *p = procs; p < procs + NPROC; p++)
    if (p->state != UNUSED && p->state != ZOMBIE && p->pid == pid && p != init_proc()) {
      kill(p);
      return 0;
    }
  return -1;
}

// ^C: kills what the shell started. The shell itself is a child of init.
void proc_interrupt_all(void) {
  for (struct proc *p = procs; p < procs + NPROC; p++)
    if (p->state != UNUSED && p->state != ZOMBIE && p->parent && p->parent != init_proc())
      kill(p);
}

i64 proc_sbrk(i64 increment) {
  struct area *heap = &current->areas[AREA_HEAP];
  u64 old = heap->end, end = old + increment;
  if (end < heap->start || end > MMAP_BASE)
    return -1;
  heap->end = end;
  if (PGUP(end) < PGUP(old))
    vm_unmap(current->root, PGUP(end), PGUP(old));
  return old;
}
