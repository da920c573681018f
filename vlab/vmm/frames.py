"""Host-physical frames: the monitor's own, and the guest's through the p2m table.

Guest-physical memory is mapped to host frames page by page, so that a guest-physical address
is never a host-physical one by accident.
"""

from __future__ import annotations

from array import array

from vlab.errors import MachineError

PAGE = 4096


class FramePool:
    """Frames of host-physical memory that belong to the monitor.

    Parameters
    ----------
    base
        Host-physical address of the first frame.
    count
        Number of frames.
    """

    def __init__(self, base: int, count: int) -> None:
        self.base, self.count = base, count
        self.free = [base + PAGE * n for n in reversed(range(count))]

    def allocate(self) -> int | None:
        """Return the address of a free frame, None if there is none."""
        return self.free.pop() if self.free else None

    def release(self, frame: int) -> None:
        """Give a frame back."""
        self.free.append(frame)


def monitor_frames(guest_size: int) -> int:
    """Return how many frames a monitor keeps for itself: a quarter of the guest's, and 1 MiB."""
    return guest_size // PAGE // 4 + 256


def guest_p2m(host_base: int, host_size: int, reserved: int, guest_size: int) -> array[int]:
    """Return the p2m table: machine frame number by guest-physical frame of RAM.

    The guest's frames are the host's last ones, in reverse order: contiguous nowhere, so
    that code which forgets to translate fails at once.
    """
    pages = guest_size // PAGE
    if reserved + pages > host_size // PAGE:
        raise MachineError(f"{pages} guest frames do not fit behind {reserved} monitor frames")
    last = (host_base + host_size) // PAGE - 1
    return array("Q", range(last, last - pages, -1))
