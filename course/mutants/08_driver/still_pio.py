"""The old driver: the storm goes on.

check: driver: few exits
where: DRIVER: read_sectors
"""

DRIVER = """
# The driver that makes the storm: programmed I/O, sector by sector, word by word.
read_sectors:
        li   t0, ATA
        li   t1, 0xe0
        sb   t1, 6(t0)           # device: LBA
        sb   a2, 2(t0)           # sector count
        sb   a0, 3(t0)           # the sector's number, byte by byte
        srli t1, a0, 8
        sb   t1, 4(t0)
        srli t1, a0, 16
        sb   t1, 5(t0)
        li   t1, 0x20
        sb   t1, 7(t0)           # command: read sectors
sector: lbu  t1, 0x206(t0)       # alternate status
        andi t1, t1, 8           # DRQ: data are there
        beqz t1, sector
        lbu  t1, 7(t0)           # status: withdraws the interrupt
        addi t2, a1, 512
word:   lhu  t1, 0(t0)           # data
        sh   t1, 0(a1)
        addi a1, a1, 2
        bltu a1, t2, word
        addi a2, a2, -1
        bnez a2, sector
        ret
"""
