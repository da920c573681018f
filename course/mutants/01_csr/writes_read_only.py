"""Read-only registers can be written.

check: emulate: what is illegal
where: emulate_csr
"""


def emulate_csr(bits, priv, x, csrs):
    """Return what the instruction changes, None if it is illegal."""
    fields = decode_csr(bits)
    if fields is None or fields["csr"] not in csrs:
        return None
    number, source = fields["csr"], fields["source"]
    writes = fields["op"] == "write" or source != 0
    if number >> 8 & 3 > priv:
        return None
    old = csrs[number]
    operand = source if fields["immediate"] else x[source]
    if fields["op"] == "write":
        new = operand
    elif fields["op"] == "set":
        new = old | operand
    else:
        new = old & ~operand
    changed = {"x": {}, "csr": {}}
    if fields["rd"]:
        changed["x"][fields["rd"]] = old
    if writes:
        changed["csr"][number] = new
    return changed
