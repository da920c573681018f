"""Set and clear are mistaken for each other.

check: decode: the six forms
where: decode_csr
"""


def decode_csr(bits):
    """Return the fields of a CSR instruction, None if it is another one."""
    funct3 = bits >> 12 & 7
    if bits & 0x7F != 0x73 or funct3 & 3 == 0:
        return None
    return {
        "op": {1: "write", 3: "set", 2: "clear"}[funct3 & 3],
        "csr": bits >> 20,
        "rd": bits >> 7 & 31,
        "source": bits >> 15 & 31,
        "immediate": funct3 >= 4,
    }
