# Native: entry point, trap entry and trap return.
#include "trapframe.h"
#define SSTATUS_SPP 0x100

  .section .text.entry
  .globl _start
_start:                         # a0 = hart id, a1 = device tree, paging off
  la sp, boot_stack + 4096
  la t0, __bss_start
  la t1, __bss_end
1:
  sd zero, 0(t0)
  sd zero, 8(t0)
  addi t0, t0, 16
  bltu t0, t1, 1b
  tail kmain

# In user code sscratch holds the top of the process's kernel stack, in the kernel 0.
  .text
  .balign 4
  .globl trap_entry
trap_entry:
  csrrw sp, sscratch, sp
  beqz sp, from_kernel
  addi sp, sp, -TF_SIZE
  FOR_EACH_SAVED sd, sp
  csrrw t0, sscratch, zero      # the user's sp
save_rest:
  sd t0, 2*8(sp)
  csrr t0, sepc
  csrr t1, scause
  csrr t2, stval
  csrr t3, sstatus
  sd t0, TF_EPC(sp)
  sd t1, TF_CAUSE(sp)
  sd t2, TF_TVAL(sp)
  sd t3, TF_STATUS(sp)
  mv a0, sp
  call trap

  .globl trap_return
trap_return:                    # sp = trap frame, interrupts off
  ld t0, TF_STATUS(sp)
  ld t1, TF_EPC(sp)
  csrw sstatus, t0
  csrw sepc, t1
  andi t0, t0, SSTATUS_SPP
  bnez t0, 1f
  addi t0, sp, TF_SIZE
  csrw sscratch, t0
1:
  FOR_EACH_SAVED ld, sp
  ld sp, 2*8(sp)
  sret

from_kernel:
  csrrw sp, sscratch, sp
  addi sp, sp, -TF_SIZE
  FOR_EACH_SAVED sd, sp
  addi t0, sp, TF_SIZE
  j save_rest

  .bss
  .balign 16
boot_stack:
  .skip 4096
