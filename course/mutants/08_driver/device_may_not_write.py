"""The data's descriptor does not allow the device to write.

check: driver: one request
where: DRIVER: read_sectors
"""

DRIVER = """
read_sectors:
        la   t0, header
        sd   zero, 0(t0)         # type 0: read
        sd   a0, 8(t0)           # first sector
        la   t1, descriptors
        sd   t0, 0(t1)           # descriptor 0: the header
        li   t2, 16
        sw   t2, 8(t1)
        li   t2, 1 | 1 << 16     # another follows: number 1
        sw   t2, 12(t1)
        sd   a1, 16(t1)          # descriptor 1: the data
        slli t2, a2, 9
        sw   t2, 24(t1)
        li   t2, 1 | 2 << 16     # the device writes; another follows: number 2
        sw   t2, 28(t1)
        addi t2, t0, 16
        sd   t2, 32(t1)          # descriptor 2: the status
        li   t2, 1
        sw   t2, 40(t1)
        li   t2, 2               # the device writes
        sw   t2, 44(t1)
        la   t1, available
        lhu  t2, 2(t1)
        andi t3, t2, QUEUE_SIZE - 1
        slli t3, t3, 1
        add  t3, t1, t3
        sh   zero, 4(t3)         # the chain begins with descriptor 0
        fence
        addi t2, t2, 1
        sh   t2, 2(t1)
        fence
        li   t3, VIRTIO
        sw   zero, 0x50(t3)      # the doorbell
        slli t2, t2, 48
        srli t2, t2, 48
        la   t1, used
wait:   lhu  t3, 2(t1)           # memory, not a register: no exit
        bne  t3, t2, wait
        ret

        .data
        .balign 16
header: .space 24
        .text
"""
