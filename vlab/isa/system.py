"""System instructions: Zicsr and the privileged ones (privileged specification, chapter 3.3, 4.2).

The rows of kind ``system`` are carried out by the functions of ``vlab/isa/execute.py``.
"""

from __future__ import annotations

from vlab.isa.table import declare


def write(old, source):
    return source


def set_bits(old, source):
    return old | source


def clear_bits(old, source):
    return old & ~source


for _name, _funct3, _meaning in (
    ("csrrw", "01", write),
    ("csrrs", "10", set_bits),
    ("csrrc", "11", clear_bits),
):
    declare(_name, f"csr rs1 0{_funct3} rd 1110011", "csr", _meaning, extension="Zicsr")
    declare(_name + "i", f"csr uimm 1{_funct3} rd 1110011", "csr", _meaning, extension="Zicsr")

declare("ecall", "000000000000 00000 000 00000 1110011", "system")
declare("ebreak", "000000000001 00000 000 00000 1110011", "system")
declare("sret", "000100000010 00000 000 00000 1110011", "system", extension="S")
declare("mret", "001100000010 00000 000 00000 1110011", "system", extension="M-mode")
declare("wfi", "000100000101 00000 000 00000 1110011", "system", extension="S")
declare("sfence.vma", "0001001 rs2 rs1 000 00000 1110011", "system", extension="S")
