// Where the kernel starts, on the boot stack, which the scheduler then keeps.
#include "kernel.h"

void kmain(u64 a0, u64 a1) {
  machine_init(a0, a1);
  printf("vlab guest kernel\n");
  frames_init();
  devices_init();
  bio_init();
  timer_init();
  proc_start_init();
  scheduler();
}
