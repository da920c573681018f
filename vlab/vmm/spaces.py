"""The address spaces that a paravirtual guest has in use, on the hardware."""

from __future__ import annotations

from vlab.isa.fields import SATP_SV39
from vlab.machine import Engine
from vlab.state import Hart
from vlab.told import Told
from vlab.vmm.direct import DirectPaging, Refused, Use


class AddressSpaces:
    """The kernel root and the user root, their ASIDs, and the hardware's TLB.

    Parameters
    ----------
    hart, engine
        The physical hart.
    paging
        Counts the roots in use as references.
    kernel_root
        Guest-physical address of the first kernel root.

    Attributes
    ----------
    version : int
        Grows whenever other roots are in use, or have other tags.
    """

    version = Told[int]()

    def __init__(self, hart: Hart, engine: Engine, paging: DirectPaging, kernel_root: int) -> None:
        self.hart, self.engine, self.paging = hart, engine, paging
        paging.flush_hardware = self.flush_everything
        self.asids = hart.tlb_asid_mask + 1
        self.given: dict[int, int] = {}
        self.version = 0
        self.user_root: int | None = None
        self.kernel_root = paging.frame(kernel_root)
        paging.acquire(self.kernel_root, Use.KERNEL_ROOT)
        self.load(user=False)

    def use(self, kernel: int, user: int) -> None:
        """Change both roots, by guest-physical address (user 0: none), and load the kernel's."""
        paging = self.paging
        new_kernel, new_user = paging.frame(kernel), paging.frame(user) if user else None
        paging.acquire(new_kernel, Use.KERNEL_ROOT)
        try:
            if new_user is not None:
                paging.acquire(new_user, Use.USER_ROOT)
        except Refused:
            paging.release(new_kernel, Use.KERNEL_ROOT)
            raise
        old_kernel, old_user = self.kernel_root, self.user_root
        self.kernel_root, self.user_root = new_kernel, new_user
        self.version += 1
        self.load(user=False)
        paging.release(old_kernel, Use.KERNEL_ROOT)
        if old_user is not None:
            paging.release(old_user, Use.USER_ROOT)

    def load(self, user: bool) -> None:
        """Let the hardware walk the user's tables, if there is a user root, or the kernel's."""
        root = self.kernel_root
        if user and self.user_root is not None:
            root = self.user_root
        satp = SATP_SV39 | self._asid(self.paging.spaces[root]) << 44 | root
        if satp != self.hart.satp:
            self.engine.write_satp(self.hart, satp)
            if self.asids == 1:
                self.flush_everything()

    def _asid(self, space: int) -> int:
        """Return the tag of a space; when all were given out, begin anew with an empty TLB."""
        if self.asids == 1:
            return 0
        if space not in self.given:
            if len(self.given) == self.asids:
                self.given.clear()
                self.flush_everything()
            self.given[space] = len(self.given)
            self.version += 1
        return self.given[space]

    def flush_page(self, va: int) -> None:
        """Drop the translations of one page, in every space."""
        self.engine.tlb_flush(self.hart, va, 1, 0, 0)

    def flush_everything(self) -> None:
        """Drop every translation."""
        self.engine.tlb_flush(self.hart, 0, 0, 0, 0)
        self.paging.flushed()
