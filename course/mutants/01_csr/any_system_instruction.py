"""Only the opcode is looked at: ecall and sret are taken for CSR instructions.

check: decode: other instructions
where: decode_csr
"""


def decode_csr(bits):
    """Return the fields of a CSR instruction, None if it is another one."""
    funct3 = bits >> 12 & 7
    if bits & 0x7F != 0x73:
        return None
    funct3 = funct3 or 1
    return {
        "op": {1: "write", 2: "set", 3: "clear"}[funct3 & 3],
        "csr": bits >> 20,
        "rd": bits >> 7 & 31,
        "source": bits >> 15 & 31,
        "immediate": funct3 >= 4,
    }
