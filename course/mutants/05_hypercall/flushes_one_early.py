"""The queue is handed over when one place is still free.

check: guest: one hypercall a batch
where: GUEST: queue_update
"""

GUEST = """
queue_update:
        la   t0, count
        ld   t1, 0(t0)
        la   t2, queue
        slli t3, t1, 4
        add  t2, t2, t3
        sd   a0, 0(t2)
        sd   a1, 8(t2)
        addi t1, t1, 1
        sd   t1, 0(t0)
        li   t2, BATCH - 1
        beq  t1, t2, flush_updates
        ret

flush_updates:
        la   t0, count
        ld   a1, 0(t0)
        beqz a1, 1f
        sd   zero, 0(t0)
        la   a0, queue
        li   a7, HC_MMU_UPDATE
        ecall
1:      ret

        .data
        .balign 16
count:  .dword 0
        .dword 0
queue:  .space 16 * BATCH
        .text
"""
