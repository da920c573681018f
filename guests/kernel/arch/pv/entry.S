# Paravirtual: entry point, upcall entry and return.
#include "trapframe.h"
#include "abi.h"

  .section .text.entry
  .globl _start
_start:                         # paging on, events masked
  la sp, boot_stack + 4096
  la t0, __bss_start
  la t1, __bss_end
1:
  sd zero, 0(t0)
  sd zero, 8(t0)
  addi t0, t0, 16
  bltu t0, t1, 1b
  tail kmain

# The monitor has masked events and changed no register; the shared page says why.
  .text
  .balign 4
  .globl upcall_entry
upcall_entry:
  sd sp, SAVED_SP(zero)
  ld sp, TRAP_USER(zero)
  beqz sp, 1f
  ld sp, KERNEL_STACK(zero)
  j 2f
1:
  ld sp, SAVED_SP(zero)
2:
  addi sp, sp, -TF_SIZE
  FOR_EACH_SAVED sd, sp
  ld t0, SAVED_SP(zero)
  ld t1, TRAP_EPC(zero)
  ld t2, TRAP_CAUSE(zero)
  ld t3, TRAP_TVAL(zero)
  ld t4, TRAP_USER(zero)
  ld t5, TRAP_MASKED(zero)
  sd t0, 2*8(sp)
  sd t1, TF_EPC(sp)
  sd t2, TF_CAUSE(sp)
  sd t3, TF_TVAL(sp)
  slli t5, t5, 1
  or t4, t4, t5
  sd t4, TF_STATUS(sp)
  mv a0, sp
  call trap

  .globl trap_return
trap_return:                    # sp = trap frame, events masked
  ld s0, TF_STATUS(sp)
  andi t0, s0, 1
  beqz t0, 1f
  addi t1, sp, TF_SIZE
  sd t1, KERNEL_STACK(zero)
  call pt_commit
1:
  andi t0, s0, 1
  srli t1, s0, 1
  ld t2, TF_EPC(sp)
  ld t3, 17*8(sp)
  sd t0, TRAP_USER(zero)
  sd t1, TRAP_MASKED(zero)
  sd t2, TRAP_EPC(zero)
  sd t3, TRAP_A7(zero)
  FOR_EACH_SAVED ld, sp
  ld sp, 2*8(sp)
  li a7, HC_IRET
  ecall

  .bss
  .balign 16
boot_stack:
  .skip 4096
