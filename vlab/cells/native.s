# What a cell's program stands on: hardware, or what looks like it, and the firmware's calls.
    .text
cell_end:
    li a0, 0
exit:                           # a0: exit code
    slti x0, x0, 2              # the measured part ends
    bnez a0, 1f
    li a7, 0x53525354           # SBI system reset: shut down
    li a6, 0
    li a1, 0
    ecall
1:  li t0, 0x3333               # test finisher: fail with a code
    slli a0, a0, 16
    or a0, a0, t0
    li t0, 0x100000
    sw a0, 0(t0)
2:  j 2b

    .balign 4
cell_trap:                      # a trap that the program does not handle itself
    slti x0, x0, 2
    li a7, 0x53525354
    li a6, 0
    li a0, 0
    li a1, 1                    # system failure
    ecall
1:  j 1b
cell_trap_end:

cell_write:                     # a0: address, t0: bytes
    mv a1, a0
    mv a0, t0
    li a2, 0
    li a6, 0
    li a7, 0x4442434e           # SBI debug console
    ecall
    ret

_start:
    la sp, cell_stack
    la t0, cell_trap
    csrw stvec, t0
