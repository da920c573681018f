// The clock tick: counts time for sleep(), and ends the running process's turn.
#include "kernel.h"

volatile u64 ticks;
static u64 interval;  // in ticks of the time CSR
static u64 next;

static void set_next(void) {
  u64 now = time_now();
  next += interval;
  if (next <= now)  // late: rather lose ticks than fall further behind
    next = now + interval;
  timer_set(next);
}

void timer_rate(u64 hz) {
  u64 intr = intr_save();
  interval = hz && hz <= machine.timebase ? machine.timebase / hz : machine.timebase / HZ_DEFAULT;
  next = time_now();
  set_next();
  intr_restore(intr);
}

void timer_init(void) { timer_rate(bootarg_number("hz", HZ_DEFAULT)); }

void timer_tick(void) {
  ticks++;
  wakeup((void *)&ticks);
  set_next();
}
