// The scheduler: processes take turns, in the order in which they became runnable.
#include "kernel.h"

struct proc *current;  // the process that runs, or 0 in the scheduler
static struct context scheduler_context;
static struct proc *first, **last = &first;

void make_runnable(struct proc *p) {
  u64 intr = intr_save();
  p->state = RUNNABLE;
  p->next = 0;
  *last = p;
  last = &p->next;
  intr_restore(intr);
}

static struct proc *take_first(void) {
  struct proc *p = first;
  if (p && !(first = p->next))
    last = &first;
  return p;
}

// Runs on the boot stack, interrupts off. The previous process's address space stays
// in use meanwhile: the kernel is in all of them.
void scheduler(void) {
  struct proc *previous = 0;
  intr_off();
  for (;;) {
    struct proc *p = take_first();
    if (!p) {
      intr_wait();
      continue;
    }
    p->state = RUNNING;
    current = p;
    if (p != previous)
      pt_switch(p->root);
    swtch(&scheduler_context, &p->context);
    previous = p;
    current = 0;
  }
}

// Leaves the running process, whose new state is set. Interrupts are off.
void sched(void) { swtch(&current->context, &scheduler_context); }

void yield(void) {
  u64 intr = intr_save();
  make_runnable(current);
  sched();
  intr_restore(intr);
}

// Waits for wakeup(channel); may also return without. The caller turned interrupts
// off before it looked at what it waits for, if an interrupt handler changes that, and
// looks again after.
void sleep(void *channel) {
  u64 intr = intr_save();
  current->channel = channel;
  current->state = SLEEPING;
  sched();
  current->channel = 0;
  intr_restore(intr);
}

// The same for waits that killing the process ends: false if it was killed.
bool sleep_unless_killed(void *channel) {
  u64 intr = intr_save();
  if (!current->killed)
    sleep(channel);
  intr_restore(intr);
  return !current->killed;
}

void wakeup(void *channel) {
  u64 intr = intr_save();
  for (struct proc *p = procs; p < procs + NPROC; p++)
    if (p->state == SLEEPING && p->channel == channel)
      make_runnable(p);
  intr_restore(intr);
}
