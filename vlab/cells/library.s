# Behind either beginning: what a cell may call. Only a0 and ra change.
    slti x0, x0, 1              # the measured part begins
    la ra, cell_after
    li t0, 0
    li a0, 0
    li a1, 0
    li a7, 0
    tail cell_main

print:                          # a0: address of a text that ends with 0
    addi sp, sp, -64
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd a1, 24(sp)
    sd a2, 32(sp)
    sd a6, 40(sp)
    sd a7, 48(sp)
    mv t0, a0
1:  lbu t1, 0(t0)
    beqz t1, 2f
    addi t0, t0, 1
    j 1b
2:  sub t0, t0, a0
    call cell_write
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld a1, 24(sp)
    ld a2, 32(sp)
    ld a6, 40(sp)
    ld a7, 48(sp)
    addi sp, sp, 64
    ret

print_char:                     # a0: a character
    addi sp, sp, -16
    sd ra, 0(sp)
    sb a0, 8(sp)
    sb zero, 9(sp)
    addi a0, sp, 8
    call print
    ld ra, 0(sp)
    addi sp, sp, 16
    ret

print_number:                   # a0: a signed number, printed in decimal
    addi sp, sp, -80
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    sd t3, 32(sp)
    sd a0, 40(sp)
    addi t0, sp, 79
    sb zero, 0(t0)
    mv t1, a0
    bgez t1, 1f
    neg t1, t1
1:  li t2, 10
2:  remu t3, t1, t2
    divu t1, t1, t2
    addi t3, t3, 48             # '0'
    addi t0, t0, -1
    sb t3, 0(t0)
    bnez t1, 2b
    ld t3, 40(sp)
    bgez t3, 3f
    li t3, 45                   # '-'
    addi t0, t0, -1
    sb t3, 0(t0)
3:  mv a0, t0
    call print
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    ld t3, 32(sp)
    addi sp, sp, 80
    ret

print_hex:                      # a0: a number, printed in hexadecimal
    addi sp, sp, -80
    sd ra, 0(sp)
    sd t0, 8(sp)
    sd t1, 16(sp)
    sd t2, 24(sp)
    addi t0, sp, 79
    sb zero, 0(t0)
1:  andi t1, a0, 15
    li t2, 10
    addi t1, t1, 48
    addi t2, t2, 48
    bltu t1, t2, 2f
    addi t1, t1, 39             # from ':' to 'a'
2:  addi t0, t0, -1
    sb t1, 0(t0)
    srli a0, a0, 4
    bnez a0, 1b
    li t1, 120                  # 'x'
    sb t1, -1(t0)
    li t1, 48
    sb t1, -2(t0)
    addi a0, t0, -2
    call print
    ld ra, 0(sp)
    ld t0, 8(sp)
    ld t1, 16(sp)
    ld t2, 24(sp)
    addi sp, sp, 80
    ret

    .bss
    .balign 16
    .space 16384
cell_stack:
