// Paravirtual: early boot, timer, waiting, shutdown.
#include "kernel.h"

struct machine machine;

void upcall_entry(void);
void rings_init(void);

void machine_init(u64 a0, u64 a1) {
  (void)a0, (void)a1;
  if (SHARED->magic != SHARED_MAGIC)
    panic("a monitor with another ABI");
  hypercall(HC_SET_ENTRY, (u64)upcall_entry, 0);
  machine.ram_free = SHARED->first_free;
  machine.ram_end = SHARED->ram_base + SHARED->ram_size;
  machine.timebase = SHARED->timebase;
  strlcpy(machine.cmdline, SHARED->cmdline, sizeof machine.cmdline);
  queue_init();
}

void devices_init(void) { rings_init(); }

void timer_set(u64 when) {
  __atomic_fetch_and(&SHARED->pending, ~(u64)EVENT_TIMER, __ATOMIC_RELAXED);
  hypercall(HC_SET_TIMER, when, 0);
}

void intr_wait(void) {
  hypercall(HC_BLOCK, 0, 0);
  intr_off();
}

void trap_init_user(struct trapframe *tf, u64 pc, u64 sp) {
  memset(tf, 0, sizeof *tf);
  tf->epc = pc;
  tf->x[SP] = sp;
  tf->status = 1;
}

void machine_shutdown(int code) {
  for (;;)
    hypercall(HC_SHUTDOWN, code, 0);
}
