"""The test finisher, driven by its register without a machine."""

from __future__ import annotations

import pytest

from vlab.devices.finisher import Finisher


@pytest.mark.parametrize(
    ("value", "exit_code", "reset"),
    [
        (0x5555, 0, False),
        (0x7777, 0, True),
        (0x3333, 1, False),
        (3 << 16 | 0x3333, 3, False),
        (0xFFFF << 16 | 0x3333, 0xFFFF, False),
        (0, None, False),
        (0x1234, None, False),
    ],
)
def test_a_store_ends_the_machine(value: int, exit_code: int | None, reset: bool) -> None:
    """PASS ends with 0, FAIL with its code and never with 0, RESET asks for a reset."""
    device = Finisher()
    assert device.exit_code is None
    device.write(0, value, 4)
    assert (device.exit_code, device.reset_requested) == (exit_code, reset)


def test_other_offsets_and_reads_do_nothing() -> None:
    """Only a store to the first register counts."""
    device = Finisher()
    device.write(4, 0x5555, 4)
    assert device.read(0, 4) == 0
    assert device.exit_code is None
