"""The disassembler, held against capstone, and its text against the assembler."""

from __future__ import annotations

import random
import re

import capstone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab.isa.assembler import assemble
from vlab.isa.decode import buckets, decode
from vlab.isa.disassembler import disassemble, listing
from vlab.isa.table import BY_NAME, INSTRUCTIONS, Instruction
from vlab.memory import PhysicalMemory

PC = 0x8000_1000
MD = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC)
NUMBER = re.compile(r"(?<![\w.])-?(?:0x[0-9a-f]+|\d+)\b")


def peer(bits: int) -> str:
    """Return capstone's text, empty if it knows no such instruction."""
    size = 4 if bits & 3 == 3 else 2
    found = list(MD.disasm(bits.to_bytes(size, "little"), PC))
    return f"{found[0].mnemonic} {found[0].op_str}".strip() if found else ""


def plain(text: str) -> str:
    """Return a text with its numbers in decimal, modulo 2^64."""
    return NUMBER.sub(lambda m: str(int(m[0], 0) % (1 << 64)), text)


def ours(bits: int, aliases: bool = True) -> str:
    """Return our text in capstone's dialect.

    It shows targets as distances, unnamed CSRs in decimal and under other names than the
    specification's, ``jr`` and ``jalr`` with the operands of ``jalr``, never ``li``, ``zext.b``
    or ``pause``, an empty fence set as ``unknown``, and ``c.addi zero`` as ``c.nop``.
    """
    text = disassemble(bits, PC, aliases)
    name = text.split()[0]
    if decode(bits).row.kind in ("branch", "jal"):  # type: ignore[union-attr]
        target = text.split()[-1]
        text = text.removesuffix(target) + str(int(target, 16) - PC)
    if re.match(r"li |zext\.b |pause$", text):
        return ours(bits, aliases=False)
    if re.match(r"(jr|jalr)\b", text):
        link = {"jr": "zero", "jalr": "ra"}[name]
        text = re.sub(r"^\w+ (-?\d+)\((\w+)\)$", rf"jalr {link}, \2, \1", text)
        text = re.sub(r"^jalr (\w+), (-?\d+)\((\w+)\)$", r"jalr \1, \3, \2", text)
    if text.startswith("fence "):
        text = re.sub(r"\b0\b", "unknown", text)
    return plain(re.sub(r"^c\.addi zero, .*", "c.nop", text))


def same(bits: int) -> bool:
    """Return whether both say the same; a CSR that only one of them names does not matter."""
    mine = ours(bits).replace(",", "").split()
    other = plain(peer(bits)).replace(",", "").split()
    different = [pair for pair in zip(mine, other, strict=False) if pair[0] != pair[1]]
    named_by_one = len(different) == 1 and str(bits >> 20) in different[0]
    is_csr = decode(bits).row.format == "CSR"  # type: ignore[union-attr]
    return len(mine) == len(other) and (not different or (is_csr and named_by_one))


def instances(row: Instruction, count: int) -> list[int]:
    """Return random instances of a row, those of the fences with their reserved fields zero."""
    source = random.Random(row.name)
    reserved = {"fence": 0xF00F_8F80, "fence.i": 0xFFFF_8F80}.get(row.name, 0)
    return [row.match | source.getrandbits(32) & ~(row.mask | reserved) for _ in range(count)]


# ---- Against capstone ------------------------------------------------------------


@pytest.mark.parametrize("row", INSTRUCTIONS, ids=lambda row: row.name)
def test_every_row_reads_as_in_capstone(row: Instruction) -> None:
    """Random instances of a row have the text that capstone gives them."""
    wrong = [(hex(b), ours(b), peer(b)) for b in instances(row, 100) if not same(b)]
    assert not wrong


def test_what_is_illegal_in_any_bucket_is_not_ours_in_capstone_either() -> None:
    """Words outside the table are nothing to capstone, or of extensions the hart has not."""
    source = random.Random(1)
    for bucket in range(256):
        opcode = bucket >> 3 << 2 | 3 | (bucket & 7) << 12
        for _ in range(200):
            bits = opcode | source.getrandbits(32) & ~0x707F
            if decode(bits) is None:
                name = (peer(bits) or "nothing").split()[0]
                foreign = re.match(r"nothing$|f(?!ence)|[hu]", name)
                assert foreign, f"{bits:#x} {name}"
            elif not buckets()[bucket][0].name.startswith("fence"):
                assert same(bits), f"{bits:#x} {ours(bits)} | {peer(bits)}"


def test_all_compressed_encodings_read_as_in_capstone() -> None:
    """All 65536 agree, but that capstone has floating point and the reserved ``c.lui`` 0,
    and refuses HINTs that write x0.
    """
    for bits in range(65536):
        if bits & 3 == 3:
            continue
        other = peer(bits)
        if decode(bits) is None:
            assert re.match(r"$|c\.f|c\.unimp$|c\.lui \w+, 0$", other), hex(bits)
            assert disassemble(bits) == (f".half {bits:#06x}" if bits else "c.unimp")
        elif other:
            assert ours(bits) == plain(other), hex(bits)
        else:
            assert decode(bits).rd == 0, hex(bits)  # type: ignore[union-attr]


# ---- Against the assembler -------------------------------------------------------


def reassembled(text: str, pc: int) -> int:
    return int.from_bytes(assemble(text, pc).code, "little")


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(INSTRUCTIONS), st.integers(0, 2**32 - 1), st.booleans())
def test_the_assembler_reads_it_back(row: Instruction, noise: int, aliases: bool) -> None:
    """Assembling the text of an instruction gives its bits, as itself and by its other name."""
    reserved = {"fence": 0xF00F_8F80, "fence.i": 0xFFFF_8F80}.get(row.name, 0)
    bits = row.match | noise & ~(row.mask | reserved)
    assert reassembled(disassemble(bits, PC, aliases), PC) == bits


def test_the_assembler_reads_back_all_compressed_instructions() -> None:
    """Of all 65536, each assembles from its text again, and so do those that are illegal."""
    codes = [bits for bits in range(65536) if bits & 3 != 3]
    for start in range(0, len(codes), 512):
        part = codes[start : start + 512]
        text = "\n".join(disassemble(bits, PC + 2 * n) for n, bits in enumerate(part))
        code = b"".join(bits.to_bytes(2, "little") for bits in part)
        assert assemble(text, PC).code == code


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1).map(lambda n: n | 3))
def test_any_word_has_a_text(bits: int) -> None:
    """Whatever the word, there is a text; what is no instruction comes back as ``.word``."""
    text = disassemble(bits, PC)
    if decode(bits) is None:
        assert text == f".word {bits:#010x}"
        assert reassembled(text, PC) == bits


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["beq", "jal"]), st.integers(0, 2**32 - 1), st.integers(0, 2**63 - 1))
def test_targets_are_addresses_wherever_the_code_is(name: str, noise: int, half: int) -> None:
    """A target is shown modulo 2^64, and assembled back from there."""
    row, pc = BY_NAME[name], 2 * half
    bits = row.match | noise & ~row.mask
    decoded = decode(bits)
    assert decoded is not None
    text = disassemble(bits, pc)
    assert text.endswith(f" {pc + decoded.imm & 2**64 - 1:#x}")
    assert reassembled(text, pc) == bits


# ---- Examples --------------------------------------------------------------------

EXAMPLES = {
    0x00008067: ("ret", "jalr zero, 0(ra)"), 0x00050513: ("mv a0, a0", "addi a0, a0, 0"),
    0xFFF00513: ("li a0, -1", "addi a0, zero, -1"), 0x8330000F: ("fence.tso", "fence rw, rw"),
    0xFE050EE3: ("beqz a0, 0x80000ffc", "beq a0, zero, 0x80000ffc"),
    0x800005B7: ("lui a1, 0x80000", "lui a1, 0x80000"), 0xC0102573: ("rdtime a0", "csrrs a0, time, "
    "zero"), 0x7C051073: ("csrw 0x7c0, a0", "csrrw zero, 0x7c0, a0"),
    0x06B5252F: ("amoadd.w.aqrl a0, a1, (a0)", "amoadd.w.aqrl a0, a1, (a0)"),
    0xFFFFFFFF: (".word 0xffffffff", ".word 0xffffffff"), 0x1141: ("c.addi sp, -16",) * 2,
}  # fmt: skip


@pytest.mark.parametrize("bits", EXAMPLES)
def test_examples(bits: int) -> None:
    """Pseudo-instructions by default, the plain instruction when asked for."""
    assert (disassemble(bits, PC), disassemble(bits, PC, aliases=False)) == EXAMPLES[bits]


def test_a_listing_has_address_encoding_and_text() -> None:
    """A listing goes from instruction to instruction, up to the last byte of the memory."""
    memory = PhysicalMemory(0x8000_0000, 4096)
    code = assemble("addi a0, a0, 1\nc.nop\nj . - 6\nc.li a0, -1").code
    memory.write(0x8000_1000 - len(code), code)
    assert listing(memory, 0x8000_1000 - len(code), 4).splitlines() == [
        "80000ff4:  00150513  addi a0, a0, 1",
        "80000ff8:  0001      c.nop",
        "80000ffa:  ffbff06f  j 0x80000ff4",
        "80000ffe:  557d      c.li a0, -1",
    ]
