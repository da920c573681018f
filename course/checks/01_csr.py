"""Checks of lab 1: a CSR instruction that trapped is decoded and emulated."""

import random

from vlab.grading import check
from vlab.isa.assembler import assemble
from vlab.labs import csr
from vlab.labs.answers import agree
from vlab.labs.booting import boot

SSTATUS, SCAUSE, SSCRATCH, TIME, MSTATUS = 0x100, 0x142, 0x140, 0xC01, 0x300
CSRS = {SSTATUS: 0x2_0000_0102, SCAUSE: 0xFF, SSCRATCH: 0xDEAD, TIME: 1000, MSTATUS: 0xA0000_1800}
U, S, M = 0, 1, 3


def bits_of(text):
    return int.from_bytes(assemble(text).code, "little")


def registers(**values):
    x = [0] + [0x100 + n for n in range(1, 32)]
    for name, value in values.items():
        x[int(name[1:])] = value
    return x


def decodes(solution, text):
    bits = bits_of(text)
    agree(f"{text} ({bits:#010x})", csr.fields_of(bits), solution.decode_csr(bits), "decode_csr")


def emulates(solution, text, priv=S, csrs=CSRS, **x):
    csr.ask(solution, bits_of(text), priv, registers(**x), csrs)


@check("decode: the six forms", points=10, where="decode_csr")
def six_forms(solution):
    decodes(solution, "csrrw a0, sscratch, a1")
    decodes(solution, "csrrs t0, sstatus, t1")
    decodes(solution, "csrrc s0, sie, s1")
    decodes(solution, "csrrwi a0, sscratch, 5")
    decodes(solution, "csrrsi zero, sstatus, 2")
    decodes(solution, "csrrci a5, sstatus, 31")


@check("decode: other instructions", points=5, where="decode_csr")
def others(solution):
    decodes(solution, "csrrw a0, sscratch, a1")
    for text in ("ecall", "sret", "wfi", "sfence.vma a0, a1", "addi a0, a1, 3", "jal ra, .+8"):
        decodes(solution, text)
    agree("0x4073 (funct3 4)", None, solution.decode_csr(0x4073), "decode_csr")


@check("decode: any instruction", points=10, hidden=True, where="decode_csr")
def any_fields(solution):
    rng = random.Random(11)
    for _ in range(300):
        bits = rng.getrandbits(25) << 7 | rng.choice((0x73, 0x73, 0x73, 0x33, 0x63, 0x13))
        situation = f"decode_csr({bits:#010x})"
        agree(situation, csr.fields_of(bits), solution.decode_csr(bits), "decode_csr")


@check("emulate: read and write", points=10, where="emulate_csr")
def read_write(solution):
    emulates(solution, "csrrw a0, sscratch, a1", x11=0x1234)
    emulates(solution, "csrrs a0, sstatus, a1", x11=0x20)
    emulates(solution, "csrrc a0, scause, a1", x11=0x0F)
    emulates(solution, "csrrw a1, sscratch, a1", x11=0x77)
    emulates(solution, "csrrw zero, sscratch, a1", x11=0x99)
    emulates(solution, "csrrsi a0, sstatus, 2")
    emulates(solution, "csrrci a0, sstatus, 2")
    emulates(solution, "csrrwi a0, sscratch, 31")


@check("emulate: no write", points=10, where="emulate_csr")
def no_write(solution):
    emulates(solution, "csrrs a0, sstatus, zero")
    emulates(solution, "csrrc a0, scause, zero")
    emulates(solution, "csrrsi a0, sscratch, 0")
    emulates(solution, "csrrs a0, time, zero")
    emulates(solution, "csrrw a0, sscratch, zero")
    emulates(solution, "csrrs a0, scause, a1", x11=0)


@check("emulate: what is illegal", points=10, where="emulate_csr")
def illegal(solution):
    emulates(solution, "csrrs a0, mstatus, zero", priv=S)
    emulates(solution, "csrrs a0, mstatus, zero", priv=M)
    emulates(solution, "csrrs a0, sstatus, zero", priv=U)
    emulates(solution, "csrrw a0, time, a1", priv=M)
    emulates(solution, "csrrsi a0, time, 1", priv=S)
    emulates(solution, "csrrs a0, time, zero", priv=U)
    emulates(solution, "csrrs a0, sepc, zero", csrs={SSTATUS: 0})


@check("emulate: any instruction", points=10, hidden=True, where="emulate_csr")
def any_effect(solution):
    rng = random.Random(12)
    for _ in range(300):
        csrs = {n: rng.getrandbits(64) for n in (*CSRS, 0x104, 0x180, 0xF14, 0x7C0, 0x800)}
        number = rng.choice((*csrs, *csrs, 0x106, 0xC02))
        funct3, source = rng.choice((1, 2, 3, 5, 6, 7)), rng.choice((0, rng.randrange(32)))
        bits = number << 20 | source << 15 | funct3 << 12 | rng.randrange(32) << 7 | 0x73
        x = [0] + [rng.choice((0, rng.getrandbits(64))) for _ in range(31)]
        csr.ask(solution, bits, rng.choice((U, S, M)), x, csrs)


@check("boots the kernel", points=10, where="emulate_csr")
def boots(solution):
    boot(csr, solution, "hello", where="emulate_csr")


@check("boots on other machines", points=15, hidden=True, where="emulate_csr")
def boots_elsewhere(solution):
    small = {"memory": "16M", "tlb_entries": 16, "tlb_ways": 2}
    boot(csr, solution, "forktree", where="emulate_csr", set=small, seed=3, depth=2)
    boot(csr, solution, "timer", where="emulate_csr", set={"asid_bits": 0}, n=4)
    boot(csr, solution, "mixed", where="emulate_csr", seed=7, n=3)
