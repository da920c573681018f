# What a cell's program stands on in paravirt: the monitor's hypercalls, by number in a7.
    .text
cell_end:
    li a0, 0
exit:                           # a0: exit code
    slti x0, x0, 2              # the measured part ends
    li a7, 11                   # HC_SHUTDOWN
    ecall
1:  j 1b

    .balign 4
cell_trap:                      # an upcall that the program does not handle itself
    slti x0, x0, 2
    li a0, 1
    li a7, 11
    ecall
1:  j 1b
cell_trap_end:

cell_write:                     # a0: address, t0: bytes
    mv a1, t0
    li a7, 12                   # HC_CONSOLE
    ecall
    ret

_start:
    la sp, cell_stack
    la a0, cell_trap
    li a7, 0                    # HC_SET_ENTRY
    ecall
