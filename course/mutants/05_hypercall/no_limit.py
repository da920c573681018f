"""A call may take as long as the guest likes.

check: monitor: what is to be read
where: to_read
"""

import struct


def to_read(va, count):
    """Return address and size of the array, or a negative error."""
    return va, 16 * count


def updates(data):
    """Return the updates in the array."""
    return [struct.unpack_from("<2Q", data, at) for at in range(0, len(data), 16)]


def answer(count, done, error):
    """Return the result of the hypercall."""
    return error or done
