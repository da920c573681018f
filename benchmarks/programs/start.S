# Bare metal: M-mode opens PMP and goes to S-mode under Sv39 with pages of 4 KiB.
  .section .text.entry
  .globl _start
_start:
  la sp, stack_top
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f                  # NAPOT, all permissions
  csrw pmpcfg0, t0
  call page_tables             # returns satp
  csrw satp, a0
  sfence.vma
  la t0, supervisor
  csrw mepc, t0
  li t0, 3 << 11
  csrc mstatus, t0
  li t0, 1 << 11               # MPP = S
  csrs mstatus, t0
  mret
supervisor:
  call benchmark
  call report
1: j 1b

  .bss
  .balign 16
  .skip 65536
stack_top:
