# The monitor's entry and its traps, all from user mode. mscratch holds the address of
# the guest's registers; the monitor starts afresh on its stack at every trap.
  .section .text.entry
  .globl _start
_start:
  la sp, stack_top
  la t0, trap_entry
  csrw mtvec, t0
  la t0, registers
  csrw mscratch, t0
  j start_guest

  .balign 4
trap_entry:
  csrrw t6, mscratch, t6
  .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
  sd x\n, \n*8(t6)
  .endr
  mv t5, t6
  csrrw t6, mscratch, t6
  sd t6, 31*8(t5)
  la sp, stack_top
  csrr a0, mcause
  csrr a1, mtval
  call trapped

  .globl resume
resume:                        # mepc and satp are set
  la t6, registers
  .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
  ld x\n, \n*8(t6)
  .endr
  ld t6, 31*8(t6)
  mret

  .bss
  .balign 16
  .globl registers
registers:
  .skip 32*8
  .skip 16384
stack_top:
