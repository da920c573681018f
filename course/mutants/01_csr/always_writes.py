"""Set and clear write even if they have nothing to set or clear.

check: emulate: no write
where: emulate_csr
"""


def emulate_csr(bits, priv, x, csrs):
    """Return what the instruction changes, None if it is illegal."""
    fields = decode_csr(bits)
    if fields is None or fields["csr"] not in csrs:
        return None
    number, source = fields["csr"], fields["source"]
    writes = True
    if number >> 8 & 3 > priv or (writes and number >> 10 == 3):
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
