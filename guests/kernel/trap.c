// What happens after the entry code has saved the registers.
#include "kernel.h"

static bool turn_is_over;

static void killed_by(struct trapframe *tf, const char *why) {
  printf("%s (%u) killed: %s at pc %lx, address %lx\n", current->name, current->pid, why, tf->epc,
         tf->tval);
  current->killed = true;
}

static void user_fault(struct trapframe *tf, u64 prot) {
  if (!page_fault(current, tf->tval, prot))
    killed_by(tf, "bad address");
}

static void user_exception(struct trapframe *tf) {
  switch (tf->cause) {
  case CAUSE_SYSCALL:
    tf->epc += 4;
    intr_on();
    syscall(tf);
    intr_off();
    break;
  case CAUSE_FETCH_FAULT:
    user_fault(tf, PROT_EXEC);
    break;
  case CAUSE_LOAD_FAULT:
    user_fault(tf, PROT_READ);
    break;
  case CAUSE_STORE_FAULT:
    user_fault(tf, PROT_WRITE);
    break;
  default:
    killed_by(tf, "illegal instruction or breakpoint");
  }
}

void trap(struct trapframe *tf) {
  if (tf->cause == CAUSE_TIMER) {
    timer_tick();
    turn_is_over = true;
  } else if (tf->cause == CAUSE_EXTERNAL) {
    external_interrupt();
  } else if (trap_from_user(tf)) {
    user_exception(tf);
  } else {
    printf("cause %lx pc %lx address %lx\n", tf->cause, tf->epc, tf->tval);
    panic("exception in the kernel");
  }
  if (!trap_from_user(tf))
    return;  // the kernel is not preempted
  if (*(u64 *)current->kernel_stack != STACK_GUARD)
    panic("kernel stack overflow");
  if (current->killed)
    proc_exit(KILLED_STATUS);
  if (turn_is_over) {
    turn_is_over = false;
    yield();
    if (current->killed)
      proc_exit(KILLED_STATUS);
  }
}
